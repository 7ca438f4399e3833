//! Reads a spec as written: every key is read and in its range; the axes of the task, the seeds and
//! the learning rate are not multiplied out yet.

use std::path::Path;

use grokrun_task::{Operation, Stream};

use crate::analysis::Catalog;
use crate::axis::Points;
use crate::claim::Claim;
use crate::diagnostic::Report;
use crate::document::Entry;
use crate::field::Reader;
use crate::plan::{AnalysisRequest, Checkpoints, Compression};
use crate::source::Span;
use crate::spacing::Spacing;
use crate::stop::Stop;
use crate::table::Section;
use crate::variants::Variants;
use crate::{keys, settings, variants};

/// The values of a spec. After a mistake, the fields hold values that serve to find more mistakes.
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
    /// The tables of model and training for each combination of the items of their lists.
    pub(crate) variants: Variants,
    /// The span of the batch, unless the batch is left to the default.
    pub(crate) batch_span: Option<Span>,
    pub(crate) epochs: u64,
    pub(crate) evaluate: u64,
    pub(crate) stop: Stop,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) analyses: Vec<AnalysisRequest>,
    /// The claims, each with its span.
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
        let operation = read_operations(&top, reader);
        let modulus = read_moduli(&top, &operation, end, reader);
        let fraction = top.read(&keys::FRACTION, reader);
        let seeds = Section::open(&keys::SEEDS, top.node(&keys::SEEDS), reader);
        let variants = variants::read(entries, reader);
        // The variants report mistakes in the tables themselves.
        let mut of_variants = Report::new();
        let train = Section::open(
            &keys::TRAIN,
            top.node(&keys::TRAIN),
            &mut Reader {
                sources: reader.sources,
                files: reader.files,
                report: &mut of_variants,
            },
        );
        let checkpoints = Section::open(&keys::CHECKPOINTS, top.node(&keys::CHECKPOINTS), reader);
        let log = checkpoints.read(&keys::CHECKPOINTS_AT, reader);
        let every = match (log, checkpoints.node(&keys::EVERY)) {
            (true, None) => keys::EVERY_WITH_LOG,
            _ => checkpoints.read(&keys::EVERY, reader),
        };
        let of_checkpoints = Checkpoints {
            spacing: Spacing {
                every,
                log,
                ring: checkpoints.read(&keys::RING, reader),
            },
            precision: checkpoints.read(&keys::PRECISION, reader),
            compression: checkpoints.read(&keys::COMPRESSION, reader),
        };
        check_ring(&checkpoints, &of_checkpoints, reader);
        let checkpoints = of_checkpoints;
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
            variants,
            batch_span: settings::batch_span(entries),
            epochs: train.read(&keys::EPOCHS, reader),
            evaluate: train.read(&keys::EVALUATE, reader),
            stop: Stop::read(train.node(&keys::STOP), reader),
            analyses: keys::ANALYSIS.read(analysis, checkpoints.spacing.every, catalog, reader),
            checkpoints,
            claims: top.read(&keys::CLAIM, reader),
        }
    }
}

/// Reports a ring that cannot be: one without a span, or one whose files would have to be packed by
/// files that are written before them.
fn check_ring(section: &Section<'_>, checkpoints: &Checkpoints, reader: &mut Reader<'_>) {
    let Some(ring) = section.node(&keys::RING).map(|node| node.span) else {
        return;
    };
    if checkpoints.spacing.ring == 0 {
        return;
    }
    if let (0, Some(every)) = (checkpoints.spacing.every, section.node(&keys::EVERY)) {
        let problem = "`checkpoints.ring` without checkpoints between the first and the last";
        let diagnostic = reader.report.error(ring, problem);
        diagnostic
            .label("its states are `every` / `ring` epochs apart")
            .context(every.span, "expected more than 0")
            .add_help("for example: every = 100");
    }
    if let (Compression::Lossless, Some(packed)) =
        (checkpoints.compression, section.node(&keys::COMPRESSION))
    {
        let problem = "`checkpoints.ring` beside packed checkpoints";
        let diagnostic = reader.report.error(ring, problem);
        diagnostic
            .label("its checkpoints are written after later ones")
            .context(packed.span, "packs each by those before it")
            .add_help("leave `compression` out");
    }
}

/// Reads the operations, on the pairs that the spec asks for.
fn read_operations(top: &Section<'_>, reader: &mut Reader<'_>) -> Points<Operation> {
    let operations = top.read(&keys::OPERATION, reader);
    let domain = top.read(&keys::PAIRS, reader);
    let place = top.node(&keys::PAIRS).map(|node| node.span);
    operations.filter_map(|operation| match operation.clone().on(domain) {
        Ok(operation) => Some(operation),
        Err(error) => {
            if let Some(place) = place {
                let diagnostic = reader.report.error(place, error.message);
                diagnostic.label(format!("expected {}", error.expected));
            }
            Some(operation)
        }
    })
}

/// Reads the moduli. A group or a table has its own number of elements, and no modulus.
fn read_moduli(
    top: &Section<'_>,
    operations: &Points<Operation>,
    end: Span,
    reader: &mut Reader<'_>,
) -> Points<u32> {
    // Every modulus in the field's range fits 32 bits.
    let moduli = top
        .read(&keys::MODULUS, reader)
        .filter_map(|p| u32::try_from(p).ok());
    let all = &operations.points;
    let (sized, others): (Vec<_>, Vec<_>) = all.iter().partition(|(one, _)| one.size().is_some());
    let Some((first, place)) = sized.first() else {
        // If an operation could not be read, it is unknown whether the operation needs a modulus.
        let needed = !all.is_empty() || top.node(&keys::OPERATION).is_none();
        if moduli.span.is_none() && needed {
            let diagnostic = reader.report.missing(end, "missing key `modulus`");
            diagnostic
                .label(if end.range().is_empty() {
                    "expected here"
                } else {
                    "expected above"
                })
                .add_help("for example: modulus = 113");
        }
        return moduli;
    };
    if let (Some((_, Some(other))), Some(place)) = (others.first(), place) {
        let problem = "operations with a modulus and without one";
        let diagnostic = reader.report.error(*other, problem);
        diagnostic
            .label("this one needs a modulus")
            .context(*place, "this one has its own number of elements")
            .add_help("put them into two specs");
    }
    if let Some(span) = moduli.span {
        let problem = format!("{} has no modulus", first.notation());
        let diagnostic = reader.report.error(span, problem);
        diagnostic.label(
            "expected no such key: a group, a table or a parity has its own number of elements",
        );
    }
    // There is one point; each operation determines the modulus.
    Points {
        span: None,
        points: vec![(first.size().unwrap_or(2), None)],
    }
}
