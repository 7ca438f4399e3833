//! All pairs of an operation's domain with their labels.

use crate::{Operation, OperationError};

/// Every pair on which an operation is defined, with its label, in the published order: `a` slow,
/// `b` fast.
///
/// Takes 8 bytes a pair, so 8·modulus² bytes where the operation is defined everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    modulus: u32,
    pairs: Vec<u32>,
    labels: Vec<u32>,
}

impl Dataset {
    /// Evaluates `operation` on all pairs modulo `modulus`.
    ///
    /// # Errors
    /// Those of [`Operation::check`].
    pub fn new(operation: &Operation, modulus: u32) -> Result<Dataset, OperationError> {
        let evaluator = operation.evaluator(modulus)?;
        let all = (modulus as usize).pow(2);
        let (mut pairs, mut labels) = (Vec::with_capacity(all), Vec::with_capacity(all));
        for (a, b) in (0..modulus).flat_map(|a| (0..modulus).map(move |b| (a, b))) {
            if let Some(label) = evaluator.apply(a, b) {
                pairs.push(a * modulus + b);
                labels.push(label);
            }
        }
        Ok(Dataset {
            modulus,
            pairs,
            labels,
        })
    }

    /// The modulus p: operands and labels are below it.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// The pairs as indices `a·p + b` into the list of all p² pairs, ascending, `(n)`.
    pub fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// The label of each pair, `(n)`, in the order of [`Dataset::pairs`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The label of the pair with the index `a·p + b`; `None` outside the domain.
    pub fn label(&self, pair: u32) -> Option<u32> {
        // Where every pair is in the domain, a pair's index is its place.
        let place = match self.pairs.get(pair as usize) {
            Some(&found) if found == pair => pair as usize,
            _ => self.pairs.binary_search(&pair).ok()?,
        };
        self.labels.get(place).copied()
    }
}

#[cfg(test)]
mod tests;
