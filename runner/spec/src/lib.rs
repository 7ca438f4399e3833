//! Reads specs: from the TOML text that declares an experiment to the plan of what to run.
//!
//! [`load`] reads a text into a [`Plan`] or says everything that is wrong with it as
//! [`Diagnostics`]. On the way a spec is
//!
//! 1. a tree of values with their places, from the file and from every `--set` (`document`,
//!    `overrides`);
//! 2. a `Spec`: every key found in the one table of keys (`keys`), every value in its range; the
//!    tables of model and training are read once for each combination of their lists (`variants`);
//! 3. a [`Plan`]: checked as a whole and multiplied out into [`Cell`]s, or drawn from (`sample`).
//!
//! [`json_schema`] describes specs to editors, from the same table of keys.
//!
//! This crate reads no file, knows no device and computes nothing. The task crate owns what an
//! operation is and where it is defined; the program crate owns what a model and an optimizer are.
//!
//! ```
//! use std::path::Path;
//! use grokrun_spec::{Catalog, load};
//!
//! let text = r#"
//! operation = "mul"
//! modulus = 113
//! fraction = 0.3
//! seeds = { data = 598, model = { start = 0, count = 32 } }
//! "#;
//! let plan = load(text, Path::new("sweep.toml"), &[], &Catalog::empty())?;
//! assert_eq!(plan.name, "sweep");
//! assert_eq!(plan.cells.len(), 32);
//! assert_eq!(plan.cells[1].id, "mul-p113-f0.3-d598-m1");
//!
//! let overrides = ["modulus=1".to_owned()];
//! let mistakes = load(text, Path::new("sweep.toml"), &overrides, &Catalog::empty());
//! assert!(mistakes.is_err_and(|mistakes| mistakes.render(false).contains("too small")));
//! # Ok::<(), grokrun_spec::Diagnostics>(())
//! ```

mod analysis;
mod at;
mod axis;
mod changes;
mod claim;
mod diagnostic;
mod document;
mod field;
mod files;
mod gradient;
mod group;
mod keys;
mod model;
mod name;
mod noise;
mod number;
mod operation;
mod optimizer;
mod overrides;
mod plan;
mod resolve;
mod resolved;
mod sample;
mod schema;
mod settings;
mod source;
mod spacing;
mod spec;
mod sphere;
mod start;
mod stop;
mod suffix;
mod suggest;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod train;
mod variants;
mod widths;
mod word;
mod word_or_table;
mod written;

use std::collections::HashSet;
use std::path::Path;

pub use analysis::{AnalysisKind, Catalog, ParameterError, PythonFile, Unusable};
pub use at::{ScheduledChange, When};
pub use changes::Change;
pub use claim::{
    At, Claim, Condition, Event, Expected, Measure, Metric, Over, Quantity, Range, Selection,
    Tolerance,
};
pub use diagnostic::{Diagnostics, Mistake};
pub use files::Files;
pub use plan::{
    AnalysisRequest, Batch, Biases, Cell, Checkpoints, Compression, Model, Noise, Plan, Precision,
    Sample, Settings, Start, Train,
};
pub use schema::json_schema;
pub use spacing::Spacing;
pub use stop::{Budget, Confused, Stop, Success};

use diagnostic::Report;
use field::{Field as _, Reader};
use source::Sources;
use spec::Spec;

/// Reads the spec `text`. `path` is shown in messages, and its stem is the default of the run's
/// name; no file is read. Each of `overrides` is `key=value` as given with `--set` and replaces the
/// value of the spec (tables are merged); of two overrides of one key the last counts. `catalog`
/// has the analyses that the spec may ask for.
///
/// # Errors
/// When the spec, or an override, has mistakes: returns all that were found.
pub fn load(
    text: &str,
    path: &Path,
    overrides: &[String],
    catalog: &Catalog,
) -> Result<Plan, Diagnostics> {
    read(text, path, overrides, Some(catalog))
}

/// Reads the spec `text` as [`load`] does, but without the analyses, which the plan then lacks.
/// This serves callers that need to know what is trained and may not have every analysis. The plan
/// has all claims, including claims on series of analyses.
///
/// # Errors
/// When the spec has mistakes: returns all that were found.
pub fn load_training(text: &str, path: &Path) -> Result<Plan, Diagnostics> {
    read(text, path, &[], None)
}

/// Returns the analyses of the spec `text`, with `overrides`, that are files of Python. Mistakes
/// are left to [`load`], which needs a catalog that has these analyses.
pub fn python_files(text: &str, overrides: &[String]) -> Vec<PythonFile> {
    let tree = tree(text, Path::new(""), overrides, &mut Report::new());
    analysis::python_files(&tree.entries)
}

/// A spec as a tree.
struct Tree {
    sources: Sources,
    entries: Vec<document::Entry>,
    /// the place where a key could be added to the top of the file
    end: source::Span,
}

/// Reads a text and grafts the overrides onto it; mistakes of syntax go to `report`.
fn tree(text: &str, path: &Path, overrides: &[String], report: &mut Report) -> Tree {
    let mut sources = Sources::new(&path.display().to_string(), text);
    let numbers: Vec<usize> = overrides
        .iter()
        .map(|text| sources.push_override(text))
        .collect();
    let mut entries = document::read(0, &sources, report);
    let end = document::end_of_top(&entries, &sources);
    for number in numbers {
        let given = overrides::read(number, &sources, report);
        overrides::graft(&mut entries, given);
    }
    Tree {
        sources,
        entries,
        end,
    }
}

/// Reads a spec. Without a catalog, the analyses are left out.
fn read(
    text: &str,
    path: &Path,
    overrides: &[String],
    catalog: Option<&Catalog>,
) -> Result<Plan, Diagnostics> {
    let mut report = Report::new();
    let Tree {
        sources,
        mut entries,
        end,
    } = tree(text, path, overrides, &mut report);
    let none = Catalog::empty();
    let with_analyses = catalog.is_some();
    let catalog = catalog.unwrap_or_else(|| {
        entries.retain(|entry| entry.key != keys::ANALYSIS.key());
        &none
    });

    let mut reader = Reader {
        sources: &sources,
        files: catalog.files(),
        report: &mut report,
    };
    let read = |tree: &[document::Entry], reader: &mut Reader<'_>| {
        let spec = Spec::read(tree, end, path, catalog, reader);
        if with_analyses {
            let tables = tree.iter().find(|entry| entry.key == keys::ANALYSIS.key());
            claim::read::check_analyses(&spec.claims, tables.map(|table| &table.node), reader);
        }
        spec
    };
    let plan = match sample::read(&entries, &mut reader) {
        Some(draws) => resolve::sampled(&draws, &entries, read, &mut reader),
        None => {
            let spec = read(&entries, &mut reader);
            resolve::check(&spec, &mut HashSet::new(), &mut reader);
            reader.report.is_empty().then(|| resolve::plan(spec))
        }
    };
    match plan {
        Some(plan) if report.is_empty() => Ok(plan),
        _ => Err(report.finish(sources)),
    }
}
