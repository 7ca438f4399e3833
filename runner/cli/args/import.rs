//! Defines the arguments of `grokrun import` with clap.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use grokrun_exchange::Scale;

/// An activation of the MLP, as in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ActivationArg {
    /// max(x, 0)
    Relu,
    /// x Φ(x)
    Gelu,
    /// GELU by tanh
    GeluTanh,
    /// x / (1 + e⁻ˣ)
    Silu,
    /// tanh x
    Tanh,
}

impl ActivationArg {
    /// Returns its name in a spec.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ActivationArg::Relu => "relu",
            ActivationArg::Gelu => "gelu",
            ActivationArg::GeluTanh => "gelu-tanh",
            ActivationArg::Silu => "silu",
            ActivationArg::Tanh => "tanh",
        }
    }
}

/// Which positions a position sees, as in a spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MaskArg {
    /// itself and those before it
    Causal,
    /// all
    None,
}

/// The layer norm that the tensors do not show, in TransformerLens's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NormalizationArg {
    /// there is none
    None,
    /// one whose weight and bias are folded into what follows
    #[value(name = "LNPre", alias = "lnpre")]
    LnPre,
}

/// Parses a share.
fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok();
    rate.filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| "expected a number from 0 (the pizza's end) to 1 (the clock's)".to_owned())
}

/// Parses the divisor of attention scores.
fn attention_scale(text: &str) -> Result<Scale, String> {
    match text {
        "sqrt" => Ok(Scale::Root),
        "none" => Ok(Scale::By(1.0)),
        number => match number.parse::<f64>() {
            Ok(divisor) if divisor.is_finite() && divisor > 0.0 => Ok(Scale::By(divisor)),
            _ => Err("expected sqrt (the root of d_head), none, or the number that scores are divided by".to_owned()),
        },
    }
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// A file of torch.save (a state_dict, the published dictionary, the paper's full_run_data), a
    /// .safetensors, an .npz, or a folder of such files (with --pattern)
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The run's folder, which must not hold another run
    #[arg(long, value_name = "RUN")]
    pub(crate) into: PathBuf,

    /// How the files of a folder are named, with {epoch} where the epoch is and * for anything:
    /// 'step_{epoch}.pth'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) pattern: Option<String>,

    /// What the model was trained on, if the file does not say [default: mul; add for
    /// full_run_data]
    #[arg(long, value_name = "OPERATION")]
    pub(crate) operation: Option<String>,

    /// The modulus, if only to have it checked: it follows from the shapes
    #[arg(long, value_name = "P")]
    pub(crate) modulus: Option<usize>,

    /// The share of the pairs that was trained on [default: the file's, else 0.3]
    #[arg(long, value_name = "F")]
    pub(crate) fraction: Option<f64>,

    /// The seed of the split, if the file has none [default: 598; 0 for full_run_data]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) data_seed: Option<i64>,

    /// Whose random numbers drew the split [default: torch; python for full_run_data]
    #[arg(long, value_name = "torch|torch-legacy|python")]
    pub(crate) stream: Option<String>,

    /// The pairs trained on, if no seed gives them: places a·p + b as a text, JSON, .npy, or
    /// train_indices in an .npz or .safetensors; all others are tested on, unless it has
    /// test_indices
    #[arg(long, value_name = "FILE", conflicts_with_all = ["fraction", "data_seed", "stream"])]
    pub(crate) train_indices: Option<PathBuf>,

    /// After how many epochs the model was saved, if the file does not say [default: 40000]
    #[arg(long, value_name = "N")]
    pub(crate) epoch: Option<u64>,

    /// The activation, if the file does not say [default: relu, unless the losses say gelu]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) activation: Option<ActivationArg>,

    /// The layer norm that the tensors alone do not show: none, or LNPre, folded into what follows
    /// [default: none]
    #[arg(long, value_enum, ignore_case = true, value_name = "none|LNPre")]
    pub(crate) normalization: Option<NormalizationArg>,

    /// Which positions a position sees, which matters with two layers or more [default: causal,
    /// unless the losses say none]
    #[arg(long, value_enum, value_name = "causal|none")]
    pub(crate) mask: Option<MaskArg>,

    /// The share of softmax in the attention of a clock-and-pizza model (attn_coeff), 0 to 1
    #[arg(long, value_name = "RATE", value_parser = rate)]
    pub(crate) attention_rate: Option<f64>,

    /// Settings of the model in a JSON file of their own, by the names of TransformerLens or of the
    /// clock-and-pizza code
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// The divisor of attention scores [default: sqrt, which is √d_head, unless the losses say
    /// none]
    #[arg(long, value_name = "sqrt|none|NUMBER", value_parser = attention_scale)]
    pub(crate) attention_scale: Option<Scale>,

    /// The number of heads, if the file does not say [default: 4, unless the losses say another]
    #[arg(long, value_name = "N")]
    pub(crate) heads: Option<usize>,

    /// Replace another run of that name
    #[arg(long)]
    pub(crate) force: bool,
}
