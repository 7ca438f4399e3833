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
fn a_task_trains_what_was_submitted_however_often_it_is_asked_to_end() {
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
    assert_same(&whole.cells(), &cluster.cells());
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

#[test]
fn tasks_may_be_few_at_once_and_a_job_reports_after_them() {
    let claims = "[[claim]]\nsource = \"a test\"\nquantity = { metric = \"train_loss\", epoch = 1 }\nat_most = 100.0\n";
    let bench = Bench::new(&(sweep() + claims));
    submit(&bench, &["--parallel", "2", "--report"]);
    let script = fs::read_to_string(bench.path().join("runs/small/slurm.sh")).expect("the script");
    assert!(script.contains("#SBATCH --array=1-4%2\n"), "{script}");
    let notes = notes(&bench);
    let calls: Vec<&str> = notes.lines().collect();
    assert_eq!(calls.len(), 2, "{notes}");
    assert!(calls[1].starts_with("sbatch --parsable --dependency=afterany:4711 "));
    // What the job runs does what it is for.
    let (_, wrapped) = calls[1].split_once("--wrap=").expect("a command");
    bench.run(SPEC).exits(0);
    let report = bench.path().join("runs/small/report.html");
    fs::remove_file(&report).expect("it was written");
    let mut shell = Command::new("sh");
    let shell = shell.current_dir(bench.path()).args(["-c", wrapped]);
    let done = shell.output().expect("sh starts");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("a test"), "{done:?}");
    assert!(report.exists());
}

/// Addition modulo 5 as a table.
const TABLE: &str = "0,1,2,3,4\n1,2,3,4,0\n2,3,4,0,1\n3,4,0,1,2\n4,0,1,2,3\n";

#[test]
fn a_table_goes_with_what_is_submitted() {
    let spec = SMALL
        .replace(
            "operation = \"mul\"",
            "operation = { table = \"five.csv\" }",
        )
        .replace("modulus = 23\n", "")
        .replace("epochs = 300", "epochs = 20");
    assert!(spec.contains("five.csv") && !spec.contains("modulus"));
    let (whole, cluster) = (Bench::new(&spec), Bench::new(&spec));
    for bench in [&whole, &cluster] {
        bench.write("five.csv", TABLE);
    }
    whole.run(SPEC).exits(0);
    submit(&cluster, &[]);
    fs::remove_file(cluster.path().join("five.csv")).expect("it was there");
    let code = task(&cluster, "1", ["1", "1", "1"]).wait();
    assert_eq!(code.expect("it ends").code(), Some(0));
    let weights = |bench: &Bench| {
        let mut files = bench.files("small");
        files.retain(|path, _| path.ends_with("state.safetensors"));
        assert_eq!(files.len(), 1);
        files
    };
    assert_same(&weights(&whole), &weights(&cluster));
}

const KUBERNETES: &[&str] = &["--engine", "kubernetes", "--shards", "4"];

#[test]
fn a_job_of_kubernetes_trains_what_one_process_trains() {
    let spec = sweep().replace("epochs = 2000", "epochs = 100");
    let (whole, cluster) = (Bench::new(&spec), Bench::new(&spec));
    whole.run(SPEC).exits(0);
    let pod = [
        "--image",
        "grokrun:0.1.0",
        "--volume",
        "runs",
        "--parallel",
        "3",
    ];
    let printed = cluster
        .run(&[&["submit"], SPEC, KUBERNETES, &pod].concat())
        .exits(0);
    let objects: serde_json::Value = serde_json::from_str(&printed.out()).expect("JSON");
    let [map, job] = [0, 1].map(|i| &objects["items"][i]);
    assert_eq!(job["spec"]["completions"], 4);
    assert_eq!(job["spec"]["parallelism"], 3);
    for (name, text) in map["data"].as_object().expect("files") {
        fs::create_dir_all(cluster.path().join("spec")).expect("a folder of the test");
        cluster.write(&format!("spec/{name}"), text.as_str().expect("a text"));
    }
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let command = container["command"].as_array().expect("words");
    let words: Vec<&str> = command.iter().filter_map(|word| word.as_str()).collect();
    assert_eq!((words[0], words[2]), ("grokrun", "/spec/spec.toml"));
    for index in ["0", "1", "2", "3"] {
        let mut task = cluster.command(&["run", "spec/spec.toml"]);
        task.args(&words[3..]).env("JOB_COMPLETION_INDEX", index);
        let output = task.output().expect("the program starts");
        assert!(output.status.success(), "{output:?}");
    }
    assert_same(&whole.cells(), &cluster.cells());
}

#[test]
fn options_of_one_workload_manager_are_refused_by_the_other() {
    let bench = Bench::new(&sweep());
    let refused = |options: &[&str], said: &str| {
        let all = [&["submit"], SPEC, options].concat();
        bench.run(&all).exits(2).says(&[said]);
    };
    refused(KUBERNETES, "--image IMAGE and --volume CLAIM");
    let pod = [KUBERNETES, &["--image", "x", "--volume", "y"]].concat();
    for option in [&["--time", "1:00"][..], &["--report"], &["--sbatch=--x"]] {
        refused(
            &[&pod, option].concat(),
            "no meaning for --engine kubernetes",
        );
    }
    let slurm = ["--engine", "slurm", "--shards", "4", "--image", "x"];
    refused(&slurm, "for --engine kubernetes");
    assert!(!bench.path().join("runs").exists(), "nothing was written");
}
