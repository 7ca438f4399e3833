//! The tables `[analysis.NAME]`: which analyses there are, and what a spec asks of them.
//!
//! Knows nothing of what an analysis computes: a [`Catalog`] is all that the spec needs to find
//! every mistake before anything runs.

use std::fmt;

use serde_json::{Map, Value as Json, json};

use crate::document::{Entry, Node, Value};
use crate::field::{Field, Reader, Want, wrong_type};
use crate::files::Files;
use crate::keys;
use crate::plan::AnalysisRequest;
use crate::source::excerpt;
use crate::suggest;

/// The things that a spec may ask for by name: analyses, and files.
#[derive(Debug, Default)]
pub struct Catalog {
    kinds: Vec<AnalysisKind>,
    /// whether a spec may also ask for analyses that are not in the catalog
    others: bool,
    unusable: Vec<Unusable>,
    files: Files,
}

/// An analysis that a spec names and that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusable {
    /// The analysis's name.
    pub name: String,
    /// What is wrong: a lower-case sentence fragment.
    pub message: String,
    /// What was expected instead.
    pub expected: String,
}

/// A file of Python that a spec names as an analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PythonFile {
    /// The analysis's name.
    pub name: String,
    /// The path as the spec writes it.
    pub file: String,
}

impl Catalog {
    /// Makes a catalog of these analyses. Of two analyses with one name the first counts.
    pub fn new(kinds: impl IntoIterator<Item = AnalysisKind>) -> Self {
        Self {
            kinds: kinds.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds the files that specs may name.
    #[must_use]
    pub fn with_files(self, files: Files) -> Self {
        Self { files, ..self }
    }

    pub(crate) fn files(&self) -> &Files {
        &self.files
    }

    /// Refuses these analyses with the reasons that they come with.
    #[must_use]
    pub fn without(self, unusable: Vec<Unusable>) -> Self {
        Self { unusable, ..self }
    }

    /// Accepts every other analysis as written. This serves the resolved spec of a run: its
    /// analyses were checked before, their parameters are complete, and this build may lack an
    /// analysis.
    #[must_use]
    pub fn and_others(self) -> Self {
        Self {
            others: true,
            ..self
        }
    }

    /// Returns a catalog without analyses.
    pub fn empty() -> Self {
        Self::default()
    }

    fn find(&self, name: &str) -> Option<&AnalysisKind> {
        self.kinds.iter().find(|kind| kind.name == name)
    }
}

type Check = dyn Fn(&Map<String, Json>) -> Result<(), ParameterError> + Send + Sync;

/// An analysis as far as a spec is concerned: its name, its parameters and its cadence.
pub struct AnalysisKind {
    name: String,
    every: Option<u64>,
    properties: Map<String, Json>,
    check: Box<Check>,
}

/// Says what is wrong with the parameters of an analysis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterError {
    /// The parameter's name; an empty or unknown name stands for the parameters as a whole.
    pub parameter: String,
    /// What is wrong: a lower-case sentence fragment.
    pub message: String,
    /// What was expected instead.
    pub expected: String,
}

impl AnalysisKind {
    /// Describes the analysis `name`. The `properties` of `schema`, a JSON schema of an object, are
    /// the parameters, and their `default`s are filled in. `check` receives the complete parameters
    /// and checks types and ranges. The key `every` belongs to the runner and is not passed to
    /// `check`.
    pub fn new(
        name: impl Into<String>,
        schema: &Json,
        check: impl Fn(&Map<String, Json>) -> Result<(), ParameterError> + Send + Sync + 'static,
    ) -> Self {
        let properties = schema.get("properties").and_then(Json::as_object);
        Self {
            name: name.into(),
            every: None,
            properties: properties.cloned().unwrap_or_default(),
            check: Box::new(check),
        }
    }

    /// Sets the cadence for specs that do not give one; `None` stands for the cadence of the
    /// checkpoints.
    #[must_use]
    pub fn with_every(self, every: Option<u64>) -> Self {
        Self { every, ..self }
    }

    /// Describes an analysis of which nothing is known but its table in the spec.
    fn as_written(entry: &Entry) -> Self {
        let written = match &entry.node.value {
            Value::Table(parameters) => parameters.as_slice(),
            _ => &[],
        };
        let written = written.iter().filter(|entry| !is_the_runners(&entry.key));
        let property = |parameter: &Entry| (parameter.key.clone(), Json::Null);
        let properties: Map<String, Json> = written.map(property).collect();
        let schema = json!({ "properties": properties });
        Self::new(entry.key.clone(), &schema, |_| Ok(()))
    }

    fn parameters(&self) -> impl Iterator<Item = &str> {
        let properties = self.properties.keys().map(String::as_str);
        [keys::ANALYSIS_EVERY.key(), keys::ANALYSIS_PYTHON.key()]
            .into_iter()
            .chain(properties)
    }
}

/// Returns whether a key of an analysis's table is the runner's, and no parameter.
fn is_the_runners(key: &str) -> bool {
    [keys::ANALYSIS_EVERY.key(), keys::ANALYSIS_PYTHON.key()].contains(&key)
}

impl fmt::Debug for AnalysisKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnalysisKind")
            .field("name", &self.name)
            .field("properties", &self.properties)
            .finish_non_exhaustive()
    }
}

/// The field of the table that holds the tables of the analyses.
#[derive(Debug)]
pub(crate) struct Analyses {
    pub(crate) about: &'static str,
}

impl Field for Analyses {
    fn path(&self) -> &'static str {
        "analysis"
    }

    /// The analyses differ from build to build, so the schema accepts any name and any parameter.
    fn schema(&self) -> Json {
        json!({
            "description": self.about,
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "every": keys::ANALYSIS_EVERY.schema(),
                    "python": keys::ANALYSIS_PYTHON.schema(),
                },
            },
        })
    }
}

impl Analyses {
    /// Reads the tables at `node`. An analysis without `every` gets its own default, or else
    /// `every`.
    pub(crate) fn read(
        &self,
        node: Option<&Node>,
        every: u64,
        catalog: &Catalog,
        reader: &mut Reader<'_>,
    ) -> Vec<AnalysisRequest> {
        let Some(node) = node else { return Vec::new() };
        let Value::Table(entries) = &node.value else {
            let expected = "a table of tables, as in [analysis.fourier-sparsity]";
            wrong_type(self.path(), Want::Other, expected, node, reader);
            return Vec::new();
        };
        entries
            .iter()
            .filter_map(|entry| read_one(entry, every, catalog, reader))
            .collect()
    }
}

fn read_one(
    entry: &Entry,
    every: u64,
    catalog: &Catalog,
    reader: &mut Reader<'_>,
) -> Option<AnalysisRequest> {
    let name = excerpt(&entry.key);
    if let Some(unusable) = catalog.unusable.iter().find(|u| u.name == entry.key) {
        let python = keys::ANALYSIS_PYTHON.key();
        let place = entry_of(entry, python).map_or(entry.key_span, |file| file.node.span);
        let diagnostic = reader.report.error(place, unusable.message.clone());
        diagnostic.label(format!("expected {}", unusable.expected));
        return None;
    }
    let other;
    let kind = match catalog.find(&entry.key) {
        Some(kind) => kind,
        None if catalog.others => {
            other = AnalysisKind::as_written(entry);
            &other
        }
        None => {
            unknown_analysis(entry, catalog, reader);
            return None;
        }
    };
    let Value::Table(entries) = &entry.node.value else {
        wrong_type(
            &format!("analysis.{name}"),
            Want::Other,
            "a table",
            &entry.node,
            reader,
        );
        return None;
    };
    let mut request = AnalysisRequest {
        name: kind.name.clone(),
        every: kind.every.unwrap_or(every),
        python: None,
        parameters: kind
            .properties
            .iter()
            .filter_map(|(key, schema)| Some((key.clone(), schema.get("default")?.clone())))
            .collect(),
    };
    let mut sound = true;
    for parameter in entries {
        if parameter.key == keys::ANALYSIS_EVERY.key() {
            let read = keys::ANALYSIS_EVERY.check(&parameter.node, reader);
            sound &= read.is_some();
            request.every = read.unwrap_or(request.every);
        } else if parameter.key == keys::ANALYSIS_PYTHON.key() {
            let read = keys::ANALYSIS_PYTHON.check(&parameter.node, reader);
            sound &= read.is_some();
            request.python = read;
        } else if !kind.properties.contains_key(&parameter.key) {
            unknown_parameter(kind, parameter, reader);
            sound = false;
        } else if let Some(value) = to_json(&parameter.node.value) {
            request.parameters.insert(parameter.key.clone(), value);
        } else {
            reader
                .report
                .error(
                    parameter.node.span,
                    format!("`{}` has no value of this kind", parameter.key),
                )
                .label("no parameter is a date, infinite, not a number or beyond 64 bits");
            sound = false;
        }
    }
    // Only complete parameters are checked: with broken ones, `check` could only report
    // consequences.
    if sound && let Err(error) = (kind.check)(&request.parameters) {
        let place = entries
            .iter()
            .find(|parameter| parameter.key == error.parameter)
            .map_or(entry.key_span, |parameter| parameter.node.span);
        reader
            .report
            .error(place, error.message)
            .label(format!("expected {}", error.expected));
    }
    Some(request)
}

/// Returns the entry of that key in the table of an analysis.
fn entry_of<'e>(entry: &'e Entry, key: &str) -> Option<&'e Entry> {
    match &entry.node.value {
        Value::Table(entries) => entries.iter().find(|inner| inner.key == key),
        _ => None,
    }
}

/// Returns the files of Python among the analyses of a tree; what is wrong with the tree is left
/// to those who read it whole.
pub(crate) fn python_files(tree: &[Entry]) -> Vec<PythonFile> {
    let analyses = tree
        .iter()
        .find(|entry| entry.key == keys::ANALYSIS.key())
        .map(|entry| &entry.node.value);
    let Some(Value::Table(analyses)) = analyses else {
        return Vec::new();
    };
    let file = |analysis: &Entry| match &entry_of(analysis, keys::ANALYSIS_PYTHON.key())?.node.value
    {
        Value::String(file) => Some(PythonFile {
            name: analysis.key.clone(),
            file: file.clone(),
        }),
        _ => None,
    };
    analyses.iter().filter_map(file).collect()
}

fn unknown_analysis(entry: &Entry, catalog: &Catalog, reader: &mut Reader<'_>) {
    let message = format!("unknown analysis `{}`", excerpt(&entry.key));
    let diagnostic = reader.report.error(entry.key_span, message);
    if catalog.kinds.is_empty() {
        diagnostic
            .label("this build has none")
            .add_help("leave the table out: training needs no analysis");
        return;
    }
    let names = || catalog.kinds.iter().map(|kind| kind.name.as_str());
    diagnostic.label("this build does not have it");
    if let Some(name) = suggest::nearest(&entry.key, names()) {
        diagnostic.add_help(format!("did you mean `{name}`?"));
    }
    diagnostic.add_help(format!(
        "the analyses of this build are {}",
        suggest::listing(names())
    ));
}

fn unknown_parameter(kind: &AnalysisKind, parameter: &Entry, reader: &mut Reader<'_>) {
    let message = format!(
        "unknown parameter `{}` of `{}`",
        excerpt(&parameter.key),
        kind.name
    );
    let diagnostic = reader.report.error(parameter.key_span, message);
    diagnostic.label("the analysis does not have it");
    if let Some(name) = suggest::nearest(&parameter.key, kind.parameters()) {
        diagnostic.add_help(format!("did you mean `{name}`?"));
    }
    diagnostic.add_help(format!(
        "its parameters are {}",
        suggest::listing(kind.parameters())
    ));
}

/// Returns the value as JSON, or `None` if JSON cannot hold the value.
pub(crate) fn to_json(value: &Value) -> Option<Json> {
    Some(match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(integer) => match i64::try_from(*integer) {
            Ok(integer) => Json::from(integer),
            Err(_) => Json::from(u64::try_from(*integer).ok()?),
        },
        Value::Float(float) => Json::Number(serde_json::Number::from_f64(*float)?),
        Value::Boolean(boolean) => Json::from(*boolean),
        Value::Datetime => return None,
        Value::Array(items) => Json::Array(
            items
                .iter()
                .map(|item| to_json(&item.value))
                .collect::<Option<_>>()?,
        ),
        Value::Table(entries) => Json::Object(
            entries
                .iter()
                .map(|entry| Some((entry.key.clone(), to_json(&entry.node.value)?)))
                .collect::<Option<_>>()?,
        ),
    })
}
