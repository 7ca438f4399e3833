//! For the tests of analyses: tasks of groups, and a model that solves them by construction.

use grokrun_api::testing::task;
use grokrun_api::{Numbers, SnapshotData, Task};
use grokrun_basis::{Basis, GroupTable, gaussian};

use crate::{product, space};

/// Returns the task of a named group, "S4": the product of all pairs.
///
/// # Panics
/// When there is no such group: a test names one.
#[track_caller]
pub fn group(name: &str) -> Task {
    let table = GroupTable::named(name).unwrap_or_else(|| panic!("there is no group {name}"));
    let product = |a: u32, b: u32| Some(table.product(a as usize, b as usize) as u32);
    task(&format!("group {name}"), table.order(), product)
}

/// A model that multiplies in a group by construction, through some of its irreducible
/// representations over the real numbers: for each entry (s, j) of a matrix and each m a neuron
/// whose output is ρ_jm(a) ρ_ms(b), so that the neurons of an entry add to ρ_js(ab), and its row of
/// W_L is that entry of the class. The logits are `scale` Σ χ_ρ(a b c⁻¹).
#[derive(Clone, Debug)]
pub struct GroupExpert {
    /// the numbers of the representations in the group's basis
    pub components: Vec<usize>,
    /// the logit of the right class is this times the sum of the degrees
    pub scale: f64,
    /// standard deviation of what is added to W_E and to the neurons' outputs
    pub noise: f64,
}

/// One neuron: its values over the pairs, and which row of the basis it adds to.
struct Neuron {
    of_a: Vec<f64>,
    of_b: Vec<f64>,
    row: usize,
}

impl GroupExpert {
    /// Returns one without noise.
    pub fn new(components: &[usize]) -> GroupExpert {
        GroupExpert {
            components: components.to_vec(),
            scale: 4.0,
            noise: 0.0,
        }
    }

    /// Returns the task of a named group with a model of this expert's size.
    ///
    /// # Panics
    /// When there is no such group: a test names one.
    #[track_caller]
    pub fn task(&self, name: &str) -> Task {
        let mut task = group(name);
        let basis = basis(&task);
        task.model.d_mlp = self.neurons(&task, &basis).len();
        task.model.d_model = basis.modulus();
        task
    }

    fn neurons(&self, task: &Task, basis: &Basis) -> Vec<Neuron> {
        let table = GroupTable::of(&task.labels, task.modulus);
        let table = table.unwrap_or_else(|| panic!("{} is no group", task.operation));
        let (n, matrix) = (task.modulus, basis.matrix());
        let value = |row: usize, g: usize| matrix[row * n + g];
        let mut neurons = Vec::new();
        for k in &self.components {
            let rows: Vec<usize> = basis.rows_of(*k).collect();
            let size = (1..=rows.len()).find(|size| size * size == rows.len());
            let size = size.unwrap_or_else(|| panic!("component {k} is not real"));
            // ρ_jm(g) = ⟨v_j, L_g v_m⟩ in the first copy.
            let entry = |j: usize, m: usize, g: usize| -> f64 {
                let moved = |x: usize| table.product(table.inverse(g), x);
                (0..n)
                    .map(|x| value(rows[j], x) * value(rows[m], moved(x)))
                    .sum()
            };
            for j in 0..size {
                for m in 0..size {
                    let of_a: Vec<f64> = (0..n).map(|g| entry(j, m, g)).collect();
                    for s in 0..size {
                        neurons.push(Neuron {
                            of_a: of_a.clone(),
                            of_b: (0..n).map(|g| value(rows[s * size + m], g)).collect(),
                            row: rows[s * size + j],
                        });
                    }
                }
            }
        }
        neurons
    }

    /// Returns what a snapshot of it shows: W_E, W_pos, W_out, W_U, attention, pre, post, logits.
    ///
    /// # Panics
    /// When the task is not one that [`GroupExpert::task`] made.
    pub fn snapshot(&self, task: &Task, epoch: u64) -> SnapshotData {
        let (n, basis) = (task.modulus, basis(task));
        let neurons = self.neurons(task, &basis);
        let (d_model, d_mlp) = (task.model.d_model, task.model.d_mlp);
        assert_eq!(
            (d_model, d_mlp),
            (n, neurons.len()),
            "the model is another expert's"
        );
        let matrix = basis.matrix();
        let noise = |seed: i64, count: usize| -> Vec<f32> {
            let scale = self.noise as f32;
            let seed = epoch.cast_signed() + seed;
            gaussian(seed, count).iter().map(|x| scale * x).collect()
        };
        // A column of W_E and a row of W_U for each row of the basis that is used.
        let mut w_e = noise(1, (n + 1) * d_model);
        let (mut w_out, mut w_u) = (vec![0.0f32; d_mlp * d_model], vec![0.0f32; d_model * n]);
        for k in &self.components {
            let degree = basis.components()[k - 1].degree as f64;
            for row in basis.rows_of(*k) {
                for g in 0..n {
                    // Entries of a matrix are √(n/d) times as large as rows of the basis.
                    w_e[g * d_model + row] +=
                        ((n as f64 / degree).sqrt() * matrix[row * n + g]) as f32;
                    w_u[row * n + g] =
                        (self.scale * n as f64 / degree * matrix[row * n + g]) as f32;
                }
            }
        }
        for (neuron, one) in neurons.iter().enumerate() {
            w_out[neuron * d_model + one.row] = 1.0;
        }
        let mut post = noise(2, n * n * d_mlp);
        for (pair, row) in post.chunks_exact_mut(d_mlp).enumerate() {
            for (out, neuron) in row.iter_mut().zip(&neurons) {
                *out += (neuron.of_a[pair / n] * neuron.of_b[pair % n]) as f32;
            }
        }
        let logits = product(&post, &product(&w_out, &w_u, d_model), d_mlp);
        let heads = task.model.heads;
        let mut data = SnapshotData::new(epoch);
        for (name, shape, numbers) in [
            ("weight.embed.W_E", vec![n + 1, d_model], w_e),
            (
                "weight.pos_embed.W_pos",
                vec![3, d_model],
                vec![0.25; 3 * d_model],
            ),
            ("weight.blocks.0.mlp.W_out", vec![d_mlp, d_model], w_out),
            ("weight.unembed.W_U", vec![d_model, n], w_u),
            (
                "blocks.0.attn.hook_pattern",
                vec![n * n, heads, 3],
                [0.5, 0.5, 0.0].repeat(n * n * heads),
            ),
            ("blocks.0.mlp.hook_pre", vec![n * n, d_mlp], post.clone()),
            ("blocks.0.mlp.hook_post", vec![n * n, d_mlp], post),
            ("logits", vec![n * n, n], logits),
        ] {
            data.add(name, &shape, Numbers::F32(numbers));
        }
        data
    }
}

fn basis(task: &Task) -> Basis {
    let space = space("group", task).unwrap_or_else(|error| panic!("{}: {error}", task.operation));
    space.basis().clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logits are sums of characters, which are the published ones: of the standard
    /// representation of S4, fixed points − 1.
    #[test]
    fn logits_are_characters() {
        let expert = GroupExpert::new(&[3]);
        let task = expert.task("S4");
        let table = GroupTable::named("S4").unwrap();
        let fixed = [4.0, 2.0, 2.0, 1.0, 1.0, 2.0];
        expert
            .snapshot(&task, 0)
            .show(&grokrun_api::Needs::all(), |snapshot| {
                let logits = snapshot.logits().unwrap();
                for (pair, c) in [(0, 0), (25, 7), (100, 3), (575, 23)] {
                    let label = table.product(pair / 24, pair % 24);
                    let at = table.product(label, table.inverse(c));
                    let got = f64::from(logits.row(pair)[c]);
                    if at < fixed.len() {
                        let want = 4.0 * (fixed[at] - 1.0);
                        assert!((got - want).abs() < 1e-4, "{pair} {c}: {got} {want}");
                    }
                    let own = f64::from(logits.row(pair)[label]);
                    assert!((own - 12.0).abs() < 1e-4, "{own}");
                }
            });
    }
}
