//! Lowers losses, and the metrics that the host reads.

use grokrun_program::{Loss, LossKind, Part, Precision, View};
use grokrun_shaders::program::{loss, metrics};

use super::Lowering;
use crate::gpu::programs::schedule::{Region, Space};

impl Lowering<'_> {
    pub(super) fn loss(&mut self, logits: View, part: Part, loss: &Loss, gradient: Option<View>) {
        let samples = self.count(part);
        let [losses, correct] = self.layout.scores(part);
        let kind = match loss.kind {
            LossKind::CrossEntropy => 1,
            LossKind::Mse => 2,
            LossKind::Stablemax => 3,
        };
        let grade = match loss.precision {
            Precision::F64 => 1,
            Precision::F32 => 2,
            Precision::F16 => 3,
            Precision::Bf16 => 4,
        };
        let job = loss::Job {
            tile: 0,
            classes: self.rows(logits.width()) as u32,
            kind,
            grade,
            temperature: loss.temperature as f32,
            scale: (1.0 / samples as f64) as f32,
            differentiate: u32::from(gradient.is_some()),
            logits: self.layout.block(logits),
            gradient: gradient.map_or_else(Default::default, |view| self.layout.block(view)),
            labels: self.words(part).labels() as u32,
            losses: losses as u32,
            correct: correct as u32,
        };
        let mut writes = self.scores(part);
        writes.extend(gradient.map(|view| self.region(view)));
        let reads = vec![self.region(logits)];
        self.push(&loss::KERNEL, &job, samples, reads, writes);
    }

    fn scores(&self, part: Part) -> Vec<Region> {
        let places = self.layout.scores(part);
        let region = |first| Region::of(Space::Scores, first, self.count(part));
        places.map(region).to_vec()
    }

    /// Adds the job that writes the losses and correct answers of a part into the record that the
    /// host reads.
    pub(super) fn metrics(&mut self, part: Part) {
        let [losses, correct] = self.layout.scores(part);
        let job = metrics::Job {
            tile: 0,
            losses: losses as u32,
            correct: correct as u32,
            count: self.count(part) as u32,
        };
        let (reads, record) = (self.scores(part), Region::of(Space::Records, 0, 1));
        self.push(&metrics::KERNEL, &job, 1, reads, vec![record]);
    }
}
