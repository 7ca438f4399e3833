//! Measures how much of each column of a table over pairs is explained by each component.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::basis::Basis;
use crate::labels::LabelBasis;
use crate::product::product;

/// How many columns are transformed together.
const COLUMNS: usize = 16;

/// Holds the energies of `width` columns: neurons, or logits.
#[derive(Clone, Debug, PartialEq)]
pub struct Energies {
    /// energy of each column without its mean, `(width)`
    pub total: Vec<f64>,
    /// energy of each column's part in each component, `(components, width)`, number 1 first
    pub by_component: Vec<Vec<f64>>,
}

/// Holds a column's best component and the share of its energy there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    pub(crate) component: usize,
    pub(crate) share: f64,
}

impl Energies {
    /// Measures tables `(p², width)` in a basis of the operands: component k has the terms {const,
    /// rows of k} of a times those of b, without the constant: of frequency k, {const, cos k, sin
    /// k} (doc/definitions.md#terms-of-a-frequency). Pairs with a residue outside of the group do
    /// not count; the mean is that of the group's block (doc/definitions.md#the-pairs-that-count).
    ///
    /// The mean, which is in no component, is subtracted from each column first, so that f32
    /// suffices for the transform along a: it is right to 1e-6 of what varies.
    pub fn in_basis(basis: &Basis, table: &[f32]) -> Energies {
        let p = basis.modulus();
        let width = table.len() / (p * p).max(1);
        let matrix = basis.matrix();
        let narrow: Vec<f32> = matrix.iter().map(|x| *x as f32).collect();
        let moments = Moments::over_block(basis, table, width);
        let means = moments.means();
        let mut by_component = vec![vec![0.0; width]; basis.count()];
        // A few columns at a time: the intermediate result of the two transforms stays in the
        // cache.
        let starts: Vec<usize> = (0..width).step_by(COLUMNS).collect();
        let parts = starts.par_iter().map(|from| {
            let means = &means[*from..width.min(from + COLUMNS)];
            let part = columns(table, width, *from, means);
            let along_a = product(&narrow, &part, p);
            let components = 1..=basis.count();
            let energies = components.map(|k| {
                let mut energy = [0.0; COLUMNS];
                if !basis.is_cyclic() {
                    add_products(basis, &narrow, &along_a, k, &mut energy[..means.len()]);
                    return energy;
                }
                vectorized(AddBlock {
                    basis,
                    matrix: &matrix,
                    along_a: &along_a,
                    k,
                    energy: &mut energy[..means.len()],
                });
                energy
            });
            energies.collect::<Vec<_>>()
        });
        for (from, energies) in starts.iter().zip(parts.collect::<Vec<_>>()) {
            for (all, energy) in by_component.iter_mut().zip(energies) {
                let to = &mut all[*from..width.min(from + COLUMNS)];
                to.copy_from_slice(&energy[..to.len()]);
            }
        }
        Energies {
            total: moments.energies(),
            by_component,
        }
    }

    /// Measures tables `(p², width)` along the directions of the label.
    pub fn along_labels(labels: &LabelBasis, table: &[f32]) -> Energies {
        let width = table.len() / labels.labels().len().max(1);
        let sums = labels.sums(table);
        let counted = labels.labels().iter().zip(table.chunks_exact(width.max(1)));
        let counted = counted
            .filter(|(label, _)| label.is_some())
            .map(|(_, row)| row);
        let total = Moments::of(counted, width, labels.pairs()).energies();
        let by_component = (1..=labels.count())
            .map(|k| {
                let mut energy = vec![0.0; width];
                for term in labels.coefficients(k, &sums) {
                    energy.iter_mut().zip(term).for_each(|(e, c)| *e += c * c);
                }
                energy
            })
            .collect();
        Energies {
            total,
            by_component,
        }
    }

    /// Returns the number of columns.
    pub fn width(&self) -> usize {
        self.total.len()
    }

    /// Returns each column's best component and the share of its energy there; 0 and 0 for a column
    /// that is constant.
    pub fn best(&self) -> Vec<(usize, f64)> {
        (0..self.width())
            .map(|column| {
                let best = self.best_of(column);
                (best.component, best.share)
            })
            .collect()
    }

    fn best_of(&self, column: usize) -> Best {
        let none = Best {
            component: 0,
            share: 0.0,
        };
        let total = self.total[column];
        if total.is_nan() || total <= 0.0 {
            return none;
        }
        (1..)
            .zip(&self.by_component)
            .map(|(component, energy)| Best {
                component,
                share: energy[column] / total,
            })
            .fold(
                none,
                |best, next| {
                    if next.share > best.share { next } else { best }
                },
            )
    }

    /// Returns the share of all columns' energy that each component has, `(components)`.
    pub fn shares(&self) -> Vec<f64> {
        let total: f64 = self.total.iter().sum();
        let share = |energy: &Vec<f64>| energy.iter().sum::<f64>() / total;
        self.by_component
            .iter()
            .map(|energy| if total > 0.0 { share(energy) } else { 0.0 })
            .collect()
    }
}

/// Runs loops with the widest vectors of the processor. Nothing is contracted or reordered, so that
/// the result is the same to the bit. A function that is called inside is compiled so only if it is
/// inlined: short closures are; for longer loops write a [`WithSimd`] whose method is
/// `#[inline(always)]`.
#[inline(always)]
pub fn vectorized<L: WithSimd>(loops: L) -> L::Output {
    Arch::new().dispatch(loops)
}

/// Adds the energy of a representation's terms, given the coefficients along a, `(p, p, columns)`,
/// and the basis's matrix in f32: a product of matrices for each row, since there are many.
fn add_products(basis: &Basis, matrix: &[f32], along_a: &[f32], k: usize, energy: &mut [f64]) {
    let (p, columns, constant) = (basis.modulus(), energy.len(), basis.constant());
    let rows: Vec<usize> = std::iter::once(constant).chain(basis.rows_of(k)).collect();
    let of_b: Vec<f32> = rows
        .iter()
        .flat_map(|row| matrix[row * p..(row + 1) * p].iter().copied())
        .collect();
    for i in &rows {
        let slab = &along_a[i * p * columns..(i + 1) * p * columns];
        let terms = product(&of_b, slab, p);
        // The first row is the constant of b.
        let skipped = if *i == constant { columns } else { 0 };
        for term in terms[skipped..].chunks_exact(columns) {
            let pairs = energy.iter_mut().zip(term);
            pairs.for_each(|(e, c)| *e += f64::from(*c).powi(2));
        }
    }
}

/// Adds the energy of frequency k's terms, given the coefficients along a, `(p, p, columns)`. Only
/// the b's of the group are summed over: the group's rows vanish elsewhere.
struct AddBlock<'a> {
    basis: &'a Basis,
    matrix: &'a [f64],
    along_a: &'a [f32],
    k: usize,
    energy: &'a mut [f64],
}

impl WithSimd for AddBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let AddBlock {
            basis,
            matrix,
            along_a,
            k,
            energy,
        } = self;
        let (p, columns, constant) = (basis.modulus(), energy.len(), basis.constant());
        let rows: Vec<usize> = std::iter::once(constant).chain(basis.rows_of(k)).collect();
        let mut terms = [const { [0.0; COLUMNS] }; 3];
        for i in &rows {
            for term in &mut terms {
                term[..columns].fill(0.0);
            }
            for b in basis.order() {
                let values = &along_a[(i * p + b) * columns..][..columns];
                for (term, j) in terms.iter_mut().zip(&rows) {
                    let weight = matrix[j * p + b];
                    let pairs = term[..columns].iter_mut().zip(values);
                    pairs.for_each(|(t, x)| *t += weight * f64::from(*x));
                }
            }
            for (term, j) in terms.iter().zip(&rows) {
                if (*i, *j) != (constant, constant) {
                    let pairs = energy.iter_mut().zip(term);
                    pairs.for_each(|(e, c)| *e += c * c);
                }
            }
        }
    }
}

/// Returns as many of the `width` columns of a table as there are `means`, from column `from` on,
/// each without its mean.
fn columns(table: &[f32], width: usize, from: usize, means: &[f32]) -> Vec<f32> {
    let mut part = vec![0.0; table.len() / width * means.len()];
    vectorized(|| {
        let rows = part.chunks_exact_mut(means.len());
        for (out, row) in rows.zip(table.chunks_exact(width)) {
            let numbers = row[from..].iter().zip(means);
            for (out, (x, mean)) in out.iter_mut().zip(numbers) {
                *out = x - mean;
            }
        }
    });
    part
}

/// Accumulates what a column's mean and energy are computed from.
struct Moments {
    /// number of rows
    count: f64,
    /// Σ x, `(width)`
    sums: Vec<f64>,
    /// Σ x², `(width)`
    squares: Vec<f64>,
}

impl Moments {
    /// Sums over the rows of the group's block.
    fn over_block(basis: &Basis, table: &[f32], width: usize) -> Moments {
        let p = basis.modulus();
        let inside = |token: usize| !basis.outside().contains(&token);
        let rows = table
            .chunks_exact(width.max(1))
            .enumerate()
            .filter(|(pair, _)| inside(pair / p) && inside(pair % p))
            .map(|(_, row)| row);
        Moments::of(rows, width, basis.group() * basis.group())
    }

    fn of<'a>(rows: impl Iterator<Item = &'a [f32]>, width: usize, count: usize) -> Moments {
        let (mut sums, mut squares) = (vec![0.0; width], vec![0.0; width]);
        vectorized(|| {
            for row in rows {
                for ((sum, square), x) in sums.iter_mut().zip(&mut squares).zip(row) {
                    let x = f64::from(*x);
                    *sum += x;
                    *square += x * x;
                }
            }
        });
        Moments {
            count: count.max(1) as f64,
            sums,
            squares,
        }
    }

    fn means(&self) -> Vec<f32> {
        let mean = |sum: &f64| (sum / self.count) as f32;
        self.sums.iter().map(mean).collect()
    }

    /// Returns Σ (x − mean)² of each column.
    fn energies(&self) -> Vec<f64> {
        let energy = |(sum, square): (&f64, &f64)| {
            let energy = square - sum * sum / self.count;
            // A rounding error in a constant column is no energy.
            if energy > 1e-12 * square { energy } else { 0.0 }
        };
        self.sums.iter().zip(&self.squares).map(energy).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sparsity::gaussian;

    /// Returns a table: column 0 is one frequency, column 1 another with noise, column 2 constant.
    fn planted(basis: &Basis, noise: f32) -> Vec<f32> {
        let p = basis.modulus();
        let extra = gaussian(9, p * p);
        let wave = |k: usize, token: usize, phase: f64| {
            basis
                .angle(k, token)
                .map_or(0.0, |angle| (angle + phase).cos())
        };
        (0..p * p)
            .flat_map(|i| {
                let (a, b) = (i / p, i % p);
                let product = |k| (wave(k, a, 0.3) * wave(k, b, 0.3) + wave(k, b, 1.0)) as f32;
                [3.0 + product(2), product(4) + noise * extra[i], 1.0]
            })
            .collect()
    }

    #[test]
    fn planted_frequencies_are_found_in_their_basis_only() {
        let bases = [Basis::additive(23), Basis::multiplicative(23).unwrap()];
        for (right, wrong) in [(0, 1), (1, 0)] {
            let table = planted(&bases[right], 0.05);
            let best = Energies::in_basis(&bases[right], &table).best();
            assert_eq!([best[0].0, best[1].0, best[2].0], [2, 4, 0]);
            assert!((best[0].1 - 1.0).abs() < 1e-6, "{}", best[0].1);
            assert!(best[1].1 > 0.98 && best[1].1 < 1.0, "{}", best[1].1);
            let best = Energies::in_basis(&bases[wrong], &table).best();
            assert!(best[0].1 < 0.3, "{}", best[0].1);
        }
    }

    #[test]
    fn labels_explain_functions_of_the_label() {
        let p = 13;
        let labels: Vec<Option<u32>> = (0..169)
            .map(|i| Some((i / 13 * (i / 13) + i % 13) % 13))
            .collect();
        let basis = LabelBasis::new(&labels, &Basis::additive(p));
        let angle = |label: u32| std::f64::consts::TAU * 5.0 * f64::from(label) / 13.0;
        let table: Vec<f32> = labels
            .iter()
            .map(|l| (angle(l.unwrap()).sin()) as f32 + 1.0)
            .collect();
        let energies = Energies::along_labels(&basis, &table);
        let (frequency, share) = energies.best()[0];
        assert_eq!(frequency, 5);
        assert!((share - 1.0).abs() < 1e-6, "{share}");
        assert!((energies.shares()[4] - 1.0).abs() < 1e-6);
    }

    /// Compares a column of tiny waves on a large mean with the transform in f64.
    #[test]
    fn energies_are_those_of_the_transform_in_f64() {
        for basis in [Basis::additive(23), Basis::multiplicative(23).unwrap()] {
            let p = basis.modulus();
            let noise = gaussian(4, p * p * 19);
            let table: Vec<f32> = noise
                .iter()
                .enumerate()
                .map(|(i, x)| if i % 19 == 18 { 7.0 + 1e-3 * x } else { *x })
                .collect();
            let got = Energies::in_basis(&basis, &table);
            let coefficients = basis.forward_2d(&table);
            for k in 1..=basis.count() {
                let rows: Vec<usize> = std::iter::once(basis.constant())
                    .chain(basis.rows_of(k))
                    .collect();
                for column in 0..19 {
                    let at = |i: usize, j: usize| coefficients[(i * p + j) * 19 + column];
                    let all = rows.iter().flat_map(|i| rows.iter().map(move |j| (*i, *j)));
                    let want: f64 = all
                        .filter(|(i, j)| (*i, *j) != (basis.constant(), basis.constant()))
                        .map(|(i, j)| at(i, j).powi(2))
                        .sum();
                    let off = (got.by_component[k - 1][column] - want).abs() / got.total[column];
                    assert!(off < 3e-7, "{k} {column}: {off:e}");
                }
            }
        }
    }

    #[test]
    fn noise_is_spread() {
        let basis = Basis::additive(59);
        let energies = Energies::in_basis(&basis, &gaussian(2, 59 * 59 * 4));
        for (_, share) in energies.best() {
            assert!(share < 0.01, "{share}");
        }
    }
}
