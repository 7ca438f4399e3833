//! `config.json`: everything that is needed to rebuild a cell's model and data set.

use grokrun_engine::Shape;
use grokrun_spec::{Activation, Biases, Cell, Compression, Init, Plan, Precision};
use grokrun_store::Keeping;
use serde_json::{Value, json};

/// The cell's settings; `hooked_transformer_config` holds TransformerLens' own names for them.
pub(crate) fn config(plan: &Plan, cell: &Cell, shape: &Shape, pairs: [usize; 2]) -> Value {
    let activation = match plan.model.activation {
        Activation::Relu => "relu",
        Activation::Gelu => "gelu",
    };
    let mut config = json!({
        "cell": cell.id,
        "task": {
            "operation": cell.operation.text(),
            "notation": cell.operation.notation(),
            "modulus": cell.modulus,
            "fraction": cell.fraction,
            "train_pairs": pairs[0],
            "test_pairs": pairs[1],
        },
        "seeds": {
            "data": cell.data_seed,
            "model": cell.model_seed,
            "stream": cell.stream.name(),
        },
        "model": {
            "heads": shape.heads,
            "d_model": shape.d_model,
            "d_head": shape.d_head,
            "d_mlp": shape.d_mlp,
            "activation": activation,
            "biases": match plan.model.biases { Biases::Frozen => "frozen", Biases::Trained => "trained" },
            "init": match plan.model.init {
                Init::TransformerLens => "transformer-lens",
                Init::Paper => "paper",
            },
            "trained_parameters": shape.trained(),
        },
        "train": {
            "epochs": plan.train.epochs,
            "learning_rate": cell.learning_rate,
            "weight_decay": cell.weight_decay,
            "betas": plan.train.betas,
            "epsilon": plan.train.epsilon,
            "warmup": plan.train.warmup,
            "stop": plan.train.stop.as_ref().map(|stop| json!({
                "test_accuracy": stop.test_accuracy,
                "patience": stop.patience,
            })),
        },
        "hooked_transformer_config": {
            "n_layers": 1,
            "n_heads": shape.heads,
            "d_model": shape.d_model,
            "d_head": shape.d_head,
            "d_mlp": shape.d_mlp,
            "act_fn": activation,
            "normalization_type": null,
            "d_vocab": shape.modulus + 1,
            "d_vocab_out": shape.modulus,
            "n_ctx": 3,
            "init_weights": true,
            "seed": cell.model_seed,
        },
    });
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
    config
}

/// How a plan's checkpoints are kept.
pub(crate) fn keeping(plan: &Plan) -> Keeping {
    Keeping {
        halves: plan.checkpoints.precision == Precision::F16,
        packed: plan.checkpoints.compression == Compression::Lossless,
    }
}
