//! Prints what goes on in a run: rows with small curves, drawn anew on a terminal, and line after
//! line elsewhere. It ends when the run has ended, or when no process trains it.

use std::io::{IsTerminal, stdout};
use std::time::{Duration, Instant};

use console::Term;
use grokrun_session::Interrupt;
use grokrun_store::{Crossing, Milestone};
use grokrun_watch::{Activity, CellNow, Follower, Snapshot, State, state_in_words};

use crate::output::{Failure, print};
use crate::progress::duration;
use crate::show::{line, small_curves};
use crate::visible::in_line;

/// How often the command looks whether it is asked to end.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Time between two lines of a cell where nothing is drawn anew.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Columns of a terminal that does not say how many it has.
const COLUMNS: usize = 80;
const ROWS: usize = 24;
/// Columns of the curves of the cell that is shown.
const CURVES: usize = 50;
/// Columns of the curve of a row, and of the name of its cell.
const SMALL: usize = 12;
const NAME: usize = 28;
/// The most cells that have a line of their own where nothing is drawn anew.
const MOST_LINES: usize = 16;

/// Prints until the run ends, or somebody asks to end.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn watch(follower: &Follower, interrupt: &Interrupt) -> Result<(), Failure> {
    let mut screen = if stdout().is_terminal() {
        Screen::Drawn(Term::stdout(), 0)
    } else {
        Screen::Lines(Lines::default())
    };
    let viewer = follower.view(None);
    let mut revision = None;
    while !interrupt.is_asked() {
        let Some(now) = viewer.wait(revision, ASK_EVERY) else {
            continue;
        };
        revision = Some(now.revision);
        // The first one knows nothing yet.
        if now.revision == 0 {
            continue;
        }
        screen.show(&now)?;
        if let Some(problem) = now.run.problem.as_ref().filter(|_| now.cells.is_empty()) {
            return Err(Failure::running(problem));
        }
        if matches!(now.run.activity, Activity::Done | Activity::Stopped) {
            return screen.end(&now);
        }
    }
    Ok(())
}

/// Where it is printed.
enum Screen {
    /// on a terminal, with the number of lines that were drawn last
    Drawn(Term, usize),
    Lines(Lines),
}

impl Screen {
    fn show(&mut self, now: &Snapshot) -> Result<(), Failure> {
        match self {
            Screen::Drawn(term, drawn) => {
                let (rows, columns) = term
                    .size_checked()
                    .map_or((ROWS, COLUMNS), |(rows, columns)| {
                        (rows.into(), columns.into())
                    });
                let lines = frame(now, columns, rows.saturating_sub(1));
                // A terminal that has gone away is found out when something is written.
                let _gone = term.clear_last_lines(*drawn);
                *drawn = lines.len();
                print(&format!("{}\n", lines.join("\n")))
            }
            Screen::Lines(lines) => lines.show(now, Instant::now()),
        }
    }

    fn end(&self, now: &Snapshot) -> Result<(), Failure> {
        match self {
            // It stands in the first line.
            Screen::Drawn(..) => Ok(()),
            Screen::Lines(_) => print(&format!("{}\n", now.run.in_words(now.cells.len()))),
        }
    }
}

/// What was printed of each cell, where nothing is drawn anew.
#[derive(Default)]
struct Lines {
    printed: Option<Instant>,
    /// where each cell stood
    states: Vec<State>,
}

impl Lines {
    fn show(&mut self, now: &Snapshot, at: Instant) -> Result<(), Failure> {
        let due = self
            .printed
            .is_none_or(|last| at.duration_since(last) >= LINE_EVERY);
        let mut out = String::new();
        let mut left = MOST_LINES;
        for (place, cell) in now.cells.iter().enumerate() {
            let turned = self.states.get(place) != Some(&cell.state);
            let over = turned && cell.state == State::Over;
            let trains = cell.state == State::Training && (due || turned);
            if (over || trains) && left > 0 {
                left -= 1;
                out.push_str(&plain(cell));
            }
        }
        if due {
            self.printed = Some(at);
        }
        self.states = now.cells.iter().map(|cell| cell.state).collect();
        print(&out)
    }
}

/// A line on one cell.
fn plain(cell: &CellNow) -> String {
    let id = in_line(&cell.id);
    if cell.state == State::Over {
        return format!("{id}: {}\n", in_line(&cell.outcome.verdict));
    }
    let mut words = format!("{id} epoch {}/{}", cell.outcome.epochs, cell.epochs);
    if let Some(last) = &cell.outcome.last {
        words.push_str(&format!(
            "  train loss {:.2e}  test loss {:.2e}  test acc {:.1} %",
            last.train_loss,
            last.test_loss,
            100.0 * last.test_accuracy
        ));
    }
    words.push_str(&pace_in_words(cell));
    words.push('\n');
    words
}

/// The lines of a terminal of this size: the run, the cell that is shown with its curves, and a row
/// for each cell of several.
fn frame(now: &Snapshot, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = vec![format!(
        "{}  {}",
        in_line(&now.run.name),
        now.run.in_words(now.cells.len())
    )];
    lines.extend(
        now.run
            .problem
            .iter()
            .map(|problem| in_line(problem).into_owned()),
    );
    if let Some(cell) = now.cells.get(now.lead) {
        lines.push(String::new());
        lines.push(in_line(&cell.id).into_owned());
        lines.push(format!("  {}", progress(cell)));
        lines.extend(milestones(cell));
        lines.extend(cell.flaw.iter().map(|flaw| format!("  {}", in_line(flaw))));
        if cell.small.iter().any(|column| !column.is_empty()) {
            let curves = small_curves(cell.small.each_ref().map(Vec::as_slice), CURVES);
            lines.extend(curves.lines().map(str::to_owned));
        }
    }
    if now.cells.len() > 1 {
        lines.push(String::new());
        let room = rows.saturating_sub(lines.len() + 1);
        // Those of which there is something to see come first.
        let mut cells: Vec<&CellNow> = now.cells.iter().map(|cell| &**cell).collect();
        cells.sort_by_key(|cell| match cell.state {
            State::Training | State::Busy => 0,
            State::Interrupted => 1,
            State::Over => 2,
            State::Waiting => 3,
        });
        lines.extend(cells.iter().take(room).map(|cell| row(cell)));
        if let Some(more) = cells.len().checked_sub(room).filter(|more| *more > 0) {
            lines.push(format!("… and {more} more cells"));
        }
    }
    lines.truncate(rows.max(1));
    let fitted = lines.into_iter().map(|line| cut(&line, columns));
    fitted.collect()
}

/// How far a cell is, in words.
fn progress(cell: &CellNow) -> String {
    let mut words = format!(
        "{}  epoch {} of {}",
        state_in_words(cell),
        cell.outcome.epochs,
        cell.epochs
    );
    words.push_str(&pace_in_words(cell));
    if let Some(stale) = cell.stale {
        words.push_str(&format!("  no new epochs for {}", duration(stale as f64)));
    }
    words
}

/// How fast a cell is trained and how long it takes; empty where that is not known.
fn pace_in_words(cell: &CellNow) -> String {
    cell.pace
        .zip(cell.left)
        .map(|(pace, left)| format!("  {pace:.1} epochs/s, {} left", duration(left)))
        .unwrap_or_default()
}

/// The line with the epochs at which a cell memorised and grokked; none before it has.
fn milestones(cell: &CellNow) -> Option<String> {
    let reached = [
        ("memorised", Milestone::Memorised),
        ("grokked", Milestone::Grokked),
    ];
    let words = reached.map(|(what, milestone)| match cell.outcome.crossing(milestone) {
        Crossing::Held { epoch } => format!("  {what} {epoch}"),
        _ => String::new(),
    });
    Some(words.concat()).filter(|words| !words.is_empty())
}

/// A row of a cell.
fn row(cell: &CellNow) -> String {
    let accuracy = cell.outcome.last.as_ref().map(|row| row.test_accuracy);
    let grokked = match cell.outcome.crossing(Milestone::Grokked) {
        Crossing::Held { epoch } => format!("grokked {epoch}"),
        _ => String::new(),
    };
    let share = 100 * cell.outcome.epochs / cell.epochs.max(1);
    let words = format!(
        "{:NAME$}  {:11} {:>4}  {:SMALL$} {:>7}  {grokked}",
        cut(&in_line(&cell.id), NAME),
        state_in_words(cell),
        format!("{share}%"),
        line(&cell.small[2], 0.0, 1.0, SMALL),
        accuracy.map_or(String::new(), |share| format!("{:.1} %", 100.0 * share)),
    );
    words.trim_end().to_owned()
}

/// A text in so many columns.
fn cut(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use grokrun_store::{Row, Tally};
    use grokrun_watch::{Counts, RunNow};

    use super::*;

    fn cell(id: &str, state: State, epochs: u64) -> CellNow {
        let mut tally = Tally::default();
        for epoch in 0..epochs {
            let solved = if epoch > 600 { 1.0 } else { 0.1 };
            tally.see(Row {
                epoch,
                train_loss: 1e-7,
                test_loss: 2.0,
                train_accuracy: 1.0,
                test_accuracy: solved,
            });
        }
        CellNow {
            id: id.to_owned(),
            state,
            outcome: tally.summary(id, "finished"),
            epochs: 40_000,
            pace: Some(112.0),
            left: Some(345.0),
            stale: None,
            small: [vec![1e-7; 60], vec![2.0; 60], vec![0.5; 60]],
            flaw: None,
        }
    }

    fn of(cells: Vec<CellNow>) -> Snapshot {
        let run = RunNow {
            name: "mult113".to_owned(),
            heading: "a × b mod 113".to_owned(),
            facts: Vec::new(),
            activity: Activity::Training,
            counts: Counts {
                training: cells.len(),
                ..Counts::default()
            },
            report: false,
            problem: None,
        };
        Snapshot::of(run, cells.into_iter().map(Arc::new).collect())
    }

    #[test]
    fn a_frame_fits_eighty_columns_and_the_rows_that_there_are() {
        let one = of(vec![cell("mul-p113-f0.3-d598-m999", State::Training, 1200)]);
        let lines = frame(&one, 80, 23);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{lines:#?}"
        );
        let text = lines.join("\n");
        for part in [
            "mult113  training",
            "epoch 1200 of 40000",
            "5 min 45 s left",
            "memorised 0",
            "grokked 601",
            "test acc",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let many = |state| {
            (0..60).map(move |i| {
                cell(
                    &format!("mul-p113-f0.3-d598-m{i}-mlp.activation-gelu"),
                    state,
                    700,
                )
            })
        };
        let cells = many(State::Waiting).chain(many(State::Training)).collect();
        let lines = frame(&of(cells), 80, 23);
        assert_eq!(lines.len(), 23);
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{lines:#?}"
        );
        assert!(lines[10].contains("training"), "{lines:#?}");
        assert!(lines[22].contains("more cells"), "{lines:#?}");
    }

    #[test]
    fn a_name_of_a_cell_does_not_steer_the_terminal() {
        let bad = of(vec![cell("a\u{1b}[2J", State::Training, 3)]);
        let text = [frame(&bad, 80, 23).join("\n"), plain(&bad.cells[0])].concat();
        assert!(
            !text.contains('\u{1b}') && text.contains("\\u{1b}"),
            "{text}"
        );
    }
}
