//! Finds the analyses that a spec, or a run, has in files of Python, and the interpreter for them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use grokrun_host::{Limits, Python, Script};
use grokrun_spec::{Plan, PythonFile, python_files};
use grokrun_store::{RunDir, RunView};

use crate::args::PluginArgs;
use crate::output::Failure;

/// The variable with the interpreter.
const VARIABLE: &str = "GROKRUN_PYTHON";
/// The interpreter where the variable is not set, searched for in `PATH`.
const DEFAULT: &str = "python3";

/// Returns how files of Python are called.
pub(crate) fn interpreter(limits: Limits) -> Python {
    let named = std::env::var_os(VARIABLE).filter(|name| !name.is_empty());
    Python {
        program: named.map_or_else(|| DEFAULT.into(), PathBuf::from),
        limits,
    }
}

/// Returns the files that a spec names, which start at its folder.
pub(crate) fn of_spec(text: &str, set: &[String], spec: &Path) -> Vec<Script> {
    let folder = spec.parent().unwrap_or(Path::new(""));
    let script = |PythonFile { name, file }| Script {
        name,
        file: folder.join(file),
    };
    python_files(text, set).into_iter().map(script).collect()
}

/// Returns the texts that a run keeps of the files of its spec, but for those in whose place the
/// command line names a file.
pub(crate) fn of_run(run: &Path, resolved: &str, args: &PluginArgs) -> Vec<Script> {
    let Ok(view) = RunView::open(run) else {
        return Vec::new();
    };
    let named = |name: &str| args.plugin.iter().any(|file| stem(file) == name);
    let kept = |python: PythonFile| {
        let file = view.python(&python.name)?;
        let name = python.name;
        (!named(&name)).then_some(Script { name, file })
    };
    let files = python_files(resolved, &[]).into_iter();
    files.filter_map(kept).collect()
}

/// Returns whether the command line names a file of Python.
pub(crate) fn is_named(args: &PluginArgs) -> bool {
    args.plugin.iter().any(|file| !stem(file).is_empty())
}

/// Returns the name of the analysis in a file that the command line names; empty for a library.
fn stem(file: &Path) -> String {
    match (file.extension(), file.file_stem().and_then(OsStr::to_str)) {
        (Some(extension), Some(stem)) if extension == "py" => stem.replace('_', "-"),
        _ => String::new(),
    }
}

/// Keeps the texts of the plan's files in its run.
///
/// # Errors
/// If a file is gone, or the run cannot be written.
pub(crate) fn keep(run: &RunDir, plan: &Plan, scripts: &[Script]) -> Result<(), Failure> {
    for script in scripts {
        if !plan.analyses.iter().any(|a| a.name == script.name) {
            continue;
        }
        let text = std::fs::read(&script.file)
            .map_err(|error| Failure::request(format!("{}: {error}", script.file.display())))?;
        run.keep_python(&script.name, &text)?;
    }
    Ok(())
}
