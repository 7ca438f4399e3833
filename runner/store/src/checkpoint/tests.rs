use super::*;

const WAYS: [Keeping; 4] = [
    Keeping {
        halves: false,
        packed: false,
    },
    Keeping {
        halves: true,
        packed: false,
    },
    Keeping {
        halves: false,
        packed: true,
    },
    Keeping {
        halves: true,
        packed: true,
    },
];

fn cell() -> (tempfile::TempDir, CellDir) {
    let folder = tempfile::tempdir().unwrap();
    let cell = CellDir::create(folder.path().join("cells/mul-p5")).unwrap();
    (folder, cell)
}

/// Weights after `epoch` steps: smooth in it, of all sizes.
fn weights(epoch: u64) -> Vec<Tensor> {
    let number = |i: usize, scale: f32| {
        let i = i as f32;
        (i.sin() + 1e-4 * epoch as f32 * (0.3 * i).cos()) * scale
    };
    let tensor = |name: &str, shape: [usize; 2], scale: f32| Tensor {
        name: name.to_owned(),
        shape: shape.to_vec(),
        data: (0..shape[0] * shape[1]).map(|i| number(i, scale)).collect(),
    };
    vec![
        tensor("blocks.0.mlp.W_in", [30, 20], 1.0),
        tensor("embed.W_E", [6, 4], 1e-6),
        tensor("unembed.W_U", [4, 5], 1e4),
    ]
}

fn rounded(mut tensors: Vec<Tensor>) -> Vec<Tensor> {
    for x in tensors.iter_mut().flat_map(|tensor| &mut tensor.data) {
        *x = f16::from_f32(*x).to_f32();
    }
    tensors
}

fn write(cell: &CellDir, keeping: Keeping, epochs: impl Iterator<Item = u64>) {
    let mut writer = cell.checkpoint_writer(keeping);
    epochs.for_each(|epoch| writer.write(epoch, &weights(epoch)).unwrap());
}

fn files(cell: &CellDir) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(cell.path().join("checkpoints")).unwrap();
    let mut files: Vec<_> = entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn each_way_gives_the_weights_back_in_any_order() {
    for keeping in WAYS {
        let (_folder, cell) = cell();
        let epochs: Vec<u64> = (0..80).map(|i| 10 * i).collect();
        write(&cell, keeping, epochs.iter().copied());
        assert_eq!(cell.checkpoints().unwrap(), epochs);
        cell.check_lengths().unwrap();
        let want = |epoch: u64| {
            if keeping.halves {
                rounded(weights(epoch))
            } else {
                weights(epoch)
            }
        };
        let mut reader = cell.checkpoint_reader();
        for &epoch in &epochs {
            assert_eq!(reader.read(epoch).unwrap(), want(epoch));
        }
        for epoch in [790, 0, 310, 320, 330, 20] {
            assert_eq!(reader.read(epoch).unwrap(), want(epoch));
            assert_eq!(cell.read_checkpoint(epoch).unwrap(), want(epoch));
        }
    }
}

#[test]
fn the_default_is_the_plain_file() {
    let (_folder, cell) = cell();
    write(&cell, Keeping::default(), 0..1);
    let notes = cell.owner().at(0).notes();
    let plain = tensors::encode(tensors::entries(&weights(0)), &notes).unwrap();
    assert!(files(&cell) == [("00000000.safetensors".to_owned(), plain)]);
}

#[test]
fn a_writer_that_starts_anywhere_writes_the_same_files() {
    for keeping in WAYS {
        let ((_one, whole), (_two, broken)) = (cell(), cell());
        write(&whole, keeping, 0..70);
        write(&broken, keeping, 0..40);
        // Left behind by a process that was killed after its last state was saved.
        write(&broken, keeping, 30..33);
        write(&broken, keeping, 33..70);
        assert!(files(&whole) == files(&broken), "{keeping:?}");
    }
}

#[test]
fn rounding_stays_within_its_bound_and_says_so() {
    let (_folder, cell) = cell();
    write(&cell, WAYS[1], 0..1);
    let bytes = fs::read(path(&cell, 0, PLAIN)).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let notes = header.metadata().clone().unwrap();
    assert!(notes["precision"].contains("lossy"), "{notes:?}");
    let said = |key: &str| notes[key].parse::<f64>().unwrap();
    let (mut largest, mut relative) = (0f64, 0f64);
    for (exact, kept) in weights(0).iter().zip(cell.read_checkpoint(0).unwrap()) {
        for (x, y) in exact.data.iter().zip(&kept.data) {
            let (x, error) = (f64::from(x.abs()), (f64::from(*x) - f64::from(*y)).abs());
            let bound = if x < 2f64.powi(-14) {
                2f64.powi(-25)
            } else {
                x * 2f64.powi(-11)
            };
            assert!(error <= bound, "{x} is off by {error}");
            largest = largest.max(error);
            relative = relative.max(if x < 2f64.powi(-14) { 0.0 } else { error / x });
        }
    }
    assert_eq!(
        [said("largest_error"), said("largest_relative_error")],
        [largest, relative]
    );
    assert!(relative > 1e-4, "something was rounded");
}

#[test]
fn weights_beyond_float16_are_kept_as_they_are() {
    for keeping in [WAYS[1], WAYS[3]] {
        let (_folder, cell) = cell();
        let mut writer = cell.checkpoint_writer(keeping);
        let mut large = weights(1);
        large[0].data[3] = -65_520.0;
        for (epoch, tensors) in [(0, &weights(0)), (1, &large), (2, &weights(2))] {
            writer.write(epoch, tensors).unwrap();
        }
        assert_eq!(cell.read_checkpoint(1).unwrap(), large);
        assert_eq!(cell.read_checkpoint(2).unwrap(), rounded(weights(2)));
        large[0].data[3] = -65_519.0;
        writer.write(3, &large).unwrap();
        assert_eq!(cell.read_checkpoint(3).unwrap()[0].data[3], -65_504.0);
    }
}

#[test]
fn a_missing_or_damaged_file_is_reported_with_those_that_need_it() {
    let (_folder, cell) = cell();
    write(&cell, WAYS[2], 0..40);
    let second = path(&cell, 1, PACKED);
    let whole = fs::read(&second).unwrap();
    fs::write(&second, &whole[..whole.len() - 1]).unwrap();
    let length = cell.check_lengths().unwrap_err();
    assert!(length.to_string().contains("should be"), "{length}");
    for (damage, kind) in [
        (Some(&whole[..90]), ErrorKind::Altered),
        (None, ErrorKind::Missing),
    ] {
        match damage {
            Some(bytes) => fs::write(&second, bytes).unwrap(),
            None => fs::remove_file(&second).unwrap(),
        }
        for epoch in [2, 31] {
            let error = cell.read_checkpoint(epoch).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(
                text.contains("00000001.") && text.contains("is unpacked by it"),
                "{text}"
            );
        }
        for epoch in [0, 32, 39] {
            assert_eq!(cell.read_checkpoint(epoch).unwrap(), weights(epoch));
        }
    }
    // Another file in its place, whole in itself.
    fs::copy(path(&cell, 0, PACKED), &second).unwrap();
    let error = cell.read_checkpoint(2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Altered);
    assert!(
        error
            .to_string()
            .contains("it is of epoch 0; expected one of epoch 1"),
        "{error}"
    );
}

#[test]
fn every_changed_byte_of_a_packed_file_is_noticed() {
    let (_folder, cell) = cell();
    write(&cell, WAYS[3], 0..3);
    let path = path(&cell, 2, PACKED);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(37) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x20;
        for bytes in [damaged, whole[..at].to_vec()] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(
                cell.read_checkpoint(2).unwrap_err().kind(),
                ErrorKind::Altered
            );
        }
    }
}
