//! Forward and backward of the one-layer transformer on [a, b, '='], read at the last position.
//!
//! Formulas: doc/model.md#the-published-model. Only keys and values are not computed pair by pair:
//! they depend on (token, position) alone, so each of the 2p + 1 rows has them once.

use crate::data::Sample;
use crate::shape::{Activation, Parameter, Shape};

use super::real::Real;

/// Mean loss and accuracy of some pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Scores {
    /// mean cross-entropy, in f64 over the model's logits
    pub loss: f64,
    /// share of pairs whose largest logit is the label's
    pub accuracy: f64,
}

/// What a backward pass leaves.
#[derive(Clone, Debug)]
pub struct Gradients<T> {
    /// of the mean loss, laid out as the parameters; biases too, frozen or not
    pub gradient: Vec<T>,
    /// of the same pairs
    pub scores: Scores,
}

/// A model and its parameters.
#[derive(Clone, Debug)]
pub struct Reference<T> {
    shape: Shape,
    parameters: Vec<T>,
}

/// What depends on (token, position) only, a row for a at 0, b at 1 (from p on) and '=' (2p).
struct Rows<T> {
    /// W_E + W_pos, `(2p + 1, d_model)`
    x: Vec<T>,
    /// `(2p + 1, heads · d_head)`
    k: Vec<T>,
    v: Vec<T>,
    /// of '=' alone, `(heads · d_head)`
    q: Vec<T>,
}

/// What one pair leaves for its backward pass.
struct Pass<T> {
    rows: [usize; 3],
    /// A, `(heads, 3)`
    attention: Vec<T>,
    /// A v, `(heads · d_head)`
    z: Vec<T>,
    /// the residual stream after attention, `(d_model)`
    mid: Vec<T>,
    pre: Vec<T>,
    post: Vec<T>,
    /// the residual stream after the MLP
    end: Vec<T>,
    logits: Vec<T>,
}

impl<T: Real> Reference<T> {
    /// A model with these parameters, laid out as [`Parameter`] says.
    pub fn new(shape: Shape, parameters: Vec<T>) -> Reference<T> {
        assert_eq!(
            parameters.len(),
            shape.parameters(),
            "parameters fit their shape"
        );
        Reference { shape, parameters }
    }

    /// The model's dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The flat parameter vector.
    pub fn parameters(&self) -> &[T] {
        &self.parameters
    }

    /// The same, to change it.
    pub fn parameters_mut(&mut self) -> &mut [T] {
        &mut self.parameters
    }

    /// The logits of each pair, `(pairs, p)`.
    pub fn logits(&self, pairs: &[Sample]) -> Vec<T> {
        let rows = self.rows();
        pairs
            .iter()
            .flat_map(|s| self.forward(&rows, s).logits)
            .collect()
    }

    /// What happens inside, pair after pair: attention `(pairs, heads, 3)`, the neurons' inputs and
    /// outputs `(pairs, d_mlp)`, and logits `(pairs, p)`.
    pub fn activations(&self, pairs: &[Sample]) -> [Vec<T>; 4] {
        let rows = self.rows();
        let mut all = [const { Vec::new() }; 4];
        for s in pairs {
            let pass = self.forward(&rows, s);
            let parts = [pass.attention, pass.pre, pass.post, pass.logits];
            all.iter_mut()
                .zip(parts)
                .for_each(|(all, part)| all.extend(part));
        }
        all
    }

    /// Mean loss and accuracy.
    pub fn evaluate(&self, pairs: &[Sample]) -> Scores {
        let rows = self.rows();
        let mut scores = Scores::default();
        for s in pairs {
            score(
                &self.forward(&rows, s).logits,
                s.label as usize,
                &mut scores,
            );
        }
        scores.over(pairs.len())
    }

    /// Mean loss, accuracy and the gradient of every parameter.
    pub fn gradients(&self, pairs: &[Sample]) -> Gradients<T> {
        let (rows, mut scores) = (self.rows(), Scores::default());
        let mut gradient = vec![T::ZERO; self.parameters.len()];
        let mut d_rows = rows.zeros();
        let share = T::ONE / T::from_f64(pairs.len() as f64);
        for s in pairs {
            let pass = self.forward(&rows, s);
            let mut g = score(&pass.logits, s.label as usize, &mut scores);
            g.iter_mut().for_each(|g| *g = *g * share);
            self.backward(&rows, &pass, &g, &mut gradient, &mut d_rows);
        }
        self.backward_rows(&rows, &mut d_rows, &mut gradient);
        Gradients {
            gradient,
            scores: scores.over(pairs.len()),
        }
    }

    fn get(&self, parameter: Parameter) -> &[T] {
        &self.parameters[parameter.range(&self.shape)]
    }

    fn rows(&self) -> Rows<T> {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            ..
        } = self.shape;
        let (embed, pos) = (self.get(Parameter::Embed), self.get(Parameter::PosEmbed));
        let mut rows = Rows {
            x: Vec::new(),
            k: Vec::new(),
            v: Vec::new(),
            q: vec![T::ZERO; heads * e],
        };
        for row in 0..=2 * p {
            let (token, position) = if row == 2 * p {
                (p, 2)
            } else {
                (row % p, row / p)
            };
            let x: Vec<T> = (0..d)
                .map(|i| embed[token * d + i] + pos[position * d + i])
                .collect();
            for h in 0..heads {
                for (out, parameter) in [
                    (&mut rows.k, Parameter::Key),
                    (&mut rows.v, Parameter::Value),
                ] {
                    let weight = &self.get(parameter)[h * d * e..][..d * e];
                    let mut projected = vec![T::ZERO; e];
                    vector_matrix(&mut projected, &x, weight);
                    out.extend(projected);
                }
            }
            rows.x.extend(x);
        }
        let x_eq = &rows.x[2 * p * d..];
        for (h, q) in rows.q.chunks_exact_mut(e).enumerate() {
            vector_matrix(q, x_eq, &self.get(Parameter::Query)[h * d * e..][..d * e]);
        }
        rows
    }

    fn forward(&self, rows: &Rows<T>, s: &Sample) -> Pass<T> {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            activation,
            ..
        } = self.shape;
        let at = [s.a as usize, p + s.b as usize, 2 * p];
        let root = T::from_f64((e as f64).sqrt());
        let (mut attention, mut z) = (Vec::new(), vec![T::ZERO; heads * e]);
        for h in 0..heads {
            let place = |row: usize| row * heads * e + h * e..row * heads * e + (h + 1) * e;
            let q = &rows.q[h * e..][..e];
            let scores = at.map(|row| dot(q, &rows.k[place(row)]) / root);
            let largest = scores
                .iter()
                .copied()
                .fold(scores[0], |m, s| if s > m { s } else { m });
            let weights = scores.map(|s| (s - largest).exp());
            let total = weights[0] + weights[1] + weights[2];
            for (row, weight) in at.iter().zip(weights) {
                let weight = weight / total;
                add_scaled(&mut z[h * e..][..e], weight, &rows.v[place(*row)]);
                attention.push(weight);
            }
        }
        let mut mid = rows.x[2 * p * d..].to_vec();
        vector_matrix(&mut mid, &z, self.get(Parameter::Output));
        let mut pre = self.get(Parameter::BiasIn).to_vec();
        vector_matrix(&mut pre, &mid, self.get(Parameter::In));
        let post: Vec<T> = pre.iter().map(|x| act(activation, *x)).collect();
        let mut end: Vec<T> = mid
            .iter()
            .zip(self.get(Parameter::BiasOut))
            .map(|(m, b)| *m + *b)
            .collect();
        vector_matrix(&mut end, &post, self.get(Parameter::Out));
        let mut logits = vec![T::ZERO; p];
        vector_matrix(&mut logits, &end, self.get(Parameter::Unembed));
        Pass {
            rows: at,
            attention,
            z,
            mid,
            pre,
            post,
            end,
            logits,
        }
    }

    /// Adds one pair's share, from g = ∂loss/∂logits, to the weights' gradients, and to those of
    /// the rows.
    fn backward(
        &self,
        rows: &Rows<T>,
        pass: &Pass<T>,
        g: &[T],
        out: &mut [T],
        d_rows: &mut Rows<T>,
    ) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            activation,
            ..
        } = self.shape;
        let range = |parameter: Parameter| parameter.range(&self.shape);
        // logits = end W_U
        outer(&mut out[range(Parameter::Unembed)], &pass.end, g);
        let d_end = matrix_vector(self.get(Parameter::Unembed), p, g);
        // end = mid + post W_out + b_out
        outer(&mut out[range(Parameter::Out)], &pass.post, &d_end);
        add_scaled(&mut out[range(Parameter::BiasOut)], T::ONE, &d_end);
        let d_post = matrix_vector(self.get(Parameter::Out), d, &d_end);
        // post = act(pre); pre = mid W_in + b_in
        let d_pre: Vec<T> = d_post
            .iter()
            .zip(&pass.pre)
            .map(|(g, x)| *g * slope(activation, *x))
            .collect();
        outer(&mut out[range(Parameter::In)], &pass.mid, &d_pre);
        add_scaled(&mut out[range(Parameter::BiasIn)], T::ONE, &d_pre);
        let mut d_mid = matrix_vector(self.get(Parameter::In), f, &d_pre);
        add_scaled(&mut d_mid, T::ONE, &d_end);
        // mid = x['='] + z W_O
        outer(&mut out[range(Parameter::Output)], &pass.z, &d_mid);
        let d_z = matrix_vector(self.get(Parameter::Output), d, &d_mid);
        add_scaled(&mut d_rows.x[2 * p * d..], T::ONE, &d_mid);
        // z_h = Σ_t A_t v_t; A = softmax(q·k / √d_head)
        let root = T::from_f64((e as f64).sqrt());
        for h in 0..heads {
            let place = |row: usize| row * heads * e + h * e..row * heads * e + (h + 1) * e;
            let d_z = &d_z[h * e..][..e];
            let weights = &pass.attention[3 * h..][..3];
            let d_weights = pass.rows.map(|row| dot(d_z, &rows.v[place(row)]));
            let mean = weights
                .iter()
                .zip(d_weights)
                .fold(T::ZERO, |sum, (a, g)| sum + *a * g);
            for ((row, weight), g) in pass.rows.iter().zip(weights).zip(d_weights) {
                let d_score = *weight * (g - mean) / root;
                add_scaled(&mut d_rows.v[place(*row)], *weight, d_z);
                add_scaled(&mut d_rows.k[place(*row)], d_score, &rows.q[h * e..][..e]);
                add_scaled(&mut d_rows.q[h * e..][..e], d_score, &rows.k[place(*row)]);
            }
        }
    }

    /// From the rows to W_Q, W_K, W_V, W_E and W_pos.
    fn backward_rows(&self, rows: &Rows<T>, d_rows: &mut Rows<T>, out: &mut [T]) {
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            ..
        } = self.shape;
        let of_head = |parameter: Parameter, h: usize| {
            let start = parameter.offset(&self.shape) + h * d * e;
            start..start + d * e
        };
        for h in 0..heads {
            for row in 0..=2 * p {
                let x = &rows.x[row * d..][..d];
                let place = row * heads * e + h * e..row * heads * e + (h + 1) * e;
                for (parameter, g) in [
                    (Parameter::Key, &d_rows.k[place.clone()]),
                    (Parameter::Value, &d_rows.v[place.clone()]),
                ] {
                    outer(&mut out[of_head(parameter, h)], x, g);
                    let back = matrix_vector(&self.parameters[of_head(parameter, h)], e, g);
                    add_scaled(&mut d_rows.x[row * d..][..d], T::ONE, &back);
                }
            }
            let g = &d_rows.q[h * e..][..e];
            outer(
                &mut out[of_head(Parameter::Query, h)],
                &rows.x[2 * p * d..],
                g,
            );
            let back = matrix_vector(&self.parameters[of_head(Parameter::Query, h)], e, g);
            add_scaled(&mut d_rows.x[2 * p * d..], T::ONE, &back);
        }
        let (embed, pos) = (
            Parameter::Embed.offset(&self.shape),
            Parameter::PosEmbed.offset(&self.shape),
        );
        for (row, g) in d_rows.x.chunks_exact(d).enumerate() {
            let (token, position) = if row == 2 * p {
                (p, 2)
            } else {
                (row % p, row / p)
            };
            add_scaled(&mut out[embed + token * d..][..d], T::ONE, g);
            add_scaled(&mut out[pos + position * d..][..d], T::ONE, g);
        }
    }
}

impl<T: Real> Rows<T> {
    fn zeros(&self) -> Rows<T> {
        let zeros = |part: &[T]| vec![T::ZERO; part.len()];
        Rows {
            x: zeros(&self.x),
            k: zeros(&self.k),
            v: zeros(&self.v),
            q: zeros(&self.q),
        }
    }
}

impl Scores {
    fn over(self, pairs: usize) -> Scores {
        Scores {
            loss: self.loss / pairs as f64,
            accuracy: self.accuracy / pairs as f64,
        }
    }
}

/// Counts one pair and returns ∂loss/∂logits. In f64, the label's class left out of the sum
/// (doc/model.md#loss).
fn score<T: Real>(logits: &[T], label: usize, scores: &mut Scores) -> Vec<T> {
    let own = logits[label].to_f64();
    let ratios: Vec<f64> = logits.iter().map(|l| (l.to_f64() - own).exp()).collect();
    let others: f64 = ratios
        .iter()
        .enumerate()
        .filter(|(j, _)| *j != label)
        .map(|(_, r)| r)
        .sum();
    let first_of_largest = logits.iter().enumerate().all(|(j, l)| {
        if j < label {
            *l < logits[label]
        } else {
            *l <= logits[label]
        }
    });
    scores.loss += others.ln_1p();
    scores.accuracy += f64::from(u8::from(first_of_largest));
    let gradient =
        |(j, r): (usize, &f64)| T::from_f64(if j == label { -others } else { *r } / (1.0 + others));
    ratios.iter().enumerate().map(gradient).collect()
}

fn act<T: Real>(kind: Activation, x: T) -> T {
    match kind {
        Activation::Relu => {
            if x > T::ZERO {
                x
            } else {
                T::ZERO
            }
        }
        Activation::Gelu => x * normal(x),
    }
}

fn slope<T: Real>(kind: Activation, x: T) -> T {
    match kind {
        Activation::Relu => {
            if x > T::ZERO {
                T::ONE
            } else {
                T::ZERO
            }
        }
        Activation::Gelu => {
            let density =
                (-0.5 * x.to_f64() * x.to_f64()).exp() / (2.0 * std::f64::consts::PI).sqrt();
            normal(x) + x * T::from_f64(density)
        }
    }
}

/// Φ(x)
fn normal<T: Real>(x: T) -> T {
    T::from_f64(0.5 * libm::erfc(-x.to_f64() / std::f64::consts::SQRT_2))
}

/// out (n) += x (k) · w (k, n)
fn vector_matrix<T: Real>(out: &mut [T], x: &[T], w: &[T]) {
    let n = out.len();
    for (x, w) in x.iter().zip(w.chunks_exact(n)) {
        add_scaled(out, *x, w);
    }
}

/// w (k, n) · y (n)
fn matrix_vector<T: Real>(w: &[T], n: usize, y: &[T]) -> Vec<T> {
    w.chunks_exact(n).map(|w| dot(w, y)).collect()
}

/// out (k, n) += x (k) ⊗ y (n)
fn outer<T: Real>(out: &mut [T], x: &[T], y: &[T]) {
    for (out, x) in out.chunks_exact_mut(y.len()).zip(x) {
        add_scaled(out, *x, y);
    }
}

fn add_scaled<T: Real>(out: &mut [T], a: T, x: &[T]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out += a * *x;
    }
}

/// Eight running sums, so that compilers vectorise it.
fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    let mut sums = [T::ZERO; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += *a * *b;
        }
    }
    sums.into_iter().fold(T::ZERO, |total, sum| total + sum)
}
