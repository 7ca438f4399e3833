//! Suggests the nearest of the valid words: "did you mean".

/// Names that other codebases give to keys of ours, which are too far from them for an edit
/// distance.
const OTHER_NAMES: [(&str, &str); 13] = [
    ("act_fn", "activation"),
    ("eps", "epsilon"),
    ("frac", "fraction"),
    ("frac_train", "fraction"),
    ("fn_name", "operation"),
    ("lr", "learning_rate"),
    ("n_heads", "heads"),
    ("num_epochs", "epochs"),
    ("num_heads", "heads"),
    ("op", "operation"),
    ("p", "modulus"),
    ("prime", "modulus"),
    ("wd", "weight_decay"),
];

/// Returns the word of `known` that `word` was most likely meant to be: one with this name in other
/// codebases, or one that differs in at most a third of its letters.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let folded = word.to_lowercase().replace('-', "_");
    let elsewhere = OTHER_NAMES
        .iter()
        .find(|(other, _)| *other == folded)
        .map(|(_, ours)| *ours);
    let length = word.chars().count();
    let limit = (length / 3).max(1);
    // No key is as long as this, and the edit distance takes time and memory with the length.
    let known = known.into_iter().filter(|_| length <= 64);
    known
        .map(|candidate| {
            let distance = if elsewhere == Some(candidate) {
                0
            } else {
                strsim::damerau_levenshtein(&folded, &candidate.to_lowercase().replace('-', "_"))
            };
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Returns `a`, `b` and `c`, each in backquotes; an empty text for an empty list.
pub(crate) fn listing<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    joined(
        words.into_iter().map(|word| format!("`{word}`")).collect(),
        "and",
    )
}

/// Returns "a", "b" or "c", each in quotes; an empty text for an empty list.
pub(crate) fn alternatives<'k>(words: impl IntoIterator<Item = &'k str>) -> String {
    joined(
        words
            .into_iter()
            .map(|word| format!("\"{word}\""))
            .collect(),
        "or",
    )
}

fn joined(words: Vec<String>, last_with: &str) -> String {
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_with} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses_are_found_and_far_ones_are_not() {
        let known = ["modulus", "fraction", "learning_rate", "heads"];
        assert_eq!(nearest("modulos", known), Some("modulus"));
        assert_eq!(nearest("Learning-Rate", known), Some("learning_rate"));
        assert_eq!(nearest("lr", known), Some("learning_rate"));
        assert_eq!(nearest("n_heads", known), Some("heads"));
        assert_eq!(nearest("layers", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn lists_read_as_prose() {
        assert_eq!(listing([]), "");
        assert_eq!(listing(["a"]), "`a`");
        assert_eq!(listing(["a", "b", "c"]), "`a`, `b` and `c`");
        assert_eq!(alternatives(["a", "b"]), "\"a\" or \"b\"");
    }
}
