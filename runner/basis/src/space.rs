//! Collects the functions on pairs that belong to a component, for any operation. Owns the choice
//! of the basis.

use std::fmt;

use grokrun_task::{Group, Operation};

use crate::basis::Basis;
use crate::cayley::GroupTable;
use crate::energies::Energies;
use crate::irreducible::irreducible;
use crate::kind::{BasisError, BasisKind};
use crate::labels::LabelBasis;
use crate::names::named;
use crate::product::{product, product_at, product_bt};

/// The wave of a component on the label: its cosine is of 2πk / period times the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wave {
    /// The argument, in a, b and c.
    pub argument: &'static str,
    /// The period of the wave of k = 1: the order of the group.
    pub period: usize,
}

/// Spans the subspace of each component over the pairs that count: all that an analysis needs to
/// know of an operation.
pub struct Space {
    kind: BasisKind,
    basis: Basis,
    labels: LabelBasis,
    /// the group's name, where it is known
    group: Option<String>,
    /// the pairs that count: both operands in the group, and a label
    pub pairs: Vec<usize>,
}

impl Space {
    /// Makes the space of an operation's labels `(p²)`, a-major, in the basis that `word` asks for:
    /// one of [`BASES`](crate::BASES). `operation` is the operation's text; if it names a group,
    /// the group's representations have the names of the literature.
    ///
    /// # Errors
    /// If there is no basis of that name, or none for this operation.
    pub fn choose(
        word: &str,
        labels: &[Option<u32>],
        p: usize,
        operation: &str,
    ) -> Result<Space, BasisError> {
        let kind = BasisKind::choose(word, labels, p)?;
        let mut group = None;
        let basis = match kind {
            BasisKind::Multiplicative => Basis::multiplicative(p)?,
            BasisKind::Additive | BasisKind::Labels => Basis::additive(p),
            BasisKind::Group => {
                let table = GroupTable::of(labels, p).ok_or(BasisError::NotAGroup(p))?;
                let all = irreducible(&table).ok_or(BasisError::NotFound(p))?;
                let operation = Operation::parse(operation).ok();
                let known = operation.as_ref().and_then(Operation::as_group);
                let known = known.filter(|known| is_table_of(known, &table));
                group = known.map(|known| known.name().to_owned());
                Basis::of_representations(named(&table, all, known))
            }
        };
        Ok(Space::of(kind, basis, group, labels))
    }

    fn of(kind: BasisKind, basis: Basis, group: Option<String>, labels: &[Option<u32>]) -> Space {
        let p = basis.modulus();
        let labels = LabelBasis::new(labels, &basis);
        let inside = |token: usize| !basis.outside().contains(&token);
        let counted = |pair: &usize| {
            let operands = kind == BasisKind::Labels || inside(pair / p) && inside(pair % p);
            operands && labels.labels()[*pair].is_some()
        };
        let pairs = (0..p * p).filter(counted).collect();
        Space {
            kind,
            basis,
            labels,
            group,
            pairs,
        }
    }

    /// Returns the same space over the pairs that have a label in `labels`, `(p²)`: its directions
    /// are orthonormal over these.
    #[must_use]
    pub fn over(&self, labels: &[Option<u32>]) -> Space {
        Space::of(self.kind, self.basis.clone(), self.group.clone(), labels)
    }

    /// Returns the basis of the operands: none if they have no components of their own, so that
    /// only functions of the label have a meaning.
    pub fn operands(&self) -> Option<&Basis> {
        (self.kind != BasisKind::Labels).then_some(&self.basis)
    }

    /// Returns the basis of the operands; where they have no components of their own the additive
    /// one, which has no meaning for the operation.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Returns another basis of the operands, in which a model of this operation should not be
    /// sparse: of a multiplication, and of a group that is not cyclic, the additive one; of any
    /// other operation the multiplicative one, none if p is not prime.
    pub fn wrong(&self) -> Option<Basis> {
        match self.kind {
            BasisKind::Multiplicative | BasisKind::Group => {
                Some(Basis::additive(self.basis.modulus()))
            }
            BasisKind::Additive | BasisKind::Labels => {
                Basis::multiplicative(self.basis.modulus()).ok()
            }
        }
    }

    /// Returns the space of the basis that [`Space::wrong`] gives.
    pub fn wrong_space(&self) -> Option<Space> {
        let kind = match self.kind {
            BasisKind::Multiplicative | BasisKind::Group => BasisKind::Additive,
            BasisKind::Additive | BasisKind::Labels => BasisKind::Multiplicative,
        };
        Some(Space::of(kind, self.wrong()?, None, self.labels.given()))
    }

    /// Returns the directions of the label, functions of its component: the trig directions of the
    /// papers.
    pub fn labels(&self) -> &LabelBasis {
        &self.labels
    }

    /// Returns the number of components.
    pub fn count(&self) -> usize {
        self.basis.count()
    }

    /// Measures the energies of the columns of a table `(p², width)`.
    pub fn energies(&self, table: &[f32]) -> Energies {
        match self.kind {
            BasisKind::Labels => Energies::along_labels(&self.labels, table),
            _ => Energies::in_basis(&self.basis, table),
        }
    }

    /// Returns the orthonormal terms of component k over the pairs that count, the constant first:
    /// the products of {const, rows of k} of a and of b (nine for a cosine and a sine), or the
    /// constant and the directions of the label.
    pub fn terms(&self, k: usize) -> Vec<Vec<f32>> {
        let p = self.basis.modulus();
        if self.kind == BasisKind::Labels {
            let constant = 1.0 / (self.pairs.len() as f64).sqrt();
            let along = |direction: &[f64]| -> Vec<f32> {
                let value =
                    |pair: &usize| self.labels.labels()[*pair].map(|l| direction[l as usize]);
                self.pairs
                    .iter()
                    .map(|pair| value(pair).unwrap_or(0.0) as f32)
                    .collect()
            };
            let mut terms = vec![vec![constant as f32; self.pairs.len()]];
            terms.extend(self.labels.directions(k).map(along));
            return terms;
        }
        let matrix = self.basis.matrix();
        let rows: Vec<usize> = std::iter::once(self.basis.constant())
            .chain(self.basis.rows_of(k))
            .collect();
        let product = |i: usize, j: usize| -> Vec<f32> {
            let at = |pair: &usize| matrix[i * p + pair / p] * matrix[j * p + pair % p];
            self.pairs.iter().map(|pair| at(pair) as f32).collect()
        };
        rows.iter()
            .flat_map(|i| rows.iter().map(move |j| (*i, *j)))
            .map(|(i, j)| product(i, j))
            .collect()
    }

    /// Returns the wave that the logits of a model of this operation are made of: the argument of
    /// its cosine and its period; none where components are representations, whose characters are
    /// no waves. `operation` is the operation's text.
    pub fn wave(&self, operation: &str) -> Option<Wave> {
        let p = self.basis.modulus();
        let is = |name: &str| match (Operation::parse(operation), Operation::parse(name)) {
            (Ok(this), Ok(named)) => this == named,
            _ => false,
        };
        let (argument, period) = match self.kind {
            BasisKind::Group => return None,
            BasisKind::Labels => ("f(a, b) − c", p),
            BasisKind::Multiplicative if is("div") => ("log a − log b − log c", p - 1),
            BasisKind::Multiplicative => ("log a + log b − log c", p - 1),
            BasisKind::Additive if is("sub") => ("a − b − c", p),
            BasisKind::Additive => ("a + b − c", p),
        };
        Some(Wave { argument, period })
    }

    /// Returns how many terms component k has: as many as [`Space::terms`] gives.
    pub fn term_count(&self, k: usize) -> usize {
        match self.kind {
            BasisKind::Labels => 1 + self.labels.directions(k).count(),
            _ => (1 + self.basis.rows_of(k).len()).pow(2),
        }
    }

    /// Projects the columns of a table over the pairs that count, `(width, pairs)`, on the terms of
    /// component k: the same as through [`Space::terms`], with fewer operations where there are
    /// many of them, and only where operands have components and all pairs count.
    ///
    /// # Panics
    /// Panics if a column has another number of pairs than p².
    pub fn project(&self, k: usize, columns: &[f32]) -> Vec<f32> {
        let p = self.basis.modulus();
        let matrix = self.basis.matrix();
        let rows: Vec<f32> = std::iter::once(self.basis.constant())
            .chain(self.basis.rows_of(k))
            .flat_map(|row| matrix[row * p..(row + 1) * p].iter().map(|x| *x as f32))
            .collect();
        let r = rows.len() / p;
        assert_eq!(columns.len() % (p * p), 0, "every column has all pairs");
        let one = |column: &[f32]| {
            // R X Rᵀ, (r, r), and back.
            let coefficients = product_bt(&product(&rows, column, p), &rows, p);
            product(&product_at(&rows, &coefficients, r), &rows, r)
        };
        columns.chunks_exact(p * p).flat_map(one).collect()
    }
}

/// Shows the kind of the basis: "additive", "multiplicative", "labels", or "irreducible
/// representations of S5".
impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.group) {
            (BasisKind::Group, Some(name)) => write!(f, "irreducible representations of {name}"),
            (BasisKind::Group, None) => write!(
                f,
                "irreducible representations of a group of {} elements",
                self.basis.modulus()
            ),
            (kind, _) => kind.fmt(f),
        }
    }
}

/// Says whether a named group has this table: in another order of its elements it has not.
fn is_table_of(group: &Group, table: &GroupTable) -> bool {
    GroupTable::of_group(group).as_ref() == Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::labels_of;
    use crate::sparsity::gaussian;

    #[test]
    fn waves_follow_the_kind_and_the_operation() {
        for (word, operation, argument, period) in [
            ("auto", "add", "a + b − c", 11),
            ("auto", "sub", "a − b − c", 11),
            ("auto", "a - b", "a − b − c", 11),
            ("auto", "mul", "log a + log b − log c", 10),
            ("auto", "div", "log a − log b − log c", 10),
            ("additive", "mul", "a + b − c", 11),
            ("auto", "a^2 + b", "f(a, b) − c", 11),
        ] {
            let data =
                grokrun_task::Dataset::new(&Operation::parse(operation).unwrap(), 11).unwrap();
            let labels: Vec<_> = (0..121).map(|pair| data.label(pair)).collect();
            let space = Space::choose(word, &labels, 11, operation).unwrap();
            let wave = space.wave(operation);
            assert_eq!(wave, Some(Wave { argument, period }), "{word} {operation}");
        }
        let group = Space::choose("auto", &labels_of("S3"), 6, "S3").unwrap();
        assert_eq!(group.wave("S3"), None);
    }

    #[test]
    fn terms_are_orthonormal_and_their_energy_is_that_of_energies() {
        let p = 11;
        let cases: [fn(usize, usize) -> usize; 3] = [
            |a, b| (a + b) % 11,
            |a, b| a * b % 11,
            |a, b| (a * a + b * b) % 11,
        ];
        for f in cases {
            let labels: Vec<Option<u32>> =
                (0..p * p).map(|i| Some(f(i / p, i % p) as u32)).collect();
            let space = Space::choose("auto", &labels, p, "").unwrap();
            let table: Vec<f32> = (0..p * p).map(|i| ((i * i) as f32 * 0.1).sin()).collect();
            let energies = space.energies(&table);
            for k in 1..=space.count() {
                let terms = space.terms(k);
                let dot = |x: &[f32], y: &[f32]| -> f64 {
                    x.iter()
                        .zip(y)
                        .map(|(x, y)| f64::from(*x) * f64::from(*y))
                        .sum()
                };
                for (i, x) in terms.iter().enumerate() {
                    for (j, y) in terms.iter().enumerate() {
                        let want = if i == j { 1.0 } else { 0.0 };
                        assert!((dot(x, y) - want).abs() < 1e-5, "{k} {i} {j}");
                    }
                }
                let counted: Vec<f32> = space.pairs.iter().map(|pair| table[*pair]).collect();
                let energy: f64 = terms[1..].iter().map(|t| dot(t, &counted).powi(2)).sum();
                let want = energies.by_component[k - 1][0];
                assert!((energy - want).abs() < 1e-5, "{k}: {energy} {want}");
            }
        }
    }

    #[test]
    fn terms_of_a_group_are_the_products_of_matrix_entries() {
        for name in ["S4", "D5"] {
            let labels = labels_of(name);
            let p = labels.len().isqrt();
            let space = Space::choose("auto", &labels, p, &format!("group {name}")).unwrap();
            assert_eq!(
                space.to_string(),
                format!("irreducible representations of {name}")
            );
            let table = gaussian(1, p * p * 2);
            let energies = space.energies(&table);
            let column: Vec<f32> = table.iter().step_by(2).copied().collect();
            for k in 1..=space.count() {
                let terms = space.terms(k);
                assert_eq!(terms.len(), space.term_count(k));
                let dot = |x: &[f32], y: &[f32]| -> f64 {
                    x.iter()
                        .zip(y)
                        .map(|(x, y)| f64::from(*x) * f64::from(*y))
                        .sum()
                };
                let energy: f64 = terms[1..].iter().map(|t| dot(t, &column).powi(2)).sum();
                let want = energies.by_component[k - 1][0];
                assert!((energy / want - 1.0).abs() < 1e-4, "{k}: {energy} {want}");
                // The projection has that energy, and the constant's.
                let projected = space.project(k, &column);
                let whole = energy + dot(&terms[0], &column).powi(2);
                assert!((dot(&projected, &projected) / whole - 1.0).abs() < 1e-4);
                assert!((dot(&projected, &column) / whole - 1.0).abs() < 1e-4);
            }
        }
        assert!(matches!(
            Space::choose("group", &[Some(0); 4], 2, ""),
            Err(BasisError::NotAGroup(2))
        ));
    }

    /// A function of the product is a combination of products of entries of a and of b, so all its
    /// energy in a component of the label lies on the terms of that component.
    #[test]
    fn functions_of_the_product_lie_on_their_components_terms() {
        let labels = labels_of("S4");
        let space = Space::choose("auto", &labels, 24, "group S4").unwrap();
        let matrix = space.basis().matrix();
        for k in 1..=space.count() {
            let row = space.basis().rows_of(k).last().unwrap();
            let of = |label: &Option<u32>| matrix[row * 24 + label.unwrap() as usize] as f32;
            let table: Vec<f32> = labels.iter().map(of).collect();
            let (component, share) = space.energies(&table).best()[0];
            assert_eq!(component, k);
            assert!(share > 1.0 - 1e-5, "{share}");
        }
    }
}
