//! What an analysis needs for one observation of a checkpoint, and what it leaves: by powers of a
//! model's sizes, carried on from a few small models (`subject`), and what a run has to know of it.
//!
//! Works for every analysis that can be started, whoever wrote it.

use grokrun_api::Needs;
use grokrun_engine::Shape;
use grokrun_host::Found;
use grokrun_spec::{AnalysisRequest, Plan};
use serde::{Deserialize, Serialize};

use super::growth::{Bounds, Growth, MODELS};
use crate::analyses::Analyses;

/// The observations whose frames a figure has: more are thinned.
const MOST_FRAMES: u64 = 200;

/// Seconds of an observation: every analysis goes through something of each token, and none through
/// more than pairs of pairs, or than products of matrices of the width.
pub(super) const OF_SECONDS: Bounds = Bounds {
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

/// What one observation costs and leaves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Observation {
    /// seconds on one core
    seconds: Growth,
    /// bytes of series and tensors
    numbers: Growth,
    /// bytes of what figures say of one observation
    frames: Growth,
    /// bytes that are left once, however many observations there are
    once: Growth,
    /// whether the time was too short to observe all models
    pub(super) estimated: bool,
}

impl Observation {
    pub(super) fn fit(costs: [Option<Cost>; MODELS.len()], wider: f64) -> Observation {
        let growth = |pick: fn(&Cost) -> f64, bounds| {
            Growth::fit(costs.map(|cost| cost.as_ref().map(pick)), wider, bounds)
        };
        // Where nothing is wider, the narrowest is not observed.
        let wanted = MODELS.len() - usize::from(wider <= 1.0);
        Observation {
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

    /// Bytes of the findings of so many observations: series and tensors, and tables and figures.
    pub(super) fn bytes(&self, shape: &Shape, observations: u64) -> [f64; 2] {
        let frames = observations.min(MOST_FRAMES) as f64 * self.frames.at(shape);
        let numbers = observations as f64 * self.numbers.at(shape);
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

/// Of one observation of one model.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) seconds: f64,
    pub(super) numbers: f64,
    pub(super) frames: f64,
    pub(super) once: f64,
}

/// Whose cost is asked for.
#[derive(Clone)]
pub(super) enum Observer {
    /// the making of a snapshot that shows all this
    Snapshot(Needs),
    /// an analysis
    Analysis(Box<(Found, AnalysisRequest)>),
}

impl Observer {
    /// In a word.
    pub(super) fn name(&self) -> &str {
        match self {
            Observer::Snapshot(_) => "snapshots",
            Observer::Analysis(asked) => asked.0.name(),
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
pub(super) fn wanted(plan: &Plan, analyses: &Analyses<'_>) -> Vec<(String, Observer)> {
    if analyses.is_empty() {
        return Vec::new();
    }
    let snapshots = Observer::Snapshot(needs(analyses));
    let mut wanted = vec![(snapshot_name(plan, analyses), snapshots)];
    let predictable = |found: &Found| !evaluates(found);
    for (found, request) in analyses.asked().filter(|(found, _)| predictable(found)) {
        let name = analysis_name(plan, found, request);
        let asked = Box::new((found.clone(), request.clone()));
        wanted.push((name, Observer::Analysis(asked)));
    }
    wanted
}

/// Whether an analysis evaluates the train loss, as often as it wants: small models do not tell how
/// long that takes.
pub(super) fn evaluates(found: &Found) -> bool {
    found.needs().evaluate()
}

/// What any of the analyses needs to be shown.
fn needs(analyses: &Analyses<'_>) -> Needs {
    let all = analyses.asked().map(|(found, _)| found.needs());
    all.fold(Needs::default(), Needs::union)
}

#[cfg(test)]
mod tests {
    use super::super::growth::tests::shape;
    use super::*;

    #[test]
    fn observations_leave_more_the_more_there_are_until_figures_are_full() {
        let cost = |p: usize| {
            Some(Cost {
                seconds: 1e-3,
                numbers: 100.0 * p as f64,
                frames: 10.0,
                once: 1000.0,
            })
        };
        let observation = Observation::fit(MODELS.map(|(p, ..)| cost(p)), 1.0);
        let bytes = |observations| observation.bytes(&shape(61, 256), observations);
        assert_eq!(bytes(10), [61_000.0, 1100.0]);
        assert_eq!(bytes(1000), [6_100_000.0, 3000.0]);
        assert!(observation.is_sound() && !observation.estimated);
        let partly = Observation::fit([cost(31), None, None, None], 1.0);
        assert!(partly.is_sound() && partly.estimated);
    }
}
