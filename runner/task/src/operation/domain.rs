//! Where an operation is defined: the checks of a modulus, and how many tuples of operands there
//! are. Both try no more tuples than they are told to.

use super::evaluator::Evaluator;
use super::expression::{Expression, MAX_OPERANDS, Undefined};
use super::notation::{self, Style};
use super::{Kind, MAX_MODULUS, Operation, OperationError};
use crate::residues;

/// Which tuples an operation is meant for, before it is asked where it is defined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Domain {
    /// All tuples.
    #[default]
    All,
    /// The tuples without a 0: every operand in 1..p.
    Nonzero,
}

/// How many pairs an operation is defined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// the pairs; the tuples of an operation with more operands
    pub pairs: u64,
    /// whether each was tried; else this is carried on from some
    pub exact: bool,
}

impl Operation {
    /// Whether the operation makes sense modulo `modulus`.
    ///
    /// Without a division it does for every modulus. With one it does if every divisor that occurs
    /// is 0 (such tuples are left out) or has an inverse: always for a prime modulus, for a
    /// composite one where the divisors share no factor with it, as in `a/2` modulo 15. A group or
    /// a table makes sense for its own number of elements alone.
    ///
    /// Takes time in the order of the modulus; for a composite modulus and a divisor that depends
    /// on several operands, of its power.
    ///
    /// # Errors
    /// The modulus is not in 2..=[`MAX_MODULUS`]; three operands or more have more than
    /// [`MAX_TUPLES`](super::MAX_TUPLES) tuples; some divisor has no inverse; or no tuple at all is
    /// left. The span is the whole text that was parsed.
    pub fn check(&self, modulus: u32) -> Result<(), OperationError> {
        self.evaluator(modulus).map(|_| ())
    }

    /// The same, trying at most so many pairs: what they do not tell is taken for granted, until
    /// [`Operation::evaluator`] tries all of them.
    ///
    /// # Errors
    /// Those of [`Operation::check`], as far as these pairs tell.
    pub fn check_within(&self, modulus: u32, pairs: u64) -> Result<(), OperationError> {
        self.prepared(modulus)?.check(pairs)
    }

    /// How many pairs it is defined on, trying at most `most` of them. Where that is not all, rows
    /// of the table, spread evenly, stand for the rest. A row is what the last operand runs over.
    ///
    /// # Errors
    /// Those of [`Operation::check`], as far as the pairs that are tried tell.
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
            // At most as many tuples as fit 32 bits, times rows of which there are fewer.
            pairs: found * all / rows,
            exact: rows == all,
        })
    }
}

/// The row that stands for the `i`-th of `rows` equal parts of `all` rows.
fn spread(i: u64, rows: u64, all: u64, operands: usize) -> u64 {
    if operands == 2 || rows == all {
        return i * all / rows;
    }
    // Equal distances could meet one value of an operand alone. The steps of the golden ratio do
    // not: coprime with the number of rows they come to every row once.
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
    /// Whether the operation makes sense, by at most so many tuples.
    pub(super) fn check(&self, most: u64) -> Result<(), OperationError> {
        self.every_divisor_has_an_inverse(most)?;
        self.some_tuple_is_defined(most)
    }

    /// The number of tuples, where it can be told without trying them.
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
            // The last mentioned operand runs fastest; the others stay at their least.
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
        error.help(match residues::primes_beside(p, MAX_MODULUS) {
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
