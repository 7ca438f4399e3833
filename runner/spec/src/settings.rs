//! What a spec says of a cell beside its task, its seeds, its learning rate and its weight decay.

use crate::document::Entry;
use crate::field::Reader;
use crate::keys;
use crate::model::Model;
use crate::noise::Noise;
use crate::plan::Batch;
use crate::source::Span;
use crate::table::Section;
use crate::train::Train;
use crate::written::{Form, Written};

/// The tables `[data]`, `[model]` and `[train]` of a cell, but for the keys that have fields of
/// their own in a [`Cell`](crate::Cell), and for the length of the training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// How the training samples reach the model.
    pub batch: Batch,
    /// The training labels that are wrong on purpose.
    pub noise: Noise,
    /// The architecture, but for the sizes that the task gives.
    pub model: Model,
    /// The training, but for its length.
    pub train: Train,
}

/// The paths of the tables that [`Settings`] are read from.
pub(crate) const TABLES: [&str; 3] = ["data", "model", "train"];

impl Settings {
    /// Reads the tables, of which every key has one value.
    pub(crate) fn read(entries: &[Entry], reader: &mut Reader<'_>) -> Settings {
        let node = |path: &str| {
            let entry = entries.iter().find(|entry| entry.key == path);
            entry.map(|entry| &entry.node)
        };
        let data = Section::open(&keys::DATA, node("data"), reader);
        let model = Section::open(&keys::MODEL, node("model"), reader);
        let model = Model::read(&model, reader);
        let parameters = model.parameters();
        let train = Section::open(&keys::TRAIN, node("train"), reader);
        Settings {
            batch: data.read(&keys::BATCH, reader),
            noise: data.read(&keys::LABEL_NOISE, reader),
            train: Train::read(&train, parameters.as_ref(), reader),
            model,
        }
    }

    /// Writes the lines of `[data]`.
    pub(crate) fn write_data(&self, out: &mut Written) {
        let noisy = self.noise != Noise::NONE;
        if self.batch != Batch::Full || noisy || out.form() == Form::Resolved {
            out.header(&keys::DATA);
            out.line(&keys::BATCH, &keys::BATCH.toml(self.batch));
        }
        out.beyond(&keys::LABEL_NOISE, self.noise.toml(), !noisy);
    }

    /// Returns the value of each key, as TOML, as it stands in a list of values.
    pub(crate) fn values(&self) -> Vec<(&'static str, String)> {
        let mut out = Written::new(Form::Resolved);
        self.write_data(&mut out);
        self.model.write(&mut out);
        self.train.write_optimizer(&mut out);
        self.train.write_rule(&mut out);
        out.line(&keys::WARMUP, &self.train.warmup.to_string());
        self.train.write_rest(&mut out);
        out.all_listed()
    }
}

/// Returns where the batch stands, if it is not left to the default.
pub(crate) fn batch_span(entries: &[Entry]) -> Option<Span> {
    let data = entries.iter().find(|entry| entry.key == "data")?;
    let crate::document::Value::Table(entries) = &data.node.value else {
        return None;
    };
    let batch = entries.iter().find(|entry| entry.key == "batch")?;
    Some(batch.node.span)
}
