//! Writes a spec down: lines of keys and values, which give a TOML text and the values by path.
//!
//! Knows nothing of which keys there are.

use std::collections::HashSet;
use std::fmt::Write as _;

use crate::field::Field;

/// The purpose of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Every key is written.
    Resolved,
    /// The text is hashed: keys that were added later are left out at their defaults, so that
    /// fingerprints of older runs stay valid.
    Canonical,
}

/// The lines that were written so far.
#[derive(Debug)]
pub(crate) struct Written {
    form: Form,
    lines: Vec<Line>,
}

#[derive(Clone, Debug, PartialEq)]
enum Line {
    Header(&'static str),
    Value {
        path: &'static str,
        key: &'static str,
        value: String,
        /// the value in the form of an item of a list of values, if that form differs
        item: Option<String>,
    },
    /// A key that is not set, the value that would say so, and the meaning of its absence.
    Unset {
        path: &'static str,
        key: &'static str,
        value: &'static str,
        comment: &'static str,
    },
    Comment(String),
}

impl Line {
    fn value(path: &'static str, key: &'static str, value: String) -> Line {
        Line::Value {
            path,
            key,
            value,
            item: None,
        }
    }

    fn key(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Line::Value { path, key, .. } | Line::Unset { path, key, .. } => Some((path, key)),
            Line::Header(_) | Line::Comment(_) => None,
        }
    }

    /// Returns whether both lines set the same key, or open the same table.
    fn matches(&self, other: &Line) -> bool {
        match (self.key(), other.key()) {
            (Some(one), Some(other)) => one == other,
            _ => self == other,
        }
    }
}

impl Written {
    pub(crate) fn new(form: Form) -> Written {
        Written {
            form,
            lines: Vec::new(),
        }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    /// Writes the header of a table.
    pub(crate) fn header(&mut self, table: &dyn Field) {
        self.lines.push(Line::Header(table.path()));
    }

    /// Writes a key and its value.
    pub(crate) fn line(&mut self, field: &dyn Field, value: &str) {
        self.lines.push(Line::Value {
            path: field.path(),
            key: field.key(),
            value: value.to_owned(),
            item: None,
        });
    }

    /// Writes a key whose value has the form `item` in a list of values.
    pub(crate) fn line_with_item(&mut self, field: &dyn Field, value: &str, item: String) {
        self.lines.push(Line::Value {
            path: field.path(),
            key: field.key(),
            value: value.to_owned(),
            item: Some(item),
        });
    }

    /// Writes a key that was added after the first fingerprints; at its default the key is left out
    /// of them.
    pub(crate) fn beyond(&mut self, field: &dyn Field, value: String, is_default: bool) {
        if self.form == Form::Resolved || !is_default {
            self.line(field, &value);
        }
    }

    /// Writes that a key is not set; in a list of values, `value` says so.
    pub(crate) fn unset(&mut self, field: &dyn Field, value: &'static str, comment: &'static str) {
        self.lines.push(Line::Unset {
            path: field.path(),
            key: field.key(),
            value,
            comment,
        });
    }

    /// Writes a comment, in both forms.
    pub(crate) fn comment(&mut self, text: &str) {
        self.lines.push(Line::Comment(text.to_owned()));
    }

    /// Merges the same part of several cells. A key that is `varied` gets the list of its values.
    /// Another key whose values differ is left out, since its default follows from a varied key.
    pub(crate) fn merge(mut parts: Vec<Written>, varied: &[&'static str]) -> Written {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let form = parts.first().map_or(Form::Resolved, |part| part.form);
        let mut lines: Vec<Line> = Vec::new();
        for part in &parts {
            // A line goes after the line that precedes it in its own part.
            let mut at = 0;
            for line in &part.lines {
                match lines.iter().position(|known| known.matches(line)) {
                    Some(place) => at = place + 1,
                    None => {
                        lines.insert(at, line.clone());
                        at += 1;
                    }
                }
            }
        }
        let mut merged = Written::new(form);
        for line in lines {
            let Some((path, key)) = line.key() else {
                merged.lines.push(line);
                continue;
            };
            if varied.contains(&path) {
                let mut values = distinct(parts.iter().filter_map(|part| part.listed(path)));
                if form == Form::Canonical {
                    values.sort_unstable();
                }
                let value = format!("[{}]", values.join(", "));
                merged.lines.push(Line::value(path, key, value));
                continue;
            }
            let values = distinct(parts.iter().filter_map(|part| part.value(path)));
            match (values.as_slice(), form) {
                ([], _) => merged.lines.push(line),
                ([only], _) => {
                    let value = (*only).to_owned();
                    merged.lines.push(Line::value(path, key, value));
                }
                (_, Form::Resolved) => {
                    merged.comment(&format!("{key} is not set: each cell has its default"));
                }
                (_, Form::Canonical) => {}
            }
        }
        merged
    }

    /// Replaces the value of a key.
    pub(crate) fn set(&mut self, wanted: &str, value: &str) {
        for line in &mut self.lines {
            if let Some((path, key)) = line.key().filter(|(path, _)| *path == wanted) {
                let value = value.to_owned();
                *line = Line::value(path, key, value);
            }
        }
    }

    /// Adds the lines of another part.
    pub(crate) fn append(&mut self, part: Written) {
        self.lines.extend(part.lines);
    }

    fn value(&self, wanted: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| match line {
            Line::Value { path, value, .. } if *path == wanted => Some(value.as_str()),
            _ => None,
        })
    }

    /// Returns the value in the form of an item of a list of values.
    fn listed(&self, wanted: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| match line {
            Line::Value {
                path, value, item, ..
            } if *path == wanted => Some(item.as_deref().unwrap_or(value)),
            Line::Unset { path, value, .. } if *path == wanted => Some(value),
            _ => None,
        })
    }

    /// Returns the TOML text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _infallible = match line {
                Line::Header(path) => write!(text, "\n[{path}]\n"),
                Line::Value { key, value, .. } => writeln!(text, "{key} = {value}"),
                Line::Comment(comment) => writeln!(text, "# {comment}"),
                Line::Unset { comment, .. } if self.form == Form::Resolved => {
                    writeln!(text, "# {comment}")
                }
                Line::Unset { .. } => Ok(()),
            };
        }
        text
    }

    /// Returns the form in a list of values of each key that is set, or could be.
    pub(crate) fn all_listed(&self) -> Vec<(&'static str, String)> {
        let paths = self.lines.iter().filter_map(Line::key);
        paths
            .filter_map(|(path, _)| Some((path, self.listed(path)?.to_owned())))
            .collect()
    }

    /// Returns each key's path and value, in the order of the text.
    pub(crate) fn into_values(self) -> Vec<(&'static str, String)> {
        let value = |line| match line {
            Line::Value { path, value, .. } => Some((path, value)),
            Line::Header(_) | Line::Comment(_) | Line::Unset { .. } => None,
        };
        self.lines.into_iter().filter_map(value).collect()
    }
}

/// Returns the different ones of `values`, in order of their first occurrence.
pub(crate) fn distinct<T: Clone + Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(value.clone())).collect()
}
