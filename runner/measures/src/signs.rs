//! Finds how the place of a label in a cyclic group follows from those of the operands.

use grokrun_api::Task;
use grokrun_basis::Space;

/// Describes an operation whose operands have a place in a cyclic group of n, so that the label's
/// is ±place(a) ± place(b) + constant: addition, subtraction, and through logarithms multiplication
/// and division.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signs {
    /// whether place(a) is added, and not subtracted
    pub a: bool,
    /// whether place(b) is added, and not subtracted
    pub b: bool,
    /// the place of the label where both operands have place 0
    pub constant: usize,
    /// the place of each operand, `(p)`; none if it is outside of the group
    pub places: Vec<Option<usize>>,
}

impl Signs {
    /// Finds them; none if the operation has no such group.
    pub fn of(space: &Space, task: &Task) -> Option<Signs> {
        let basis = space.operands().filter(|basis| basis.is_cyclic())?;
        let (p, n) = (task.modulus, basis.group());
        let mut places = vec![None; p];
        for (place, token) in basis.order().iter().enumerate() {
            places[*token] = Some(place);
        }
        let label = |a: usize, b: usize| Some(*task.labels.get(a * p + b)? as Option<u32>)?;
        let token = |place: usize| basis.order()[place % n];
        let place_at = |i: usize, j: usize| *places.get(label(token(i), token(j))? as usize)?;
        let constant = place_at(0, 0)?;
        // +1, or −1 as n − 1; in a group of two they are the same.
        let sign = |place: usize| (place + n - constant) % n == 1 % n;
        Some(Signs {
            a: sign(place_at(1, 0)?),
            b: sign(place_at(0, 1)?),
            constant,
            places,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{space, testing::group};
    use grokrun_api::testing::{mul, task};

    fn signs(task: &Task) -> Option<(bool, bool, usize)> {
        let found = Signs::of(&space("auto", task).unwrap(), task)?;
        Some((found.a, found.b, found.constant))
    }

    #[test]
    fn sums_differences_and_products_have_signs_and_groups_have_none() {
        let of = |f: fn(u32, u32) -> u32| task("f", 11, move |a, b| Some(f(a, b) % 11));
        assert_eq!(signs(&of(|a, b| a + b)), Some((true, true, 0)));
        assert_eq!(signs(&of(|a, b| a + 11 - b + 4)), Some((true, false, 4)));
        assert_eq!(signs(&mul(11)), Some((true, true, 0)));
        assert_eq!(signs(&of(|a, b| a * a + b)), None);
        assert_eq!(signs(&group("S3")), None);
    }
}
