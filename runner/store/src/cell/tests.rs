use super::*;
use crate::metrics::tests::history;
use crate::{ErrorKind, Tensor};
use serde_json::json;

/// A cell's folder; the first part only keeps it.
fn cell() -> (tempfile::TempDir, CellDir) {
    let folder = tempfile::tempdir().unwrap();
    let cell = CellDir::create(folder.path().join("cells/mul-p5")).unwrap();
    (folder, cell)
}

fn tensors() -> Vec<Tensor> {
    let tensor = |name: &str, shape: [usize; 2]| Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: (0..shape[0] * shape[1])
            .map(|i| (i as f32).sqrt())
            .collect(),
    };
    vec![
        tensor("embed.W_E", [6, 4]),
        tensor("first_moment.embed.W_E", [6, 4]),
    ]
}

fn checkpoint(cell: &CellDir, epoch: u64) -> PathBuf {
    let name = format!("checkpoints/{epoch:08}.safetensors");
    cell.path().join(name)
}

fn state() -> State {
    State {
        epoch: 120,
        tensors: tensors(),
        metrics: history(120),
        extra: json!({"status": "training"}),
    }
}

#[test]
fn a_state_comes_back_whole() {
    let (_folder, cell) = cell();
    assert_eq!(cell.read_state().unwrap(), None);
    cell.write_state(&State {
        epoch: 1,
        ..state()
    })
    .unwrap();
    cell.write_state(&state()).unwrap();
    assert_eq!(cell.read_state().unwrap(), Some(state()));
}

#[test]
fn a_state_of_nothing_comes_back_too() {
    let (_folder, cell) = cell();
    let empty = State {
        epoch: 0,
        tensors: vec![],
        metrics: Metrics::default(),
        extra: Value::Null,
    };
    cell.write_state(&empty).unwrap();
    assert_eq!(cell.read_state().unwrap(), Some(empty));
}

/// Each damage at many places: an error with the file's name, and the file left as it is.
#[test]
fn a_damaged_state_or_checkpoint_is_an_error_and_is_kept() {
    let (_folder, cell) = cell();
    cell.write_state(&state()).unwrap();
    cell.write_checkpoint(100, &tensors()).unwrap();
    let read_state = |cell: &CellDir| cell.read_state().map(drop);
    let read_checkpoint = |cell: &CellDir| cell.read_checkpoint(100).map(drop);
    damage(&cell, &cell.state(), read_state);
    damage(&cell, &checkpoint(&cell, 100), read_checkpoint);
}

#[track_caller]
fn damage(cell: &CellDir, path: &Path, read: impl Fn(&CellDir) -> Result<(), StoreError>) {
    let whole = fs::read(path).unwrap();
    let flipped = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x20;
        bytes
    };
    for at in (0..whole.len()).step_by(100) {
        for damaged in [whole[..at].to_vec(), flipped(at)] {
            fs::write(path, &damaged).unwrap();
            let error = read(cell).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Altered);
            assert!(error.to_string().contains("--fresh") && !error.is_request());
            assert_eq!(error.path(), path);
            assert_eq!(fs::read(path).unwrap(), damaged);
        }
    }
    fs::write(path, whole).unwrap();
    read(cell).unwrap();
}

#[test]
fn a_checkpoint_is_no_state() {
    let (_folder, cell) = cell();
    cell.write_checkpoint(3, &tensors()).unwrap();
    fs::copy(checkpoint(&cell, 3), cell.state()).unwrap();
    let error = cell.read_state().unwrap_err();
    assert!(
        error.to_string().contains("no tensor grokrun.epoch"),
        "{error}"
    );
}

#[test]
fn checkpoints_are_listed_by_epoch() {
    let (_folder, cell) = cell();
    assert!(cell.checkpoints().unwrap().is_empty());
    for epoch in [123_456_789, 0, 40_000, 100] {
        cell.write_checkpoint(epoch, &tensors()).unwrap();
    }
    for foreign in [
        "7.safetensors",
        "+0000001.safetensors",
        "00000001.pth",
        "00000001.packed.safetensors",
        "1.packed",
        ".grokrun-a.tmp",
    ] {
        fs::write(cell.path().join("checkpoints").join(foreign), "").unwrap();
    }
    assert_eq!(cell.checkpoints().unwrap(), [0, 100, 40_000, 123_456_789]);
    assert!(
        cell.path()
            .join("checkpoints/00000100.safetensors")
            .exists()
    );
    assert_eq!(cell.read_checkpoint(100).unwrap(), tensors());
    let error = cell.read_checkpoint(7).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Missing);
    assert!(
        error.to_string().contains("from epoch 0 to 123456789"),
        "{error}"
    );
}

#[test]
fn what_cannot_be_stored_leaves_what_was() {
    let (_folder, cell) = cell();
    cell.write_state(&state()).unwrap();
    let named = |names: [&str; 2]| {
        let mut tensors = tensors();
        tensors
            .iter_mut()
            .zip(names)
            .for_each(|(t, name)| t.name = name.to_owned());
        State { tensors, ..state() }
    };
    for bad in [
        named(["W", "W"]),
        named(["W", "grokrun.epoch"]),
        State {
            epoch: u64::MAX,
            ..state()
        },
    ] {
        assert_eq!(
            cell.write_state(&bad).unwrap_err().kind(),
            ErrorKind::Unstorable
        );
    }
    assert_eq!(cell.read_state().unwrap(), Some(state()));
}

#[test]
fn a_split_keeps_the_order_of_its_indices() {
    let (_folder, cell) = cell();
    cell.write_split(&[7, 3, 24], &[0, 1]).unwrap();
    let contents = tensors::read(&cell.path().join("split.safetensors")).unwrap();
    let contents = contents.unwrap_or_else(|why| panic!("{why}"));
    let file = contents.parse().unwrap_or_else(|why| panic!("{why}"));
    assert_eq!(file.i64("train_indices").unwrap(), [7, 3, 24]);
    assert_eq!(file.i64("test_indices").unwrap(), [0, 1]);
}

#[test]
fn the_same_content_gives_the_same_bytes() {
    let write = || {
        let (folder, cell) = cell();
        cell.write_config(&CellConfig::example("c", 1)).unwrap();
        cell.write_split(&[1], &[2]).unwrap();
        cell.write_checkpoint(0, &tensors()).unwrap();
        cell.write_state(&state()).unwrap();
        cell.write_metrics(&history(120)).unwrap();
        let names = [
            "config.json",
            "split.safetensors",
            "checkpoints/00000000.safetensors",
            "state.safetensors",
            "metrics.parquet",
        ];
        (
            names.map(|name| fs::read(cell.path().join(name)).unwrap()),
            folder,
        )
    };
    assert!(write().0 == write().0);
}
