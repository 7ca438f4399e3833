//! Files that the user asked for are written whole or not at all, also through links and into
//! pipes. Files that are not the program's own stay, even when the program starts over or is
//! killed.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Bench, SMALL, Seeded, assert_same};

const CELL: &str = "runs/small/cells/mul-p23-f0.5-d1-m2";

fn trained() -> Bench {
    let bench = Bench::new(SMALL);
    bench
        .run(&["small.toml", "--backend", "cpu", "-q"])
        .exits(0);
    bench
}

/// Every command that writes a file the user asked for, each without the file's path.
const WAYS: [&[&str]; 4] = [
    &["export", "runs/small", "--format", "pth", "-o"],
    &["export", "runs/small", "--format", "safetensors", "-o"],
    &["export", "runs/small", "--format", "npz", "-o"],
    &["compare", "runs/small", "-o"],
];

fn names(bench: &Bench, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(bench.path().join(folder)).unwrap();
    let mut names: Vec<_> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_runs_own_files_are_not_written_over() {
    let bench = trained();
    let before = bench.files("small");
    for way in WAYS {
        for own in [
            "runs/small/run.json",
            "runs/small/report.html",
            &format!("{CELL}/state.safetensors"),
            &format!("{CELL}/checkpoints/00000100.safetensors"),
        ] {
            bench
                .run(&[way, &[own]].concat())
                .exits(2)
                .says(&["a file of the run"]);
        }
        bench
            .run(&[way, &["runs/small"]].concat())
            .exits(2)
            .says(&["is a folder"]);
        bench
            .run(&[way, &["gone/file"]].concat())
            .exits(2)
            .says(&["gone/file"]);
    }
    assert_same(&before, &bench.files("small"));
}

#[cfg(unix)]
#[test]
fn links_are_followed_and_permissions_kept() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let bench = trained();
    let at = |name: &str| bench.path().join(name);
    for (round, way) in WAYS.into_iter().enumerate() {
        let real = format!("real{round}");
        fs::write(at(&real), "old").unwrap();
        fs::set_permissions(at(&real), PermissionsExt::from_mode(0o600)).unwrap();
        symlink(&real, at("link")).unwrap();
        bench.run(&[way, &["link"]].concat()).exits(0);
        assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
        assert!(fs::read(at(&real)).unwrap() != b"old");
        let mode = fs::metadata(at(&real)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        fs::remove_file(at("link")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_the_standard_output_get_what_a_file_would() {
    let bench = trained();
    for way in WAYS {
        bench.run(&[way, &["file"]].concat()).exits(0);
        let want = fs::read(bench.path().join("file")).unwrap();

        let made = std::process::Command::new("mkfifo")
            .arg(bench.path().join("pipe"))
            .status();
        assert!(made.unwrap().success());
        let mut child = bench.spawn(&[way, &["pipe"]].concat());
        let through = fs::read(bench.path().join("pipe")).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0));
        assert!(through == want, "{way:?} through a pipe");
        fs::remove_file(bench.path().join("pipe")).unwrap();

        let output = bench
            .command(&[way, &["/dev/stdout"]].concat())
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(output.stdout == want, "{way:?} to the standard output");

        // Appended to a file, it does not begin at the file's start.
        let file = fs::File::options()
            .append(true)
            .create(true)
            .open(bench.path().join("appended"))
            .unwrap();
        fs::write(bench.path().join("appended"), "before").unwrap();
        let mut command = bench.command(&[way, &["/dev/stdout"]].concat());
        assert!(command.stdout(file).status().unwrap().success());
        let appended = fs::read(bench.path().join("appended")).unwrap();
        assert!(
            appended == [b"before", &want[..]].concat(),
            "{way:?} appended"
        );
        bench.run(&[way, &["/dev/null"]].concat()).exits(0);
    }
    use std::os::unix::fs::FileTypeExt as _;
    assert!(
        fs::metadata("/dev/null")
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn starting_over_leaves_a_users_own_files() {
    let bench = trained();
    let mine = [
        "runs/small/notes.txt",
        "runs/small/cells/notes.txt",
        &format!("{CELL}/model.pth"),
        &format!("{CELL}/checkpoints/best.safetensors"),
    ];
    for name in mine {
        fs::write(bench.path().join(name), "mine").unwrap();
    }
    let run = |more: &[&str]| {
        bench
            .run(&[&["small.toml", "--backend", "cpu", "-q"], more].concat())
            .exits(0)
    };
    run(&["--fresh"]);
    run(&["--force", "--set", "fraction=0.4"]);
    for name in mine {
        assert_eq!(
            fs::read(bench.path().join(name)).unwrap(),
            b"mine",
            "{name}"
        );
    }
    assert!(!bench.path().join(CELL).join("state.safetensors").exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_where_a_file_should_be_is_reported_and_not_waited_for() {
    let bench = trained();
    let run: &[&str] = &["small.toml", "--backend", "cpu"];
    let table: [(&str, &[&str]); 6] = [
        (".lock", run),
        (".opening", run),
        ("run.json", &["report", "runs/small"]),
        ("resolved.toml", &["status", "runs/small"]),
        ("log.jsonl", run),
        ("cells/mul-p23-f0.5-d1-m2/state.safetensors", run),
    ];
    for (name, command) in table {
        let path = bench.path().join("runs/small").join(name);
        let kept = fs::read(&path).unwrap_or_default();
        let _none = fs::remove_file(&path);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let mut child = bench
            .command(command)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while child.try_wait().unwrap().is_none() {
            if started.elapsed() > Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("{command:?} waits for {name}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("a pipe (FIFO)") && said.contains(name),
            "{name}: {said}"
        );
        assert!(!output.status.success(), "{name}");
        fs::remove_file(&path).unwrap();
        fs::write(&path, kept).unwrap();
    }
}

/// Kills the program at moments that a generator gives, over the time that it takes.
#[cfg(unix)]
fn kill_often(bench: &Bench, args: &[&str], seed: u64, mut each: impl FnMut()) {
    let started = Instant::now();
    bench.run(args).exits(0);
    let whole = started.elapsed().as_micros() as u64;
    let mut numbers = Seeded(seed);
    for _ in 0..12 {
        let mut child = bench.spawn(args);
        std::thread::sleep(Duration::from_micros(numbers.below(whole)));
        child.kill().unwrap();
        child.wait().unwrap();
        each();
    }
    bench.run(args).exits(0);
}

#[cfg(unix)]
#[test]
fn killed_exports_leave_whole_files_and_nothing_beside_them() {
    let bench = trained();
    fs::create_dir(bench.path().join("mine")).unwrap();
    for (seed, way) in (0..).zip(WAYS) {
        bench.run(&[way, &["whole"]].concat()).exits(0);
        let whole = fs::read(bench.path().join("whole")).unwrap();
        let path = bench.path().join("mine/file");
        kill_often(&bench, &[way, &["mine/file"]].concat(), seed, || {
            if let Ok(found) = fs::read(&path) {
                assert!(found == whole, "{way:?}: a file that is not whole");
            }
            fs::remove_file(&path)
                .or_else(|error| match error.kind() {
                    std::io::ErrorKind::NotFound => Ok(()),
                    _ => Err(error),
                })
                .unwrap();
        });
        assert_eq!(names(&bench, "mine"), ["file"], "{way:?}");
        assert!(fs::read(&path).unwrap() == whole);
    }
}

#[cfg(unix)]
#[test]
fn killed_reports_leave_the_run_as_it_was() {
    let bench = trained();
    let before = bench.files("small");
    kill_often(&bench, &["report", "runs/small"], 7, || {});
    assert_same(&before, &bench.files("small"));
    kill_often(
        &bench,
        &["report", "runs/small", "--svg", "pictures"],
        8,
        || {
            let _none = fs::remove_dir_all(bench.path().join("pictures"));
        },
    );
    let mut folders = vec![bench.path().join("pictures")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path)
            } else {
                assert!(path.extension().is_some_and(|e| e == "svg"), "{path:?}")
            }
        }
    }
}
