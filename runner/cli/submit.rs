//! Runs `grokrun submit SPEC --engine slurm`: submits a sweep's shards to a workload manager.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use grokrun_session::{Shard, Survey};
use grokrun_store::Access;
use serde_json::Value;

use crate::args::SubmitArgs;
use crate::output::{Failure, print};
use crate::run::ANOTHER_PLACE;
use crate::{plugins, spec};

/// Runs the command.
///
/// # Errors
/// If the spec is wrong, the run cannot be written, or sbatch cannot be started or refuses.
pub(crate) fn submit(args: &SubmitArgs) -> Result<ExitCode, Failure> {
    let read = spec::read(&args.spec, &plugins::registry(&args.spec.plugins))?;
    read.announce();
    let plan = &read.plan;
    let survey = Survey::new(plan)?;
    let shards = settle_shards(args.shards, survey.cells.len())?;
    let run = args.out.join(&plan.name);
    let script = script(args, &read, &absolute(&run)?, shards)?;
    if args.dry_run {
        print(&script)?;
        return Ok(ExitCode::SUCCESS);
    }
    let run = read
        .open(&args.out, &plan.name, Access::Share)
        .map_err(|error| Failure::of_place(error, ANOTHER_PLACE))?;
    let path = run.write_script(&script)?;
    // The tasks open the run themselves.
    drop(run);
    let job = sbatch(&path)?;
    print(&format!(
        "job {job}: {shards} shards of {}\n",
        path.display()
    ))?;
    Ok(ExitCode::SUCCESS)
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

/// Submits the script; returns the job's number.
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

/// Returns the script of the array. It contains the spec as it was read: whatever becomes of the
/// file, a task trains what was submitted, as often as it is started.
///
/// A task that is told to end passes that on once, waits until the program has saved and is gone,
/// however often it is told again, and goes back into the queue unless somebody has cancelled it.
fn script(
    args: &SubmitArgs,
    spec: &spec::Spec,
    run: &Path,
    shards: usize,
) -> Result<String, Failure> {
    let name = &spec.plan.name;
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
    command.push("/dev/stdin".to_owned());
    for set in &args.spec.set {
        command.extend(["--set".to_owned(), set.clone()]);
    }
    // Without it the name would be the file's.
    command.extend([
        "--set".to_owned(),
        format!("name={}", Value::from(name.as_str())),
    ]);
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
    let plugins = &args.spec.plugins;
    if plugins.isolate {
        command.push("--isolate".to_owned());
    }
    for (option, value) in [
        ("--isolate-seconds", plugins.isolate_seconds),
        ("--isolate-memory", plugins.isolate_memory),
    ] {
        command.extend(value.map(|value| format!("{option}={value}")));
    }
    command.extend(["--shard".to_owned(), format!("auto/{shards}")]);

    let fingerprint = spec.plan.fingerprint();
    let mut script = format!(
        "#!/bin/bash\n# {shards} shards of {name:?}, by grokrun {}; the spec's fingerprint is {fingerprint}.\n",
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
    // A line that no spec has: it is not TOML, and in a text the hash would be another.
    let end = format!("end of spec {fingerprint}");
    let newline = if spec.text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(
        script,
        r#"
task="${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
child=
told=
again=
stop() {{
    again=1
    if [ -z "$told" ] && [ -n "$child" ]; then kill -TERM "$child"; fi
    told=1
}}
trap stop TERM INT HUP USR1 USR2
{} <<'{end}' &
{}{newline}{end}
child=$!
# Told before there was a child to tell.
if [ -n "$told" ]; then kill -TERM "$child"; fi
# A signal ends a wait, not the child.
while
    again=
    wait "$child"; status=$?
    [ -n "$again" ]
do :; done
# 130: interrupted, state saved. Above 128 after a signal: it ended before it could take it. A task
# that was cancelled is not running any more.
if [ "$status" -eq 130 ] || {{ [ -n "$told" ] && [ "$status" -gt 128 ]; }}; then
    if [ "$(squeue -h -j "$task" -o %T)" = RUNNING ]; then scontrol requeue "$task"; fi
fi
exit "$status"
"#,
        words.join(" "),
        spec.text,
    );
    Ok(script)
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path)
        .map_err(|error| Failure::request(format!("{}: {error}", path.display())))
}

/// Quotes a word for a shell if it needs quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
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
