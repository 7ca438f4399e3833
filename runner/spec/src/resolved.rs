//! Writing a plan down: as a spec with every key, and as fingerprints of it and of its cells.
//!
//! Both list the values of an axis as they occur in the cells, of which the plan holds the full
//! cross product.

use std::collections::HashSet;
use std::fmt::Write as _;

use grokrun_task::Operation;
use serde_json::{Map, Value as Json};

use crate::axis::Point;
use crate::field::{Choice, Field};
use crate::plan::{AnalysisRequest, Batch, Cell, Compression, Plan};
use crate::{changes, claim, keys};

/// Opens every canonical form; another number means that old fingerprints say nothing.
const CANONICAL: &str = "grokrun spec 1\n";
/// The same of a cell.
const CANONICAL_CELL: &str = "grokrun cell 1\n";

/// What is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// every key
    Resolved,
    /// what is hashed: keys that came later are left out at their defaults, so that fingerprints of
    /// older runs stay good
    Canonical,
}

/// What was written down so far.
#[derive(Debug)]
pub(crate) struct Written {
    form: Form,
    /// as TOML
    text: String,
    /// each key's path and value, in the order of the text
    values: Vec<(&'static str, String)>,
}

impl Plan {
    /// The spec with every key and its value, as TOML. Reading it gives this plan again.
    pub fn resolved_toml(&self) -> String {
        let mut out = Written::new(Form::Resolved);
        out.line(&keys::NAME, &quoted(&self.name));
        self.write_rest(&mut out, &Axes::of(&self.cells));
        out.text
    }

    /// A hash, as 64 hexadecimal digits, of everything in the spec that decides about results:
    /// all of it but the name, the order in which an axis lists its values, and the analyses and
    /// claims, which change nothing that is trained: they can be added to a run that is there.
    pub fn fingerprint(&self) -> String {
        let canonical = CANONICAL.to_owned() + &self.decisive(&self.cells, Form::Canonical).text;
        blake3::hash(canonical.as_bytes()).to_hex().to_string()
    }

    /// The keys of a cell that decide about its results, with their values, in the tables of the
    /// spec: what `config.json` says of it.
    pub fn cell_values(&self, cell: &Cell) -> Json {
        let text = self
            .decisive(std::slice::from_ref(cell), Form::Resolved)
            .text;
        // What is written here is TOML: `resolved_toml` is read back by a test.
        let table: toml::Table = text.parse().unwrap_or_default();
        to_json(toml::Value::Table(table))
    }

    /// The keys that decide about results, by path, with their values; an axis in order of its
    /// values.
    pub(crate) fn decisive_values(&self) -> Vec<(&'static str, String)> {
        self.decisive(&self.cells, Form::Resolved).values
    }

    /// Everything but the name, the analyses and the claims, each axis in order of its values.
    fn decisive(&self, cells: &[Cell], form: Form) -> Written {
        let plan = Plan {
            name: String::new(),
            cells: cells.to_vec(),
            analyses: Vec::new(),
            claims: Vec::new(),
            batch: self.batch,
            model: self.model.clone(),
            train: self.train.clone(),
            checkpoints: self.checkpoints.clone(),
        };
        let mut axes = Axes::of(&plan.cells);
        axes.sort();
        let mut out = Written::new(form);
        plan.write_rest(&mut out, &axes);
        out
    }

    /// A hash, as 64 hexadecimal digits, of everything that decides about the weights of this cell
    /// after any number of epochs. How many are trained, when weights are kept and in which format
    /// is left out: a cell that is trained for longer is the same cell, alone or in a sweep.
    pub fn cell_fingerprint(&self, cell: &Cell) -> String {
        let mut canonical = CANONICAL_CELL.to_owned();
        let cells = std::slice::from_ref(cell);
        for (key, value) in self.decisive(cells, Form::Canonical).values {
            if !changes::is_of_length(key) && !key.starts_with("checkpoints.") {
                let _infallible = writeln!(canonical, "{key} = {value}");
            }
        }
        blake3::hash(canonical.as_bytes()).to_hex().to_string()
    }

    /// Everything but the name.
    fn write_rest(&self, out: &mut Written, axes: &Axes<'_>) {
        out.line(&keys::OPERATION, &list(&axes.operation));
        out.line(&keys::MODULUS, &list(&axes.modulus));
        out.line(&keys::FRACTION, &list(&axes.fraction));

        out.header(&keys::SEEDS);
        out.line(&keys::SEEDS_DATA, &seeds(&axes.data_seed));
        out.line(&keys::SEEDS_MODEL, &seeds(&axes.model_seed));
        // A plan has at least one cell, and all of them have one stream.
        let stream = self
            .cells
            .first()
            .map(|cell| cell.stream)
            .unwrap_or_default();
        out.line(&keys::SEEDS_STREAM, &word(&keys::SEEDS_STREAM, stream));

        if self.batch != Batch::Full || out.form == Form::Resolved {
            out.header(&keys::DATA);
            out.line(&keys::BATCH, &keys::BATCH.toml(self.batch));
        }

        out.header(&keys::MODEL);
        self.model.write(out);

        let train = &self.train;
        out.header(&keys::TRAIN);
        out.line(&keys::EPOCHS, &train.epochs.to_string());
        train.write_optimizer(out);
        out.line(&keys::LEARNING_RATE, &list(&axes.learning_rate));
        out.line(&keys::WEIGHT_DECAY, &list(&axes.weight_decay));
        train.write_rule(out);
        out.line(&keys::WARMUP, &train.warmup.to_string());
        train.write_rest(out);
        match &train.stop {
            None => out
                .text
                .push_str("# stop is not set: all epochs are trained\n"),
            Some(stop) => {
                out.header(&keys::STOP);
                out.line(&keys::TEST_ACCURACY, &stop.test_accuracy.toml());
                out.line(&keys::PATIENCE, &stop.patience.to_string());
            }
        }

        out.header(&keys::CHECKPOINTS);
        out.line(&keys::EVERY, &self.checkpoints.every.to_string());
        out.line(
            &keys::PRECISION,
            &word(&keys::PRECISION, self.checkpoints.precision),
        );
        let compression = self.checkpoints.compression;
        out.beyond(
            &keys::COMPRESSION,
            word(&keys::COMPRESSION, compression),
            compression == Compression::None,
        );

        for analysis in &self.analyses {
            write_analysis(&mut out.text, analysis);
        }
        for claim in &self.claims {
            claim::write(&mut out.text, claim);
        }
    }
}

fn write_analysis(out: &mut String, analysis: &AnalysisRequest) {
    let mut table = toml::Table::new();
    // The field's maximum is far below what TOML holds.
    table.insert(
        "every".to_owned(),
        toml::Value::Integer(analysis.every.cast_signed()),
    );
    for (key, value) in &analysis.parameters {
        table.extend(from_json(value).map(|value| (key.clone(), value)));
    }
    let _infallible = write!(
        out,
        "\n[{}.{}]\n",
        keys::ANALYSIS.path(),
        quoted(&analysis.name)
    );
    for (key, value) in &table {
        let _infallible = writeln!(out, "{} = {value}", quoted(key));
    }
}

/// The values of each axis, in the order in which they first occur in the cells.
struct Axes<'c> {
    operation: Vec<&'c Operation>,
    modulus: Vec<u64>,
    fraction: Vec<f64>,
    learning_rate: Vec<f64>,
    weight_decay: Vec<f64>,
    data_seed: Vec<i64>,
    model_seed: Vec<i64>,
}

impl<'c> Axes<'c> {
    fn of(cells: &'c [Cell]) -> Self {
        let numbers = |value: fn(&Cell) -> f64| {
            distinct(cells.iter().map(|cell| value(cell).to_bits()))
                .into_iter()
                .map(f64::from_bits)
                .collect()
        };
        Self {
            operation: distinct(cells.iter().map(|cell| &cell.operation)),
            modulus: distinct(cells.iter().map(|cell| u64::from(cell.modulus))),
            fraction: numbers(|cell| cell.fraction),
            learning_rate: numbers(|cell| cell.learning_rate),
            weight_decay: numbers(|cell| cell.weight_decay),
            data_seed: distinct(cells.iter().map(|cell| cell.data_seed)),
            model_seed: distinct(cells.iter().map(|cell| cell.model_seed)),
        }
    }

    fn sort(&mut self) {
        self.operation
            .sort_by(|one, other| one.text().cmp(other.text()));
        self.modulus.sort_unstable();
        self.fraction.sort_by(f64::total_cmp);
        self.learning_rate.sort_by(f64::total_cmp);
        self.weight_decay.sort_by(f64::total_cmp);
        self.data_seed.sort_unstable();
        self.model_seed.sort_unstable();
    }
}

/// The different ones of `values`, in the order in which they come.
fn distinct<T: Clone + Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(value.clone())).collect()
}

impl Written {
    fn new(form: Form) -> Written {
        Written {
            form,
            text: String::new(),
            values: Vec::new(),
        }
    }

    /// Writes a key that came after the first fingerprints: at its default it is left out of them.
    pub(crate) fn beyond(&mut self, field: &dyn Field, value: String, is_default: bool) {
        if self.form == Form::Resolved || !is_default {
            self.line(field, &value);
        }
    }

    /// Writes a comment on a key that is not set.
    pub(crate) fn silent(&mut self, text: &str) {
        if self.form == Form::Resolved {
            let _infallible = writeln!(self.text, "# {text}");
        }
    }

    fn header(&mut self, table: &dyn Field) {
        let _infallible = write!(self.text, "\n[{}]\n", table.path());
    }

    pub(crate) fn line(&mut self, field: &dyn Field, value: &str) {
        let _infallible = writeln!(self.text, "{} = {value}", field.key());
        self.values.push((field.path(), value.to_owned()));
    }
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn word<T: Copy + PartialEq>(field: &Choice<T>, value: T) -> String {
    quoted(field.word(value))
}

/// One value as itself, several as a list.
fn list<T: Point>(values: &[T]) -> String {
    match values {
        [only] => only.toml(),
        _ => format!(
            "[{}]",
            values
                .iter()
                .map(Point::toml)
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}

/// Seeds as [`list`], or as a range where that is shorter.
fn seeds(values: &[i64]) -> String {
    let consecutive = values
        .windows(2)
        .all(|pair| pair[0].checked_add(1) == Some(pair[1]));
    match values {
        [start, _, _, ..] if consecutive => {
            format!("{{ start = {start}, count = {} }}", values.len())
        }
        _ => list(values),
    }
}

/// JSON as TOML; `None` for null, which no parameter of a plan is.
pub(crate) fn from_json(value: &Json) -> Option<toml::Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(boolean) => toml::Value::Boolean(*boolean),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => toml::Value::Integer(integer),
            None => toml::Value::Float(number.as_f64()?),
        },
        Json::String(text) => toml::Value::String(text.clone()),
        Json::Array(items) => toml::Value::Array(items.iter().filter_map(from_json).collect()),
        Json::Object(entries) => toml::Value::Table(
            entries
                .iter()
                .filter_map(|(key, value)| Some((key.clone(), from_json(value)?)))
                .collect(),
        ),
    })
}

/// TOML as JSON; a date, which no key is, as its text.
fn to_json(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::from(text),
        toml::Value::Integer(integer) => Json::from(integer),
        toml::Value::Float(float) => Json::from(float),
        toml::Value::Boolean(boolean) => Json::from(boolean),
        toml::Value::Datetime(date) => Json::from(date.to_string()),
        toml::Value::Array(items) => items.into_iter().map(to_json).collect(),
        toml::Value::Table(table) => table
            .into_iter()
            .map(|(key, value)| (key, to_json(value)))
            .collect::<Map<String, Json>>()
            .into(),
    }
}
