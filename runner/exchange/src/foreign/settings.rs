//! Reads the settings of a model: TransformerLens's names, and those of the paper's code.
//!
//! A setting with which the model would compute something else than the one here is refused. So is
//! one that contradicts the shapes of the tensors: the settings are then of another model.

use serde_json::Value as Json;

use super::attention::{Mask, Scale};
use crate::ExchangeError;
use crate::error::refuse;
use crate::layout::{Body, Dims, Norm};
use crate::shown::shown;

/// The settings that matter here.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) activation: Option<String>,
    pub(super) heads: Option<usize>,
    pub(super) seed: Option<i64>,
    /// whether layer norm is ruled out
    pub(super) no_norm: bool,
    /// the norm in TransformerLens's words, if there is one
    norm: Option<String>,
    /// whether positions see later ones, if the settings tell
    pub(super) mask: Option<Mask>,
    /// the share of softmax in attention (Zhong et al. 2023)
    pub(super) rate: Option<f64>,
    attention_only: Option<bool>,
    /// the divisor, none for √d_head; outer none if the file gives no scale
    scale: Option<Option<f64>>,
    /// sizes by the name of their setting
    sizes: Vec<(&'static str, u64)>,
}

/// Settings that have to have this value, or be absent, for the model to be one that is held here.
const HAS_TO_BE: [(&str, &str); 8] = [
    ("positional_embedding_type", "\"standard\""),
    ("use_ln", "false"),
    ("gated_mlp", "false"),
    ("parallel_attn_mlp", "false"),
    ("use_local_attn", "false"),
    ("post_embedding_ln", "false"),
    ("num_experts", "null"),
    ("use_normalization_before_and_after", "false"),
];

/// The activations of a layer of neurons by their names in settings, lower case, and in a spec.
const ACTIVATIONS: [(&str, &str); 6] = [
    ("relu", "relu"),
    ("gelu", "gelu"),
    ("gelu_new", "gelu-tanh"),
    ("gelu_fast", "gelu-tanh"),
    ("silu", "silu"),
    ("tanh", "tanh"),
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
            Some(Json::String(text))
                if ["ln", "lnpre"].contains(&text.to_ascii_lowercase().as_str()) =>
            {
                settings.norm = Some(text.to_ascii_lowercase());
                let epsilon = number("eps");
                if epsilon.is_some_and(|epsilon| (epsilon - 1e-5).abs() > 1e-12) {
                    odd("eps", "1e-5, the constant of the layer norms here")?;
                }
            }
            Some(_) => odd(
                "normalization_type",
                "none, LN or LNPre: the model here has no other norm",
            )?,
            None => settings.no_norm = entries.get("use_ln") == Some(&Json::Bool(false)),
        }
        for key in ["act_fn", "act_type"] {
            let Some(found) = entries.get(key).filter(|found| !found.is_null()) else {
                continue;
            };
            let name = found.as_str().map(str::to_ascii_lowercase);
            let known = ACTIVATIONS
                .iter()
                .find(|(known, _)| Some(*known) == name.as_deref());
            match known {
                Some((_, ours)) => settings.activation = Some((*ours).to_owned()),
                None => odd(key, "relu, gelu, gelu_new, gelu_fast, silu or tanh")?,
            }
        }
        settings.of_pizza(entries, &odd)?;
        settings.mask = match entries.get("attention_dir").and_then(Json::as_str) {
            // The clock-and-pizza code does not read this setting.
            _ if settings.rate.is_some() => None,
            Some("causal") => Some(Mask::Causal),
            Some("bidirectional") => Some(Mask::None),
            Some(_) => {
                odd("attention_dir", "causal or bidirectional")?;
                None
            }
            None => None,
        };
        settings.attention_only = entries.get("attn_only").and_then(Json::as_bool);
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
            "n_layers",
            "num_layers",
            "n_ctx",
            "C",
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

    /// Reads what the clock-and-pizza code has in a file beside its models.
    fn of_pizza(
        &mut self,
        entries: &serde_json::Map<String, Json>,
        odd: &impl Fn(&str, &str) -> Result<(), ExchangeError>,
    ) -> Result<(), ExchangeError> {
        if let Some(found) = entries.get("attn_coeff").filter(|found| !found.is_null()) {
            match found.as_f64().filter(|rate| (0.0..=1.0).contains(rate)) {
                Some(rate) => self.rate = Some(rate),
                None => odd("attn_coeff", "a number from 0 to 1")?,
            }
        }
        let both = entries.get("diff_vocab");
        if both.is_some_and(|both| *both != Json::Bool(false) && both.as_f64() != Some(0.0)) {
            odd(
                "diff_vocab",
                "0: with 1 the second operand has tokens of its own, and the transformer here has one embedding for both",
            )?;
        }
        let kind = entries.get("model_type").and_then(Json::as_str);
        if kind.is_some_and(|kind| !["A", "B", "D", "X"].contains(&kind)) {
            odd("model_type", "A, B, D or X: C adds its first bias twice")?;
        }
        Ok(())
    }

    /// Whether there are norms without tensors, as the settings have it.
    pub(super) fn plain_norm(&self) -> bool {
        self.norm.as_deref() == Some("lnpre")
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
        let transformer = dims.transformer();
        if let Some(sizes) = transformer {
            let has_norm = sizes.norm != Norm::None;
            if (self.no_norm && has_norm) || (self.norm.is_some() && !has_norm) {
                return refuse(format!(
                    "its config has normalization_type {}, and it has {} tensors of layer norms; expected the config of this model: correct it, or import the state_dict alone",
                    self.norm.as_deref().unwrap_or("none"),
                    if has_norm { "the" } else { "no" }
                ));
            }
            let only = sizes.d_mlp.is_none();
            if self.attention_only.is_some_and(|stated| stated != only) {
                return refuse(format!(
                    "its config has attn_only = {}, and it has {} tensors of neurons; expected the config of this model",
                    !only,
                    if only { "no" } else { "the" }
                ));
            }
        }
        for (key, set) in &self.sizes {
            let found = match (*key, &dims.body) {
                ("d_vocab", _) => dims.tokens(),
                ("d_vocab_out", _) => dims.outputs,
                ("p" | "C", _) => dims.modulus,
                // An MLP's settings have their own names, whose sizes its tensors have.
                (_, Body::Mlp(_)) => continue,
                ("n_layers" | "num_layers", Body::Transformer(sizes)) => sizes.layers,
                ("n_ctx", Body::Transformer(sizes)) => 2 + usize::from(sizes.separator),
                ("d_model", Body::Transformer(sizes)) => sizes.d_model,
                ("d_head", Body::Transformer(sizes)) => sizes.d_head,
                ("d_mlp", Body::Transformer(sizes)) => match sizes.d_mlp {
                    Some(width) => width,
                    // A model of attention alone has this setting, too, and does not use it.
                    None => continue,
                },
                (_, Body::Transformer(sizes)) => sizes.heads,
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
    use crate::layout::TransformerSizes;

    const DIMS: Dims = Dims {
        modulus: 5,
        outputs: 5,
        body: Body::Transformer(TransformerSizes {
            layers: 1,
            d_model: 8,
            heads: 2,
            d_head: 4,
            d_mlp: Some(16),
            separator: true,
            norm: Norm::None,
        }),
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
                json!({"normalization_type": "RMSPre"}),
                "normalization_type = \"RMSPre\"",
            ),
            (json!({"use_ln": true}), "use_ln = true"),
            (
                json!({"normalization_type": "LN", "eps": 1e-6}),
                "eps = 1e-6",
            ),
            (json!({"attention_dir": "sideways"}), "attention_dir"),
            (json!({"attn_coeff": 1.5}), "attn_coeff = 1.5"),
            (json!({"diff_vocab": true}), "one embedding for both"),
            (json!({"diff_vocab": 1}), "diff_vocab = 1"),
            (json!({"model_type": "C"}), "adds its first bias twice"),
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
            (
                json!({"n_layers": 2}),
                "n_layers = 2, and its tensors have 1",
            ),
            (json!({"n_ctx": 5}), "n_ctx = 5, and its tensors have 3"),
            (
                json!({"normalization_type": "LN"}),
                "has no tensors of layer norms",
            ),
            (json!({"attn_only": true}), "attn_only = true"),
        ] {
            let error = Settings::read(&json)
                .unwrap()
                .check_sizes(&DIMS)
                .unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
