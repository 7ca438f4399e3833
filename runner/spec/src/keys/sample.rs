//! The keys of `[sample]`: cells that are drawn, in place of the full product of the axes.

use super::MAX_CELLS;
use crate::axis::Seed;
use crate::field::Presence;
use crate::number::Integer;
use crate::table::Table;

pub(crate) static SAMPLE: Table = Table {
    path: "sample",
    about: "Random cells in place of a grid: each draws its own value of every key that has a list \
            or a range, { log = [1e-4, 1e-1] } or { uniform = [0.2, 0.8] }. The first cells of a \
            longer sample are those of a shorter one.",
    required: None,
    fields: &[&SAMPLE_COUNT, &SAMPLE_SEED],
};

pub(crate) static SAMPLE_COUNT: Integer = Integer {
    path: "sample.count",
    about: "How many cells.",
    min: 1,
    max: MAX_CELLS,
    presence: Presence::Required("count = 64"),
};

pub(crate) static SAMPLE_SEED: Seed = Seed {
    path: "sample.seed",
    about: "The seed of the draws.",
    required: "seed = 0",
};
