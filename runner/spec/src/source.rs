//! The texts that a spec is made of, and places in them.
//!
//! A spec is read from its file and from every `--set` given with it. Each is a [`Source`]; a
//! [`Span`] names one of them and a range of bytes in it. This module knows nothing of TOML.

use std::ops::Range;

/// A text that a mistake can be in.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// What is shown in front of line and column: the file's path, or `--set`.
    pub(crate) name: String,
    /// The whole text.
    pub(crate) text: String,
}

/// The name under which the texts of `--set` are shown.
pub(crate) const OVERRIDE: &str = "--set";

/// A range of bytes in one of the [`Sources`]. Always within the text and on character borders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    source: usize,
    start: usize,
    end: usize,
}

impl Span {
    /// The index of the source; 0 is the spec's file.
    pub(crate) fn source(self) -> usize {
        self.source
    }

    /// Where the span starts, in bytes.
    pub(crate) fn start(self) -> usize {
        self.start
    }

    /// The bytes covered.
    pub(crate) fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// All texts of one load: the spec's file first, then the overrides as given.
#[derive(Clone, Debug)]
pub(crate) struct Sources(Vec<Source>);

impl Sources {
    /// Starts with the spec's file; `path` is how it is shown in messages.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self(vec![Source { name: path.to_owned(), text: text.to_owned() }])
    }

    /// Adds the text of one `--set` and returns its index.
    pub(crate) fn push_override(&mut self, text: &str) -> usize {
        self.0.push(Source { name: OVERRIDE.to_owned(), text: text.to_owned() });
        self.0.len() - 1
    }

    /// The source that `span` is in.
    pub(crate) fn of(&self, span: Span) -> &Source {
        &self.0[span.source]
    }

    /// Whether `span` is in the text of a `--set`.
    pub(crate) fn is_override(&self, span: Span) -> bool {
        span.source > 0
    }

    /// The text that `span` covers.
    pub(crate) fn text(&self, span: Span) -> &str {
        &self.of(span).text[span.range()]
    }

    /// A span of `source`, cut to the text and widened to whole characters, so that no range a
    /// parser reports can make a later slice panic.
    pub(crate) fn span(&self, source: usize, range: Range<usize>) -> Span {
        let text = &self.0[source].text;
        let start = text.floor_char_boundary(range.start.min(text.len()));
        let end = text.ceil_char_boundary(range.end.clamp(start, text.len()));
        Span { source, start, end }
    }

    /// Line and column of the start of `span`, both from 1; the column counts characters.
    pub(crate) fn line_column(&self, span: Span) -> (usize, usize) {
        let before = &self.of(span).text[..span.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The text of the line in which `span` starts.
    pub(crate) fn line(&self, span: Span) -> &str {
        let text = &self.of(span).text;
        let start = text[..span.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[span.start..].find('\n').map_or(text.len(), |newline| span.start + newline);
        &text[start..end]
    }
}
