//! Runs `grokrun watch RUN`, and serves the live page beside training.

use std::net::IpAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use grokrun_session::pair_table;
use grokrun_spec::load_training;
use grokrun_store::RunView;
use grokrun_watch::{FollowError, Follower, Options, Planned, ServeError, Server, Table};

use crate::args::WatchArgs;
use crate::output::{Failure, print, say};
use crate::{signals, watch_text};

/// How often the command looks whether it is asked to end.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Runs the command: it ends with Ctrl-C, and the run goes on.
///
/// # Errors
/// If the folder holds no run, or the page cannot be served at that address.
pub(crate) fn watch(args: &WatchArgs) -> Result<ExitCode, Failure> {
    let interrupt = signals::listen()?;
    if args.text {
        watch_text::watch(&follow(&args.run)?, &interrupt)?;
        return Ok(ExitCode::SUCCESS);
    }
    let page = Page::open(&args.run, args.port, args.bind)?;
    print(&format!("{}\n", page.url()))?;
    if page.is_everywhere {
        say("from another machine, with the address of this one in the place of 127.0.0.1");
    }
    say("Ctrl-C ends the page, and leaves the run as it is");
    while !interrupt.is_asked() {
        thread::sleep(ASK_EVERY);
    }
    page.close();
    Ok(ExitCode::SUCCESS)
}

/// The live page of a run, as long as it is served.
pub(crate) struct Page {
    follower: Arc<Follower>,
    server: Server,
    /// whether it is served at all addresses of this machine
    is_everywhere: bool,
}

impl Page {
    /// Serves the page of the run in this folder.
    ///
    /// # Errors
    /// If the folder holds no run, or the address cannot be had.
    pub(crate) fn open(
        run: &Path,
        port: Option<u16>,
        bind: Option<IpAddr>,
    ) -> Result<Page, Failure> {
        let follower = Arc::new(follow(run)?);
        let options = Options {
            port: port.unwrap_or(0),
            bind,
        };
        let server = Server::start(Arc::clone(&follower), options).map_err(unserved)?;
        Ok(Page {
            follower,
            server,
            is_everywhere: bind.is_some_and(|ip| ip.is_unspecified()),
        })
    }

    /// The page's address for a browser.
    pub(crate) fn url(&self) -> &str {
        self.server.url()
    }

    /// Lets who looks at the page see the last of it, and ends it.
    pub(crate) fn close(self) {
        self.follower.close();
    }
}

fn unserved(error: ServeError) -> Failure {
    if error.is_request() {
        Failure::request(error)
    } else {
        Failure::running(error)
    }
}

/// Follows the run in this folder.
fn follow(run: &Path) -> Result<Follower, Failure> {
    // A plugin may change the working directory.
    let run = std::path::absolute(run)
        .map_err(|error| Failure::request(format!("{}: {error}", run.display())))?;
    Follower::start(&run, Box::new(planned)).map_err(|error| match error {
        FollowError::Store(error) => Failure::from(grokrun_session::SessionError::from(error)),
        other => Failure::running(other),
    })
}

/// Reads what a run is meant to train, from its resolved spec.
fn planned(run: &RunView) -> Result<Planned, String> {
    let resolved = run.resolved().map_err(|error| error.to_string())?;
    let path = run.path().join("resolved.toml");
    let plan = load_training(&resolved, &path)
        .map_err(|error| format!("{} is no spec: {error}", path.display()))?;
    let cells = plan.cells.iter().map(|cell| cell.id.clone()).collect();
    let epochs = plan.epochs;
    let table = move |place: usize| -> Result<Option<Table>, String> {
        let Some(cell) = plan.cells.get(place) else {
            return Ok(None);
        };
        let table = pair_table(cell).map_err(|error| error.to_string())?;
        Ok(table.map(|table| Table {
            operation: table.operation,
            modulus: table.modulus,
            labels: table.labels,
        }))
    };
    Ok(Planned {
        cells,
        epochs,
        table: Box::new(table),
    })
}
