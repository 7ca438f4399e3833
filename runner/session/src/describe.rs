//! `config.json`: everything that is needed to rebuild a cell's model and data set.
//!
//! Model, recipe and batches stand in it as the resolved spec has them; what they mean to other
//! programs (TransformerLens) is added here.

use grokrun_program::{Activation, Mask, Model as Kind, Norm, Pattern, Transformer};
use grokrun_spec::{Cell, Compression, Plan, Precision};
use grokrun_store::{CellConfig, CheckpointsConfig, Keeping, SeedsConfig, TaskConfig};
use grokrun_task::Domain;
use serde_json::{Value, json};

use crate::SessionError;
use crate::model::Model;

/// The cell's settings, with TransformerLens's names for them, if it has such a model.
pub(crate) fn config(
    plan: &Plan,
    cell: &Cell,
    model: &Model,
    pairs: [usize; 2],
) -> Result<CellConfig, SessionError> {
    let mut values = plan.cell_values(cell);
    let mut take = |table: &str| match values[table].take() {
        Value::Object(values) => Some(values),
        _ => None,
    };
    let (data, start) = (take("data"), take("start"));
    let mut of_model = take("model").unwrap_or_default();
    let mut train = take("train").unwrap_or_default();
    let trained = json!(model.parameters()?.trained());
    of_model.insert("trained_parameters".to_owned(), trained);
    // What is not set is said, so that nobody has to know the default.
    for key in ["stop", "gradient", "sphere", "group", "at"] {
        train.entry(key).or_insert(Value::Null);
    }
    let architecture = model.architecture();
    let hooked = match &architecture.model {
        Kind::Transformer(transformer) => hooked_transformer(transformer).map(|mut hooked| {
            hooked["d_vocab"] = json!(cell.modulus + u32::from(transformer.separator));
            hooked["d_vocab_out"] = json!(cell.modulus);
            hooked["n_ctx"] = json!(architecture.positions());
            hooked["init_weights"] = json!(true);
            hooked["seed"] = json!(cell.model_seed);
            hooked
        }),
        Kind::Mlp(_) => None,
    };
    Ok(CellConfig {
        format: CellConfig::FORMAT,
        cell: cell.id.clone(),
        task: TaskConfig {
            operation: cell.operation.text().to_owned(),
            notation: cell.operation.notation(),
            modulus: cell.operation.size().is_none().then_some(cell.modulus),
            elements: Some(cell.modulus),
            operands: Some(cell.operation.operands()),
            pairs: Some(
                match cell.operation.domain() {
                    Domain::All => "all",
                    Domain::Nonzero => "nonzero",
                }
                .to_owned(),
            ),
            fraction: cell.fraction,
            train_pairs: pairs[0],
            test_pairs: pairs[1],
        },
        seeds: SeedsConfig {
            data: cell.data_seed,
            model: cell.model_seed,
            stream: cell.stream.name().to_owned(),
        },
        data,
        start,
        model: of_model,
        train,
        hooked_transformer_config: hooked.and_then(|hooked| hooked.as_object().cloned()),
        checkpoints: checkpoints(keeping(plan)),
        imported: None,
    })
}

/// What is said where checkpoints are not what everybody expects: the trained weights as they are,
/// in plain files. `state.safetensors` always has them so.
fn checkpoints(kept: Keeping) -> Option<CheckpointsConfig> {
    let precision = if kept.halves {
        "f16: rounded from f32, lossy; the error is in each file's metadata"
    } else {
        "f32"
    };
    let compression = if kept.packed {
        "lossless: .packed files, each predicted from the two before it"
    } else {
        "none"
    };
    (kept != Keeping::default()).then(|| CheckpointsConfig {
        precision: Some(precision.to_owned()),
        compression: Some(compression.to_owned()),
    })
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
