//! Turns the text of an expression into tokens.

use std::ops::Range;

use super::OperationError;
use super::expression::Operand;
use super::named;

/// The kinds of tokens; unknown words do not become tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Operand(Operand),
    Integer(u64),
    Plus,
    Minus,
    Star,
    Slash,
    Caret,
    Open,
    Close,
    If,
    Is,
    Odd,
    Even,
    Else,
    End,
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) span: Range<usize>,
}

/// The parts of an expression, for messages.
pub(super) const VOCABULARY: &str =
    "`a` to `e`, integers, + - * / ^ ( ) and the words if, odd, even, else";

/// The words of the language.
const WORDS: [(&str, Kind); 10] = [
    ("a", Kind::Operand(Operand::A)),
    ("b", Kind::Operand(Operand::B)),
    ("c", Kind::Operand(Operand::C)),
    ("d", Kind::Operand(Operand::D)),
    ("e", Kind::Operand(Operand::E)),
    ("if", Kind::If),
    ("is", Kind::Is),
    ("odd", Kind::Odd),
    ("even", Kind::Even),
    ("else", Kind::Else),
];

/// Returns all tokens of `text`; the last one is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, OperationError> {
    let mut tokens = Vec::new();
    let mut start = 0;
    while let Some(first) = text[start..].chars().next() {
        let rest = &text[start..];
        let (length, kind) = if first.is_whitespace() {
            start += first.len_utf8();
            continue;
        } else if first.is_ascii_digit() {
            let digits = leading(rest, |c| c.is_ascii_digit());
            (digits.len(), integer(digits, start)?)
        } else if first.is_alphabetic() || first == '_' {
            let word = leading(rest, belongs_to_a_word);
            (word.len(), keyword(word, start)?)
        } else {
            (first.len_utf8(), symbol(rest, first, start)?)
        };
        tokens.push(Token {
            kind,
            span: start..start + length,
        });
        start += length;
    }
    tokens.push(Token {
        kind: Kind::End,
        span: start..start,
    });
    Ok(tokens)
}

/// Returns whether a character can be part of a word. Raised digits cannot, though Unicode counts
/// them as alphanumeric.
pub(super) fn belongs_to_a_word(character: char) -> bool {
    character.is_alphabetic() || character.is_ascii_digit() || character == '_'
}

/// Returns the longest beginning of `text` whose characters all satisfy `belongs`.
fn leading(text: &str, belongs: impl Fn(char) -> bool) -> &str {
    &text[..text.find(|c| !belongs(c)).unwrap_or(text.len())]
}

fn integer(digits: &str, start: usize) -> Result<Kind, OperationError> {
    digits.parse().map(Kind::Integer).map_err(|_| {
        let message = format!("the integer is too large: {} digits", digits.len());
        OperationError::new(
            start..start + digits.len(),
            message,
            format!("at most {}", u64::MAX),
        )
        .help("constants count modulo the modulus: reduce it".to_owned())
    })
}

fn keyword(word: &str, start: usize) -> Result<Kind, OperationError> {
    if let Some((_, kind)) = WORDS.iter().find(|(known, _)| *known == word) {
        return Ok(*kind);
    }
    let help = match word {
        "A" | "B" | "C" | "D" | "E" => Some("operands are lower-case".to_owned()),
        "x" => Some("the first operand is `a`".to_owned()),
        "y" => Some("the second operand is `b`".to_owned()),
        "z" => Some("the third operand is `c`".to_owned()),
        "mod" => Some(MODULUS_HELP.to_owned()),
        "table" => Some("a table is read from its file, not from its name".to_owned()),
        _ if word.chars().all(|c| matches!(c, 'a'..='e' | '0'..='9')) => {
            let factors: Vec<String> = word.chars().map(String::from).collect();
            Some(format!(
                "products are written with `*`: {}",
                factors.join("*")
            ))
        }
        _ => {
            let words = WORDS
                .iter()
                .map(|(known, _)| *known)
                .filter(|known| known.len() > 1);
            named::nearest(word, words).map(|word| format!("did you mean `{word}`?"))
        }
    };
    let message = format!("unknown word `{word}`");
    Err(OperationError::new(start..start + word.len(), message, VOCABULARY).help(help))
}

const MODULUS_HELP: &str = "results are reduced by the modulus of the spec: leave it out";

fn symbol(rest: &str, first: char, start: usize) -> Result<Kind, OperationError> {
    Ok(match first {
        '*' if rest.starts_with("**") => {
            let error = OperationError::new(start..start + 2, "`**` is no operator", "`^`");
            return Err(error.help("powers are written with `^`: a^2".to_owned()));
        }
        '+' => Kind::Plus,
        '-' => Kind::Minus,
        '*' => Kind::Star,
        '/' => Kind::Slash,
        '^' => Kind::Caret,
        '(' => Kind::Open,
        ')' => Kind::Close,
        _ => return Err(unexpected(first, start)),
    })
}

/// Returns the error of a character that the language does not have; most have a counterpart in the
/// language.
fn unexpected(character: char, start: usize) -> OperationError {
    let help = match character {
        '×' | '·' | '∗' | '⋅' | '•' => Some("write `*`".to_owned()),
        '−' | '–' | '—' => Some("write `-`".to_owned()),
        '÷' | '∕' | ':' => Some("write `/`".to_owned()),
        '²' => Some("write `^2`".to_owned()),
        '³' => Some("write `^3`".to_owned()),
        '[' | '{' => Some("write `(`".to_owned()),
        ']' | '}' => Some("write `)`".to_owned()),
        '%' => Some(MODULUS_HELP.to_owned()),
        '.' | ',' => Some("constants are integers: one half is 1/2".to_owned()),
        '=' | '<' | '>' | '?' => Some("the conditional form is `x if b odd else y`".to_owned()),
        _ => None,
    };
    let span = start..start + character.len_utf8();
    let message = format!("unexpected character `{}`", character.escape_debug());
    OperationError::new(span, message, VOCABULARY).help(help)
}
