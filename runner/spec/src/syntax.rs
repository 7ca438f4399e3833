//! Words the TOML parser's errors for somebody who writes a spec.
//!
//! The parser recovers and continues, so that one open bracket causes a dozen errors. This module
//! finds that bracket and drops the other errors; otherwise each line keeps its first error.

use crate::diagnostic::Report;
use crate::source::{Sources, Span};

/// Adds the syntax errors of source number `source` to `report`.
pub(crate) fn report(
    source: usize,
    sources: &Sources,
    errors: &[toml::de::Error],
    report: &mut Report,
) {
    let text = sources.text(sources.whole(source));
    let mut found: Vec<(Span, &str)> = errors
        .iter()
        .map(|error| {
            (
                sources.span(source, error.span().unwrap_or(0..0)),
                error.message(),
            )
        })
        .collect();
    found.sort_by_key(|(span, _)| *span);

    let opener = if found.is_empty() {
        None
    } else {
        unclosed(text)
    };
    let opener = opener.map(|at| sources.span(source, at..at + 1));
    let mut last_line = 0;
    for (span, message) in found {
        if opener.is_some_and(|opener| opener <= span) {
            break;
        }
        let line = sources.line_number(span);
        if line == last_line {
            continue;
        }
        last_line = line;
        describe(span, message, sources, report);
        // Without this, the keys below a broken header would be taken for keys of the table above
        // it.
        if sources.line(span).trim_start().starts_with('[') {
            report.lost_from(span);
        }
    }
    if let Some(opener) = opener {
        let bracket = sources.text(opener);
        let closing = if bracket == "{" { "}" } else { "]" };
        report
            .syntax(opener, format!("`{bracket}` is never closed"))
            .label(format!("expected a matching `{closing}`"));
        report.lost_from(opener);
    }
}

/// Reports one error, with the expectation as its label and, if the cause is a common one, with
/// help.
fn describe(span: Span, message: &str, sources: &Sources, report: &mut Report) {
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let here = sources.excerpt(span);
    let before = sources.text(sources.span(span.source(), 0..span.start()));
    match what {
        "string values must be quoted" if here.is_empty() => {
            report
                .syntax(span, "the value is missing")
                .label("expected a value after `=`");
        }
        "string values must be quoted" => {
            report
                .syntax(span, format!("`{here}` is not a value"))
                .label("expected a number, `true`, `false`, or text in quotes")
                .add_help(format!(
                    "if text is meant, write \"{}\"",
                    here.replace('"', "'")
                ));
        }
        "key with no value" => {
            report
                .syntax(span, "this line is not TOML")
                .label("expected `key = value`");
        }
        "duplicate key" => {
            report
                .syntax(span, format!("`{here}` is set twice"))
                .label("already set above");
        }
        "unexpected key or value"
            if before.ends_with(|last: char| last.is_ascii_digit())
                && sources.line(span).contains(',') =>
        {
            report
                .syntax(span, "the line goes on after its value")
                .label("expected the end of the line")
                .add_help("digits are grouped with `_`, as in 40_000; lists are written [1, 2]");
        }
        "unexpected key or value" => {
            report
                .syntax(span, "the line goes on after its value")
                .label("expected the end of the line");
        }
        "invalid boolean" | "invalid float" => {
            report
                .syntax(span, format!("`{here}` is not a value"))
                .label("expected a number, `true`, `false`, or text in quotes");
        }
        "invalid mantissa" | "invalid fraction" => {
            report
                .syntax(span, "the number lacks a digit")
                .label("expected digits on both sides of the point, as in 0.5");
        }
        "unexpected leading zero" => {
            report
                .syntax(span, "the number begins with 0")
                .label("expected no leading zero");
        }
        "invalid basic string" | "invalid literal string" => {
            report
                .syntax(span, "the text is never closed")
                .label(format!("expected {expected}"));
        }
        "missing escaped value" => {
            report
                .syntax(span, "`\\` begins an escape, but none that there is")
                .label(format!("expected {expected}"))
                .add_help("in single quotes '…' nothing is an escape");
        }
        what => {
            let diagnostic = report.syntax(span, format!("not valid TOML: {what}"));
            if !expected.is_empty() && expected != "nothing" {
                diagnostic.label(format!("expected {expected}"));
            }
        }
    }
}

/// Returns the byte of the first bracket that is never closed. Brackets in strings and comments do
/// not count.
fn unclosed(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut open: Vec<(usize, u8)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at = line_end(bytes, at),
            quote @ (b'"' | b'\'') => at = string_end(bytes, at, quote),
            bracket @ (b'[' | b'{') => open.push((at, bracket)),
            b']' => close(&mut open, b'['),
            b'}' => close(&mut open, b'{'),
            _ => {}
        }
        at += 1;
    }
    open.first().map(|(at, _)| *at)
}

/// Closes the innermost open bracket if it is of the right kind; otherwise closes nothing.
fn close(open: &mut Vec<(usize, u8)>, bracket: u8) {
    if open.last().is_some_and(|(_, last)| *last == bracket) {
        open.pop();
    }
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..]
        .iter()
        .position(|&byte| byte == b'\n')
        .map_or(bytes.len(), |n| from + n)
}

/// Returns the last byte of the string that starts at `from`; the end of the line if the string is
/// not closed.
fn string_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    let triple = [quote; 3];
    let long = bytes[from..].starts_with(&triple);
    let mut at = from + if long { 3 } else { 1 };
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 1,
            b'\n' if !long => return at,
            byte if byte == quote && !long => return at,
            byte if byte == quote && bytes[at..].starts_with(&triple) => return at + 2,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::unclosed;

    #[test]
    fn the_open_bracket_is_found() {
        assert_eq!(unclosed("a = [1, 2]\n[b]\nc = { d = \"}\" } # ["), None);
        assert_eq!(unclosed("a = [1, 2\n[b]\n"), Some(4));
        assert_eq!(unclosed("[model\nheads = 4\n"), Some(0));
        assert_eq!(unclosed("a = '''[\n[''' \nb = { c = \"\\\"{\"\n"), Some(19));
        assert_eq!(unclosed("a = \"[\nb = 2"), None);
        assert_eq!(unclosed("a = ]\nb = {"), Some(10));
    }
}
