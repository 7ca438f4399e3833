//! Keeps numbers of checkpoints until the last one's key frequencies are known: few of each in
//! memory, logits on the host's disk.

use grokrun_api::prelude::*;
use grokrun_measures::Frames;

use crate::config::MOST_KEPT;
use crate::point::{Counts, Point, Reduced};
use crate::project::Logits;
use crate::task_pairs::TaskPairs;

/// Holds checkpoints, evenly spread, and the last.
pub(crate) struct Kept {
    reduced: Frames<Reduced>,
    /// the checkpoints whose logits of train pairs are kept
    with_rows: Frames<()>,
}

impl Kept {
    /// Keeps the logits of train pairs of at most `with_rows` checkpoints, and of the last.
    pub(crate) fn new(with_rows: usize) -> Kept {
        Kept {
            reduced: Frames::new(MOST_KEPT + 1),
            with_rows: Frames::new(with_rows + 1),
        }
    }

    /// Takes a checkpoint, with its logits and those of its train pairs, and releases others.
    pub(crate) fn push(
        &mut self,
        reduced: Reduced,
        logits: &Logits,
        rows: &[f32],
        out: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let epoch = reduced.epoch;
        out.keep(&whole(epoch), &logits.whole)?;
        out.keep(&neurons(epoch), &logits.neurons)?;
        out.keep(&train(epoch), rows)?;
        for (gone, _) in self.reduced.push(epoch, reduced) {
            out.keep(&whole(gone), &[])?;
            out.keep(&neurons(gone), &[])?;
        }
        for (gone, ()) in self.with_rows.push(epoch, ()) {
            out.keep(&train(gone), &[])?;
        }
        Ok(())
    }

    /// Computes the measures of all checkpoints that are kept, for these key frequencies.
    pub(crate) fn points(
        &self,
        task: &TaskPairs,
        counts: &Counts,
        keys: &[usize],
        out: &mut dyn Sink,
    ) -> Result<Vec<Point>, Failure> {
        let mut points = Vec::new();
        for (epoch, reduced) in self.reduced.iter() {
            let logits = Logits {
                whole: out.kept(&whole(epoch))?,
                neurons: out.kept(&neurons(epoch))?,
            };
            let rows = if self.with_rows.iter().any(|(at, ())| at == epoch) {
                Some(out.kept(&train(epoch))?)
            } else {
                None
            };
            let rows = rows.as_deref();
            points.push(Point::of(task, counts, reduced, &logits, rows, keys));
        }
        Ok(points)
    }
}

fn whole(epoch: u64) -> String {
    format!("logits {epoch}")
}

fn neurons(epoch: u64) -> String {
    format!("neurons {epoch}")
}

fn train(epoch: u64) -> String {
    format!("train pairs {epoch}")
}
