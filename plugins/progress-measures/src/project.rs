//! Reduces tables over pairs to their parts along the directions of the label.
//!
//! The projection on functions of the label is itself a function of the label, so p rows stand for
//! p² pairs. The parts along **all** directions are kept, `(directions, classes)`: from them the
//! projection on any choice of frequencies is made later, without the table.

use grokrun_basis::vectorized;

use crate::task_pairs::TaskPairs;

/// Holds a table's parts.
pub(crate) struct Parts {
    /// coefficient of each column along each direction, `(directions, width)`
    pub(crate) along: Vec<f64>,
    /// mean of each column over the block, `(width)`
    pub(crate) mean: Vec<f64>,
    /// Σ x² of each column over the block, `(width)`
    pub(crate) squares: Vec<f64>,
}

impl Parts {
    /// Reduces a table `(p², width)`.
    pub(crate) fn of(task: &TaskPairs, table: &[f32], width: usize) -> Parts {
        let mut sums = vec![0.0; task.p * width];
        let mut squares = vec![0.0; width];
        vectorized(|| {
            for (pair, label) in &task.block {
                let row = &table[pair * width..(pair + 1) * width];
                let sums = &mut sums[label * width..(label + 1) * width];
                for ((sum, square), x) in sums.iter_mut().zip(&mut squares).zip(row) {
                    let x = f64::from(*x);
                    *sum += x;
                    *square += x * x;
                }
            }
        });
        let mut mean = vec![0.0; width];
        for row in sums.chunks_exact(width.max(1)) {
            mean.iter_mut().zip(row).for_each(|(m, x)| *m += x);
        }
        let pairs = task.block.len().max(1) as f64;
        mean.iter_mut().for_each(|m| *m /= pairs);
        let mut along = vec![0.0; task.directions.len() * width];
        let rows = along.chunks_exact_mut(width.max(1));
        for (direction, out) in task.directions.iter().zip(rows) {
            for (weight, row) in direction
                .by_label
                .iter()
                .zip(sums.chunks_exact(width.max(1)))
            {
                out.iter_mut().zip(row).for_each(|(o, x)| *o += weight * x);
            }
        }
        Parts {
            along,
            mean,
            squares,
        }
    }

    /// Returns Σ (x − mean)² of each column over the block, `(width)`.
    fn variance(&self, task: &TaskPairs) -> Vec<f64> {
        let pairs = task.block.len() as f64;
        let of = |(square, mean): (&f64, &f64)| {
            let energy = square - mean * mean * pairs;
            // The rounding error of a constant column is no variance; NaN stays.
            if energy <= 1e-12 * square {
                0.0
            } else {
                energy
            }
        };
        self.squares.iter().zip(&self.mean).map(of).collect()
    }

    /// Returns the share of the variance of all columns together that lies on the directions of all
    /// frequencies; 0 if there is none.
    pub(crate) fn explained(&self, task: &TaskPairs) -> f64 {
        let variance: f64 = self.variance(task).iter().sum();
        let along: f64 = self.along.iter().map(|c| c * c).sum();
        if variance == 0.0 {
            0.0
        } else {
            along / variance
        }
    }

    /// Returns, for each frequency, the mean over columns of its share of the column's variance,
    /// `(frequencies)`: Σ projections² / Σ (x − mean)². Columns without variance (dead neurons) do
    /// not count; NaN if there is no other. Their sum over the key frequencies is the trig ratio.
    pub(crate) fn shares(&self, task: &TaskPairs) -> Vec<f64> {
        let variance = self.variance(task);
        let units = variance.iter().filter(|v| **v != 0.0).count() as f64;
        let mut shares = vec![0.0; task.frequencies()];
        let rows = self.along.chunks_exact(self.mean.len().max(1));
        for (direction, row) in task.directions.iter().zip(rows) {
            let ratio = |(c, v): (&f64, &f64)| if *v == 0.0 { 0.0 } else { c * c / v };
            let sum: f64 = row.iter().zip(&variance).map(ratio).sum();
            shares[direction.frequency - 1] += sum / units;
        }
        if units == 0.0 {
            shares.fill(f64::NAN);
        }
        shares
    }
}

/// Holds logits, and the part of them that comes from neurons, along each direction: all that trig
/// and restricted losses of any key frequencies need. f32 halves what is kept of each checkpoint.
pub(crate) struct Logits {
    /// of the logits, `(directions, p)`
    pub(crate) whole: Vec<f32>,
    /// of the neurons' outputs, then through W_L = W_out W_U, `(directions, p)`
    pub(crate) neurons: Vec<f32>,
}

/// Returns the projection on the directions of these frequencies as a function of the label, `(p,
/// p)`: row a label, column a class; from coefficients `(directions, p)`.
pub(crate) fn projection(task: &TaskPairs, along: &[f32], keys: &[usize]) -> Vec<f64> {
    let p = task.p;
    let mut table = vec![0.0; p * p];
    for (direction, row) in task.directions.iter().zip(along.chunks_exact(p)) {
        if keys.contains(&direction.frequency) {
            add_outer(&mut table, &direction.by_label, row);
        }
    }
    table
}

/// Adds `column · rowᵀ`.
fn add_outer(table: &mut [f64], column: &[f64], row: &[f32]) {
    for (weight, out) in column.iter().zip(table.chunks_exact_mut(row.len())) {
        if *weight != 0.0 {
            out.iter_mut()
                .zip(row)
                .for_each(|(o, x)| *o += weight * f64::from(*x));
        }
    }
}

/// Holds the cubes C_k(a, b, c) = cos w_k(f(a, b) − c), of length 1 over block and group, and the
/// part of the logits along each (doc/definitions.md#progress-measures).
pub(crate) struct Cubes {
    /// α_k = ⟨L, C_k⟩, `(frequencies)`
    pub(crate) coefficients: Vec<f64>,
    /// ‖L‖ over the block and the classes of the group, not centred
    pub(crate) norm: f64,
}

impl Cubes {
    pub(crate) fn of(task: &TaskPairs, logits: &Parts) -> Cubes {
        let mut coefficients = vec![0.0; task.frequencies()];
        for (direction, row) in task
            .directions
            .iter()
            .zip(logits.along.chunks_exact(task.p))
        {
            if let Some(by_class) = &direction.by_class {
                let dot: f64 = by_class.iter().zip(row).map(|(f, c)| f * c).sum();
                coefficients[direction.frequency - 1] += dot / parts(task, direction.frequency);
            }
        }
        let squares = task.classes.iter().map(|class| logits.squares[*class]);
        Cubes {
            coefficients,
            norm: squares.sum::<f64>().sqrt(),
        }
    }

    /// Returns α_k/‖L‖, `(frequencies)`; 0 if the logits vanish.
    pub(crate) fn cosines(&self) -> Vec<f64> {
        let cosine = |a: &f64| {
            if self.norm == 0.0 { 0.0 } else { a / self.norm }
        };
        self.coefficients.iter().map(cosine).collect()
    }

    /// Returns ‖L − Σ α_k C_k‖/‖L‖ over these frequencies.
    pub(crate) fn residual(&self, keys: &[usize]) -> f64 {
        let cosines = self.cosines();
        let squares = keys.iter().filter_map(|k| cosines.get(k.checked_sub(1)?));
        let explained: f64 = squares.map(|c| c * c).sum();
        // max would turn NaN into 0.
        let rest = 1.0 - explained;
        if rest < 0.0 { 0.0 } else { rest.sqrt() }
    }

    /// Returns Σ α_k C_k over these frequencies as a function of the label, `(p, p)`.
    pub(crate) fn sum(&self, task: &TaskPairs, keys: &[usize]) -> Vec<f64> {
        let mut table = vec![0.0; task.p * task.p];
        for direction in &task.directions {
            let k = direction.frequency;
            if let (true, Some(by_class)) = (keys.contains(&k), &direction.by_class) {
                let scale = self.coefficients[k - 1] / parts(task, k);
                let row: Vec<f32> = by_class.iter().map(|f| (scale * f) as f32).collect();
                add_outer(&mut table, &direction.by_label, &row);
            }
        }
        table
    }
}

/// Returns the length of cos cos + sin sin: √2, or 1 for the alternating frequency.
fn parts(task: &TaskPairs, k: usize) -> f64 {
    (task.basis.rows_of(k).len() as f64).sqrt()
}
