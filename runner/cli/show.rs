//! Runs `grokrun show RUN`: a run at a glance, on a terminal.

use std::process::ExitCode;

use grokrun_session::settings_of;
use grokrun_store::{Crossing, HOLD, Metrics, Milestone, RunView, StoreError, Summary};

use crate::args::ShowArgs;
use crate::output::{Failure, print, table, whole};
use crate::spread::spread;
use crate::{plugins, survival};

/// The width of a curve in columns.
const WIDTH: usize = 60;
/// The most cells whose curves are shown.
const MOST_CURVES: usize = 4;

/// Runs `grokrun show`.
///
/// # Errors
/// If the folder holds no run, or cannot be read.
pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode, Failure> {
    let view = RunView::open(&args.run).map_err(failure)?;
    plugins::note_calls_left(view.path());
    let page = args.run.join("report.html");
    let mut flaws = Vec::new();
    let summary = view.summary().unwrap_or_else(|error| {
        flaws.push(error.to_string());
        Summary::default()
    });
    let configs = settings_of(&view, &summary.cells);
    if args.json {
        print(&format!(
            "{:#}\n",
            survival::of_run(&view, &summary, &configs, &flaws)
        ))?;
        return whole(&flaws);
    }
    print(&format!(
        "{}{}{}{}{}\n",
        said(&view, &mut flaws),
        if summary.cells.is_empty() {
            String::new()
        } else {
            cells(&summary)
        },
        spread(&summary, &configs),
        curves(&view, &mut flaws)?,
        if page.exists() {
            page.display()
        } else {
            args.run.display()
        }
    ))?;
    whole(&flaws)
}

/// Formats the tags and the note of a run; empty if nobody has said anything of it. A file of them
/// that cannot be read is added to the flaws.
fn said(view: &RunView, flaws: &mut Vec<String>) -> String {
    let notes = view.notes().unwrap_or_else(|error| {
        flaws.push(error.to_string());
        Default::default()
    });
    let mut out = String::new();
    if !notes.tags.is_empty() {
        let tags: Vec<&str> = notes.tags.iter().map(String::as_str).collect();
        out.push_str(&format!("tags: {}\n", tags.join(" ")));
    }
    if !notes.note.is_empty() {
        out.push_str(&format!("{}\n", notes.note));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

fn failure(error: StoreError) -> Failure {
    if error.is_request() {
        Failure::request(error)
    } else {
        Failure::running(error)
    }
}

/// The mark of an epoch at which an accuracy was reached, and not yet held long enough.
const NOT_YET: &str = " *";

/// Formats a line for each cell, no wider than a terminal of 80 columns, and explains the mark of
/// an epoch.
pub(crate) fn cells(summary: &Summary) -> String {
    let heading = [
        "cell",
        "train loss",
        "test loss",
        "test acc",
        "memorised",
        "grokked",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for cell in &summary.cells {
        // A number that an imported file did not have is NaN.
        let known = |x: &f64| !x.is_nan();
        let last = |pick: fn(&grokrun_store::Row) -> f64| cell.last.as_ref().map(pick);
        let loss = |x: Option<f64>| {
            x.filter(known)
                .map_or("-".to_owned(), |x| format!("{x:.2e}"))
        };
        let share = |x: Option<f64>| {
            x.filter(known)
                .map_or("-".to_owned(), |x| format!("{:.1} %", 100.0 * x))
        };
        let epoch = |milestone: Milestone, accuracy: Option<f64>| match (
            cell.crossing(milestone),
            accuracy.filter(known),
        ) {
            (Crossing::Held { epoch }, _) => epoch.to_string(),
            (Crossing::Open { epoch, .. }, _) => format!("{epoch}{NOT_YET}"),
            (Crossing::Not, Some(_)) => "no".to_owned(),
            (Crossing::Not, None) => "-".to_owned(),
        };
        rows.push(vec![
            cell.cell.clone(),
            loss(last(|r| r.train_loss)),
            loss(last(|r| r.test_loss)),
            share(last(|r| r.test_accuracy)),
            epoch(Milestone::Memorised, last(|r| r.train_accuracy)),
            epoch(Milestone::Grokked, last(|r| r.test_accuracy)),
        ]);
    }
    let mut out = table(&rows);
    if rows.iter().flatten().any(|text| text.ends_with(NOT_YET)) {
        out.push_str(&format!(
            "* at 99 % from this epoch to the end, which is not yet {HOLD} epochs\n"
        ));
    }
    out
}

/// Draws small curves of the first cells: losses on a logarithmic scale, and the test accuracy. A
/// state that cannot be read is added to the flaws.
///
/// # Errors
/// If the run cannot be read.
pub(crate) fn curves(view: &RunView, flaws: &mut Vec<String>) -> Result<String, Failure> {
    let mut out = String::new();
    let all = view.cells().map_err(failure)?;
    if all.len() > MOST_CURVES {
        return Ok(out);
    }
    for (name, dir) in &all {
        let (metrics, flaw) = dir.read_history();
        let metrics = metrics.held();
        flaws.extend(flaw);
        if metrics.is_empty() {
            continue;
        }
        out.push_str(&format!("\n{name}, {} epochs\n", metrics.len()));
        out.push_str(&of_metrics(&metrics));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    Ok(out)
}

fn of_metrics(metrics: &Metrics) -> String {
    let [train, test, _, accuracy] = metrics.columns();
    small_curves([train, test, accuracy], WIDTH)
}

/// Draws train losses, test losses and test accuracies as three lines of blocks, so many each.
pub(crate) fn small_curves([train, test, accuracy]: [&[f64]; 3], width: usize) -> String {
    // NaN stays NaN: `max` would make it the smallest loss.
    let log = |x: &f64| if x.is_nan() { *x } else { x.max(1e-12).log10() };
    let logs = |losses: &[f64]| -> Vec<f64> { losses.iter().map(log).collect() };
    let (train, test) = (logs(train), logs(test));
    let both = || train.iter().chain(&test).copied().filter(|x| x.is_finite());
    let (low, high) = (
        both().fold(f64::MAX, f64::min),
        both().fold(f64::MIN, f64::max),
    );
    let ends = if low <= high {
        format!("10^{low:.0} … 10^{high:.0}")
    } else {
        String::new()
    };
    format!(
        "  train loss  {}  {ends}\n  test loss   {}\n  test acc    {}  0 … 100 %\n",
        line(&train, low, high, width),
        line(&test, low, high, width),
        line(accuracy, 0.0, 1.0, width),
    )
}

/// Draws a row of `width` blocks of eight heights at most; a place without a number stays empty.
pub(crate) fn line(values: &[f64], low: f64, high: f64, width: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let columns = width.min(values.len());
    (0..columns)
        .map(|column| {
            let value = values[column * (values.len() - 1) / (columns - 1).max(1)];
            let share = (value - low) / (high - low).max(1e-9);
            if share.is_nan() {
                return ' ';
            }
            BLOCKS[(share.clamp(0.0, 1.0) * 7.0).round() as usize]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_that_is_not_yet_held_is_given_with_a_mark() {
        let mut metrics = Metrics::default();
        for epoch in 0..40 {
            let accuracy = if epoch < 30 { 0.1 } else { 1.0 };
            metrics.push(grokrun_store::Row {
                epoch,
                train_loss: 0.1,
                test_loss: 0.1,
                train_accuracy: accuracy,
                test_accuracy: accuracy,
            });
        }
        let cell = |status| grokrun_store::CellSummary::new("c", status, &metrics);
        let one = |status| Summary {
            cells: vec![cell(status)],
        };
        let shown = cells(&one("stopped early"));
        assert!(shown.contains("30 *") && !shown.contains(" no "), "{shown}");
        assert!(shown.contains("not yet 500 epochs"), "{shown}");
        assert!(crate::list::verdict(&one("finished")).contains("at epoch 30, not yet held"));
        let many = Summary {
            cells: vec![cell("finished"), cell("failed"), cell("interrupted")],
        };
        assert_eq!(
            crate::list::verdict(&many),
            "0 of 2 grokked, 2 not yet held, 1 failed"
        );
        assert!(!cells(&Summary::default()).contains('*'));
    }

    #[test]
    fn lines_go_from_the_lowest_to_the_highest_block() {
        assert_eq!(line(&[0.0, 0.5, 1.0], 0.0, 1.0, WIDTH), "▁▅█");
        assert_eq!(line(&[f64::NAN, 1.0], 0.0, 1.0, WIDTH), " █");
        assert_eq!(line(&[], 0.0, 1.0, WIDTH), "");
        assert_eq!(line(&[1.0], 1.0, 1.0, WIDTH).chars().count(), 1);
        let long: Vec<f64> = (0..4000).map(f64::from).collect();
        assert_eq!(line(&long, 0.0, 3999.0, WIDTH).chars().count(), WIDTH);
    }
}
