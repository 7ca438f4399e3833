//! The architectures and recipes of the trainings, and how torch lays their tensors out.

use grokrun_program::{
    Activation, AdamW, Architecture, Attention, Bias, Block, Filter, Init, Input, Loss, LossKind,
    Mask, Mlp, Model, Neurons, Norm, Pattern, Precision, Recipe, Rule, Transformer,
};
use serde_json::Value;

/// How a tensor of torch is made from this crate's.
#[derive(Clone, Copy)]
pub(crate) enum Layout {
    Same,
    /// `(a, b)` here is `(b, a)` there.
    Transposed,
    /// `(heads, a, b)` here is `(heads, b, a)` there.
    HeadsTransposed,
}

/// A training's model.
pub(crate) struct Definition {
    pub(crate) architecture: Architecture,
    pub(crate) init: Init,
}

pub(crate) fn definition(name: &str, setting: &Value) -> Definition {
    let tokens = setting["n"].as_u64().expect("a number") as usize;
    let (model, init) = if name.starts_with("tf") {
        (transformer(&setting["transformer"]), Init::TransformerLens)
    } else if name.starts_with("rate") {
        (rate(name, setting), Init::Pizza)
    } else {
        perceptron(name, setting)
    };
    let architecture = Architecture {
        tokens,
        classes: tokens,
        operands: 2,
        model,
    };
    Definition { architecture, init }
}

fn transformer(options: &Value) -> Model {
    let trained = options["biases"] == true;
    let bias = if trained { Bias::Trained } else { Bias::Frozen };
    let neurons = Neurons {
        width: 64,
        activation: if options["act_fn"] == "gelu" {
            Activation::Gelu
        } else {
            Activation::Relu
        },
    };
    let block = Block {
        attention: Some(Attention {
            heads: 4,
            d_head: 8,
            pattern: Pattern::Softmax,
        }),
        mlp: (options["attn_only"] != true).then_some(neurons),
    };
    Model::Transformer(Transformer {
        d_model: 32,
        separator: true,
        blocks: vec![block; options["n_layers"].as_u64().unwrap_or(2) as usize],
        norm: if options["normalization_type"] == "LN" {
            Norm::Pre
        } else {
            Norm::None
        },
        mask: if options["attention_dir"] == "bidirectional" {
            Mask::None
        } else {
            Mask::Causal
        },
        attention_biases: bias,
        mlp_biases: bias,
        unembedding_bias: bias,
        tied: false,
    })
}

fn rate(name: &str, setting: &Value) -> Model {
    let two = name.starts_with("rate2");
    let block = Block {
        attention: Some(Attention {
            heads: 4,
            d_head: 8,
            pattern: Pattern::Rate(setting["alpha"].as_f64().expect("a number")),
        }),
        mlp: Some(Neurons {
            width: 128,
            activation: if two {
                Activation::Gelu
            } else {
                Activation::Relu
            },
        }),
    };
    Model::Transformer(Transformer {
        d_model: 32,
        separator: false,
        blocks: vec![block; if two { 2 } else { 1 }],
        norm: Norm::None,
        mask: Mask::None,
        attention_biases: Bias::None,
        mlp_biases: Bias::Trained,
        unembedding_bias: Bias::None,
        tied: false,
    })
}

fn perceptron(name: &str, setting: &Value) -> (Model, Init) {
    let number = |key: &str| setting[key].as_u64().expect("a number") as usize;
    let mut mlp = Mlp {
        input: Input::TwoHot,
        hidden: vec![48],
        activation: Activation::Relu,
        biases: Bias::Trained,
    };
    if name.starts_with("quad") {
        mlp.activation = Activation::Quadratic;
        mlp.hidden = vec![number("width")];
        mlp.biases = Bias::None;
        return (Model::Mlp(mlp), Init::Gromov);
    }
    if name.starts_with("group") {
        mlp.input = Input::EmbeddingConcat {
            width: number("embed"),
            shared: false,
        };
        mlp.hidden = vec![number("hidden")];
        mlp.biases = Bias::None;
        return (Model::Mlp(mlp), Init::RepTheory);
    }
    if name.starts_with("mlp2") {
        mlp.hidden = vec![48, 48];
    }
    if name.contains("nobias") || name.contains("stablemax") || name.contains("orthograd") {
        mlp.biases = Bias::None;
    }
    let (width, shared) = (24, true);
    match name {
        "mlp1_emb_sum" => mlp.input = Input::EmbeddingSum { width, shared },
        "mlp1_emb_concat" => mlp.input = Input::EmbeddingConcat { width, shared },
        _ => {}
    }
    (Model::Mlp(mlp), Init::Torch)
}

/// Returns the loss of a training; `double` says that the whole run is in float64.
pub(crate) fn loss(setting: &Value, double: bool) -> Loss {
    let (kind, precision) = match setting["loss"].as_str() {
        Some("ce64") => (LossKind::CrossEntropy, Precision::F64),
        Some("ce32") => (LossKind::CrossEntropy, Precision::F32),
        Some("mse") => (LossKind::Mse, Precision::F32),
        Some("stablemax") => (LossKind::Stablemax, Precision::F64),
        other => panic!("a loss: {other:?}"),
    };
    Loss {
        kind,
        precision: if double { Precision::F64 } else { precision },
        temperature: 1.0,
    }
}

pub(crate) fn recipe(facts: &Value) -> Recipe {
    let optimizer = &facts["optimizer"];
    let number = |value: &Value| value.as_f64().expect("a number");
    let betas = [0, 1].map(|i| number(&optimizer["betas"][i]));
    let orthogonal = facts["setting"]["orthograd"] == true;
    Recipe {
        rule: Rule::AdamW(AdamW {
            betas,
            epsilon: number(&optimizer["eps"]),
        }),
        learning_rate: number(&optimizer["lr"]),
        weight_decay: number(&optimizer["weight_decay"]),
        warmup: number(&optimizer["warmup"]) as u64,
        filters: orthogonal
            .then_some(Filter::Orthogonal)
            .into_iter()
            .collect(),
        ..Recipe::published()
    }
}

/// Returns this crate's name of a tensor of torch, and the layout in torch.
pub(crate) fn ours(training: &str, name: &str) -> (String, Layout) {
    if training.starts_with("tf") {
        return (name.into(), Layout::Same);
    }
    if training.starts_with("rate") {
        let layout = match name.rsplit('.').next() {
            Some("W_K" | "W_Q" | "W_V") => Layout::HeadsTransposed,
            Some("W_E" | "W_O" | "W_in" | "W_out") => Layout::Transposed,
            _ => Layout::Same,
        };
        return (name.into(), layout);
    }
    match name {
        "W_x" => ("embed.0.W_E".into(), Layout::Same),
        "W_y" => ("embed.1.W_E".into(), Layout::Same),
        "W" => ("layers.0.W".into(), Layout::Same),
        "W_U" => ("layers.1.W".into(), Layout::Same),
        "fc1.weight" => ("layers.0.W".into(), Layout::Transposed),
        "fc2.weight" => ("layers.1.W".into(), Layout::Transposed),
        "embed.weight" => ("embed.W_E".into(), Layout::Same),
        _ => {
            let layer = name.trim_end_matches("weight").trim_end_matches("bias");
            let bias = name.ends_with("bias");
            let (end, layout) = if bias {
                ("b", Layout::Same)
            } else {
                ("W", Layout::Transposed)
            };
            (format!("{layer}{end}"), layout)
        }
    }
}
