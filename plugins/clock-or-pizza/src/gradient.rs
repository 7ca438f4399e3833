//! Measures gradient symmetricity: whether a logit has the same gradient for both embeddings.

use grokrun_measures::{Forward, Model};

/// A question: a pair, as a·p + b, and a class.
pub(crate) type Question = (usize, usize);

/// Draws `count` questions with SplitMix64: a pair by `next mod pairs`, then a class by `next mod
/// p`.
pub(crate) fn questions(seed: u64, count: usize, pairs: &[usize], p: usize) -> Vec<Question> {
    let mut state = seed;
    let mut next = |bound: usize| {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % bound as u64) as usize
    };
    if pairs.is_empty() || p == 0 {
        return Vec::new();
    }
    (0..count)
        .map(|_| (pairs[next(pairs.len())], next(p)))
        .collect()
}

/// Returns cos(∂Q/∂E_a, ∂Q/∂E_b) at each question, where Q is the logit of the class; NaN if a
/// gradient is 0.
pub(crate) fn cosines(forward: &Forward<'_>, questions: &[Question]) -> Vec<f64> {
    let model = forward.model();
    let directions: Vec<Vec<f64>> = (0..model.heads).map(|h| model.score_direction(h)).collect();
    let attention: Vec<Vec<[f64; 3]>> = (0..model.heads).map(|h| model.attention(h)).collect();
    let gradients = |question: &Question| gradients(forward, &directions, &attention, *question);
    questions.iter().map(|q| cosine(gradients(q))).collect()
}

/// Returns the cosine of two gradients; NaN if one is 0.
pub(crate) fn cosine([a, b]: [Vec<f64>; 2]) -> f64 {
    dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
}

/// Returns the mean of cosines at questions that were drawn, and its standard error: the deviation
/// of one over the root of their number. NaN if there are too few.
pub(crate) fn mean(cosines: &[f64]) -> [f64; 2] {
    let count = cosines.len() as f64;
    let mean = cosines.iter().sum::<f64>() / count;
    let squares: f64 = cosines.iter().map(|c| (c - mean).powi(2)).sum();
    // 0/0, of one question and of none, is NaN.
    [mean, (squares / (count - 1.0) / count).sqrt()]
}

/// Returns ∂Q/∂E_a and ∂Q/∂E_b, `(d_model)` each, through the values and through the attention. E_a
/// is the embedding at the first position alone, so the two differ even if a = b.
pub(crate) fn gradients(
    forward: &Forward<'_>,
    directions: &[Vec<f64>],
    attention: &[Vec<[f64; 3]>],
    (pair, class): Question,
) -> [Vec<f64>; 2] {
    let m = forward.model();
    let (p, d, f) = (m.p, m.d_model, m.d_mlp);
    let tokens = [pair / p, pair % p];

    // To each neuron's input, then to the residual stream between attention and MLP.
    let mut inputs: Vec<f64> = widened(&forward.base().hidden);
    for (head, attention) in forward.heads.iter().zip(attention) {
        for place in [0, 1] {
            let row = &head.hidden[place][tokens[place] * f..][..f];
            let weight = attention[pair][place];
            let terms = inputs.iter_mut().zip(row);
            terms.for_each(|(x, y)| *x += weight * f64::from(*y));
        }
    }
    let slopes: Vec<f64> = inputs
        .iter()
        .enumerate()
        .map(|(n, x)| m.slope(*x) * f64::from(forward.map[n * p + class]))
        .collect();
    let to_middle: Vec<f64> = (0..d)
        .map(|i| f64::from(m.w_u[i * p + class]) + mixed(&m.w_in[i * f..(i + 1) * f], &slopes))
        .collect();

    let x = [m.input(tokens[0], 0), m.input(tokens[1], 1), m.input(p, 2)];
    let mut out = [vec![0.0; d], vec![0.0; d]];
    for (head, direction) in directions.iter().enumerate() {
        let through = through_values(m, head, &to_middle);
        let weights = attention[head][pair];
        let said = [0, 1, 2].map(|t| mixed(&x[t], &through));
        let mean: f64 = weights.iter().zip(said).map(|(w, s)| w * s).sum();
        for (place, out) in out.iter_mut().enumerate() {
            let to_score = weights[place] * (said[place] - mean);
            for (out, (v, s)) in out.iter_mut().zip(through.iter().zip(direction)) {
                *out += weights[place] * v + to_score * s;
            }
        }
    }
    out
}

/// Returns W_V W_O g of a head, `(d_model)`.
fn through_values(m: &Model<'_>, head: usize, g: &[f64]) -> Vec<f64> {
    let rows = m.of_head(m.w_o, head).chunks_exact(m.d_model.max(1));
    let r: Vec<f64> = rows.map(|row| mixed(row, g)).collect();
    let rows = m.of_head(m.w_v, head).chunks_exact(m.d_head.max(1));
    rows.map(|row| mixed(row, &r)).collect()
}

fn widened(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

fn mixed(row: &[f32], with: &[f64]) -> f64 {
    row.iter().zip(with).map(|(x, y)| f64::from(*x) * y).sum()
}

fn dot(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
