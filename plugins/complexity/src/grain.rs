//! Parameters as few numbers: singular values cut off, and what is left rounded to a grid.
//!
//! Owns which form a parameter is written down in. Knows nothing of losses.

use grokrun_api::Tensor;
use nalgebra::DMatrix;

use crate::code;

/// More steps than a singular value ever takes.
const MOST_STEPS: usize = 100_000;

/// A parameter, with what its coarser forms are made of.
pub(crate) struct Parameter {
    rows: usize,
    columns: usize,
    numbers: Vec<f64>,
    /// by descending value; empty where the parameter is no matrix
    components: Vec<Component>,
}

/// A singular value with √s u and √s v.
struct Component {
    value: f64,
    left: Vec<f64>,
    right: Vec<f64>,
}

/// A parameter, coarse.
pub(crate) struct Coarse {
    /// as many as the parameter has
    pub(crate) numbers: Vec<f32>,
    /// its length in bits
    pub(crate) bits: f64,
    /// how many components are kept of how many; none of a vector
    pub(crate) rank: Option<[usize; 2]>,
}

impl Parameter {
    /// Takes a parameter apart; a tensor of more than two dimensions as its rows one below another.
    pub(crate) fn new(tensor: &Tensor<'_>) -> Parameter {
        let columns = tensor.shape().last().copied().unwrap_or(1).max(1);
        let numbers = tensor.data().iter().map(|x| f64::from(*x));
        Parameter::of(numbers.collect(), columns)
    }

    /// Takes a matrix apart.
    pub(crate) fn of(numbers: Vec<f64>, columns: usize) -> Parameter {
        let rows = numbers.len() / columns.max(1);
        let mut parameter = Parameter {
            rows,
            columns,
            numbers,
            components: Vec::new(),
        };
        let finite = parameter.numbers.iter().all(|x| x.is_finite());
        if rows > 1 && columns > 1 && finite {
            let matrix = DMatrix::from_row_slice(rows, columns, &parameter.numbers);
            parameter.components = components(matrix).unwrap_or_default();
        }
        parameter
    }

    /// Returns how many numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Returns the root of the mean square.
    pub(crate) fn scale(&self) -> f64 {
        scale(&self.numbers)
    }

    /// Returns −Σ s̃ ln s̃ of the singular values by their sum; 0 of a vector.
    pub(crate) fn entropy(&self) -> f64 {
        let sum: f64 = self.components.iter().map(|c| c.value).sum();
        let shares = self.components.iter().map(|c| c.value / sum);
        shares.filter(|s| *s > 0.0).map(|s| -s * s.ln()).sum()
    }

    /// Returns the parameter with the singular values above `threshold` times the largest alone,
    /// rounded to a grid of `step` times the root mean square of what is written down. That are the
    /// factors √s u and √s v, or the matrix where it has fewer numbers.
    pub(crate) fn coarse(&self, threshold: f64, step: f64) -> Coarse {
        let largest = self.components.first().map_or(0.0, |c| c.value);
        let kept = self.components.iter();
        let kept = kept.take_while(|c| c.value > threshold * largest).count();
        let rank = (!self.components.is_empty()).then_some([kept, self.components.len()]);
        let whole = kept == self.components.len();
        if !whole && kept * (self.rows + self.columns) < self.numbers.len() {
            let parts = &self.components[..kept];
            let [left, right] = [true, false].map(|left| {
                let of = |c: &Component| {
                    if left {
                        c.left.clone()
                    } else {
                        c.right.clone()
                    }
                };
                rounded(&parts.iter().flat_map(of).collect::<Vec<f64>>(), step)
            });
            return Coarse {
                numbers: self.product(kept, &left.numbers, &right.numbers),
                bits: left.bits + right.bits,
                rank,
            };
        }
        let numbers = if whole {
            rounded(&self.numbers, step)
        } else {
            rounded(&self.cut(kept), step)
        };
        Coarse {
            numbers: numbers.numbers.iter().map(|x| *x as f32).collect(),
            bits: numbers.bits,
            rank,
        }
    }

    /// Returns the sum of the first components.
    fn cut(&self, kept: usize) -> Vec<f64> {
        let parts = &self.components[..kept];
        let left: Vec<f64> = parts.iter().flat_map(|c| &c.left).copied().collect();
        let right: Vec<f64> = parts.iter().flat_map(|c| &c.right).copied().collect();
        let product = self.product(kept, &left, &right);
        product.into_iter().map(f64::from).collect()
    }

    fn product(&self, kept: usize, left: &[f64], right: &[f64]) -> Vec<f32> {
        let mut sum = vec![0.0; self.numbers.len()];
        for part in 0..kept {
            let left = &left[part * self.rows..][..self.rows];
            let right = &right[part * self.columns..][..self.columns];
            for (row, x) in sum.chunks_exact_mut(self.columns).zip(left) {
                row.iter_mut().zip(right).for_each(|(out, y)| *out += x * y);
            }
        }
        sum.into_iter().map(|x| x as f32).collect()
    }
}

fn components(matrix: DMatrix<f64>) -> Option<Vec<Component>> {
    let svd = matrix.try_svd(true, true, f64::EPSILON, MOST_STEPS)?;
    let (u, v) = (svd.u?, svd.v_t?);
    let mut order: Vec<usize> = (0..svd.singular_values.len()).collect();
    order.sort_by(|x, y| svd.singular_values[*y].total_cmp(&svd.singular_values[*x]));
    let component = |place: &usize| {
        let value = svd.singular_values[*place];
        let root = value.max(0.0).sqrt();
        Component {
            value,
            left: u.column(*place).iter().map(|x| root * x).collect(),
            right: v.row(*place).iter().map(|x| root * x).collect(),
        }
    };
    Some(order.iter().map(component).collect())
}

/// Numbers on a grid, and the bits of their places and of the grid's step in f32.
struct Rounded {
    numbers: Vec<f64>,
    bits: f64,
}

fn rounded(numbers: &[f64], step: f64) -> Rounded {
    let grid = f64::from((step * scale(numbers)) as f32);
    if grid <= 0.0 || !grid.is_finite() {
        // All are 0; or no number, and then the loss says so.
        return Rounded {
            numbers: numbers.to_vec(),
            bits: 32.0,
        };
    }
    let places: Vec<i64> = numbers.iter().map(|x| (x / grid).round() as i64).collect();
    Rounded {
        numbers: places.iter().map(|place| *place as f64 * grid).collect(),
        bits: 32.0 + code::length(&places),
    }
}

fn scale(numbers: &[f64]) -> f64 {
    let squares: f64 = numbers.iter().map(|x| x * x).sum();
    (squares / numbers.len().max(1) as f64).sqrt()
}
