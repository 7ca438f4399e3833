//! Runs analyses of shared libraries in processes of their own, one for each analysis of each cell:
//! whatever an analysis does to its process, this process goes on, and says what happened.
//!
//! Such a process is this program with the command [`COMMAND`](crate::isolation::COMMAND), and
//! loads the library as this one would. The parts of a snapshot that its analysis needs are copied
//! to it, and its findings come back, so that they are those of a call in this process, byte for
//! byte.

mod process;
mod serve;
mod wire;

use std::path::{Path, PathBuf};

use grokrun_api::{Failure, Finding, Instance, Sink, Snapshot, SweepCell, Task};
use serde_json::{Map, Value};

use crate::described::Described;
use crate::isolation::Isolation;
pub(crate) use process::Process;
pub use serve::serve;
pub(crate) use wire::Request;

/// An analysis in a shared library that is not opened here.
#[derive(Clone, Debug)]
pub(crate) struct IsolatedAnalysis {
    /// its description
    pub(crate) about: Described,
    library: PathBuf,
    index: u32,
    isolation: Isolation,
}

impl Isolation {
    /// Describes the analyses of a library, from a process that loads it.
    ///
    /// # Errors
    /// If the library does not fit, or its process has ended.
    pub(crate) fn open(&self, library: &Path) -> Result<Vec<IsolatedAnalysis>, Failure> {
        // The process may have another working directory by then.
        let library = std::path::absolute(library).map_err(|e| Failure::new(e.to_string()))?;
        let mut process = Process::start(self, &library)?;
        let about = process.call(&Request::Describe, &[], &mut Nobody)?;
        let analyses = about.into_iter().zip(0..).map(|(about, index)| {
            let (library, isolation) = (library.clone(), self.clone());
            IsolatedAnalysis {
                about,
                library,
                index,
                isolation,
            }
        });
        Ok(analyses.collect())
    }
}

impl IsolatedAnalysis {
    /// Checks parameters.
    ///
    /// # Errors
    /// The first parameter that the analysis refuses, or how its process ended.
    pub(crate) fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        let request = Request::Check {
            analysis: self.index,
            parameters: parameters.clone(),
        };
        let mut process = Process::start(&self.isolation, &self.library)?;
        process.call(&request, &[], &mut Nobody).map(|_| ())
    }

    /// Starts the analysis on a cell.
    ///
    /// # Errors
    /// If the analysis refuses the parameters or the task, or how its process ended.
    pub(crate) fn create(
        &self,
        parameters: &Map<String, Value>,
        task: &Task,
    ) -> Result<Box<dyn Instance>, Failure> {
        self.started(&Request::Create {
            analysis: self.index,
            parameters: parameters.clone(),
            task: Box::new(task.clone()),
        })
    }

    /// Starts the analysis on a sweep.
    ///
    /// # Errors
    /// If the analysis refuses the parameters or the sweep, or how its process ended.
    pub(crate) fn create_sweep(
        &self,
        parameters: &Map<String, Value>,
        cells: &[SweepCell],
    ) -> Result<Box<dyn Instance>, Failure> {
        self.started(&Request::CreateSweep {
            analysis: self.index,
            parameters: parameters.clone(),
            cells: cells.to_vec(),
        })
    }

    fn started(&self, request: &Request) -> Result<Box<dyn Instance>, Failure> {
        let mut process = Process::start(&self.isolation, &self.library)?;
        process.call(request, &[], &mut Nobody)?;
        Ok(Box::new(Apart(IsolatedInstance(Some(process)))))
    }
}

/// The process of one analysis; none once it has failed.
struct IsolatedInstance(Option<Process>);

impl Calls for IsolatedInstance {
    fn call(
        &mut self,
        request: &Request,
        numbers: &[&[u8]],
        out: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let process = self.0.as_mut();
        let process = process.ok_or_else(|| Failure::new("its process was ended before"))?;
        let done = process.call(request, numbers, out).map(|_| ());
        if done.is_err() {
            // An analysis that has failed is not called again.
            self.0 = None;
        }
        done
    }
}

/// Makes the calls of an instance in another process.
pub(crate) trait Calls: Send {
    /// Makes a call; `numbers` follow the request.
    ///
    /// # Errors
    /// Why the call failed, or how the process ended.
    fn call(
        &mut self,
        request: &Request,
        numbers: &[&[u8]],
        out: &mut dyn Sink,
    ) -> Result<(), Failure>;
}

/// A running analysis in another process.
pub(crate) struct Apart<C>(pub(crate) C);

impl<C: Calls> Instance for Apart<C> {
    fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
        let (request, numbers) = wire::observe(snapshot);
        self.0.call(&request, &numbers, out)
    }

    fn finish(&mut self, out: &mut dyn Sink) -> Result<(), Failure> {
        self.0.call(&Request::Finish, &[], out)
    }

    fn close(mut self: Box<Self>) -> Result<(), Failure> {
        self.0.call(&Request::Close, &[], &mut Nobody)
    }
}

/// A sink that expects no finding; the sink of the other process reports any.
pub(crate) struct Nobody;

impl Sink for Nobody {
    fn push(&mut self, _: Finding) {}

    fn keep(&mut self, _: &str, _: &[f32]) -> Result<(), Failure> {
        Err(Failure::new("nothing is kept in this call"))
    }

    fn kept(&mut self, _: &str) -> Result<Vec<f32>, Failure> {
        Err(Failure::new("nothing is kept in this call"))
    }
}
