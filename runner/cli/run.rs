//! Runs `grokrun SPEC`: trains what is not trained yet and prints the results.

use std::path::Path;
use std::process::ExitCode;

use grokrun_host::{CallNotes, Registry};
use grokrun_session::{
    Analyses, Ending, Report, Session, SessionError, Shard, Survey, settings_of,
};
use grokrun_store::{Access, RunDir, RunView};
use indicatif::MultiProgress;
use tracing_subscriber::filter::LevelFilter;

use crate::args::RunArgs;
use crate::output::{Failure, print, say};
use crate::progress::{Mode, Progress};
use crate::report::{self, Refresher};
use crate::spec::{self, Spec};
use crate::spread::spread;
use crate::watch::Page;
use crate::{ANALYSIS_FAILED, INTERRUPTED, log, machine, plugins, python, shard, show, signals};

/// The most cells that are listed at the end.
const LISTED: usize = 40;
/// The most bytes that are printed of why an analysis failed: a plugin's text has no bound of its
/// own.
const LONGEST_REASON: usize = 2000;

/// How to name another run directory to this command.
pub(crate) const ANOTHER_PLACE: &str =
    "--set name=NAME gives this run another name, --out DIR another folder";

/// Runs the command.
///
/// # Errors
/// If the request is wrong or something fails on the way.
pub(crate) fn run(args: &RunArgs) -> Result<ExitCode, Failure> {
    let (spec, registry) = spec::read(&args.spec)?;
    if !args.quiet {
        spec.announce();
    }
    let place = Place {
        name: &spec.plan.name,
        access: access(args),
        another: Some(ANOTHER_PLACE),
    };
    train(args, &registry, &spec, &place)
}

/// Where a spec is trained.
pub(crate) struct Place<'a> {
    /// The run's folder, in the folder of all.
    pub(crate) name: &'a str,
    /// What may be done with a run that is there.
    pub(crate) access: Access,
    /// How the command is told another place, if it can be.
    pub(crate) another: Option<&'a str>,
}

/// Trains a spec that is read already.
///
/// # Errors
/// Those of [`run`].
pub(crate) fn train(
    args: &RunArgs,
    registry: &Registry,
    spec: &Spec,
    place: &Place<'_>,
) -> Result<ExitCode, Failure> {
    let interrupt = signals::listen()?;
    let plan = &spec.plan;
    let analyses = Analyses::new(registry, &plan.analyses);
    let survey = Survey::new(plan)?;
    let choice = survey.device(spec::choice(&args.spec)?)?;
    let shard = args.shard.map(shard::settle).transpose()?;
    // A plugin may change the working directory: the run's place must not depend on it.
    let out = std::path::absolute(&args.out)
        .map_err(|error| Failure::request(format!("--out {}: {error}", args.out.display())))?;
    let run = spec
        .open(&out, place.name, place.access)
        .map_err(|error| match place.another {
            Some(another) => Failure::of_place(error, another),
            None => Failure::from(error),
        })?;

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
    let commit = spec.commit();
    tracing::info!(
        cells = plan.cells.len(),
        device = choice.to_string(),
        reason = choice.reason(),
        version = env!("CARGO_PKG_VERSION"),
        command = command_line(),
        machine = machine::describe(),
        commit = commit.as_ref().map(|commit| commit.id.as_str()),
        commit_changed = commit.as_ref().map(|commit| commit.is_changed),
        "run starts"
    );

    let page = if args.page.watch {
        Some(Page::open(run.path(), args.page.port, args.page.bind)?)
    } else {
        None
    };
    if let Some(page) = page.as_ref().filter(|_| !args.quiet) {
        say(format!("live page: {}", page.url()));
    }
    python::keep(&run, plan, &spec.scripts)?;
    plugins::tell_of_calls_left(run.path());
    let _calls = CallNotes::keep_in(run.path());
    let cells = shard.map_or(plan.cells.len(), |shard| shard.cells(&survey).len());
    let mut progress = Progress::new(Mode::choose(args.quiet), bars, cells);
    let session = Session {
        plan,
        survey: &survey,
        run: &run,
        choice: &choice,
        analyses: &analyses,
        shard,
        interrupt: &interrupt,
        fail_fast: args.fail_fast,
    };
    // Shards write the report at their end only: each would write all of it.
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
    if let Some(page) = page {
        page.close();
    }
    if let Err(error) = &trained {
        // Not at a level that the console shows: the error itself goes there.
        tracing::info!(%error, "run failed");
    }
    let code = finish(args, place.access, &run, &trained?)?;
    // A plugin that cannot be used means that somebody's analysis was not made.
    Ok(
        if registry.failures().is_empty() || code != ExitCode::SUCCESS {
            code
        } else {
            ExitCode::from(ANALYSIS_FAILED)
        },
    )
}

/// Returns the command as it was given, for the run's log and its report.
fn command_line() -> String {
    let quoted = |argument: String| {
        if argument.contains(|c: char| " \"'$&|<>;()*?[]".contains(c)) {
            format!("'{}'", argument.replace('\'', "'\\''"))
        } else {
            argument
        }
    };
    let arguments = std::env::args_os().skip(1);
    let words = arguments.map(|argument| quoted(argument.to_string_lossy().into_owned()));
    let words: Vec<String> = std::iter::once("grokrun".to_owned()).chain(words).collect();
    words.join(" ")
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

fn finish(
    args: &RunArgs,
    access: Access,
    run: &RunDir,
    report: &Report,
) -> Result<ExitCode, Failure> {
    tracing::info!(ending = ?report.ending, failed = report.failed.len(), "run ends");
    // One that has failed ends the session like somebody who interrupts it.
    let failed_fast = args.fail_fast && !report.failed.is_empty();
    let interrupted = report.ending == Ending::Interrupted && !failed_fast;
    if !args.quiet {
        let shown = args.out.join(run.path().file_name().unwrap_or_default());
        match print(&results(run, access, &shown, report)?) {
            // If the run was interrupted by the end of its terminal, that cannot be written to.
            Err(_) if interrupted => {}
            printed => printed?,
        }
    }
    if interrupted {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    if let Some(failure) = training_failures(&report.failed) {
        return Err(failure);
    }
    analysis_failures(&report.failed_analyses);
    Ok(if report.failed_analyses.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(ANALYSIS_FAILED)
    })
}

/// Returns the message on the cells whose training failed, each with the reason.
fn training_failures(failed: &[[String; 2]]) -> Option<Failure> {
    let lines: Vec<String> = failed
        .iter()
        .map(|[cell, why]| format!("error: training failed in {cell}: {why}"))
        .collect();
    (!lines.is_empty()).then(|| Failure::running(lines.join("\n")))
}

/// Reports on standard error which analyses failed and why; training is not affected.
pub(crate) fn analysis_failures(failed: &[[String; 3]]) {
    for [cell, analysis, why] in failed {
        let end = why.floor_char_boundary(LONGEST_REASON);
        let cut = if end < why.len() {
            "… (cut here; the whole is in findings.json of the analysis)"
        } else {
            ""
        };
        say(format!(
            "error: analysis {analysis} failed in {cell} {}{cut}",
            &why[..end]
        ));
    }
}

/// Prints a line for each cell, small curves of a few, and the path of the report, in the folder as
/// the user wrote it.
fn results(run: &RunDir, access: Access, shown: &Path, report: &Report) -> Result<String, Failure> {
    let note = match report.ending {
        Ending::Done => "",
        // A command that cannot start over, or a shard, does not advise it.
        Ending::NothingToDo if matches!(access, Access::Keep | Access::Share) => {
            "nothing left to do\n"
        }
        Ending::NothingToDo => "nothing left to do; --fresh starts over\n",
        Ending::Interrupted if report.failed.is_empty() => {
            "interrupted, state saved; the same command continues\n"
        }
        Ending::Interrupted => {
            "ended early, state saved; the same command continues with the other cells\n"
        }
    };
    let view = RunView::open(run.path()).map_err(SessionError::from)?;
    let page = shown.join("report.html");
    let mut listed = report.summary.clone();
    listed.cells.truncate(LISTED);
    let more = match report.summary.cells.len() - listed.cells.len() {
        0 => String::new(),
        more => format!("… and {more} more cells; `grokrun show` has them all\n"),
    };
    Ok(format!(
        "{}{more}{}{}{note}{}\n",
        show::cells(&listed),
        spread(&report.summary, &settings_of(&view, &report.summary.cells)),
        // The session has reported already what cannot be read.
        show::curves(&view, &mut Vec::new())?,
        page.display()
    ))
}
