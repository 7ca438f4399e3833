//! Defines an orthonormal basis of the functions on the operands of an operation, in components.

use std::f64::consts::TAU;
use std::ops::Range;
use std::sync::Arc;

use crate::group::{powers, primitive_root};
use crate::irreducible::Irreducible;
use crate::kind::BasisError;
use crate::transform::{Cycle, Transform};

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
    /// is √(d/n) times an entry of the matrix of an irreducible representation
    Entry {
        /// the number of the component
        component: usize,
        /// the row and the column of the entry, from 0 on
        at: [usize; 2],
    },
}

impl Row {
    /// Returns the number of the component that the row is in: its frequency, for a wave; none for
    /// the constant and for a residue outside of the group.
    pub fn component(self) -> Option<usize> {
        match self {
            Row::Cos(k) | Row::Sin(k) | Row::Alternating(k) => Some(k),
            Row::Entry { component, .. } => Some(component),
            Row::Outside(_) | Row::Constant => None,
        }
    }
}

/// Describes a component of a basis: rows that a symmetry of the operation mixes with each other
/// and with no others, so that only all of them together have a meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// the frequency, "14"; or the name of the representation, "standard"
    pub name: String,
    /// its rows in the basis
    pub rows: Range<usize>,
    /// d, the dimension of the representation over the complex numbers: 1 for a frequency
    pub degree: usize,
}

/// An orthonormal basis of R^p whose rows are functions of an operand.
///
/// Its rows are a constant and **components**, which are numbered from 1 on. Of the residues of a
/// cyclic group of n elements each has an angle, 2π·(place in the group)/n, and a component is a
/// frequency: its cosine and its sine. Each residue outside of the group has a row of its own.
/// Additive: n = p, all residues. Rows: constant, cos 1, sin 1, cos 2, …
/// (doc/definitions.md#bases). Multiplicative, for a prime p: n = p − 1, the place is the logarithm
/// to the smallest primitive root, and 0 is outside. Rows: zero, constant, cos 1, sin 1, …,
/// Legendre. Of any other group a component is an irreducible representation, its rows are the
/// entries of its matrix (doc/definitions.md#irreducible-representations).
#[derive(Clone)]
pub struct Basis {
    p: usize,
    root: Option<usize>,
    /// the residue at each place of the group
    order: Vec<usize>,
    outside: Vec<usize>,
    rows: Vec<Row>,
    components: Vec<Component>,
    pub(crate) transform: Transform,
}

impl Basis {
    /// Returns the additive basis.
    pub fn additive(p: usize) -> Basis {
        Basis::cyclic(p, None, (0..p).collect(), Vec::new())
    }

    /// Returns the multiplicative basis.
    ///
    /// # Errors
    /// If p is not prime.
    pub fn multiplicative(p: usize) -> Result<Basis, BasisError> {
        let root = primitive_root(p).ok_or(BasisError::NotPrime(p))?;
        Ok(Basis::cyclic(p, Some(root), powers(root, p), vec![0]))
    }

    fn cyclic(p: usize, root: Option<usize>, order: Vec<usize>, outside: Vec<usize>) -> Basis {
        let n = order.len();
        let mut rows: Vec<Row> = outside.iter().map(|token| Row::Outside(*token)).collect();
        rows.push(Row::Constant);
        rows.extend((1..n.div_ceil(2)).flat_map(|k| [Row::Cos(k), Row::Sin(k)]));
        if n.is_multiple_of(2) {
            rows.push(Row::Alternating(n / 2));
        }
        let component = |k: usize| {
            let first = outside.len() + 2 * k - 1;
            Component {
                name: k.to_string(),
                rows: first..(first + 2).min(p),
                degree: 1,
            }
        };
        Basis {
            components: (1..=n / 2).map(component).collect(),
            transform: Transform::Cycle(Cycle::new(n)),
            p,
            root,
            order,
            outside,
            rows,
        }
    }

    /// Returns the basis of the matrix entries of these representations with their names, the
    /// trivial one first; all of them together have as many entries as the group has elements.
    pub(crate) fn of_representations(all: Vec<(String, Irreducible)>) -> Basis {
        let n = all.iter().map(|(_, one)| one.rows.len()).sum();
        let (mut rows, mut matrix) = (vec![Row::Constant], vec![(1.0 / n as f64).sqrt(); n]);
        let mut components = Vec::new();
        for (component, (name, one)) in (1..).zip(all.into_iter().skip(1)) {
            let first = rows.len();
            for (row, at) in one.rows.iter().zip(one.entries) {
                rows.push(Row::Entry { component, at });
                matrix.extend_from_slice(row);
            }
            components.push(Component {
                name,
                rows: first..rows.len(),
                degree: one.degree,
            });
        }
        Basis {
            p: n,
            root: None,
            order: (0..n).collect(),
            outside: Vec::new(),
            rows,
            components,
            transform: Transform::Dense(Arc::new(matrix)),
        }
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

    /// Returns the components, number 1 first.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// Returns the number of components, which is the largest frequency of a cyclic group.
    pub fn count(&self) -> usize {
        self.components.len()
    }

    /// Says whether the components are frequencies of a cyclic group, so that each operand inside
    /// has an angle.
    pub fn is_cyclic(&self) -> bool {
        matches!(self.transform, Transform::Cycle(_))
    }

    /// Returns the name of a component: its frequency, or that of its representation; empty if
    /// there is no such component.
    pub fn name_of(&self, component: usize) -> &str {
        let found = component
            .checked_sub(1)
            .and_then(|at| self.components.get(at));
        found.map_or("", |component| &component.name)
    }

    /// Returns n / gcd(k, n), the number of values that the character of frequency k takes; none
    /// if components are not frequencies. Characters of low order are features of a quotient (the
    /// Legendre symbol has order 2).
    pub fn order_of(&self, k: usize) -> Option<usize> {
        let n = self.group();
        self.is_cyclic().then(|| n / gcd(k, n))
    }

    /// Returns the index of the constant, the first row of the group.
    pub fn constant(&self) -> usize {
        self.outside.len()
    }

    /// Returns the indices of the rows of component k: cosine and sine, or one alternating row, or
    /// the matrix entries; none if there is no such component.
    pub fn rows_of(&self, k: usize) -> Range<usize> {
        let found = k.checked_sub(1).and_then(|at| self.components.get(at));
        found.map_or(0..0, |component| component.rows.clone())
    }

    /// Returns a row's name: "cos 14", "const", "zero", "legendre", "standard 1,3"; empty beyond
    /// the last row.
    pub fn name(&self, row: usize) -> String {
        match self.rows.get(row) {
            None => String::new(),
            Some(Row::Outside(0)) => "zero".to_owned(),
            Some(Row::Outside(token)) => format!("token {token}"),
            Some(Row::Constant) => "const".to_owned(),
            Some(Row::Sin(k)) => format!("sin {k}"),
            Some(Row::Alternating(_)) if self.root.is_some() => "legendre".to_owned(),
            Some(Row::Cos(k) | Row::Alternating(k)) => format!("cos {k}"),
            Some(Row::Entry { component, at }) => {
                let name = self.name_of(*component);
                format!("{name} {},{}", at[0] + 1, at[1] + 1)
            }
        }
    }

    /// Returns 2πk·(place)/n of a residue; none outside of the group, and in one that is not
    /// cyclic.
    pub fn angle(&self, k: usize, token: usize) -> Option<f64> {
        let place = self.order.iter().position(|t| *t == token)?;
        if !self.is_cyclic() {
            return None;
        }
        let n = self.group();
        Some(TAU * ((k * place) % n) as f64 / n as f64)
    }

    /// Returns the rows as a matrix, `(p, p)`, row-major: row i as a function of the residue.
    pub fn matrix(&self) -> Vec<f64> {
        let (p, n) = (self.p, self.group());
        if let Transform::Dense(matrix) = &self.transform {
            return matrix.to_vec();
        }
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

    /// Returns the norm of the coefficients of each component, `(components)`, from coefficients
    /// `(p, width)`: √ of the sum of squares over its rows and all columns, so that cosine and sine
    /// are merged (doc/definitions.md#norms-by-frequency).
    pub fn norms(&self, coefficients: &[f64]) -> Vec<f64> {
        let width = coefficients.len() / self.p.max(1);
        (1..=self.count())
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
            assert_eq!(basis.rows().len(), p, "{}", basis.name(1));
            for i in 0..p {
                for j in 0..p {
                    let dot: f64 = (0..p).map(|x| matrix[i * p + x] * matrix[j * p + x]).sum();
                    let want = f64::from(u8::from(i == j));
                    assert!((dot - want).abs() < 1e-12, "{} {p} {i} {j}", basis.name(1));
                }
            }
        }
    }

    #[test]
    fn rows_of_a_frequency_have_it() {
        for basis in all() {
            for k in 1..=basis.count() {
                for row in basis.rows_of(k) {
                    assert_eq!(basis.rows()[row].component(), Some(k));
                }
            }
        }
    }

    #[test]
    fn characters_have_orders_and_names() {
        let basis = Basis::multiplicative(113).unwrap();
        assert_eq!((basis.root(), basis.group()), (Some(3), 112));
        assert_eq!(
            [56, 28, 16, 1].map(|k| basis.order_of(k)),
            [2, 4, 7, 112].map(Some)
        );
        assert_eq!(
            [0, 1, 2, 3, 112].map(|row| basis.name(row)),
            ["zero", "const", "cos 1", "sin 1", "legendre"]
        );
        assert!(Basis::multiplicative(12).is_err());
    }
}
