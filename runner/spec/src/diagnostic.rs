//! Mistakes: how they are collected, ordered and shown.
//!
//! A [`Report`] gathers what the readers find; [`Diagnostics`] is what the caller gets. What is
//! wrong, and what to do about it, is decided elsewhere.

use std::collections::{HashMap, HashSet};
use std::fmt;

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{AnnotationKind, Group, Level, Snippet};

use crate::source::{Sources, Span};

/// At most this many mistakes are shown in full; a file that has more was not meant as a spec.
const SHOWN: usize = 50;

/// What a diagnostic is about, as far as it matters for keeping or dropping it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Topic {
    /// The text is not TOML. Nothing that follows from it is reported.
    Syntax,
    /// A key is not there.
    Missing,
    /// A key would change nothing beside the others.
    Idle,
    /// Everything else.
    Meaning,
}

/// One mistake while it is described.
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
    /// What is written under the offending text.
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
    /// From where on nothing in the file means what it says, as a bracket is left open.
    lost_from: Option<Span>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            found: Vec::new(),
            lost_from: None,
        }
    }

    /// The text at `span` makes the spec unusable.
    pub(crate) fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Meaning, span, message.into())
    }

    /// What stands at `span` would change nothing. Of a spec whose cells differ it is no mistake if
    /// it changes something in one of them.
    pub(crate) fn idle(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Idle, span, message.into())
    }

    /// Takes over what was found in each variant of a spec, every mistake once; `lists` are the
    /// places of what the variants differ in. Returns whether nothing was.
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
        // The place of an item is within that of its list.
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

    /// Something that should stand at `span` does not.
    pub(crate) fn missing(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Missing, span, message.into())
    }

    /// The text at `span` is not TOML.
    pub(crate) fn syntax(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Topic::Syntax, span, message.into())
    }

    /// The syntax is so broken that nothing in the same text from `span` on means what it says.
    pub(crate) fn lost_from(&mut self, span: Span) {
        let earlier = self.lost_from.map_or(span, |known| known.min(span));
        self.lost_from = Some(earlier);
    }

    /// Whether nothing was found.
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

    /// Orders what was found by place and drops what only follows from broken syntax: anything
    /// said to be missing, anything that concerns the line of a mistake of
    /// syntax, and anything behind a
    /// bracket left open.
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

/// All mistakes of a spec, in the order of its text, together with that text; never empty.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    sources: Sources,
    found: Vec<Diagnostic>,
}

/// One of the mistakes in [`Diagnostics`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Mistake<'d> {
    /// The text that it is in: the spec's path, or `--set`.
    pub file: &'d str,
    /// The line at which the offending text starts, from 1.
    pub line: usize,
    /// The column at which it starts, from 1, in characters.
    pub column: usize,
    /// The offending text itself.
    pub text: &'d str,
    /// What is wrong: a lower-case sentence fragment.
    pub message: &'d str,
    /// What is written under the offending text: what was expected, as a rule.
    pub label: &'d str,
    /// What to do about it, one sentence fragment each; may be empty.
    pub help: &'d [String],
}

impl Diagnostics {
    /// Every mistake, in the order of the text; those of `--set` last.
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

    /// The report for a person: every mistake with its file, line and column, the text
    /// underlined, and what to do. With `color`, ANSI escapes are used; without, there are none. At
    /// most 50 mistakes are shown, the rest is counted. Ends with a newline.
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
    /// The same as [`Diagnostics::render`] without colour.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}
