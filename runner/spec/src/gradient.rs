//! Reads the field `train.gradient`: the filters that change gradients before the update.

use grokrun_program::{Clip, Filter, GrokfastEma, GrokfastMa};
use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Choice, Field, Flag, Listing, Presence, Read, Reader, Want, wrong_type};
use crate::number::{End, Integer, Number, Width};
use crate::table::{Section, Table};

/// The field of one table or a list of tables, each for one filter.
#[derive(Debug)]
pub(crate) struct Gradient {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
}

/// The two forms of Grokfast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grokfast {
    Ema,
    Ma,
}

static FILTER: Table = Table {
    path: "train.gradient",
    about: "A filter.",
    required: Some("gradient = { grokfast = \"ema\" }"),
    fields: &[&GROKFAST, &ALPHA, &WINDOW, &LAMBDA, &ORTHOGONAL, &CLIP],
};

static GROKFAST: Choice<Grokfast> = Choice {
    path: "train.gradient.grokfast",
    about: "Adds a slow part of the gradient: its exponential moving average, or the mean of a \
            window.",
    default: ("ema", Grokfast::Ema),
    others: &[("ma", Grokfast::Ma)],
};

static ALPHA: Number = Number {
    path: "train.gradient.alpha",
    about: "The decay rate of the moving average.",
    low: End::Closed(0.0),
    high: End::Open(1.0),
    width: Width::Single,
    presence: Presence::Default(0.98),
};

static WINDOW: Integer = Integer {
    path: "train.gradient.window",
    about: "The gradients that a window has.",
    min: 1,
    max: 1000,
    presence: Presence::Default(100),
};

static LAMBDA: Number = Number {
    path: "train.gradient.lambda",
    about: "What the slow part is multiplied by: 2 for ema and 5 for ma where the spec is silent.",
    low: End::Closed(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(2.0),
};

/// The default of lambda for the window (Lee et al. 2024).
const LAMBDA_OF_WINDOW: f64 = 5.0;

static ORTHOGONAL: Flag = Flag {
    path: "train.gradient.orthogonal",
    about: "Takes out of each gradient what points along its weights.",
    default: true,
};

static CLIP: Number = Number {
    path: "train.gradient.clip",
    about: "Shortens the gradients to this norm, of all tensors together.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Default(1.0),
};

impl Field for Gradient {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        let filter = FILTER.schema();
        json!({
            "description": self.about,
            "anyOf": [filter, { "type": "array", "items": filter }],
        })
    }

    fn listing(&self) -> Listing {
        Listing::AxisOfLists
    }

    fn inner(&'static self) -> Option<&'static Table> {
        Some(&FILTER)
    }
}

impl Read for Gradient {
    type Out = Vec<Filter>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Vec<Filter> {
        match &node.value {
            Value::Table(_) => filter(node, reader).into_iter().collect(),
            Value::Array(items) => {
                let all = items.iter().map(|item| filter(item, reader));
                all.collect::<Vec<_>>().into_iter().flatten().collect()
            }
            _ => {
                let expected = "a table as in { grokfast = \"ema\" }, or a list of such tables";
                wrong_type(self.path, Want::Other, expected, node, reader);
                Vec::new()
            }
        }
    }

    fn absent(&self) -> Vec<Filter> {
        Vec::new()
    }
}

/// Reads one table; returns `None` after a mistake.
fn filter(node: &Node, reader: &mut Reader<'_>) -> Option<Filter> {
    let section = Section::open(&FILTER, Some(node), reader);
    let kinds: [&dyn Field; 3] = [&GROKFAST, &ORTHOGONAL, &CLIP];
    let given: Vec<&dyn Field> = kinds
        .into_iter()
        .filter(|kind| section.node(*kind).is_some())
        .collect();
    let [kind] = given.as_slice() else {
        if matches!(node.value, Value::Table(_)) {
            let problem = format!("`{}` needs one kind of filter", FILTER.path);
            reader
                .report
                .error(node.span, problem)
                .label("expected one of `grokfast`, `orthogonal` and `clip`")
                .add_help("several filters are a list: [{ clip = 1.0 }, { orthogonal = true }]");
        }
        return None;
    };
    if kind.path() == CLIP.path {
        section.refuse(&[&ALPHA, &WINDOW, &LAMBDA], "grokfast", reader);
        let most = section.read(&CLIP, reader);
        return Some(Filter::Clip(Clip { most }));
    }
    if kind.path() == ORTHOGONAL.path {
        section.refuse(&[&ALPHA, &WINDOW, &LAMBDA], "grokfast", reader);
        if !section.read(&ORTHOGONAL, reader) {
            let problem = format!("`{}` is false", ORTHOGONAL.path);
            let diagnostic = reader.report.error(node.span, problem);
            diagnostic.label("expected true, or no such table");
        }
        return Some(Filter::Orthogonal);
    }
    let lambda = section.node(&LAMBDA).map(|node| LAMBDA.read(node, reader));
    Some(match section.read(&GROKFAST, reader) {
        Grokfast::Ema => {
            section.refuse(&[&WINDOW], "grokfast = \"ma\"", reader);
            Filter::GrokfastEma(GrokfastEma {
                alpha: section.read(&ALPHA, reader),
                lambda: lambda.unwrap_or(LAMBDA.absent()),
            })
        }
        Grokfast::Ma => {
            section.refuse(&[&ALPHA], "grokfast = \"ema\"", reader);
            Filter::GrokfastMa(GrokfastMa {
                window: section.read(&WINDOW, reader) as usize,
                lambda: lambda.unwrap_or(LAMBDA_OF_WINDOW),
            })
        }
    })
}

/// Returns the filters as TOML, or `None` if there are none.
pub(crate) fn toml(filters: &[Filter]) -> Option<String> {
    let one = |filter: &Filter| match filter {
        Filter::GrokfastEma(GrokfastEma { alpha, lambda }) => {
            format!("{{ grokfast = \"ema\", alpha = {alpha:?}, lambda = {lambda:?} }}")
        }
        Filter::GrokfastMa(GrokfastMa { window, lambda }) => {
            format!("{{ grokfast = \"ma\", window = {window}, lambda = {lambda:?} }}")
        }
        Filter::Orthogonal => "{ orthogonal = true }".to_owned(),
        Filter::Clip(Clip { most }) => format!("{{ clip = {most:?} }}"),
    };
    match filters {
        [] => None,
        [only] => Some(one(only)),
        _ => {
            let all: Vec<String> = filters.iter().map(one).collect();
            Some(format!("[{}]", all.join(", ")))
        }
    }
}
