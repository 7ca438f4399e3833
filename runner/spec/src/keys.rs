//! The table of all keys: their paths, ranges, defaults and descriptions.
//!
//! The reader, its messages, the schema that editors use, and the resolved spec are derived from
//! this table. The defaults are those of the published experiment (Nanda et al. 2023).

use grokrun_task::{Domain, MAX_MODULUS, Stream};
use serde_json::Value as Json;

use crate::analysis::Analyses;
use crate::axis::{Axis, Seed, SeedAxis};
use crate::field::{Choice, Field as _, Presence};
use crate::name::FolderName;
use crate::number::{End, Integer, Number, Width};
use crate::operation::OperationField;
use crate::plan::{Compression, Precision};
use crate::suggest;
use crate::table::Table;
use crate::text::Text;

mod claim;
mod data;
mod model;
mod sample;
mod start;
mod train;

pub(crate) use claim::*;
pub(crate) use data::*;
pub(crate) use model::*;
pub(crate) use sample::*;
pub(crate) use start::*;
pub(crate) use train::*;

/// The largest number of cells of one spec.
pub(crate) const MAX_CELLS: u64 = 100_000;

/// The largest number of epochs, for every key that counts epochs.
const MAX_EPOCHS: u64 = 1_000_000_000;

/// The largest width of any layer. Whether a model fits a device is checked on that device.
const MAX_WIDTH: u64 = 65_536;

pub(crate) static TOP: Table = Table {
    path: "",
    about: "An experiment of grokrun: models trained on one or more algebraic tasks.",
    required: None,
    fields: &[
        &NAME,
        &OPERATION,
        &MODULUS,
        &PAIRS,
        &FRACTION,
        &SEEDS,
        &DATA,
        &START,
        &MODEL,
        &TRAIN,
        &SAMPLE,
        &CHECKPOINTS,
        &ANALYSIS,
        &CLAIM,
    ],
};

pub(crate) static NAME: FolderName = FolderName {
    path: "name",
    about: "The run's name and the name of its folder. Default: the name of the spec's file \
            without its extension.",
};

pub(crate) static OPERATION: Axis<OperationField> = Axis(OperationField {
    path: "operation",
    about: "What is learned: the name of an operation; an expression in a to e, as in \"a^2 + a*b + \
            b^2\", whose last letter says how many operands there are; a group; a table; or a parity. A \
            list is an axis.",
    example: "operation = \"mul\"",
});

pub(crate) static MODULUS: Axis<Integer> = Axis(Integer {
    path: "modulus",
    about: "The modulus p: operands and results are the residues 0 to p - 1. A list is an axis. \
            Groups, tables and parities have none: their elements are as many as they are.",
    min: 2,
    max: MAX_MODULUS as u64,
    presence: Presence::Optional,
});

pub(crate) static PAIRS: Choice<Domain> = Choice {
    path: "pairs",
    about: "all: every operand is any residue. nonzero: none is 0.",
    default: ("all", Domain::All),
    others: &[("nonzero", Domain::Nonzero)],
};

pub(crate) static FRACTION: Axis<Number> = Axis(Number {
    path: "fraction",
    about: "The share of all pairs that is trained on, rounded down; the rest is tested on. A \
            list is an axis.",
    low: End::Open(0.0),
    high: End::Open(1.0),
    width: Width::Double,
    presence: Presence::Required("fraction = 0.3"),
});

pub(crate) static SEEDS: Table = Table {
    path: "seeds",
    about: "The seeds of the split and of the initial weights.",
    required: Some("seeds = { data = 598, model = 999 }"),
    fields: &[&SEEDS_DATA, &SEEDS_MODEL, &SEEDS_STREAM],
};

pub(crate) static SEEDS_DATA: SeedAxis = SeedAxis {
    seed: Seed {
        path: "seeds.data",
        about: "The seed of the split into train and test part. A list or a range is an axis.",
        required: "data = 598",
    },
    range: &Table {
        path: "seeds.data",
        about: "Consecutive seeds.",
        required: None,
        fields: &[&DATA_START, &DATA_COUNT],
    },
    start: &DATA_START,
    count: &DATA_COUNT,
};

static DATA_START: Seed = Seed {
    path: "seeds.data.start",
    about: "The first seed.",
    required: "start = 0",
};

static DATA_COUNT: Integer = Integer {
    path: "seeds.data.count",
    about: "How many seeds.",
    min: 1,
    max: MAX_CELLS,
    presence: Presence::Required("count = 32"),
};

pub(crate) static SEEDS_MODEL: SeedAxis = SeedAxis {
    seed: Seed {
        path: "seeds.model",
        about: "The seed of the initial weights. A list or a range is an axis.",
        required: "model = 999",
    },
    range: &Table {
        path: "seeds.model",
        about: "Consecutive seeds.",
        required: None,
        fields: &[&MODEL_START, &MODEL_COUNT],
    },
    start: &MODEL_START,
    count: &MODEL_COUNT,
};

static MODEL_START: Seed = Seed {
    path: "seeds.model.start",
    about: "The first seed.",
    required: "start = 0",
};

static MODEL_COUNT: Integer = Integer {
    path: "seeds.model.count",
    about: "How many seeds.",
    min: 1,
    max: MAX_CELLS,
    presence: Presence::Required("count = 32"),
};

pub(crate) static SEEDS_STREAM: Choice<Stream> = Choice {
    path: "seeds.stream",
    about: "Whose random numbers: torch (split by torch.randperm, weights in the order of \
            TransformerLens 1.13 and later), torch-legacy (weights in the order before that) or \
            python (split by random.shuffle).",
    default: (Stream::Torch.name(), Stream::Torch),
    others: &[
        (Stream::TorchLegacy.name(), Stream::TorchLegacy),
        (Stream::Python.name(), Stream::Python),
    ],
};

pub(crate) static CHECKPOINTS: Table = Table {
    path: "checkpoints",
    about: "When the weights are kept.",
    required: None,
    fields: &[&EVERY, &CHECKPOINTS_AT, &RING, &PRECISION, &COMPRESSION],
};

pub(crate) static EVERY: Integer = Integer {
    path: "checkpoints.every",
    about: "Epochs from one checkpoint to the next; 0 keeps only the first and the last. Default: 100, \
            and 1000 beside at = \"log\".",
    min: 0,
    max: MAX_EPOCHS,
    presence: Presence::Default(100),
};

/// The default of `every` next to `at = "log"`.
pub(crate) const EVERY_WITH_LOG: u64 = 1000;

pub(crate) static CHECKPOINTS_AT: Choice<bool> = Choice {
    path: "checkpoints.at",
    about: "multiples: those of `every`. log: the checkpoints after 1, 2, 4, 8 … 512 epochs too; every \
            analysis looks at them.",
    default: ("multiples", false),
    others: &[("log", true)],
};

pub(crate) static RING: Integer = Integer {
    path: "checkpoints.ring",
    about: "How many dense checkpoints around a transition: so many of the latest states, `every` / \
            `ring` epochs apart, are held in memory, and written whenever the best test accuracy so \
            far has grown by 0.05 while they were taken; 0 for none.",
    min: 0,
    max: 1000,
    presence: Presence::Default(0),
};

pub(crate) static PRECISION: Choice<Precision> = Choice {
    path: "checkpoints.precision",
    about: "The number format of the files: f32, the weights as they are, or f16, rounded to half the \
            size, which is lossy (2^-11 of a weight, 2^-25 below 2^-14).",
    default: ("f32", Precision::F32),
    others: &[("f16", Precision::F16)],
};

pub(crate) static COMPRESSION: Choice<Compression> = Choice {
    path: "checkpoints.compression",
    about: "none: plain .safetensors files. lossless: each file is packed by the two before it; \
            grokrun export makes plain ones.",
    default: ("none", Compression::None),
    others: &[("lossless", Compression::Lossless)],
};

pub(crate) static ANALYSIS: Analyses = Analyses {
    about: "One table for each analysis to run; the table's name is the analysis's name.",
};

/// The field `every` of an analysis; the default is that of the checkpoints.
pub(crate) static ANALYSIS_EVERY: Integer = Integer {
    path: "every",
    about: "Epochs from one call of the analysis to the next; 0 calls it only on the first and \
            the last. Default: the analysis's own, else at each checkpoint.",
    min: 0,
    max: MAX_EPOCHS,
    presence: Presence::Required("every = 100"),
};

/// The field `python` of an analysis.
pub(crate) static ANALYSIS_PYTHON: Text = Text {
    path: "python",
    about: "The file of Python that the analysis is in; a relative path starts at the folder of \
            the spec. Without it the analysis is a plugin.",
    example: "python = \"mine.py\"",
    is_required: false,
};

/// Returns the paths of the keys that a cell has a value of: all keys but the name, the analyses
/// and the claims.
pub(crate) fn paths() -> Vec<String> {
    fn gather(above: &str, schema: &Json, paths: &mut Vec<String>) {
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["properties"].is_object() {
                gather(&format!("{above}{key}."), property, paths)
            } else {
                paths.push(format!("{above}{key}"))
            }
        }
    }
    let mut paths = Vec::new();
    gather("", &TOP.schema(), &mut paths);
    let others = [NAME.path(), ANALYSIS.path(), CLAIM.path()];
    paths.retain(|path| !others.contains(&path.as_str()));
    paths
}

/// Returns the table that has the key `word`, or a similar key, together with that key.
pub(crate) fn home(word: &str) -> Option<(&'static Table, &'static str)> {
    let tables = [
        &TOP,
        &SEEDS,
        &DATA,
        &START,
        &MODEL,
        &TRAIN,
        &STOP,
        &SAMPLE,
        &CHECKPOINTS,
    ];
    let keys = |table: &'static Table| table.fields.iter().map(|field| field.key());
    let exactly = tables.into_iter().find_map(|table| {
        let key = keys(table).find(|key| *key == word)?;
        Some((table, key))
    });
    exactly.or_else(|| {
        tables
            .into_iter()
            .find_map(|table| Some((table, suggest::nearest(word, keys(table))?)))
    })
}
