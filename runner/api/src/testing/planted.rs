//! Makes snapshots with a known answer: the analytic expert, and noise.

use std::f64::consts::TAU;

use crate::{Numbers, SnapshotData, Task};

/// A model that solves the task by construction, in the shapes of this one: neuron j has a
/// frequency k and a phase φ, its output is 2 + 2 cos(kθ(a) + φ) cos(kθ(b) + φ), and its row of W_L
/// is cos(kθ(c) + 2φ), so that the logits are a sum of cos k(θ(a) + θ(b) − θ(c)). The expert is the
/// network of Gromov (2023) and Doshi et al. (2024) with one phase for both operands, which makes
/// every neuron symmetric, and only the cross term of its square.
///
/// With θ(a) = 2πa/p the expert adds; with θ(a) = 2π log a / (p − 1), and no angle for 0, the
/// expert multiplies.
#[derive(Clone, Debug)]
pub struct Expert {
    /// θ of each token, `(p)`; `None` for a token that is not in the group
    pub angles: Vec<Option<f64>>,
    /// the key frequencies, each with as many neurons
    pub frequencies: Vec<usize>,
    /// standard deviation of the noise that is added to W_E and to the neurons' outputs
    pub noise: f64,
}

impl Expert {
    /// Makes the expert that adds modulo p.
    pub fn additive(p: usize, frequencies: &[usize]) -> Expert {
        Expert {
            angles: (0..p).map(|a| Some(TAU * a as f64 / p as f64)).collect(),
            frequencies: frequencies.to_vec(),
            noise: 0.0,
        }
    }

    /// Makes the expert that multiplies modulo a prime p, of which `root` is a primitive root.
    pub fn multiplicative(p: usize, root: usize, frequencies: &[usize]) -> Expert {
        let mut angles = vec![None; p];
        let mut power = 1;
        for log in 0..p - 1 {
            angles[power] = Some(TAU * log as f64 / (p - 1) as f64);
            power = power * root % p;
        }
        Expert {
            angles,
            frequencies: frequencies.to_vec(),
            noise: 0.0,
        }
    }

    /// Returns cos or sin of a token's k-th angle plus a phase; 0 for a token without an angle.
    fn wave(&self, token: usize, k: usize, phase: f64) -> f64 {
        self.angles[token].map_or(0.0, |angle| (k as f64 * angle + phase).cos())
    }

    /// Returns frequency and phase of a neuron.
    fn neuron(&self, j: usize, d_mlp: usize) -> (usize, f64) {
        let count = self.frequencies.len();
        let phase = TAU * (j / count) as f64 / (d_mlp / count).max(1) as f64;
        (self.frequencies[j % count], phase)
    }

    /// Returns a snapshot of the expert: W_E, W_pos, W_out, W_U, attention, pre, post and logits.
    pub fn snapshot(&self, task: &Task, epoch: u64) -> SnapshotData {
        let (p, model) = (task.modulus, &task.model);
        let (d_model, d_mlp) = (model.d_model, model.d_mlp);
        let mut noise = Noise::new(epoch + 1);
        let mut data = SnapshotData::new(epoch);
        let mut weight = |name: &str, shape: &[usize], numbers: Vec<f64>| {
            let narrow = numbers.iter().map(|x| *x as f32).collect();
            data.add(format!("weight.{name}"), shape, Numbers::F32(narrow));
        };

        // Two columns of W_E for each frequency; the other columns, and '=', are noise.
        let mut w_e = Vec::with_capacity((p + 1) * d_model);
        for token in 0..=p {
            for column in 0..d_model {
                let wave = match self.frequencies.get(column / 2) {
                    Some(k) if token < p => self.wave(token, *k, -TAU / 4.0 * (column % 2) as f64),
                    _ => 0.0,
                };
                w_e.push(wave + self.noise * noise.next());
            }
        }
        weight("embed.W_E", &[p + 1, d_model], w_e);
        weight("pos_embed.W_pos", &[3, d_model], vec![0.25; 3 * d_model]);
        // W_L = W_out W_U goes through a cosine and a sine direction for each frequency.
        let mut w_out = vec![0.0; d_mlp * d_model];
        for j in 0..d_mlp {
            let (k, phase) = self.neuron(j, d_mlp);
            let at = self.frequencies.iter().position(|q| *q == k).unwrap_or(0);
            w_out[j * d_model + 2 * at] = (2.0 * phase).cos();
            w_out[j * d_model + 2 * at + 1] = -(2.0 * phase).sin();
        }
        let mut w_u = vec![0.0; d_model * p];
        for (at, k) in self.frequencies.iter().enumerate() {
            for c in 0..p {
                w_u[2 * at * p + c] = self.wave(c, *k, 0.0);
                w_u[(2 * at + 1) * p + c] = self.wave(c, *k, -TAU / 4.0);
            }
        }
        let mut post = Vec::with_capacity(p * p * d_mlp);
        for pair in 0..p * p {
            for j in 0..d_mlp {
                let (k, phase) = self.neuron(j, d_mlp);
                let both = self.wave(pair / p, k, phase) * self.wave(pair % p, k, phase);
                post.push(2.0 + 2.0 * both + self.noise * noise.next());
            }
        }
        let w_l = product(&w_out, &w_u, [d_mlp, d_model, p]);
        let logits = product(&post, &w_l, [p * p, d_mlp, p]);
        weight("blocks.0.mlp.W_out", &[d_mlp, d_model], w_out);
        weight("unembed.W_U", &[d_model, p], w_u);

        let half = [0.5f32, 0.5, 0.0].repeat(p * p * model.heads);
        data.add(
            "blocks.0.attn.hook_pattern",
            &[p * p, model.heads, 3],
            Numbers::F32(half),
        );
        let narrow = |numbers: &[f64]| Numbers::F32(numbers.iter().map(|x| *x as f32).collect());
        data.add("blocks.0.mlp.hook_pre", &[p * p, d_mlp], narrow(&post));
        data.add("blocks.0.mlp.hook_post", &[p * p, d_mlp], narrow(&post));
        data.add("logits", &[p * p, p], narrow(&logits));
        data
    }
}

/// Returns a snapshot with everything that this task can show except the history, as independent
/// normal numbers; attention is the softmax of such numbers.
pub fn random(task: &Task, epoch: u64, seed: u64) -> SnapshotData {
    let (p, m) = (task.modulus, &task.model);
    let (d, h, e, f) = (m.d_model, m.heads, m.d_head, m.d_mlp);
    let mut noise = Noise::new(seed);
    let mut data = SnapshotData::new(epoch);
    let weights: [(&str, Vec<usize>); 10] = [
        ("embed.W_E", vec![p + 1, d]),
        ("pos_embed.W_pos", vec![3, d]),
        ("blocks.0.attn.W_Q", vec![h, d, e]),
        ("blocks.0.attn.W_K", vec![h, d, e]),
        ("blocks.0.attn.W_V", vec![h, d, e]),
        ("blocks.0.attn.W_O", vec![h, e, d]),
        ("blocks.0.mlp.W_in", vec![d, f]),
        ("blocks.0.mlp.W_out", vec![f, d]),
        ("unembed.W_U", vec![d, p]),
        ("blocks.0.mlp.b_in", vec![f]),
    ];
    for kind in ["weight", "grad"] {
        for (name, shape) in &weights {
            let numbers = noise.take(shape.iter().product());
            data.add(format!("{kind}.{name}"), shape, Numbers::F32(numbers));
        }
    }
    let mut attention = Vec::with_capacity(p * p * h * 3);
    for _ in 0..p * p * h {
        let scores = [0; 3].map(|_| noise.next().exp());
        let sum: f64 = scores.iter().sum();
        attention.extend(scores.map(|x| (x / sum) as f32));
    }
    data.add(
        "blocks.0.attn.hook_pattern",
        &[p * p, h, 3],
        Numbers::F32(attention),
    );
    let pre = noise.take(p * p * f);
    let post = pre.iter().map(|x| x.max(0.0)).collect();
    data.add("blocks.0.mlp.hook_pre", &[p * p, f], Numbers::F32(pre));
    data.add("blocks.0.mlp.hook_post", &[p * p, f], Numbers::F32(post));
    data.add("logits", &[p * p, p], Numbers::F32(noise.take(p * p * p)));
    data
}

/// Returns `(m, k) · (k, n)`.
fn product(a: &[f64], b: &[f64], [m, k, n]: [usize; 3]) -> Vec<f64> {
    let mut out = vec![0.0; m * n];
    for i in 0..m {
        for q in 0..k {
            let x = a[i * k + q];
            for j in 0..n {
                out[i * n + j] += x * b[q * n + j];
            }
        }
    }
    out
}

/// Draws normal numbers from a small generator (SplitMix64 and Box–Muller). Tests need no better
/// one.
struct Noise(u64);

impl Noise {
    fn new(seed: u64) -> Noise {
        Noise(seed)
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (TAU * self.uniform()).cos()
    }

    fn take(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.next() as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::task;

    #[test]
    fn the_expert_solves_its_task() {
        let p = 11;
        let add = task("add", p, |a, b| Some((a + b) % 11));
        let mul = task("mul", p, |a, b| Some(a * b % 11));
        for (task, expert) in [
            (add, Expert::additive(p, &[1, 3, 4])),
            (mul, Expert::multiplicative(p, 2, &[1, 2, 3])),
        ] {
            expert
                .snapshot(&task, 0)
                .show(&crate::Needs::all(), |snapshot| {
                    let logits = snapshot.logits().unwrap();
                    for (pair, label) in task.labels.iter().enumerate() {
                        let row = logits.row(pair);
                        let best = (0..p).max_by(|i, j| row[*i].total_cmp(&row[*j])).unwrap();
                        let in_group =
                            expert.angles[pair / p].is_some() && expert.angles[pair % p].is_some();
                        if in_group {
                            assert_eq!(Some(best as u32), *label, "{} {pair}", task.operation);
                        }
                    }
                });
        }
    }
}
