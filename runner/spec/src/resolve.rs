//! From a spec to its plan: the checks that need more than one key, and the cross product.

use std::collections::HashMap;

use grokrun_task::Stream;

use crate::axis::{Point, Points};
use crate::field::Reader;
use crate::keys::MAX_CELLS;
use crate::number::grouped;
use crate::plan::{Batch, Cell, Plan};
use crate::source::Span;
use crate::spec::Spec;

/// Reports whatever is wrong with the values of `spec` together.
pub(crate) fn check(spec: &Spec, reader: &mut Reader<'_>) {
    check_slugs(spec, reader);
    // Too many cells are too many pairs to check one by one.
    if count_is_possible(spec, reader) {
        check_operations(spec, reader);
        check_parts(spec, reader);
        check_batch(spec, reader);
    }
}

/// Multiplies out the axes of a spec that has no mistakes.
pub(crate) fn plan(spec: Spec) -> Plan {
    let count: usize = axes(&spec).iter().map(|(length, ..)| length).product();
    Plan {
        cells: (0..count).map(|index| cell(&spec, index)).collect(),
        name: spec.name,
        batch: spec.batch,
        model: spec.model,
        train: spec.train,
        checkpoints: spec.checkpoints,
        analyses: spec.analyses,
        claims: spec.claims.into_iter().map(|(claim, _)| claim).collect(),
    }
}

/// The cell number `index`: its digits in the mixed radix of the axes' lengths are the places in
/// the axes, the last axis being the lowest digit.
fn cell(spec: &Spec, index: usize) -> Cell {
    fn digit<T: Clone>(rest: &mut usize, axis: &Points<T>) -> T {
        let (value, _) = &axis.points[*rest % axis.points.len()];
        *rest /= axis.points.len();
        value.clone()
    }
    let mut rest = index;
    let model_seed = digit(&mut rest, &spec.model_seed);
    let data_seed = digit(&mut rest, &spec.data_seed);
    let weight_decay = digit(&mut rest, &spec.weight_decay);
    let learning_rate = digit(&mut rest, &spec.learning_rate);
    let fraction = digit(&mut rest, &spec.fraction);
    let modulus = digit(&mut rest, &spec.modulus);
    let operation = digit(&mut rest, &spec.operation);

    let slug = operation.slug();
    let mut id = format!(
        "{slug}-p{modulus}-f{}-d{data_seed}-m{model_seed}",
        short(fraction)
    );
    if spec.learning_rate.points.len() > 1 {
        id.push_str(&format!("-lr{}", short(learning_rate)));
    }
    if spec.weight_decay.points.len() > 1 {
        id.push_str(&format!("-wd{}", short(weight_decay)));
    }
    if spec.stream != Stream::Torch {
        id.push_str(&format!("-{}", spec.stream));
    }
    Cell {
        id,
        operation,
        modulus,
        fraction,
        data_seed,
        model_seed,
        stream: spec.stream,
        learning_rate,
        weight_decay,
    }
}

/// The shortest text that reads back as `number`; `1` rather than `1.0`.
fn short(number: f64) -> String {
    let text = number.toml();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The length of each axis, its key, and where it stands if it is not left to the default.
fn axes(spec: &Spec) -> [(usize, &'static str, Option<Span>); 7] {
    fn axis<T>(points: &Points<T>, key: &'static str) -> (usize, &'static str, Option<Span>) {
        (points.points.len(), key, points.span)
    }
    [
        axis(&spec.operation, "operation"),
        axis(&spec.modulus, "modulus"),
        axis(&spec.fraction, "fraction"),
        axis(&spec.learning_rate, "train.learning_rate"),
        axis(&spec.weight_decay, "train.weight_decay"),
        axis(&spec.data_seed, "seeds.data"),
        axis(&spec.model_seed, "seeds.model"),
    ]
}

/// Whether the spec has no more cells than possible; otherwise reports it at the longest axis.
fn count_is_possible(spec: &Spec, reader: &mut Reader<'_>) -> bool {
    let axes = axes(spec);
    // An axis with nothing but mistakes in it is counted as one value.
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

/// Two operations with one short name would make cells with one id.
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

/// Pairs that are tried to see whether operations are defined, all together, and for one at least.
/// What they leave open is found out when the data set is made.
const PAIRS: usize = 1 << 25;
const LEAST_PAIRS: usize = 1 << 16;

/// Every operation has to be defined for every modulus.
fn check_operations(spec: &Spec, reader: &mut Reader<'_>) {
    let count = spec.operation.points.len() * spec.modulus.points.len();
    let pairs = (PAIRS / count.max(1)).max(LEAST_PAIRS) as u64;
    for (operation, place) in &spec.operation.points {
        for (modulus, span) in &spec.modulus.points {
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

/// A minibatch has at most as many samples as are trained on. Counted over all p² pairs, as the
/// parts are.
fn check_batch(spec: &Spec, reader: &mut Reader<'_>) {
    let (Batch::Size { size, .. }, Some(span)) = (spec.batch, spec.batch_span) else {
        return;
    };
    let counts = spec.modulus.points.iter().flat_map(|(modulus, _)| {
        let pairs = f64::from(*modulus) * f64::from(*modulus);
        let fractions = spec.fraction.points.iter();
        fractions.map(move |(fraction, _)| (pairs * fraction) as usize)
    });
    if let Some(fewest) = counts.min().filter(|fewest| *fewest < size) {
        let problem = format!("a minibatch of {size} samples, of {fewest} that are trained on");
        let diagnostic = reader.report.error(span, problem);
        diagnostic.label(format!("expected a size from 1 to {fewest}"));
    }
}

/// No part of the data may be empty. Counted over all p² pairs: that an operation is undefined for
/// some of them is seen when the data set is built.
fn check_parts(spec: &Spec, reader: &mut Reader<'_>) {
    for (modulus, place) in &spec.modulus.points {
        let pairs = f64::from(*modulus) * f64::from(*modulus);
        for (fraction, span) in &spec.fraction.points {
            let (Some(place), Some(span)) = (place, span) else {
                continue;
            };
            // As the data set does it: the product in double precision, then cut off. Below
            // 1, no fraction rounds to all pairs, so that the test part is never empty.
            let train = pairs * fraction;
            if train >= 1.0 {
                continue;
            }
            reader
                .report
                .error(*span, "no pair is left to train on")
                .label(format!(
                    "expected a larger fraction: this one of {pairs} pairs is none"
                ))
                .context(*place, format!("{modulus}² = {pairs} pairs"));
        }
    }
}
