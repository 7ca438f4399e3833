//! Runs `grokrun report RUN` and `grokrun compare RUN…`, and writes the report of a run while it
//! goes on.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use grokrun_report::{Made, ReportError};
use grokrun_store::{Output, RunView};

use crate::args::{CompareArgs, OpenArgs, ReportArgs};
use crate::output::{Failure, print, say, whole, written};

/// How often the report of a run is written while it goes on.
const EVERY: Duration = Duration::from_secs(30);

/// Runs the command.
///
/// # Errors
/// If the folder holds no run, or cannot be read or written.
pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let Some(folder) = &args.svg else {
        let made = grokrun_report::write(&args.run).map_err(failure)?;
        print(&format!("{}\n", made.what.display()))?;
        return whole(&made.flaws);
    };
    let made = grokrun_report::pictures(&args.run, folder).map_err(failure)?;
    for name in made.what.left_out {
        say(format!(
            "warning: {name} has nothing that can be drawn; it is left out"
        ));
    }
    print(&format!(
        "{} pictures in {}\n",
        made.what.files.len(),
        folder.display()
    ))?;
    whole(&made.flaws)
}

/// Runs `grokrun compare`.
///
/// # Errors
/// If a folder holds no run, or the page cannot be written.
pub(crate) fn compare(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let made = grokrun_report::compare(&args.runs).map_err(failure)?;
    Output::write(&args.output, made.what.as_bytes())?;
    written(&args.output)?;
    whole(&made.flaws)
}

/// Runs `grokrun open`.
///
/// # Errors
/// If the folder holds no run, it has no report yet, or no browser can be started.
pub(crate) fn open(args: &OpenArgs) -> Result<ExitCode, Failure> {
    let run = RunView::open(&args.run)?;
    let page = run.path().join("report.html");
    let page = page.canonicalize().map_err(|error| {
        Failure::request(format!(
            "{} cannot be opened: {error}; `grokrun report {}` writes it",
            page.display(),
            args.run.display()
        ))
    })?;
    open::that_detached(&page).map_err(|error| {
        Failure::running(format!(
            "no browser can be started: {error}; open this file in one: {}",
            page.display()
        ))
    })?;
    print(&format!("{}\n", page.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn failure(error: ReportError) -> Failure {
    match &error {
        ReportError::Store(store) if store.is_request() => Failure::request(error),
        _ => Failure::running(error),
    }
}

/// Writes the report from time to time, and once more when the run ends.
pub(crate) struct Refresher {
    run: PathBuf,
    end: Sender<()>,
    thread: JoinHandle<()>,
}

impl Refresher {
    /// Starts on the run in this folder; none if no thread can be started.
    pub(crate) fn start(run: &Path) -> Option<Refresher> {
        let (end, ended) = channel();
        let folder = run.to_owned();
        let refresh = move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                tell(grokrun_report::write(&folder));
            }
        };
        let thread = std::thread::Builder::new().name("report".to_owned());
        Some(Refresher {
            run: run.to_owned(),
            end,
            thread: thread.spawn(refresh).ok()?,
        })
    }

    /// Ends, and writes the report a last time.
    pub(crate) fn finish(self) {
        drop(self.end);
        let _ = self.thread.join();
        write_ended(&self.run);
    }
}

/// Writes the report of a run that other processes may continue.
pub(crate) fn write(run: &Path) {
    tell(grokrun_report::write(run));
}

/// Writes the report of a run that this process has held and does not train any more.
pub(crate) fn write_ended(run: &Path) {
    tell(grokrun_report::write_ended(run));
}

/// Logs a failure: a report that cannot be written, or lacks something, is no reason to end a run.
fn tell(written: Result<Made<PathBuf>, ReportError>) {
    match written {
        Ok(made) => made
            .flaws
            .iter()
            .for_each(|flaw| tracing::warn!("not in the report: {flaw}")),
        Err(error) => tracing::warn!(%error, "no report"),
    }
}
