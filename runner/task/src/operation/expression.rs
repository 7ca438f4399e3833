//! Holds expressions in `a` to `e`: the tree and its value. Owns where a value is undefined.

use crate::residues;

/// The largest number of operands of an operation: the letters `a` to `e`.
pub const MAX_OPERANDS: usize = 5;

/// One of the numbers that an operation is applied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    A,
    B,
    C,
    D,
    E,
}

impl Operand {
    /// The letters, in the order of the operands.
    pub(super) const LETTERS: [&'static str; MAX_OPERANDS] = ["a", "b", "c", "d", "e"];

    pub(super) fn letter(self) -> &'static str {
        Operand::LETTERS[self as usize]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Plus,
    Minus,
    Times,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parity {
    Even,
    Odd,
}

/// An expression. The parser bounds its depth, so every recursion over an expression ends soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Operand(Operand),
    Constant(u64),
    Negated(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    Power(Box<Expression>, u64),
    Choice(Box<Choice>),
}

/// `then if tested is odd else otherwise`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) then: Expression,
    pub(super) tested: Expression,
    pub(super) parity: Parity,
    pub(super) otherwise: Expression,
}

/// The point at which an expression is evaluated.
#[derive(Clone, Copy)]
pub(super) struct Point<'t> {
    /// The value of each operand; 0 for operands that the operation does not have.
    pub(super) operands: [u32; MAX_OPERANDS],
    pub(super) modulus: u32,
    /// The inverse of each residue, 0 if there is none; without a table inverses are computed.
    pub(super) inverses: Option<&'t [u32]>,
}

impl Point<'_> {
    fn inverse(&self, value: u32) -> Option<u32> {
        match self.inverses {
            Some(table) => table
                .get(value as usize)
                .copied()
                .filter(|&inverse| inverse != 0),
            None => residues::inverse(value, self.modulus),
        }
    }
}

/// Reports a division that has no result.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undefined<'e> {
    pub(super) divisor: &'e Expression,
    /// The divisor's value. 0 never has an inverse: such a pair lies outside the domain. Another
    /// value without an inverse means that the operation is undefined for the modulus.
    pub(super) value: u32,
}

/// The operands that an expression mentions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mentions(pub(super) [bool; MAX_OPERANDS]);

impl std::ops::BitOr for Mentions {
    type Output = Mentions;
    fn bitor(self, other: Mentions) -> Mentions {
        Mentions(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }
}

impl Expression {
    /// Returns the value at a point, reduced. Only the chosen branch has to be defined.
    pub(super) fn value(&self, at: &Point<'_>) -> Result<u32, Undefined<'_>> {
        let p = at.modulus;
        Ok(match self {
            Expression::Operand(operand) => at.operands[*operand as usize],
            Expression::Constant(constant) => (constant % u64::from(p)) as u32,
            Expression::Negated(inner) => match inner.value(at)? {
                0 => 0,
                value => p - value,
            },
            Expression::Binary(operator, left, right) => {
                let (x, y) = (left.value(at)?, right.value(at)?);
                match operator {
                    Operator::Plus => (x + y) % p,
                    Operator::Minus => (x + p - y) % p,
                    Operator::Times => multiply(x, y, p),
                    Operator::Over => {
                        let undefined = Undefined {
                            divisor: right,
                            value: y,
                        };
                        multiply(x, at.inverse(y).ok_or(undefined)?, p)
                    }
                }
            }
            Expression::Power(base, exponent) => residues::power(base.value(at)?, *exponent, p),
            Expression::Choice(choice) => {
                let odd = choice.tested.value(at)? % 2 == 1;
                let chosen = if odd == (choice.parity == Parity::Odd) {
                    &choice.then
                } else {
                    &choice.otherwise
                };
                chosen.value(at)?
            }
        })
    }

    /// Returns whether the expression contains a division.
    pub(super) fn divides(&self) -> bool {
        match self {
            Expression::Operand(_) | Expression::Constant(_) => false,
            Expression::Negated(inner) | Expression::Power(inner, _) => inner.divides(),
            Expression::Binary(Operator::Over, ..) => true,
            Expression::Binary(_, left, right) => left.divides() || right.divides(),
            Expression::Choice(choice) => {
                choice.then.divides() || choice.tested.divides() || choice.otherwise.divides()
            }
        }
    }

    /// Returns the number of operands: that of the last letter that the expression mentions, and at
    /// least two. A letter before the last one counts whether it is mentioned or not.
    pub(super) fn operands(&self) -> usize {
        let last = self.mentions().0.iter().rposition(|mentioned| *mentioned);
        last.map_or(2, |last| (last + 1).max(2))
    }

    fn mentions(&self) -> Mentions {
        match self {
            Expression::Operand(operand) => {
                let mut mentions = Mentions::default();
                mentions.0[*operand as usize] = true;
                mentions
            }
            Expression::Constant(_) => Mentions::default(),
            Expression::Negated(inner) | Expression::Power(inner, _) => inner.mentions(),
            Expression::Binary(_, left, right) => left.mentions() | right.mentions(),
            Expression::Choice(choice) => {
                choice.then.mentions() | choice.tested.mentions() | choice.otherwise.mentions()
            }
        }
    }

    /// Returns the operands that decide which divisions are carried out and by which divisors. Once
    /// all their values have been tried, every divisor has been tried.
    pub(super) fn mentioned_by_divisors(&self) -> Mentions {
        match self {
            Expression::Operand(_) | Expression::Constant(_) => Mentions::default(),
            Expression::Negated(inner) | Expression::Power(inner, _) => {
                inner.mentioned_by_divisors()
            }
            Expression::Binary(Operator::Over, left, right) => {
                left.mentioned_by_divisors() | right.mentions()
            }
            Expression::Binary(_, left, right) => {
                left.mentioned_by_divisors() | right.mentioned_by_divisors()
            }
            Expression::Choice(choice) => {
                let branches =
                    choice.then.mentioned_by_divisors() | choice.otherwise.mentioned_by_divisors();
                let tested = if choice.then.divides() || choice.otherwise.divides() {
                    choice.tested.mentions()
                } else {
                    choice.tested.mentioned_by_divisors()
                };
                branches | tested
            }
        }
    }
}

fn multiply(x: u32, y: u32, modulus: u32) -> u32 {
    (u64::from(x) * u64::from(y) % u64::from(modulus)) as u32
}
