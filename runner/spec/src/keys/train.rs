//! The keys of `[train]` except the optimizer's: filters, norms, the loss, and when training ends.
//!
//! `optimizer` owns the keys of optimizers.

use grokrun_program::{Loss, LossKind, Precision};

use super::MAX_EPOCHS;
use crate::at::Changes;
use crate::axis::Axis;
use crate::field::{Choice, Flag, Presence};
use crate::gradient::Gradient;
use crate::group::Groups;
use crate::number::{End, Integer, Number, Width};
use crate::optimizer::{BETAS, EPSILON, MOMENTUM, NESTEROV, OPTIMIZER, OTHERS};
use crate::sphere::SphereField;
use crate::table::Table;
use crate::word_or_table::WordOrTable;

pub(crate) static TRAIN: Table = Table {
    path: "train",
    about: "The training: by default AdamW on the full batch.",
    required: None,
    fields: &[
        &EPOCHS,
        &OPTIMIZER,
        &LEARNING_RATE,
        &WEIGHT_DECAY,
        &BETAS,
        &EPSILON,
        &MOMENTUM,
        &NESTEROV,
        &OTHERS,
        &WARMUP,
        &LOSS,
        &GRADIENT,
        &SPHERE,
        &GROUP,
        &CHANGES,
        &STOP,
        &EVALUATE,
    ],
};

pub(crate) static EPOCHS: Integer = Integer {
    path: "train.epochs",
    about: "How many epochs: an epoch is one step on the full batch, or one on each minibatch.",
    min: 1,
    max: MAX_EPOCHS,
    presence: Presence::Default(40_000),
};

pub(crate) static EVALUATE: Integer = Integer {
    path: "train.evaluate",
    about: "The test metrics are taken after every so many epochs; of the others there are none.",
    min: 1,
    max: MAX_EPOCHS,
    presence: Presence::Default(1),
};

pub(crate) static LEARNING_RATE: Axis<Number> = Axis(Number {
    path: "train.learning_rate",
    about: "The learning rate. A list is an axis.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1e-3),
});

pub(crate) static WEIGHT_DECAY: Axis<Number> = Axis(Number {
    path: "train.weight_decay",
    about: "The weight decay: decoupled with adamw, lion and muon, part of the gradient with adam \
            and sgd. A list is an axis.",
    low: End::Closed(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1.0),
});

pub(crate) static WARMUP: Integer = Integer {
    path: "train.warmup",
    about: "Over how many epochs the learning rate rises linearly from 0.",
    min: 0,
    max: MAX_EPOCHS,
    presence: Presence::Default(0),
};

pub(crate) static LOSS: WordOrTable<Loss> = WordOrTable {
    word: Choice {
        path: "train.loss",
        about: "What is minimised. cross-entropy, mse (on one-hot labels) or stablemax (Prieto et \
                al. 2025), each in the precision of 64-bit floats; a table sets precision and \
                temperature.",
        default: ("cross-entropy", Loss::PUBLISHED),
        others: &[
            ("mse", of_kind(LossKind::Mse)),
            ("stablemax", of_kind(LossKind::Stablemax)),
        ],
    },
    table: &Table {
        path: "train.loss",
        about: "A loss with its precision and temperature.",
        required: Some("loss = { kind = \"cross-entropy\", precision = \"f32\" }"),
        fields: &[&LOSS_KIND, &LOSS_PRECISION, &TEMPERATURE],
    },
    read: |section, reader| {
        let loss = Loss {
            kind: section.read(&LOSS_KIND, reader),
            precision: section.read(&LOSS_PRECISION, reader),
            temperature: section.read(&TEMPERATURE, reader),
        };
        if let (Err(error), Some(node)) = (loss.check(), section.node(&LOSS_PRECISION)) {
            reader
                .report
                .error(node.span, format!("`train.loss.precision`: {error}"))
                .label("not for this loss");
        }
        Some(loss)
    },
    write: |loss| {
        format!(
            "{{ kind = \"{}\", precision = \"{}\", temperature = {:?} }}",
            LOSS_KIND.word(loss.kind),
            LOSS_PRECISION.word(loss.precision),
            loss.temperature
        )
    },
};

const fn of_kind(kind: LossKind) -> Loss {
    Loss {
        kind,
        ..Loss::PUBLISHED
    }
}

static LOSS_KIND: Choice<LossKind> = Choice {
    path: "train.loss.kind",
    about: "The formula.",
    default: ("cross-entropy", LossKind::CrossEntropy),
    others: &[("mse", LossKind::Mse), ("stablemax", LossKind::Stablemax)],
};

static LOSS_PRECISION: Choice<Precision> = Choice {
    path: "train.loss.precision",
    about: "The precision that logits are cast to before the loss, as torch rounds it; f16 and bf16 \
            for the cross-entropy alone.",
    default: ("f64", Precision::F64),
    others: &[
        ("f32", Precision::F32),
        ("f16", Precision::F16),
        ("bf16", Precision::Bf16),
    ],
};

static TEMPERATURE: Number = Number {
    path: "train.loss.temperature",
    about: "What logits are divided by.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1.0),
};

pub(crate) static GRADIENT: Gradient = Gradient {
    path: "train.gradient",
    about: "What is done to gradients before the update: { grokfast = \"ema\", alpha = 0.98, lambda \
            = 2.0 } or { grokfast = \"ma\", window = 100, lambda = 5.0 } (Lee et al. 2024), \
            { orthogonal = true } (Prieto et al. 2025), { clip = 1.0 }; or a list of them, in this \
            order. Default: nothing.",
};

pub(crate) static SPHERE: SphereField = SphereField {
    multiple: Number {
        path: "train.sphere",
        about: "After each step the weights are rescaled to this multiple of their first norm, all \
                of them together; { multiple = 0.8, each = true } rescales each tensor to its own \
                (Liu et al. 2023). Default: they are not rescaled.",
        low: End::Open(0.0),
        high: End::None,
        width: Width::Single,
        presence: Presence::Required("multiple = 0.8"),
    },
    table: &Table {
        path: "train.sphere",
        about: "The norm that is kept.",
        required: Some("sphere = { multiple = 0.8, each = true }"),
        fields: &[&SPHERE_MULTIPLE, &SPHERE_EACH],
    },
};

pub(crate) static SPHERE_MULTIPLE: Number = Number {
    path: "train.sphere.multiple",
    about: "The multiple of the first norm.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Required("multiple = 0.8"),
};

pub(crate) static SPHERE_EACH: Flag = Flag {
    path: "train.sphere.each",
    about: "Whether each tensor keeps its own norm.",
    default: false,
};

pub(crate) static GROUP: Groups = Groups {
    path: "train.group",
    about: "Settings of some parameters, as [[train.group]]; of several that match the last one \
            counts.",
};

pub(crate) static CHANGES: Changes = Changes {
    path: "train.at",
    about: "Changes while a cell is trained, as [[train.at]]: at an epoch, or when something has \
            happened for the first time. They are made in the order of the file.",
};

pub(crate) static SET_SPHERE: SphereField = SphereField {
    multiple: Number {
        path: "train.at.set.sphere",
        about: "The norm that the weights keep, as a multiple of the norm that they have then.",
        low: End::Open(0.0),
        high: End::None,
        width: Width::Single,
        presence: Presence::Required("multiple = 1.0"),
    },
    table: &Table {
        path: "train.at.set.sphere",
        about: "The norm that is kept.",
        required: Some("sphere = { multiple = 1.0, each = true }"),
        fields: &[&SPHERE_MULTIPLE, &SPHERE_EACH],
    },
};

pub(crate) static STOP: Table = Table {
    path: "train.stop",
    about: "What ends the training of a cell before its last epoch, whichever comes first. Default: \
            nothing.",
    required: None,
    fields: &[&TEST_ACCURACY, &PATIENCE, &CONFUSED, &BUDGET],
};

pub(crate) static TEST_ACCURACY: Number = Number {
    path: "train.stop.test_accuracy",
    about: "The share of the test part that has to be right.",
    low: End::Open(0.0),
    high: End::Closed(1.0),
    width: Width::Double,
    presence: Presence::Optional,
};

pub(crate) static PATIENCE: Integer = Integer {
    path: "train.stop.patience",
    about: "For how many epochs in a row.",
    min: 1,
    max: MAX_EPOCHS,
    presence: Presence::Optional,
};

pub(crate) static CONFUSED: Table = Table {
    path: "train.stop.confused",
    about: "A cell ends after `by` epochs if the train accuracy of none of them was high enough.",
    required: None,
    fields: &[&CONFUSED_ACCURACY, &CONFUSED_BY],
};

pub(crate) static CONFUSED_ACCURACY: Number = Number {
    path: "train.stop.confused.train_accuracy",
    about: "The share of the train part that has to be right in one epoch.",
    low: End::Open(0.0),
    high: End::Closed(1.0),
    width: Width::Double,
    presence: Presence::Required("train_accuracy = 0.5"),
};

pub(crate) static CONFUSED_BY: Integer = Integer {
    path: "train.stop.confused.by",
    about: "Within how many epochs.",
    min: 1,
    max: MAX_EPOCHS,
    presence: Presence::Required("by = 5000"),
};

pub(crate) static BUDGET: Table = Table {
    path: "train.stop.budget",
    about: "A cell ends after `epochs`, unless it has memorised by then and has not grokked: then it \
            ends after `times` as many epochs as it took to memorise, if these are more, and at the \
            latest with `train.epochs`. Memorised and grokked are the first train and test accuracy \
            of 0.99 or more.",
    required: None,
    fields: &[&BUDGET_EPOCHS, &BUDGET_TIMES],
};

pub(crate) static BUDGET_EPOCHS: Integer = Integer {
    path: "train.stop.budget.epochs",
    about: "The epochs of a cell that has not memorised, or has grokked.",
    min: 1,
    max: MAX_EPOCHS,
    presence: Presence::Required("epochs = 10_000"),
};

pub(crate) static BUDGET_TIMES: Number = Number {
    path: "train.stop.budget.times",
    about: "The epochs of a cell that has memorised and not grokked, in units of those until it had \
            memorised.",
    low: End::Closed(1.0),
    high: End::None,
    width: Width::Double,
    presence: Presence::Required("times = 50.0"),
};
