//! An `sbatch` array: the script, and the call of sbatch.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use grokrun_store::Access;

use super::{Places, Submission, absolute};
use crate::output::{Failure, print};
use crate::run::ANOTHER_PLACE;

/// Submits the array, and the job that comes after it if there is to be one.
///
/// # Errors
/// If the run cannot be written, or sbatch cannot be started or refuses.
pub(super) fn submit(submission: &Submission<'_>) -> Result<ExitCode, Failure> {
    let Submission { args, spec, shards } = *submission;
    if args.image.is_some() || args.volume.is_some() {
        return Err(Failure::request(
            "--image and --volume are for --engine kubernetes; leave them out",
        ));
    }
    let run = args.out.join(&spec.plan.name);
    let script = script(submission, &absolute(&run)?)?;
    let program = program()?;
    let after = |job: &str| report_job(submission, &program, &run, job);
    if args.dry_run {
        let mut out = script;
        if args.report {
            let words: Vec<String> = after("JOB")?.iter().map(|word| quoted(word)).collect();
            let _infallible = writeln!(out, "# after it: sbatch {}", words.join(" "));
        }
        print(&out)?;
        return Ok(ExitCode::SUCCESS);
    }
    let opened = spec
        .open(&args.out, &spec.plan.name, Access::Share)
        .map_err(|error| Failure::of_place(error, ANOTHER_PLACE))?;
    let path = opened.write_script(&script)?;
    // The tasks open the run themselves.
    drop(opened);
    let job = sbatch(
        &["--parsable".to_owned(), path.display().to_string()],
        &path,
    )?;
    print(&format!(
        "job {job}: {shards} shards of {}\n",
        path.display()
    ))?;
    if args.report {
        let report = sbatch(&after(&job)?, &path)?;
        print(&format!("job {report}: the report, after job {job}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the path of this program.
fn program() -> Result<String, Failure> {
    std::env::current_exe()
        .map(|path| path.display().to_string())
        .map_err(|error| Failure::running(format!("this program's path is unknown: {error}")))
}

/// Returns the arguments of sbatch for the job that writes the report once no task of `job` is
/// left, and verifies the claims of the spec.
fn report_job(
    submission: &Submission<'_>,
    program: &str,
    run: &Path,
    job: &str,
) -> Result<Vec<String>, Failure> {
    let Submission { args, spec, .. } = *submission;
    let run = absolute(run)?.display().to_string();
    let call = |command: &str| format!("{} {command} {}", quoted(program), quoted(&run));
    let mut commands = call("report");
    if !spec.plan.claims.is_empty() {
        let _infallible = write!(commands, " && {}", call("verify"));
    }
    let mut words = vec![
        "--parsable".to_owned(),
        format!("--dependency=afterany:{job}"),
        format!("--job-name=grokrun-{}-report", spec.plan.name),
        format!("--output={}/slurm-%j.out", run.replace('%', "%%")),
    ];
    words.extend(
        args.partition
            .iter()
            .map(|name| format!("--partition={name}")),
    );
    words.extend(args.sbatch.iter().cloned());
    words.push(format!("--wrap={commands}"));
    Ok(words)
}

/// Calls sbatch for the script, or after it; returns the job's number.
fn sbatch(arguments: &[String], script: &Path) -> Result<String, Failure> {
    let output = Command::new("sbatch").args(arguments).output();
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
fn script(submission: &Submission<'_>, run: &Path) -> Result<String, Failure> {
    let Submission { args, spec, shards } = *submission;
    let name = &spec.plan.name;
    let at_once = args.parallel.map(|tasks| format!("%{tasks}"));
    let mut options = vec![
        format!("--job-name=grokrun-{name}"),
        format!("--array=1-{shards}{}", at_once.unwrap_or_default()),
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
    // The script hands the spec over on standard input, beside which no file lies.
    let places = Places {
        program: &program()?,
        spec: "/dev/stdin",
        out: &absolute(&args.out)?.display().to_string(),
    };
    let command = submission.command(&places, |file| Ok(absolute(file)?.display().to_string()))?;

    let fingerprint = submission.spec.plan.fingerprint();
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
    let newline = if submission.spec.text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    let _ = write!(
        script,
        r#"
task="${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}"
child=
asked=
again=
stop() {{
    again=1
    if [ -z "$asked" ] && [ -n "$child" ]; then kill -TERM "$child"; fi
    asked=1
}}
trap stop TERM INT HUP USR1 USR2
{} <<'{end}' &
{}{newline}{end}
child=$!
# Told before there was a child to tell.
if [ -n "$asked" ]; then kill -TERM "$child"; fi
# A signal ends a wait, not the child.
while
    again=
    wait "$child"; status=$?
    [ -n "$again" ]
do :; done
# 130: interrupted, state saved. Above 128 after a signal: it ended before it could take it. A task
# that was cancelled is not running any more.
if [ "$status" -eq 130 ] || {{ [ -n "$asked" ] && [ "$status" -gt 128 ]; }}; then
    if [ "$(squeue -h -j "$task" -o %T)" = RUNNING ]; then scontrol requeue "$task"; fi
fi
exit "$status"
"#,
        words.join(" "),
        submission.spec.text,
    );
    Ok(script)
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
        assert_eq!(quoted("--array=1-4%2"), "--array=1-4%2");
        assert_eq!(quoted("seeds.model=[0, 1]"), "'seeds.model=[0, 1]'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
