//! Small models of a plan's architecture, by which observations are measured.
//!
//! What an analysis needs once (plans of transforms, files of findings) is not in the time of an
//! observation. A model that is wider than [`WIDEST`] is observed narrowed, and one that does not
//! fit the allowance not at all.

use std::sync::Arc;
use std::time::Instant;

use grokrun_api::{Needs, Task};
use grokrun_engine::{InitScheme, Shape, initial_parameters};
use grokrun_host::{Crew, Findings, Found, Member, Permits, Scratch, Shown};
use grokrun_spec::AnalysisRequest;
use grokrun_store::{Metrics, Row, Tensor};
use grokrun_task::{Dataset, Operation};

use super::clock::Clock;
use super::growth::MODELS;
use super::observations::{Cost, OF_SECONDS, Observation, Observer};
use crate::SessionError;
use crate::analyses::Seen;
use crate::analyses::snapshot::{self, Pass};
use crate::analyses::task::structure;
use crate::history::History;
use crate::weights::Layout;

/// The widest model that is observed: d_model, heads, d_head.
const WIDEST: [usize; 3] = [192, 8, 64];
/// Observations in the longer of the two timings whose difference counts.
const OBSERVATIONS: u64 = 3;
/// How often each is timed; the fastest counts. The second time only while there is time.
const TIMES: usize = 2;

/// Small models of a plan's architecture, to be observed.
pub(super) struct Models {
    subjects: Vec<Subject>,
    /// how many times as wide the plan's is
    wider: f64,
}

struct Subject {
    task: Task,
    checkpoint: Vec<Tensor>,
    history: History,
    pass: Pass,
}

/// A plan's shape, no wider than [`WIDEST`], and how many times as wide the plan's is: in work and
/// weights, all of it together.
fn narrowed(shape: Shape) -> (Shape, f64) {
    let narrow = Shape {
        d_model: shape.d_model.min(WIDEST[0]),
        heads: shape.heads.min(WIDEST[1]),
        d_head: shape.d_head.min(WIDEST[2]),
        ..shape
    };
    let ratio = |all: usize, some: usize| all as f64 / some as f64;
    let wider = ratio(shape.d_model, narrow.d_model)
        .max(ratio(shape.heads, narrow.heads) * ratio(shape.d_head, narrow.d_head));
    (narrow, wider)
}

impl Models {
    /// Makes them, of a cell's shape and operation.
    ///
    /// # Errors
    /// When the operation is not defined for one.
    pub(super) fn new(shape: Shape, operation: &Operation) -> Result<Models, SessionError> {
        let (narrow, wider) = narrowed(shape);
        let count = MODELS.len() - usize::from(wider <= 1.0);
        let subjects = MODELS[..count].iter().map(|(modulus, d_mlp, part)| {
            let shape = Shape {
                modulus: *modulus,
                d_mlp: *d_mlp,
                d_model: (narrow.d_model / part).max(1),
                d_head: (narrow.d_head / part).max(1),
                ..narrow
            };
            Subject::new(shape, operation)
        });
        Ok(Models {
            subjects: subjects.collect::<Result<_, _>>()?,
            wider,
        })
    }

    /// The cost of an observation, measured in so many seconds: where it takes longer, some models
    /// are left out. None for an analysis that fails on one of these models.
    ///
    /// # Errors
    /// When a thread cannot be started, or the models' activations cannot be computed.
    pub(super) fn observe(
        &mut self,
        observer: &Observer,
        allowance: f64,
    ) -> Result<Option<Observation>, SessionError> {
        let started = Instant::now();
        let mut costs = [None; MODELS.len()];
        let mut last = 0.0;
        for (i, (subject, cost)) in self.subjects.iter_mut().zip(&mut costs).enumerate() {
            let spent = started.elapsed().as_secs_f64();
            if i > 0 && spent + last * growth_from(i) > allowance {
                break;
            }
            let in_time = || started.elapsed().as_secs_f64() < 0.3 * allowance;
            *cost = subject.cost(observer, in_time)?;
            if cost.is_none() {
                return Ok(None);
            }
            if i == 0 {
                last = started.elapsed().as_secs_f64();
            }
        }
        Ok(Some(Observation::fit(costs, self.wider)))
    }
}

/// How many times as long a model is expected to take as the first.
fn growth_from(model: usize) -> f64 {
    let ratio = |pick: fn(&(usize, usize, usize)) -> usize| {
        pick(&MODELS[model]) as f64 / pick(&MODELS[0]) as f64
    };
    ratio(|m| m.0).powf(OF_SECONDS.modulus[1]) * ratio(|m| m.1).powf(OF_SECONDS.neurons[1])
}

impl Subject {
    fn new(shape: Shape, operation: &Operation) -> Result<Subject, SessionError> {
        let data = Dataset::new(operation, shape.modulus as u32)
            .map_err(|error| SessionError::Failed(error.message.clone()))?;
        let p = shape.modulus as u32;
        let labels: Vec<_> = (0..p * p).map(|pair| data.label(pair)).collect();
        // Every third pair is trained on.
        let (train, test): (Vec<u32>, Vec<u32>) =
            data.pairs().iter().partition(|pair| **pair % 3 == 0);
        let weights_now = initial_parameters(&shape, InitScheme::TransformerLens, 1);
        let mut history = Metrics::default();
        for epoch in 0..OBSERVATIONS {
            history.push(Row {
                epoch,
                train_loss: 1.0,
                test_loss: 2.0,
                train_accuracy: 0.5,
                test_accuracy: 0.1,
            });
        }
        Ok(Subject {
            task: Task {
                cell: "probe".to_owned(),
                operation: operation.text().to_owned(),
                modulus: shape.modulus,
                structure: structure(operation, &labels, shape.modulus),
                labels,
                fraction: train.len() as f64 / data.pairs().len() as f64,
                train,
                test,
                data_seed: 1,
                model_seed: 1,
                epochs: OBSERVATIONS,
                model: Seen::Folded(shape).model(),
            },
            checkpoint: Layout::new(&crate::model::Model::Folded(shape), None)?
                .checkpoint(&weights_now),
            history: History::new(history),
            pass: Pass::new(&Seen::Folded(shape))?,
        })
    }

    fn shown(&mut self, epoch: u64, needs: &Needs) -> Result<Arc<Shown>, SessionError> {
        let mut shown = Permits::new(1).take();
        snapshot::make(
            epoch,
            needs,
            &self.checkpoint,
            &self.history,
            &mut self.pass,
            &mut shown.data,
        )?;
        Ok(Arc::new(shown))
    }

    fn cost(
        &mut self,
        observer: &Observer,
        in_time: impl Fn() -> bool,
    ) -> Result<Option<Cost>, SessionError> {
        match observer {
            Observer::Snapshot(needs) => self.snapshot(needs, in_time).map(Some),
            Observer::Analysis(asked) => self.observe(&asked.0, &asked.1, in_time),
        }
    }

    /// Seconds to make a snapshot, but not the first. It leaves nothing.
    fn snapshot(
        &mut self,
        needs: &Needs,
        in_time: impl Fn() -> bool,
    ) -> Result<Cost, SessionError> {
        self.shown(1, needs)?;
        let mut best = f64::INFINITY;
        for time in 0..TIMES {
            if time > 0 && !in_time() {
                break;
            }
            let clock = Clock::start();
            self.shown(1, needs)?;
            best = best.min(clock.cores());
        }
        Ok(Cost {
            seconds: best,
            ..Cost::default()
        })
    }

    /// Seconds and bytes an observation: the difference of many observations and one, so that what
    /// is done once is left out.
    fn observe(
        &mut self,
        found: &Found,
        request: &AnalysisRequest,
        in_time: impl Fn() -> bool,
    ) -> Result<Option<Cost>, SessionError> {
        let needs = found.needs();
        let [mut one, mut many] = [(f64::INFINITY, [0.0; 2]); 2];
        for time in 0..TIMES {
            if time > 0 && !in_time() {
                break;
            }
            for (count, best) in [(1, &mut one), (OBSERVATIONS, &mut many)] {
                let Some((seconds, bytes)) = self.observations(found, request, needs, count)?
                else {
                    return Ok(None);
                };
                *best = (best.0.min(seconds), bytes);
            }
        }
        // Neither more than the mean of all observations, nor so little that it is noise.
        let mean = many.0 / OBSERVATIONS as f64;
        let further = (many.0 - one.0) / (OBSERVATIONS - 1) as f64;
        let each = |part: usize| (many.1[part] - one.1[part]).max(0.0) / (OBSERVATIONS - 1) as f64;
        let (numbers, frames) = (each(0), each(1));
        Ok(Some(Cost {
            seconds: further.clamp(0.2 * mean, mean),
            numbers,
            frames,
            once: (one.1[0] - numbers).max(0.0) + (one.1[1] - frames).max(0.0),
        }))
    }

    /// Core-seconds of so many observations, and the bytes that they leave: of series and tensors,
    /// and of tables and figures. None where the analysis fails.
    fn observations(
        &mut self,
        found: &Found,
        request: &AnalysisRequest,
        needs: &Needs,
        count: u64,
    ) -> Result<Option<(f64, [f64; 2])>, SessionError> {
        let snapshots = (1..=count)
            .map(|epoch| self.shown(epoch, needs))
            .collect::<Result<Vec<_>, _>>()?;
        let cannot = |error| SessionError::Failed(format!("a thread cannot be started: {error}"));
        let scratch = Scratch::new(&std::env::temp_dir());
        let clock = Clock::start();
        let member = Member::start(found, &request.parameters, 1, &[], &self.task, &scratch);
        let mut crew = Crew::start(vec![member]).map_err(cannot)?;
        for (i, snapshot) in snapshots.iter().enumerate() {
            crew.show(snapshot, i + 1 == snapshots.len());
        }
        // Its one member concludes before the clock is read.
        let outcomes: Vec<_> = crew.finish().collect();
        let seconds = clock.cores();
        let failed = outcomes.iter().any(|outcome| outcome.failure.is_some());
        let mut bytes = [0.0; 2];
        for outcome in &outcomes {
            let of = bytes_of(&outcome.findings);
            bytes.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
        }
        Ok((!failed).then_some((seconds, bytes)))
    }
}

/// Bytes of series and tensors, and of tables, figures and notes.
fn bytes_of(findings: &Findings) -> [f64; 2] {
    let series = findings
        .series
        .columns
        .values()
        .map(|column| 8 * column.len() as u64);
    let tensors = findings.tensors.values().map(|stack| stack.data.len());
    let files = findings.tables.values().chain(findings.figures.values());
    let notes = findings.notes.iter().map(|note| note.len() as u64);
    let texts: u64 = files.map(|file| file.len()).chain(notes).sum();
    [series.chain(tensors).sum::<u64>() as f64, texts as f64]
}

#[cfg(test)]
mod tests {
    use super::super::growth::tests::shape;
    use super::*;

    #[test]
    fn a_wide_model_is_observed_narrowed_and_carried_on() {
        let wide = Shape {
            d_model: 960,
            ..shape(7, 512)
        };
        let (narrow, wider) = narrowed(wide);
        assert_eq!((narrow.d_model, narrow.heads, narrow.d_head), (192, 4, 32));
        assert_eq!(wider, 5.0);
        assert_eq!(narrowed(shape(113, 512)).1, 1.0);
        let huge = Shape {
            heads: 1024,
            d_head: 65_536,
            d_model: 65_536,
            ..shape(7, 512)
        };
        let (narrow, wider) = narrowed(huge);
        assert!(narrow.d_model * narrow.heads * narrow.d_head <= 100_000 && wider > 1e5);
    }
}
