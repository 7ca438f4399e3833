//! Which models analyses are shown, and what they are told of one.

use std::borrow::Cow;

use grokrun_api::{Model, Scope};
use grokrun_engine::{Activation, Shape};
use grokrun_host::Found;
use grokrun_program::{self as program, Architecture, Norm};
use grokrun_spec::Train;
use grokrun_store::Metrics;

use super::recorded::hooks;

/// A model as analyses see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    /// The published model of any size, however it was trained: the engine's pass over the grid
    /// runs it.
    Folded(Shape),
    /// Any other one: the program of its architecture runs it.
    Recorded(Box<Architecture>),
}

/// Why analyses do not look at a model or a task.
pub(crate) const NOT_PAIRS: &str = "analyses look at operations on pairs whose results are as many \
    as their operands; this task is another, so nothing was measured";

impl Seen {
    /// The model of an architecture; none if samples are not pairs, or classes not their tokens.
    pub(crate) fn of(architecture: &Architecture) -> Option<Seen> {
        if architecture.operands != 2 || architecture.classes != architecture.tokens {
            return None;
        }
        Some(match Shape::of(architecture) {
            Some(shape) => Seen::Folded(shape),
            None => Seen::Recorded(Box::new(architecture.clone())),
        })
    }

    /// p: the number of tokens of an operand, and of classes.
    pub(crate) fn modulus(&self) -> usize {
        match self {
            Seen::Folded(shape) => shape.modulus,
            Seen::Recorded(architecture) => architecture.tokens,
        }
    }

    /// Why an analysis is not shown this model, which has these tensors, trained in this way; none
    /// if it is.
    pub(crate) fn declines(
        &self,
        found: &Found,
        tensors: &[String],
        train: &Train,
    ) -> Option<Cow<'static, str>> {
        let needs = found.needs();
        if matches!(self, Seen::Recorded(_)) && found.scope() == Scope::OneLayer {
            return Some(Cow::Borrowed(
                "this analysis looks at one-layer transformers with '=' (causal softmax, no norms, \
                 ReLU or GELU neurons, no biases but the neurons'); this model is another, so \
                 nothing was measured",
            ));
        }
        if let Some(unmet) = needs.unmet(tensors) {
            return Some(Cow::Owned(format!(
                "this analysis needs {unmet}, which this model does not have, so nothing was measured"
            )));
        }
        let moving = train.changes.iter().any(|change| change.groups.is_some());
        (needs.evaluate() && moving).then_some(Cow::Borrowed(
            "this analysis evaluates the train loss at the weights that the optimizer moves; this \
             spec changes on the way which those are, so nothing was measured",
        ))
    }

    /// The names of all tensors that a snapshot of the model may show.
    pub(crate) fn tensors(&self) -> Vec<String> {
        let architecture = match self {
            Seen::Folded(shape) => &shape.architecture(),
            Seen::Recorded(architecture) => &**architecture,
        };
        let mut names: Vec<String> = hooks(architecture).into_iter().map(|h| h.name).collect();
        names.extend(
            Metrics::COLUMNS
                .iter()
                .map(|name| format!("history.{name}")),
        );
        names.push("loss.samples".to_owned());
        // An architecture that is none has no parameters; the spec refuses it before.
        for parameter in program::Parameters::new(architecture)
            .iter()
            .flat_map(|all| all.iter())
        {
            names.push(format!("weight.{}", parameter.name));
            if parameter.trained {
                names.push(format!("grad.{}", parameter.name));
                names.push(format!("trained.{}", parameter.name));
            }
        }
        names
    }

    /// The layers of neurons: the name of each layer's hooks, and its width.
    pub(crate) fn layers(&self) -> Vec<(String, usize)> {
        match self {
            Seen::Folded(shape) => vec![("blocks.0.mlp".to_owned(), shape.d_mlp)],
            Seen::Recorded(architecture) => match &architecture.model {
                program::Model::Transformer(t) => {
                    let blocks = t.blocks.iter().enumerate();
                    let neurons = blocks.filter_map(|(number, block)| {
                        Some((format!("blocks.{number}.mlp"), block.mlp?.width))
                    });
                    neurons.collect()
                }
                program::Model::Mlp(m) => {
                    let hidden = m.hidden.iter().enumerate();
                    hidden
                        .map(|(number, width)| (format!("layers.{number}"), *width))
                        .collect()
                }
            },
        }
    }

    /// The model in the words of an analysis.
    pub(crate) fn model(&self) -> Model {
        let layers = self.layers();
        let d_mlp = layers.last().map_or(0, |(_, width)| *width);
        let layers = layers.into_iter().map(|(name, _)| name).collect();
        match self {
            Seen::Folded(shape) => Model {
                d_model: shape.d_model,
                heads: shape.heads,
                d_head: shape.d_head,
                d_mlp,
                activation: match shape.activation {
                    Activation::Relu => "relu".to_owned(),
                    Activation::Gelu => "gelu".to_owned(),
                },
                layers,
                normalised: false,
            },
            Seen::Recorded(architecture) => of_architecture(architecture, d_mlp, layers),
        }
    }

    /// The most bytes a snapshot of the model has, the history left out.
    pub(crate) fn snapshot_bytes(&self) -> u64 {
        let p = self.modulus() as u64;
        let (attention, parameters) = match self {
            Seen::Folded(shape) => (3 * shape.heads, shape.parameters()),
            Seen::Recorded(architecture) => {
                let counted = program::Parameters::new(architecture);
                (patterns(architecture), counted.map_or(0, |all| all.count()))
            }
        };
        let neurons: usize = self.layers().iter().map(|(_, width)| 2 * width).sum();
        let pair = neurons as u64 + p + attention as u64;
        4 * (p * p).saturating_mul(pair) + 8 * parameters as u64
    }
}

fn of_architecture(architecture: &Architecture, d_mlp: usize, layers: Vec<String>) -> Model {
    let word = |activation: program::Activation| match serde_json::to_value(activation) {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    };
    match &architecture.model {
        program::Model::Transformer(t) => {
            let attention = t.blocks.iter().find_map(|block| block.attention);
            let neurons = t.blocks.iter().find_map(|block| block.mlp);
            Model {
                d_model: t.d_model,
                heads: attention.map_or(0, |a| a.heads),
                d_head: attention.map_or(0, |a| a.d_head),
                d_mlp,
                activation: neurons.map_or_else(String::new, |n| word(n.activation)),
                layers,
                normalised: t.norm != Norm::None,
            }
        }
        program::Model::Mlp(m) => Model {
            d_model: match m.input {
                program::Input::TwoHot | program::Input::Signs => {
                    m.hidden.first().copied().unwrap_or(0)
                }
                program::Input::EmbeddingSum { width, .. }
                | program::Input::EmbeddingConcat { width, .. } => width,
            },
            heads: 0,
            d_head: 0,
            d_mlp,
            activation: word(m.activation),
            layers,
            normalised: false,
        },
    }
}

/// How many numbers the attention patterns of a pair have, from the last position.
fn patterns(architecture: &Architecture) -> usize {
    let program::Model::Transformer(t) = &architecture.model else {
        return 0;
    };
    let heads: usize = t
        .blocks
        .iter()
        .filter_map(|b| b.attention)
        .map(|a| a.heads)
        .sum();
    heads * architecture.positions()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_seen_by_their_architecture_and_on_pairs_alone() {
        let published = Architecture::published(7);
        let Some(Seen::Folded(shape)) = Seen::of(&published) else {
            panic!("the published model folds");
        };
        assert_eq!(Seen::Folded(shape).model().layers, ["blocks.0.mlp"]);
        assert!(Seen::Folded(shape).model().is_shallow());
        let mut three = published.clone();
        three.operands = 3;
        assert_eq!(Seen::of(&three), None);
        let mut deep = published.clone();
        if let program::Model::Transformer(t) = &mut deep.model {
            t.blocks.push(t.blocks[0].clone());
            t.norm = Norm::Pre;
        }
        let deep = Seen::of(&deep).unwrap();
        let model = deep.model();
        assert_eq!(model.layers, ["blocks.0.mlp", "blocks.1.mlp"]);
        assert!(model.normalised && !model.is_shallow());
        assert_eq!(
            (model.heads, model.d_mlp, model.activation.as_str()),
            (4, 512, "relu")
        );
        let folded = Seen::Folded(shape).snapshot_bytes();
        let has = |seen: &Seen, name: &str| seen.tensors().iter().any(|n| n == name);
        assert!(has(&deep, "blocks.1.attn.hook_pattern") && has(&deep, "grad.unembed.W_U"));
        assert!(!has(&Seen::Folded(shape), "blocks.1.mlp.hook_pre"));
        assert!(deep.snapshot_bytes() > folded + 4 * 49 * 2 * 512);
    }

    #[test]
    fn an_mlp_is_described_in_the_words_of_its_input() {
        let mlp = Architecture {
            tokens: 5,
            classes: 5,
            operands: 2,
            model: program::Model::Mlp(program::Mlp {
                input: program::Input::TwoHot,
                hidden: vec![12, 8],
                activation: program::Activation::Power(3),
                biases: program::Bias::None,
            }),
        };
        let model = Seen::of(&mlp).unwrap().model();
        assert_eq!(model.layers, ["layers.0", "layers.1"]);
        assert_eq!((model.d_model, model.heads, model.d_mlp), (12, 0, 8));
        assert!(model.activation.contains("power"), "{}", model.activation);
    }
}
