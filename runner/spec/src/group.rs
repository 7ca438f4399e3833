//! Reads the field `train.group`: settings of some parameters, as an array of tables.

use grokrun_program::Group;
use serde_json::{Value as Json, json};

use crate::document::{Node, Value};
use crate::field::{Field, Flag, Listing, Presence, Read, Reader, Want, wrong_type};
use crate::number::{End, Number, Width};
use crate::source::Span;
use crate::table::{Section, Table};

/// The field of the groups, in the order of the file, each with the span of its pattern.
#[derive(Debug)]
pub(crate) struct Groups {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
}

static ONE: Table = Table {
    path: "train.group",
    about: "Settings of the parameters that match.",
    required: Some("[[train.group]]"),
    fields: &[&MATCH, &GROUP_RATE, &GROUP_DECAY, &FROZEN],
};

/// The field of a parameter's name, in which `*` stands for any text.
#[derive(Debug)]
struct Pattern;

static MATCH: Pattern = Pattern;

impl Field for Pattern {
    fn path(&self) -> &'static str {
        "train.group.match"
    }

    fn required(&self) -> Option<&'static str> {
        Some("match = \"embed.*\"")
    }

    fn schema(&self) -> Json {
        json!({
            "description": "The names of the parameters, as in a checkpoint; * stands for anything.",
            "type": "string",
        })
    }
}

static GROUP_RATE: Number = Number {
    path: "train.group.learning_rate",
    about: "Their learning rate. Default: that of the others.",
    low: End::Closed(0.0),
    high: End::None,
    width: Width::Double,
    presence: Presence::Optional,
};

static GROUP_DECAY: Number = Number {
    path: "train.group.weight_decay",
    about: "Their weight decay. Default: that of the others.",
    low: End::Closed(0.0),
    high: End::None,
    width: Width::Double,
    presence: Presence::Optional,
};

static FROZEN: Flag = Flag {
    path: "train.group.frozen",
    about: "Whether they keep their first values.",
    default: false,
};

impl Field for Groups {
    fn path(&self) -> &'static str {
        self.path
    }

    fn schema(&self) -> Json {
        json!({ "description": self.about, "type": "array", "items": ONE.schema() })
    }

    fn listing(&self) -> Listing {
        Listing::AxisOfLists
    }
}

impl Read for Groups {
    type Out = Vec<(Group, Span)>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Vec<(Group, Span)> {
        let Value::Array(items) = &node.value else {
            let expected = "a list of tables, each written under [[train.group]]";
            wrong_type(self.path, Want::Other, expected, node, reader);
            return Vec::new();
        };
        let all = items.iter().map(|item| group(item, reader));
        all.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn absent(&self) -> Vec<(Group, Span)> {
        Vec::new()
    }
}

fn group(node: &Node, reader: &mut Reader<'_>) -> Option<(Group, Span)> {
    let section = Section::open(&ONE, Some(node), reader);
    let mut optional = |field: &Number| {
        let node = section.node(field)?;
        field.check(field.path, node, reader)
    };
    let (learning_rate, weight_decay) = (optional(&GROUP_RATE), optional(&GROUP_DECAY));
    let frozen = section.read(&FROZEN, reader);
    let matching = section.node(&MATCH)?;
    let Value::String(text) = &matching.value else {
        wrong_type(MATCH.path(), Want::Text, "a text", matching, reader);
        return None;
    };
    let group = Group {
        matching: text.clone(),
        learning_rate,
        weight_decay,
        frozen,
    };
    Some((group, matching.span))
}

/// Returns a group as an inline table of TOML.
pub(crate) fn toml(group: &Group) -> String {
    let mut text = format!("{{ match = {}", toml::Value::from(group.matching.as_str()));
    if let Some(rate) = group.learning_rate {
        text.push_str(&format!(", learning_rate = {rate:?}"));
    }
    if let Some(decay) = group.weight_decay {
        text.push_str(&format!(", weight_decay = {decay:?}"));
    }
    if group.frozen {
        text.push_str(", frozen = true");
    }
    text + " }"
}
