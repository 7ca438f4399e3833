//! Computes the textbook's regression: a neuron that adds two cosines, and the polynomial nearest
//! to it.

use grokrun_basis::Basis;

/// Holds the fit of ReLU(offset/√n + cos_k(a) + cos_k(b)), rows of the basis at length 1, over the
/// pairs of a group of n elements, by 1, cos a, cos b and cos a · cos b, each a term of length 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Textbook {
    pub(crate) constant: f64,
    pub(crate) cos_a: f64,
    pub(crate) cos_b: f64,
    pub(crate) product: f64,
    /// share of the centred variance
    pub(crate) r2: f64,
    /// share without the product
    pub(crate) linear: f64,
}

impl Textbook {
    /// Fits a frequency; none if there is no such frequency. The terms are orthonormal, so the
    /// regression is four sums.
    pub(crate) fn new(basis: &Basis, k: usize, offset: f64) -> Option<Textbook> {
        let (p, n) = (basis.modulus(), basis.group() as f64);
        let row = basis.rows_of(k).next()?;
        let matrix = basis.matrix();
        let wave: Vec<f64> = basis
            .order()
            .iter()
            .map(|token| matrix[row * p + token])
            .collect();
        let one = 1.0 / n.sqrt();
        let [mut constant, mut cos_a, mut cos_b, mut product] = [0.0; 4];
        let mut squares = 0.0;
        for x in &wave {
            for y in &wave {
                let value = (offset * one + x + y).max(0.0);
                constant += value * one * one;
                cos_a += value * x * one;
                cos_b += value * one * y;
                product += value * x * y;
                squares += value * value;
            }
        }
        let total = squares - constant * constant;
        let linear = cos_a * cos_a + cos_b * cos_b;
        Some(Textbook {
            constant,
            cos_a,
            cos_b,
            product,
            r2: (linear + product * product) / total,
            linear: linear / total,
        })
    }
}
