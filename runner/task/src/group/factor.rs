//! Multiplies elements of one group of a family, in the family's own numbering, where the neutral
//! element is 0.

use std::fmt;

use super::permutations::Permutations;

/// The families of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Cyclic,
    Dihedral,
    Dicyclic,
    Symmetric,
    Alternating,
}

impl Family {
    pub(super) const ALL: [Family; 5] = [
        Family::Cyclic,
        Family::Dihedral,
        Family::Dicyclic,
        Family::Symmetric,
        Family::Alternating,
    ];

    /// Returns the beginning of the names of the family's groups.
    pub(super) const fn letters(self) -> &'static str {
        match self {
            Family::Cyclic => "C",
            Family::Dihedral => "D",
            Family::Dicyclic => "Dic",
            Family::Symmetric => "S",
            Family::Alternating => "A",
        }
    }

    /// Returns the least n; below it the group is trivial, or another family's.
    pub(super) const fn least(self) -> u32 {
        match self {
            Family::Cyclic | Family::Dihedral | Family::Dicyclic | Family::Symmetric => 2,
            Family::Alternating => 3,
        }
    }

    /// Returns the number of elements, saturated if it does not fit.
    pub(super) fn size(self, n: u32) -> u32 {
        let factorial = |from: u32| {
            (from..=n)
                .try_fold(1_u32, u32::checked_mul)
                .unwrap_or(u32::MAX)
        };
        match self {
            Family::Cyclic => n,
            Family::Dihedral => n.saturating_mul(2),
            Family::Dicyclic => n.saturating_mul(4),
            Family::Symmetric => factorial(1),
            // n!/2, without its factor 2.
            Family::Alternating => factorial(3),
        }
    }
}

/// A group of a family.
#[derive(Clone, Debug)]
pub(super) struct Factor {
    family: Family,
    n: u32,
    size: u32,
    /// The elements, if this is a permutation group.
    permutations: Option<Permutations>,
}

impl Factor {
    /// Makes the group of a family; the caller has checked its size.
    pub(super) fn new(family: Family, n: u32) -> Factor {
        let permutations = match family {
            Family::Cyclic | Family::Dihedral | Family::Dicyclic => None,
            Family::Symmetric => Some(Permutations::all(n as usize)),
            Family::Alternating => Some(Permutations::even(n as usize)),
        };
        Factor {
            family,
            n,
            size: family.size(n),
            permutations,
        }
    }

    pub(super) fn family(&self) -> Family {
        self.family
    }

    pub(super) fn size(&self) -> u32 {
        self.size
    }

    pub(super) fn permutations(&self) -> Option<&Permutations> {
        self.permutations.as_ref()
    }

    /// Returns the product of two elements.
    pub(super) fn product(&self, a: u32, b: u32) -> u32 {
        if let Some(permutations) = &self.permutations {
            return permutations.product(a, b);
        }
        // a^i x^f · a^j x^g = a^(i ± j) x^(f + g), with a minus if an x stands between. C is the
        // case without x, and in D x is the reflection s.
        let turns = self.turns();
        let ((i, f), (j, g)) = ((a % turns, a / turns), (b % turns, b / turns));
        let moved = if f == 0 { i + j } else { i + turns - j };
        match (f + g, self.family) {
            // x² = a^n.
            (2, Family::Dicyclic) => (moved + self.n) % turns,
            (flips, _) => moved % turns + turns * (flips % 2),
        }
    }

    pub(super) fn inverse(&self, a: u32) -> u32 {
        if let Some(permutations) = &self.permutations {
            return permutations.inverse(a);
        }
        let turns = self.turns();
        match (a / turns, self.family) {
            (0, _) => (turns - a) % turns,
            // (a^k x)² = x² = a^n, so the missing factor is a^n, which commutes.
            (_, Family::Dicyclic) => (a + self.n) % turns + turns,
            // A reflection is its own inverse.
            _ => a,
        }
    }

    /// Returns the order of the cyclic part.
    fn turns(&self) -> u32 {
        match self.family {
            Family::Dicyclic => 2 * self.n,
            _ => self.n,
        }
    }

    pub(super) fn element_name(&self, a: u32) -> String {
        if let Some(permutations) = &self.permutations {
            return permutations.one_line(a);
        }
        let (k, flipped) = (a % self.turns(), a >= self.turns());
        match (self.family, flipped) {
            (Family::Dihedral, false) => format!("r{k}"),
            (Family::Dihedral, true) => format!("r{k}s"),
            (Family::Dicyclic, false) => format!("a{k}"),
            (Family::Dicyclic, true) => format!("a{k}x"),
            _ => k.to_string(),
        }
    }

    pub(super) fn is_abelian(&self) -> bool {
        match self.family {
            Family::Cyclic => true,
            Family::Dihedral | Family::Symmetric => self.n <= 2,
            Family::Dicyclic => self.n <= 1,
            Family::Alternating => self.n <= 3,
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.family.letters(), self.n)
    }
}
