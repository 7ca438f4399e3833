//! Holds all tuples of an operation's domain with their labels. Owns their order. Knows nothing of
//! how tuples are split or drawn.

use crate::tuple::operands_of;
use crate::{Domain, Operation, OperationError};

/// Every tuple on which an operation is defined, with its label, in the published order: `a` slow,
/// the last operand fast. For two operands the tuples are pairs; most names here say so for all.
/// Takes 8 bytes for each tuple, hence 8·modulus² bytes for an operation of two operands that is
/// defined everywhere. Of a parity the tuples are the samples that are drawn, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    modulus: u32,
    operands: usize,
    pairs: Vec<u32>,
    labels: Vec<u32>,
    /// of drawn samples all operands, `(samples, operands)`, and indices are their places; empty
    /// where indices say what the operands are
    drawn: Vec<u8>,
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
        if let Some(parity) = operation.as_parity() {
            let drawn = parity.draw();
            // There are at most 2^28 bits.
            return Ok(Dataset {
                modulus,
                operands,
                pairs: (0..parity.samples() as u32).collect(),
                labels: drawn.labels.into_iter().map(u32::from).collect(),
                drawn: drawn.inputs,
            });
        }
        let all = (modulus as usize).pow(operands as u32);
        let (mut pairs, mut labels) = (Vec::with_capacity(all), Vec::with_capacity(all));
        for row in 0..evaluator.rows() {
            // There are at most MAX_MODULUS² pairs or MAX_TUPLES tuples, so indices fit.
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
            drawn: Vec::new(),
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

    /// Returns the modulus p: operands and labels are below p.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// Returns the number of operands of a tuple.
    pub fn operands(&self) -> usize {
        self.operands
    }

    /// Returns the pairs as indices `a·p + b` into the list of all p² pairs, ascending, `(n)`;
    /// tuples of three operands as `(a·p + b)·p + c`, and so on.
    pub fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    /// Returns the label of each pair, `(n)`, in the order of [`Dataset::pairs`].
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Returns the number of indices that a tuple can have: p² for pairs, pᵏ for k operands, and as
    /// many as there are samples where these are drawn.
    pub fn indices(&self) -> u64 {
        if self.drawn.is_empty() {
            u64::from(self.modulus).pow(self.operands as u32)
        } else {
            self.pairs.len() as u64
        }
    }

    /// Returns the operands of the tuple with an index, in their order. For an index beyond
    /// [`Dataset::indices`] the operands have no meaning.
    pub fn tokens_of(&self, index: u32) -> impl Iterator<Item = u32> + use<'_> {
        let first = index as usize * self.operands;
        let drawn = self.drawn.get(first..first + self.operands);
        let worked_out = match drawn {
            Some(_) => 0,
            None => self.operands,
        };
        let tuple = operands_of(u64::from(index), self.modulus, worked_out);
        let drawn = drawn.into_iter().flatten().map(|bit| u32::from(*bit));
        drawn.chain(tuple.into_iter().take(worked_out))
    }

    /// Returns the label of the tuple with an index, `a·p + b` for a pair; `None` outside the
    /// domain.
    pub fn label(&self, pair: u32) -> Option<u32> {
        // If every pair is in the domain, the index of a pair is its position.
        let place = match self.pairs.get(pair as usize) {
            Some(&found) if found == pair => pair as usize,
            _ => self.pairs.binary_search(&pair).ok()?,
        };
        self.labels.get(place).copied()
    }
}

#[cfg(test)]
mod tests;
