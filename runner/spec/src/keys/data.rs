//! The keys of `[data]`: how the samples reach the model.

use super::MAX_EPOCHS;
use crate::axis::Seed;
use crate::field::{Choice, Presence};
use crate::noise::NoiseField;
use crate::number::{End, Integer, Number, Width};
use crate::plan::Batch;
use crate::table::Table;
use crate::word_or_table::WordOrTable;

pub(crate) static DATA: Table = Table {
    path: "data",
    about: "How the training samples reach the model.",
    required: None,
    fields: &[&BATCH, &LABEL_NOISE],
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

pub(crate) static LABEL_NOISE: NoiseField = NoiseField {
    share: Number {
        path: "data.label_noise",
        about: "The share of the training labels that is drawn anew from all classes, rounded down \
                (Doshi et al. 2023); 1 draws all of them. A draw may hit the true label. The seed \
                is 0, or that of { share = 0.35, seed = 1 }.",
        low: End::Closed(0.0),
        high: End::Closed(1.0),
        width: Width::Double,
        presence: Presence::Default(0.0),
    },
    table: &Table {
        path: "data.label_noise",
        about: "A share of labels and the seed that they are drawn with.",
        required: Some("label_noise = { share = 0.35, seed = 1 }"),
        fields: &[&NOISE_SHARE, &NOISE_SEED],
    },
};

pub(crate) static NOISE_SHARE: Number = Number {
    path: "data.label_noise.share",
    about: "The share of the training labels.",
    low: End::Closed(0.0),
    high: End::Closed(1.0),
    width: Width::Double,
    presence: Presence::Required("share = 0.35"),
};

pub(crate) static NOISE_SEED: Seed = Seed {
    path: "data.label_noise.seed",
    about: "The seed of the draws.",
    required: "seed = 1",
};
