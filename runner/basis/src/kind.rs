//! Chooses the basis that suits an operation.

use std::fmt;
use std::str::FromStr;

use crate::cayley::{GroupTable, MOST_ELEMENTS};
use crate::group::{is_prime, powers, primitive_root};

/// A kind of basis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum BasisKind {
    /// has cosines and sines of 2πka/p on each operand
    Additive,
    /// has cosines and sines of 2πk log a / (p − 1) on each operand, for a prime p
    Multiplicative,
    /// has matrix entries of the irreducible representations of the group on each operand
    Group,
    /// has cosines and sines of 2πk f(a, b)/p on the pairs
    Labels,
}

/// The words by which a user asks for a basis: one that suits the operation, or one of these.
pub const BASES: [&str; 5] = ["auto", "additive", "multiplicative", "group", "labels"];

/// Says why there is no such basis.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BasisError {
    /// there is no discrete logarithm
    #[error("the multiplicative basis needs a prime modulus, and {0} is none")]
    NotPrime(usize),
    /// the operation has no representations
    #[error(
        "the basis of a group needs an operation that is the product of a group of at most {MOST_ELEMENTS} elements; this operation on {0} elements is none"
    )]
    NotAGroup(usize),
    /// the random numbers of every draw were unlucky
    #[error(
        "the irreducible representations of this group of {0} elements could not be told apart; expected eigenvalues farther apart, as every other group has them: use basis = \"labels\" and report the group"
    )]
    NotFound(usize),
    /// not a kind's name
    #[error("there is no basis {0}; expected {list}", list = BASES.join(", "))]
    Unknown(String),
}

impl BasisKind {
    /// Returns the basis that a user asks for: a kind's name, or `auto` for the one that suits the
    /// operation.
    ///
    /// # Errors
    /// If the word is neither, or p is not prime and has to be.
    pub(crate) fn choose(
        word: &str,
        labels: &[Option<u32>],
        p: usize,
    ) -> Result<BasisKind, BasisError> {
        let kind = match word {
            "auto" => BasisKind::of(labels, p),
            word => word.parse()?,
        };
        match kind {
            BasisKind::Multiplicative if !is_prime(p) => Err(BasisError::NotPrime(p)),
            kind => Ok(kind),
        }
    }

    /// Returns the basis in which a model that has learnt this operation should be sparse, from its
    /// labels `(p²)`, a-major, none where the operation is undefined.
    ///
    /// Additive if f(a, b) = ±a ± b + c for all pairs; multiplicative if p is prime and f(a, b) = c
    /// a^±1 b^±1 for all pairs without 0; group if it is the table of any other group of at most
    /// [`MOST_ELEMENTS`] elements; labels for every other operation: for those, frequency k of a
    /// model need not appear at frequency k of an operand
    /// (doc/definitions.md#directions-of-the-label). So too for multiplication modulo a composite
    /// number, whose units need not be cyclic.
    pub(crate) fn of(labels: &[Option<u32>], p: usize) -> BasisKind {
        if p * p != labels.len() || p < 2 {
            return BasisKind::Labels;
        }
        let at = |a: usize, b: usize| labels[a * p + b].map(|label| label as usize);
        if linear(p, at) {
            return BasisKind::Additive;
        }
        if GroupTable::of(labels, p).is_some() {
            return BasisKind::Group;
        }
        let Some(root) = primitive_root(p) else {
            return BasisKind::Labels;
        };
        let tokens = powers(root, p);
        let logs = logarithms(&tokens, p);
        let log_of = |a: usize, b: usize| logs[at(tokens[a], tokens[b])?];
        if linear(p - 1, log_of) {
            BasisKind::Multiplicative
        } else {
            BasisKind::Labels
        }
    }
}

/// Returns the place of each token in the cyclic group in which labels `(p²)` are sums or
/// differences of places and a constant, `None` for a token outside of the group, with the number
/// of its elements. `None` if the operation is no such sum: modulo p, or, by the discrete logarithm
/// to the smallest primitive root, of a product or a quotient modulo a prime p.
pub fn cyclic_places(labels: &[Option<u32>], p: usize) -> Option<(usize, Vec<Option<usize>>)> {
    match BasisKind::of(labels, p) {
        BasisKind::Additive => Some((p, (0..p).map(Some).collect())),
        BasisKind::Multiplicative => Some((p - 1, logarithms(&powers(primitive_root(p)?, p), p))),
        BasisKind::Group | BasisKind::Labels => None,
    }
}

/// Returns the place of each token among the powers of a root, `(p)`.
fn logarithms(powers: &[usize], p: usize) -> Vec<Option<usize>> {
    let mut places = vec![None; p];
    for (place, token) in powers.iter().enumerate() {
        places[*token] = Some(place);
    }
    places
}

/// Says whether f(a, b) = ±a ± b + c modulo n for all pairs; n is at least 1.
fn linear(n: usize, f: impl Fn(usize, usize) -> Option<usize>) -> bool {
    let Some(constant) = f(0, 0) else {
        return false;
    };
    let step = |value: Option<usize>| match value {
        Some(value) if value == (constant + 1) % n => Some(1),
        Some(value) if value == (constant + n - 1) % n => Some(n - 1),
        _ => None,
    };
    let (Some(by_a), Some(by_b)) = (step(f(1 % n, 0)), step(f(0, 1 % n))) else {
        return false;
    };
    (0..n).all(|a| (0..n).all(|b| f(a, b) == Some((constant + by_a * a + by_b * b) % n)))
}

impl fmt::Display for BasisKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            BasisKind::Additive => "additive",
            BasisKind::Multiplicative => "multiplicative",
            BasisKind::Group => "group",
            BasisKind::Labels => "labels",
        })
    }
}

impl FromStr for BasisKind {
    type Err = BasisError;
    fn from_str(word: &str) -> Result<BasisKind, BasisError> {
        let all = [
            BasisKind::Additive,
            BasisKind::Multiplicative,
            BasisKind::Group,
            BasisKind::Labels,
        ];
        all.into_iter()
            .find(|kind| kind.to_string() == word)
            .ok_or_else(|| BasisError::Unknown(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use grokrun_task::{Dataset, Operation};

    use super::*;
    use crate::fixtures::labels_of;

    fn kind(operation: &str, p: u32) -> BasisKind {
        let operation = Operation::parse(operation).unwrap();
        let data = Dataset::new(&operation, p).unwrap();
        let labels: Vec<_> = (0..p * p).map(|pair| data.label(pair)).collect();
        BasisKind::of(&labels, p as usize)
    }

    #[test]
    fn places_in_a_cyclic_group_are_those_of_the_operation() {
        let places = |operation: &str, p| {
            let data = Dataset::new(&Operation::parse(operation).unwrap(), p).unwrap();
            let labels: Vec<_> = (0..p * p).map(|pair| data.label(pair)).collect();
            cyclic_places(&labels, p as usize)
        };
        let (order, sub) = places("sub", 12).unwrap();
        assert_eq!((order, sub[11]), (12, Some(11)));
        let (order, mul) = places("mul", 7).unwrap();
        // 3 is the smallest primitive root of 7: 3, 2, 6, 4, 5, 1.
        let want = [None, Some(0), Some(2), Some(1), Some(4), Some(5), Some(3)];
        assert_eq!((order, mul.as_slice()), (6, &want[..]));
        assert_eq!(places("a * a + b", 13), None);
    }

    #[test]
    fn operations_choose_their_basis() {
        for operation in ["add", "sub", "b - a + 3"] {
            assert_eq!(kind(operation, 12), BasisKind::Additive, "{operation}");
        }
        for operation in ["mul", "div", "mul-nonzero", "3 * a * b", "a / b"] {
            assert_eq!(
                kind(operation, 13),
                BasisKind::Multiplicative,
                "{operation}"
            );
        }
        // The group modulo 2 has one element.
        assert_eq!(kind("mul", 2), BasisKind::Multiplicative);
        for operation in [
            "square-sum",
            "quadratic",
            "2*a + b",
            "a^2 * b",
            "div-odd-else-sub",
        ] {
            assert_eq!(kind(operation, 13), BasisKind::Labels, "{operation}");
        }
        assert_eq!(kind("mul", 12), BasisKind::Labels);
        assert_eq!(kind("add", 2), BasisKind::Additive);
    }

    #[test]
    fn groups_choose_their_own_basis_whatever_their_name() {
        for (name, want) in [
            ("C12", BasisKind::Additive),
            ("S4", BasisKind::Group),
            ("D5", BasisKind::Group),
            ("C2 x C4", BasisKind::Group),
        ] {
            let labels = labels_of(name);
            assert_eq!(BasisKind::of(&labels, labels.len().isqrt()), want, "{name}");
        }
    }

    #[test]
    fn names_come_back_and_others_are_refused() {
        assert_eq!("labels".parse(), Ok(BasisKind::Labels));
        let error = "fourier".parse::<BasisKind>().unwrap_err().to_string();
        assert!(
            error.contains("fourier") && error.contains("additive"),
            "{error}"
        );
    }
}
