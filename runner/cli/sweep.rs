//! Runs `grokrun status RUN` and `grokrun merge RUN… --into RUN`: sweeps that several processes
//! trained.

use std::process::ExitCode;

use grokrun_session::{
    Analyses, CellProgress, SessionError, analyse_merged, differences, merge as join,
    missing_checkpoints, progress_of_cells,
};
use grokrun_spec::{Catalog, Cell, Plan};
use grokrun_store::{Access, RunDir, RunView};
use indicatif::MultiProgress;
use serde_json::{Value, json};
use tracing_subscriber::filter::LevelFilter;

use crate::args::{MergeArgs, StatusArgs};
use crate::output::{Failure, print, table, whole};
use crate::progress::{Mode, Progress};
use crate::run::analysis_failures;
use crate::{ANALYSIS_FAILED, INTERRUPTED, log, place, plugins, report, signals, spec};

/// The most unfinished cells that are listed.
const LISTED: usize = 20;

/// Runs `grokrun status`.
///
/// # Errors
/// If the folder holds no run, or its spec cannot be read.
pub(crate) fn status(args: &StatusArgs) -> Result<ExitCode, Failure> {
    let run = RunView::open(&args.run).map_err(SessionError::from)?;
    let plan = plan(&run)?;
    plugins::note_calls_left(run.path());
    let progress_of_cells = progress_of_cells(&plan, &run)?;
    let gaps = missing_checkpoints(&plan, &run)?;
    if args.json {
        print(&format!(
            "{:#}\n",
            status_json(&run, &plan, &progress_of_cells, &gaps)
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let count = |is: fn(&CellProgress) -> bool| progress_of_cells.iter().filter(|s| is(s)).count();
    let mut rows = vec![
        ["done", "running", "waiting", "interrupted", "failed", "of"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.push(
        [
            count(|s| matches!(s, CellProgress::Done(_))),
            count(|s| matches!(s, CellProgress::Running(_))),
            count(|s| matches!(s, CellProgress::Waiting)),
            count(|s| matches!(s, CellProgress::Interrupted(_))),
            count(|s| matches!(s, CellProgress::Failed(_))),
            progress_of_cells.len(),
        ]
        .map(|count| count.to_string())
        .to_vec(),
    );
    let mut out = table(&rows);
    let epochs = plan.epochs;
    let lines: Vec<Vec<String>> = plan
        .cells
        .iter()
        .zip(&progress_of_cells)
        .filter_map(|(cell, progress)| {
            let words = match progress {
                CellProgress::Done(_) | CellProgress::Waiting => return None,
                CellProgress::Running(epoch) => format!("running, past epoch {epoch} of {epochs}"),
                CellProgress::Interrupted(epoch) => {
                    format!("interrupted, past epoch {epoch} of {epochs}")
                }
                CellProgress::Failed(why) => why.clone(),
            };
            Some(vec![cell.id.clone(), words])
        })
        .collect();
    if !lines.is_empty() {
        out.push('\n');
        out.push_str(&table(&lines[..lines.len().min(LISTED)]));
    }
    if lines.len() > LISTED {
        out.push_str(&format!("… and {} more\n", lines.len() - LISTED));
    }
    for (index, words) in gaps.iter().take(LISTED) {
        out.push_str(&format!("\n{}: {words}\n", plan.cells[*index].id));
    }
    if gaps.len() > LISTED {
        let more = gaps.len() - LISTED;
        out.push_str(&format!("… and checkpoints of {more} more cells\n"));
    }
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// Describes the state of every cell.
fn status_json(
    run: &RunView,
    plan: &Plan,
    progress: &[CellProgress],
    gaps: &[(usize, String)],
) -> Value {
    let cell = |(cell, progress): (&Cell, &CellProgress)| {
        let (state, epoch, words) = match progress {
            CellProgress::Done(words) => ("done", None, Some(words)),
            CellProgress::Running(epoch) => ("running", Some(epoch), None),
            CellProgress::Waiting => ("waiting", None, None),
            CellProgress::Interrupted(epoch) => ("interrupted", Some(epoch), None),
            CellProgress::Failed(why) => ("failed", None, Some(why)),
        };
        json!({ "cell": cell.id, "state": state, "checkpoint": epoch, "words": words })
    };
    let gap =
        |(index, words): &(usize, String)| json!({ "cell": plan.cells[*index].id, "words": words });
    json!({
        "run": run.name(),
        "busy": run.is_busy(),
        "epochs": plan.epochs,
        "cells": plan.cells.iter().zip(progress).map(cell).collect::<Vec<_>>(),
        "missing_checkpoints": gaps.iter().map(gap).collect::<Vec<_>>(),
    })
}

/// Returns the plan of a run, from its resolved spec; the analyses do not matter here.
///
/// # Errors
/// It is damaged, or no spec.
pub(crate) fn plan(run: &RunView) -> Result<Plan, Failure> {
    let resolved = run.resolved().map_err(SessionError::from)?;
    spec::parse_resolved(&resolved, Catalog::empty())
}

/// Runs `grokrun merge`.
///
/// # Errors
/// If the runs are not of one spec, one is being written, or a file cannot be read or written.
pub(crate) fn merge(args: &MergeArgs) -> Result<ExitCode, Failure> {
    let opened = args.runs.iter().map(|path| RunView::open(path));
    let runs: Vec<RunView> = opened
        .collect::<Result<_, _>>()
        .map_err(SessionError::from)?;
    let Some(first) = runs.first() else {
        return Err(Failure::request(
            "there is no run to merge; expected one or more",
        ));
    };
    let interrupt = signals::listen()?;
    let registry = plugins::registry(&args.plugins, &[])?;
    let resolved = first.resolved().map_err(SessionError::from)?;
    // Those of a cell have been called where it was trained.
    let of_sweep = |name: &str| {
        registry
            .find(name)
            .is_some_and(|found| found.sweep().is_some())
    };
    let plan = spec::parse_resolved(&resolved, plugins::catalog_of(&registry, of_sweep))?;
    let [text, resolved] = first.spec().map_err(SessionError::from)?;
    // Before the folder is opened: a merge has no spec that could be renamed.
    if let Ok(known) = RunView::open(&args.into)
        && known.fingerprint() != first.fingerprint()
    {
        return Err(Failure::request(format!(
            "{0} and {1} are runs of different specs ({0} is there, {1} here): {2}\nexpected runs of one spec",
            args.into.display(),
            first.path().display(),
            differences(&known, first)
        )));
    }
    let (out, name) = place::of(&args.into)?;
    let into = RunDir::open(
        out,
        name,
        &text,
        &resolved,
        first.fingerprint(),
        Access::Keep,
    )
    .map_err(|error| Failure::of_place(error, "--into names another folder"))?;
    let bars = MultiProgress::new();
    log::start(&into.log_path(None), LevelFilter::WARN, &bars).map_err(Failure::request)?;
    let span = tracing::info_span!("run", run = plan.name);
    let _in_run = span.enter();
    let (mut lines, mut flaws) = (Vec::new(), Vec::new());
    for run in &runs {
        let merged = join(&plan, &into, run)?;
        let mut line = vec![
            run.path().display().to_string(),
            format!("{} cells taken", merged.taken),
            format!("{} kept", merged.kept),
        ];
        if merged.left > 0 {
            line.push(format!("{} damaged, not taken", merged.left));
        }
        lines.push(line);
        flaws.extend(merged.damaged);
    }
    let missing = plan
        .analyses
        .iter()
        .filter(|asked| asked.python.is_none() && registry.find(&asked.name).is_none());
    for asked in missing {
        tracing::warn!(
            analysis = asked.name,
            "is not here: name its library with --plugin if it is one of the whole sweep"
        );
    }
    let analyses = Analyses::new(&registry, &plan.analyses);
    let mut quiet = Progress::new(Mode::choose(true), bars, 1);
    let analysed = analyse_merged(&plan, &into, &analyses, &interrupt, &mut quiet);
    quiet.close();
    analysed?;
    report::write_ended(into.path());
    print(&format!(
        "{}{}\n",
        table(&lines),
        into.path().join("report.html").display()
    ))?;
    let failed = analyses.failed_in(&plan, &[], &into)?;
    analysis_failures(&failed);
    match () {
        () if !flaws.is_empty() => whole(&flaws),
        () if interrupt.is_asked() => Ok(ExitCode::from(INTERRUPTED)),
        () if !failed.is_empty() => Ok(ExitCode::from(ANALYSIS_FAILED)),
        () => Ok(ExitCode::SUCCESS),
    }
}
