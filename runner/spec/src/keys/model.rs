//! The keys of `[model]`: the architecture and the initial weights.

use grokrun_program::{Activation, Init, Mask, Norm, Pattern};

use super::MAX_WIDTH;
use crate::field::{Choice, Flag, Presence};
use crate::number::{End, Integer, Number, Width};
use crate::plan::{Biases, Embeddings, Input, Kind};
use crate::table::Table;
use crate::widths::Widths;
use crate::word_or_table::WordOrTable;

pub(crate) static MODEL: Table = Table {
    path: "model",
    about: "The architecture: by default one causal layer of a transformer without norms.",
    required: None,
    fields: &[
        &KIND,
        &LAYERS,
        &HEADS,
        &D_MODEL,
        &D_HEAD,
        &D_MLP,
        &MLP,
        &ACTIVATION,
        &BIASES,
        &NORM,
        &MASK,
        &ATTENTION,
        &SEPARATOR,
        &TIED,
        &INPUT,
        &EMBEDDINGS,
        &HIDDEN,
        &INIT,
        &INIT_SCALE,
    ],
};

pub(crate) static KIND: Choice<Kind> = Choice {
    path: "model.kind",
    about: "transformer: attention and neurons on a residual stream, of which the last position is \
            read. mlp: layers of neurons on one-hot or embedded operands.",
    default: ("transformer", Kind::Transformer),
    others: &[("mlp", Kind::Mlp)],
};

/// A width of the model.
const fn width(path: &'static str, about: &'static str, max: u64, default: u64) -> Integer {
    Integer {
        path,
        about,
        min: 1,
        max,
        presence: Presence::Default(default),
    }
}

pub(crate) static LAYERS: Integer = width(
    "model.layers",
    "The blocks of a transformer, all alike.",
    grokrun_program::MAX_BLOCKS as u64,
    1,
);

pub(crate) static HEADS: Integer = width("model.heads", "Attention heads.", 1024, 4);

pub(crate) static D_MODEL: Integer = width(
    "model.d_model",
    "The width of the residual stream; of an mlp, the width of an embedding.",
    MAX_WIDTH,
    128,
);

pub(crate) static D_HEAD: Integer = width("model.d_head", "The width of each head.", MAX_WIDTH, 32);

pub(crate) static D_MLP: Integer = width("model.d_mlp", "The neurons of the MLP.", MAX_WIDTH, 512);

pub(crate) static MLP: Flag = Flag {
    path: "model.mlp",
    about: "Whether the blocks of a transformer have neurons; false leaves attention only.",
    default: true,
};

pub(crate) static ACTIVATION: WordOrTable<Activation> = WordOrTable {
    word: Choice {
        path: "model.activation",
        about: "The MLP's activation function: relu, gelu (the exact form), gelu-tanh, quadratic \
                (x^2), silu, tanh, identity, or { power = 3 } for x^3.",
        default: ("relu", Activation::Relu),
        others: &[
            ("gelu", Activation::Gelu),
            ("gelu-tanh", Activation::GeluTanh),
            ("quadratic", Activation::Quadratic),
            ("silu", Activation::Silu),
            ("tanh", Activation::Tanh),
            ("identity", Activation::Identity),
        ],
    },
    table: &Table {
        path: "model.activation",
        about: "A power.",
        required: Some("activation = { power = 3 }"),
        fields: &[&POWER],
    },
    read: |section, reader| {
        let power = POWER.check(section.node(&POWER)?, reader)?;
        Some(Activation::Power(u32::try_from(power).ok()?))
    },
    write: |activation| match activation {
        Activation::Power(power) => format!("{{ power = {power} }}"),
        _ => String::new(),
    },
};

static POWER: Integer = Integer {
    path: "model.activation.power",
    about: "The exponent.",
    min: 2,
    max: 8,
    presence: Presence::Required("power = 3"),
};

pub(crate) static BIASES: Choice<Biases> = Choice {
    path: "model.biases",
    about: "frozen: all biases stay zero. trained: the MLP's biases are trained, as in the paper; \
            of an mlp, those of every layer. all: a transformer's attention and unembedding have \
            trained biases too. none: there is no bias, which is frozen without its tensors.",
    default: ("frozen", Biases::Frozen),
    others: &[
        ("trained", Biases::Trained),
        ("all", Biases::All),
        ("none", Biases::None),
    ],
};

pub(crate) static NORM: Choice<Norm> = Choice {
    path: "model.norm",
    about: "Where a transformer normalises its layers (with weight and bias): nowhere, before each \
            layer and the unembedding, or after each layer.",
    default: ("none", Norm::None),
    others: &[("pre", Norm::Pre), ("post", Norm::Post)],
};

pub(crate) static MASK: Choice<Mask> = Choice {
    path: "model.mask",
    about: "Which positions a position sees: itself and those before it, or all. A causal mask \
            needs '=' (separator).",
    default: ("causal", Mask::Causal),
    others: &[("none", Mask::None)],
};

pub(crate) static ATTENTION: WordOrTable<Pattern> = WordOrTable {
    word: Choice {
        path: "model.attention",
        about: "How much a head attends to each position: softmax, uniform (the same to each; no \
                queries and keys), or { rate = 0.5 }: rate * softmax + 1 - rate for each position \
                (Zhong et al. 2023).",
        default: ("softmax", Pattern::Softmax),
        others: &[("uniform", Pattern::Uniform)],
    },
    table: &Table {
        path: "model.attention",
        about: "A mixture of softmax and a constant.",
        required: Some("attention = { rate = 0.5 }"),
        fields: &[&RATE],
    },
    read: |section, reader| {
        let rate = RATE.check(RATE.path, section.node(&RATE)?, reader)?;
        Some(Pattern::Rate(rate))
    },
    write: |pattern| match pattern {
        Pattern::Rate(rate) => format!("{{ rate = {rate:?} }}"),
        _ => String::new(),
    },
};

static RATE: Number = Number {
    path: "model.attention.rate",
    about: "The share of the softmax: 1 is the clock's end, 0 the pizza's.",
    low: End::Closed(0.0),
    high: End::Closed(1.0),
    width: Width::Single,
    presence: Presence::Required("rate = 0.5"),
};

pub(crate) static SEPARATOR: Flag = Flag {
    path: "model.separator",
    about: "Whether '=' follows the operands of a transformer, with a token of its own.",
    default: true,
};

pub(crate) static TIED: Flag = Flag {
    path: "model.tied",
    about: "Whether a transformer's unembedding is its transposed embedding.",
    default: false,
};

pub(crate) static INPUT: Choice<Input> = Choice {
    path: "model.input",
    about: "What the first layer of an mlp reads: the sum of the operands' embeddings, the \
            embeddings side by side, the operands' one-hot vectors side by side, or, of operands of \
            two values, -1 and 1 (signs).",
    default: ("embedding-sum", Input::EmbeddingSum),
    others: &[
        ("embedding-concat", Input::EmbeddingConcat),
        ("two-hot", Input::TwoHot),
        ("signs", Input::Signs),
    ],
};

pub(crate) static EMBEDDINGS: Choice<Embeddings> = Choice {
    path: "model.embeddings",
    about: "Whether the operands of an mlp share one embedding or have one each.",
    default: ("shared", Embeddings::Shared),
    others: &[("separate", Embeddings::Separate)],
};

pub(crate) static HIDDEN: Widths = Widths {
    each: Integer {
        path: "model.hidden",
        about: "The widths of the hidden layers of an mlp.",
        min: 1,
        max: MAX_WIDTH,
        presence: Presence::Default(200),
    },
    most: grokrun_program::MAX_HIDDEN,
    default: &[200, 200],
};

pub(crate) static INIT: WordOrTable<Init> = WordOrTable {
    word: Choice {
        path: "model.init",
        about: "How the initial weights are drawn. Of transformers: as in TransformerLens, as in \
                the paper (Nanda et al. 2023), as in the code of the pizza (Zhong et al. 2023). Of \
                mlps: as torch's nn.Linear and nn.Embedding (their default), as rep-theory \
                (Stander et al. 2024), as gromov (one hidden layer on one-hot operands). Of any: \
                { normal = 0.02 }, one standard deviation.",
        default: ("transformer-lens", Init::TransformerLens),
        others: &[
            ("paper", Init::Paper),
            ("pizza", Init::Pizza),
            ("torch", Init::Torch),
            ("rep-theory", Init::RepTheory),
            ("gromov", Init::Gromov),
        ],
    },
    table: &Table {
        path: "model.init",
        about: "A normal distribution.",
        required: Some("init = { normal = 0.02 }"),
        fields: &[&NORMAL],
    },
    read: |section, reader| {
        let deviation = NORMAL.check(NORMAL.path, section.node(&NORMAL)?, reader)?;
        Some(Init::Normal(deviation))
    },
    write: |init| match init {
        Init::Normal(deviation) => format!("{{ normal = {deviation:?} }}"),
        _ => String::new(),
    },
};

static NORMAL: Number = Number {
    path: "model.init.normal",
    about: "The standard deviation of every weight.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Required("normal = 0.02"),
};

pub(crate) static INIT_SCALE: Number = Number {
    path: "model.init_scale",
    about: "What every initial weight is multiplied by (alpha in Liu et al. 2023).",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1.0),
};
