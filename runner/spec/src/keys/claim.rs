//! The keys of `[[claim]]`: what a publication says of a quantity, and how close the measured value
//! has to be.

use super::MAX_EPOCHS;
use crate::claim::read::{Claims, Selector, ShareField};
use crate::claim::{At, Event, Metric, Over};
use crate::field::{Choice, Presence};
use crate::number::{End, Integer, Number, Width};
use crate::table::Table;
use crate::text::{Text, Word};

pub(crate) static CLAIM: Claims = Claims {
    about: "Claims of publications, each a table under [[claim]]; `grokrun verify` evaluates them.",
};

/// The table of one claim.
pub(crate) static ONE_CLAIM: Table = Table {
    path: "claim",
    about: "A claim: a quantity, and the value that it should have.",
    required: Some("[[claim]]"),
    fields: &[
        &SOURCE, &SAYS, &QUANTITY, &WHERE, &OVER, &AGAINST, &PUBLISHED, &TOLERANCE, &RELATIVE,
        &AT_LEAST, &AT_MOST,
    ],
};

pub(crate) static SOURCE: Text = Text {
    path: "claim.source",
    about: "Where it is claimed: a publication, with its figure or table.",
    example: "source = \"Gromov 2023, figure 2\"",
    is_required: true,
};

pub(crate) static SAYS: Text = Text {
    path: "claim.says",
    about: "The claim in a few words, for tables. Default: the quantity in words.",
    example: "says = \"test accuracy after 42 epochs\"",
    is_required: false,
};

pub(crate) static QUANTITY: Table = Table {
    path: "claim.quantity",
    about: "What is measured of each cell: one of `metric`, `event`, `series` and `share`, with its \
            settings.",
    required: Some("quantity = { metric = \"test_accuracy\", epoch = 42 }"),
    fields: &[
        &METRIC,
        &EVENT,
        &SERIES,
        &SHARE,
        &SERIES_NAME,
        &EPOCH,
        &AT,
        &ACCURACY,
        &HOLD,
    ],
};

pub(crate) static METRIC: Word<Metric> = Word(Choice {
    path: "claim.quantity.metric",
    about: "A column of metrics.parquet; with `epoch` or `at`.",
    default: ("train_loss", Metric::TrainLoss),
    others: &[
        ("test_loss", Metric::TestLoss),
        ("train_accuracy", Metric::TrainAccuracy),
        ("test_accuracy", Metric::TestAccuracy),
    ],
});

pub(crate) static EVENT: Word<Event> = Word(Choice {
    path: "claim.quantity.event",
    about: "The epoch in which the cell memorised or grokked, or the delay from the one to the \
            other; `accuracy` and `hold` change what counts.",
    default: ("memorised", Event::Memorised),
    others: &[("grokked", Event::Grokked), ("delay", Event::Delay)],
});

pub(crate) static SERIES: Text = Text {
    path: "claim.quantity.series",
    about: "The analysis that has the series `name`; with `epoch` or `at`.",
    example: "series = \"progress-measures\"",
    is_required: false,
};

pub(crate) static SERIES_NAME: Text = Text {
    path: "claim.quantity.name",
    about: "The name of the series, as in series.parquet of the analysis.",
    example: "name = \"restricted loss\"",
    is_required: false,
};

pub(crate) static SHARE: ShareField = ShareField {
    path: "claim.quantity.share",
    about: "The share of the cells that memorised or grokked; or { metric = \"test_accuracy\", at = \
            \"last\", at_least = 0.9 }: of those whose metric, event or series is within bounds.",
    word: Word(Choice {
        path: "claim.quantity.share",
        about: "",
        default: ("memorised", Event::Memorised),
        others: &[("grokked", Event::Grokked)],
    }),
};

/// The table of `share`: a quantity with bounds.
pub(crate) static SHARE_TABLE: Table = Table {
    path: "claim.quantity.share",
    about: "What is asked of each cell.",
    required: Some("share = { metric = \"test_accuracy\", at = \"last\", at_least = 0.9 }"),
    fields: &[
        &METRIC,
        &EVENT,
        &SERIES,
        &SERIES_NAME,
        &EPOCH,
        &AT,
        &ACCURACY,
        &HOLD,
        &SHARE_AT_LEAST,
        &SHARE_AT_MOST,
    ],
};

pub(crate) static EPOCH: Integer = Integer {
    path: "claim.quantity.epoch",
    about: "The epoch of the value, counted from 0; of a series the checkpoint's.",
    min: 0,
    max: MAX_EPOCHS,
    presence: Presence::Optional,
};

pub(crate) static AT: Word<At> = Word(Choice {
    path: "claim.quantity.at",
    about: "In place of `epoch`: the last value, the smallest or the largest.",
    default: ("last", At::Last),
    others: &[("min", At::Min), ("max", At::Max)],
});

pub(crate) static ACCURACY: Number = Number {
    path: "claim.quantity.accuracy",
    about: "The accuracy that an event has to reach. Default: 0.99, as in the summary.",
    low: End::Open(0.0),
    high: End::Closed(1.0),
    width: Width::Double,
    presence: Presence::Optional,
};

pub(crate) static HOLD: Integer = Integer {
    path: "claim.quantity.hold",
    about: "For how many further epochs an event has to hold its accuracy; 0 takes the first epoch \
            that reaches it. Default: 500, as in the summary.",
    min: 0,
    max: MAX_EPOCHS,
    presence: Presence::Optional,
};

pub(crate) static WHERE: Selector = Selector {
    path: "claim.where",
    about: "The cells that the claim speaks of, by keys of the spec and their values; a list stands \
            for one of its values. Default: all cells.",
    example: "where = { \"train.weight_decay\" = 15.0 }",
};

pub(crate) static AGAINST: Selector = Selector {
    path: "claim.against",
    about: "Other cells, chosen as by `where`: measured is the quantity of those of `where`, divided \
            by that of these.",
    example: "against = { \"train.weight_decay\" = 0.0 }",
};

pub(crate) static OVER: Word<Over> = Word(Choice {
    path: "claim.over",
    about: "Of several cells: each must hold, or the median, mean, min or max of their values. \
            Default: each; with `against` the median.",
    default: ("each", Over::Each),
    others: &[
        ("median", Over::Median),
        ("mean", Over::Mean),
        ("min", Over::Min),
        ("max", Over::Max),
    ],
});

pub(crate) static PUBLISHED: Number =
    any_number("claim.published", "The value that was published.");

pub(crate) static TOLERANCE: Number = Number {
    low: End::Closed(0.0),
    ..any_number(
        "claim.tolerance",
        "How far from the published value the measured one may be.",
    )
};

pub(crate) static RELATIVE: Number = Number {
    low: End::Closed(0.0),
    ..any_number(
        "claim.relative",
        "In place of `tolerance`: the same as a share of the published value, 0.01 for 1 %.",
    )
};

pub(crate) static AT_LEAST: Number = any_number(
    "claim.at_least",
    "In place of a tolerance: the smallest value that the claim allows.",
);

pub(crate) static AT_MOST: Number = any_number(
    "claim.at_most",
    "In place of a tolerance: the largest value that the claim allows.",
);

pub(crate) static SHARE_AT_LEAST: Number = any_number(
    "claim.quantity.share.at_least",
    "The smallest value with which a cell counts.",
);

pub(crate) static SHARE_AT_MOST: Number = any_number(
    "claim.quantity.share.at_most",
    "The largest value with which a cell counts.",
);

/// A finite number that may be left out.
const fn any_number(path: &'static str, about: &'static str) -> Number {
    Number {
        path,
        about,
        low: End::None,
        high: End::None,
        width: Width::Double,
        presence: Presence::Optional,
    }
}
