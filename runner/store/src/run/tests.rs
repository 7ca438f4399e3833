mod longer;

use super::*;
use crate::{CellSummary, Metrics};

const SPEC_TEXT: &str = "modulus = 5 # as given\n";

/// An output folder and a way to open the run `r` in it.
struct Out(tempfile::TempDir);

impl Out {
    fn new() -> Out {
        Out(tempfile::tempdir().unwrap())
    }

    fn open(&self, fingerprint: &str, access: Access) -> Result<RunDir, StoreError> {
        RunDir::open(
            self.0.path(),
            "r",
            SPEC_TEXT,
            "modulus = 5\n",
            fingerprint,
            access,
        )
    }

    /// A run that has something to lose, closed again.
    fn with_run() -> Out {
        let out = Out::new();
        let run = out.open("one", Access::Continue).unwrap();
        run.cell("c")
            .unwrap()
            .write_config(&crate::CellConfig::example("c", 0))
            .unwrap();
        run.write_summary(&Summary::default(), &[]).unwrap();
        fs::write(run.log_path(None), "{}\n").unwrap();
        out
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("r").join(name)
    }

    fn kept(&self) -> bool {
        let files = ["cells/c/config.json", "summary.json", "log.jsonl"];
        let there = files.map(|name| self.file(name).exists());
        assert!(there == [true; 3] || there == [false; 3], "{there:?}");
        there[0]
    }
}

#[track_caller]
fn refused(result: Result<RunDir, StoreError>, kind: ErrorKind, words: &[&str]) {
    let error = result.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
    assert!(error.is_request());
}

#[test]
fn a_new_run_has_its_spec_and_a_manifest_without_times() {
    let out = Out::new();
    let deep = out.0.path().join("a/b");
    let run = RunDir::open(&deep, "r", SPEC_TEXT, "x", "one", Access::Continue).unwrap();
    assert_eq!(run.path(), deep.join("r"));
    let read = |name: &str| fs::read_to_string(run.path().join(name)).unwrap();
    let view = crate::RunView::open(run.path()).unwrap();
    assert_eq!(view.spec().unwrap(), [SPEC_TEXT, "x"]);
    assert!(read("spec.toml").ends_with(&format!("\n{SPEC_TEXT}")));
    let digest = &read("run.json")[15..79];
    let want = format!(
        "{{\n  \"blake3\": \"{digest}\",\n  \"format\": 1,\n  \"name\": \"r\",\n  \"fingerprint\": \"one\",\n  \
         \"grokrun\": \"{VERSION}\"\n}}\n",
        VERSION = crate::VERSION
    );
    assert_eq!(read("run.json"), want);
}

#[test]
fn the_same_spec_continues_with_or_without_force() {
    let out = Out::with_run();
    for access in [Access::Continue, Access::Force] {
        out.open("one", access).unwrap();
        assert!(out.kept());
    }
}

#[test]
fn a_reworded_spec_replaces_the_text_of_the_old() {
    let out = Out::with_run();
    RunDir::open(
        out.0.path(),
        "r",
        "modulus=5",
        "modulus = 5\n",
        "one",
        Access::Continue,
    )
    .unwrap();
    let text = fs::read_to_string(out.file("spec.toml")).unwrap();
    assert!(text.ends_with("\nmodulus=5"), "{text}");
    assert!(out.kept());
}

#[test]
fn fresh_starts_over_and_leaves_what_is_not_ours() {
    let out = Out::with_run();
    fs::write(out.file("notes.txt"), "mine").unwrap();
    out.open("one", Access::Fresh).unwrap();
    assert!(!out.kept());
    assert_eq!(fs::read_to_string(out.file("notes.txt")).unwrap(), "mine");
    assert!(out.file("spec.toml").exists());
}

#[test]
fn a_command_that_cannot_start_over_does_not_advise_it() {
    let out = Out::with_run();
    for access in [Access::Keep, Access::Share] {
        let error = out.open("two", access).unwrap_err().to_string();
        let advised = error.contains("--force");
        assert_eq!(advised, access == Access::Share, "{error}");
        assert!(!advised || error.contains("`grokrun SPEC --force`, without --shard"));
        assert!(out.kept());
    }
    out.open("one", Access::Keep).unwrap();
    assert!(out.kept());
}

#[test]
fn another_spec_needs_force() {
    let out = Out::with_run();
    for access in [Access::Continue, Access::Fresh] {
        refused(
            out.open("two", access),
            ErrorKind::OtherSpec,
            &["another spec", "--force"],
        );
        assert!(out.kept());
    }
    out.open("two", Access::Force).unwrap();
    assert!(!out.kept());
    refused(out.open("one", Access::Continue), ErrorKind::OtherSpec, &[]);
}

#[test]
fn a_kill_while_starting_over_is_finished_by_the_next_process() {
    let out = Out::with_run();
    Manifest::new("r", "two")
        .clearing()
        .write(&out.file(""))
        .unwrap();
    out.open("two", Access::Continue).unwrap();
    assert!(!out.kept());
    assert_eq!(
        Manifest::read(&out.file("")).unwrap(),
        Some(Manifest::new("r", "two"))
    );
}

#[test]
fn a_kill_before_the_manifest_leaves_a_folder_that_can_be_used() {
    let out = Out::new();
    fs::create_dir(out.file("")).unwrap();
    fs::write(out.file(".lock"), "").unwrap();
    fs::write(out.file(".grokrun-x.tmp"), "half").unwrap();
    out.open("one", Access::Continue).unwrap();
    assert!(!out.file(".grokrun-x.tmp").exists());
}

#[test]
fn half_written_files_are_removed_when_a_run_is_opened() {
    let out = Out::with_run();
    let left = out.file("cells/c/checkpoints/.grokrun-x.tmp");
    fs::write(&left, "half").unwrap();
    out.open("one", Access::Continue).unwrap();
    assert!(!left.exists() && out.kept());
}

#[test]
fn what_is_not_a_run_is_never_touched() {
    let out = Out::new();
    fs::create_dir(out.file("")).unwrap();
    fs::write(out.file("thesis.tex"), "years").unwrap();
    for access in [Access::Continue, Access::Force, Access::Fresh] {
        refused(
            out.open("one", access),
            ErrorKind::NotARun,
            &["no run.json"],
        );
    }
    let files: Vec<_> = fs::read_dir(out.file("")).unwrap().collect();
    assert_eq!(files.len(), 1);
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    let out = Out::new();
    fs::write(out.0.path().join("r"), "a file").unwrap();
    refused(
        out.open("one", Access::Force),
        ErrorKind::NotARun,
        &["is not a folder"],
    );
    let open = |out: &Path| RunDir::open(out, "x", "", "", "one", Access::Continue);
    let file = out.0.path().join("r");
    refused(
        open(&file),
        ErrorKind::Unwritable,
        &["is not a folder", "--out"],
    );
    refused(
        open(&file.join("deeper")),
        ErrorKind::Unwritable,
        &["--out"],
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "a file");
}

#[test]
fn a_newer_format_is_refused_even_with_force() {
    let out = Out::with_run();
    let newer = r#"{"format": 2, "grokrun": "9.1.0", "runs": []}"#;
    fs::write(out.file("run.json"), newer).unwrap();
    for access in [Access::Continue, Access::Force, Access::Fresh] {
        let words = ["newer", "9.1.0", "format 2", "run.json"];
        refused(out.open("one", access), ErrorKind::NewerFormat, &words);
    }
    assert!(out.kept());
}

#[test]
fn a_damaged_manifest_is_a_failure_and_nothing_is_lost() {
    for text in ["", "{", "[]", "7", "{\"format\": 1}", "{\"format\": -1}"] {
        let out = Out::with_run();
        fs::write(out.file("run.json"), text).unwrap();
        let error = out.open("one", Access::Force).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Altered, "{text}");
        assert!(error.to_string().contains("run.json") && !error.is_request());
        assert!(out.kept());
    }
}

#[test]
fn a_run_is_open_once_until_it_is_dropped() {
    let out = Out::new();
    let first = out.open("one", Access::Continue).unwrap();
    refused(
        out.open("one", Access::Fresh),
        ErrorKind::Busy,
        &["another process"],
    );
    drop(first);
    out.open("one", Access::Continue).unwrap();
}

#[test]
fn names_do_not_lead_elsewhere() {
    let out = Out::new();
    for name in ["", ".", "..", "a/b", "/a", "a/", "../a"] {
        let open = RunDir::open(out.0.path(), name, "", "", "one", Access::Continue);
        refused(open, ErrorKind::BadName, &["run"]);
    }
    let run = out.open("one", Access::Continue).unwrap();
    assert_eq!(run.cell("../c").unwrap_err().kind(), ErrorKind::BadName);
    assert_eq!(fs::read_dir(out.0.path()).unwrap().count(), 1);
}

#[test]
fn a_summary_comes_back() {
    let out = Out::new();
    let run = out.open("one", Access::Continue).unwrap();
    assert_eq!(run.read_summary().unwrap(), None);
    let mut summary = Summary::default();
    summary.set(CellSummary::new("c", "interrupted", &Metrics::default()));
    run.write_summary(&summary, &[]).unwrap();
    assert_eq!(run.read_summary().unwrap(), Some(summary));
    fs::write(out.file("summary.json"), "[{").unwrap();
    assert_eq!(run.read_summary().unwrap_err().kind(), ErrorKind::Altered);
}

#[cfg(unix)]
#[test]
fn a_link_to_another_disk_is_removed_and_not_followed() {
    let (out, disk) = (Out::new(), tempfile::tempdir().unwrap());
    drop(out.open("one", Access::Continue).unwrap());
    fs::write(disk.path().join("data"), "elsewhere").unwrap();
    std::os::unix::fs::symlink(disk.path(), out.file("cells")).unwrap();
    out.open("one", Access::Fresh).unwrap();
    assert!(disk.path().join("data").exists() && !out.file("cells").exists());
}

#[test]
fn shards_share_a_run_and_own_their_cells() {
    let out = Out::new();
    let one = out.open("one", Access::Share).unwrap();
    let two = out.open("one", Access::Share).unwrap();
    refused(
        out.open("one", Access::Continue),
        ErrorKind::Busy,
        &["another process"],
    );
    refused(
        out.open("two", Access::Share),
        ErrorKind::OtherSpec,
        &["another spec"],
    );

    let claim = one.claim("c").unwrap();
    let error = two.claim("c").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(error.to_string().contains("cells/c"), "{error}");
    let _other = two.claim("d").unwrap();
    assert_eq!(
        lock::holder(two.cell("c").unwrap().path()),
        Some(Hold::Alone)
    );
    assert_eq!(lock::holder(one.path()), Some(Hold::Shared));
    drop(claim);
    assert_eq!(lock::holder(two.cell("c").unwrap().path()), None);
    two.claim("c").unwrap();

    drop((one, two));
    let alone = out.open("one", Access::Continue).unwrap();
    refused(
        out.open("one", Access::Share),
        ErrorKind::Busy,
        &["another process"],
    );
    alone.claim("c").unwrap();
    alone.claim("c").unwrap();
}

#[test]
fn shards_add_to_one_summary_in_the_order_of_the_plan() {
    let known = |cell: &str| {
        let mut summary = Summary::default();
        summary.set(CellSummary::new(cell, "finished", &Metrics::default()));
        summary
    };
    let out = Out::new();
    let (one, two) = (
        out.open("one", Access::Share).unwrap(),
        out.open("one", Access::Share).unwrap(),
    );
    let plan = ["b", "a", "c"];
    two.write_summary(&known("c"), &plan).unwrap();
    one.write_summary(&known("a"), &plan).unwrap();
    one.write_summary(&known("b"), &plan).unwrap();
    let summary = two.read_summary().unwrap().unwrap();
    let cells: Vec<&str> = summary.cells.iter().map(|c| c.cell.as_str()).collect();
    assert_eq!(cells, plan);
}

#[test]
fn starting_over_takes_the_logs_of_shards_too() {
    let out = Out::with_run();
    fs::write(out.file("log.1-of-2.jsonl"), "{}\n").unwrap();
    fs::write(out.file("notes.jsonl"), "mine").unwrap();
    out.open("one", Access::Fresh).unwrap();
    assert!(!out.file("log.1-of-2.jsonl").exists());
    assert!(out.file("notes.jsonl").exists());
}

#[test]
fn starting_over_leaves_a_users_files_among_the_cells() {
    let out = Out::with_run();
    let mine = [
        "cells/notes.txt",
        "cells/c/best.pth",
        "cells/c/checkpoints/best.safetensors",
        "cells/c/analysis/a/plot.png",
    ];
    let ours = [
        "cells/c/checkpoints/00000100.safetensors",
        "cells/c/analysis/a/findings.json",
        "cells/d/state.safetensors",
        "report.html",
    ];
    for name in mine.iter().chain(&ours) {
        fs::create_dir_all(out.file(name).parent().unwrap()).unwrap();
        fs::write(out.file(name), "x").unwrap();
    }
    out.open("one", Access::Fresh).unwrap();
    assert!(mine.iter().all(|name| out.file(name).exists()));
    assert!(!ours.iter().any(|name| out.file(name).exists()));
    assert!(!out.kept() && !out.file("cells/d").exists());
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_named_and_not_waited_for() {
    let pipe = |path: &Path| {
        let _none = fs::remove_file(path);
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).unwrap();
    };
    for name in [".lock", ".opening"] {
        let out = Out::with_run();
        pipe(&out.file(name));
        let error = out.open("one", Access::Continue).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("a pipe (FIFO)") && text.contains(name),
            "{text}"
        );
        assert!(error.is_request());
        assert!(!RunView::open(&out.file("")).unwrap().is_busy());
    }
    for name in ["run.json", "summary.json", "cells/c/state.safetensors"] {
        let out = Out::with_run();
        pipe(&out.file(name));
        let known = match name {
            "run.json" => RunView::open(&out.file("")).map(|_| ()),
            "summary.json" => out
                .open("one", Access::Continue)
                .unwrap()
                .read_summary()
                .map(|_| ()),
            _ => {
                let run = out.open("one", Access::Continue).unwrap();
                run.cell("c").unwrap().read_state().map(|_| ())
            }
        };
        let text = known.unwrap_err().to_string();
        assert!(
            text.contains("a pipe (FIFO)") && text.contains(name),
            "{text}"
        );
    }
}

#[test]
fn a_report_sweeps_what_a_killed_one_left_and_not_what_is_being_written() {
    let out = Out::with_run();
    fs::write(out.file(".grokrun-dead.tmp"), "half").unwrap();
    let at_work = fs::File::create(out.file(".grokrun-busy.tmp")).unwrap();
    at_work.lock().unwrap();
    let view = RunView::open(&out.file("")).unwrap();
    view.write_report("<html>").unwrap();
    assert!(!out.file(".grokrun-dead.tmp").exists());
    assert!(out.file(".grokrun-busy.tmp").exists());
}
