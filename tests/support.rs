//! Runs the built binary in a folder of its own, and compares the files that it leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use grokrun_engine::{Backend, CellInput, Program, Shape, Staged};

/// A small experiment: p = 23 and a small model, well under a second.
pub(crate) const SMALL: &str = r#"
operation = "mul"
modulus = 23
fraction = 0.5
seeds = { data = 1, model = 2 }
[model]
d_model = 32
d_head = 8
d_mlp = 64
[train]
epochs = 300
"#;

/// Returns [`SMALL`], long enough to be stopped on the way several times.
pub(crate) fn longer() -> String {
    SMALL.replace("epochs = 300", "epochs = 4000")
}

/// The cell of [`SMALL`].
pub(crate) const CELL: &str = "mul-p23-f0.5-d1-m2";

/// Waits until the run of [`SMALL`] has written this checkpoint.
pub(crate) fn wait_for(bench: &Bench, checkpoint: u64) {
    let file = format!("runs/small/cells/{CELL}/checkpoints/{checkpoint:08}.safetensors");
    wait_until(&format!("no {file}"), || bench.path().join(&file).exists());
}

/// Waits until the condition holds; fails with `otherwise` after a minute.
pub(crate) fn wait_until(otherwise: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_secs(60), "{otherwise}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal by name, `-INT` for instance.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status();
    assert!(status.expect("kill starts").success());
}

/// A folder that is deleted with the test, a spec in it, and the program to run there.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    /// Writes `spec` to `small.toml`.
    pub(crate) fn new(spec: &str) -> Bench {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("small.toml"), spec).expect("the spec");
        Bench { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, text).expect("a file of the test");
        path
    }

    /// Returns the program, set to work in this folder, and on the CPU unless `args` say otherwise.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grokrun"));
        command
            .current_dir(self.path())
            // All tests share one calibration, and the user's own is not touched.
            .env(
                "GROKRUN_CACHE_DIR",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/cache"),
            )
            .args(args)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        Finished(self.command(args).output().expect("the program starts"))
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().expect("the program starts")
    }

    /// Returns every file of a run with its bytes, except files that hold times.
    pub(crate) fn files(&self, run: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let root = self.path().join("runs").join(run);
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder of the run") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).expect("inside the run").to_owned();
                let timed = ["summary.json", "log.jsonl", "report.html"]
                    .iter()
                    .any(|n| name == Path::new(n));
                if !timed {
                    files.insert(name, std::fs::read(&path).expect("a file of the run"));
                }
            }
        }
        files
    }

    /// Returns every file of the cells of `runs/small`, but for the locks, which tell who has
    /// trained them.
    pub(crate) fn cells(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = self.files("small");
        files.retain(|path, _| path.starts_with("cells") && !path.ends_with(".lock"));
        files
    }

    /// Returns the history of the first cell of `runs/small`.
    pub(crate) fn history(&self) -> grokrun_store::Metrics {
        let run = self.path().join("runs/small");
        let run = grokrun_store::RunView::open(&run).expect("a run");
        let (_, cell) = run.cells().expect("cells").remove(0);
        let (metrics, flaw) = cell.read_history();
        assert_eq!(flaw, None);
        metrics
    }
}

/// Returns the files of a folder, with their bytes; an empty map if there is no folder.
pub(crate) fn below(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path)
            } else {
                let name = path.strip_prefix(root).expect("inside").to_owned();
                files.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    files
}

/// Returns the summary of a run, without its digest, the times and the device's name with its
/// number of threads.
pub(crate) fn summary(bench: &Bench, run: &str) -> serde_json::Value {
    let path = bench.path().join("runs").join(run).join("summary.json");
    let text = std::fs::read(path).expect("a summary");
    let mut cells: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    for cell in cells.as_array_mut().expect("a list") {
        for differs in ["blake3", "seconds", "epochs_per_second", "device"] {
            cell.as_object_mut().expect("an object").remove(differs);
        }
    }
    cells
}

/// Draws numbers that are the same each time: the generator splitmix64.
pub(crate) struct Seeded(pub(crate) u64);

impl Seeded {
    /// Returns a number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}

/// Fails with the name of the first file that differs, rather than with its bytes.
pub(crate) fn assert_same(left: &BTreeMap<PathBuf, Vec<u8>>, right: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(left), names(right));
    for (name, bytes) in left {
        assert!(bytes == &right[name], "{} differs", name.display());
    }
}

/// The output of a finished program.
pub(crate) struct Finished(Output);

impl Finished {
    /// Wraps the output of a program that was started otherwise.
    pub(crate) fn of(output: Output) -> Finished {
        Finished(output)
    }

    pub(crate) fn code(&self) -> Option<i32> {
        self.0.status.code()
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    /// Asserts the exit status, and shows the output if it differs.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Finished {
        assert_eq!(
            self.code(),
            Some(code),
            "stdout:\n{}\nstderr:\n{}",
            self.out(),
            self.err()
        );
        assert!(!self.err().contains("panicked"), "{}", self.err());
        self
    }

    /// Does the same as [`Finished::exits`], if a plugin's own panic is on standard error.
    #[track_caller]
    pub(crate) fn exits_with_panic_words(self, code: i32) -> Finished {
        assert_eq!(self.code(), Some(code), "stderr:\n{}", self.err());
        self
    }

    /// Asserts that standard error contains all of these texts.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Finished {
        let err = self.err();
        for part in parts {
            assert!(err.contains(part), "expected {part:?} in:\n{err}");
        }
        self
    }
}

/// Returns the name of any adapter, software too. Without one the test is skipped and says so,
/// unless `GROKRUN_REQUIRE_GPU=1` makes that a failure.
pub(crate) fn adapter() -> Option<String> {
    let mut devices = grokrun_engine::describe_devices().into_iter();
    let adapter = devices.find(|device| device.backend != "cpu");
    if adapter.is_none() {
        let required = std::env::var_os("GROKRUN_REQUIRE_GPU").is_some_and(|value| value == "1");
        assert!(!required, "GROKRUN_REQUIRE_GPU=1, and there is no adapter");
        eprintln!("skipped: there is no adapter");
    }
    adapter.map(|adapter| adapter.name)
}

/// Returns an executor on any adapter, as [`adapter`] finds it.
pub(crate) fn software_or_hardware_gpu(
    shape: Shape,
    cells: Vec<CellInput>,
) -> Option<Box<dyn Staged>> {
    let adapter = adapter()?;
    let choice = grokrun_engine::choose_backend(Backend::Gpu, Some(&adapter)).expect("it is there");
    Some(grokrun_engine::open(&choice, Program::folded(shape), cells).expect("it opens"))
}
