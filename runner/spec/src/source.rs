//! Holds the texts that a spec is made of, and places in them.
//!
//! A spec is read from its file and from every `--set` given with it. Each is a [`Source`]; a
//! [`Span`] names one of them and a range of bytes in it. Knows nothing of TOML.

use std::ops::Range;

/// A text that a mistake can be in.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// The name in front of line and column: the file's path, or `--set`.
    pub(crate) name: String,
    /// The whole text.
    pub(crate) text: String,
    /// The byte at which each line starts.
    lines: Vec<usize>,
}

impl Source {
    fn new(name: &str, text: &str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            lines: std::iter::once(0).chain(after_newlines).collect(),
        }
    }

    /// Returns the index of the line that contains the byte `at`.
    fn line_index(&self, at: usize) -> usize {
        // The first line starts at 0, so at least one start is at or before `at`.
        self.lines
            .partition_point(|&start| start <= at)
            .saturating_sub(1)
    }
}

/// The name under which the texts of `--set` are shown.
pub(crate) const OVERRIDE: &str = "--set";

/// A range of bytes in one of the [`Sources`], always within the text and on character borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Span {
    source: usize,
    start: usize,
    end: usize,
}

impl Span {
    /// Returns the index of the source; 0 is the spec's file.
    pub(crate) fn source(self) -> usize {
        self.source
    }

    /// Returns whether `inner` is a part of this span.
    pub(crate) fn contains(self, inner: Span) -> bool {
        self.source == inner.source && self.start <= inner.start && inner.end <= self.end
    }

    /// Returns the start of the span, in bytes.
    pub(crate) fn start(self) -> usize {
        self.start
    }

    /// Returns the range of bytes.
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// All texts of one load: the spec's file first, then the overrides in the order given.
#[derive(Clone, Debug)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Starts with the spec's file; `path` is how messages show the file.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self(vec![Source::new(path, text)])
    }

    /// Adds the text of one `--set` and returns its index.
    pub(crate) fn push_override(&mut self, text: &str) -> usize {
        self.0.push(Source::new(OVERRIDE, text));
        self.0.len() - 1
    }

    /// Returns the source that contains `span`.
    pub(crate) fn of(&self, span: Span) -> &Source {
        &self.0[span.source]
    }

    /// Returns whether `span` is in the text of a `--set`.
    pub(crate) fn is_override(&self, span: Span) -> bool {
        span.source > 0
    }

    /// Returns the text of `span`.
    pub(crate) fn text(&self, span: Span) -> &str {
        &self.of(span).text[span.range()]
    }

    /// Returns a span of `source`, cut to the text and widened to whole characters, so that no
    /// range that a parser reports can make a later slice panic.
    pub(crate) fn span(&self, source: usize, range: Range<usize>) -> Span {
        let text = &self.0[source].text;
        let start = text.floor_char_boundary(range.start.min(text.len()));
        let end = text.ceil_char_boundary(range.end.clamp(start, text.len()));
        Span { source, start, end }
    }

    /// Returns the number of the line in which `span` starts, from 1.
    pub(crate) fn line_number(&self, span: Span) -> usize {
        self.of(span).line_index(span.start) + 1
    }

    /// Returns line and column of the start of `span`, both from 1; the column counts characters.
    pub(crate) fn line_column(&self, span: Span) -> (usize, usize) {
        let source = self.of(span);
        let line = source.line_index(span.start);
        let before = &source.text[source.lines[line]..span.start];
        (line + 1, before.chars().count() + 1)
    }

    /// Returns the text of the line in which `span` starts, without its end.
    pub(crate) fn line(&self, span: Span) -> &str {
        let source = self.of(span);
        let line = source.line_index(span.start);
        let end = source
            .lines
            .get(line + 1)
            .map_or(source.text.len(), |next| next - 1);
        &source.text[source.lines[line]..end]
    }

    /// Returns the text of `span`, short enough for a message: one line, at most 40 characters.
    pub(crate) fn excerpt(&self, span: Span) -> String {
        excerpt(self.text(span))
    }

    /// Returns the span of all of `source`.
    pub(crate) fn whole(&self, source: usize) -> Span {
        self.span(source, 0..usize::MAX)
    }
}

/// Returns `text`, short enough for a message: one line, at most 40 characters.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    let shown: String = line.chars().take(LONGEST).collect();
    if shown.len() == text.len() {
        shown
    } else {
        format!("{}…", shown.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let sources = Sources::new("x.toml", "é = 1\r\nbc = 2\n");
        let place = |start, end| {
            let span = sources.span(0, start..end);
            (
                sources.line_column(span),
                sources.line(span),
                sources.text(span),
            )
        };
        assert_eq!(place(0, 2), ((1, 1), "é = 1\r", "é"));
        assert_eq!(place(1, 1), ((1, 1), "é = 1\r", "é"));
        assert_eq!(place(5, 6), ((1, 5), "é = 1\r", "1"));
        assert_eq!(place(8, 10), ((2, 1), "bc = 2", "bc"));
        assert_eq!(place(15, 99), ((3, 1), "", ""));
        assert_eq!(place(99, 3), ((3, 1), "", ""));
    }

    #[test]
    fn excerpts_are_short() {
        assert_eq!(excerpt("a + b"), "a + b");
        assert_eq!(excerpt("a\nb"), "a…");
        assert_eq!(excerpt(&"x".repeat(50)), format!("{}…", "x".repeat(40)));
    }
}
