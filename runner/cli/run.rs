//! `grokrun SPEC`: trains what is not trained yet and prints what became of it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use grokrun_session::{Analyses, Ending, Report, Session, SessionError, Shard, Survey};
use grokrun_store::{Access, RunDir, RunView};
use indicatif::MultiProgress;
use tracing_subscriber::filter::LevelFilter;

use crate::args::RunArgs;
use crate::output::{Failure, print, say};
use crate::progress::{Mode, Progress};
use crate::report::{self, Refresher};
use crate::spread::spread;
use crate::{ANALYSIS_FAILED, INTERRUPTED, log, plugins, shard, show, spec};

/// At most so many cells are listed at the end.
const LISTED: usize = 40;

/// Runs the command.
///
/// # Errors
/// When the request is wrong or something fails on the way.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let registry = plugins::registry(&args.spec.plugins);
    let spec = spec::read(&args.spec, &registry)?;
    let plan = &spec.plan;
    let analyses = Analyses::new(&registry, &plan.analyses);
    let survey = Survey::new(plan)?;
    let choice = spec::choice(&args.spec)?;
    let shard = args.shard.map(shard::settle).transpose()?;
    let run = RunDir::open(
        &args.out,
        &plan.name,
        &spec.text,
        &plan.resolved_toml(),
        &plan.fingerprint(),
        access(args),
    )
    .map_err(SessionError::from)?;

    let bars = MultiProgress::new();
    let part = shard.map(Shard::file_name);
    let log_path = run.log_path(part.as_deref());
    log::start(&log_path, console_level(args), &bars).map_err(|error| {
        Failure::request(format!(
            "the log {} cannot be opened: {error}",
            log_path.display()
        ))
    })?;
    let span = tracing::info_span!("run", run = plan.name);
    let _in_run = span.enter();
    tracing::info!(
        cells = plan.cells.len(),
        device = choice.to_string(),
        reason = choice.reason(),
        version = env!("CARGO_PKG_VERSION"),
        "run starts"
    );

    let interrupted = stop_on_ctrl_c()?;
    let cells = shard.map_or(plan.cells.len(), |shard| shard.cells(&survey).len());
    let mut progress = Progress::new(Mode::choose(args.quiet), bars, cells);
    let session = Session {
        plan,
        survey: &survey,
        run: &run,
        choice: &choice,
        analyses: &analyses,
        shard,
        interrupted: &interrupted,
    };
    // Shards leave the report to their end: each would make all of it.
    let refresher = match shard {
        None => Refresher::start(run.path()),
        Some(_) => None,
    };
    let trained = session.train(&mut progress);
    progress.close();
    match refresher {
        Some(refresher) => refresher.finish(),
        None => report::write(run.path()),
    }
    if let Err(error) = &trained {
        // Not at a level that the console shows: the error itself goes there.
        tracing::info!(%error, "run failed");
    }
    let code = finish(args, &run, &trained?)?;
    // A plugin that cannot be used is somebody's analysis that was not made.
    Ok(
        match registry.failures().is_empty() || code != ExitCode::SUCCESS {
            true => code,
            false => ExitCode::from(ANALYSIS_FAILED),
        },
    )
}

fn access(args: &RunArgs) -> Access {
    match (args.force, args.fresh, args.shard) {
        (true, ..) => Access::Force,
        (_, true, _) => Access::Fresh,
        (_, _, Some(_)) => Access::Share,
        _ => Access::Continue,
    }
}

fn console_level(args: &RunArgs) -> LevelFilter {
    match args.verbose {
        _ if args.quiet => LevelFilter::ERROR,
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        _ => LevelFilter::DEBUG,
    }
}

/// The first Ctrl-C, or SIGTERM, asks the session to save and end, the second one ends the process.
pub(crate) fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            say("stopped at once; what was trained since the last saved state is lost");
            std::process::exit(1);
        }
    })
    .map_err(|error| Failure::running(format!("Ctrl-C cannot be caught: {error}")))?;
    Ok(interrupted)
}

fn finish(args: &RunArgs, run: &RunDir, report: &Report) -> Result<ExitCode, Failure> {
    tracing::info!(ending = ?report.ending, failed = report.failed.len(), "run ends");
    if !args.quiet {
        print(&results(run, report)?)?;
    }
    if report.ending == Ending::Interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if let Some(failure) = training_failures(&report.failed) {
        return Err(failure);
    }
    analysis_failures(&report.failed_analyses);
    Ok(match report.failed_analyses.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(ANALYSIS_FAILED),
    })
}

/// What is said of the cells whose training failed, each with the reason.
fn training_failures(failed: &[[String; 2]]) -> Option<Failure> {
    let lines: Vec<String> = failed
        .iter()
        .map(|[cell, why]| format!("error: training failed in {cell}: {why}"))
        .collect();
    (!lines.is_empty()).then(|| Failure::running(lines.join("\n")))
}

/// Says on standard error which analyses failed and why; training is not touched by that.
pub(crate) fn analysis_failures(failed: &[[String; 3]]) {
    for [cell, analysis, why] in failed {
        say(format!("error: analysis {analysis} failed in {cell} {why}"));
    }
}

/// A line a cell, small curves of a few, and where the report is.
fn results(run: &RunDir, report: &Report) -> Result<String, Failure> {
    let note = match report.ending {
        Ending::Done => "",
        Ending::NothingToDo => "nothing left to do; --fresh starts over\n",
        Ending::Interrupted => "interrupted, state saved; the same command continues\n",
    };
    let view = RunView::open(run.path()).map_err(SessionError::from)?;
    let page = run.path().join("report.html");
    let mut listed = report.summary.clone();
    listed.cells.truncate(LISTED);
    let more = match report.summary.cells.len() - listed.cells.len() {
        0 => String::new(),
        more => format!("… and {more} more cells; `grokrun show` has them all\n"),
    };
    Ok(format!(
        "{}{more}{}{}{note}{}\n",
        show::cells(&listed),
        spread(&report.summary),
        // What cannot be read has been told of by the session.
        show::curves(&view, &mut Vec::new())?,
        page.display()
    ))
}
