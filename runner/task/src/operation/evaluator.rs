//! Operations modulo a number: where they are defined, and their values.

use super::expression::{Expression, Point};
use super::named::Domain;
use super::notation::{self, Style};
use super::{Operation, OperationError};
use crate::residues;

/// The largest modulus: with it, the index of every pair fits 32 bits.
pub const MAX_MODULUS: u32 = 65_535;

impl Operation {
    /// Whether the operation makes sense modulo `modulus`.
    ///
    /// Without a division it does for every modulus. With one it does if every divisor that occurs
    /// is 0 (such pairs are left out) or has an inverse: always for a prime modulus, for a
    /// composite one where the divisors share no factor with it, as in `a/2` modulo 15.
    ///
    /// Takes time in the order of the modulus; for a composite modulus and a divisor that depends
    /// on both operands, of its square.
    ///
    /// # Errors
    /// The modulus is not in 2..=[`MAX_MODULUS`]; some divisor has no inverse; or no pair at all is
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
    /// of the table, spread evenly, stand for the rest.
    ///
    /// # Errors
    /// Those of [`Operation::check`], as far as the pairs that are tried tell.
    pub fn count(&self, modulus: u32, most: u64) -> Result<Count, OperationError> {
        let evaluator = self.prepared(modulus)?;
        let p = u64::from(modulus);
        if evaluator.inverses.is_none() {
            let side = match self.domain {
                Domain::All => p,
                Domain::Nonzero => p - 1,
            };
            return Ok(Count {
                pairs: side * side,
                exact: true,
            });
        }
        evaluator.check(most)?;
        let rows = (most / p).clamp(1, p);
        let row = |i: u64| (i * p / rows) as u32;
        let defined = |a: u32| {
            (0..modulus)
                .filter(|b| evaluator.apply(a, *b).is_some())
                .count()
        };
        let found: u64 = (0..rows).map(|i| defined(row(i)) as u64).sum();
        Ok(Count {
            // Both factors are below 2^33: the product of the largest table fits.
            pairs: found * p / rows,
            exact: rows == p,
        })
    }

    /// The operation made ready for many evaluations modulo `modulus`.
    ///
    /// # Errors
    /// Those of [`Operation::check`].
    pub fn evaluator(&self, modulus: u32) -> Result<Evaluator<'_>, OperationError> {
        let evaluator = self.prepared(modulus)?;
        evaluator.check(u64::MAX)?;
        Ok(evaluator)
    }

    /// With the inverses at hand, and nothing tried yet but the size of the modulus.
    fn prepared(&self, modulus: u32) -> Result<Evaluator<'_>, OperationError> {
        if !(2..=MAX_MODULUS).contains(&modulus) {
            let message = format!("the modulus is {modulus}");
            let expected = format!("an integer from 2 to {MAX_MODULUS}");
            return Err(OperationError::new(0..self.extent, message, expected));
        }
        let inverses = self.expression.divides().then(|| {
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

    /// The value for one pair; `None` outside the domain, for operands that are not residues of the
    /// modulus, and for a modulus that [`Operation::check`] refuses for its size.
    ///
    /// For many pairs take [`Operation::evaluator`].
    pub fn apply(&self, a: u32, b: u32, modulus: u32) -> Option<u32> {
        let sized = (2..=MAX_MODULUS).contains(&modulus);
        if sized {
            self.value(Point {
                a,
                b,
                modulus,
                inverses: None,
            })
        } else {
            None
        }
    }

    /// Whether swapping the operands never changes the outcome, being undefined included. False
    /// where the operation is undefined for the modulus.
    ///
    /// Tries all pairs until it finds a difference.
    pub fn is_commutative(&self, modulus: u32) -> bool {
        self.evaluator(modulus).is_ok_and(|evaluator| {
            (0..modulus).all(|a| (0..a).all(|b| evaluator.apply(a, b) == evaluator.apply(b, a)))
        })
    }

    fn value(&self, at: Point<'_>) -> Option<u32> {
        let inside = match self.domain {
            Domain::All => at.a < at.modulus && at.b < at.modulus,
            Domain::Nonzero => (1..at.modulus).contains(&at.a) && (1..at.modulus).contains(&at.b),
        };
        if inside {
            self.expression.value(at).ok()
        } else {
            None
        }
    }
}

/// How many pairs an operation is defined on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// the pairs
    pub pairs: u64,
    /// whether each was tried; else this is carried on from some
    pub exact: bool,
}

/// An operation modulo a number for which it is defined, with the inverses at hand.
#[derive(Clone, Debug)]
pub struct Evaluator<'o> {
    operation: &'o Operation,
    modulus: u32,
    /// The inverse of each residue, 0 for none; absent if nothing is divided.
    inverses: Option<Vec<u32>>,
}

impl<'o> Evaluator<'o> {
    /// The modulus.
    pub fn modulus(&self) -> u32 {
        self.modulus
    }

    /// The value for a pair; `None` outside the domain and for operands that are not residues of
    /// the modulus.
    pub fn apply(&self, a: u32, b: u32) -> Option<u32> {
        self.operation.value(self.at(a, b))
    }

    fn at(&self, a: u32, b: u32) -> Point<'_> {
        Point {
            a,
            b,
            modulus: self.modulus,
            inverses: self.inverses.as_deref(),
        }
    }

    /// Whether the operation makes sense, by at most so many pairs.
    fn check(&self, most: u64) -> Result<(), OperationError> {
        self.every_divisor_has_an_inverse(most)?;
        self.some_pair_is_defined(most)
    }

    fn every_divisor_has_an_inverse(&self, most: u64) -> Result<(), OperationError> {
        if self.inverses.is_none() || residues::is_prime(self.modulus) {
            return Ok(());
        }
        let expression = &self.operation.expression;
        let mentions = expression.mentioned_by_divisors();
        let all = |mentioned| if mentioned { 0..self.modulus } else { 0..1 };
        let mut left = most;
        for a in all(mentions.a) {
            for b in all(mentions.b) {
                if left == 0 {
                    return Ok(());
                }
                left -= 1;
                if let Err(undefined) = expression.value(self.at(a, b))
                    && undefined.value != 0
                {
                    return Err(self.no_inverse(undefined.divisor, undefined.value));
                }
            }
        }
        Ok(())
    }

    fn no_inverse(&self, divisor: &Expression, value: u32) -> OperationError {
        let p = self.modulus;
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
        let error = OperationError::new(0..self.operation.extent, message, expected);
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

    fn some_pair_is_defined(&self, most: u64) -> Result<(), OperationError> {
        let p = u64::from(self.modulus);
        let rows = most.div_ceil(p).min(p);
        let defined = |a| (0..self.modulus).any(|b| self.apply(a, b).is_some());
        if (0..rows as u32).any(defined) || rows < p {
            return Ok(());
        }
        let message = format!(
            "modulo {} the operation divides by 0 for every pair",
            self.modulus
        );
        let expected = "a divisor that is not always 0";
        Err(OperationError::new(
            0..self.operation.extent,
            message,
            expected,
        ))
    }
}
