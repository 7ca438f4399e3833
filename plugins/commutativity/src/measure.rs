//! The numbers of one snapshot: how far a model treats (a, b) and (b, a) alike.
//!
//! Owns which pairs count and every sum over them, in f64 and in a fixed order. Knows nothing of
//! epochs, thresholds or drawing.

use grokrun_api::{Failure, Task, Tensor};

/// Selects the pairs that count: those whose label is defined in both orders. A pair of which one
/// order is undefined is neither trained on nor tested on in that order, so nothing determines what
/// a model should do there.
pub(crate) struct Mirror {
    p: usize,
    /// indices a·p + b and b·p + a, a < b
    pairs: Vec<(usize, usize)>,
    /// indices a·p + a, their own mirror images: part of norms and means, never of a difference
    diagonal: Vec<usize>,
}

/// Compares a table N, `(p², width)`, with Nᵀ, its transpose in a and b; each number is a sum by
/// column.
pub(crate) struct Contrast {
    /// ‖N − Nᵀ‖²
    difference: Vec<f64>,
    /// ‖N‖², the diagonal included
    norm: Vec<f64>,
    /// the mean of ‖N − Nᵀ‖² over all ways to pair the off-diagonal entries at random
    chance: Vec<f64>,
}

/// Holds a head's attention from '=', over the pairs that count, in both orders.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    /// mean attention to a, to b, to '='
    pub(crate) mean: [f64; 3],
    /// mean of |attention to a − attention to b|
    pub(crate) absolute: f64,
}

impl Head {
    /// Returns mean attention to a minus mean attention to b.
    pub(crate) fn difference(&self) -> f64 {
        self.mean[0] - self.mean[1]
    }
}

impl Mirror {
    /// Selects the pairs of a task; none if the operation is defined for no two different operands
    /// in both orders.
    pub(crate) fn new(task: &Task) -> Option<Mirror> {
        let p = task.modulus;
        let defined = |pair: &usize| task.labels.get(*pair).is_some_and(Option::is_some);
        let pairs: Vec<(usize, usize)> = (0..p)
            .flat_map(|a| (a + 1..p).map(move |b| (a * p + b, b * p + a)))
            .filter(|(here, there)| defined(here) && defined(there))
            .collect();
        let diagonal = (0..p).map(|a| a * p + a).filter(defined).collect();
        (!pairs.is_empty()).then_some(Mirror { p, pairs, diagonal })
    }

    /// Returns the pairs with a < b that are compared with their mirror images.
    pub(crate) fn pairs(&self) -> &[(usize, usize)] {
        &self.pairs
    }

    /// Measures the attention of each head, from `(p², heads, 3)`.
    ///
    /// # Errors
    /// If the tensor has another shape.
    pub(crate) fn heads(&self, attention: Tensor<'_>) -> Result<Vec<Head>, Failure> {
        let heads = attention.size(1);
        self.expect("attention", attention, &[self.p * self.p, heads, 3])?;
        let mut sums = vec![[0.0; 4]; heads];
        let both = self.pairs.iter().flat_map(|(here, there)| [here, there]);
        for pair in both.chain(&self.diagonal) {
            let (row, _) = attention.row(*pair).as_chunks::<3>();
            for (sum, weights) in sums.iter_mut().zip(row) {
                let [a, b, equals] = weights.map(f64::from);
                let terms = [a, b, equals, (a - b).abs()];
                sum.iter_mut().zip(terms).for_each(|(s, x)| *s += x);
            }
        }
        let count = (2 * self.pairs.len() + self.diagonal.len()) as f64;
        let head = |sum: [f64; 4]| {
            let [a, b, equals, absolute] = sum.map(|s| s / count);
            Head {
                mean: [a, b, equals],
                absolute,
            }
        };
        Ok(sums.into_iter().map(head).collect())
    }

    /// Compares N[a, b, j] with N[b, a, j], for a table `(p², width)`, in the form ‖N − Nᵀ‖² / ‖N‖²
    /// (doc/definitions.md#commutativity).
    ///
    /// # Errors
    /// If the table has another shape.
    pub(crate) fn contrast(&self, name: &str, table: Tensor<'_>) -> Result<Contrast, Failure> {
        let width = table.size(1);
        self.expect(name, table, &[self.p * self.p, width])?;
        // Each row is read once, so only these sums have to stay in a cache.
        let mut sums = Sums::new(width);
        for (here, there) in &self.pairs {
            sums.add(table.row(*here), table.row(*there).iter());
        }
        Ok(self.finish(sums, table))
    }

    /// Compares N[a, b, c] with N[b, a, −c], for logits `(p², p)`: they are equal in a model of an
    /// operation with f(b, a) = −f(a, b) that has learnt it.
    ///
    /// # Errors
    /// If the logits have another shape.
    pub(crate) fn opposite(&self, logits: Tensor<'_>) -> Result<Contrast, Failure> {
        self.expect("logits", logits, &[self.p * self.p, self.p])?;
        let mut sums = Sums::new(self.p);
        for (here, there) in &self.pairs {
            // −c for c = 0, 1, 2, … is 0, p − 1, p − 2, …
            let (zero, others) = logits.row(*there).split_at(1);
            sums.add(logits.row(*here), zero.iter().chain(others.iter().rev()));
        }
        Ok(self.finish(sums, logits))
    }

    fn finish(&self, sums: Sums, table: Tensor<'_>) -> Contrast {
        let entries = 2.0 * self.pairs.len() as f64;
        let chance = |(sum, square): (&f64, &f64)| {
            // m (x − x')² for two different of m entries: 2 m² / (m − 1) times their variance.
            let spread = square - sum * sum / entries;
            // Rounding may leave less than 0; NaN stays NaN.
            let spread = if spread < 0.0 { 0.0 } else { spread };
            2.0 * spread * entries / (entries - 1.0)
        };
        let chance = sums.sum.iter().zip(&sums.square).map(chance).collect();
        let mut norm = sums.square;
        for pair in &self.diagonal {
            let row = table.row(*pair).iter().map(|x| f64::from(*x));
            norm.iter_mut().zip(row).for_each(|(n, x)| *n += x * x);
        }
        Contrast {
            difference: sums.difference,
            norm,
            chance,
        }
    }

    fn expect(&self, name: &str, tensor: Tensor<'_>, shape: &[usize]) -> Result<(), Failure> {
        if tensor.shape() == shape && tensor.data().len() == shape.iter().product::<usize>() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{name} has shape {:?} and {} numbers; expected {shape:?}, a row for each pair of modulus {}",
            tensor.shape(),
            tensor.data().len(),
            self.p
        )))
    }
}

/// Accumulates sums over off-diagonal entries, by column.
struct Sums {
    difference: Vec<f64>,
    sum: Vec<f64>,
    square: Vec<f64>,
}

impl Sums {
    fn new(width: usize) -> Sums {
        let zeros = || vec![0.0; width];
        Sums {
            difference: zeros(),
            sum: zeros(),
            square: zeros(),
        }
    }

    /// Adds a row and its mirror image, both as N and as Nᵀ: the difference counts twice.
    fn add<'a>(&mut self, here: &[f32], there: impl Iterator<Item = &'a f32>) {
        let sums = self.difference.iter_mut().zip(&mut self.sum);
        let sums = sums.zip(&mut self.square);
        for (((difference, sum), square), (x, y)) in sums.zip(here.iter().zip(there)) {
            let (x, y) = (f64::from(*x), f64::from(*y));
            *difference += 2.0 * (x - y) * (x - y);
            *sum += x + y;
            *square += x * x + y * y;
        }
    }
}

impl Contrast {
    /// Returns ‖N − Nᵀ‖² / ‖N‖² over all columns: 0 if N is symmetric, 4 if it is antisymmetric.
    pub(crate) fn asymmetry(&self) -> f64 {
        share(self.difference.iter().sum(), self.norm.iter().sum())
    }

    /// Returns the mean of [`Contrast::asymmetry`] for the same numbers in the same columns if no
    /// entry were related to its mirror image: 2 (1 − 1/p) for noise of mean zero on the full grid,
    /// less if columns have a mean, as after a ReLU.
    pub(crate) fn control(&self) -> f64 {
        share(self.chance.iter().sum(), self.norm.iter().sum())
    }

    /// Returns ‖N − Nᵀ‖² / ‖N‖² of each column.
    pub(crate) fn by_column(&self) -> Vec<f64> {
        let columns = self.difference.iter().zip(&self.norm);
        columns.map(|(part, norm)| share(*part, *norm)).collect()
    }
}

/// Returns a share: 0 if all is 0, as a neuron that never fires is symmetric; NaN if a number was
/// not finite.
fn share(part: f64, norm: f64) -> f64 {
    if norm == 0.0 { 0.0 } else { part / norm }
}

/// Returns ‖u − v‖² / (‖u‖ ‖v‖) and cos(u, v) of the first two rows of W_pos `(3, d_model)`; NaN if
/// one of them is 0.
///
/// # Errors
/// If there are not two rows.
pub(crate) fn positions(w_pos: Tensor<'_>) -> Result<[f64; 2], Failure> {
    let (u, v) = (w_pos.row(0), w_pos.row(1));
    if w_pos.shape().len() != 2 || v.is_empty() {
        return Err(Failure::new(format!(
            "pos_embed.W_pos has shape {:?}; expected (3, d_model)",
            w_pos.shape()
        )));
    }
    let [mut uu, mut vv, mut uv, mut apart] = [0.0; 4];
    for (x, y) in u.iter().zip(v) {
        let (x, y) = (f64::from(*x), f64::from(*y));
        uu += x * x;
        vv += y * y;
        uv += x * y;
        apart += (x - y) * (x - y);
    }
    let norms = (uu * vv).sqrt();
    Ok([apart / norms, uv / norms])
}
