//! The keys of `[data]`: how the samples reach the model.

use super::MAX_EPOCHS;
use crate::axis::Seed;
use crate::field::{Choice, Presence};
use crate::number::Integer;
use crate::plan::Batch;
use crate::table::Table;
use crate::word_or_table::WordOrTable;

pub(crate) static DATA: Table = Table {
    path: "data",
    about: "How the training samples reach the model.",
    required: None,
    fields: &[&BATCH],
};

pub(crate) static BATCH: WordOrTable<Batch> = WordOrTable {
    word: Choice {
        path: "data.batch",
        about: "full: an epoch is one step on all training samples. { size = 512, seed = 0 }: an \
                epoch is a step on each minibatch, in the order of torch's DataLoader with \
                shuffle=True and a generator of that seed; the last one may be smaller.",
        default: ("full", Batch::Full),
        others: &[],
    },
    table: &Table {
        path: "data.batch",
        about: "Minibatches.",
        required: Some("batch = { size = 512, seed = 0 }"),
        fields: &[&BATCH_SIZE, &BATCH_SEED],
    },
    read: |section, reader| {
        let seed = section.node(&BATCH_SEED)?;
        let size = BATCH_SIZE.check(section.node(&BATCH_SIZE)?, reader);
        let seed = crate::axis::Element::element(&BATCH_SEED, seed, reader);
        Some(Batch::Size {
            size: usize::try_from(size?).ok()?,
            seed: seed?,
        })
    },
    write: |batch| match batch {
        Batch::Full => String::new(),
        Batch::Size { size, seed } => format!("{{ size = {size}, seed = {seed} }}"),
    },
};

static BATCH_SIZE: Integer = Integer {
    path: "data.batch.size",
    about: "The samples of a minibatch: as many as are trained on, or fewer.",
    min: 1,
    max: MAX_EPOCHS,
    presence: Presence::Required("size = 512"),
};

static BATCH_SEED: Seed = Seed {
    path: "data.batch.seed",
    about: "The seed of the order.",
    required: "seed = 0",
};
