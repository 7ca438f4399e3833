//! Calls analyses in Python: one interpreter a run for each file, which is called by one cell at a
//! time and in which every cell has an instance of its own.
//!
//! The interpreter is a process, so that it may crash, hang or take too much memory without
//! harming the run. It is another speaker of the messages of [`isolated`](crate::isolated), each
//! with the number of the instance that it is for. `serve.py` answers them, with what
//! `runner/python/grokrun/analysis.py` says that a file is given; the texts of both are in the
//! program. Knows nothing of what a file computes.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use grokrun_api::serde::Serialize;
use grokrun_api::{Failure, Instance, Sink, Task};
use serde_json::{Map, Value};

use crate::described::Described;
use crate::isolated::{Apart, Calls, Nobody, Process, Request};
use crate::isolation::Python;

/// Reads the texts of the modules from standard input and serves a file by them.
const START: &str = include_str!("start.py");
/// The modules, in the order in which they are read.
const MODULES: [&str; 2] = [
    include_str!("../../../python/grokrun/analysis.py"),
    include_str!("serve.py"),
];

/// What is set for an interpreter: one thread and one order of hashes, so that the same numbers
/// come out whatever machine and run it is.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PYTHONHASHSEED", "0"),
    ("PYTHONDONTWRITEBYTECODE", "1"),
    ("OMP_NUM_THREADS", "1"),
    ("OPENBLAS_NUM_THREADS", "1"),
    ("MKL_NUM_THREADS", "1"),
];

/// An analysis in a file of Python.
#[derive(Clone, Debug)]
pub(crate) struct PythonAnalysis {
    /// its description
    pub(crate) about: Described,
    interpreter: Arc<Interpreter>,
}

impl Python {
    /// Describes the analysis of a file, which is named `name`, from an interpreter that stays for
    /// the calls to come.
    ///
    /// # Errors
    /// If the file cannot be read or is no analysis, or there is no such interpreter.
    pub(crate) fn open(&self, name: &str, file: &Path) -> Result<PythonAnalysis, Failure> {
        let text = std::fs::read(file)
            .map_err(|error| Failure::new(format!("{} cannot be read: {error}", file.display())))?;
        // Others may change the working directory.
        let file = std::path::absolute(file).map_err(|error| Failure::new(error.to_string()))?;
        let interpreter = Interpreter {
            python: self.clone(),
            file: file.clone(),
            running: Mutex::default(),
            instances: AtomicU64::new(0),
        };
        let done = interpreter.call(None, 0, &Request::Describe, &[], &mut Nobody)?;
        let mut about = done
            .described
            .into_iter()
            .next()
            .ok_or_else(|| Failure::new("its interpreter describes nothing"))?;
        name.clone_into(&mut about.name);
        about.package = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // The findings of another text are other findings.
        let digest = blake3::hash(&text).to_hex();
        about.version = format!("{}+{}", about.version, &digest[..12]);
        Ok(PythonAnalysis {
            about,
            interpreter: Arc::new(interpreter),
        })
    }
}

impl PythonAnalysis {
    /// Checks parameters.
    ///
    /// # Errors
    /// The first parameter that the file refuses, or how its interpreter ended.
    pub(crate) fn check(&self, parameters: &Map<String, Value>) -> Result<(), Failure> {
        let request = Request::Check {
            analysis: 0,
            parameters: parameters.clone(),
        };
        let done = self.interpreter.call(None, 0, &request, &[], &mut Nobody);
        done.map(|_| ())
    }

    /// Starts the analysis on a cell.
    ///
    /// # Errors
    /// If the file refuses the parameters or the task, or how its interpreter ended.
    pub(crate) fn create(
        &self,
        parameters: &Map<String, Value>,
        task: &Task,
    ) -> Result<Box<dyn Instance>, Failure> {
        let request = Request::Create {
            analysis: 0,
            parameters: parameters.clone(),
            task: Box::new(task.clone()),
        };
        let number = self.interpreter.instances.fetch_add(1, Ordering::Relaxed);
        let done = self
            .interpreter
            .call(None, number, &request, &[], &mut Nobody)?;
        Ok(Box::new(Apart(PythonInstance {
            process: done.process,
            interpreter: Arc::clone(&self.interpreter),
            number,
        })))
    }
}

/// The interpreter of a file, which is started when it is first called, and again after its end.
#[derive(Debug)]
struct Interpreter {
    python: Python,
    file: PathBuf,
    running: Mutex<Running>,
    /// how many instances there were
    instances: AtomicU64,
}

#[derive(Debug, Default)]
struct Running {
    process: Option<Process>,
    /// how many processes were started
    count: u64,
}

/// What a call has come to.
struct Done {
    /// the number of the process that was called
    process: u64,
    described: Vec<Described>,
}

/// A request with the number of the instance that it is for.
#[derive(Serialize)]
#[serde(crate = "grokrun_api::serde")]
struct Addressed<'a>(u64, &'a Request);

impl Interpreter {
    /// Makes a call to an instance; only by the process number `of`, if that is given.
    fn call(
        &self,
        of: Option<u64>,
        instance: u64,
        request: &Request,
        numbers: &[&[u8]],
        sink: &mut dyn Sink,
    ) -> Result<Done, Failure> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if of.is_some_and(|of| of != running.count || running.process.is_none()) {
            return Err(Failure::new(
                "its interpreter has ended in a call of another cell",
            ));
        }
        let process = match running.process.take() {
            Some(process) => process,
            None => {
                running.count += 1;
                self.start()?
            }
        };
        let process = running.process.insert(process);
        let described = process.call(&Addressed(instance, request), numbers, sink);
        if process.is_over() {
            running.process = None;
        }
        Ok(Done {
            process: running.count,
            described: described?,
        })
    }

    fn start(&self) -> Result<Process, Failure> {
        let mut command = Command::new(&self.python.program);
        command
            .args([OsStr::new("-c"), OsStr::new(START), self.file.as_os_str()])
            .envs(ENVIRONMENT);
        let mut process = Process::spawn(&mut command, self.python.limits).map_err(|error| {
            Failure::new(format!(
                "the interpreter {} cannot be started: {error}; expected Python 3.10 or later with NumPy, or its path in GROKRUN_PYTHON",
                self.python.program.display()
            ))
        })?;
        for module in MODULES {
            process.hand_over(module.as_bytes())?;
        }
        Ok(process)
    }
}

/// An instance in an interpreter.
struct PythonInstance {
    interpreter: Arc<Interpreter>,
    /// the number of the process that it is in
    process: u64,
    number: u64,
}

impl Calls for PythonInstance {
    fn call(
        &mut self,
        request: &Request,
        numbers: &[&[u8]],
        out: &mut dyn Sink,
    ) -> Result<(), Failure> {
        let of = Some(self.process);
        let done = self
            .interpreter
            .call(of, self.number, request, numbers, out);
        done.map(|_| ())
    }
}
