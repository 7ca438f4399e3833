//! Defines an orthonormal basis of the functions on the residues modulo p.

use std::f64::consts::TAU;

use crate::group::{powers, primitive_root};
use crate::kind::{BasisError, BasisKind};
use crate::transform::Cycle;

/// Describes a row of a basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// is 1 at a residue outside of the group (0, for the multiplicative basis), 0 elsewhere
    Outside(usize),
    /// is constant over the group
    Constant,
    /// is √(2/n) cos of k times the angle
    Cos(usize),
    /// is √(2/n) sin of k times the angle
    Sin(usize),
    /// alternates between ±1/√n: frequency n/2 of an even n (the Legendre symbol, for the
    /// multiplicative basis)
    Alternating(usize),
}

impl Row {
    /// Returns k, if the row has a frequency.
    pub fn frequency(self) -> Option<usize> {
        match self {
            Row::Cos(k) | Row::Sin(k) | Row::Alternating(k) => Some(k),
            Row::Outside(_) | Row::Constant => None,
        }
    }
}

/// An orthonormal basis of R^p whose rows are functions of a residue.
///
/// The residues of a cyclic group of n elements have an angle each, 2π·(place in the group)/n; each
/// residue outside of the group has a row of its own. Additive: n = p, all residues. Rows:
/// constant, cos 1, sin 1, cos 2, … (doc/definitions.md#bases). Multiplicative, for a prime p: n =
/// p − 1, the place is the logarithm to the smallest primitive root, and 0 is outside. Rows: zero,
/// constant, cos 1, sin 1, …, Legendre.
#[derive(Clone)]
pub struct Basis {
    kind: BasisKind,
    p: usize,
    root: Option<usize>,
    /// the residue at each place of the group
    order: Vec<usize>,
    outside: Vec<usize>,
    rows: Vec<Row>,
    pub(crate) cycle: Cycle,
}

impl Basis {
    /// Returns the additive basis.
    pub fn additive(p: usize) -> Basis {
        Basis::new(BasisKind::Additive, p, None, (0..p).collect(), Vec::new())
    }

    /// Returns the multiplicative basis.
    ///
    /// # Errors
    /// If p is not prime.
    pub fn multiplicative(p: usize) -> Result<Basis, BasisError> {
        let root = primitive_root(p).ok_or(BasisError::NotPrime(p))?;
        let (kind, order) = (BasisKind::Multiplicative, powers(root, p));
        Ok(Basis::new(kind, p, Some(root), order, vec![0]))
    }

    /// Returns the basis of an operand for this kind: the additive one for labels, which are
    /// functions of pairs.
    ///
    /// # Errors
    /// If the kind is multiplicative and p is not prime.
    pub fn of(kind: BasisKind, p: usize) -> Result<Basis, BasisError> {
        match kind {
            BasisKind::Multiplicative => Basis::multiplicative(p),
            BasisKind::Additive | BasisKind::Labels => Ok(Basis::additive(p)),
        }
    }

    fn new(
        kind: BasisKind,
        p: usize,
        root: Option<usize>,
        order: Vec<usize>,
        outside: Vec<usize>,
    ) -> Basis {
        let n = order.len();
        let mut rows: Vec<Row> = outside.iter().map(|token| Row::Outside(*token)).collect();
        rows.push(Row::Constant);
        rows.extend((1..n.div_ceil(2)).flat_map(|k| [Row::Cos(k), Row::Sin(k)]));
        if n.is_multiple_of(2) {
            rows.push(Row::Alternating(n / 2));
        }
        let cycle = Cycle::new(n);
        Basis {
            kind,
            p,
            root,
            order,
            outside,
            rows,
            cycle,
        }
    }

    /// Returns the kind: additive or multiplicative.
    pub fn kind(&self) -> BasisKind {
        self.kind
    }

    /// Returns p.
    pub fn modulus(&self) -> usize {
        self.p
    }

    /// Returns the primitive root of the logarithms; the numbering of the frequencies depends on
    /// it.
    pub fn root(&self) -> Option<usize> {
        self.root
    }

    /// Returns the description of each row, `(p)`.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Returns n, the size of the group.
    pub fn group(&self) -> usize {
        self.order.len()
    }

    /// Returns the residue at each place of the group, `(n)`.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// Returns the residues outside of the group.
    pub fn outside(&self) -> &[usize] {
        &self.outside
    }

    /// Returns the largest frequency: frequencies are 1, 2, … up to it.
    pub fn frequencies(&self) -> usize {
        self.group() / 2
    }

    /// Returns n / gcd(k, n), the number of values that the character of frequency k takes.
    /// Characters of low order are features of a quotient (the Legendre symbol has order 2).
    pub fn order_of(&self, k: usize) -> usize {
        let n = self.group();
        n / gcd(k, n)
    }

    /// Returns the index of the constant, the first row of the group.
    pub fn constant(&self) -> usize {
        self.outside.len()
    }

    /// Returns the indices of the rows of frequency k: cosine and sine, or one alternating row;
    /// none if there is no such frequency.
    pub fn rows_of(&self, k: usize) -> std::ops::Range<usize> {
        if k == 0 || k > self.frequencies() {
            return 0..0;
        }
        let first = self.constant() + 2 * k - 1;
        first..(first + 2).min(self.p)
    }

    /// Returns a row's name: "cos 14", "const", "zero", "legendre"; empty beyond the last row.
    pub fn name(&self, row: usize) -> String {
        match self.rows.get(row) {
            None => String::new(),
            Some(Row::Outside(0)) => "zero".to_owned(),
            Some(Row::Outside(token)) => format!("token {token}"),
            Some(Row::Constant) => "const".to_owned(),
            Some(Row::Sin(k)) => format!("sin {k}"),
            Some(Row::Alternating(_)) if self.root.is_some() => "legendre".to_owned(),
            Some(Row::Cos(k) | Row::Alternating(k)) => format!("cos {k}"),
        }
    }

    /// Returns 2πk·(place)/n of a residue; none outside of the group.
    pub fn angle(&self, k: usize, token: usize) -> Option<f64> {
        let place = self.order.iter().position(|t| *t == token)?;
        let n = self.group();
        Some(TAU * ((k * place) % n) as f64 / n as f64)
    }

    /// Returns the rows as a matrix, `(p, p)`, row-major: row i as a function of the residue.
    pub fn matrix(&self) -> Vec<f64> {
        let (p, n) = (self.p, self.group());
        let mut matrix = vec![0.0; p * p];
        for (i, row) in self.rows.iter().enumerate() {
            if let Row::Outside(token) = row {
                matrix[i * p + token] = 1.0;
                continue;
            }
            for (place, token) in self.order.iter().enumerate() {
                let angle = |k: usize| TAU * ((k * place) % n) as f64 / n as f64;
                let (one, two) = ((1.0 / n as f64).sqrt(), (2.0 / n as f64).sqrt());
                matrix[i * p + token] = match *row {
                    Row::Cos(k) => two * angle(k).cos(),
                    Row::Sin(k) => two * angle(k).sin(),
                    Row::Alternating(_) if place % 2 == 1 => -one,
                    _ => one,
                };
            }
        }
        matrix
    }

    /// Returns the norm of the coefficients of each frequency, `(frequencies)`, from coefficients
    /// `(p, width)`: √ of the sum of squares over its rows and all columns, so that cosine and sine
    /// are merged (doc/definitions.md#norms-by-frequency).
    pub fn norms(&self, coefficients: &[f64]) -> Vec<f64> {
        let width = coefficients.len() / self.p.max(1);
        (1..=self.frequencies())
            .map(|k| {
                let rows = self.rows_of(k);
                let part = &coefficients[rows.start * width..rows.end * width];
                part.iter().map(|x| x * x).sum::<f64>().sqrt()
            })
            .collect()
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Basis> {
        let additive = [2, 3, 4, 5, 11, 12, 59, 113].map(Basis::additive);
        let primes = [2, 3, 5, 11, 59, 113];
        let multiplicative = primes.map(|p| Basis::multiplicative(p).unwrap());
        additive.into_iter().chain(multiplicative).collect()
    }

    #[test]
    fn rows_are_orthonormal_and_as_many_as_residues() {
        for basis in all() {
            let p = basis.modulus();
            let matrix = basis.matrix();
            assert_eq!(basis.rows().len(), p, "{}", basis.kind());
            for i in 0..p {
                for j in 0..p {
                    let dot: f64 = (0..p).map(|x| matrix[i * p + x] * matrix[j * p + x]).sum();
                    let want = f64::from(u8::from(i == j));
                    assert!((dot - want).abs() < 1e-12, "{} {p} {i} {j}", basis.kind());
                }
            }
        }
    }

    #[test]
    fn rows_of_a_frequency_have_it() {
        for basis in all() {
            for k in 1..=basis.frequencies() {
                for row in basis.rows_of(k) {
                    assert_eq!(basis.rows()[row].frequency(), Some(k));
                }
            }
        }
    }

    #[test]
    fn characters_have_orders_and_names() {
        let basis = Basis::multiplicative(113).unwrap();
        assert_eq!((basis.root(), basis.group()), (Some(3), 112));
        assert_eq!([56, 28, 16, 1].map(|k| basis.order_of(k)), [2, 4, 7, 112]);
        assert_eq!(
            [0, 1, 2, 3, 112].map(|row| basis.name(row)),
            ["zero", "const", "cos 1", "sin 1", "legendre"]
        );
        assert!(Basis::multiplicative(12).is_err());
    }
}
