//! Makes text fit for a terminal: whatever would control the terminal is written out.
//!
//! Everything that is printed goes through here, at the border: names in foreign files, verdicts,
//! reasons of failures, notes of plugins and paths are other people's text.

use std::borrow::Cow;

/// Writes out, as `\u{1b}`, every character that moves the cursor, or changes the terminal or the
/// order of text. Line breaks and tabs stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    written_out(text, |c| steers(c) && !matches!(c, '\n' | '\t'))
}

/// Does the same for text that has to stay on its line, a cell of a table for instance.
pub(crate) fn in_line(text: &str) -> Cow<'_, str> {
    written_out(text, steers)
}

/// Does the same for text that our own renderers have coloured: colours and weights stay.
pub(crate) fn coloured(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{1b}') {
        return visible(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        out.push_str(&visible(&rest[..at]));
        let length = style(&rest[at..]).unwrap_or(0);
        out.push_str(&rest[at..at + length]);
        if length == 0 {
            out.extend('\u{1b}'.escape_unicode());
        }
        rest = &rest[at + length.max(1)..];
    }
    out.push_str(&visible(rest));
    Cow::Owned(out)
}

/// Returns the length of the escape sequence that this text starts with, if it changes nothing but
/// how letters look: `ESC [`, digits and semicolons, `m`.
fn style(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\u{1b}[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    parameters[end..].starts_with('m').then_some(end + 3)
}

/// Says whether a character is a control character, a line or paragraph separator, or one that
/// changes the direction of text.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn written_out(text: &str, is: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is(c) {
            out.extend(c.escape_default())
        } else {
            out.push(c)
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let bad = "a\u{1b}]0;title\u{7}b\rc\u{8}\u{9b}2Jd\u{202e}e\u{7f}\u{0}";
        for text in [visible(bad), in_line(bad), coloured(bad)] {
            assert!(!text.contains(steers), "{text:?}");
            assert!(text.contains("\\u{1b}]0;title\\u{7}"), "{text}");
        }
        assert_eq!(
            visible("two\nlines\tand è, 測, ▁"),
            "two\nlines\tand è, 測, ▁"
        );
        assert_eq!(in_line("two\nlines\tin one"), "two\\nlines\\tin one");
        assert!(matches!(visible("as it is"), Cow::Borrowed(_)));
    }

    #[test]
    fn of_coloured_text_the_colours_alone_stay() {
        let ours = "\u{1b}[1m\u{1b}[38;5;9merror\u{1b}[0m: é";
        assert_eq!(coloured(ours), ours);
        for theirs in ["\u{1b}[2J", "\u{1b}[31", "\u{1b}c", "\u{1b}", "\u{1b}[1;1H"] {
            let text = format!("\u{1b}[1m{theirs}é\u{1b}[0m");
            let want = format!(
                "\u{1b}[1m\\u{{1b}}{}é\u{1b}[0m",
                theirs.trim_start_matches('\u{1b}')
            );
            assert_eq!(coloured(&text), want);
        }
    }
}
