//! The numbers: how far a model treats (a, b) and (b, a) alike.

use grokrun_api::{Failure, Task, Tensor};

/// The pairs of places (a, b) and (b, a) with a < b that are compared: those whose labels are both
/// defined. The diagonal is its own mirror image and says nothing.
pub(crate) struct Mirror {
    /// indices a·p + b and b·p + a
    pairs: Vec<(usize, usize)>,
}

/// How the operation itself behaves when its operands are swapped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Symmetry {
    /// f(b, a) = f(a, b) for all pairs
    Commutative,
    /// f(b, a) = −f(a, b) for all pairs, as a − b
    Antisymmetric,
    /// neither; the share of pairs with f(b, a) = f(a, b)
    Partial(f64),
}

impl Mirror {
    /// # Errors
    /// When the operation has no pair that could be compared.
    pub(crate) fn new(task: &Task) -> Result<Mirror, Failure> {
        let p = task.modulus;
        let defined = |pair: usize| task.labels.get(pair).is_some_and(Option::is_some);
        let pairs: Vec<(usize, usize)> = (0..p)
            .flat_map(|a| (a + 1..p).map(move |b| (a * p + b, b * p + a)))
            .filter(|(here, there)| defined(*here) && defined(*there))
            .collect();
        match pairs.is_empty() {
            true => Err(Failure::new(
                "the operation is defined for no pair in both orders; there is nothing to compare",
            )),
            false => Ok(Mirror { pairs }),
        }
    }

    /// The operation's own symmetry.
    pub(crate) fn symmetry(&self, task: &Task) -> Symmetry {
        let p = task.modulus as u32;
        let label = |pair: usize| task.labels[pair].unwrap_or_default();
        let share = |same: &dyn Fn(u32, u32) -> bool| {
            let count = self
                .pairs
                .iter()
                .filter(|(here, there)| same(label(*here), label(*there)))
                .count();
            count as f64 / self.pairs.len() as f64
        };
        let (equal, opposite) = (share(&|x, y| x == y), share(&|x, y| (x + y) % p == 0));
        if equal == 1.0 {
            Symmetry::Commutative
        } else if opposite == 1.0 {
            Symmetry::Antisymmetric
        } else {
            Symmetry::Partial(equal)
        }
    }

    /// Mean attention by head and position, `(heads, 3)`, over the compared pairs in both orders.
    pub(crate) fn mean_attention(&self, attention: Tensor<'_>) -> Vec<f64> {
        let width = attention.shape().iter().skip(1).product();
        let mut sums = vec![0.0; width];
        for pair in self.pairs.iter().flat_map(|(here, there)| [*here, *there]) {
            for (sum, x) in sums.iter_mut().zip(attention.row(pair)) {
                *sum += f64::from(*x);
            }
        }
        let count = 2.0 * self.pairs.len() as f64;
        sums.iter_mut().for_each(|sum| *sum /= count);
        sums
    }

    /// ‖N − Nᵀ‖² and ‖N‖² of each column of `(p², width)`, where the transpose swaps the operands:
    /// science §3.2, "Commutativity of neurons", in the squared form of §5.5.
    pub(crate) fn difference(&self, table: Tensor<'_>) -> Vec<[f64; 2]> {
        self.compare(table, |column| column)
    }

    /// The same between N[a, b, c] and N[b, a, −c], for logits `(p², p)` of an antisymmetric
    /// operation.
    pub(crate) fn opposite(&self, logits: Tensor<'_>) -> Vec<[f64; 2]> {
        let p = logits.shape().last().copied().unwrap_or(1);
        self.compare(logits, |class| (p - class) % p)
    }

    fn compare(&self, table: Tensor<'_>, mirror: impl Fn(usize) -> usize) -> Vec<[f64; 2]> {
        let width = table.shape().iter().skip(1).product();
        let mirrored: Vec<usize> = (0..width).map(mirror).collect();
        let mut sums = vec![[0.0; 2]; width];
        for (here, there) in &self.pairs {
            let (here, there) = (table.row(*here), table.row(*there));
            for ((sum, x), at) in sums.iter_mut().zip(here).zip(&mirrored) {
                let (x, y) = (f64::from(*x), f64::from(there[*at]));
                // Both orders: the difference counts twice, and each entry once.
                sum[0] += 2.0 * (x - y) * (x - y);
                sum[1] += x * x + y * y;
            }
        }
        sums
    }
}

/// The share of the norm that is difference, over all columns; 0 where nothing is there at all.
pub(crate) fn share(columns: &[[f64; 2]]) -> f64 {
    let total = |part: usize| columns.iter().map(|column| column[part]).sum::<f64>();
    ratio([total(0), total(1)])
}

/// The share of one column.
pub(crate) fn ratio([difference, norm]: [f64; 2]) -> f64 {
    if norm > 0.0 { difference / norm } else { 0.0 }
}

/// ‖u − v‖² / (‖u‖ ‖v‖) and the cosine of the first two rows of W_pos: science §3.2, "Positional
/// symmetry".
pub(crate) fn positions(w_pos: Tensor<'_>) -> [f64; 2] {
    let (u, v) = (w_pos.row(0), w_pos.row(1));
    let dot = |u: &[f32], v: &[f32]| -> f64 {
        u.iter()
            .zip(v)
            .map(|(x, y)| f64::from(*x) * f64::from(*y))
            .sum()
    };
    let norms = (dot(u, u) * dot(v, v)).sqrt();
    let apart = dot(u, u) + dot(v, v) - 2.0 * dot(u, v);
    match norms > 0.0 {
        true => [apart.max(0.0) / norms, dot(u, v) / norms],
        false => [0.0, 0.0],
    }
}
