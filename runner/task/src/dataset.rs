//! All tuples of an operation's domain with their labels. Owns their order. Knows nothing of how
//! they are split or drawn.

use crate::tuple::operands_of;
use crate::{Domain, Operation, OperationError};

/// Every tuple on which an operation is defined, with its label, in the published order: `a` slow,
/// the last operand fast. For two operands the tuples are pairs; most names here say so for all.
///
/// Takes 8 bytes a tuple, so 8·modulus² bytes where an operation of two operands is defined
/// everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    modulus: u32,
    operands: usize,
    pairs: Vec<u32>,
    labels: Vec<u32>,
}

impl Dataset {
    /// Evaluates `operation` on all tuples modulo `modulus`, which is the number of elements of a
    /// group or a table.
    ///
    /// # Errors
    /// Those of [`Operation::check`].
    pub fn new(operation: &Operation, modulus: u32) -> Result<Dataset, OperationError> {
        let evaluator = operation.evaluator(modulus)?;
        let operands = operation.operands();
        let all = (modulus as usize).pow(operands as u32);
        let (mut pairs, mut labels) = (Vec::with_capacity(all), Vec::with_capacity(all));
        for row in 0..evaluator.rows() {
            // At most MAX_MODULUS² pairs or MAX_TUPLES tuples: indices fit.
            let first = (row * u64::from(modulus)) as u32;
            for (last, label) in (0..modulus).zip(evaluator.row(row)) {
                if let Some(label) = label {
                    pairs.push(first + last);
                    labels.push(label);
                }
            }
        }
        Ok(Dataset {
            modulus,
            operands,
            pairs,
            labels,
        })
    }

    /// Evaluates `operation` on the tuples of a domain: those without a 0, or all.
    ///
    /// # Errors
    /// Those of [`Operation::on`] and [`Operation::check`].
    pub fn with(
        operation: &Operation,
        modulus: u32,
        domain: Domain,
    ) -> Result<Dataset, OperationError> {
        Dataset::new(&operation.clone().on(domain)?, modulus)
    }

    /// The modulus p: operands and labels are below it.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// Returns how many operands a tuple has.
    pub fn operands(&self) -> usize {
        self.operands
    }

    /// The pairs as indices `a·p + b` into the list of all p² pairs, ascending, `(n)`; tuples of
    /// three as `(a·p + b)·p + c`, and so on.
    pub fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// The label of each pair, `(n)`, in the order of [`Dataset::pairs`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Returns the operands of the tuple with an index, in their order. Of an index beyond the list
    /// of all tuples they mean nothing.
    pub fn tokens_of(&self, index: u32) -> impl ExactSizeIterator<Item = u32> + use<> {
        let tuple = operands_of(u64::from(index), self.modulus, self.operands);
        tuple.into_iter().take(self.operands)
    }

    /// The label of the tuple with an index, `a·p + b` of a pair; `None` outside the domain.
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
