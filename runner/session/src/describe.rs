//! `config.json`: everything that is needed to rebuild a cell's model and data set.
//!
//! Model, recipe and batches stand in it as the resolved spec has them; what they mean to other
//! programs (TransformerLens) is added here.

use grokrun_program::{Activation, Mask, Model as Kind, Norm, Pattern, Transformer};
use grokrun_spec::{Cell, Compression, Plan, Precision};
use grokrun_store::Keeping;
use grokrun_task::Domain;
use serde_json::{Value, json};

use crate::SessionError;
use crate::model::Model;

/// The cell's settings; `hooked_transformer_config` holds TransformerLens' own names for them, if
/// it has such a model.
pub(crate) fn config(
    plan: &Plan,
    cell: &Cell,
    model: &Model,
    pairs: [usize; 2],
) -> Result<Value, SessionError> {
    let mut values = plan.cell_values(cell);
    let mut take = |table: &str| values[table].take();
    let (mut of_model, mut train, data) = (take("model"), take("train"), take("data"));
    let start = take("start");
    of_model["trained_parameters"] = json!(model.parameters()?.trained());
    // What is not set is said, so that nobody has to know the default.
    for key in ["stop", "gradient", "sphere", "group", "at"] {
        if train.get(key).is_none() {
            train[key] = Value::Null;
        }
    }
    let mut config = json!({
        "cell": cell.id,
        "task": {
            "operation": cell.operation.text(),
            "notation": cell.operation.notation(),
            "modulus": cell.operation.size().is_none().then_some(cell.modulus),
            "elements": cell.modulus,
            "operands": cell.operation.operands(),
            "pairs": match cell.operation.domain() {
                Domain::All => "all",
                Domain::Nonzero => "nonzero",
            },
            "fraction": cell.fraction,
            "train_pairs": pairs[0],
            "test_pairs": pairs[1],
        },
        "seeds": {
            "data": cell.data_seed,
            "model": cell.model_seed,
            "stream": cell.stream.name(),
        },
        "data": data,
        "start": start,
        "model": of_model,
        "train": train,
    });
    let architecture = model.architecture();
    if let Kind::Transformer(transformer) = &architecture.model
        && let Some(mut hooked) = hooked_transformer(transformer)
    {
        hooked["d_vocab"] = json!(cell.modulus + u32::from(transformer.separator));
        hooked["d_vocab_out"] = json!(cell.modulus);
        hooked["n_ctx"] = json!(architecture.positions());
        hooked["init_weights"] = json!(true);
        hooked["seed"] = json!(cell.model_seed);
        config["hooked_transformer_config"] = hooked;
    }
    // Said where checkpoints are not what everybody expects: the trained weights as they are, in
    // plain files. `state.safetensors` always has them so.
    let kept = keeping(plan);
    if kept != Keeping::default() {
        config["checkpoints"] = json!({
            "precision": match kept.halves {
                true => "f16: rounded from f32, lossy; the error is in each file's metadata",
                false => "f32",
            },
            "compression": match kept.packed {
                true => "lossless: .packed files, each predicted from the two before it",
                false => "none",
            },
        });
    }
    Ok(config)
}

/// The settings of a `HookedTransformerConfig`, but for those of the task; none where
/// TransformerLens has no such model: norms after layers, attention that is no softmax, a tied
/// unembedding, other activation functions.
fn hooked_transformer(transformer: &Transformer) -> Option<Value> {
    let first = transformer.blocks.first()?;
    let attention = first.attention?;
    if attention.pattern != Pattern::Softmax || transformer.norm == Norm::Post || transformer.tied {
        return None;
    }
    let mut config = json!({
        "n_layers": transformer.blocks.len(),
        "n_heads": attention.heads,
        "d_model": transformer.d_model,
        "d_head": attention.d_head,
        "normalization_type": match transformer.norm {
            Norm::Pre => json!("LN"),
            Norm::None | Norm::Post => Value::Null,
        },
    });
    match first.mlp {
        Some(neurons) => {
            config["d_mlp"] = json!(neurons.width);
            config["act_fn"] = json!(match neurons.activation {
                Activation::Relu => "relu",
                Activation::Gelu => "gelu",
                Activation::GeluTanh => "gelu_new",
                Activation::Silu => "silu",
                _ => return None,
            });
        }
        None => config["attn_only"] = json!(true),
    }
    if transformer.mask == Mask::None {
        config["attention_dir"] = json!("bidirectional");
    }
    Some(config)
}

/// How a plan's checkpoints are kept.
pub(crate) fn keeping(plan: &Plan) -> Keeping {
    Keeping {
        halves: plan.checkpoints.precision == Precision::F16,
        packed: plan.checkpoints.compression == Compression::Lossless,
    }
}
