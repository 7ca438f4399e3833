//! What an analysis needs for one look at a checkpoint, and what it leaves: measured on a few small
//! models, and carried on by powers of their sizes.
//!
//! Works for every analysis that can be started, whoever wrote it. What one needs once (plans of
//! transforms, files of findings) is not in the time of a look. A model that is wider than
//! [`WIDEST`] is looked at narrowed, and one that does not fit the allowance not at all.

use std::sync::Arc;
use std::time::Instant;

use grokrun_api::{Need, Needs, Task};
use grokrun_engine::{InitScheme, Pairs, Sample, Shape, initial_parameters};
use grokrun_host::{Crew, Findings, Found, Member, Permits, Scratch, Shown};
use grokrun_spec::{AnalysisRequest, Plan};
use grokrun_store::{Metrics, Row, Tensor};
use grokrun_task::{Dataset, Operation};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::growth::{Bounds, Growth, MODELS};
use crate::SessionError;
use crate::analyses::snapshot::{self, Pass};
use crate::analyses::{Analyses, Seen};
use crate::history::History;
use crate::weights::Layout;

/// The widest model that is looked at: d_model, heads, d_head.
const WIDEST: [usize; 3] = [192, 8, 64];
/// Looks in the longer of the two timings whose difference counts.
const LOOKS: u64 = 3;
/// How often each is timed; the fastest counts. The second time only while there is time.
const TIMES: usize = 2;
/// The looks whose frames a figure has: more are thinned.
const MOST_FRAMES: u64 = 200;

/// Seconds of a look: every analysis goes through something of each token, and none through more
/// than pairs of pairs, or than products of matrices of the width.
const OF_SECONDS: Bounds = Bounds {
    modulus: [1.0, 2.5, 4.0],
    neurons: [0.0, 0.75, 1.5],
    width: [0.0, 1.5, 3.0],
    least: 1e-7,
};
/// Bytes of findings: of all pairs with their neurons at most.
const OF_BYTES: Bounds = Bounds {
    modulus: [0.0, 1.0, 3.0],
    neurons: [0.0, 0.5, 1.0],
    width: [0.0, 1.0, 2.0],
    least: 1.0,
};

/// What one look costs and leaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// seconds on one core
    seconds: Growth,
    /// bytes of series and tensors
    numbers: Growth,
    /// bytes of what figures say of one look
    frames: Growth,
    /// bytes that are left once, however many looks there are
    once: Growth,
    /// whether the time was too short to look at all models
    pub(super) estimated: bool,
}

impl Look {
    fn fit(costs: [Option<Cost>; MODELS.len()], wider: f64) -> Look {
        let growth = |pick: fn(&Cost) -> f64, bounds| {
            Growth::fit(costs.map(|cost| cost.as_ref().map(pick)), wider, bounds)
        };
        // Where nothing is wider, the narrowest is not looked at.
        let wanted = MODELS.len() - usize::from(wider <= 1.0);
        Look {
            seconds: growth(|c| c.seconds, &OF_SECONDS),
            numbers: growth(|c| c.numbers, &OF_BYTES),
            frames: growth(|c| c.frames, &OF_BYTES),
            once: growth(|c| c.once, &OF_BYTES),
            estimated: costs.iter().flatten().count() < wanted,
        }
    }

    /// Seconds at a model of this shape.
    pub(super) fn seconds(&self, shape: &Shape) -> f64 {
        self.seconds.at(shape)
    }

    /// Bytes of the findings of so many looks: series and tensors, and tables and figures.
    pub(super) fn bytes(&self, shape: &Shape, looks: u64) -> [f64; 2] {
        let frames = looks.min(MOST_FRAMES) as f64 * self.frames.at(shape);
        let numbers = looks as f64 * self.numbers.at(shape);
        [numbers, frames + self.once.at(shape)]
    }

    /// Whether this can be a cost: what was kept may have been altered.
    pub(super) fn is_sound(&self) -> bool {
        self.seconds.is_sound(&OF_SECONDS)
            && [&self.numbers, &self.frames, &self.once]
                .iter()
                .all(|growth| growth.is_sound(&OF_BYTES))
    }
}

/// Of one look at one model.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    seconds: f64,
    numbers: f64,
    frames: f64,
    once: f64,
}

/// Small models of a plan's architecture, to be looked at.
pub(super) struct Models {
    subjects: Vec<Subject>,
    /// how many times as wide the plan's is
    wider: f64,
}

struct Subject {
    task: Task,
    pairs: Pairs,
    checkpoint: Vec<Tensor>,
    history: History,
    pass: Pass,
}

/// Whose cost is asked for.
#[derive(Clone)]
pub(super) enum Looker {
    /// the making of a snapshot that shows all this
    Snapshot(Needs),
    /// an analysis
    Analysis(Box<(Found, AnalysisRequest)>),
}

impl Looker {
    /// In a word.
    pub(super) fn name(&self) -> &str {
        match self {
            Looker::Snapshot(_) => "snapshots",
            Looker::Analysis(asked) => asked.0.name(),
        }
    }
}

/// The name under which the cost of making the snapshots is kept.
pub(super) fn snapshot_name(plan: &Plan, analyses: &Analyses<'_>) -> String {
    named(plan, &format!("snapshots {:?}", needs(analyses)))
}

/// The name under which the cost of an analysis is kept.
pub(super) fn analysis_name(plan: &Plan, found: &Found, request: &AnalysisRequest) -> String {
    let parameters = serde_json::Value::Object(request.parameters.clone());
    named(
        plan,
        &format!("{} {} {parameters}", found.name(), found.version()),
    )
}

/// With what a cost depends on besides the modulus and the number of neurons.
fn named(plan: &Plan, what: &str) -> String {
    let cell = &plan.cells[0];
    let shape = Shape::of(&cell.architecture());
    let model = shape.map(|shape| {
        format!(
            "{} heads of {}, d_model {}, {:?}",
            shape.heads, shape.d_head, shape.d_model, shape.activation
        )
    });
    let model = model.unwrap_or_default();
    format!("{what}, {model}, {}", cell.operation.text())
}

/// Everything whose cost a run with these analyses has, with its name.
pub(super) fn wanted(plan: &Plan, analyses: &Analyses<'_>) -> Vec<(String, Looker)> {
    if analyses.is_empty() {
        return Vec::new();
    }
    let snapshots = Looker::Snapshot(needs(analyses));
    let mut wanted = vec![(snapshot_name(plan, analyses), snapshots)];
    let predictable = |found: &Found| !evaluates(found);
    for (found, request) in analyses.asked().filter(|(found, _)| predictable(found)) {
        let name = analysis_name(plan, found, request);
        let asked = Box::new((found.clone(), request.clone()));
        wanted.push((name, Looker::Analysis(asked)));
    }
    wanted
}

/// Whether an analysis evaluates the train loss, as often as it wants: small models do not tell how
/// long that takes.
pub(super) fn evaluates(found: &Found) -> bool {
    found.needs().contains(&Need::TrainLoss)
}

/// What any of the analyses needs to be shown.
fn needs(analyses: &Analyses<'_>) -> Needs {
    let needs = analyses
        .asked()
        .flat_map(|(found, _)| found.needs().iter().copied());
    needs.collect()
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

    /// The cost of a look, measured in so many seconds: where it takes longer, some models are left
    /// out. None for an analysis that fails on one of these models.
    ///
    /// # Errors
    /// When a thread cannot be started, or the models' activations cannot be computed.
    pub(super) fn look(
        &mut self,
        looker: &Looker,
        allowance: f64,
    ) -> Result<Option<Look>, SessionError> {
        let started = Instant::now();
        let mut costs = [None; MODELS.len()];
        let mut last = 0.0;
        for (i, (subject, cost)) in self.subjects.iter_mut().zip(&mut costs).enumerate() {
            let spent = started.elapsed().as_secs_f64();
            if i > 0 && spent + last * growth_from(i) > allowance {
                break;
            }
            let in_time = || started.elapsed().as_secs_f64() < 0.3 * allowance;
            *cost = subject.cost(looker, in_time)?;
            if cost.is_none() {
                return Ok(None);
            }
            if i == 0 {
                last = started.elapsed().as_secs_f64();
            }
        }
        Ok(Some(Look::fit(costs, self.wider)))
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
        let label = |pair: u32| data.label(pair);
        let sample = |pair: &u32| {
            let (a, b) = (pair / p, pair % p);
            label(*pair).map(|label| Sample { a, b, label })
        };
        // Every third pair is trained on.
        let (train, test): (Vec<u32>, Vec<u32>) =
            data.pairs().iter().partition(|pair| **pair % 3 == 0);
        let samples = |part: &[u32]| part.iter().filter_map(sample).collect();
        let pairs = Pairs::new(shape.modulus, samples(&train), samples(&test))?;
        let weights_now = initial_parameters(&shape, InitScheme::TransformerLens, 1);
        let mut history = Metrics::default();
        for epoch in 0..LOOKS {
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
                labels: (0..p * p).map(label).collect(),
                fraction: train.len() as f64 / data.pairs().len() as f64,
                train,
                test,
                data_seed: 1,
                model_seed: 1,
                epochs: LOOKS,
                model: Seen::Folded(shape).model(),
            },
            pairs,
            checkpoint: Layout::new(&crate::model::Model::Folded(shape), None)?
                .checkpoint(&weights_now),
            history: History::new(history),
            pass: Pass::new(&Seen::Folded(shape))?,
        })
    }

    fn shown(&mut self, epoch: u64, needs: Needs) -> Result<Arc<Shown>, SessionError> {
        let mut shown = Permits::new(1).take();
        snapshot::make(
            epoch,
            needs,
            &self.checkpoint,
            &self.history,
            &self.pairs,
            &mut self.pass,
            &mut shown.data,
        )?;
        Ok(Arc::new(shown))
    }

    fn cost(
        &mut self,
        looker: &Looker,
        in_time: impl Fn() -> bool,
    ) -> Result<Option<Cost>, SessionError> {
        match looker {
            Looker::Snapshot(needs) => self.snapshot(*needs, in_time).map(Some),
            Looker::Analysis(asked) => self.look(&asked.0, &asked.1, in_time),
        }
    }

    /// Seconds to make a snapshot, but not the first. It leaves nothing.
    fn snapshot(&mut self, needs: Needs, in_time: impl Fn() -> bool) -> Result<Cost, SessionError> {
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

    /// Seconds and bytes a look: the difference of many looks and one, so that what is done once is
    /// left out.
    fn look(
        &mut self,
        found: &Found,
        request: &AnalysisRequest,
        in_time: impl Fn() -> bool,
    ) -> Result<Option<Cost>, SessionError> {
        let needs: Needs = found.needs().iter().copied().collect();
        let [mut one, mut many] = [(f64::INFINITY, [0.0; 2]); 2];
        for time in 0..TIMES {
            if time > 0 && !in_time() {
                break;
            }
            for (count, best) in [(1, &mut one), (LOOKS, &mut many)] {
                let Some((seconds, bytes)) = self.looks(found, request, needs, count)? else {
                    return Ok(None);
                };
                *best = (best.0.min(seconds), bytes);
            }
        }
        // Neither more than the mean of all looks, nor so little that it is noise.
        let mean = many.0 / LOOKS as f64;
        let further = (many.0 - one.0) / (LOOKS - 1) as f64;
        let each = |part: usize| (many.1[part] - one.1[part]).max(0.0) / (LOOKS - 1) as f64;
        let (numbers, frames) = (each(0), each(1));
        Ok(Some(Cost {
            seconds: further.clamp(0.2 * mean, mean),
            numbers,
            frames,
            once: (one.1[0] - numbers).max(0.0) + (one.1[1] - frames).max(0.0),
        }))
    }

    /// Core-seconds of so many looks, and the bytes that they leave: of series and tensors, and of
    /// tables and figures. None where the analysis fails.
    fn looks(
        &mut self,
        found: &Found,
        request: &AnalysisRequest,
        needs: Needs,
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
    fn a_wide_model_is_looked_at_narrowed_and_carried_on() {
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

    #[test]
    fn looks_leave_more_the_more_there_are_until_figures_are_full() {
        let cost = |p: usize| {
            Some(Cost {
                seconds: 1e-3,
                numbers: 100.0 * p as f64,
                frames: 10.0,
                once: 1000.0,
            })
        };
        let look = Look::fit(MODELS.map(|(p, ..)| cost(p)), 1.0);
        let bytes = |looks| look.bytes(&shape(61, 256), looks);
        assert_eq!(bytes(10), [61_000.0, 1100.0]);
        assert_eq!(bytes(1000), [6_100_000.0, 3000.0]);
        assert!(look.is_sound() && !look.estimated);
        let partly = Look::fit([cost(31), None, None, None], 1.0);
        assert!(partly.is_sound() && partly.estimated);
    }
}
