//! Reads the settings of a cell other than its task, its seeds, its learning rate and its weight
//! decay.

use std::collections::HashSet;

use crate::document::Entry;
use crate::field::Reader;
use crate::model::Model;
use crate::noise::Noise;
use crate::plan::{Batch, Cell};
use crate::source::Span;
use crate::start::Start;
use crate::table::Section;
use crate::train::Train;
use crate::written::{Form, Written};
use crate::{keys, optimizer};

/// The tables `[data]`, `[start]`, `[model]` and `[train]` of a cell, without the keys that are
/// fields of a [`Cell`], and without the length of the training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How the training samples reach the model.
    pub batch: Batch,
    /// The training labels that are wrong on purpose.
    pub noise: Noise,
    /// The initial weights, if they are not drawn.
    pub start: Option<Start>,
    /// The architecture, without the sizes that the task determines.
    pub model: Model,
    /// The training, without its length.
    pub train: Train,
}

/// The paths of the tables that [`Settings`] are read from.
pub(crate) const TABLES: [&str; 4] = ["data", "start", "model", "train"];

impl Settings {
    /// Reads the tables, in which every key has one value.
    pub(crate) fn read(entries: &[Entry], reader: &mut Reader<'_>) -> Settings {
        let node = |path: &str| {
            let entry = entries.iter().find(|entry| entry.key == path);
            entry.map(|entry| &entry.node)
        };
        let data = Section::open(&keys::DATA, node("data"), reader);
        let start = Section::open(&keys::START, node("start"), reader);
        let model = Section::open(&keys::MODEL, node("model"), reader);
        let model = Model::read(&model, reader);
        let parameters = model.parameters();
        let train = Section::open(&keys::TRAIN, node("train"), reader);
        let batch = data.read(&keys::BATCH, reader);
        Settings {
            batch,
            noise: data.read(&keys::LABEL_NOISE, reader),
            start: Start::read(&start, reader),
            train: Train::read(&train, parameters.as_ref(), batch, reader),
            model,
        }
    }

    /// Writes the tables before `[model]`.
    pub(crate) fn write_before_model(&self, out: &mut Written) {
        self.write_data(out);
        if let Some(start) = &self.start {
            start.write(out);
        }
    }

    /// Writes the lines of `[data]`.
    fn write_data(&self, out: &mut Written) {
        let noisy = self.noise != Noise::NONE;
        if self.batch != Batch::Full || noisy || out.form() == Form::Resolved {
            out.header(&keys::DATA);
            out.line(&keys::BATCH, &keys::BATCH.toml(self.batch));
        }
        out.beyond(&keys::LABEL_NOISE, self.noise.toml(), !noisy);
    }

    /// Returns the value of each key, as TOML, in the form of an item of a list of values.
    pub(crate) fn values(&self) -> Vec<(&'static str, String)> {
        let mut out = Written::new(Form::Resolved);
        self.write_before_model(&mut out);
        self.model.write(&mut out);
        optimizer::write_word(&self.train.rule, &mut out);
        optimizer::write_numbers(&self.train.rule, &mut out);
        out.line(&keys::WARMUP, &self.train.warmup.to_string());
        self.train.write_rest(&mut out);
        out.all_listed()
    }
}

/// Returns the different settings of cells, in the order of their first cells. Cells with the same
/// settings share them.
pub(crate) fn distinct(cells: &[Cell]) -> Vec<&Settings> {
    let mut seen = HashSet::new();
    let all = cells.iter().map(|cell| &*cell.settings);
    all.filter(|settings| seen.insert(std::ptr::from_ref(*settings)))
        .collect()
}

/// Returns whether a key is in one of the [`TABLES`].
pub(crate) fn has(path: &str) -> bool {
    let table = path.split_once('.').map(|(table, _)| table);
    table.is_some_and(|table| TABLES.contains(&table))
}

/// Returns the span of the batch, unless the batch is left to the default.
pub(crate) fn batch_span(entries: &[Entry]) -> Option<Span> {
    let data = entries.iter().find(|entry| entry.key == "data")?;
    let crate::document::Value::Table(entries) = &data.node.value else {
        return None;
    };
    let batch = entries.iter().find(|entry| entry.key == "batch")?;
    Some(batch.node.span)
}
