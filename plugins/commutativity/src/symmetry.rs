//! Finds out what swapping the operands does to the operation, from the labels alone: what to
//! expect of a model that has learnt it.

use grokrun_api::Task;

use crate::measure::Mirror;

/// Says what swapping the operands does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// f(b, a) = f(a, b) for all pairs
    Commutative,
    /// f(b, a) = −f(a, b) modulo p for all pairs, as a − b
    Antisymmetric,
    /// neither
    Other,
}

/// Describes the operation under a ↔ b, over the pairs a < b that are defined in both orders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Symmetry {
    /// how many pairs
    pub(crate) pairs: usize,
    /// share of pairs with f(b, a) = f(a, b)
    pub(crate) equal: f64,
    /// share of pairs with f(b, a) = −f(a, b) modulo p
    pub(crate) opposite: f64,
    pub(crate) kind: Kind,
}

impl Symmetry {
    /// Finds the symmetry of a task. An operation that is both (p = 2, or 0 everywhere) is
    /// commutative.
    pub(crate) fn of(task: &Task, mirror: &Mirror) -> Symmetry {
        let p = task.modulus as u64;
        let label = |pair: usize| task.labels.get(pair).copied().flatten().map(u64::from);
        let (mut equal, mut opposite) = (0, 0);
        for (here, there) in mirror.pairs() {
            if let (Some(x), Some(y)) = (label(*here), label(*there)) {
                equal += usize::from(x == y);
                opposite += usize::from((x + y).is_multiple_of(p));
            }
        }
        let pairs = mirror.pairs().len();
        let kind = match pairs {
            n if n == equal => Kind::Commutative,
            n if n == opposite => Kind::Antisymmetric,
            _ => Kind::Other,
        };
        let share = |count: usize| count as f64 / pairs as f64;
        Symmetry {
            pairs,
            equal: share(equal),
            opposite: share(opposite),
            kind,
        }
    }

    /// Returns the kind in a word, for a table.
    pub(crate) fn name(&self) -> &'static str {
        match self.kind {
            Kind::Commutative => "commutative",
            Kind::Antisymmetric => "antisymmetric",
            Kind::Other => "neither",
        }
    }

    /// Says what is expected of a model that has learnt the operation; `opposite` is the asymmetry
    /// of its logits between L[a, b, c] and L[b, a, −c] in the end.
    pub(crate) fn expectation(&self, logits: f64, opposite: Option<f64>) -> String {
        match self.kind {
            Kind::Commutative => "the operation commutes: attention, neurons and logits are expected to be symmetric in a and b".to_owned(),
            Kind::Antisymmetric => format!(
                "the operation does not commute: f(b, a) = −f(a, b), so logits are expected to satisfy L[b, a, −c] = L[a, b, c], not L[b, a, c] = L[a, b, c]; in the end ‖N − Nᵀ‖² / ‖N‖² is {} for the first and {} for the second, and a symmetric model would be a wrong one",
                short(opposite.unwrap_or(f64::NAN)),
                short(logits)
            ),
            Kind::Other => format!(
                "the operation does not commute: f(b, a) = f(a, b) for {:.1} % of the pairs and f(b, a) = −f(a, b) for {:.1} %, so that no symmetry of attention, neurons or logits is expected: these numbers say how far the model is from commuting, not how far it is from right",
                100.0 * self.equal,
                100.0 * self.opposite
            ),
        }
    }
}

/// Formats a number with three digits, and an exponent if it is small.
fn short(x: f64) -> String {
    if x < 0.01 {
        format!("{x:.2e}")
    } else {
        format!("{x:.3}")
    }
}
