//! Models as the published code computes them, in f64 and plain loops.

/// A number that is one of its place alone, about as large as an initial weight.
pub(crate) fn number(name: &str, index: &[usize]) -> f32 {
    let bytes = name.bytes().map(u64::from);
    let all = bytes.chain(index.iter().map(|i| *i as u64 + 1));
    let mut state = all.fold(0x9e37_79b9_7f4a_7c15_u64, |state, x| {
        (state ^ x).wrapping_mul(0x0100_0000_01b3).rotate_left(23)
    });
    state = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let share = ((state >> 40) as f32) / ((1u64 << 24) as f32);
    let norm = name.contains("ln") && name.ends_with('w');
    0.8 * share - 0.4 + if norm { 1.0 } else { 0.0 }
}

fn at(name: &str, index: &[usize]) -> f64 {
    f64::from(number(name, index))
}

/// A transformer that is read at its last position.
#[derive(Clone, Copy)]
pub(crate) struct Transformer {
    pub(crate) p: usize,
    pub(crate) d: usize,
    pub(crate) heads: usize,
    pub(crate) d_head: usize,
    pub(crate) neurons: Option<usize>,
    pub(crate) layers: usize,
    pub(crate) separator: bool,
    /// none, or whether layer norms have a weight and a bias
    pub(crate) norm: Option<bool>,
    pub(crate) biases: bool,
    pub(crate) attention_biases_are_zero: bool,
    pub(crate) causal: bool,
    /// the share of softmax
    pub(crate) rate: f64,
    pub(crate) gelu: bool,
}

impl Transformer {
    pub(crate) fn positions(&self) -> usize {
        2 + usize::from(self.separator)
    }

    pub(crate) fn tokens(&self) -> usize {
        self.p + usize::from(self.separator)
    }

    fn normalised(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let Some(weights) = self.norm else {
            return x.to_vec();
        };
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / x.len() as f64;
        let scaled = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
        let one = |(i, x): (usize, f64)| match weights {
            true => x * at(&format!("{name}.w"), &[i]) + at(&format!("{name}.b"), &[i]),
            false => x,
        };
        scaled.enumerate().map(one).collect()
    }

    fn bias(&self, name: &str, index: &[usize]) -> f64 {
        let zero = self.attention_biases_are_zero && !name.contains("mlp");
        if self.biases && !zero {
            at(name, index)
        } else {
            0.0
        }
    }

    fn attention(&self, b: usize, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (d, e, n) = (self.d, self.d_head, x.len());
        let mut out = vec![vec![0.0; d]; n];
        let name = |part: &str| format!("blocks.{b}.attn.{part}");
        for h in 0..self.heads {
            let project = |part: &str, x: &[f64]| -> Vec<f64> {
                let sum = |j: usize| {
                    let sum: f64 = (0..d)
                        .map(|i| x[i] * at(&name(&format!("W_{part}")), &[h, i, j]))
                        .sum();
                    sum + self.bias(&name(&format!("b_{part}")), &[h, j])
                };
                (0..e).map(sum).collect()
            };
            let all = |part: &str| x.iter().map(|x| project(part, x)).collect::<Vec<_>>();
            let (q, k, v) = (all("Q"), all("K"), all("V"));
            for to in 0..n {
                let seen = if self.causal { to + 1 } else { n };
                let score = |from: usize| {
                    let dot: f64 = q[to].iter().zip(&k[from]).map(|(a, b)| a * b).sum();
                    dot / (e as f64).sqrt()
                };
                let scores: Vec<f64> = (0..seen).map(score).collect();
                let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let scores: Vec<f64> = scores.iter().map(|x| (x - most).exp()).collect();
                let total: f64 = scores.iter().sum();
                for (from, score) in scores.iter().enumerate() {
                    let weight = self.rate * score / total + 1.0 - self.rate;
                    for (j, v) in v[from].iter().enumerate() {
                        for (i, out) in out[to].iter_mut().enumerate() {
                            *out += weight * v * at(&name("W_O"), &[h, j, i]);
                        }
                    }
                }
            }
        }
        for row in &mut out {
            for (i, out) in row.iter_mut().enumerate() {
                *out += self.bias(&name("b_O"), &[i]);
            }
        }
        out
    }

    fn neurons(&self, b: usize, width: usize, x: &[f64]) -> Vec<f64> {
        let name = |part: &str| format!("blocks.{b}.mlp.{part}");
        let post = |m: usize| {
            let pre: f64 = (0..self.d).map(|i| x[i] * at(&name("W_in"), &[i, m])).sum();
            let pre = pre + self.bias(&name("b_in"), &[m]);
            if self.gelu {
                pre * normal(pre)
            } else {
                pre.max(0.0)
            }
        };
        let post: Vec<f64> = (0..width).map(post).collect();
        let out = |i: usize| {
            let sum: f64 = (0..width)
                .map(|m| post[m] * at(&name("W_out"), &[m, i]))
                .sum();
            sum + self.bias(&name("b_out"), &[i])
        };
        (0..self.d).map(out).collect()
    }

    /// The logits of a pair.
    pub(crate) fn logits(&self, a: usize, b: usize) -> Vec<f64> {
        let tokens = [a, b, self.p];
        let embed = |place: usize| -> Vec<f64> {
            let one = |i: usize| {
                at("embed.W_E", &[tokens[place], i]) + at("pos_embed.W_pos", &[place, i])
            };
            (0..self.d).map(one).collect()
        };
        let mut x: Vec<Vec<f64>> = (0..self.positions()).map(embed).collect();
        let add = |x: &mut Vec<Vec<f64>>, more: Vec<Vec<f64>>| {
            for (x, more) in x.iter_mut().zip(more) {
                x.iter_mut().zip(more).for_each(|(x, more)| *x += more);
            }
        };
        for block in 0..self.layers {
            let normed = |part: &str, x: &[Vec<f64>]| -> Vec<Vec<f64>> {
                let name = format!("blocks.{block}.{part}");
                x.iter().map(|x| self.normalised(&name, x)).collect()
            };
            let more = self.attention(block, &normed("ln1", &x));
            add(&mut x, more);
            if let Some(width) = self.neurons {
                let read = normed("ln2", &x);
                let more = read.iter().map(|x| self.neurons(block, width, x)).collect();
                add(&mut x, more);
            }
        }
        let last = self.normalised("ln_final", &x[self.positions() - 1]);
        let logit = |c: usize| {
            let sum: f64 = (0..self.d)
                .map(|i| last[i] * at("unembed.W_U", &[i, c]))
                .sum();
            sum + self.bias("unembed.b_U", &[c])
        };
        (0..self.p).map(logit).collect()
    }
}

/// Φ(x), by Simpson's rule.
fn normal(x: f64) -> f64 {
    let density = |t: f64| (-t * t / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let steps = 2000;
    let width = x / f64::from(steps);
    let inner: f64 = (1..steps)
        .map(|i| density(f64::from(i) * width) * if i % 2 == 0 { 2.0 } else { 4.0 })
        .sum();
    0.5 + width / 3.0 * (density(0.0) + inner + density(x))
}

/// A multilayer perceptron with ReLU neurons on embedded pairs.
pub(crate) struct Mlp {
    pub(crate) p: usize,
    pub(crate) e: usize,
    pub(crate) concat: bool,
    pub(crate) shared: bool,
    pub(crate) hidden: Vec<usize>,
    /// the layers that have a bias
    pub(crate) biased: Vec<usize>,
}

impl Mlp {
    /// The logits of a pair.
    pub(crate) fn logits(&self, a: usize, b: usize) -> Vec<f64> {
        let name = |operand: usize| match self.shared {
            true => "embed.W_E".to_owned(),
            false => format!("embed.{operand}.W_E"),
        };
        let embed = |operand: usize, token: usize| -> Vec<f64> {
            (0..self.e)
                .map(|i| at(&name(operand), &[token, i]))
                .collect()
        };
        let (left, right) = (embed(0, a), embed(1, b));
        let mut x: Vec<f64> = match self.concat {
            true => [left, right].concat(),
            false => left.iter().zip(&right).map(|(l, r)| l + r).collect(),
        };
        for (layer, width) in self.hidden.iter().chain([&self.p]).enumerate() {
            let one = |j: usize| {
                let weight = format!("layers.{layer}.W");
                let sum: f64 = x
                    .iter()
                    .enumerate()
                    .map(|(i, x)| x * at(&weight, &[i, j]))
                    .sum();
                let bias = match self.biased.contains(&layer) {
                    true => at(&format!("layers.{layer}.b"), &[j]),
                    false => 0.0,
                };
                let pre = sum + bias;
                if layer < self.hidden.len() {
                    pre.max(0.0)
                } else {
                    pre
                }
            };
            x = (0..*width).map(one).collect();
        }
        x
    }
}
