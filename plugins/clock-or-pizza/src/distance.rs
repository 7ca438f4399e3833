//! Measures distance irrelevance: whether the correct logits follow the distance of the operands.

use crate::places::Places;

/// Returns the mean over distances of the standard deviation of the correct logit among the pairs
/// of that distance, over its standard deviation among all pairs of the group: 0 if the distance
/// decides it, 1 if it has no influence. Population deviations, as numpy's; NaN if all correct
/// logits are one number.
pub(crate) fn irrelevance(places: &Places, logits: &[f32], p: usize) -> f64 {
    let mut by_distance: Vec<Vec<f64>> = vec![Vec::new(); places.n];
    let mut all = Vec::with_capacity(places.pairs.len());
    for pair in &places.pairs {
        let correct = f64::from(logits[pair.at * p + pair.label]);
        by_distance[pair.distance].push(correct);
        all.push(correct);
    }
    by_distance.retain(|values| !values.is_empty());
    let within: f64 = by_distance.iter().map(|values| deviation(values)).sum();
    let whole = deviation(&all);
    if whole > 0.0 {
        within / by_distance.len() as f64 / whole
    } else {
        f64::NAN
    }
}

fn deviation(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    (squares / count).sqrt()
}
