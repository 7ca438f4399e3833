//! Holds an operation on residues that is written as text: a name or an expression. Owns how such a
//! text is read and shown. Knows nothing of moduli, groups and tables.

use super::expression::{Expression, Operand};
use super::named::{self, NAMED, Named};
use super::notation::{self, Style};
use super::{Domain, LONGEST_SLUG, OperationError, lexer, parser};
use crate::group::Group;

/// The forms of a text, for messages.
pub(super) const EXPECTED: &str = "the name of an operation or an expression in `a` to `e`";

/// The end of a slug if zero is left out and the operation has no name of its own.
const NONZERO_SLUG: &str = "-nonzero";

/// The end of a text if zero is left out and the operation has no name of its own: these words,
/// with space around them.
const NONZERO_TEXT: [&str; 2] = ["on", "nonzero"];

/// An expression on a domain, with the name that it has in the literature.
#[derive(Clone, Debug)]
pub(super) struct Formula {
    pub(super) name: Option<&'static str>,
    pub(super) domain: Domain,
    pub(super) expression: Expression,
    /// The number of operands of the expression.
    pub(super) operands: usize,
}

impl Formula {
    /// Reads a name or an expression, either of them with or without `on nonzero` after it.
    pub(super) fn parse(text: &str) -> Result<Formula, OperationError> {
        if let Some(rest) = without_zero(text) {
            return Formula::parse_everywhere(rest).map(|formula| formula.on(Domain::Nonzero));
        }
        Formula::parse_everywhere(text)
    }

    fn parse_everywhere(text: &str) -> Result<Formula, OperationError> {
        parser::check_length(text)?;
        let word = text.trim();
        if let Some(named) = NAMED.iter().find(|named| named.name == word) {
            return Ok(Formula::of(named.parse()?, named.domain));
        }
        if word.is_empty() {
            let error = OperationError::new(0..text.len(), "the operation is empty", EXPECTED);
            return Err(error.help(listing()));
        }
        if looks_like_a_name(word) {
            return Err(unknown_name(text, word));
        }
        let expression = parser::parse(text)?;
        Ok(Formula::of(expression, Domain::All))
    }

    /// Returns the formula of an expression on a domain, with its name if there is one.
    fn of(expression: Expression, domain: Domain) -> Formula {
        // The expressions of the table all parse, so an error here hides no name.
        let is_it = |named: &&Named| {
            named.domain == domain && named.parse().is_ok_and(|parsed| parsed == expression)
        };
        Formula {
            name: NAMED.iter().find(is_it).map(|named| named.name),
            domain,
            operands: expression.operands(),
            expression,
        }
    }

    /// Restricts the formula to a domain.
    pub(super) fn on(self, domain: Domain) -> Formula {
        match domain {
            Domain::All => self,
            Domain::Nonzero => Formula::of(self.expression, Domain::Nonzero),
        }
    }

    /// Returns the name, or the expression in its canonical form. The text parses to the same
    /// formula.
    pub(super) fn text(&self) -> String {
        let expression = || notation::write(&self.expression, Style::Source).text;
        match (self.name, self.domain) {
            (Some(name), _) => name.to_owned(),
            (None, Domain::All) => expression(),
            (None, Domain::Nonzero) => format!("{} {}", expression(), NONZERO_TEXT.join(" ")),
        }
    }

    /// Returns the formula as people write it.
    pub(super) fn notation(&self) -> String {
        let notation = notation::write(&self.expression, Style::People).text;
        match self.domain {
            Domain::All => notation,
            Domain::Nonzero => {
                let letters = &Operand::LETTERS[..self.operands];
                format!("{notation} ({} ≠ 0)", letters.join(", "))
            }
        }
    }

    /// Returns the name, or the expression spelled out in at most [`LONGEST_SLUG`] bytes.
    pub(super) fn slug(&self) -> String {
        if let Some(name) = self.name {
            return name.to_owned();
        }
        let written = notation::write(&self.expression, Style::FileName);
        let ending = match self.domain {
            Domain::All => "",
            Domain::Nonzero => NONZERO_SLUG,
        };
        let mut slug = written.text;
        // The product `a*d*d` is spelled `add`.
        let is_a_name = NAMED.iter().any(|named| named.name == slug);
        if slug.len() + ending.len() <= LONGEST_SLUG && !written.lossy && !is_a_name {
            return slug + ending;
        }
        let hash = blake3::hash(self.text().as_bytes()).to_hex();
        slug.truncate(LONGEST_SLUG - ending.len() - "-123456".len());
        format!("{}-{}{ending}", slug.trim_end_matches('-'), &hash[..6])
    }
}

/// Returns the text before `on nonzero`, if the text ends so.
fn without_zero(text: &str) -> Option<&str> {
    let [on, nonzero] = NONZERO_TEXT;
    let before = text.trim_end().strip_suffix(nonzero)?;
    let before = before.trim_end().strip_suffix(on)?;
    before.ends_with(char::is_whitespace).then_some(before)
}

/// Returns a list of what can be chosen.
fn listing() -> String {
    let names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
    format!("the names are {}", names.join(", "))
}

/// Returns whether a text was meant as a name: words joined by hyphens, beginning with a word that
/// does not begin an expression.
fn looks_like_a_name(text: &str) -> bool {
    text.chars()
        .all(|c| lexer::belongs_to_a_word(c) || c == '-')
        && text.starts_with(char::is_alphabetic)
        && text
            .split(['-', '_'])
            .next()
            .is_some_and(|word| !begins_an_expression(word, text))
        && !matches!(text, "x" | "y" | "z" | "A" | "B" | "C" | "D" | "E")
}

/// Returns whether the first word of a text is an operand, or operands without signs between them.
/// Names contain the letters of operands too (`add`), so if a name is close, the name was meant.
fn begins_an_expression(word: &str, text: &str) -> bool {
    let of = |letters: &str| {
        word.chars()
            .all(|c| c.is_ascii_digit() || letters.contains(c))
    };
    let names = || NAMED.iter().map(|named| named.name);
    of("ab") || (of("abcde") && (word.len() == 1 || named::nearest(text, names()).is_none()))
}

fn unknown_name(text: &str, word: &str) -> OperationError {
    let start = text.len() - text.trim_start().len();
    let names = NAMED.iter().map(|named| named.name);
    let help = match (named::nearest(word, names), Group::parse(word)) {
        (_, Ok(group)) => format!("for the group, write `group {group}`"),
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, _) => listing(),
    };
    let shown: String = word.chars().take(40).collect();
    let message = format!("unknown operation `{shown}`");
    OperationError::new(start..start + word.len(), message, EXPECTED).help(help)
}
