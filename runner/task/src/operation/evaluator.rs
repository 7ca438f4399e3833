//! Evaluates operations modulo a number.

use super::expression::{MAX_OPERANDS, Point};
use super::formula::Formula;
use super::{Domain, Kind, Operation, OperationError};
use crate::residues;
use crate::tuple::operands_of;

/// The largest modulus: with it, the index of every pair fits 32 bits.
pub const MAX_MODULUS: u32 = 65_535;

/// The largest number of tuples of three operands or more.
pub const MAX_TUPLES: u64 = 1 << 28;

impl Operation {
    /// Prepares the operation for many evaluations modulo `modulus`.
    ///
    /// # Errors
    /// Those of [`Operation::check`].
    pub fn evaluator(&self, modulus: u32) -> Result<Evaluator<'_>, OperationError> {
        let evaluator = self.prepared(modulus)?;
        evaluator.check(u64::MAX)?;
        Ok(evaluator)
    }

    /// Prepares the inverses, and checks nothing but the size of the modulus.
    pub(super) fn prepared(&self, modulus: u32) -> Result<Evaluator<'_>, OperationError> {
        self.check_size(modulus)?;
        let divides = matches!(&self.kind, Kind::Formula(formula) if formula.expression.divides());
        let inverses = divides.then(|| {
            (0..modulus)
                .map(|n| residues::inverse(n, modulus).unwrap_or(0))
                .collect::<Vec<u32>>()
        });
        Ok(Evaluator {
            operation: self,
            modulus,
            inverses,
        })
    }

    fn check_size(&self, modulus: u32) -> Result<(), OperationError> {
        let refused = |message, expected| OperationError::new(0..self.extent, message, expected);
        if !(2..=MAX_MODULUS).contains(&modulus) {
            let message = format!("the modulus is {modulus}");
            let expected = format!("an integer from 2 to {MAX_MODULUS}");
            return Err(refused(message, expected));
        }
        if let Some(size) = self.size().filter(|size| *size != modulus) {
            let message = format!("the modulus is {modulus}, but {self} has {size} elements");
            return Err(refused(message, format!("the number of elements, {size}")));
        }
        if matches!(self.kind, Kind::Parity(_)) {
            return Ok(());
        }
        let operands = self.operands() as u32;
        let tuples = u64::from(modulus).checked_pow(operands);
        if operands > 2 && tuples.is_none_or(|tuples| tuples > MAX_TUPLES) {
            let fits = |p: &u32| u64::from(*p).pow(operands) <= MAX_TUPLES;
            let largest = (2..modulus).take_while(fits).last().unwrap_or(2);
            let message = format!("{operands} operands modulo {modulus} have too many tuples");
            let expected = format!(
                "a modulus of at most {largest} for {operands} operands, which have at most \
                 {MAX_TUPLES} tuples"
            );
            return Err(refused(message, expected));
        }
        Ok(())
    }

    /// Returns the value for one pair; `None` outside the domain, for operands that are not
    /// residues of the modulus, for a modulus whose size [`Operation::check`] refuses, and for an
    /// operation that has more than two operands.
    ///
    /// For many pairs [`Operation::evaluator`] is faster.
    pub fn apply(&self, a: u32, b: u32, modulus: u32) -> Option<u32> {
        self.check_size(modulus).ok()?;
        let evaluator = Evaluator {
            operation: self,
            modulus,
            inverses: None,
        };
        evaluator.apply(a, b)
    }

    /// Returns whether exchanging operands never changes the result, where being undefined counts
    /// as a result. Returns false if the operation is undefined for the modulus.
    ///
    /// Tries all tuples until two of them differ.
    pub fn is_commutative(&self, modulus: u32) -> bool {
        let Ok(evaluator) = self.evaluator(modulus) else {
            return false;
        };
        match &self.kind {
            Kind::Group(group) => return group.is_abelian(),
            // Some of its bits do not matter, unless all do.
            Kind::Parity(parity) => return parity.relevant() == parity.bits(),
            Kind::Formula(_) | Kind::Table(_) => {}
        }
        let operands = self.operands();
        let tuples = u64::from(modulus).pow(operands as u32);
        (0..tuples).all(|index| {
            let tuple = operands_of(index, modulus, operands);
            // Exchanges of neighbours generate all others; each exchange is tried from one side.
            (1..operands)
                .filter(|right| tuple[right - 1] > tuple[*right])
                .all(|right| {
                    let mut exchanged = tuple;
                    exchanged.swap(right - 1, right);
                    evaluator.value(&evaluator.at(tuple))
                        == evaluator.value(&evaluator.at(exchanged))
                })
        })
    }
}

/// An operation modulo a number for which the operation is defined, with precomputed inverses.
#[derive(Clone, Debug)]
pub struct Evaluator<'o> {
    operation: &'o Operation,
    modulus: u32,
    /// The inverse of each residue, 0 if there is none; `None` if the operation does not divide.
    inverses: Option<Vec<u32>>,
}

impl<'o> Evaluator<'o> {
    /// Returns the modulus.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// Returns the number of operands of the operation.
    pub fn operands(&self) -> usize {
        self.operation.operands()
    }

    /// Returns the value for a pair; `None` outside the domain, for operands that are not residues
    /// of the modulus, and for an operation that has more than two operands.
    pub fn apply(&self, a: u32, b: u32) -> Option<u32> {
        self.apply_all(&[a, b])
    }

    /// Returns the value for a tuple; `None` outside the domain, for operands that are not residues
    /// of the modulus, and for another number of operands than the operation has.
    pub fn apply_all(&self, operands: &[u32]) -> Option<u32> {
        if operands.len() != self.operands() {
            return None;
        }
        let mut tuple = [0; MAX_OPERANDS];
        for (place, operand) in tuple.iter_mut().zip(operands) {
            *place = *operand;
        }
        self.value(&self.at(tuple))
    }

    /// Returns the number of rows, that is, of tuples without their last operand. A parity has none
    /// that are tried.
    pub(crate) fn rows(&self) -> u64 {
        match &self.operation.kind {
            Kind::Parity(_) => 0,
            _ => u64::from(self.modulus).pow(self.operands() as u32 - 1),
        }
    }

    /// Returns the values of a row, in which the last operand varies.
    pub(crate) fn row(&self, row: u64) -> impl Iterator<Item = Option<u32>> {
        let operands = self.operands();
        let first = row * u64::from(self.modulus);
        let mut at = self.at(operands_of(first, self.modulus, operands));
        (0..self.modulus).map(move |last| {
            at.operands[operands - 1] = last;
            self.value(&at)
        })
    }

    fn value(&self, at: &Point<'_>) -> Option<u32> {
        let [a, b, ..] = at.operands;
        match &self.operation.kind {
            Kind::Formula(formula) if self.has(formula, at) => formula.expression.value(at).ok(),
            Kind::Formula(_) => None,
            Kind::Group(group) => group.product(a, b),
            Kind::Table(table) => table.table.value(a, b),
            // Its operands are more than a point has; its values are drawn, not worked out.
            Kind::Parity(_) => None,
        }
    }

    /// Returns whether a tuple is in the domain, without evaluating the formula.
    fn has(&self, formula: &Formula, at: &Point<'_>) -> bool {
        // Operands that the formula does not have are 0.
        let residues = at.operands.iter().all(|operand| *operand < self.modulus);
        residues
            && match formula.domain {
                Domain::All => true,
                Domain::Nonzero => !at.operands[..formula.operands].contains(&0),
            }
    }

    pub(super) fn at(&self, operands: [u32; MAX_OPERANDS]) -> Point<'_> {
        Point {
            operands,
            modulus: self.modulus,
            inverses: self.inverses.as_deref(),
        }
    }

    pub(super) fn operation(&self) -> &'o Operation {
        self.operation
    }

    /// Returns whether the operation divides.
    pub(super) fn divides(&self) -> bool {
        self.inverses.is_some()
    }
}
