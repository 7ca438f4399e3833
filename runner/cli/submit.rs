//! Runs `grokrun submit SPEC`: hands a sweep's shards to a workload manager.

mod kubernetes;
mod slurm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use grokrun_session::{Shard, Survey};
use serde_json::Value;

use crate::args::{Engine, SubmitArgs};
use crate::output::Failure;
use crate::spec::{self, Spec};

/// What is submitted.
struct Submission<'a> {
    args: &'a SubmitArgs,
    spec: &'a Spec,
    /// how many tasks there are
    shards: usize,
}

/// Runs the command.
///
/// # Errors
/// If the spec is wrong, an option is one of another workload manager's, the run cannot be written,
/// or the workload manager cannot be called or refuses.
pub(crate) fn submit(args: &SubmitArgs) -> Result<ExitCode, Failure> {
    let (spec, _) = spec::read(&args.spec)?;
    spec.announce();
    let survey = Survey::new(&spec.plan)?;
    let submission = Submission {
        args,
        spec: &spec,
        shards: settle_shards(args.shards, survey.cells.len())?,
    };
    match args.engine {
        Engine::Slurm => slurm::submit(&submission),
        Engine::Kubernetes => kubernetes::print_job(&submission),
    }
}

/// Limits the shards to the number of cells: a task without cells would only wait in the queue.
fn settle_shards(asked: usize, cells: usize) -> Result<usize, Failure> {
    match Shard::new(1, asked) {
        Some(_) => Ok(asked.min(cells)),
        None => Err(Failure::request(format!(
            "--shards {asked}: expected 1 to {}",
            Shard::MOST
        ))),
    }
}

/// Where a task finds its spec and its run.
struct Places<'a> {
    /// the program
    program: &'a str,
    /// the path of the spec
    spec: &'a str,
    /// the folder of all runs
    out: &'a str,
}

impl Submission<'_> {
    /// Returns the command of a task, which finds its own number in the environment. `python` says
    /// where a file of Python is for the task.
    ///
    /// # Errors
    /// If a path has no absolute form.
    fn command(
        &self,
        places: &Places<'_>,
        python: impl Fn(&Path) -> Result<String, Failure>,
    ) -> Result<Vec<String>, Failure> {
        let args = &self.args.spec;
        let mut command = [places.program, "run", places.spec]
            .map(str::to_owned)
            .to_vec();
        let mut option = |name: &str, value: String| command.extend([name.to_owned(), value]);
        for set in &args.set {
            option("--set", set.clone());
        }
        // A task trains what was submitted, whatever becomes of the file of a table.
        if let Some(operation) = self.spec.plan.embedded_operation() {
            option("--set", format!("operation={operation}"));
        }
        for script in &self.spec.scripts {
            let key = format!("analysis.{}.python", Value::from(script.name.as_str()));
            let file = Value::from(python(&script.file)?);
            option("--set", format!("{key}={file}"));
        }
        // Without it the name would be the file's.
        let name = Value::from(self.spec.plan.name.as_str());
        option("--set", format!("name={name}"));
        option("--out", places.out.to_owned());
        option("--backend", args.backend.to_string());
        if let Some(adapter) = &args.adapter {
            option("--adapter", adapter.clone());
        }
        let plugins = &args.plugins;
        for plugin in &plugins.plugin {
            option("--plugin", absolute(plugin)?.display().to_string());
        }
        if plugins.isolate {
            command.push("--isolate".to_owned());
        }
        for (option, value) in [
            ("--isolate-seconds", plugins.isolate_seconds),
            ("--isolate-memory", plugins.isolate_memory),
        ] {
            command.extend(value.map(|value| format!("{option}={value}")));
        }
        command.extend(["--shard".to_owned(), format!("auto/{}", self.shards)]);
        Ok(command)
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::request(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_shards_than_cells() {
        assert_eq!(settle_shards(8, 3).ok(), Some(3));
        assert_eq!(settle_shards(2, 3).ok(), Some(2));
        assert!(settle_shards(0, 3).is_err());
    }
}
