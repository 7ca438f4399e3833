//! What an analysis needs for one look at a checkpoint: measured on three small models, and carried
//! on by powers of the modulus and of the number of neurons.
//!
//! Works for every analysis that can be started, whoever wrote it. What one needs once (plans of
//! transforms, files of findings) is not in a look.

use std::sync::Arc;

use grokrun_api::{Model, Needs, Task};
use grokrun_engine::{GridPass, InitScheme, Pairs, Sample, Shape, initial_parameters};
use grokrun_host::{Crew, Found, Member, Permits, Scratch, Shown};
use grokrun_spec::{AnalysisRequest, Plan};
use grokrun_store::{Metrics, Row, Tensor};
use grokrun_task::{Dataset, Operation};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use crate::SessionError;
use crate::analyses::{Analyses, snapshot};
use crate::history::History;
use crate::{survey, weights};

/// The moduli and the numbers of neurons of the models that are looked at: small, larger, wider.
/// Both moduli are prime, so that every operation is defined.
const MODELS: [(usize, usize); 3] = [(31, 256), (61, 256), (31, 1024)];
/// The one whose cost is carried on: the largest, so that an error of a power matters least.
const ANCHOR: (usize, usize) = MODELS[1];
/// The least and the largest power of the modulus with which a cost grows: every analysis goes
/// through something of each token, and none through more than pairs of pairs.
const BY_MODULUS: [f64; 2] = [1.0, 4.0];
/// The same of the number of neurons.
const BY_NEURONS: [f64; 2] = [0.0, 1.5];
/// Looks in the longer of the two timings whose difference counts.
const LOOKS: u64 = 3;
/// How often each is timed; the fastest counts.
const TIMES: usize = 2;

/// The seconds on one core of one look.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Look {
    /// at the anchor
    seconds: f64,
    /// the power of the modulus
    by_modulus: f64,
    /// the power of the number of neurons
    by_neurons: f64,
}

impl Look {
    fn fit(seconds: [f64; MODELS.len()]) -> Look {
        let [small, larger, wider] = seconds.map(|seconds| seconds.max(1e-7));
        let power = |more: f64, ratio: usize, of: usize, [least, most]: [f64; 2]| {
            let steps = (ratio as f64 / of as f64).ln();
            ((more / small).ln() / steps).clamp(least, most)
        };
        Look {
            seconds: larger,
            by_modulus: power(larger, MODELS[1].0, MODELS[0].0, BY_MODULUS),
            by_neurons: power(wider, MODELS[2].1, MODELS[0].1, BY_NEURONS),
        }
    }

    /// At a model of this shape.
    pub(super) fn seconds(&self, shape: &Shape) -> f64 {
        let (p, f) = ANCHOR;
        self.seconds
            * (shape.modulus as f64 / p as f64).powf(self.by_modulus)
            * (shape.d_mlp as f64 / f as f64).powf(self.by_neurons)
    }

    /// Whether this can be a cost: what was kept may have been altered.
    pub(super) fn is_sound(&self) -> bool {
        let within = |power: f64, [least, most]: [f64; 2]| (least..=most).contains(&power);
        self.seconds > 0.0
            && self.seconds.is_finite()
            && within(self.by_modulus, BY_MODULUS)
            && within(self.by_neurons, BY_NEURONS)
    }
}

/// Small models of a plan's architecture, to be looked at.
pub(super) struct Models(Vec<Subject>);

struct Subject {
    shape: Shape,
    task: Task,
    pairs: Pairs,
    checkpoint: Vec<Tensor>,
    history: History,
    pass: GridPass,
}

/// Whose cost is asked for.
pub(super) enum Looker<'a> {
    /// the making of a snapshot that shows all this
    Snapshot(Needs),
    /// an analysis
    Analysis(&'a Found, &'a AnalysisRequest),
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
    let model = &plan.model;
    format!(
        "{what}, {} heads of {}, d_model {}, {:?}, {}",
        model.heads,
        model.d_head,
        model.d_model,
        model.activation,
        plan.cells[0].operation.text()
    )
}

/// Everything whose cost a run with these analyses has, with its name.
pub(super) fn wanted<'a>(plan: &Plan, analyses: &Analyses<'a>) -> Vec<(String, Looker<'a>)> {
    if analyses.is_empty() {
        return Vec::new();
    }
    let snapshots = Looker::Snapshot(needs(analyses));
    let mut wanted = vec![(snapshot_name(plan, analyses), snapshots)];
    for (found, request) in analyses.asked() {
        let name = analysis_name(plan, found, request);
        wanted.push((name, Looker::Analysis(found, request)));
    }
    wanted
}

/// What any of the analyses needs to be shown.
fn needs(analyses: &Analyses<'_>) -> Needs {
    let needs = analyses
        .asked()
        .flat_map(|(found, _)| found.needs().iter().copied());
    needs.collect()
}

impl Models {
    /// Makes them.
    ///
    /// # Errors
    /// When the operation is not defined for one.
    pub(super) fn new(plan: &Plan) -> Result<Models, SessionError> {
        let subjects = MODELS.iter().map(|(modulus, d_mlp)| {
            let shape = Shape {
                modulus: *modulus,
                d_mlp: *d_mlp,
                ..survey::shape(plan, &plan.cells[0])
            };
            Subject::new(shape, &plan.cells[0].operation)
        });
        Ok(Models(subjects.collect::<Result<_, _>>()?))
    }

    /// The cost of a look; none for an analysis that fails on one of these models.
    ///
    /// # Errors
    /// When a thread cannot be started, or the models' activations cannot be computed.
    pub(super) fn look(&mut self, looker: &Looker<'_>) -> Result<Option<Look>, SessionError> {
        let mut seconds = [0.0; MODELS.len()];
        for (subject, seconds) in self.0.iter_mut().zip(&mut seconds) {
            *seconds = match looker {
                Looker::Snapshot(needs) => subject.snapshot(*needs)?,
                Looker::Analysis(found, request) => match subject.look(found, request)? {
                    Some(seconds) => seconds,
                    None => return Ok(None),
                },
            };
        }
        Ok(Some(Look::fit(seconds)))
    }
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
                model: Model {
                    d_model: shape.d_model,
                    heads: shape.heads,
                    d_head: shape.d_head,
                    d_mlp: shape.d_mlp,
                    activation: format!("{:?}", shape.activation).to_lowercase(),
                },
            },
            pairs,
            checkpoint: weights::checkpoint(&shape, &weights_now),
            history: History::new(history),
            pass: GridPass::new(shape),
            shape,
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
            (&self.shape, &mut self.pass),
            &mut shown.data,
        )?;
        Ok(Arc::new(shown))
    }

    /// Seconds to make a snapshot, but not the first.
    fn snapshot(&mut self, needs: Needs) -> Result<f64, SessionError> {
        self.shown(1, needs)?;
        let mut best = f64::INFINITY;
        for _ in 0..TIMES {
            let clock = Clock::start();
            self.shown(1, needs)?;
            best = best.min(clock.cores());
        }
        Ok(best)
    }

    /// Seconds a look: the difference of many looks and one, so that what is done once is left out.
    fn look(
        &mut self,
        found: &Found,
        request: &AnalysisRequest,
    ) -> Result<Option<f64>, SessionError> {
        let needs: Needs = found.needs().iter().copied().collect();
        let [mut one, mut many] = [f64::INFINITY; 2];
        for _ in 0..TIMES {
            for (count, best) in [(1, &mut one), (LOOKS, &mut many)] {
                let Some(seconds) = self.looks(found, request, needs, count)? else {
                    return Ok(None);
                };
                *best = best.min(seconds);
            }
        }
        // Neither more than the mean of all looks, nor so little that it is noise.
        let mean = many / LOOKS as f64;
        let further = (many - one) / (LOOKS - 1) as f64;
        Ok(Some(further.clamp(0.2 * mean, mean)))
    }

    fn looks(
        &mut self,
        found: &Found,
        request: &AnalysisRequest,
        needs: Needs,
        count: u64,
    ) -> Result<Option<f64>, SessionError> {
        let snapshots = (1..=count)
            .map(|epoch| self.shown(epoch, needs))
            .collect::<Result<Vec<_>, _>>()?;
        let cannot = |error| SessionError::Failed(format!("a thread cannot be started: {error}"));
        let scratch = Scratch::new(&std::env::temp_dir());
        let clock = Clock::start();
        let member = Member::start(found, &request.parameters, 1, &self.task, &scratch);
        let mut crew = Crew::start(vec![member]).map_err(cannot)?;
        for (i, snapshot) in snapshots.iter().enumerate() {
            crew.show(snapshot, i + 1 == snapshots.len());
        }
        // Its one member concludes before the clock is read.
        let failed = crew.finish().any(|outcome| outcome.failure.is_some());
        let seconds = clock.cores();
        Ok((!failed).then_some(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_engine::Activation;

    fn shape(modulus: usize, d_mlp: usize) -> Shape {
        Shape {
            modulus,
            d_model: 128,
            heads: 4,
            d_head: 32,
            d_mlp,
            activation: Activation::Relu,
            trained_biases: false,
        }
    }

    #[test]
    fn planted_powers_are_found_again_and_carried_on() {
        let planted = |p: usize, f: usize| 2e-8 * (p as f64).powi(3) * (f as f64).sqrt();
        let look = Look::fit(MODELS.map(|(p, f)| planted(p, f)));
        for (p, f) in [(23, 128), (113, 512), (113, 2048)] {
            let ratio = look.seconds(&shape(p, f)) / planted(p, f);
            assert!((ratio - 1.0).abs() < 1e-9, "{p} {f} {ratio}");
        }
    }

    #[test]
    fn times_within_noise_give_a_sound_cost_that_does_not_fall() {
        for seconds in [[0.0, 0.0, 0.0], [1e-3, 1e-4, 0.0], [1e-9, 1.0, 1.0]] {
            let look = Look::fit(seconds);
            assert!(look.is_sound(), "{look:?}");
            assert!(look.seconds(&shape(61, 256)) >= look.seconds(&shape(31, 256)));
        }
    }
}
