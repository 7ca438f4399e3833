//! Runs `grokrun analyze RUN`: analyses of a run's stored checkpoints.

use std::process::ExitCode;

use grokrun_host::{CallNotes, Registry};
use grokrun_session::{Analyses, Ending, SessionError, Stored, Survey};
use grokrun_spec::{AnalysisRequest, Plan};
use grokrun_store::RunDir;
use indicatif::MultiProgress;
use tracing_subscriber::filter::LevelFilter;

use crate::args::AnalyzeArgs;
use crate::output::{Failure, print};
use crate::progress::{Mode, Progress};
use crate::run::analysis_failures;
use crate::{ANALYSIS_FAILED, INTERRUPTED, log, plugins, python, report, signals, spec};

/// Runs the command.
///
/// # Errors
/// If the run cannot be read or written, or there is no analysis of a name that was asked for.
pub(crate) fn analyze(args: &AnalyzeArgs) -> Result<ExitCode, Failure> {
    let interrupt = signals::listen()?;
    // A plugin may change the working directory: the run's place must not depend on it.
    let folder = std::path::absolute(&args.run)
        .map_err(|error| Failure::request(format!("{}: {error}", args.run.display())))?;
    let run = RunDir::existing(&folder).map_err(SessionError::from)?;
    let text = run.resolved().map_err(SessionError::from)?;
    let scripts = python::of_run(run.path(), &text, &args.plugins);
    let registry = plugins::registry(&args.plugins, &scripts)?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let plan = spec::parse_resolved(&text, plugins::catalog_of(&registry, wanted))?;
    let requests = requests(&plan, &args.only, &registry)?;
    if requests.is_empty() {
        return Err(Failure::request(format!(
            "the spec of {} asks for no analysis; expected --only NAME, of which `grokrun plugins` lists those there are",
            args.run.display()
        )));
    }
    let survey = Survey::new(&plan)?;
    let analyses = Analyses::new(&registry, &requests);

    let bars = MultiProgress::new();
    log::start(&run.log_path(None), LevelFilter::WARN, &bars).map_err(Failure::request)?;
    let span = tracing::info_span!("run", run = plan.name);
    let _in_run = span.enter();
    plugins::tell_of_calls_left(run.path());
    let _calls = CallNotes::keep_in(run.path());
    let stored = Stored {
        plan: &plan,
        survey: &survey,
        run: &run,
        analyses: &analyses,
        interrupt: &interrupt,
    };
    let cells = stored.cells()?;
    let mut progress = Progress::new(Mode::choose(args.quiet), bars, 1);
    let ending = stored.analyze(&cells, &mut progress);
    progress.close();
    report::write_ended(run.path());
    if ending? == Ending::Interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let names: Vec<&str> = requests.iter().map(|r| r.name.as_str()).collect();
    if !args.quiet {
        print(&format!(
            "{} of {} {} in {}\n",
            names.join(", "),
            cells.len(),
            if cells.len() == 1 { "cell" } else { "cells" },
            args.run.join("report.html").display()
        ))?;
    }
    let failed = analyses.failed_in(&plan, &plan.cells, &run)?;
    analysis_failures(&failed);
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANALYSIS_FAILED)
    })
}

/// Returns the analyses of the spec, or those that were named: with the spec's parameters if it has
/// them, else with their defaults.
fn requests(
    plan: &Plan,
    only: &[String],
    registry: &Registry,
) -> Result<Vec<AnalysisRequest>, Failure> {
    let of_spec = plan.analyses.iter().map(|request| &request.name);
    let names: Vec<&String> = if only.is_empty() {
        of_spec.collect()
    } else {
        only.iter().collect()
    };
    names
        .into_iter()
        .map(|name| {
            let Some(found) = registry.find(name) else {
                let names: Vec<&str> = registry.all().iter().map(|f| f.name()).collect();
                return Err(Failure::request(format!(
                    "there is no analysis {name}; expected --plugin FILE with its library or its file of Python, or --only with some of {}",
                    names.join(", ")
                )));
            };
            if let Some(request) = plan.analyses.iter().find(|r| r.name == *name) {
                return Ok(request.clone());
            }
            Ok(AnalysisRequest {
                name: name.clone(),
                every: found.every().unwrap_or(plan.checkpoints.spacing.every),
                python: None,
                parameters: plugins::defaults(found),
            })
        })
        .collect()
}
