//! Clusters: the script that `submit` writes, run by a shell with a fake Slurm that only records
//! its calls. `tests/slurm` uses a real one.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::support::{Bench, SMALL, assert_same, signal, wait_until};

/// Returns a spec of four cells, which train long enough to be ended on the way.
fn sweep() -> String {
    SMALL
        .replace("model = 2", "model = [1, 2, 3, 4]")
        .replace("epochs = 300", "epochs = 2000")
}

const SPEC: &[&str] = &["small.toml", "--backend", "cpu"];

/// Puts commands with the names of Slurm's into a folder; they record how they were called, and
/// `squeue` says that the task is running.
fn slurm(bench: &Bench) -> PathBuf {
    let folder = bench.path().join("slurm");
    fs::create_dir(&folder).expect("a folder of the test");
    for (name, says) in [("sbatch", "4711"), ("squeue", "RUNNING"), ("scontrol", "")] {
        let notes = folder.join("notes");
        let script = format!(
            "#!/bin/sh\necho \"{name} $*\" >>'{}'\necho {says}\n",
            notes.display()
        );
        let path = bench.write(&format!("slurm/{name}"), script);
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    folder
}

/// Returns the recorded calls of the commands.
fn notes(bench: &Bench) -> String {
    fs::read_to_string(bench.path().join("slurm/notes")).unwrap_or_default()
}

fn path_with(folder: PathBuf) -> std::ffi::OsString {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).expect("a path")
}

/// Submits the sweep in four shards.
fn submit(bench: &Bench, more: &[&str]) {
    let path = path_with(slurm(bench));
    let mut command = bench.command(&["submit"]);
    command.args(SPEC).args(more);
    command.args(["--engine", "slurm", "--shards", "4"]);
    let output = command.env("PATH", path).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    assert!(
        notes(bench).starts_with("sbatch --parsable "),
        "{}",
        notes(bench)
    );
}

/// Starts a task of the array as Slurm does; `array` has the number of tasks, the first and the
/// last.
fn task(bench: &Bench, id: &str, array: [&str; 3]) -> Child {
    let mut command = Command::new("bash");
    command
        .current_dir(bench.path())
        .arg("runs/small/slurm.sh")
        .env("PATH", path_with(bench.path().join("slurm")))
        .env("SLURM_ARRAY_JOB_ID", "4711")
        .env("SLURM_ARRAY_TASK_ID", id)
        .env("SLURM_ARRAY_TASK_COUNT", array[0])
        .env("SLURM_ARRAY_TASK_MIN", array[1])
        .env("SLURM_ARRAY_TASK_MAX", array[2])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("bash starts")
}

fn has(bench: &Bench, seed: usize, file: &str) -> bool {
    let cell = format!("runs/small/cells/mul-p23-f0.5-d1-m{seed}");
    bench.path().join(cell).join(file).exists()
}

#[test]
fn a_task_trains_what_was_submitted_however_often_it_is_told_to_end() {
    let (whole, cluster) = (Bench::new(&sweep()), Bench::new(&sweep()));
    let set = ["--set", "seeds.model=[3, 4, 5, 6]"];
    whole.run(&[SPEC, &set].concat()).exits(0);
    submit(&cluster, &set);

    // The spec is edited, then deleted; the tasks do not see either.
    cluster.write("small.toml", "operation = \"add\"\n");
    let mut child = task(&cluster, "1", ["4", "1", "4"]);
    wait_until("no checkpoint of shard 1", || {
        has(&cluster, 3, "checkpoints/00000300.safetensors")
    });
    for _ in 0..10 {
        signal(&child, "-TERM");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(has(&cluster, 3, "state.safetensors"), "it has saved");
    assert!(
        notes(&cluster).ends_with("squeue -h -j 4711_1 -o %T\nscontrol requeue 4711_1\n"),
        "{}",
        notes(&cluster)
    );

    fs::remove_file(cluster.path().join("small.toml")).expect("it was there");
    // The tasks as they were submitted, one task again alone, and two tasks as a list.
    for (id, array) in [
        ("1", ["4", "1", "4"]),
        ("3", ["1", "3", "3"]),
        ("2", ["2", "2", "4"]),
        ("4", ["2", "2", "4"]),
    ] {
        let code = task(&cluster, id, array).wait().expect("it ends").code();
        assert_eq!(code, Some(0), "task {id}");
        let own = id.parse::<usize>().expect("a number") + 2;
        assert!(
            has(&cluster, own, "metrics.parquet"),
            "task {id} trains its own"
        );
    }
    assert_eq!(notes(&cluster).matches("requeue").count(), 1);
    let cells = |bench: &Bench| {
        let mut files = bench.files("small");
        files.retain(|path, _| path.starts_with("cells") && !path.ends_with(".lock"));
        files
    };
    assert_same(&cells(&whole), &cells(&cluster));
}

#[test]
fn a_task_of_another_array_is_refused_and_trains_nothing() {
    let bench = Bench::new(&sweep());
    for (shard, id, array) in [
        ("auto/4", "3", ["4", "0", "3"]),
        ("auto/4", "6", ["4", "0", "6"]),
        ("auto", "3", ["1", "3", "3"]),
        ("auto", "2", ["2", "2", "4"]),
    ] {
        let mut command = bench.command(SPEC);
        command
            .args(["--shard", shard])
            .env("SLURM_ARRAY_TASK_ID", id)
            .env("SLURM_ARRAY_TASK_COUNT", array[0])
            .env("SLURM_ARRAY_TASK_MIN", array[1])
            .env("SLURM_ARRAY_TASK_MAX", array[2]);
        let output = command.output().expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{shard} {id}: {said}");
        assert!(
            said.contains("--shard auto") && said.contains("expected"),
            "{said}"
        );
    }
    assert!(!bench.path().join("runs").exists(), "nothing was written");
}
