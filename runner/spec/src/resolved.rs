//! Writes a plan down: as a spec with every key, and as fingerprints of the plan and of its cells.
//!
//! Both list the values of an axis as they occur in the cells, if the cells are a cross product, or
//! as the spec of a sample has them.

use std::fmt::Write as _;

use grokrun_task::{Domain, Operation};
use serde_json::{Map, Value as Json};

use crate::axis::Point;
use crate::field::{Choice, Field as _};
use crate::plan::{AnalysisRequest, Cell, Compression, Plan};
use crate::written::{Form, Written, distinct};
use crate::{changes, claim, keys, optimizer, settings};

/// The beginning of every canonical form; a change of its number invalidates older fingerprints.
const CANONICAL: &str = "grokrun spec 1\n";
/// The beginning of the canonical form of a cell.
const CANONICAL_CELL: &str = "grokrun cell 1\n";

impl Plan {
    /// Returns the spec with every key and its value, as TOML. Reading the text gives this plan
    /// again.
    pub fn resolved_toml(&self) -> String {
        let mut out = Written::new(Form::Resolved);
        out.line(&keys::NAME, &quoted(&self.name));
        self.write_rest(&mut out, &self.cells, &Axes::of(&self.cells));
        self.write_draws(&mut out);
        let mut text = out.text();
        for analysis in &self.analyses {
            write_analysis(&mut text, analysis);
        }
        for claim in &self.claims {
            claim::write(&mut text, claim);
        }
        text
    }

    /// Returns the value of `operation` on one line if it has tables, whose text is then in it: the
    /// spec with this value reads no file.
    pub fn embedded_operation(&self) -> Option<String> {
        let operations = Axes::of(&self.cells).operation;
        let has_tables = operations.iter().any(|o| o.as_table().is_some());
        has_tables.then(|| list(&operations))
    }

    /// Returns a hash, as 64 hexadecimal digits, of everything in the spec that decides about
    /// results. The name, the order of the values of an axis, the analyses and the claims are left
    /// out: they change nothing that is trained, and analyses can be added to an existing run.
    pub fn fingerprint(&self) -> String {
        let canonical = CANONICAL.to_owned() + &self.decisive(None, Form::Canonical).text();
        blake3::hash(canonical.as_bytes()).to_hex().to_string()
    }

    /// Returns the keys of a cell that decide about its results, with their values, in the tables
    /// of the spec, as `config.json` has them.
    pub fn cell_values(&self, cell: &Cell) -> Json {
        let text = self.decisive(Some(cell), Form::Resolved).text();
        // The text is valid TOML: a test reads the result of `resolved_toml` back.
        let table: toml::Table = text.parse().unwrap_or_default();
        to_json(toml::Value::Table(table))
    }

    /// Returns the keys that decide about results, by path, with their values; the values of an
    /// axis are sorted.
    pub(crate) fn decisive_values(&self) -> Vec<(&'static str, String)> {
        self.decisive(None, Form::Resolved).into_values()
    }

    /// Writes everything but the name, the analyses and the claims, of one cell or of all, with the
    /// values of each axis sorted.
    fn decisive(&self, cell: Option<&Cell>, form: Form) -> Written {
        let cells = cell.map_or(self.cells.as_slice(), std::slice::from_ref);
        let mut axes = Axes::of(cells);
        axes.sort();
        let mut out = Written::new(form);
        self.write_rest(&mut out, cells, &axes);
        if cell.is_none() {
            self.write_draws(&mut out);
        }
        out
    }

    /// Writes the ranges and lists that a sample's cells were drawn from, in place of the cells'
    /// values.
    fn write_draws(&self, out: &mut Written) {
        let Some(sample) = &self.sample else { return };
        for (path, values) in &sample.axes {
            out.set(path, values);
        }
        out.header(&keys::SAMPLE);
        out.line(&keys::SAMPLE_COUNT, &sample.count.to_string());
        out.line(&keys::SAMPLE_SEED, &sample.seed.to_string());
    }

    /// Returns a hash, as 64 hexadecimal digits, of everything that decides about the weights of
    /// this cell after any number of epochs. The number of epochs, the epochs of checkpoints and
    /// their format are left out: a cell that is trained for longer is the same cell, alone or in a
    /// sweep.
    pub fn cell_fingerprint(&self, cell: &Cell) -> String {
        let mut canonical = CANONICAL_CELL.to_owned();
        for (key, value) in self.decisive(Some(cell), Form::Canonical).into_values() {
            if !changes::is_of_length(key) && !key.starts_with("checkpoints.") {
                let _infallible = writeln!(canonical, "{key} = {value}");
            }
        }
        blake3::hash(canonical.as_bytes()).to_hex().to_string()
    }

    /// Writes everything but the name and the analyses.
    fn write_rest(&self, out: &mut Written, cells: &[Cell], axes: &Axes<'_>) {
        out.line(&keys::OPERATION, &list(&axes.operation));
        let sized = |operation: &&Operation| operation.size().is_some();
        if !axes.operation.iter().any(sized) {
            out.line(&keys::MODULUS, &list(&axes.modulus));
        }
        let nonzero = |operation: &&Operation| operation.domain() == Domain::Nonzero;
        let pairs = if axes.operation.iter().all(nonzero) {
            Domain::Nonzero
        } else {
            Domain::All
        };
        // The texts of the operations say it too.
        out.beyond(&keys::PAIRS, word(&keys::PAIRS, pairs), true);
        out.line(&keys::FRACTION, &list(&axes.fraction));

        out.header(&keys::SEEDS);
        out.line(&keys::SEEDS_DATA, &seeds(&axes.data_seed));
        out.line(&keys::SEEDS_MODEL, &seeds(&axes.model_seed));
        // A plan has at least one cell, and all cells have the same stream.
        let stream = cells.first().map(|cell| cell.stream).unwrap_or_default();
        out.line(&keys::SEEDS_STREAM, &word(&keys::SEEDS_STREAM, stream));

        let form = out.form();
        let parts = settings::distinct(cells).into_iter().map(|settings| {
            let mut part = Written::new(form);
            settings.write_before_model(&mut part);
            part.header(&keys::MODEL);
            settings.model.write(&mut part);
            let train = &settings.train;
            part.header(&keys::TRAIN);
            part.line(&keys::EPOCHS, &self.epochs.to_string());
            part.beyond(
                &keys::EVALUATE,
                self.evaluate.to_string(),
                self.evaluate == 1,
            );
            optimizer::write_word(&train.rule, &mut part);
            part.line(&keys::LEARNING_RATE, &list(&axes.learning_rate));
            part.line(&keys::WEIGHT_DECAY, &list(&axes.weight_decay));
            optimizer::write_numbers(&train.rule, &mut part);
            part.line(&keys::WARMUP, &train.warmup.to_string());
            train.write_rest(&mut part);
            part
        });
        out.append(Written::merge(parts.collect(), &self.varied));
        self.stop.write(out);

        out.header(&keys::CHECKPOINTS);
        let spacing = self.checkpoints.spacing;
        out.line(&keys::EVERY, &spacing.every.to_string());
        out.beyond(
            &keys::CHECKPOINTS_AT,
            word(&keys::CHECKPOINTS_AT, spacing.log),
            !spacing.log,
        );
        out.beyond(&keys::RING, spacing.ring.to_string(), spacing.ring == 0);
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
    }
}

fn write_analysis(out: &mut String, analysis: &AnalysisRequest) {
    let mut table = toml::Table::new();
    // The field's maximum is far below the largest integer of TOML.
    table.insert(
        "every".to_owned(),
        toml::Value::Integer(analysis.every.cast_signed()),
    );
    if let Some(file) = &analysis.python {
        let key = keys::ANALYSIS_PYTHON.key().to_owned();
        table.insert(key, toml::Value::from(file.as_str()));
    }
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

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn word<T: Copy + PartialEq>(field: &Choice<T>, value: T) -> String {
    quoted(field.word(value))
}

/// Returns one value as itself, and several as a list.
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

/// Returns seeds as [`list`] does, or as a range if that is shorter.
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

/// Returns JSON as TOML, or `None` for null, which no parameter of a plan is.
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

/// Returns TOML as JSON; a date, which no key has, becomes its text.
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
