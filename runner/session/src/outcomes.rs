//! What became of each cell so far, and when that is written down.

use std::time::{Duration, Instant};

use grokrun_spec::{Cell, Plan};
use grokrun_store::{CellSummary, Metrics, RunDir, Summary};

use crate::SessionError;
use crate::status::Status;

/// The least time between two summaries while batches follow each other quickly: in a sweep of
/// thousands of cells each is long.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// A session's summary, and the cells that failed.
pub(crate) struct Outcomes<'a> {
    run: &'a RunDir,
    /// all of the plan's, in its order
    ids: Vec<&'a str>,
    pub(crate) summary: Summary,
    failed: Vec<[String; 2]>,
    written: Instant,
}

impl<'a> Outcomes<'a> {
    /// Goes on from what a summary says of the session's cells.
    pub(crate) fn open(run: &'a RunDir, ids: Vec<&'a str>, summary: Summary) -> Outcomes<'a> {
        Outcomes {
            run,
            ids,
            summary,
            failed: Vec::new(),
            written: Instant::now(),
        }
    }

    /// Puts a cell down as failed for a reason outside its training: it is taken up again by the
    /// next session.
    pub(crate) fn fail(&mut self, id: &str, error: SessionError) {
        let why = error.to_string();
        tracing::info!(cell = id, why, "cell fails");
        let known = self.summary.cell(id).cloned();
        let recorded = known
            .unwrap_or_else(|| CellSummary::new(id, Status::Failed.word(), &Metrics::default()));
        self.summary.set(CellSummary {
            status: Status::Failed.word().to_owned(),
            verdict: format!("failed: {why}"),
            ..recorded
        });
        self.note(id, why);
    }

    /// Notes that something failed in a cell that is trained: its analyses could not be written.
    pub(crate) fn note(&mut self, id: &str, why: String) {
        self.failed.push([id.to_owned(), why]);
    }

    /// Whether this session could not do what a cell needs.
    pub(crate) fn has_failed(&self, id: &str) -> bool {
        self.failed.iter().any(|[failed, _]| failed == id)
    }

    /// Writes the summary.
    pub(crate) fn write(&mut self) -> Result<(), SessionError> {
        self.written = Instant::now();
        Ok(self.run.write_summary(&self.summary, &self.ids)?)
    }

    /// Writes the summary unless it was written just now.
    pub(crate) fn write_now_and_then(&mut self) -> Result<(), SessionError> {
        if self.written.elapsed() >= WRITE_EVERY {
            self.write()
        } else {
            Ok(())
        }
    }

    /// The summary in the plan's order, and the cells that failed with the reason: those put down,
    /// and those whose loss was no number, each with what may help.
    pub(crate) fn close(self, plan: &Plan) -> (Summary, Vec<[String; 2]>) {
        let advice_to = |id: &str| {
            let cell = plan.cells.iter().find(|cell| cell.id == id);
            cell.map_or_else(String::new, advice)
        };
        let diverged: Vec<[String; 2]> = self
            .summary
            .cells
            .iter()
            .filter(|recorded| {
                recorded.status == Status::Failed.word() && !self.has_failed(&recorded.cell)
            })
            .map(|recorded| {
                let why = recorded.verdict.trim_start_matches("failed: ");
                [
                    recorded.cell.clone(),
                    format!("{why}{}", advice_to(&recorded.cell)),
                ]
            })
            .collect();
        let failed = [self.failed, diverged].concat();
        (self.summary.in_order(&self.ids), failed)
    }
}

/// What may help a cell whose loss was no number.
fn advice(cell: &Cell) -> String {
    let product = cell.learning_rate * cell.weight_decay;
    // Decay alone multiplies the weights by 1 − product in each step. A rate above 1 is itself at
    // fault.
    if product > 2.0 && cell.learning_rate <= 1.0 {
        format!(
            "; each step makes the weights {:.2e} times as large, since learning_rate × weight_decay is \
             {product:.2e}: expected a smaller weight_decay, for a product below 1",
            product - 1.0
        )
    } else {
        "; a smaller learning rate may help".to_owned()
    }
}
