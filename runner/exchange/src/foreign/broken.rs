//! Files of every format, broken by a seeded generator: each is either read, or refused with a
//! plain message.

use serde_json::json;

use super::tests::{Folder, open, published};
use super::*;
use crate::array::{Array, Numbers};
use crate::tests::checkpoint;
use crate::{state_dict, write_npz, write_safetensors};

/// Returns the next number of xorshift64: the same changes in every run.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Returns a file with some bytes changed, cut, doubled or moved to another name.
fn broken(bytes: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = |state: &mut u64, len: usize| random(state) as usize % len.max(1);
    for _ in 0..1 + random(state) % 4 {
        let place = at(state, bytes.len());
        match random(state) % 6 {
            0 => bytes.truncate(place),
            1 => bytes.extend_from_within(place..),
            2 => drop(bytes.drain(place..(place + 8).min(bytes.len()))),
            // The first bytes say what a file is, and how long its header is.
            3 if !bytes.is_empty() => {
                let early = place % bytes.len().min(400);
                bytes[early] = random(state) as u8;
            }
            _ if !bytes.is_empty() => bytes[place] ^= 1 << (random(state) % 8),
            _ => {}
        }
    }
    bytes
}

#[test]
fn broken_files_of_every_format_are_refused_or_read_and_never_panic() {
    let folder = Folder::new();
    let arrays = state_dict(checkpoint(1));
    let settings = json!({"n_heads": 2, "act_fn": "relu", "d_head": 1}).to_string();
    let own = json!({"task": {"operation": "add", "modulus": 3}, "train": {"betas": [0.9, 0.98]}});
    let column = Array::vector("train_losses", Numbers::F64(vec![1.0, 0.5]));
    let places = Array::vector("train_indices", Numbers::I64(vec![0, 4]));
    let test = Array::vector("test_indices", Numbers::I64(vec![1]));
    let with: Vec<Array> = [&arrays[..], &[column, places, test]].concat();
    let torch = published(&folder, &[], |p| {
        p.text("checkpoint_epochs");
        p.list(|p| p.int(7));
        p.text("config");
        p.json(&json!({"n_heads": 2}));
        p.text("grokrun_config");
        p.json(&own);
        p.text("train_losses");
        p.floats(&[1.0; 7]);
    });
    let safe = folder.path("x.safetensors");
    let metadata = [
        ("hooked_transformer_config", settings.clone()),
        (OWN_CONFIG, own.to_string()),
        ("train_indices", "[0, 4]".to_owned()),
        ("test_indices", "[1]".to_owned()),
    ];
    write_safetensors(&safe, &arrays, &metadata).unwrap();
    let npz = folder.path("x.npz");
    write_npz(
        &npz,
        &with,
        &[("config", settings), (OWN_CONFIG, own.to_string())],
    )
    .unwrap();
    let mut state = 0xb0b;
    for path in [torch, safe, npz] {
        open(&path).unwrap_or_else(|e| panic!("{e}"));
        let whole = std::fs::read(&path).unwrap();
        let other = folder.path("broken.safetensors");
        let mut refused = 0;
        for _ in 0..400 {
            std::fs::write(&other, broken(&whole, &mut state)).unwrap();
            let indices = crate::read_indices(&other)
                .map(drop)
                .map_err(|e| e.to_string());
            for error in [open(&other).map(drop), indices]
                .into_iter()
                .filter_map(Result::err)
            {
                refused += 1;
                assert!(!error.chars().any(char::is_control), "{error:?}");
                assert!(error.len() < 2000, "{error}");
            }
        }
        assert!(refused > 100, "{}: {refused} refused", path.display());
    }
}
