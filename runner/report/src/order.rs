//! Orders names as people do: m2 before m10.

use std::cmp::Ordering;

/// Compares names part by part: numbers by their value, other text letter by letter.
pub(crate) fn natural(one: &str, other: &str) -> Ordering {
    let (mut one_left, mut other_left) = (one, other);
    while !one_left.is_empty() && !other_left.is_empty() {
        let ((a, one_rest), (b, other_rest)) = (part(one_left), part(other_left));
        let order = match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.total_cmp(&b),
            _ => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
        (one_left, other_left) = (one_rest, other_rest);
    }
    one_left.len().cmp(&other_left.len()).then(one.cmp(other))
}

/// The first digits of a text, or what comes before the first digit, and the rest.
fn part(text: &str) -> (&str, &str) {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digits);
    text.split_at(end.unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_numbers() {
        let mut names = [
            "m10",
            "m2",
            "u_10",
            "u_2",
            "m2b",
            "m",
            "k 3, head 11",
            "k 3, head 2",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "k 3, head 2",
                "k 3, head 11",
                "m",
                "m2",
                "m2b",
                "m10",
                "u_2",
                "u_10"
            ]
        );
        assert_eq!(natural("f0.3-m02", "f0.3-m2"), Ordering::Less);
        assert_eq!(natural("", ""), Ordering::Equal);
    }
}
