//! Defines the parameters and their ranges.

use grokrun_api::prelude::*;
use grokrun_basis::BASES;
use grokrun_measures::KeyRule;

/// The most checkpoints, beside the last, whose parts along the directions are kept.
pub(crate) const MOST_KEPT: usize = 512;

/// The parameters of the analysis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
#[schemars(crate = "grokrun_api::schemars")]
pub struct Config {
    /// auto (the one that suits the operation), additive, multiplicative, group or labels
    pub basis: String,
    /// final (of the last checkpoint; the series have those of each) or each (found at each
    /// checkpoint)
    pub keys: String,
    /// how key frequencies are found: W_L or W_E, norm above a quarter of the largest
    pub rule: String,
    /// these key frequencies instead, at all checkpoints
    pub frequencies: Vec<usize>,
    /// with keys = "final": at how many checkpoints, and the last, the excluded losses are in the
    /// table, for each of which the train pairs' logits wait on the disk
    pub checkpoints: usize,
    /// phases: train accuracy of a model that has memorised
    pub memorised: f64,
    /// phases: share of its peak that the test loss is at most when cleanup begins
    pub cleanup: f64,
    /// phases: how many train losses the test loss is at most when the model is stable
    pub stable: f64,
    /// phases: epochs that each of these must hold
    pub hold: usize,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            basis: "auto".to_owned(),
            keys: "final".to_owned(),
            rule: "W_L".to_owned(),
            frequencies: Vec::new(),
            checkpoints: 32,
            memorised: 0.99,
            cleanup: 0.125,
            stable: 10.0,
            hold: 100,
        }
    }
}

impl Config {
    /// Checks ranges and choices.
    ///
    /// # Errors
    /// Names the parameter that is wrong.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let one_of = |parameter: &str, word: &str, choices: &[&str]| {
            if choices.contains(&word) {
                Ok(())
            } else {
                Err(Failure::parameter(
                    parameter,
                    format!("must be one of {}", choices.join(", ")),
                ))
            }
        };
        one_of("basis", &self.basis, &BASES)?;
        one_of("keys", &self.keys, &["final", "each"])?;
        KeyRule::parse("rule", &self.rule)?;
        if self.frequencies.contains(&0) {
            return Err(Failure::parameter("frequencies", "must be 1 or more each"));
        }
        if !(1..=MOST_KEPT).contains(&self.checkpoints) {
            let message = format!("must be from 1 to {MOST_KEPT}");
            return Err(Failure::parameter("checkpoints", message));
        }
        for (parameter, value) in [("memorised", self.memorised), ("cleanup", self.cleanup)] {
            if value.is_nan() || value <= 0.0 || value > 1.0 {
                return Err(Failure::parameter(
                    parameter,
                    "must be above 0 and at most 1",
                ));
            }
        }
        if !self.stable.is_finite() || self.stable < 1.0 {
            return Err(Failure::parameter("stable", "must be at least 1"));
        }
        if self.hold == 0 {
            return Err(Failure::parameter("hold", "must be at least 1"));
        }
        Ok(())
    }
}
