//! Shows the progress of a run: bars on a terminal, plain lines elsewhere, nothing with `--quiet`.
//! All of it goes to standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use crate::output::say;
use grokrun_engine::EpochRow;
use grokrun_session::{Event, Watch};
use grokrun_watch::Pace;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How much to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Bars,
    Lines,
    Quiet,
}

impl Mode {
    /// Chooses bars if standard error is a terminal.
    pub(crate) fn choose(quiet: bool) -> Mode {
        match (quiet, std::io::stderr().is_terminal()) {
            (true, _) => Mode::Quiet,
            (false, true) => Mode::Bars,
            (false, false) => Mode::Lines,
        }
    }
}

/// Shows a session's events.
pub(crate) struct Progress {
    mode: Mode,
    bars: MultiProgress,
    /// how many of all cells are done, if there are several
    cells: Option<ProgressBar>,
    batch: Option<Batch>,
}

struct Batch {
    label: String,
    bar: ProgressBar,
    epochs: u64,
    pace: Pace,
    last_line: Option<Instant>,
}

impl Progress {
    pub(crate) fn new(mode: Mode, bars: MultiProgress, cells: usize) -> Progress {
        let many = mode == Mode::Bars && cells > 1;
        let cells = many.then(|| {
            let bar = bars.add(ProgressBar::new(cells as u64));
            bar.set_style(style("{pos:>7}/{len} {bar:30} cells"));
            bar.tick();
            bar
        });
        Progress {
            mode,
            bars,
            cells,
            batch: None,
        }
    }

    /// Removes the bars from the screen.
    pub(crate) fn close(&mut self) {
        if let Some(batch) = self.batch.take() {
            batch.bar.finish_and_clear();
        }
        if let Some(cells) = self.cells.take() {
            cells.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        match self.mode {
            Mode::Quiet => {}
            Mode::Lines => say(line),
            Mode::Bars => self.bars.suspend(|| say(line)),
        }
    }

    fn start(&mut self, cells: &[&str], from: u64, epochs: u64, device: &str) {
        let label = label(cells);
        let verb = if from == 0 { "training" } else { "continuing" };
        let at = if from == 0 {
            String::new()
        } else {
            format!(" from epoch {from}")
        };
        self.say(&format!("{verb} {label}{at} to epoch {epochs} on {device}"));
        let bar = if self.mode == Mode::Bars {
            let bar = self.bars.add(ProgressBar::new(epochs));
            bar.set_style(style("{pos:>7}/{len} {bar:30} {prefix}\n        {msg}"));
            bar.set_position(from);
            bar
        } else {
            ProgressBar::hidden()
        };
        self.batch = Some(Batch {
            label,
            bar,
            epochs,
            pace: Pace::new(from, Instant::now()),
            last_line: None,
        });
    }

    fn advance(&mut self, epoch: u64, rows: &[EpochRow]) {
        let Some(batch) = &mut self.batch else { return };
        batch.pace.update(epoch, Instant::now());
        let (message, pace) = (metrics(rows), speed(&batch.pace, batch.epochs - epoch));
        batch.bar.set_position(epoch);
        batch.bar.set_prefix(pace.clone());
        batch.bar.set_message(message.clone());
        let due = batch.last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY);
        if self.mode == Mode::Lines && (due || epoch == batch.epochs) {
            batch.last_line = Some(Instant::now());
            let gap = if pace.is_empty() { "" } else { "  " };
            say(format!(
                "{} epoch {epoch}/{} {message}{gap}{pace}",
                batch.label, batch.epochs
            ));
        }
    }
}

impl Watch for Progress {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Batch {
                cells,
                from,
                epochs,
                device,
            } => self.start(cells, from, epochs, device),
            Event::Epochs { epoch, rows } => self.advance(epoch, rows),
            Event::Cell { id, verdict } => {
                self.say(&format!("{id}: {verdict}"));
                if let Some(cells) = &self.cells {
                    cells.inc(1);
                }
            }
            Event::Analysing { cells } => {
                if let Some(batch) = self.batch.take() {
                    batch.bar.finish_and_clear();
                }
                self.say(&format!("analysing {}", label(cells)));
            }
            Event::Waiting {
                analysis,
                cell,
                epoch,
                most,
            } => {
                let work = match epoch {
                    Some(epoch) => format!("looks at epoch {epoch} of {cell}"),
                    None => format!("concludes on {cell}"),
                };
                self.say(&format!(
                    "waiting for {analysis}, which {work}, {} s at most; another Ctrl-C ends at once",
                    most.as_secs()
                ));
            }
            Event::GaveUp { analysis } => self.say(&format!(
                "{analysis} is left where it is; it looks again when the run goes on"
            )),
            Event::BatchEnds => {
                if let Some(batch) = self.batch.take() {
                    batch.bar.finish_and_clear();
                }
            }
        }
    }
}

/// Names cells in a few words.
fn label(cells: &[&str]) -> String {
    match cells {
        [one] => (*one).to_owned(),
        [first, rest @ ..] => format!("{first} and {} more", rest.len()),
        [] => String::new(),
    }
}

/// Returns the style of a template; if the template is wrong, indicatif's own bar.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸─")
}

/// Formats losses and accuracies, the mean of the batch's cells.
fn metrics(rows: &[EpochRow]) -> String {
    let mean = |pick: fn(&EpochRow) -> f64| rows.iter().map(pick).sum::<f64>() / rows.len() as f64;
    let share = |share: f64| {
        if share.is_nan() {
            format!("{:>6}", "–")
        } else {
            format!("{:5.1}%", 100.0 * share)
        }
    };
    format!(
        "train loss {} acc {}  test loss {} acc {}",
        loss(mean(|r| r.train_loss)),
        share(mean(|r| r.train_accuracy)),
        loss(mean(|r| r.test_loss)),
        share(mean(|r| r.test_accuracy)),
    )
}

/// Formats a loss in seven characters.
fn loss(value: f64) -> String {
    if value.is_nan() {
        format!("{:>7}", "–")
    } else if (0.01..1000.0).contains(&value) {
        format!("{value:7.4}")
    } else {
        format!("{value:7.1e}")
    }
}

fn speed(pace: &Pace, left: u64) -> String {
    match pace.per_second().zip(pace.seconds_for(left)) {
        None => String::new(),
        Some((rate, left)) => {
            let digits = usize::from(rate < 100.0);
            format!("{rate:.digits$} epochs/s, {} left", duration(left))
        }
    }
}

/// Formats a duration: 42 s, 3 min 5 s, 2 h 10 min.
pub(crate) fn duration(seconds: f64) -> String {
    let total = seconds.round() as u64;
    match total {
        0..60 => format!("{total} s"),
        60..3600 => format!("{} min {} s", total / 60, total % 60),
        _ => format!("{} h {} min", total / 3600, total % 3600 / 60),
    }
}
