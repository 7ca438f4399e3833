//! A spec as written: every key read and in its range, the axes not yet multiplied out.

use std::path::Path;

use grokrun_task::{Operation, Stream};

use crate::analysis::Catalog;
use crate::axis::Points;
use crate::claim::Claim;
use crate::document::Entry;
use crate::field::Reader;
use crate::keys;
use crate::model::Model;
use crate::plan::{AnalysisRequest, Batch, Checkpoints};
use crate::source::Span;
use crate::table::Section;
use crate::train::Train;

/// What a spec says. After a mistake, fields hold what is good for finding more of them.
#[derive(Debug)]
pub(crate) struct Spec {
    pub(crate) name: String,
    pub(crate) operation: Points<Operation>,
    pub(crate) modulus: Points<u32>,
    pub(crate) fraction: Points<f64>,
    pub(crate) data_seed: Points<i64>,
    pub(crate) model_seed: Points<i64>,
    pub(crate) stream: Stream,
    pub(crate) learning_rate: Points<f64>,
    pub(crate) weight_decay: Points<f64>,
    pub(crate) batch: Batch,
    /// Where the batch stands, if it is not left to the default.
    pub(crate) batch_span: Option<Span>,
    pub(crate) model: Model,
    pub(crate) train: Train,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) analyses: Vec<AnalysisRequest>,
    /// Each with its place.
    pub(crate) claims: Vec<(Claim, Span)>,
}

impl Spec {
    /// Reads the tree of a file; `end` is where a key could be added.
    pub(crate) fn read(
        entries: &[Entry],
        end: Span,
        path: &Path,
        catalog: &Catalog,
        reader: &mut Reader<'_>,
    ) -> Self {
        let top = Section::open_entries(&keys::TOP, entries, end, reader);
        let name = match top.node(&keys::NAME) {
            Some(node) => keys::NAME.read(node, reader),
            None => keys::NAME.of_file(path, end, reader),
        };
        let operation = top.read(&keys::OPERATION, reader);
        // No modulus of the field's range is beyond 32 bits.
        let modulus = top
            .read(&keys::MODULUS, reader)
            .filter_map(|p| u32::try_from(p).ok());
        let fraction = top.read(&keys::FRACTION, reader);
        let seeds = Section::open(&keys::SEEDS, top.node(&keys::SEEDS), reader);
        let data = Section::open(&keys::DATA, top.node(&keys::DATA), reader);
        let model = Section::open(&keys::MODEL, top.node(&keys::MODEL), reader);
        let model = Model::read(&model, reader);
        let parameters = model.parameters();
        let train = Section::open(&keys::TRAIN, top.node(&keys::TRAIN), reader);
        let checkpoints = Section::open(&keys::CHECKPOINTS, top.node(&keys::CHECKPOINTS), reader);
        let checkpoints = Checkpoints {
            every: checkpoints.read(&keys::EVERY, reader),
            precision: checkpoints.read(&keys::PRECISION, reader),
            compression: checkpoints.read(&keys::COMPRESSION, reader),
        };
        let analysis = top.node(&keys::ANALYSIS);
        Self {
            name: name.unwrap_or_default(),
            operation,
            modulus,
            fraction,
            data_seed: seeds.read(&keys::SEEDS_DATA, reader),
            model_seed: seeds.read(&keys::SEEDS_MODEL, reader),
            stream: seeds.read(&keys::SEEDS_STREAM, reader),
            learning_rate: train.read(&keys::LEARNING_RATE, reader),
            weight_decay: train.read(&keys::WEIGHT_DECAY, reader),
            batch: data.read(&keys::BATCH, reader),
            batch_span: data.node(&keys::BATCH).map(|node| node.span),
            train: Train::read(&train, parameters.as_ref(), reader),
            model,
            analyses: keys::ANALYSIS.read(analysis, checkpoints.every, catalog, reader),
            checkpoints,
            claims: top.read(&keys::CLAIM, reader),
        }
    }
}
