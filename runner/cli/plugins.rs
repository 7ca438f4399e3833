//! Which analyses there are: for specs, for runs, and for `grokrun plugins`.

use std::path::Path;
use std::process::ExitCode;

use grokrun_api::Failure as AnalysisFailure;
use grokrun_engine::available_memory;
use grokrun_host::{Beside, Found, Isolation, Registry, Search, calls_left_in, take_calls_left_in};
use grokrun_spec::{AnalysisKind, Catalog, ParameterError};
use serde_json::{Map, Value};

use crate::ANALYSIS_FAILED;
use crate::args::{PluginArgs, PluginProcessArgs};
use crate::output::{Failure, print, say, table};

/// All analyses that can be found; what is wrong with any is said on standard error.
pub(crate) fn registry(args: &PluginArgs) -> Registry {
    let folders = std::env::var_os(PATH);
    let folders = folders.iter().flat_map(std::env::split_paths);
    let registry = Registry::discover(&Search {
        files: args.plugin.clone(),
        // An empty entry, or an empty variable, names no folder.
        folders: folders
            .filter(|folder| !folder.as_os_str().is_empty())
            .collect(),
        beside: beside(),
        isolation: isolation(args),
    });
    for warning in registry.warnings() {
        say(format!("warning: {warning}"));
    }
    for failure in registry.failures() {
        say(format!("error: plugin {failure}"));
    }
    registry
}

/// The longest that a call of an isolated analysis may take, in seconds, unless the command line
/// says another.
const LONGEST_CALL: u64 = 600;

/// How the analyses of libraries are isolated, where they are to be.
fn isolation(args: &PluginArgs) -> Option<Isolation> {
    // The file of this process, be it replaced by another build meanwhile.
    let own = Path::new("/proc/self/exe");
    let program = match own.exists() {
        true => own.to_owned(),
        false => std::env::current_exe().unwrap_or_else(|_| "grokrun".into()),
    };
    let half = || available_memory().map_or(u64::MAX, |free| free / 2);
    let megabytes = args.isolate_memory;
    args.isolate.then(|| Isolation {
        program,
        seconds: args.isolate_seconds.unwrap_or(LONGEST_CALL),
        bytes: megabytes.map_or_else(half, |mb| mb.saturating_mul(1_000_000)),
    })
}

/// Runs the process of a plugin.
///
/// # Errors
/// When it was not started by another grokrun.
#[cfg(unix)]
pub(crate) fn process(args: &PluginProcessArgs) -> Result<ExitCode, Failure> {
    let served = grokrun_host::serve(&args.library, args.parent, args.level);
    served.map(|()| ExitCode::SUCCESS).map_err(|error| {
        Failure::request(format!(
            "standard input cannot be used: {error}; grokrun starts this command itself, see --isolate"
        ))
    })
}

#[cfg(not(unix))]
pub(crate) fn process(_: &PluginProcessArgs) -> Result<ExitCode, Failure> {
    Err(Failure::request(
        "there are no processes of their own for plugins on this system",
    ))
}

/// Says in which calls of plugins earlier processes of a run came to their end, once.
pub(crate) fn tell_of_calls_left(run: &Path) {
    for call in take_calls_left_in(run) {
        tracing::warn!("{}", left_words(&call));
    }
}

/// As [`tell_of_calls_left`], for a command that only reads: whoever goes on with the run is told
/// too.
pub(crate) fn note_calls_left(run: &Path) {
    for call in calls_left_in(run) {
        say(format!("note: {}", left_words(&call)));
    }
}

fn left_words(call: &str) -> String {
    format!(
        "a process of this run has ended within a plugin, at {call}; where that was the plugin's doing, --isolate contains it"
    )
}

/// Folders to search for shared libraries, as `PATH` has them.
const PATH: &str = "GROKRUN_PLUGIN_PATH";

/// Where cargo puts the libraries of `plugins/`: beside the executable, while it is where it was
/// built.
fn beside() -> Option<Beside> {
    let executable = std::env::current_exe().ok()?;
    let folder = executable.parent()?.to_owned();
    let built_here = folder.join("deps").is_dir();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    Some(Beside {
        sources: (built_here && sources.is_dir()).then_some(sources),
        folder,
    })
}

/// The analyses as far as a spec is concerned.
pub(crate) fn catalog(registry: &Registry) -> Catalog {
    catalog_of(registry, |_| true)
}

/// As [`catalog`], of some of them.
pub(crate) fn catalog_of(registry: &Registry, wanted: impl Fn(&str) -> bool) -> Catalog {
    let wanted = |found: &&Found| wanted(found.name());
    Catalog::new(registry.all().iter().filter(wanted).map(|found| {
        let judge = found.clone();
        AnalysisKind::new(found.name(), found.schema(), move |parameters| {
            judge.check(parameters).map_err(in_spec)
        })
        .with_every(found.every())
    }))
}

/// What an analysis says of its parameters, as a spec's diagnostics have it.
fn in_spec(failure: AnalysisFailure) -> ParameterError {
    let message = failure.to_string();
    match failure {
        AnalysisFailure::Parameter {
            parameter,
            message: wanted,
        } => ParameterError {
            expected: wanted
                .strip_prefix("must be ")
                .unwrap_or("something else")
                .to_owned(),
            parameter,
            message,
        },
        AnalysisFailure::Other(_) => ParameterError {
            parameter: String::new(),
            message,
            expected: "other parameters".to_owned(),
        },
    }
}

/// Runs `grokrun plugins`.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn plugins(args: &PluginArgs) -> Result<ExitCode, Failure> {
    let registry = registry(args);
    let mut out = String::new();
    for found in registry.all() {
        out.push_str(&describe(found));
        out.push('\n');
    }
    if registry.all().is_empty() {
        out.push_str("there are no analyses in this build\n");
    }
    print(&out)?;
    Ok(match registry.failures().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(ANALYSIS_FAILED),
    })
}

fn describe(found: &Found) -> String {
    let mut out = format!(
        "{} {}  (crate {}, {})\n    {}\n",
        found.name(),
        found.version(),
        found.package(),
        found.origin(),
        found.summary()
    );
    let Some(properties) = found.schema()["properties"].as_object() else {
        return out;
    };
    let rows: Vec<Vec<String>> = properties
        .iter()
        .map(|(name, property)| parameter(name, property))
        .collect();
    for line in table(&rows).lines() {
        out.push_str(&format!("    {line}\n"));
    }
    out
}

/// A parameter's name with its default, and what it is.
fn parameter(name: &str, property: &Value) -> Vec<String> {
    let about = property["description"].as_str().unwrap_or_default();
    let default = &property["default"];
    vec![
        format!("{name} = {default}"),
        about.split_whitespace().collect::<Vec<_>>().join(" "),
    ]
}

/// The defaults of an analysis's parameters.
pub(crate) fn defaults(found: &Found) -> Map<String, Value> {
    let properties = found.schema()["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect()
}
