//! Defines finite groups: families by name, their products, and the order in which elements are
//! numbered. Owns multiplication, inverses and the names of elements. Knows nothing of
//! representations.

mod factor;
mod order;
mod parser;
mod permutations;

use std::fmt;

pub use order::ElementOrder;

use crate::OperationError;
use factor::Factor;
use order::Numbering;

/// The largest number of elements of a group or a table: that of S7, whose table has 25 million
/// pairs.
pub const MAX_ELEMENTS: u32 = 5_040;

/// A finite group whose elements are numbered.
///
/// # Names
/// | name | group | elements, in their order |
/// | --- | --- | --- |
/// | `Cn` | cyclic, n elements | 0, 1, … n − 1; the product is the sum modulo n |
/// | `Dn` | dihedral, **2n** elements | r⁰, r, … rⁿ⁻¹, s, rs, … rⁿ⁻¹s; s r = r⁻¹ s |
/// | `Dicn` | dicyclic, **4n** elements | a⁰, a, … a²ⁿ⁻¹, x, ax, … a²ⁿ⁻¹x; x² = aⁿ, x a = a⁻¹ x |
/// | `Sn` | symmetric, n! elements | permutations by their one-line notation |
/// | `An` | alternating, n!/2 elements | the even ones of these |
/// | `G x H` | direct product | pairs, the first slow, the last fast |
///
/// The product g h of permutations is "g, then h", which maps i to h(g(i)), as in the published
/// code of Chughtai et al. 2023 and of Stander et al. 2024. In textbooks that product is often
/// written h g.
///
/// This order is [`ElementOrder::Lexicographic`]; the other orders number the same elements
/// differently.
///
/// ```
/// use grokrun_task::Group;
///
/// let group = Group::parse("D60")?;
/// assert_eq!(group.order(), 120);
/// assert!(!group.is_abelian());
/// // s r = r⁻¹ s.
/// assert_eq!(group.product(60, 1), Some(119));
/// assert_eq!(group.element_name(119).as_deref(), Some("r59s"));
/// # Ok::<(), grokrun_task::OperationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Group {
    name: String,
    factors: Vec<Factor>,
    order: u32,
    element_order: ElementOrder,
    /// The numbering of the elements, if it is not that of the factors.
    numbering: Option<Numbering>,
}

impl Group {
    /// Reads the name of a group whose elements are in lexicographic order; surrounding spaces are
    /// ignored.
    ///
    /// # Errors
    /// When there is no such group, or the group has more than [`MAX_ELEMENTS`] elements.
    pub fn parse(name: &str) -> Result<Group, OperationError> {
        Group::with_order(name, ElementOrder::Lexicographic)
    }

    /// Reads the name of a group whose elements are in the given order.
    ///
    /// # Errors
    /// Those of [`Group::parse`], and when the order is not known for this group.
    pub fn with_order(name: &str, element_order: ElementOrder) -> Result<Group, OperationError> {
        let factors = parser::factors(name)?;
        let names: Vec<String> = factors.iter().map(Factor::to_string).collect();
        let numbering = order::numbering(element_order, &factors)
            .map_err(|refused| refused.about(name, &names.join(" x ")))?;
        Ok(Group {
            name: names.join(" x "),
            order: factors.iter().map(Factor::size).product(),
            factors,
            element_order,
            numbering,
        })
    }

    /// Returns the name in its canonical form: `S4 x S4`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of elements.
    pub fn order(&self) -> u32 {
        self.order
    }

    /// Returns the order in which the elements are numbered.
    pub fn element_order(&self) -> ElementOrder {
        self.element_order
    }

    /// Returns the product a b; `None` unless both are elements.
    pub fn product(&self, a: u32, b: u32) -> Option<u32> {
        let (mut a, mut b) = (self.natural(a)?, self.natural(b)?);
        let (mut product, mut weight) = (0, 1);
        for factor in self.factors.iter().rev() {
            let size = factor.size();
            product += weight * factor.product(a % size, b % size);
            weight *= size;
            (a, b) = (a / size, b / size);
        }
        Some(self.numbered(product))
    }

    /// Returns the inverse of an element; `None` if `a` is not an element.
    pub fn inverse(&self, a: u32) -> Option<u32> {
        let mut a = self.natural(a)?;
        let (mut inverse, mut weight) = (0, 1);
        for factor in self.factors.iter().rev() {
            let size = factor.size();
            inverse += weight * factor.inverse(a % size);
            weight *= size;
            a /= size;
        }
        Some(self.numbered(inverse))
    }

    /// Returns the number of the neutral element.
    pub fn identity(&self) -> u32 {
        // Every factor numbers its neutral element 0.
        self.numbered(0)
    }

    /// Returns the name of an element: `3` in C113, `r3s` in D60, `a2x` in Dic26, the one-line
    /// notation from 0 on in S4 (`0132`), `(0132, r3s)` in a product. `None` if `a` is not an
    /// element.
    pub fn element_name(&self, a: u32) -> Option<String> {
        let mut a = self.natural(a)?;
        let mut names = Vec::with_capacity(self.factors.len());
        for factor in self.factors.iter().rev() {
            names.push(factor.element_name(a % factor.size()));
            a /= factor.size();
        }
        names.reverse();
        Some(match names.len() {
            1 => names.concat(),
            _ => format!("({})", names.join(", ")),
        })
    }

    /// Returns whether a b = b a for all elements.
    pub fn is_abelian(&self) -> bool {
        self.factors.iter().all(Factor::is_abelian)
    }

    /// Returns the number that the factors give the element; `None` if there is no such element.
    fn natural(&self, element: u32) -> Option<u32> {
        match &self.numbering {
            _ if element >= self.order => None,
            Some(numbering) => numbering.natural(element),
            None => Some(element),
        }
    }

    fn numbered(&self, natural: u32) -> u32 {
        match &self.numbering {
            Some(numbering) => numbering.numbered(natural),
            None => natural,
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests;
