//! Lists the operations that have a name.

use super::expression::Expression;
use super::{Domain, OperationError, parser};

/// An operation with a name of its own.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) expression: &'static str,
    pub(super) domain: Domain,
}

impl Named {
    pub(super) fn parse(&self) -> Result<Expression, OperationError> {
        parser::parse(self.expression)
    }
}

const fn everywhere(name: &'static str, expression: &'static str) -> Named {
    Named {
        name,
        expression,
        domain: Domain::All,
    }
}

/// The operations of the literature: the tables of Power et al. 2022 (openai/grok, `data.py`), of
/// Nanda et al. 2023, and multiplication without zero as trained by Furuta et al. 2024.
pub(super) const NAMED: [Named; 15] = [
    everywhere("add", "a + b"),
    everywhere("sub", "a - b"),
    everywhere("mul", "a * b"),
    everywhere("div", "a / b"),
    Named {
        name: "mul-nonzero",
        expression: "a * b",
        domain: Domain::Nonzero,
    },
    everywhere("square-add", "a^2 + b"),
    everywhere("cube-add", "a^3 + b"),
    everywhere("square-sum", "a^2 + b^2"),
    everywhere("quadratic", "a^2 + a*b + b^2"),
    everywhere("quadratic-add", "a^2 + a*b + b^2 + a"),
    everywhere("cubic", "a^3 + a*b"),
    everywhere("cubic-add", "a^3 + a*b^2 + b"),
    everywhere("div-odd-else-sub", "a/b if b odd else a - b"),
    everywhere("add-even-else-mul", "a + b if a even else a * b"),
    everywhere("add-even-else-sub", "a + b if a even else a - b"),
];

/// Names that other codebases and people give to our operations.
const OTHER_NAMES: [(&str, &str); 16] = [
    ("addition", "add"),
    ("plus", "add"),
    ("sum", "add"),
    ("subtract", "sub"),
    ("subtraction", "sub"),
    ("minus", "sub"),
    ("times", "mul"),
    ("multiply", "mul"),
    ("multiplication", "mul"),
    ("product", "mul"),
    ("divide", "div"),
    ("division", "div"),
    ("multiply-non-zero", "mul-nonzero"),
    ("quad1", "square-sum"),
    ("x2xyy2", "quadratic"),
    ("mix1", "div-odd-else-sub"),
];

/// Returns the word of `known` that `word` was most likely meant to be: one with this name in other
/// codebases, or one that differs in at most a third of its letters.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let folded = word.to_lowercase().replace('_', "-");
    let elsewhere = OTHER_NAMES
        .iter()
        .find(|(other, _)| *other == folded)
        .map(|(_, ours)| *ours);
    let limit = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| match elsewhere {
            Some(ours) if ours == candidate => (0, candidate),
            _ => (strsim::damerau_levenshtein(&folded, candidate), candidate),
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
