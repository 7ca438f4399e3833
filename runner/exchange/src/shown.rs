//! Makes texts from files fit for a message: a name in a file may hold anything.

/// The most characters of a text that are shown.
const MOST: usize = 200;

/// Returns a text from a file in a form that a message can hold. Characters that a terminal acts
/// on, or that change the direction of text, are escaped; of a long text the beginning is shown.
pub(crate) fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(MOST) {
        match c {
            '\'' | '"' | '\\' => out.push(c),
            _ => out.extend(c.escape_debug()),
        }
    }
    if text.chars().nth(MOST).is_some() {
        out.push('…');
    }
    out
}

/// Returns the first few of many names, each in the form that [`shown`] gives it.
pub(crate) fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const FEW: usize = 6;
    let mut names = names.into_iter();
    let mut out: Vec<String> = names.by_ref().take(FEW).map(shown).collect();
    match names.count() {
        0 => {}
        more => out.push(format!("and {more} more")),
    }
    out.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_the_rest_is_as_it_is() {
        assert_eq!(shown("blocks.0.attn.W_Q"), "blocks.0.attn.W_Q");
        assert_eq!(shown("größe 'x' \\"), "größe 'x' \\");
        assert_eq!(shown("\u{1b}[2J\r\n\u{7}"), "\\u{1b}[2J\\r\\n\\u{7}");
        assert_eq!(shown("a\u{202e}b\u{9b}c"), "a\\u{202e}b\\u{9b}c");
        assert_eq!(shown(&"x".repeat(201)).chars().count(), 201);
    }

    #[test]
    fn many_names_are_counted() {
        assert_eq!(some(["a", "b\0"]), "a, b\\0");
        assert_eq!(some(["a"; 9]), "a, a, a, a, a, a, and 3 more");
        assert_eq!(some([]), "");
    }
}
