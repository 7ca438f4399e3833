//! The process of an analysis from the inside: loads one library, answers the requests of its
//! parent, and ends with it.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::parent_id;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use grokrun_api::{Ask, Failure, Finding, Instance, LossAt, Sink, SnapshotData};

use super::wire::{self, Reply, Request};
use crate::described::Described;
use crate::loaded::{self, LoadedAnalysis};

/// How soon the process ends after its parent.
const ORPHANED: Duration = Duration::from_millis(300);

/// Serves the analyses of a library to the process at the other end of standard input; `level` is
/// the least severe level of log events that the parent wants (0 none, 1 error … 5 trace).
///
/// # Errors
/// If standard input is no such connection.
pub fn serve(library: &Path, parent: u32, level: u32) -> io::Result<()> {
    let line = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    if line.peer_addr().is_err() {
        return Err(io::Error::other("it is no line to another grokrun"));
    }
    // A plugin that reads standard input must not take messages that are meant for this process.
    loaded::empty_input()?;
    loaded::ignore_requests_to_end();
    std::thread::spawn(move || {
        // A call that never returns must not outlive the run.
        while parent_id() == parent {
            std::thread::sleep(ORPHANED);
        }
        loaded::leave(0)
    });
    let line = Arc::new(line);
    let log = Arc::clone(&line);
    let relay = move |level, package: &str, target: &str, message: &str, fields: &str| {
        let [package, target, message, fields] =
            [package, target, message, fields].map(str::to_owned);
        let event = Reply::Log(level, package, target, message, fields);
        or_leave(wire::send(&mut &*log, &event));
    };
    loaded::relay_log(level, Box::new(relay));
    let opened = loaded::open(library).map_err(|error| Failure::new(error.why));
    let mut served = Served {
        analyses: opened,
        instance: None,
        before: SnapshotData::default(),
        line: &line,
    };
    loop {
        let request = wire::receive(&mut &*line);
        let done = served.answer(or_leave(request));
        let done = Reply::Done(done.map_err(Into::into));
        or_leave(wire::send(&mut &*line, &done));
    }
}

/// Exits if the parent is gone: without it the process has nothing to do.
fn or_leave<T>(done: io::Result<T>) -> T {
    done.unwrap_or_else(|_| loaded::leave(0))
}

struct Served<'a> {
    analyses: Result<Vec<LoadedAnalysis>, Failure>,
    instance: Option<Box<dyn Instance>>,
    /// the snapshot that was shown last, whose memory is used again
    before: SnapshotData,
    line: &'a UnixStream,
}

impl Served<'_> {
    fn answer(&mut self, request: Request) -> Result<Vec<Described>, Failure> {
        match request {
            Request::Describe => {
                let analyses = self.analyses.as_ref().map_err(Failure::clone)?;
                return Ok(analyses.iter().map(|found| found.about.clone()).collect());
            }
            Request::Check {
                analysis,
                parameters,
            } => self.analysis(analysis)?.check(&parameters)?,
            Request::Create {
                analysis,
                parameters,
                task,
            } => self.instance = Some(self.analysis(analysis)?.create(&parameters, &task)?),
            Request::CreateSweep {
                analysis,
                parameters,
                cells,
            } => {
                let started = self.analysis(analysis)?.create_sweep(&parameters, &cells)?;
                self.instance = Some(started);
            }
            Request::Observe { epoch, views } => {
                let mut line = self.line;
                let data = wire::receive_snapshot(&mut line, epoch, views, &mut self.before);
                self.before = or_leave(data);
                let instance = self.instance.as_mut().ok_or_else(none)?;
                let sink = &mut Parent(self.line);
                self.before.show(&grokrun_api::Needs::all(), |snapshot| {
                    instance.observe(snapshot, sink)
                })?;
            }
            Request::Finish => {
                let instance = self.instance.as_mut().ok_or_else(none)?;
                instance.finish(&mut Parent(self.line))?;
            }
            Request::Close => self.instance.take().ok_or_else(none)?.close()?,
            Request::Kept(_) | Request::Recalled(_) | Request::Loss(_) => {
                return Err(Failure::new("nothing was asked that this answers"));
            }
        }
        Ok(Vec::new())
    }

    fn analysis(&self, index: u32) -> Result<&LoadedAnalysis, Failure> {
        let analyses = self.analyses.as_ref().map_err(Failure::clone)?;
        let missing = || Failure::new(format!("the library has no analysis {index} any more"));
        analyses.get(index as usize).ok_or_else(missing)
    }
}

fn none() -> Failure {
    Failure::new("no analysis was started")
}

/// A sink that sends findings to the run's process.
struct Parent<'a>(&'a UnixStream);

impl Sink for Parent<'_> {
    fn push(&mut self, finding: Finding) {
        or_leave(wire::send_finding(&mut self.0, finding));
    }

    fn keep(&mut self, name: &str, numbers: &[f32]) -> Result<(), Failure> {
        let (name, count) = (name.to_owned(), numbers.len());
        or_leave(wire::send(&mut self.0, &Reply::Keep { name, count }));
        or_leave(self.0.write_all(bytemuck::cast_slice(numbers)));
        match or_leave(wire::receive(&mut self.0)) {
            Request::Kept(None) => Ok(()),
            Request::Kept(Some(refused)) => Err(refused.into()),
            _ => loaded::leave(1),
        }
    }

    fn kept(&mut self, name: &str) -> Result<Vec<f32>, Failure> {
        or_leave(wire::send(&mut self.0, &Reply::Recall(name.to_owned())));
        match or_leave(wire::receive(&mut self.0)) {
            Request::Recalled(Ok(count)) => {
                Ok(or_leave(wire::receive_numbers(&mut self.0, count, vec![])))
            }
            Request::Recalled(Err(why)) => Err(why.into()),
            _ => loaded::leave(1),
        }
    }

    fn train_loss(&mut self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let request = Reply::TrainLoss {
            count: ask.weights.len(),
            gradient: ask.gradient,
            samples: ask.samples,
        };
        or_leave(wire::send(&mut self.0, &request));
        or_leave(self.0.write_all(bytemuck::cast_slice(ask.weights)));
        match or_leave(wire::receive(&mut self.0)) {
            Request::Loss(Ok(head)) => Ok(or_leave(wire::receive_loss(&mut self.0, &head))),
            Request::Loss(Err(why)) => Err(why.into()),
            _ => loaded::leave(1),
        }
    }
}
