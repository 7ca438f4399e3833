//! `grokrun submit SPEC --engine slurm`: a sweep's shards as tasks of a cluster's engine.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use grokrun_session::{SessionError, Shard, Survey};
use grokrun_store::{Access, RunDir};

use crate::args::SubmitArgs;
use crate::output::{Failure, print};
use crate::{plugins, spec};

/// Where the script goes, in the run's folder.
const SCRIPT: &str = "slurm.sh";

/// Runs the command.
///
/// # Errors
/// When the spec is wrong, the run cannot be written, or sbatch cannot be started or refuses.
pub(crate) fn submit(args: &SubmitArgs) -> Result<ExitCode, Failure> {
    let read = spec::read(&args.spec, &plugins::registry(&args.spec.plugins))?;
    let plan = &read.plan;
    let survey = Survey::new(plan)?;
    let shards = settle_shards(args.shards, survey.cells.len())?;
    let run = args.out.join(&plan.name);
    let script = script(args, &plan.name, &absolute(&run)?, shards)?;
    if args.dry_run {
        print(&script)?;
        return Ok(ExitCode::SUCCESS);
    }
    let run = RunDir::open(
        &args.out,
        &plan.name,
        &read.text,
        &plan.resolved_toml(),
        &plan.fingerprint(),
        Access::Share,
    )
    .map_err(SessionError::from)?;
    let path = run.path().join(SCRIPT);
    std::fs::write(&path, script).map_err(|error| {
        Failure::running(format!("{} cannot be written: {error}", path.display()))
    })?;
    // The tasks open the run themselves.
    drop(run);
    let job = sbatch(&path)?;
    print(&format!(
        "job {job}: {shards} shards of {}\n",
        path.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// No more shards than cells: a task without cells would only wait in the queue.
fn settle_shards(asked: usize, cells: usize) -> Result<usize, Failure> {
    match Shard::new(1, asked) {
        Some(_) => Ok(asked.min(cells)),
        None => Err(Failure::request(format!(
            "--shards {asked}: expected 1 to {}",
            Shard::MOST
        ))),
    }
}

/// Submits the script; the job's number.
fn sbatch(script: &Path) -> Result<String, Failure> {
    let output = Command::new("sbatch")
        .arg("--parsable")
        .arg(script)
        .output();
    let output = output.map_err(|error| {
        Failure::request(format!(
            "sbatch cannot be started: {error}; expected Slurm's commands on this machine, or --dry-run to see the script, which is in {} too",
            script.display()
        ))
    })?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::running(format!(
            "sbatch refused {}: {}",
            script.display(),
            said.trim()
        )));
    }
    // "1234" or "1234;cluster".
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.trim().split(';').next().unwrap_or_default().to_owned())
}

/// The array's script. What a task does when it is told to end: the program saves and exits with
/// 130, and the task goes back into the queue unless somebody has cancelled it.
fn script(args: &SubmitArgs, name: &str, run: &Path, shards: usize) -> Result<String, Failure> {
    let mut options = vec![
        format!("--job-name=grokrun-{name}"),
        format!("--array=1-{shards}"),
        format!(
            "--output={}/slurm-%A_%a.out",
            run.display().to_string().replace('%', "%%")
        ),
        "--open-mode=append".to_owned(),
        "--requeue".to_owned(),
        "--signal=B:TERM@60".to_owned(),
    ];
    options.extend(args.gpus.map(|gpus| format!("--gpus={gpus}")));
    options.extend(args.time.iter().map(|time| format!("--time={time}")));
    options.extend(
        args.partition
            .iter()
            .map(|name| format!("--partition={name}")),
    );
    options.extend(args.sbatch.iter().cloned());
    let program = std::env::current_exe()
        .map_err(|error| Failure::running(format!("this program's path is unknown: {error}")))?;
    let mut command = vec![program.display().to_string(), "run".to_owned()];
    command.push(absolute(&args.spec.spec)?.display().to_string());
    for set in &args.spec.set {
        command.extend(["--set".to_owned(), set.clone()]);
    }
    command.extend([
        "--out".to_owned(),
        absolute(&args.out)?.display().to_string(),
    ]);
    command.extend(["--backend".to_owned(), args.spec.backend.to_string()]);
    if let Some(adapter) = &args.spec.adapter {
        command.extend(["--adapter".to_owned(), adapter.clone()]);
    }
    for plugin in &args.spec.plugins.plugin {
        command.extend([
            "--plugin".to_owned(),
            absolute(plugin)?.display().to_string(),
        ]);
    }
    command.extend(["--shard".to_owned(), "auto".to_owned()]);

    let mut script = format!(
        "#!/bin/bash\n# {shards} shards of {name}, by grokrun {}.\n",
        env!("CARGO_PKG_VERSION")
    );
    for option in options {
        if option.contains('\n') {
            return Err(Failure::request(format!(
                "{option:?} has a line break; expected none"
            )));
        }
        let _ = writeln!(script, "#SBATCH {}", quoted(&option));
    }
    let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
    let _ = write!(
        script,
        r#"
task="${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
told=
trap 'told=1; kill -TERM "$child"' TERM INT
{} &
child=$!
wait "$child"; status=$?
# The signal interrupts the first wait; the program saves and ends.
if [ -n "$told" ]; then wait "$child"; status=$?; fi
# 130: interrupted, state saved. A task that was cancelled is not running any more.
if [ "$status" -eq 130 ] && [ "$(squeue -h -j "$task" -o %T)" = RUNNING ]; then
    scontrol requeue "$task"
fi
exit "$status"
"#,
        words.join(" ")
    );
    Ok(script)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::request(format!("{}: {error}", path.display())))
}

/// A word for a shell, in quotes where it needs them.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(quoted("--array=1-4"), "--array=1-4");
        assert_eq!(quoted("seeds.model=[0, 1]"), "'seeds.model=[0, 1]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn there_are_no_more_shards_than_cells() {
        assert_eq!(settle_shards(8, 3).ok(), Some(3));
        assert_eq!(settle_shards(2, 3).ok(), Some(2));
        assert!(settle_shards(0, 3).is_err());
    }
}
