//! Collects, orders and shows mistakes.
//!
//! A [`Report`] collects the mistakes that the readers find; the caller gets [`Diagnostics`]. Other
//! modules decide what is wrong and what to do about it.

use std::collections::{HashMap, HashSet};
use std::fmt;

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Level, Snippet};

use crate::source::{Sources, Span};

/// The largest number of mistakes that are shown in full; a file with more was not meant as a spec.
const SHOWN: usize = 50;

/// The subject of a diagnostic, as far as it decides whether the diagnostic is kept or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// The text is not TOML. Consequences of such a mistake are not reported.
    Syntax,
    /// A key is missing.
    Missing,
    /// A key has no effect next to the others.
    Idle,
    /// Every other mistake.
    Meaning,
}

/// One mistake, under construction.
#[derive(Clone, Debug)]
pub(crate) struct Diagnostic {
    topic: Topic,
    message: String,
    span: Span,
    label: String,
    context: Vec<(Span, String)>,
    help: Vec<String>,
}

impl Diagnostic {
    /// Sets the text under the offending text.
    pub(crate) fn label(&mut self, label: impl Into<String>) -> &mut Self {
        self.label = label.into();
        self
    }

    /// Points at a second place that explains the first.
    pub(crate) fn context(&mut self, span: Span, label: impl Into<String>) -> &mut Self {
        self.context.push((span, label.into()));
        self
    }

    /// Adds a line on what to do.
    pub(crate) fn add_help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help.push(help.into());
        self
    }
}

/// Collects mistakes while a spec is read.
#[derive(Debug)]
pub(crate) struct Report {
    found: Vec<Diagnostic>,
    /// the place from which the file is unreliable, since a bracket is left open there
    lost_from: Option<Span>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            found: Vec::new(),
            lost_from: None,
        }
    }

    /// Reports that the text at `span` makes the spec unusable.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Meaning, span, message.into())
    }

    /// Reports that the text at `span` has no effect. In a spec whose cells differ this is not a
    /// mistake if the text has an effect in one of the cells.
    pub(crate) fn idle(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Idle, span, message.into())
    }

    /// Adds the mistakes of all variants of a spec, each mistake once. `lists` are the spans of the
    /// lists in which the variants differ. Returns whether there was no mistake.
    pub(crate) fn gather(&mut self, variants: Vec<Report>, lists: &[Span]) -> bool {
        let before = self.found.len();
        let all = variants.len();
        let mut seen = HashSet::new();
        let mut idle: HashMap<Span, usize> = HashMap::new();
        for variant in &variants {
            let places = variant.found.iter().filter(|one| one.topic == Topic::Idle);
            let places: HashSet<Span> = places.map(|one| one.span).collect();
            for place in places {
                *idle.entry(place).or_default() += 1;
            }
        }
        // The span of an item lies within the span of its list.
        let of_list = |place: Span| lists.iter().any(|list| list.contains(place));
        for found in variants.into_iter().flat_map(|variant| variant.found) {
            let place = found.span;
            let message = match found.topic {
                Topic::Idle if idle.get(&place) != Some(&all) && !of_list(place) => continue,
                Topic::Idle => String::new(),
                _ => found.message.clone(),
            };
            if seen.insert((place, message)) {
                self.found.push(found);
            }
        }
        self.found.len() == before
    }

    /// Reports that something is missing at `span`.
    pub(crate) fn missing(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Missing, span, message.into())
    }

    /// Reports that the text at `span` is not TOML.
    pub(crate) fn syntax(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Syntax, span, message.into())
    }

    /// Reports that the syntax is so broken that the rest of the text, from `span` on, is
    /// unreliable.
    pub(crate) fn lost_from(&mut self, span: Span) {
        let earlier = self.lost_from.map_or(span, |known| known.min(span));
        self.lost_from = Some(earlier);
    }

    /// Returns whether no mistake was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    fn push(&mut self, topic: Topic, span: Span, message: String) -> &mut Diagnostic {
        self.found.push(Diagnostic {
            topic,
            message,
            span,
            label: String::new(),
            context: Vec::new(),
            help: Vec::new(),
        });
        let last = self.found.len() - 1;
        &mut self.found[last]
    }

    /// Orders the mistakes by place, and drops those that only follow from broken syntax: missing
    /// keys, mistakes on the line of a syntax error, and everything behind a bracket that is left
    /// open.
    pub(crate) fn finish(mut self, sources: Sources) -> Diagnostics {
        let line = |span: Span| (span.source(), sources.line_number(span));
        let broken: HashSet<_> = self
            .found
            .iter()
            .filter(|diagnostic| diagnostic.topic == Topic::Syntax)
            .map(|diagnostic| line(diagnostic.span))
            .collect();
        if !broken.is_empty() {
            self.found.retain(|diagnostic| match diagnostic.topic {
                Topic::Syntax => true,
                Topic::Missing => false,
                Topic::Meaning | Topic::Idle => {
                    let lost = self.lost_from.is_some_and(|from| {
                        from.source() == diagnostic.span.source() && from <= diagnostic.span
                    });
                    let mut places = diagnostic
                        .context
                        .iter()
                        .map(|(span, _)| *span)
                        .chain([diagnostic.span]);
                    !lost && !places.any(|span| broken.contains(&line(span)))
                }
            });
        }
        self.found.sort_by_key(|diagnostic| diagnostic.span);
        Diagnostics {
            sources,
            found: self.found,
        }
    }
}

/// All mistakes of a spec, in the order of its text, together with that text; at least one.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    sources: Sources,
    found: Vec<Diagnostic>,
}

/// One of the mistakes in [`Diagnostics`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Mistake<'d> {
    /// The text that contains the mistake: the spec's path, or `--set`.
    pub file: &'d str,
    /// The line at which the offending text starts, from 1.
    pub line: usize,
    /// The column at which the offending text starts, from 1, in characters.
    pub column: usize,
    /// The offending text.
    pub text: &'d str,
    /// What is wrong: a lower-case sentence fragment.
    pub message: &'d str,
    /// The text under the offending text, which says what was expected as a rule.
    pub label: &'d str,
    /// What to do, one sentence fragment each; may be empty.
    pub help: &'d [String],
}

impl Diagnostics {
    /// Returns every mistake, in the order of the text; mistakes in `--set` come last.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Mistake<'_>> {
        self.found.iter().map(|diagnostic| {
            let (line, column) = self.sources.line_column(diagnostic.span);
            Mistake {
                file: &self.sources.of(diagnostic.span).name,
                line,
                column,
                text: self.sources.text(diagnostic.span),
                message: &diagnostic.message,
                label: &diagnostic.label,
                help: &diagnostic.help,
            }
        })
    }

    /// Returns the report for a person: every mistake with its file, line and column, the text
    /// underlined, and what to do. With `color`, ANSI escapes are used. At most 50 mistakes are
    /// shown; the rest are counted. Ends with a newline.
    pub fn render(&self, color: bool) -> String {
        let renderer = if color {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut out = String::new();
        for diagnostic in self.found.iter().take(SHOWN) {
            out.push_str(&renderer.render(&[self.group(diagnostic)]));
            out.push_str("\n\n");
        }
        match self.found.len().saturating_sub(SHOWN) {
            0 => drop(out.pop()),
            more => out.push_str(&format!("… and {more} more\n")),
        }
        out
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let title = Level::ERROR.primary_title(&diagnostic.message);
        let source = self.sources.of(diagnostic.span);
        let mut primary = AnnotationKind::Primary.span(diagnostic.span.range());
        if !diagnostic.label.is_empty() {
            primary = primary.label(&diagnostic.label);
        }
        let snippet =
            |source: &'a crate::source::Source| Snippet::source(&source.text).path(&source.name);
        let (near, far): (Vec<_>, Vec<_>) = diagnostic
            .context
            .iter()
            .partition(|(span, _)| span.source() == diagnostic.span.source());
        let mut main = snippet(source).annotation(primary);
        for (span, label) in near {
            main = main.annotation(AnnotationKind::Context.span(span.range()).label(label));
        }
        let mut group = title.element(main);
        for (span, label) in far {
            group = group.element(
                snippet(self.sources.of(*span))
                    .annotation(AnnotationKind::Context.span(span.range()).label(label)),
            );
        }
        for help in &diagnostic.help {
            group = group.element(Level::HELP.message(help));
        }
        group
    }
}

impl fmt::Display for Diagnostics {
    /// Writes the same as [`Diagnostics::render`] without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
