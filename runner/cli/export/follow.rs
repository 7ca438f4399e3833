//! Writes TensorBoard's events of a run while a process trains it.
//!
//! Rows are taken from where a session appends them, each once. Series of analyses and what came of
//! the cells follow at the end, when they are known.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use grokrun_exchange::{Curve, EventLog, new_folder};
use grokrun_store::{CellDir, LiveReader, Row, RunView};

use super::trackers::{METRICS, begun, described, history, trial};
use crate::args::ExportArgs;
use crate::output::{Failure, say};
use crate::signals;

/// Time between two looks: TensorBoard reads its folders each five seconds or less often.
const EVERY: Duration = Duration::from_secs(1);
/// How often the command looks whether it is asked to end.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Follows the run until no process trains it, or somebody asks to end.
///
/// # Errors
/// If there is something in the place of the output already, the run has no such cell, a file of it
/// is damaged, or the output cannot be written.
pub(super) fn follow(args: &ExportArgs) -> Result<(), Failure> {
    let interrupt = signals::listen()?;
    new_folder(&args.output)?;
    say(format_args!(
        "`tensorboard --logdir {}` shows the run as it goes on; Ctrl-C ends this, and leaves the run as it is",
        args.output.display()
    ));
    let mut cells: BTreeMap<String, Followed> = BTreeMap::new();
    loop {
        let view = RunView::open(&args.run)?;
        let there = begun(&view, args.cell.as_deref())?;
        // Asked before the look, so that what is written up to the end is seen.
        let trains = view.is_busy() || there.iter().any(|(_, dir)| dir.is_claimed());
        let ends = !trains || interrupt.is_asked();
        for (name, dir) in there {
            // A cell has its settings before its first epoch.
            if !cells.contains_key(&name)
                && let Some(known) = described(&name, &dir)?
            {
                let log = EventLog::begin(&args.output, &known)?;
                cells.insert(name.clone(), Followed::new(dir, log));
            }
            if let Some(cell) = cells.get_mut(&name) {
                cell.refresh()?;
            }
        }
        if ends {
            let summary = view.summary()?;
            for (name, cell) in cells {
                let of = summary.cells.iter().find(|cell| cell.cell == name);
                let mut whole = trial(&name, &cell.dir, of)?;
                whole.curves = cell.rest(whole.curves);
                let mut log = cell.log;
                log.append(&whole.curves)?;
                log.end(&whole)?;
            }
            return Ok(());
        }
        let until = Instant::now() + EVERY;
        while Instant::now() < until && !interrupt.is_asked() {
            thread::sleep(ASK_EVERY);
        }
    }
}

/// A cell that is followed.
struct Followed {
    dir: CellDir,
    rows: LiveReader,
    /// epochs whose rows were written
    written: u64,
    log: EventLog,
}

impl Followed {
    fn new(dir: CellDir, log: EventLog) -> Followed {
        Followed {
            rows: dir.live_reader(),
            dir,
            written: 0,
            log,
        }
    }

    /// Writes the rows that are new. A cell that was taken up from an earlier state has the same
    /// rows again, which are passed over.
    fn refresh(&mut self) -> Result<(), Failure> {
        let Some(new) = self.rows.new_rows()? else {
            return Ok(());
        };
        let unreadable =
            |error| Failure::running(format!("the rows of a cell cannot be read: {error}"));
        let rows: Vec<Row> = new.collect::<Result<_, _>>().map_err(unreadable)?;
        let had = rows.partition_point(|row| row.epoch < self.written);
        let rows = &rows[had..];
        self.log.append(&history(rows))?;
        if let Some(last) = rows.last() {
            self.written = last.epoch + 1;
        }
        Ok(())
    }

    /// Returns what was not written yet of these curves.
    fn rest(&self, curves: Vec<Curve>) -> Vec<Curve> {
        let left = |curve: Curve| {
            let done = if METRICS.contains(&curve.name.as_str()) {
                curve.epochs.partition_point(|epoch| *epoch < self.written)
            } else {
                0
            };
            Curve {
                epochs: curve.epochs[done..].to_vec(),
                values: curve.values[done..].to_vec(),
                name: curve.name,
            }
        };
        curves.into_iter().map(left).collect()
    }
}
