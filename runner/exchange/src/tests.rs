//! Writes whole files and reads them again, in each layout, damaged and hostile.

use std::path::{Path, PathBuf};

use grokrun_store::Tensor;
use serde_json::json;

use crate::archive::{Archive, Writer};
use crate::*;

/// Returns a checkpoint with p = 3, d = 4, H = 2, E = 1, M = 5.
pub(crate) fn checkpoint(seed: u32) -> Vec<Tensor> {
    let shapes: [(&str, &[usize]); 16] = [
        ("embed.W_E", &[4, 4]),
        ("pos_embed.W_pos", &[3, 4]),
        ("blocks.0.attn.W_Q", &[2, 4, 1]),
        ("blocks.0.attn.W_O", &[2, 1, 4]),
        ("blocks.0.attn.W_K", &[2, 4, 1]),
        ("blocks.0.attn.W_V", &[2, 4, 1]),
        ("blocks.0.mlp.W_in", &[4, 5]),
        ("blocks.0.mlp.W_out", &[5, 4]),
        ("unembed.W_U", &[4, 3]),
        ("blocks.0.mlp.b_in", &[5]),
        ("blocks.0.mlp.b_out", &[4]),
        ("blocks.0.attn.b_Q", &[2, 1]),
        ("blocks.0.attn.b_K", &[2, 1]),
        ("blocks.0.attn.b_V", &[2, 1]),
        ("blocks.0.attn.b_O", &[4]),
        ("unembed.b_U", &[3]),
    ];
    let tensor = |(place, (name, shape)): (usize, &(&str, &[usize]))| {
        let number = |i: usize| (seed + 1) as f32 + place as f32 + i as f32 / 64.0;
        let zero = place >= 9;
        let data = (0..shape.iter().product()).map(|i| if zero { 0.0 } else { number(i) });
        Tensor {
            name: (*name).to_owned(),
            shape: shape.to_vec(),
            data: data.collect(),
        }
    };
    shapes.iter().enumerate().map(tensor).collect()
}

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn pth(&self, epochs: &[u64]) -> PathBuf {
        let path = self.path("x.pth");
        let config = json!({"n_layers": 1, "n_heads": 2, "act_fn": "relu", "n_ctx": 3, "seed": 999, "normalization_type": null});
        let column: Vec<f64> = (0..200).map(|i| 1.0 / f64::from(i + 1)).collect();
        let experiment = Experiment {
            config: &config,
            own: &json!({}),
            history: [&column, &column, &column, &column],
            train: &[0, 4, 8],
            test: &[1, 2, 3, 5, 6, 7],
            epochs,
        };
        write_pth(&path, &experiment, |epoch| {
            Ok::<_, ExchangeError>(checkpoint(epoch as u32))
        })
        .unwrap();
        path
    }

    fn open(&self, path: &Path) -> Result<(Facts, Vec<Model>), String> {
        let mut foreign = Foreign::open(path, None).map_err(|e| e.to_string())?;
        let models = (0..foreign.len()).map(|i| foreign.model(i));
        let models: Result<_, _> = models.collect();
        Ok((foreign.facts().clone(), models.map_err(|e| e.to_string())?))
    }
}

fn same(model: &Model, checkpoint: &[Tensor]) {
    assert_eq!(model.tensors.len(), 16);
    for tensor in &model.tensors {
        let want = checkpoint.iter().find(|t| t.name == tensor.name).unwrap();
        assert_eq!(tensor, want);
    }
}

#[test]
fn a_pth_comes_back() {
    let bench = Bench::new();
    let (facts, models) = bench.open(&bench.pth(&[0, 100, 200])).unwrap();
    assert_eq!(facts.epochs, [0, 100, 200]);
    assert_eq!((facts.modulus, facts.outputs), (3, 3));
    let crate::Body::Transformer(sizes) = facts.body else {
        panic!("it is a transformer");
    };
    assert_eq!((sizes.layers, sizes.d_model, sizes.heads), (1, 4, 2));
    assert_eq!((sizes.d_head, sizes.d_mlp), (1, Some(5)));
    assert_eq!(facts.split, Some([vec![0, 4, 8], vec![1, 2, 3, 5, 6, 7]]));
    assert_eq!(facts.model_seed, Some(999));
    assert!(facts.biases == crate::Biases::Frozen && facts.notes.is_empty());
    assert_eq!(facts.history.unwrap().columns[3].len(), 200);
    for (model, epoch) in models.iter().zip([0, 100, 200]) {
        same(model, &checkpoint(epoch));
    }
}

#[test]
fn the_demos_epochs_are_named_after_their_steps() {
    let bench = Bench::new();
    let (facts, _) = bench.open(&bench.pth(&[99, 199])).unwrap();
    assert_eq!(facts.epochs, [100, 200]);
    assert!(facts.notes[0].contains("100, 200"), "{:?}", facts.notes);
}

#[test]
fn a_safetensors_comes_back_and_is_the_same_bytes_each_time() {
    let bench = Bench::new();
    let path = bench.path("x.safetensors");
    let metadata = [
        ("format", "pt".to_owned()),
        ("epoch", "700".to_owned()),
        (
            "grokrun_config",
            json!({"task": {"operation": "add", "fraction": 0.5}, "seeds": {"data": 3}})
                .to_string(),
        ),
    ];
    let arrays = state_dict(checkpoint(5));
    write_safetensors(&path, &arrays, &metadata).unwrap();
    let (facts, models) = bench.open(&path).unwrap();
    same(&models[0], &checkpoint(5));
    assert_eq!((facts.kind, facts.epochs), (Kind::Safetensors, vec![700]));
    assert_eq!(facts.task.operation.as_deref(), Some("add"));
    let bytes = std::fs::read(&path).unwrap();
    for len in (0..bytes.len()).step_by(7) {
        std::fs::write(&path, &bytes[..len]).unwrap();
        assert!(bench.open(&path).is_err(), "cut at {len}");
    }
}

#[test]
fn a_write_that_fails_leaves_the_old_file_and_nothing_else() {
    let bench = Bench::new();
    let path = bench.pth(&[0, 100]);
    let old = std::fs::read(&path).unwrap();
    let experiment = Experiment {
        config: &json!({}),
        own: &json!({}),
        history: [&[], &[], &[], &[]],
        train: &[0],
        test: &[1],
        epochs: &[1, 2],
    };
    let mut calls = 0;
    let error = write_pth(&path, &experiment, |_| {
        calls += 1;
        match calls {
            3 => Err(ExchangeError::refused("gone")),
            _ => Ok(checkpoint(0)),
        }
    });
    assert_eq!(error.unwrap_err().to_string(), "gone");
    assert_eq!(std::fs::read(&path).unwrap(), old);
    assert_eq!(std::fs::read_dir(bench.folder.path()).unwrap().count(), 1);
}

/// Returns the entries of an archive, one of them replaced.
fn rewrapped(path: &Path, replace: &str, with: &[u8]) -> Vec<u8> {
    let mut archive = Archive::open(std::fs::File::open(path).unwrap()).unwrap();
    let names: Vec<String> = archive.names().map(str::to_owned).collect();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    for name in names {
        let data = archive.read(&name, u64::MAX).unwrap();
        writer
            .add(&name, if name == replace { with } else { &data })
            .unwrap();
    }
    writer.finish().unwrap();
    bytes
}

fn entry(path: &Path, name: &str) -> Vec<u8> {
    let mut archive = Archive::open(std::fs::File::open(path).unwrap()).unwrap();
    archive.read(name, u64::MAX).unwrap()
}

/// Returns the next number of xorshift64: the same changes in every run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn every_truncation_of_a_file_is_refused() {
    let bench = Bench::new();
    let path = bench.pth(&[100]);
    let len = std::fs::metadata(&path).unwrap().len();
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    for len in (0..len).rev() {
        file.set_len(len).unwrap();
        assert!(bench.open(&path).is_err(), "cut at {len}");
    }
}

#[test]
fn changed_bytes_never_panic_and_numbers_are_never_silently_others() {
    let bench = Bench::new();
    let path = bench.pth(&[100]);
    let bytes = std::fs::read(&path).unwrap();
    let (_, models) = bench.open(&path).unwrap();
    let mut state = 0x5eed;
    for _ in 0..3000 {
        let mut changed = bytes.clone();
        for _ in 0..1 + random(&mut state) % 3 {
            let at = random(&mut state) as usize % changed.len();
            changed[at] = random(&mut state) as u8;
        }
        std::fs::write(&path, &changed).unwrap();
        // Padding and dates may change; whatever is read is then what was written.
        if let Ok((_, read)) = bench.open(&path) {
            assert_eq!(read, models);
        }
    }
}

#[test]
fn changed_pickles_under_a_right_check_sum_never_panic() {
    let bench = Bench::new();
    let path = bench.pth(&[100]);
    let pickle = entry(&path, "archive/data.pkl");
    let template = std::fs::read(&path).unwrap();
    let other = bench.path("y.pth");
    let mut state = 0xfeed;
    for _ in 0..1500 {
        let mut changed = pickle.clone();
        for _ in 0..1 + random(&mut state) % 4 {
            let at = random(&mut state) as usize % changed.len();
            changed[at] = random(&mut state) as u8;
        }
        std::fs::write(&path, &template).unwrap();
        std::fs::write(&other, rewrapped(&path, "archive/data.pkl", &changed)).unwrap();
        let _ = bench.open(&other);
    }
}

#[test]
fn a_dictionary_named_a_million_times_does_not_fill_the_disk() {
    let bench = Bench::new();
    let path = bench.pth(&[100]);
    let pickle = entry(&path, "archive/data.pkl");
    // The model, memoized, and a list of it: {"state_dicts": [model, model, …]}
    let at = pickle.windows(5).position(|w| w == b"model").unwrap() + 5;
    let end = pickle.windows(6).position(|w| w == b"config").unwrap() - 5;
    let mut bomb = b"\x80\x02}(X\x0b\0\0\0state_dicts](".to_vec();
    bomb.extend(&pickle[at..end]);
    bomb.extend(b"r\x40\0\0\0");
    bomb.extend(b"j\x40\0\0\0".repeat(90_000));
    bomb.extend(b"eu.");
    std::fs::write(&path, rewrapped(&path, "archive/data.pkl", &bomb)).unwrap();
    let error = bench.open(&path).unwrap_err();
    assert!(error.contains("share their numbers"), "{error}");
}

#[test]
fn numbers_that_are_not_finite_are_refused_by_name() {
    let bench = Bench::new();
    let path = bench.pth(&[100]);
    let mut numbers = entry(&path, "archive/data/0");
    numbers[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, rewrapped(&path, "archive/data/0", &numbers)).unwrap();
    let error = bench.open(&path).unwrap_err();
    assert!(error.contains("embed.W_E has NaN"), "{error}");
}

#[test]
fn a_storage_that_is_shorter_than_it_says_is_refused() {
    let bench = Bench::new();
    let path = bench.pth(&[100]);
    std::fs::write(&path, rewrapped(&path, "archive/data/0", &[0; 60])).unwrap();
    let error = bench.open(&path).unwrap_err();
    assert!(
        error.contains("storage 0 of 16 numbers has 60 bytes"),
        "{error}"
    );
}

#[test]
fn what_is_no_file_of_torch_is_recognised() {
    let bench = Bench::new();
    let path = bench.path("x.pth");
    let missing = Foreign::open(&path, None).unwrap_err();
    assert!(missing.is_request());
    for (bytes, says) in [
        (&b"hello"[..], "a text that begins with \"hello\""),
        (b"", "it is empty"),
        (b"PK\x03\x04 and then nothing", "no end of a zip archive"),
        (
            b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
            "before torch 1.6",
        ),
    ] {
        std::fs::write(&path, bytes).unwrap();
        let error = bench.open(&path).unwrap_err();
        assert!(error.contains(says), "{error}");
    }
}
