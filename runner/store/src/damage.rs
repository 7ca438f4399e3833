//! Tests: files of a run that are changed in a byte, cut off, or put into another's place, by a
//! seeded generator, and what every reader makes of them.
//!
//! A reader names the damaged file or finds what it found before; what verifies a cell names every
//! damaged file of it. `GROKRUN_DAMAGE` is how many cases of each file there are.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::CellConfig;
use crate::metrics::tests::history;
use crate::{
    Access, CellDir, CellSummary, FindingFiles, FindingsIndex, FoundTensor, Keeping, RunDir,
    RunView, State, Summary, Tensor,
};

const CELLS: [&str; 2] = ["mul-p5-m1", "mul-p5-m2"];
const EPOCHS: [u64; 3] = [0, 20, 40];

/// Numbers that look random, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % end
    }
}

fn cases() -> usize {
    let asked = std::env::var("GROKRUN_DAMAGE").ok();
    asked.and_then(|n| n.parse().ok()).unwrap_or(12)
}

fn tensors(cell: u64, epoch: u64) -> Vec<Tensor> {
    let data = (0..24).map(|i| (cell * 100 + epoch + i) as f32).collect();
    vec![Tensor {
        name: "embed.W_E".to_owned(),
        shape: vec![6, 4],
        data,
    }]
}

fn findings(cell: u64) -> FindingFiles {
    let json = |text: &str| text.replace('N', &cell.to_string()).into_bytes().into();
    FindingFiles {
        index: FindingsIndex {
            analysis: "sparsity".to_owned(),
            tables: vec!["keys".to_owned()],
            figures: vec!["gini".to_owned()],
            ..FindingsIndex::default()
        },
        epochs: vec![0, 20],
        series: vec![("gini".to_owned(), vec![0.5, cell as f64])],
        tensors: vec![FoundTensor {
            name: "norms".to_owned(),
            shape: vec![2, 1],
            data: [0.5f32, cell as f32].map(f32::to_le_bytes).concat().into(),
            epochs: Some(vec![0, 20]),
        }],
        json: vec![
            (
                "keys.table.json".to_owned(),
                json(r#"{"columns":["k"],"rows":[[N]]}"#),
            ),
            (
                "gini.figure.json".to_owned(),
                json(r#"{"data":[{"y":[N, 2.5]}]}"#),
            ),
        ],
    }
}

/// A run of two cells of one shape, with a file of every kind.
fn run(keeping: Keeping) -> tempfile::TempDir {
    let out = tempfile::tempdir().unwrap();
    let spec = "modulus = 5\n[analysis.sparsity]\n";
    let run = RunDir::open(out.path(), "r", spec, spec, "whole", Access::Continue).unwrap();
    let mut summary = Summary::default();
    for (number, id) in (1..).zip(CELLS) {
        let cell = run.cell(id).unwrap().of(format!("fingerprint {number}"));
        cell.write_config(&CellConfig::example(id, number as i64))
            .unwrap();
        cell.write_split(&[1, number as i64], &[7]).unwrap();
        let mut writer = cell.checkpoint_writer(keeping);
        for epoch in EPOCHS {
            writer.write(epoch, &tensors(number, epoch)).unwrap();
        }
        cell.write_metrics(&history(40 + number)).unwrap();
        cell.write_state(&State {
            epoch: 40,
            tensors: tensors(number, 40),
            metrics: history(40 + number),
            extra: json!({ "status": "finished" }),
        })
        .unwrap();
        cell.write_findings("sparsity", findings(number)).unwrap();
        summary.set(CellSummary::new(id, "finished", &history(40)));
    }
    run.write_summary(&summary, &CELLS).unwrap();
    out
}

/// What each reader finds, or its error.
fn readers(run: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut put = |name: String, found: Result<String, String>| {
        let text = found.unwrap_or_else(|error| format!("error: {error}"));
        all.insert(name, text);
    };
    fn in_words<T: std::fmt::Debug>(read: Result<T, crate::StoreError>) -> Result<String, String> {
        read.map(|found| format!("{found:?}"))
            .map_err(|e| e.to_string())
    }
    let view = match RunView::open(run) {
        Ok(view) => view,
        Err(error) => return BTreeMap::from([("run".to_owned(), format!("error: {error}"))]),
    };
    put(
        "run".to_owned(),
        Ok(format!("{} {}", view.name(), view.fingerprint())),
    );
    put("spec".to_owned(), in_words(view.spec()));
    put("analyses".to_owned(), in_words(view.analyses()));
    put("summary".to_owned(), in_words(view.summary()));
    for (id, bare) in view.cells().unwrap() {
        // With and without the fingerprint of the plan.
        let number = 1 + CELLS.iter().position(|cell| *cell == id).unwrap();
        let own = bare.clone().of(format!("fingerprint {number}"));
        for (how, cell) in [("", &bare), (" of the plan", &own)] {
            let mut put = |name: &str, found| put(format!("{name} of {id}{how}"), found);
            put("config", in_words(cell.read_config()));
            put("split", in_words(cell.read_split()));
            put("metrics", in_words(cell.read_metrics()));
            put("state", in_words(cell.read_state()));
            put("findings", in_words(cell.read_findings("sparsity")));
            for epoch in EPOCHS {
                put(
                    &format!("checkpoint {epoch}"),
                    in_words(cell.read_checkpoint(epoch)),
                );
            }
            let (found, flaws) = cell.read_analyses();
            let flaws = flaws.iter().map(ToString::to_string);
            let figures = found.iter().flat_map(|f| &f.figures);
            let figures: Vec<_> = figures.map(|(_, file)| in_words(file.read())).collect();
            let tables: Vec<_> = found.iter().map(|f| (&f.index, &f.tables)).collect();
            let text = format!("{tables:?} {figures:?} {}", flaws.collect::<String>());
            put("everything found", Ok(text));
        }
    }
    all
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path))
        } else {
            all.push(path)
        }
    }
    // Locks are empty.
    all.retain(|path| fs::metadata(path).unwrap().len() > 0);
    all.sort();
    all
}

fn cell_of(run: &Path, file: &Path) -> Option<CellDir> {
    let id = file.strip_prefix(run.join("cells")).ok()?.iter().next()?;
    Some(CellDir::at(run.join("cells").join(id)))
}

/// Each reader names the file or finds what it did; what verifies its cell names it.
#[track_caller]
fn check(run: &Path, file: &Path, before: &BTreeMap<String, String>, what: &str) {
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let shown = file.display();
    for (reader, found) in readers(run) {
        let same = before.get(&reader) == Some(&found);
        assert!(
            same || found.contains(&name),
            "{shown}, {what}: {reader} finds {found}"
        );
    }
    if let Some(cell) = cell_of(run, file) {
        let flaws: Vec<String> = cell.verify().iter().map(ToString::to_string).collect();
        let named = flaws.iter().any(|flaw| flaw.contains(&name));
        assert!(named, "{shown}, {what}: not among {flaws:?}");
    }
}

const WAYS: [Keeping; 2] = [
    Keeping {
        halves: false,
        packed: false,
    },
    Keeping {
        halves: true,
        packed: true,
    },
];

#[test]
fn a_whole_run_has_nothing_to_tell() {
    for keeping in WAYS {
        let out = run(keeping);
        let run = out.path().join("r");
        for (reader, found) in readers(&run) {
            assert!(!found.contains("error"), "{reader}: {found}");
        }
        for (_, cell) in RunView::open(&run).unwrap().cells().unwrap() {
            assert!(cell.verify().is_empty());
            let history = cell.read_state().unwrap().unwrap().metrics;
            assert!(cell.undescribed(&history).unwrap().is_empty());
        }
    }
}

#[test]
fn a_changed_byte_or_a_cut_is_named_or_changes_nothing() {
    let mut random = Random(19);
    for keeping in WAYS {
        let out = run(keeping);
        let run = out.path().join("r");
        let before = readers(&run);
        for file in files(&run) {
            let whole = fs::read(&file).unwrap();
            for _ in 0..cases() {
                let at = random.below(whole.len());
                let byte = 1 + random.below(255) as u8;
                let mut changed = whole.clone();
                changed[at] ^= byte;
                fs::write(&file, &changed).unwrap();
                check(&run, &file, &before, &format!("byte {at} ^ {byte}"));
            }
            for at in [0, random.below(whole.len()), whole.len() - 1] {
                // A text without its last line break is the same text; its cell is told of all the
                // same.
                fs::write(&file, &whole[..at]).unwrap();
                check(&run, &file, &before, &format!("cut at {at}"));
            }
            fs::write(&file, whole).unwrap();
        }
        assert_eq!(readers(&run), before);
    }
}

#[test]
fn a_file_in_the_place_of_another_is_named() {
    for keeping in WAYS {
        let out = run(keeping);
        let run = out.path().join("r");
        let before = readers(&run);
        let [one, other] = CELLS.map(|cell| run.join("cells").join(cell));
        let mut places = Vec::new();
        for file in files(&one) {
            places.push((file.clone(), other.join(file.strip_prefix(&one).unwrap())));
        }
        let checkpoints = files(&one.join("checkpoints"));
        for from in &checkpoints {
            let to = checkpoints.iter().filter(|to| *to != from);
            places.extend(to.map(|to| (from.clone(), to.clone())));
        }
        for (from, to) in places {
            let whole = fs::read(&to).unwrap();
            fs::copy(&from, &to).unwrap();
            check(
                &run,
                &to,
                &before,
                &format!("{} in its place", from.display()),
            );
            fs::write(&to, whole).unwrap();
        }
    }
}

#[test]
fn what_describes_a_cell_is_found_wanting() {
    let out = run(Keeping::default());
    let run = out.path().join("r");
    let cell = CellDir::at(run.join("cells").join(CELLS[0])).of("fingerprint 1".to_owned());
    for name in ["config.json", "split.safetensors", "metrics.parquet"] {
        let file = cell.path().join(name);
        let whole = fs::read(&file).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 20 + 1) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, changed).unwrap();
            let flaws = cell.undescribed(&history(41)).unwrap();
            assert!(
                flaws.iter().any(|flaw| flaw.contains(name)),
                "{name}: {flaws:?}"
            );
        }
        fs::remove_file(&file).unwrap();
        assert!(cell.undescribed(&history(41)).unwrap()[0].contains(name));
        fs::write(&file, whole).unwrap();
    }
}

/// A process was killed after it had saved the state, and before it wrote the history beside it.
#[test]
fn a_history_that_is_behind_the_state_is_found_and_renewed() {
    let out = run(Keeping::default());
    let run = out.path().join("r");
    let bare = CellDir::at(run.join("cells").join(CELLS[0]));
    let cell = bare.clone().of("fingerprint 1".to_owned());
    let mut longer = history(50);
    longer.push(crate::Row {
        epoch: 50,
        train_loss: f64::NAN,
        test_loss: f64::NAN,
        train_accuracy: 0.0,
        test_accuracy: 0.0,
    });
    let flaws = cell.undescribed(&longer).unwrap();
    assert_eq!(flaws.len(), 1);
    assert!(
        flaws[0].contains("metrics.parquet is not of the 51 epochs"),
        "{flaws:?}"
    );
    for dir in [&bare, &cell] {
        cell.write_metrics(&history(41)).unwrap();
        dir.renew_metrics(&longer).unwrap();
        assert!(cell.undescribed(&longer).unwrap().is_empty(), "NaN is NaN");
        assert!(cell.read_metrics().unwrap().unwrap().is(&longer));
    }
    fs::remove_file(cell.path().join("metrics.parquet")).unwrap();
    bare.renew_metrics(&longer).unwrap();
    assert!(cell.undescribed(&longer).unwrap().is_empty());
}

/// A run of an older grokrun: no digests but in tensor files, and nothing says whose it is.
#[test]
fn a_run_without_digests_is_read_as_it_is() {
    let out = run(Keeping::default());
    let run = out.path().join("r");
    let before = readers(&run);
    for file in files(&run) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let lines = text.lines().filter(|line| !line.contains("blake3"));
        let old: String = lines.map(|line| format!("{line}\n")).collect();
        match file.extension().and_then(|e| e.to_str()) {
            Some("toml") => fs::write(&file, old).unwrap(),
            Some("json") if !text.starts_with("{\"") => {
                let mut json: serde_json::Value = serde_json::from_str(&old).unwrap();
                let is_manifest = file.ends_with("run.json");
                let first = match &mut json {
                    serde_json::Value::Array(list) => list.first_mut(),
                    json => Some(json),
                };
                let object = first.and_then(serde_json::Value::as_object_mut);
                if let Some(object) = object.filter(|_| !is_manifest) {
                    object.remove("fingerprint");
                    object.remove("files");
                }
                fs::write(&file, json.to_string()).unwrap();
            }
            _ => {}
        }
    }
    for id in CELLS {
        let cell = CellDir::at(run.join("cells").join(id));
        let [train, test] = cell.read_split().unwrap().unwrap();
        let entries = vec![
            ("train_indices".into(), crate::tensors::Entry::i64(&train)),
            ("test_indices".into(), crate::tensors::Entry::i64(&test)),
        ];
        crate::tensors::write(&cell.path().join("split.safetensors"), entries, &[]).unwrap();
        let history = cell.read_state().unwrap().unwrap().metrics;
        assert!(cell.undescribed(&history).unwrap().is_empty());
        assert!(cell.verify().is_empty());
    }
    for (reader, found) in readers(&run) {
        let is_json = reader.starts_with("config")
            || reader.contains("found")
            || reader.starts_with("findings");
        assert!(!found.contains("error"), "{reader}: {found}");
        assert!(is_json || before[&reader] == found, "{reader}: {found}");
    }
}
