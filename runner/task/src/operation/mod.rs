//! Operations on residues: named ones and expressions.

mod error;
mod evaluator;
mod expression;
mod lexer;
mod named;
mod notation;
mod parser;

use std::fmt;
use std::hash::{Hash, Hasher};

pub use error::OperationError;
pub use evaluator::{Count, Evaluator, MAX_MODULUS};

use expression::Expression;
use named::{Domain, NAMED};
use notation::Style;

/// The longest slug of an expression, in bytes.
const LONGEST_SLUG: usize = 40;

/// A function of two residues: `add`, or `a^2 + a*b + b^2`.
///
/// # Names
/// | name | function |
/// | --- | --- |
/// | `add`, `sub`, `mul`, `div` | a + b, a − b, a × b, a / b |
/// | `mul-nonzero` | a × b on 1..p: neither operand is 0 |
/// | `square-add`, `cube-add` | a² + b, a³ + b |
/// | `square-sum` | a² + b² |
/// | `quadratic`, `quadratic-add` | a² + ab + b², a² + ab + b² + a |
/// | `cubic`, `cubic-add` | a³ + ab, a³ + ab² + b |
/// | `div-odd-else-sub` | a / b if b is odd, else a − b |
/// | `add-even-else-mul`, `add-even-else-sub` | a + b if a is even, else a × b, a − b |
///
/// # Expressions
/// ```text
/// choice    = sum [ "if" sum ["is"] ("odd" | "even") "else" choice ]
/// sum       = product { ("+" | "-") product }
/// product   = negation { ("*" | "/") negation }
/// negation  = "-" negation | power
/// power     = atom [ "^" integer ]
/// atom      = "a" | "b" | integer | "(" choice ")"
/// ```
/// Integers are decimal, below 2^64 and count modulo the modulus (exponents do not). A residue is
/// odd or even as the integer from 0 to p − 1. Anything to the power 0 is 1. A text has at most 512
/// bytes, spaces not counted.
///
/// An expression that is a named operation written out *is* that operation: `a*b` and `mul` are
/// equal and have one slug.
///
/// # Domain
/// A division by 0 has no result; pairs that would need it are not in the data set. Of a
/// conditional only the branch that is chosen counts. A divisor other than 0 that has no inverse
/// (possible for composite moduli only) makes the operation undefined for that modulus as a whole:
/// [`Operation::check`].
///
/// ```
/// use grokrun_task::Operation;
///
/// let operation = Operation::parse("a/b if b odd else a - b")?;
/// assert_eq!(operation.slug(), "div-odd-else-sub");
/// assert_eq!(operation.apply(6, 3, 113), Some(2));
/// assert_eq!(operation.apply(6, 8, 113), Some(111));
/// # Ok::<(), grokrun_task::OperationError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Operation {
    name: Option<&'static str>,
    domain: Domain,
    expression: Expression,
    /// The name, or the expression in its one form. Equal operations have equal texts.
    text: String,
    /// The length of the text that was parsed: errors of the modulus concern all of it.
    extent: usize,
}

impl Operation {
    /// Reads a name or an expression; spaces around it do not count.
    ///
    /// # Errors
    /// The text is neither; the error says where it stops making sense.
    pub fn parse(text: &str) -> Result<Operation, OperationError> {
        parser::check_length(text)?;
        let word = text.trim();
        if let Some(named) = NAMED.iter().find(|named| named.name == word) {
            return Ok(Operation {
                name: Some(named.name),
                domain: named.domain,
                expression: named.parse()?,
                text: named.name.to_owned(),
                extent: text.len(),
            });
        }
        if word.is_empty() {
            let error = OperationError::new(0..text.len(), "the operation is empty", EXPECTED);
            return Err(error.help(listing()));
        }
        if looks_like_a_name(word) {
            return Err(unknown_name(text, word));
        }
        let expression = parser::parse(text)?;
        // The expressions of the table all parse, so an error here hides no name.
        let name = NAMED
            .iter()
            .filter(|named| named.domain == Domain::All)
            .find(|named| {
                named
                    .parse()
                    .is_ok_and(|written_out| written_out == expression)
            })
            .map(|named| named.name);
        let text_in_one_form = match name {
            Some(name) => name.to_owned(),
            None => notation::write(&expression, Style::Source).text,
        };
        Ok(Operation {
            name,
            domain: Domain::All,
            expression,
            text: text_in_one_form,
            extent: text.len(),
        })
    }

    /// The names that [`Operation::parse`] knows.
    pub fn names() -> impl ExactSizeIterator<Item = &'static str> {
        NAMED.iter().map(|named| named.name)
    }

    /// The name, if the operation has one.
    pub fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// The name, or the expression in its one form. It parses to this operation again.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The operation as people write it: `a × b`, `a² + ab + b²`.
    pub fn notation(&self) -> String {
        let notation = notation::write(&self.expression, Style::People).text;
        match self.domain {
            Domain::All => notation,
            Domain::Nonzero => format!("{notation} (a, b ≠ 0)"),
        }
    }

    /// A short name for files: lower-case letters, digits and hyphens. Named operations give their
    /// name; expressions are spelled out, with a hash of six digits where that is too long or could
    /// mean another expression as well. The same in every version and on every machine.
    pub fn slug(&self) -> String {
        if let Some(name) = self.name {
            return name.to_owned();
        }
        let written = notation::write(&self.expression, Style::FileName);
        let mut slug = written.text;
        if slug.len() <= LONGEST_SLUG && !written.lossy {
            return slug;
        }
        let hash = blake3::hash(self.text.as_bytes()).to_hex();
        slug.truncate(LONGEST_SLUG - "-123456".len());
        format!("{}-{}", slug.trim_end_matches('-'), &hash[..6])
    }
}

/// Equal operations are written the same, but for spaces, parentheses without effect, and names.
impl PartialEq for Operation {
    fn eq(&self, other: &Operation) -> bool {
        self.text == other.text
    }
}

impl Eq for Operation {}

impl Hash for Operation {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const EXPECTED: &str = "the name of an operation or an expression in `a` and `b`";

/// What there is to choose from.
fn listing() -> String {
    let names: Vec<&str> = Operation::names().collect();
    format!("the names are {}", names.join(", "))
}

/// Whether a text was meant as a name: words joined by hyphens, beginning with a word that does not
/// begin an expression.
fn looks_like_a_name(text: &str) -> bool {
    let mut words = text.split(['-', '_']);
    text.chars()
        .all(|c| lexer::belongs_to_a_word(c) || c == '-')
        && text.starts_with(char::is_alphabetic)
        && words
            .next()
            .is_some_and(|word| word.chars().any(|c| !matches!(c, 'a' | 'b' | '0'..='9')))
        && !matches!(text, "x" | "y" | "A" | "B")
}

fn unknown_name(text: &str, word: &str) -> OperationError {
    let start = text.len() - text.trim_start().len();
    let help = match named::nearest(word, Operation::names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => listing(),
    };
    let shown: String = word.chars().take(40).collect();
    let message = format!("unknown operation `{shown}`");
    OperationError::new(start..start + word.len(), message, EXPECTED).help(help)
}

#[cfg(test)]
mod tests;
