//! Parses tokens into an expression, by recursive descent: one method for each rule of the grammar.
//!
//! ```text
//! choice    = sum [ "if" sum ["is"] ("odd" | "even") "else" choice ]
//! sum       = product { ("+" | "-") product }
//! product   = negation { ("*" | "/") negation }
//! negation  = "-" negation | power
//! power     = atom [ "^" integer ]
//! atom      = "a" | "b" | "c" | "d" | "e" | integer | "(" choice ")"
//! ```

use super::OperationError;
use super::expression::{Choice, Expression, Operator, Parity};
use super::lexer::{self, Kind, Token};

/// The length of the longest text that is read, in bytes without spaces: the canonical form of an
/// expression may have more spaces than the text it was read from, and must be readable again. A
/// chain of sums is one level of the tree for each term, so this length also bounds the depth of
/// the tree.
const LONGEST: usize = 512;

/// The deepest nesting of parentheses, negations and conditionals.
const DEEPEST: usize = 48;

/// Refuses a text that is too long for [`parse`].
pub(super) fn check_length(text: &str) -> Result<(), OperationError> {
    let length: usize = text.split_whitespace().map(str::len).sum();
    if length <= LONGEST {
        return Ok(());
    }
    let message = format!("the operation is too long: {length} bytes");
    Err(OperationError::new(
        0..text.len(),
        message,
        format!("at most {LONGEST} bytes"),
    ))
}

/// Returns the expression of `text`.
pub(super) fn parse(text: &str) -> Result<Expression, OperationError> {
    check_length(text)?;
    let tokens = lexer::tokens(text)?;
    let mut parser = Parser {
        text,
        tokens: &tokens,
        depth: 0,
    };
    let expression = parser.choice()?;
    match parser.peek().kind {
        Kind::End => Ok(expression),
        _ => Err(parser.stray()),
    }
}

struct Parser<'t> {
    text: &'t str,
    /// The tokens that are not read yet; never empty, since the end is never taken.
    tokens: &'t [Token],
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t Token {
        &self.tokens[0]
    }

    /// Takes the next token if it is of this kind.
    fn take(&mut self, kind: Kind) -> bool {
        let found = self.peek().kind == kind && kind != Kind::End;
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    /// Runs a rule one level deeper.
    fn nested(
        &mut self,
        rule: impl FnOnce(&mut Self) -> Result<Expression, OperationError>,
    ) -> Result<Expression, OperationError> {
        if self.depth == DEEPEST {
            let span = self.peek().span.clone();
            let expected = format!("at most {DEEPEST} levels of parentheses, signs and conditions");
            return Err(OperationError::new(
                span,
                "the expression is nested too deeply",
                expected,
            ));
        }
        self.depth += 1;
        let expression = rule(self);
        self.depth -= 1;
        expression
    }

    fn choice(&mut self) -> Result<Expression, OperationError> {
        let then = self.sum()?;
        if !self.take(Kind::If) {
            return Ok(then);
        }
        let tested = self.sum()?;
        self.take(Kind::Is);
        let parity = if self.take(Kind::Odd) {
            Parity::Odd
        } else if self.take(Kind::Even) {
            Parity::Even
        } else {
            return Err(self
                .unexpected("`odd` or `even`")
                .help(CONDITION_HELP.to_owned()));
        };
        if !self.take(Kind::Else) {
            return Err(self.unexpected("`else`").help(CONDITION_HELP.to_owned()));
        }
        let otherwise = self.nested(Self::choice)?;
        Ok(Expression::Choice(Box::new(Choice {
            then,
            tested,
            parity,
            otherwise,
        })))
    }

    fn sum(&mut self) -> Result<Expression, OperationError> {
        let mut sum = self.product()?;
        loop {
            let operator = if self.take(Kind::Plus) {
                Operator::Plus
            } else if self.take(Kind::Minus) {
                Operator::Minus
            } else {
                return Ok(sum);
            };
            sum = Expression::Binary(operator, Box::new(sum), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, OperationError> {
        let mut product = self.negation()?;
        loop {
            let operator = if self.take(Kind::Star) {
                Operator::Times
            } else if self.take(Kind::Slash) {
                Operator::Over
            } else {
                return Ok(product);
            };
            product = Expression::Binary(operator, Box::new(product), Box::new(self.negation()?));
        }
    }

    fn negation(&mut self) -> Result<Expression, OperationError> {
        if self.take(Kind::Minus) {
            let negated = self.nested(Self::negation)?;
            return Ok(Expression::Negated(Box::new(negated)));
        }
        self.power()
    }

    fn power(&mut self) -> Result<Expression, OperationError> {
        let base = self.atom()?;
        if !self.take(Kind::Caret) {
            return Ok(base);
        }
        let Kind::Integer(exponent) = self.peek().kind else {
            let error = self.unexpected("a non-negative integer exponent");
            return Err(match self.peek().kind {
                Kind::Minus => error.help("write a negative power as a division: 1/a^2".to_owned()),
                _ => error,
            });
        };
        self.take(Kind::Integer(exponent));
        if self.peek().kind == Kind::Caret {
            let error = self.unexpected("one exponent");
            return Err(error.help("write `(a^2)^3` or `a^6`, whichever is meant".to_owned()));
        }
        Ok(Expression::Power(Box::new(base), exponent))
    }

    fn atom(&mut self) -> Result<Expression, OperationError> {
        let opening = self.peek();
        match opening.kind {
            Kind::Operand(operand) => {
                self.take(opening.kind);
                Ok(Expression::Operand(operand))
            }
            Kind::Integer(constant) => {
                self.take(opening.kind);
                Ok(Expression::Constant(constant))
            }
            Kind::Open => {
                self.take(Kind::Open);
                let inner = self.nested(Self::choice)?;
                if self.take(Kind::Close) {
                    return Ok(inner);
                }
                if self.peek().kind == Kind::End {
                    let error = OperationError::new(
                        opening.span.clone(),
                        "this parenthesis is never closed",
                        "a `)` for it",
                    );
                    return Err(error);
                }
                Err(self.stray())
            }
            _ => Err(self.unexpected("`a` to `e`, an integer or `(`")),
        }
    }

    /// Returns the error of a next token that is not what was expected.
    fn unexpected(&self, expected: &str) -> OperationError {
        let token = self.peek();
        let message = match token.kind {
            Kind::End => "the expression ends too early".to_owned(),
            _ => format!("unexpected `{}`", &self.text[token.span.clone()]),
        };
        // An empty span cannot be underlined, so the end is shown at the last character.
        let span = match (token.kind, self.text.trim_end().char_indices().next_back()) {
            (Kind::End, Some((last, character))) => last..last + character.len_utf8(),
            _ => token.span.clone(),
        };
        OperationError::new(span, message, expected)
    }

    /// Returns the error of a token that follows a complete expression.
    fn stray(&self) -> OperationError {
        let help = match self.peek().kind {
            Kind::Operand(_) | Kind::Integer(_) | Kind::Open => {
                Some("products are written with `*`: 2*a, a*b".to_owned())
            }
            Kind::Close => Some("no `(` is open here".to_owned()),
            Kind::Odd | Kind::Even | Kind::Is | Kind::Else => Some(CONDITION_HELP.to_owned()),
            _ => None,
        };
        self.unexpected("an operator (+ - * / ^) or the end")
            .help(help)
    }
}

const CONDITION_HELP: &str = "the conditional form is `a/b if b odd else a-b`";
