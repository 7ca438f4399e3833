//! Turns a spec into its plan: the checks that need more than one key, and the cross product.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use grokrun_program::ArchitectureError;
use grokrun_task::{Operation, Stream};

use crate::axis::{Point, Points};
use crate::document::Entry;
use crate::field::Reader;
use crate::keys::{self, MAX_CELLS};
use crate::number::grouped;
use crate::plan::{Batch, Cell, Plan};
use crate::sample::{Draws, Sample};
use crate::settings::{self, Settings};
use crate::source::Span;
use crate::spec::Spec;
use crate::suffix::Suffixes;

/// Pairs of operation and modulus that were found to be defined, or were reported.
pub(crate) type Seen = HashSet<(Operation, u32)>;

/// Reports mistakes in the values of `spec` that show in several keys together.
pub(crate) fn check(spec: &Spec, seen: &mut Seen, reader: &mut Reader<'_>) {
    check_slugs(spec, reader);
    // With too many cells there are too many pairs to check one by one.
    if count_is_possible(spec, reader) {
        check_operations(spec, seen, reader);
        check_parts(spec, reader);
        check_batch(spec, reader);
        check_operands(spec, reader);
    }
}

/// Multiplies out the axes of a spec that has no mistakes.
pub(crate) fn plan(spec: Spec) -> Plan {
    let count: usize = axes(&spec).iter().map(|(length, ..)| length).product();
    let mut varied = spec.variants.varied.clone();
    if spec.weight_decay.points.len() > 1 {
        varied.insert(0, keys::WEIGHT_DECAY.0.path);
    }
    if spec.learning_rate.points.len() > 1 {
        varied.insert(0, keys::LEARNING_RATE.0.path);
    }
    let mut cells: Vec<Cell> = (0..count).map(|index| cell(&spec, index)).collect();
    name(&mut cells, &varied);
    let varied = spec.variants.varied.clone();
    with_cells(spec, cells, varied, None)
}

/// Returns the plan of a spec with these cells.
fn with_cells(
    spec: Spec,
    cells: Vec<Cell>,
    varied: Vec<&'static str>,
    sample: Option<Sample>,
) -> Plan {
    Plan {
        cells,
        varied,
        sample,
        name: spec.name,
        epochs: spec.epochs,
        evaluate: spec.evaluate,
        stop: spec.stop,
        checkpoints: spec.checkpoints,
        analyses: spec.analyses,
        claims: spec.claims.into_iter().map(|(claim, _)| claim).collect(),
    }
}

/// The largest number of draws for each cell of a sample. If nearly all draws give cells that are
/// there already, there are not enough different cells.
const DRAWS: u64 = 50;

/// Draws the cells of a sample. `read` reads a spec whose keys have one value each. Returns `None`
/// after a mistake.
pub(crate) fn sampled(
    draws: &Draws,
    entries: &[Entry],
    read: impl Fn(&[Entry], &mut Reader<'_>) -> Spec,
    reader: &mut Reader<'_>,
) -> Option<Plan> {
    let mut seen = Seen::new();
    let mut one = |tree: &[Entry], reader: &mut Reader<'_>| {
        let spec = read(tree, reader);
        check(&spec, &mut seen, reader);
        reader.report.is_empty().then_some(spec)
    };
    for end in draws.ends(entries) {
        one(&end, reader)?;
    }
    let sample = &draws.sample;
    let varied: Vec<&'static str> = sample.axes.iter().map(|(path, _)| *path).collect();
    let mut cells: Vec<Cell> = Vec::new();
    let mut same: HashMap<Vec<(&'static str, String)>, Arc<Settings>> = HashMap::new();
    let mut known: HashSet<String> = HashSet::new();
    let mut first = None;
    for index in 0..sample.count.saturating_mul(DRAWS) {
        if cells.len() as u64 == sample.count {
            break;
        }
        let spec = one(&draws.draw(entries, index), reader)?;
        let mut drawn = cell(&spec, 0);
        if !known.insert(format!("{drawn:?}")) {
            continue;
        }
        let values = drawn.settings.values();
        drawn.settings = same.entry(values).or_insert(drawn.settings).clone();
        cells.push(drawn);
        first.get_or_insert(spec);
    }
    let spec = first?;
    if (cells.len() as u64) < sample.count {
        let entry = entries.iter().find(|entry| entry.key == "sample")?;
        let found = grouped(cells.len() as u64);
        let problem = format!("the lists of the spec have only {found} different cells");
        let diagnostic = reader.report.error(entry.key_span, problem);
        diagnostic.label("expected a smaller count, or a range in place of a list");
        return None;
    }
    name(&mut cells, &varied);
    let own = [keys::LEARNING_RATE.0.path, keys::WEIGHT_DECAY.0.path];
    let of_settings = |path: &&'static str| settings::has(path) && !own.contains(path);
    let varied = varied.into_iter().filter(of_settings).collect();
    Some(with_cells(spec, cells, varied, Some(sample.clone())))
}

/// Returns the cell number `index`: its digits in the mixed radix of the axes' lengths are the
/// indices in the axes; the last axis is the lowest digit.
fn cell(spec: &Spec, index: usize) -> Cell {
    fn digit<T: Clone>(rest: &mut usize, axis: &Points<T>) -> T {
        let (value, _) = &axis.points[*rest % axis.points.len()];
        *rest /= axis.points.len();
        value.clone()
    }
    let mut rest = index;
    let model_seed = digit(&mut rest, &spec.model_seed);
    let data_seed = digit(&mut rest, &spec.data_seed);
    let all = &spec.variants.settings;
    let settings = all[rest % all.len()].clone();
    rest /= all.len();
    let weight_decay = digit(&mut rest, &spec.weight_decay);
    let learning_rate = digit(&mut rest, &spec.learning_rate);
    let fraction = digit(&mut rest, &spec.fraction);
    let modulus = digit(&mut rest, &spec.modulus);
    let operation = digit(&mut rest, &spec.operation);
    let modulus = operation.size().unwrap_or(modulus);
    Cell {
        id: String::new(),
        operation,
        modulus,
        fraction,
        data_seed,
        model_seed,
        stream: spec.stream,
        learning_rate,
        weight_decay,
        settings,
    }
}

/// Gives cells their ids, with the values of the keys in which they differ.
fn name(cells: &mut [Cell], varied: &[&'static str]) {
    let suffixes = Suffixes::new(cells, varied);
    let has = |path: &str| varied.contains(&path);
    for cell in cells {
        let mut id = format!(
            "{}-p{}-f{}-d{}-m{}",
            cell.operation.slug(),
            cell.modulus,
            short(cell.fraction),
            cell.data_seed,
            cell.model_seed
        );
        if has(keys::LEARNING_RATE.0.path) {
            id.push_str(&format!("-lr{}", short(cell.learning_rate)));
        }
        if has(keys::WEIGHT_DECAY.0.path) {
            id.push_str(&format!("-wd{}", short(cell.weight_decay)));
        }
        id.push_str(suffixes.of(cell));
        if cell.stream != Stream::Torch {
            id.push_str(&format!("-{}", cell.stream));
        }
        cell.id = id;
    }
}

/// Returns the shortest text that reads back as `number`; `1` rather than `1.0`.
fn short(number: f64) -> String {
    let text = number.toml();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Returns the length of each axis, its key, and its span unless the axis is left to the default.
fn axes(spec: &Spec) -> Vec<(usize, &str, Option<Span>)> {
    fn axis<T>(points: &Points<T>, key: &'static str) -> (usize, &'static str, Option<Span>) {
        (points.points.len(), key, points.span)
    }
    let of_variants = spec.variants.axes.iter();
    let of_variants = of_variants.map(|(length, name, span)| (*length, name.as_str(), Some(*span)));
    let own = [
        axis(&spec.operation, "operation"),
        axis(&spec.modulus, "modulus"),
        axis(&spec.fraction, "fraction"),
        axis(&spec.learning_rate, "train.learning_rate"),
        axis(&spec.weight_decay, "train.weight_decay"),
        axis(&spec.data_seed, "seeds.data"),
        axis(&spec.model_seed, "seeds.model"),
    ];
    own.into_iter().chain(of_variants).collect()
}

/// Returns whether the number of cells is at most [`MAX_CELLS`]; otherwise reports it at the
/// longest axis.
fn count_is_possible(spec: &Spec, reader: &mut Reader<'_>) -> bool {
    let axes = axes(spec);
    // An axis whose values are all mistakes counts as one value.
    let count = axes.iter().try_fold(1_u64, |count, (length, ..)| {
        count.checked_mul((*length).max(1) as u64)
    });
    if count.is_some_and(|count| count <= MAX_CELLS) {
        return true;
    }
    let count = match count {
        Some(count) => format!("{} cells", grouped(count)),
        None => "more than 2^64 cells".to_owned(),
    };
    let longest = axes.iter().max_by_key(|(length, ..)| length);
    if let Some((length, key, Some(span))) = longest {
        reader
            .report
            .error(
                *span,
                format!(
                    "the spec has {count}; at most {} are possible",
                    grouped(MAX_CELLS)
                ),
            )
            .label(format!(
                "the longest axis: {} values for `{key}`",
                grouped(*length as u64)
            ))
            .add_help("every value of an axis is combined with every value of the others");
    }
    false
}

/// Reports two operations with the same short name, since their cells would have the same id.
fn check_slugs(spec: &Spec, reader: &mut Reader<'_>) {
    let mut first: HashMap<String, Span> = HashMap::new();
    for (operation, span) in &spec.operation.points {
        let Some(span) = *span else { continue };
        if let Some(first) = first.get(&operation.slug()) {
            reader
                .report
                .error(
                    span,
                    format!("two operations have the short name `{}`", operation.slug()),
                )
                .label("expected operations whose cells get different names")
                .context(*first, "the other one")
                .add_help("put them into two specs");
        } else {
            first.insert(operation.slug(), span);
        }
    }
}

/// The number of pairs that are tried to see whether operations are defined, over all operations,
/// and for one operation at least. If that leaves a question open, the data set answers it.
const PAIRS: usize = 1 << 25;
const LEAST_PAIRS: usize = 1 << 16;

/// Reports operations that are not defined for one of the moduli.
fn check_operations(spec: &Spec, seen: &mut Seen, reader: &mut Reader<'_>) {
    let count = spec.operation.points.len() * spec.modulus.points.len();
    let pairs = (PAIRS / count.max(1)).max(LEAST_PAIRS) as u64;
    for (operation, place) in &spec.operation.points {
        for (modulus, span) in &spec.modulus.points {
            if operation.size().is_some() || !seen.insert((operation.clone(), *modulus)) {
                continue;
            }
            let (Some(place), Some(span), Err(error)) =
                (place, span, operation.check_within(*modulus, pairs))
            else {
                continue;
            };
            let diagnostic = reader.report.error(*span, error.message);
            diagnostic
                .label(format!("expected {}", error.expected))
                .context(*place, format!("the operation: {}", operation.notation()));
            if let Some(help) = error.help {
                diagnostic.add_help(help);
            }
        }
    }
}

/// Reports a minibatch that is larger than the training part. As for the parts, the count is over
/// all p² pairs.
fn check_batch(spec: &Spec, reader: &mut Reader<'_>) {
    let sizes = spec.variants.settings.iter();
    let sizes = sizes.filter_map(|settings| match settings.batch {
        Batch::Size { size, .. } => Some(size),
        Batch::Full => None,
    });
    let (Some(size), Some(span)) = (sizes.max(), spec.batch_span) else {
        return;
    };
    let counts = tuples(spec).into_iter().flat_map(|(pairs, ..)| {
        let fractions = spec.fraction.points.iter();
        fractions.map(move |(fraction, _)| (pairs * fraction) as usize)
    });
    if let Some(fewest) = counts.min().filter(|fewest| *fewest < size) {
        let problem = format!("a minibatch of {size} samples, of {fewest} that are trained on");
        let diagnostic = reader.report.error(span, problem);
        diagnostic.label(format!("expected a size from 1 to {fewest}"));
    }
}

/// Reports operands that a model cannot read: more than it has places for, or signs of more than
/// two values.
fn check_operands(spec: &Spec, reader: &mut Reader<'_>) {
    for (operation, place) in &spec.operation.points {
        let Some(place) = place else { continue };
        let moduli = spec.modulus.points.iter().map(|(modulus, _)| *modulus);
        let wrong = moduli
            .flat_map(|modulus| spec.variants.settings.iter().map(move |s| (modulus, s)))
            .find_map(|(modulus, settings)| {
                let tokens = operation.tokens(modulus) as usize;
                let mut architecture = settings.model.architecture(tokens);
                architecture.operands = operation.operands();
                let wrong = architecture.check().err()?;
                let of_operands = match &wrong {
                    ArchitectureError::Signs { .. } => true,
                    ArchitectureError::Size { what, .. } => *what == "operands",
                    _ => false,
                };
                of_operands.then_some(wrong)
            });
        if let Some(wrong) = wrong {
            let diagnostic = reader.report.error(*place, wrong.to_string());
            diagnostic.label(format!(
                "{} has {} operands",
                operation,
                operation.operands()
            ));
            diagnostic.add_help(
                "a model of kind = \"mlp\" reads up to 64 operands, and input = \"signs\" those of two values",
            );
        }
    }
}

/// Returns, for each operation and modulus, the number of tuples, the product that gives it in
/// words, and its span.
fn tuples(spec: &Spec) -> Vec<(f64, String, Option<Span>)> {
    let mut found = Vec::new();
    for (operation, place) in &spec.operation.points {
        for (modulus, span) in &spec.modulus.points {
            let elements = operation.size().unwrap_or(*modulus);
            let operands = operation.operands();
            let power = ["", "", "²", "³", "⁴", "⁵"].get(operands).unwrap_or(&"");
            let count = operation.tuples(*modulus) as f64;
            let text = match operation.as_parity() {
                Some(parity) => format!("{} samples", parity.samples()),
                None => format!("{elements}{power}"),
            };
            let span = operation.size().map_or(*span, |_| *place);
            if !found.iter().any(|(_, known, _)| *known == text) {
                found.push((count, text, span));
            }
        }
    }
    found
}

/// Reports parts of the data that are empty. The count is over all tuples; whether an operation is
/// undefined for some of them shows when the data set is made.
fn check_parts(spec: &Spec, reader: &mut Reader<'_>) {
    for (pairs, text, place) in tuples(spec) {
        for (fraction, span) in &spec.fraction.points {
            let (Some(place), Some(span)) = (place, span) else {
                continue;
            };
            // The data set computes the same: the product in double precision, then cut off. Below
            // 1 no fraction rounds to all pairs, so the test part is never empty.
            let train = pairs * fraction;
            if train >= 1.0 {
                continue;
            }
            reader
                .report
                .error(*span, "no pair is left to train on")
                .label(format!(
                    "expected a larger fraction: this share of {pairs} pairs rounds down to no pair"
                ))
                .context(place, format!("{text} = {pairs} pairs"));
        }
    }
}
