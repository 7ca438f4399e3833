//! Finds the analyses for specs, for runs, and for `grokrun plugins`.

use std::path::Path;
use std::process::ExitCode;

use grokrun_api::Failure as AnalysisFailure;
use grokrun_engine::available_memory;
use grokrun_host::{
    Beside, Found, Isolation, Limits, Registry, Script, Search, calls_left_in, take_calls_left_in,
};
use grokrun_spec::{AnalysisKind, Catalog, ParameterError, Unusable};
use serde_json::{Map, Value, json};

use crate::args::{PluginArgs, PluginProcessArgs, PluginsArgs};
use crate::output::{Failure, print, say, table};
use crate::{ANALYSIS_FAILED, python};

/// Finds all analyses, and those that a spec has in files of Python; reports on standard error what
/// is wrong with any.
///
/// # Errors
/// If the command line limits processes, and there are none.
pub(crate) fn registry(args: &PluginArgs, scripts: &[Script]) -> Result<Registry, Failure> {
    let apart = args.isolate || !scripts.is_empty() || python::is_named(args);
    if let (false, Some(option)) = (apart, limit_given(args)) {
        return Err(Failure::request(format!(
            "{option} limits the processes of analyses, of which there are none; expected --isolate beside it, or an analysis in Python"
        )));
    }
    let folders = std::env::var_os(PATH);
    let folders = folders.iter().flat_map(std::env::split_paths);
    let registry = Registry::discover(&Search {
        files: args.plugin.clone(),
        scripts: scripts.to_vec(),
        python: python::interpreter(limits(args)),
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
    Ok(registry)
}

/// Returns the option that limits the processes of analyses, if the command line has one.
fn limit_given(args: &PluginArgs) -> Option<&'static str> {
    let seconds = args.isolate_seconds.map(|_| "--isolate-seconds");
    seconds.or(args.isolate_memory.map(|_| "--isolate-memory"))
}

/// The longest that a call of an isolated analysis may take, in seconds, unless the command line
/// says otherwise.
const LONGEST_CALL: u64 = 600;

/// Returns how the analyses of libraries are isolated, if they are.
fn isolation(args: &PluginArgs) -> Option<Isolation> {
    // The file of this process, even if another build has replaced it meanwhile.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() {
        own.to_owned()
    } else {
        std::env::current_exe().unwrap_or_else(|_| "grokrun".into())
    };
    args.isolate.then(|| Isolation {
        program,
        limits: limits(args),
    })
}

/// Returns what the process of an analysis may take.
fn limits(args: &PluginArgs) -> Limits {
    let half = || available_memory().map_or(u64::MAX, |free| free / 2);
    let megabytes = args.isolate_memory;
    Limits {
        seconds: args.isolate_seconds.unwrap_or(LONGEST_CALL),
        bytes: megabytes.map_or_else(half, |mb| mb.saturating_mul(1_000_000)),
    }
}

/// Runs the process of a plugin.
///
/// # Errors
/// If it was not started by another grokrun.
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

/// Reports, once, in which calls of plugins earlier processes of a run ended.
pub(crate) fn tell_of_calls_left(run: &Path) {
    for call in take_calls_left_in(run) {
        tracing::warn!("{}", left_words(&call));
    }
}

/// Reports the same as [`tell_of_calls_left`], for a command that only reads: the next command that
/// continues the run reports it too.
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

/// The variable with the folders to search for shared libraries, separated as in `PATH`.
const PATH: &str = "GROKRUN_PLUGIN_PATH";

/// Returns where cargo puts the libraries of `plugins/`: beside the executable. Their sources are
/// known if the executable is where it was built.
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

/// Returns the analyses for the checks of a spec.
pub(crate) fn catalog(registry: &Registry) -> Catalog {
    catalog_of(registry, |_| true)
}

/// Returns the same as [`catalog`] for some of them.
pub(crate) fn catalog_of(registry: &Registry, wanted: impl Fn(&str) -> bool) -> Catalog {
    let unusable = registry.unusable().iter();
    let unusable = unusable
        .filter(|script| wanted(&script.name))
        .map(|script| Unusable {
            name: script.name.clone(),
            message: script.why.clone(),
            expected: "a file of Python with an analysis, see `grokrun new-plugin --help`"
                .to_owned(),
        })
        .collect();
    let wanted = |found: &&Found| wanted(found.name());
    let kinds = registry.all().iter().filter(wanted).map(|found| {
        let judge = found.clone();
        AnalysisKind::new(found.name(), found.schema(), move |parameters| {
            judge.check(parameters).map_err(in_spec)
        })
        .with_every(found.every())
    });
    Catalog::new(kinds).without(unusable)
}

/// Converts what an analysis says of its parameters to a diagnostic of a spec.
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
/// If standard output cannot be written.
pub(crate) fn plugins(args: &PluginsArgs) -> Result<ExitCode, Failure> {
    let registry = registry(&args.plugins, &[])?;
    let all = registry.all();
    let out = if args.json {
        format!("{:#}\n", all.iter().map(json).collect::<Value>())
    } else if all.is_empty() {
        "there are no analyses in this build\n".to_owned()
    } else {
        all.iter().map(|found| describe(found) + "\n").collect()
    };
    print(&out)?;
    Ok(if registry.failures().is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANALYSIS_FAILED)
    })
}

/// Describes an analysis, with the schema of its parameters.
fn json(found: &Found) -> Value {
    json!({
        "name": found.name(),
        "version": found.version(),
        "crate": found.package(),
        "origin": found.origin().to_string(),
        "summary": found.summary(),
        "every": found.every(),
        "parameters": found.schema(),
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

/// Returns a parameter's name with its default, and its description.
fn parameter(name: &str, property: &Value) -> Vec<String> {
    let about = property["description"].as_str().unwrap_or_default();
    let default = &property["default"];
    vec![
        format!("{name} = {default}"),
        about.split_whitespace().collect::<Vec<_>>().join(" "),
    ]
}

/// Returns the defaults of an analysis's parameters.
pub(crate) fn defaults(found: &Found) -> Map<String, Value> {
    let properties = found.schema()["properties"].as_object();
    properties
        .into_iter()
        .flatten()
        .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
        .collect()
}
