//! Writes an expression down: as source, for people, for file names.

use super::expression::{Choice, Expression, Operator, Parity};

/// The reader that an expression is written for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `a^2 + a*b`: parses to the same expression again; each expression has one such text.
    Source,
    /// `a² + ab`.
    People,
    /// `a2-plus-ab`: letters, digits and hyphens, without parentheses. Two expressions may share
    /// such a text; [`Written::lossy`] says whether that can be.
    FileName,
}

/// An expression written down.
pub(super) struct Written {
    pub(super) text: String,
    /// Whether parentheses were left out.
    pub(super) lossy: bool,
}

/// Writes `expression` in a style.
pub(super) fn write(expression: &Expression, style: Style) -> Written {
    let mut writer = Writer {
        style,
        written: Written {
            text: String::new(),
            lossy: false,
        },
    };
    match expression {
        // A single product is the operation itself, and its sign is what people search for.
        Expression::Binary(Operator::Times, left, right) if style == Style::People => {
            writer.binary(left, " × ", right, Level::Product);
        }
        _ => writer.expression(expression),
    }
    writer.written
}

/// How tightly the outermost sign of an expression binds, in the order of the grammar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Choice,
    Sum,
    Product,
    Negation,
    Power,
    Atom,
}

fn level(expression: &Expression) -> Level {
    match expression {
        Expression::Choice(_) => Level::Choice,
        Expression::Binary(Operator::Plus | Operator::Minus, ..) => Level::Sum,
        Expression::Binary(Operator::Times | Operator::Over, ..) => Level::Product,
        Expression::Negated(_) => Level::Negation,
        Expression::Power(..) => Level::Power,
        Expression::Operand(_) | Expression::Constant(_) => Level::Atom,
    }
}

/// Returns whether the expression is an operand or a power of one, next to which a factor needs no
/// sign.
fn is_plain(expression: &Expression) -> bool {
    match expression {
        Expression::Operand(_) => true,
        Expression::Power(base, _) => matches!(**base, Expression::Operand(_)),
        _ => false,
    }
}

/// Returns whether the expression is a chain of factors that reads as one product without signs:
/// `2a²b`.
fn is_chain(expression: &Expression) -> bool {
    match expression {
        Expression::Constant(_) => true,
        Expression::Binary(Operator::Times, left, right) => is_chain(left) && is_plain(right),
        _ => is_plain(expression),
    }
}

struct Writer {
    style: Style,
    written: Written,
}

impl Writer {
    /// Writes the text for the writer's style: source, people, file name.
    fn put(&mut self, texts: [&str; 3]) {
        self.written.text.push_str(texts[self.style as usize]);
    }

    /// Writes an expression, with parentheses if it binds less tightly than `least`.
    fn at_least(&mut self, least: Level, expression: &Expression) {
        if level(expression) >= least {
            self.expression(expression);
        } else {
            self.written.lossy |= self.style == Style::FileName;
            self.put(["(", "(", ""]);
            self.expression(expression);
            self.put([")", ")", ""]);
        }
    }

    /// Writes a left-associative operation: its right side binds more tightly than the operation.
    fn binary(&mut self, left: &Expression, sign: &str, right: &Expression, level: Level) {
        self.at_least(level, left);
        self.written.text.push_str(sign);
        let tighter = if level == Level::Sum {
            Level::Product
        } else {
            Level::Negation
        };
        self.at_least(tighter, right);
    }

    fn expression(&mut self, expression: &Expression) {
        match expression {
            Expression::Operand(operand) => self.put([operand.letter(); 3]),
            Expression::Constant(constant) => self.put([&constant.to_string(); 3]),
            Expression::Negated(inner) => {
                self.put(["-", "−", "minus-"]);
                self.at_least(Level::Negation, inner);
            }
            Expression::Power(base, exponent) => {
                self.at_least(Level::Atom, base);
                let digits = exponent.to_string();
                self.put([&format!("^{digits}"), &superscript(&digits), &digits]);
                // Otherwise 2^3 and 23 would have the same file name.
                let ambiguous = !matches!(**base, Expression::Operand(_));
                self.written.lossy |= ambiguous && self.style == Style::FileName;
            }
            Expression::Binary(operator, left, right) => {
                let joined = *operator == Operator::Times && is_chain(expression);
                let signs = match operator {
                    Operator::Plus => [" + ", " + ", "-plus-"],
                    Operator::Minus => [" - ", " − ", "-minus-"],
                    Operator::Times if joined => ["*", "", ""],
                    Operator::Times => ["*", " × ", "-times-"],
                    Operator::Over => ["/", " / ", "-over-"],
                };
                self.binary(left, signs[self.style as usize], right, level(expression));
            }
            Expression::Choice(choice) => self.choice(choice),
        }
    }

    fn choice(&mut self, choice: &Choice) {
        self.at_least(Level::Sum, &choice.then);
        self.put([" if ", " if ", "-if-"]);
        self.at_least(Level::Sum, &choice.tested);
        match choice.parity {
            Parity::Odd => self.put([" odd else ", " is odd, else ", "-odd-else-"]),
            Parity::Even => self.put([" even else ", " is even, else ", "-even-else-"]),
        }
        self.at_least(Level::Choice, &choice.otherwise);
    }
}

fn superscript(digits: &str) -> String {
    const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    digits
        .bytes()
        .map(|digit| RAISED[usize::from(digit - b'0')])
        .collect()
}
