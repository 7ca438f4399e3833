//! Reads the settings of a model: TransformerLens's names, and those of the paper's code.
//!
//! A setting with which the model would compute something else than the one here is refused. So is
//! one that contradicts the shapes of the tensors: the settings are then of another model.

use serde_json::Value as Json;

use crate::ExchangeError;
use crate::error::refuse;
use crate::layout::Dims;
use crate::shown::shown;

/// The divisor of attention scores before the softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// √d_head, unless a file or a user says otherwise
    Root,
    /// another number; 1 is no division
    By(f64),
}

impl Scale {
    /// Returns the factor of the queries with which scores that are divided by √d_head become those
    /// of this scale.
    pub fn of_queries(self, d_head: usize) -> f64 {
        match self {
            Scale::Root => 1.0,
            Scale::By(divisor) => (d_head as f64).sqrt() / divisor,
        }
    }

    fn of(divisor: f64, d_head: usize) -> Scale {
        if (divisor - (d_head as f64).sqrt()).abs() < 1e-5 {
            Scale::Root
        } else {
            Scale::By(divisor)
        }
    }
}

/// The settings that matter here.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) activation: Option<String>,
    pub(super) heads: Option<usize>,
    pub(super) seed: Option<i64>,
    /// whether layer norm is ruled out
    pub(super) no_norm: bool,
    /// the divisor, none for √d_head; outer none if the file gives no scale
    scale: Option<Option<f64>>,
    /// sizes by the name of their setting
    sizes: Vec<(&'static str, u64)>,
}

/// Settings of TransformerLens that have to have this value, or be absent, for the model to be the
/// one here: one layer, three positions, no norm.
const HAS_TO_BE: [(&str, &str); 12] = [
    ("n_layers", "1"),
    ("num_layers", "1"),
    ("n_ctx", "3"),
    ("positional_embedding_type", "\"standard\""),
    ("attn_only", "false"),
    ("use_ln", "false"),
    ("gated_mlp", "false"),
    ("parallel_attn_mlp", "false"),
    ("use_local_attn", "false"),
    ("post_embedding_ln", "false"),
    ("num_experts", "null"),
    ("use_normalization_before_and_after", "false"),
];

impl Settings {
    /// Reads settings.
    ///
    /// # Errors
    /// If with one of them the model is another than the one here.
    pub(super) fn read(json: &Json) -> Result<Settings, ExchangeError> {
        let Some(entries) = json.as_object() else {
            return refuse(format!(
                "its config is {}; expected a dictionary of settings",
                shown(&json.to_string())
            ));
        };
        let odd = |key: &str, wanted: &str| -> Result<(), ExchangeError> {
            refuse(format!(
                "its config has {key} = {}; expected {wanted}",
                shown(&json[key].to_string())
            ))
        };
        for (key, wanted) in HAS_TO_BE {
            let absent = entries.get(key).is_none_or(Json::is_null);
            let same = |found: &Json| {
                // A number may be written with a point.
                let number = found.as_f64().map(|number| number.to_string());
                let written = number.unwrap_or_else(|| found.to_string());
                written == wanted
            };
            if !absent && !entries.get(key).is_some_and(same) {
                odd(key, wanted)?;
            }
        }
        let mut settings = Settings::default();
        let number = |key: &str| entries.get(key).and_then(Json::as_f64);
        for key in ["attn_scores_soft_cap", "output_logits_soft_cap"] {
            if number(key).is_some_and(|cap| cap > 0.0) {
                odd(key, "none")?;
            }
        }
        match entries.get("normalization_type") {
            Some(Json::Null) => settings.no_norm = true,
            Some(Json::String(text)) if text.eq_ignore_ascii_case("none") => {
                settings.no_norm = true;
            }
            Some(_) => odd(
                "normalization_type",
                "none: the model here has no layer norm",
            )?,
            None => settings.no_norm = entries.get("use_ln") == Some(&Json::Bool(false)),
        }
        for key in ["act_fn", "act_type"] {
            let Some(found) = entries.get(key).filter(|found| !found.is_null()) else {
                continue;
            };
            let known = found.as_str().map(str::to_ascii_lowercase);
            match known.filter(|name| ["relu", "gelu"].contains(&name.as_str())) {
                Some(name) => settings.activation = Some(name),
                None => odd(key, "relu or gelu")?,
            }
        }
        // TransformerLens divides by √d_head unless its settings say otherwise.
        let details = number("attn_scale").filter(|divisor| *divisor > 0.0);
        settings.scale = match (entries.get("use_attn_scale"), details) {
            (Some(Json::Bool(false)), _) => Some(Some(1.0)),
            (_, Some(divisor)) => Some(Some(divisor)),
            (Some(Json::Bool(true)), None) => Some(None),
            (_, None) if entries.contains_key("d_head") => Some(None),
            _ => None,
        };
        let whole = |key: &str| entries.get(key).and_then(Json::as_u64);
        settings.heads = ["n_heads", "num_heads"]
            .into_iter()
            .find_map(whole)
            .and_then(|heads| usize::try_from(heads).ok());
        settings.seed = entries.get("seed").and_then(Json::as_i64);
        for key in [
            "n_heads",
            "num_heads",
            "n_key_value_heads",
            "d_model",
            "d_head",
            "d_mlp",
            "d_vocab",
            "d_vocab_out",
            "p",
        ] {
            settings.sizes.extend(whole(key).map(|size| (key, size)));
        }
        Ok(settings)
    }

    /// Returns the divisor of attention scores, if the settings give one.
    pub(super) fn scale(&self, d_head: usize) -> Option<Scale> {
        self.scale.map(|divisor| match divisor {
            Some(divisor) => Scale::of(divisor, d_head),
            None => Scale::Root,
        })
    }

    /// Compares the sizes in the settings with those of the tensors.
    ///
    /// # Errors
    /// The first that differs.
    pub(super) fn check_sizes(&self, dims: &Dims) -> Result<(), ExchangeError> {
        for (key, set) in &self.sizes {
            let found = match *key {
                "n_heads" | "num_heads" | "n_key_value_heads" => dims.heads,
                "d_model" => dims.d_model,
                "d_head" => dims.d_head,
                "d_mlp" => dims.d_mlp,
                "d_vocab" => dims.modulus + 1,
                "d_vocab_out" => dims.outputs,
                _ => dims.modulus,
            };
            if *set != found as u64 {
                return refuse(format!(
                    "its config has {key} = {set}, and its tensors have {found}; expected the config of this model: correct it, or import the state_dict alone"
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DIMS: Dims = Dims {
        modulus: 5,
        outputs: 5,
        d_model: 8,
        heads: 2,
        d_head: 4,
        d_mlp: 16,
    };

    #[test]
    fn what_is_given_is_read_and_what_is_not_is_not() {
        let read = |json: Json| Settings::read(&json).unwrap();
        let none = read(json!({}));
        assert_eq!(
            (none.activation.clone(), none.no_norm, none.scale(4)),
            (None, false, None)
        );
        let lens = read(
            json!({"n_layers": 1, "n_ctx": 3, "d_head": 4, "act_fn": "gelu",
            "normalization_type": null, "seed": 3, "attn_scale": -1.0, "num_experts": null}),
        );
        assert_eq!(lens.activation.as_deref(), Some("gelu"));
        assert!(lens.no_norm && lens.seed == Some(3));
        assert_eq!(lens.scale(4), Some(Scale::Root));
        let paper = read(json!({"num_layers": 1, "act_type": "ReLU", "use_ln": false}));
        assert_eq!(paper.activation.as_deref(), Some("relu"));
        assert!(paper.no_norm && paper.scale(4).is_none());
        let unscaled = read(json!({"use_attn_scale": false, "d_head": 4}));
        assert_eq!(unscaled.scale(4), Some(Scale::By(1.0)));
        assert_eq!(Scale::By(1.0).of_queries(4), 2.0);
        let details = read(json!({"use_attn_scale": true, "attn_scale": 2.0}));
        assert_eq!(details.scale(4), Some(Scale::Root));
    }

    #[test]
    fn another_model_and_other_sizes_are_refused() {
        for (json, says) in [
            (
                json!({"normalization_type": "LNPre"}),
                "normalization_type = \"LNPre\"",
            ),
            (json!({"use_ln": true}), "use_ln = true"),
            (json!({"n_layers": 2}), "n_layers = 2"),
            (json!({"n_layers": 1.5}), "n_layers = 1.5"),
            (json!({"act_fn": "sol\u{1b}u"}), "act_fn = \"sol\\u001bu\""),
            (json!({"gated_mlp": true}), "gated_mlp"),
            (
                json!({"output_logits_soft_cap": 30.0}),
                "output_logits_soft_cap",
            ),
            (json!([1]), "expected a dictionary"),
        ] {
            let error = Settings::read(&json).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert!(!error.contains('\u{1b}'), "{error:?}");
        }
        let fits = json!({"n_heads": 2, "d_model": 8, "d_vocab": 6, "d_vocab_out": -1, "p": 5});
        assert!(Settings::read(&fits).unwrap().check_sizes(&DIMS).is_ok());
        for (json, says) in [
            (json!({"n_heads": 4}), "n_heads = 4, and its tensors have 2"),
            (json!({"d_mlp": 512}), "d_mlp = 512"),
            (json!({"p": 113}), "p = 113"),
        ] {
            let error = Settings::read(&json)
                .unwrap()
                .check_sizes(&DIMS)
                .unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
