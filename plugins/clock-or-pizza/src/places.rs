//! Finds the places of operands and labels in their cyclic group.

use grokrun_api::Task;
use grokrun_basis::Space;
use grokrun_measures::Signs;

/// Describes an operation whose operands have a place in a group of n, so that the label's is
/// ±place(a) ± place(b) + constant: addition, subtraction, and through logarithms multiplication
/// and division.
pub(crate) struct Places {
    /// n
    pub(crate) n: usize,
    /// the residue at each place, `(n)`
    pub(crate) order: Vec<usize>,
    /// place of each residue, `(p)`; none if it is outside of the group
    pub(crate) of: Vec<Option<usize>>,
    /// pairs whose operands and label have a place
    pub(crate) pairs: Vec<Pair>,
}

/// Describes a pair of the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// a·p + b
    pub(crate) at: usize,
    /// the correct class
    pub(crate) label: usize,
    /// the place of the first, with the sign that it has in the label, minus that of the second:
    /// a − b for addition, a + b for subtraction
    pub(crate) distance: usize,
}

impl Places {
    /// Finds the places; none if the operation has no such group.
    pub(crate) fn new(space: &Space, task: &Task) -> Option<Places> {
        let signs = Signs::of(space, task)?;
        let (p, basis) = (task.modulus, space.basis());
        let (n, of) = (basis.group(), signs.places);
        let label = |a: usize, b: usize| Some(*task.labels.get(a * p + b)? as Option<u32>)?;
        let (by_a, by_b) = (signs.a, signs.b);
        let mut pairs = Vec::new();
        for a in 0..p {
            for b in 0..p {
                let (Some(i), Some(j)) = (of[a], of[b]) else {
                    continue;
                };
                let Some(label) = label(a, b).filter(|l| (*l as usize) < p) else {
                    continue;
                };
                let i = if by_a { i } else { n - i };
                let j = if by_b { n - j } else { j };
                pairs.push(Pair {
                    at: a * p + b,
                    label: label as usize,
                    distance: (i + j) % n,
                });
            }
        }
        Some(Places {
            n,
            order: basis.order().to_vec(),
            of,
            pairs,
        })
    }
}
