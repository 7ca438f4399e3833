//! Turns the name of a group into its factors.

use std::ops::Range;

use super::MAX_ELEMENTS;
use super::factor::{Factor, Family};
use crate::OperationError;

/// The forms of a name, for messages.
const EXPECTED: &str = "Cn, Dn, Dicn, Sn, An with a number for n, or a product `G x H` of these";

/// Returns the factors of the group `name`.
pub(super) fn factors(name: &str) -> Result<Vec<Factor>, OperationError> {
    let refused = |message: String, expected: String| {
        let start = name.len() - name.trim_start().len();
        OperationError::new(start..name.trim_end().len().max(start), message, expected)
    };
    if name.trim().is_empty() {
        return Err(refused(
            "the group has no name".to_owned(),
            EXPECTED.to_owned(),
        ));
    }
    let mut found: Vec<(Family, u32)> = Vec::new();
    let mut order: u32 = 1;
    let mut start = 0;
    for part in name.split(SIGNS) {
        let (family, n) = factor(part, start)?;
        start += part.len();
        start += name[start..].chars().next().map_or(0, char::len_utf8);
        order = order.saturating_mul(family.size(n));
        if order > MAX_ELEMENTS {
            let message = match order {
                u32::MAX => "the group is too large".to_owned(),
                _ => format!("the group is too large: {order} elements and more"),
            };
            return Err(refused(message, format!("at most {MAX_ELEMENTS} elements")));
        }
        found.push((family, n));
    }
    Ok(found
        .into_iter()
        .map(|(family, n)| Factor::new(family, n))
        .collect())
}

/// The signs of a product; no name of a family contains them.
const SIGNS: [char; 2] = ['x', '×'];

/// Returns the family and the number of one factor, `part`, which starts at `start`.
fn factor(part: &str, start: usize) -> Result<(Family, u32), OperationError> {
    let word = part.trim();
    let at = start + part.len() - part.trim_start().len();
    let span = at..at + word.len();
    if word.is_empty() {
        // A missing factor is shown at the neighbouring sign.
        let error = OperationError::new(
            start..start + part.len(),
            "a group is missing in the product",
            EXPECTED,
        );
        return Err(error);
    }
    let letters = word.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &word[letters.len()..];
    let Some(family) = Family::ALL.into_iter().find(|f| f.letters() == letters) else {
        return Err(unknown(word, letters, digits, span));
    };
    if digits.is_empty() {
        let message = format!("`{letters}` lacks its number");
        return Err(OperationError::new(span, message, example(family)));
    }
    // A number that does not fit is too large in any case.
    let n = digits.parse().unwrap_or(u32::MAX);
    if n < family.least() {
        let message = format!("`{word}` is no group to learn");
        let expected = format!("at least {}{}", family.letters(), family.least());
        return Err(OperationError::new(span, message, expected));
    }
    Ok((family, n))
}

fn example(family: Family) -> String {
    format!("a name such as {}6", family.letters())
}

/// Returns the error of a name that no family has; some such names follow another convention.
fn unknown(word: &str, letters: &str, digits: &str, span: Range<usize>) -> OperationError {
    let shown: String = word.chars().take(40).collect();
    let error = OperationError::new(span, format!("unknown group `{shown}`"), EXPECTED);
    let folded = letters.trim_end_matches(['_', ' ', '(']).to_lowercase();
    let family = match folded.as_str() {
        "z" | "cyclic" => Some(Family::Cyclic),
        "dih" | "dihedral" => Some(Family::Dihedral),
        "dicyclic" => Some(Family::Dicyclic),
        "sym" | "symmetric" => Some(Family::Symmetric),
        "alt" | "alternating" => Some(Family::Alternating),
        other => Family::ALL
            .into_iter()
            .find(|family| family.letters().to_lowercase() == other),
    };
    if word == "Q8" {
        return error.help("the quaternion group is `Dic2`".to_owned());
    }
    error.help(family.map(|family| {
        let number = if digits.is_empty() { "n" } else { digits };
        format!("did you mean `{}{number}`?", family.letters())
    }))
}
