//! Reads what grokrun's own files have in addition: the `config.json` of their cell, under
//! `grokrun_config`.

use serde_json::Value as Json;

use crate::ExchangeError;
use crate::error::refuse;
use crate::layout::Dims;
use crate::shown::shown;

/// The name of that entry.
pub const KEY: &str = "grokrun_config";

/// The task and the recipe of a model, as far as a file that grokrun wrote gives them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// as in a spec
    pub operation: Option<String>,
    /// share of all pairs
    pub fraction: Option<f64>,
    /// seed of the split
    pub data_seed: Option<i64>,
    /// seed of the weights
    pub model_seed: Option<i64>,
    /// whose random numbers
    pub stream: Option<String>,
    /// none if the run was imported and the recipe was not known
    pub recipe: Option<Recipe>,
}

/// How a model was trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// number of all epochs
    pub epochs: u64,
    /// of AdamW
    pub learning_rate: f64,
    /// of AdamW
    pub weight_decay: f64,
    /// of AdamW
    pub betas: [f64; 2],
    /// of AdamW
    pub epsilon: f64,
    /// epochs of warm-up
    pub warmup: u64,
    /// how the weights were drawn, as in a spec
    pub init: String,
    /// the rule for an early end
    pub stop: Option<Stop>,
}

/// The rule for an early end of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stop {
    /// the accuracy to be reached
    pub test_accuracy: f64,
    /// for how many epochs it has to be held
    pub patience: u64,
}

/// How the losses of a history are defined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conventions {
    /// Test losses are taken before the step of their epoch, as the train losses are.
    pub test_before_step: bool,
    /// The output for '=' counts as a class.
    pub counts_separator: bool,
}

impl Conventions {
    /// Returns the notes on losses that are not defined as those of runs trained here.
    pub(super) fn notes(self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.test_before_step {
            notes.push("the test losses of its history are taken before the step of their epoch, as in the paper's code; those of runs trained here are taken after it".to_owned());
        }
        if self.counts_separator {
            notes.push("the losses of its history count the output for '=' as a class; what is computed here leaves it out".to_owned());
        }
        notes
    }

    /// Returns the JSON that `config.json` has under `imported`.
    pub fn to_json(self) -> Json {
        serde_json::json!({
            "test_losses": if self.test_before_step { BEFORE } else { "after the step" },
            "output_for_separator": if self.counts_separator { COUNTED } else { "not counted" },
        })
    }
}

const BEFORE: &str = "before the step";
const COUNTED: &str = "counted";

/// Everything that a file of grokrun has in addition.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// whether grokrun wrote the file
    pub(super) is: bool,
    pub(super) task: Task,
    pub(super) conventions: Option<Conventions>,
    modulus: Option<u64>,
}

impl Own {
    /// Reads the entry; parts that a file of an earlier version lacks stay unknown.
    ///
    /// # Errors
    /// If a text in it could not stand in a spec.
    pub(super) fn read(json: &Json) -> Result<Own, ExchangeError> {
        let (task, seeds, imported) = (&json["task"], &json["seeds"], &json["imported"]);
        let history = &imported["history"];
        let text = |json: &Json| match json.as_str() {
            Some(text) if text.chars().any(char::is_control) => refuse(format!(
                "its {KEY} has \"{}\"; expected a text of one line",
                shown(text)
            )),
            text => Ok(text.map(str::to_owned)),
        };
        text(&json["model"]["init"])?;
        Ok(Own {
            is: task.is_object(),
            modulus: task["modulus"].as_u64(),
            task: Task {
                operation: text(&task["operation"])?,
                fraction: task["fraction"].as_f64(),
                data_seed: seeds["data"].as_i64(),
                model_seed: seeds["model"].as_i64(),
                stream: text(&seeds["stream"])?,
                recipe: match imported["recipe"].as_str() {
                    Some("not known") => None,
                    _ => recipe(json),
                },
            },
            conventions: history.is_object().then(|| Conventions {
                test_before_step: history["test_losses"] == BEFORE,
                counts_separator: history["output_for_separator"] == COUNTED,
            }),
        })
    }

    /// Compares the modulus with that of the tensors.
    ///
    /// # Errors
    /// If they differ.
    pub(super) fn check_modulus(&self, dims: &Dims) -> Result<(), ExchangeError> {
        match self.modulus {
            Some(recorded) if recorded != dims.modulus as u64 => refuse(format!(
                "its {KEY} has modulus {recorded}, and its W_E has {} rows; expected {}",
                dims.tokens(),
                recorded.saturating_add((dims.tokens() - dims.modulus) as u64)
            )),
            _ => Ok(()),
        }
    }
}

fn recipe(json: &Json) -> Option<Recipe> {
    let train = &json["train"];
    let number = |key: &str| train[key].as_f64();
    let beta = |at: usize| train["betas"][at].as_f64();
    let stop = &train["stop"];
    Some(Recipe {
        epochs: train["epochs"].as_u64()?,
        learning_rate: number("learning_rate")?,
        weight_decay: number("weight_decay")?,
        betas: [beta(0)?, beta(1)?],
        epsilon: number("epsilon")?,
        warmup: train["warmup"].as_u64()?,
        init: json["model"]["init"].as_str()?.to_owned(),
        stop: stop["test_accuracy"]
            .as_f64()
            .zip(stop["patience"].as_u64())
            .map(|(test_accuracy, patience)| Stop {
                test_accuracy,
                patience,
            }),
    })
}
