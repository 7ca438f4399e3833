//! Decides where an operation is defined: checks moduli, and counts tuples of operands. Both try at
//! most a given number of tuples.

use super::evaluator::Evaluator;
use super::expression::{Expression, MAX_OPERANDS, Undefined};
use super::notation::{self, Style};
use super::{Kind, MAX_MODULUS, Operation, OperationError};
use crate::residues;

/// The tuples that an operation is meant for, whether or not it is defined on all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Domain {
    /// All tuples.
    #[default]
    All,
    /// The tuples without a 0: every operand in 1..p.
    Nonzero,
}

/// The number of pairs that an operation is defined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// number of pairs, or of tuples if the operation has more than two operands
    pub pairs: u64,
    /// whether each pair was tried; otherwise the number is extrapolated from some pairs
    pub exact: bool,
}

impl Operation {
    /// Checks that the operation makes sense modulo `modulus`.
    ///
    /// An operation without a division makes sense for every modulus. One with a division makes
    /// sense if every divisor that occurs is 0 (such tuples are left out) or has an inverse. That
    /// is always so for a prime modulus; for a composite modulus the divisors must share no factor
    /// with the modulus, as in `a/2` modulo 15. A group or a table makes sense for its own number
    /// of elements alone.
    ///
    /// Takes time proportional to the modulus; for a composite modulus and a divisor that depends
    /// on several operands, to a power of the modulus.
    ///
    /// # Errors
    /// When the modulus is not in 2..=[`MAX_MODULUS`]; when three operands or more have more than
    /// [`MAX_TUPLES`](super::MAX_TUPLES) tuples; when some divisor has no inverse; or when no tuple
    /// at all is left. The span is the whole text that was parsed.
    pub fn check(&self, modulus: u32) -> Result<(), OperationError> {
        self.evaluator(modulus).map(|_| ())
    }

    /// Checks the same, trying at most `pairs` pairs. A question that they leave open counts as
    /// answered by yes, until [`Operation::evaluator`] tries all pairs.
    ///
    /// # Errors
    /// Those of [`Operation::check`], as far as these pairs show them.
    pub fn check_within(&self, modulus: u32, pairs: u64) -> Result<(), OperationError> {
        self.prepared(modulus)?.check(pairs)
    }

    /// Returns the number of pairs that the operation is defined on, trying at most `most` pairs.
    /// If there are more, evenly spread rows of the table represent the rest. A row has all values
    /// of the last operand.
    ///
    /// # Errors
    /// Those of [`Operation::check`], as far as the pairs that are tried show them.
    pub fn count(&self, modulus: u32, most: u64) -> Result<Count, OperationError> {
        let evaluator = self.prepared(modulus)?;
        if let Some(pairs) = evaluator.known_count() {
            return Ok(Count { pairs, exact: true });
        }
        evaluator.check(most)?;
        let p = u64::from(modulus);
        let all = evaluator.rows();
        let rows = (most / p).clamp(1, all);
        let found: u64 = (0..rows)
            .map(|i| evaluator.defined_in_row(spread(i, rows, all, self.operands())))
            .sum();
        Ok(Count {
            // The number of tuples fits 32 bits, and there are fewer rows than that.
            pairs: found * all / rows,
            exact: rows == all,
        })
    }
}

/// Returns the row that represents the `i`-th of `rows` equal parts of `all` rows.
fn spread(i: u64, rows: u64, all: u64, operands: usize) -> u64 {
    if operands == 2 || rows == all {
        return i * all / rows;
    }
    // With equal distances, all rows could have the same value of an operand. The steps of the
    // golden ratio avoid that; since the step is coprime with the number of rows, every row is
    // reached once.
    let step = (all * 618 / 1000..all)
        .find(|step| coprime(*step, all))
        .unwrap_or(1);
    // Both are below 2^28.
    i * step % all
}

fn coprime(a: u64, b: u64) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}

impl Evaluator<'_> {
    /// Checks that the operation makes sense, trying at most `most` tuples.
    pub(super) fn check(&self, most: u64) -> Result<(), OperationError> {
        self.every_divisor_has_an_inverse(most)?;
        self.some_tuple_is_defined(most)
    }

    /// Returns the number of tuples, if it is known without trying them.
    fn known_count(&self) -> Option<u64> {
        let p = u64::from(self.modulus());
        match &self.operation().kind {
            Kind::Formula(_) if self.divides() => None,
            Kind::Formula(formula) => {
                let side = match formula.domain {
                    Domain::All => p,
                    Domain::Nonzero => p - 1,
                };
                Some(side.pow(self.operands() as u32))
            }
            Kind::Group(_) => Some(p * p),
            Kind::Table(table) => Some(table.table.defined()),
            Kind::Parity(parity) => Some(parity.samples() as u64),
        }
    }

    fn defined_in_row(&self, row: u64) -> u64 {
        self.row(row).flatten().count() as u64
    }

    fn every_divisor_has_an_inverse(&self, most: u64) -> Result<(), OperationError> {
        let Kind::Formula(formula) = &self.operation().kind else {
            return Ok(());
        };
        if !self.divides() || residues::is_prime(self.modulus()) {
            return Ok(());
        }
        let expression = &formula.expression;
        let mentioned = expression.mentioned_by_divisors().0;
        let varying = mentioned.iter().filter(|mentioned| **mentioned).count();
        let least = match formula.domain {
            Domain::All => 0,
            Domain::Nonzero => 1,
        };
        let side = u64::from(self.modulus() - least);
        for index in 0..side.pow(varying as u32).min(most) {
            // The last mentioned operand varies fastest; the others keep their least value.
            let mut rest = index;
            let mut operands = [least; MAX_OPERANDS];
            for (operand, mentioned) in operands.iter_mut().zip(mentioned).rev() {
                if mentioned {
                    *operand += (rest % side) as u32;
                    rest /= side;
                }
            }
            if let Err(Undefined { divisor, value }) = expression.value(&self.at(operands))
                && value != 0
            {
                return Err(self.no_inverse(divisor, value));
            }
        }
        Ok(())
    }

    fn no_inverse(&self, divisor: &Expression, value: u32) -> OperationError {
        let p = self.modulus();
        let shown = notation::write(divisor, Style::Source).text;
        let factor = format!(
            "which shares the factor {} with {p}",
            residues::gcd(value, p)
        );
        let message = match divisor {
            Expression::Constant(_) => {
                format!("modulo {p} there is no division by `{shown}`, {factor}")
            }
            _ => {
                format!("modulo {p} there is no division by `{shown}`: it can be {value}, {factor}")
            }
        };
        let expected = "a prime modulus, or divisors that share no factor with the modulus";
        let error = OperationError::new(0..self.operation().extent, message, expected);
        error.help(match residues::nearest_primes(p, MAX_MODULUS) {
            (Some(below), Some(above)) => {
                Some(format!("the nearest prime moduli are {below} and {above}"))
            }
            (Some(prime), None) | (None, Some(prime)) => {
                Some(format!("the nearest prime modulus is {prime}"))
            }
            (None, None) => None,
        })
    }

    fn some_tuple_is_defined(&self, most: u64) -> Result<(), OperationError> {
        if matches!(self.operation().kind, Kind::Parity(_)) {
            return Ok(());
        }
        let p = u64::from(self.modulus());
        let all = self.rows();
        let rows = most.div_ceil(p).min(all);
        if (0..rows).any(|row| self.row(row).any(|value| value.is_some())) || rows < all {
            return Ok(());
        }
        let message = format!("modulo {p} the operation divides by 0 for every pair");
        let expected = "a divisor that is not always 0";
        Err(OperationError::new(
            0..self.operation().extent,
            message,
            expected,
        ))
    }
}
