//! The keys of `[start]`: weights to begin with.

use super::MAX_EPOCHS;
use crate::field::Presence;
use crate::number::Integer;
use crate::table::Table;
use crate::word::Word;

pub(crate) static START: Table = Table {
    path: "start",
    about: "Weights to begin with, in the place of drawn ones: of a checkpoint whose tensors have \
            the names and shapes of this model. The optimizer begins anew.",
    required: None,
    fields: &[&START_RUN, &START_CELL, &START_EPOCH, &START_FILE],
};

pub(crate) static START_RUN: Word = Word {
    path: "start.run",
    about: "The folder of a run, from where the program is started.",
    required: None,
};

pub(crate) static START_CELL: Word = Word {
    path: "start.cell",
    about: "The cell of the run. Default: its only one.",
    required: None,
};

pub(crate) static START_EPOCH: Integer = Integer {
    path: "start.epoch",
    about: "The epoch of the checkpoint. Default: the last one.",
    min: 0,
    max: MAX_EPOCHS,
    presence: Presence::Optional,
};

pub(crate) static START_FILE: Word = Word {
    path: "start.file",
    about: "A checkpoint's .safetensors file, from where the program is started.",
    required: None,
};
