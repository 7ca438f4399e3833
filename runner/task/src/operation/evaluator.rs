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

    /// The operation made ready for many evaluations modulo `modulus`.
    ///
    /// # Errors
    /// Those of [`Operation::check`].
    pub fn evaluator(&self, modulus: u32) -> Result<Evaluator<'_>, OperationError> {
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
        let evaluator = Evaluator {
            operation: self,
            modulus,
            inverses,
        };
        evaluator.every_divisor_has_an_inverse()?;
        evaluator.some_pair_is_defined()?;
        Ok(evaluator)
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

    fn every_divisor_has_an_inverse(&self) -> Result<(), OperationError> {
        if self.inverses.is_none() || residues::is_prime(self.modulus) {
            return Ok(());
        }
        let expression = &self.operation.expression;
        let mentions = expression.mentioned_by_divisors();
        let all = |mentioned| if mentioned { 0..self.modulus } else { 0..1 };
        for a in all(mentions.a) {
            for b in all(mentions.b) {
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

    fn some_pair_is_defined(&self) -> Result<(), OperationError> {
        let defined = |a| (0..self.modulus).any(|b| self.apply(a, b).is_some());
        if (0..self.modulus).any(defined) {
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
