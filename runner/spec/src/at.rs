//! Reads the field `train.at`: what changes while a cell is trained, as an array of tables.

use std::sync::Arc;

use grokrun_program::{Group, Parameters, Sphere};
use serde_json::{Value as Json, json};

use crate::axis::Point as _;
use crate::document::{Node, Value};
use crate::field::{Field, Listing, Presence, Read, Reader, Want, wrong_type};
use crate::group::{self, Groups};
use crate::number::{End, Integer, Number, Width};
use crate::plan::Cell;
use crate::source::Span;
use crate::table::{Section, Table};
use crate::{keys, sphere, suggest};

/// A change of the training at an epoch, or after something has happened.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledChange {
    /// The moment from which the change holds.
    pub when: When,
    /// The new learning rate; `None` leaves the learning rate unchanged, as for the other fields.
    pub learning_rate: Option<f64>,
    /// The new weight decay.
    pub weight_decay: Option<f64>,
    /// The norm that the weights keep from then on, as a multiple of their norm at that moment.
    pub sphere: Option<Sphere>,
    /// The groups that replace the earlier groups.
    pub groups: Option<Vec<Group>>,
    /// The new share of the training pairs: the first pairs of the same order.
    pub fraction: Option<f64>,
}

/// The moment from which a change holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// After this number of epochs.
    Epoch(u64),
    /// From the epoch after the first whose train accuracy is 0.99 or more.
    Memorised,
    /// From the epoch after the first whose test accuracy is 0.99 or more.
    Grokked,
    /// From the epoch after the first whose train loss is at most this number.
    TrainLoss(f64),
}

impl ScheduledChange {
    /// Applies the change to a cell.
    pub fn apply(&self, cell: &mut Cell) {
        cell.learning_rate = self.learning_rate.unwrap_or(cell.learning_rate);
        cell.weight_decay = self.weight_decay.unwrap_or(cell.weight_decay);
        cell.fraction = self.fraction.unwrap_or(cell.fraction);
        let train = &mut Arc::make_mut(&mut cell.settings).train;
        if self.sphere.is_some() {
            train.sphere = self.sphere;
        }
        if let Some(groups) = &self.groups {
            train.groups.clone_from(groups);
        }
    }

    /// Returns whether the change concerns numbers of the recipe alone: the learning rate or the
    /// weight decay.
    pub fn is_of_numbers(&self) -> bool {
        self.sphere.is_none() && self.groups.is_none() && self.fraction.is_none()
    }
}

/// The field of the changes of a training, in the order of the file.
#[derive(Debug)]
pub(crate) struct Changes {
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
}

static ONE: Table = Table {
    path: "train.at",
    about: "A change while a cell is trained.",
    required: Some("[[train.at]]"),
    fields: &[&EPOCH, &WHEN, &SET],
};

static EPOCH: Integer = Integer {
    path: "train.at.epoch",
    about: "After how many epochs the change is made.",
    min: 1,
    max: 1_000_000_000,
    presence: Presence::Optional,
};

/// The field of the event that has to happen first.
#[derive(Debug)]
struct Event;

static WHEN: Event = Event;

static TRAIN_LOSS: Number = Number {
    path: "train.at.when.train_loss",
    about: "The train loss that has to be reached.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Double,
    presence: Presence::Required("train_loss = 1e-3"),
};

static OF_LOSS: Table = Table {
    path: "train.at.when",
    about: "A loss that has to be reached.",
    required: Some("when = { train_loss = 1e-3 }"),
    fields: &[&TRAIN_LOSS],
};

static SET: Table = Table {
    path: "train.at.set",
    about: "What is set from then on.",
    required: Some("set = { weight_decay = 0.0 }"),
    fields: &[
        &SET_RATE,
        &SET_DECAY,
        &keys::SET_SPHERE,
        &SET_GROUP,
        &SET_FRACTION,
    ],
};

static SET_RATE: Number = Number {
    path: "train.at.set.learning_rate",
    about: "The learning rate.",
    low: End::Open(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Optional,
};

static SET_DECAY: Number = Number {
    path: "train.at.set.weight_decay",
    about: "The weight decay.",
    low: End::Closed(0.0),
    high: End::None,
    width: Width::Single,
    presence: Presence::Optional,
};

static SET_FRACTION: Number = Number {
    path: "train.at.set.fraction",
    about: "The share of the pairs that is trained on, of the same order: a smaller one trains on the \
            first of those before, a larger one on more.",
    low: End::Open(0.0),
    high: End::Open(1.0),
    width: Width::Double,
    presence: Presence::Optional,
};

static SET_GROUP: Groups = Groups {
    path: "train.at.set.group",
    about: "The groups, in the place of those before: frozen parameters, for instance.",
};

impl Field for Event {
    fn path(&self) -> &'static str {
        "train.at.when"
    }

    fn schema(&self) -> Json {
        json!({
            "description": "What has to happen first: memorised and grokked are the first \
                train and test accuracy of 0.99 or more; a table names a train loss.",
            "anyOf": [{ "enum": ["memorised", "grokked"] }, OF_LOSS.schema()],
        })
    }
}

impl Event {
    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Option<When> {
        let expected = "\"memorised\", \"grokked\", or a table as in when = { train_loss = 1e-3 }";
        match &node.value {
            Value::String(word) if word == "memorised" => Some(When::Memorised),
            Value::String(word) if word == "grokked" => Some(When::Grokked),
            Value::String(word) => {
                let problem = format!("`{}` must be {expected}", self.path());
                let diagnostic = reader.report.error(node.span, problem);
                diagnostic.label("unknown");
                if let Some(near) = suggest::nearest(word, ["memorised", "grokked"]) {
                    diagnostic.add_help(format!("did you mean \"{near}\"?"));
                }
                None
            }
            Value::Table(_) => {
                let section = Section::open(&OF_LOSS, Some(node), reader);
                let loss = section.node(&TRAIN_LOSS)?;
                Some(When::TrainLoss(TRAIN_LOSS.check(
                    TRAIN_LOSS.path,
                    loss,
                    reader,
                )?))
            }
            _ => {
                wrong_type(self.path(), Want::Other, expected, node, reader);
                None
            }
        }
    }
}

impl Field for Changes {
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

/// A change with its span, and with the spans of the patterns of its groups.
pub(crate) struct Placed {
    pub(crate) change: ScheduledChange,
    groups: Vec<(Group, Span)>,
    span: Span,
}

impl Read for Changes {
    type Out = Vec<Placed>;

    fn read(&self, node: &Node, reader: &mut Reader<'_>) -> Self::Out {
        let Value::Array(items) = &node.value else {
            let expected = "a list of tables, each written under [[train.at]]";
            wrong_type(self.path, Want::Other, expected, node, reader);
            return Vec::new();
        };
        let all = items.iter().map(|item| one(item, reader));
        all.collect::<Vec<_>>().into_iter().flatten().collect()
    }

    fn absent(&self) -> Self::Out {
        Vec::new()
    }
}

fn one(node: &Node, reader: &mut Reader<'_>) -> Option<Placed> {
    let section = Section::open(&ONE, Some(node), reader);
    let epoch = section
        .node(&EPOCH)
        .map(|node| (node, EPOCH.check(node, reader)));
    let event = section.node(&WHEN).map(|node| WHEN.read(node, reader));
    let set = Section::open(&SET, section.node(&SET), reader);
    let mut optional = |field: &Number| {
        let node = set.node(field)?;
        field.check(field.path, node, reader)
    };
    let (learning_rate, weight_decay) = (optional(&SET_RATE), optional(&SET_DECAY));
    let fraction = optional(&SET_FRACTION);
    let groups = set
        .node(&SET_GROUP)
        .map(|node| SET_GROUP.read(node, reader));
    let sphere = set
        .node(&keys::SET_SPHERE)
        .and_then(|node| keys::SET_SPHERE.read(node, reader));
    let when = match (epoch, event) {
        (Some((_, epoch)), None) => When::Epoch(epoch?),
        (None, Some(event)) => event?,
        (None, None) => {
            if matches!(node.value, Value::Table(_)) {
                let problem = "a change of `train.at` needs `epoch` or `when`";
                let diagnostic = reader.report.error(node.span, problem);
                diagnostic.label("expected epoch = 1000, or when = \"memorised\"");
            }
            return None;
        }
        (Some((node, _)), Some(_)) => {
            let problem = "a change of `train.at` has `epoch` and `when`";
            let diagnostic = reader.report.error(node.span, problem);
            diagnostic.label("expected one of them; two changes are two tables");
            return None;
        }
    };
    let change = ScheduledChange {
        when,
        learning_rate,
        weight_decay,
        sphere,
        groups: groups
            .as_ref()
            .map(|groups| groups.iter().map(|(group, _)| group.clone()).collect()),
        fraction,
    };
    let sets = change.learning_rate.is_some() || change.weight_decay.is_some();
    if let (false, true, Some(set)) = (sets, change.is_of_numbers(), section.node(&SET)) {
        if matches!(&set.value, Value::Table(entries) if entries.is_empty()) {
            let diagnostic = reader.report.error(set.span, "`train.at.set` sets nothing");
            diagnostic.label("expected one of its keys, as in { weight_decay = 0.0 }");
        }
        return None;
    }
    Some(Placed {
        change,
        groups: groups.unwrap_or_default(),
        span: node.span,
    })
}

/// Reports mistakes in the groups of the changes, which `check_groups` finds for a model with these
/// parameters, and groups together with a norm that is kept.
pub(crate) fn check(
    changes: &[Placed],
    parameters: &Parameters,
    sphere: Option<Sphere>,
    check_groups: impl Fn(&[(Group, Span)], &Parameters, &mut Reader<'_>),
    reader: &mut Reader<'_>,
) {
    let on_sphere = sphere.is_some() || changes.iter().any(|one| one.change.sphere.is_some());
    for Placed {
        change,
        groups,
        span,
    } in changes
    {
        check_groups(groups, parameters, reader);
        if on_sphere && change.groups.is_some() {
            let problem = "`train.at` sets groups where a norm is kept";
            let diagnostic = reader.report.error(*span, problem);
            diagnostic.label("expected one of the two: the norm is that of what is trained");
        }
    }
}

/// Reports changes of the fraction, which minibatch training does not support.
pub(crate) fn refuse_fractions(changes: &[Placed], reader: &mut Reader<'_>) {
    for one in changes.iter().filter(|one| one.change.fraction.is_some()) {
        let problem = "`train.at` sets another fraction where `data.batch` is not full";
        let diagnostic = reader.report.error(one.span, problem);
        diagnostic.label("expected the full batch: an epoch would have another number of steps");
    }
}

/// Returns a change as an inline table of TOML.
pub(crate) fn toml(change: &ScheduledChange) -> String {
    let when = match change.when {
        When::Epoch(epoch) => format!("epoch = {epoch}"),
        When::Memorised => "when = \"memorised\"".to_owned(),
        When::Grokked => "when = \"grokked\"".to_owned(),
        When::TrainLoss(loss) => format!("when = {{ train_loss = {} }}", loss.toml()),
    };
    let mut set = Vec::new();
    if let Some(rate) = change.learning_rate {
        set.push(format!("learning_rate = {}", rate.toml()));
    }
    if let Some(decay) = change.weight_decay {
        set.push(format!("weight_decay = {}", decay.toml()));
    }
    if let Some(kept) = &change.sphere {
        set.push(format!("sphere = {}", sphere::toml(kept)));
    }
    if let Some(fraction) = change.fraction {
        set.push(format!("fraction = {}", fraction.toml()));
    }
    if let Some(groups) = &change.groups {
        let groups: Vec<String> = groups.iter().map(group::toml).collect();
        set.push(format!("group = [{}]", groups.join(", ")));
    }
    format!("{{ {when}, set = {{ {} }} }}", set.join(", "))
}
