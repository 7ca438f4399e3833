//! Files as other programs write them: wrapped names, settings, numbers of tensors, the paper's
//! layout, folders.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::*;
use crate::archive::Writer;
use crate::array::{Array, Numbers};
use crate::pickle::Pickler;
use crate::tests::checkpoint;
use crate::{state_dict, write_npz, write_safetensors};

pub(super) struct Folder(tempfile::TempDir);

impl Folder {
    pub(super) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file of torch: `fill` writes the pickle, whose tensors are these, in this order.
    fn torch(&self, name: &str, tensors: &[Array], fill: impl FnOnce(&mut Pickler)) -> PathBuf {
        let mut pickler = Pickler::new();
        fill(&mut pickler);
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.add("x/data.pkl", &pickler.finish()).unwrap();
        for (i, tensor) in tensors.iter().enumerate() {
            let storage = tensor.numbers.bytes();
            writer.add(&format!("x/data/{i}"), &storage).unwrap();
        }
        writer.finish().unwrap();
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

pub(super) fn open(path: &Path) -> Result<Facts, String> {
    let mut foreign = Foreign::open(path, None).map_err(|e| e.to_string())?;
    for i in 0..foreign.len() {
        foreign.model(i).map_err(|e| e.to_string())?;
    }
    Ok(foreign.facts().clone())
}

fn said(facts: &Facts, part: &str) -> bool {
    facts.notes.iter().any(|note| note.contains(part))
}

fn model(p: &mut Pickler, arrays: &[Array]) {
    p.dict(|p| {
        for array in arrays {
            p.text(&array.name);
            p.tensor(array);
        }
    });
}

/// Returns the model with its tensors under other names.
fn renamed(rename: impl Fn(usize, &str) -> String) -> Vec<Array> {
    let mut arrays = state_dict(checkpoint(1));
    for (i, array) in arrays.iter_mut().enumerate() {
        array.name = rename(i, &array.name);
    }
    arrays
}

#[test]
fn names_under_wrappers_are_read_in_every_format_and_said() {
    let folder = Folder::new();
    let mixture = |i: usize, name: &str| match i % 4 {
        0 => name.to_owned(),
        1 => format!("module.{name}"),
        2 => format!("_orig_mod.module.{name}"),
        _ => format!("model.{name}"),
    };
    let arrays = renamed(mixture);
    let torch = folder.torch("x.pth", &arrays, |p| model(p, &arrays));
    let safe = folder.path("x.safetensors");
    write_safetensors(&safe, &arrays, &[]).unwrap();
    let npz = folder.path("x.npz");
    write_npz(&npz, &arrays, &[]).unwrap();
    for path in [torch, safe, npz] {
        let facts = open(&path).unwrap();
        assert!(
            said(
                &facts,
                "read without _orig_mod.module., model., module. (some have none)"
            ),
            "{:?}",
            facts.notes
        );
        let foreign = Foreign::open(&path, None).unwrap().model(0).unwrap();
        let want = checkpoint(1);
        let embed = want.iter().find(|t| t.name == "embed.W_E").unwrap();
        assert!(foreign.tensors.contains(embed));
    }
    let twice: Vec<Array> = [
        renamed(|_, n| format!("a.{n}")),
        renamed(|_, n| n.to_owned()),
    ]
    .concat();
    let path = folder.torch("y.pth", &twice, |p| model(p, &twice));
    assert!(
        open(&path)
            .unwrap_err()
            .contains("are both blocks.0.attn.IGNORE")
    );
}

#[test]
fn a_name_that_a_terminal_would_act_on_is_escaped() {
    let folder = Folder::new();
    let arrays = renamed(|i, name| match i {
        0 => "\u{1b}[2J\u{202e}evil".to_owned(),
        _ => name.to_owned(),
    });
    let safe = folder.path("x.safetensors");
    write_safetensors(&safe, &arrays, &[]).unwrap();
    let torch = folder.torch("x.pth", &arrays, |p| model(p, &arrays));
    for path in [safe, torch] {
        let error = open(&path).unwrap_err();
        assert!(error.contains("\\u{1b}[2J\\u{202e}evil"), "{error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

/// Writes the published dictionary with a history and epochs that `fill` writes.
pub(super) fn published(
    folder: &Folder,
    tensors: &[Array],
    fill: impl FnOnce(&mut Pickler),
) -> PathBuf {
    let arrays = state_dict(checkpoint(1));
    let all = [&arrays[..], &arrays[..], tensors].concat();
    folder.torch("x.pth", &all, |p| {
        p.dict(|p| {
            p.text("model");
            model(p, &arrays);
            p.text("checkpoints");
            p.list(|p| model(p, &arrays));
            fill(p);
        });
    })
}

#[test]
fn histories_and_epochs_may_be_tensors_or_lists_of_them() {
    let folder = Folder::new();
    let tensor = |numbers: Numbers| Array::vector("", numbers);
    let single = |x: f32| Array {
        name: String::new(),
        shape: vec![],
        numbers: Numbers::F32(vec![x]),
    };
    let tensors = [
        tensor(Numbers::I64(vec![2])),
        tensor(Numbers::F64(vec![3.0, 2.0])),
        single(5.0),
        single(4.0),
    ];
    let path = published(&folder, &tensors, |p| {
        p.text("checkpoint_epochs");
        p.tensor(&tensors[0]);
        p.text("train_losses");
        p.tensor(&tensors[1]);
        p.text("test_losses");
        p.list(|p| tensors[2..].iter().for_each(|t| p.tensor(t)));
    });
    let facts = open(&path).unwrap();
    assert_eq!(facts.epochs, [2]);
    let columns = facts.history.unwrap().columns;
    assert_eq!(
        (&columns[0][..], &columns[1][..]),
        (&[3.0, 2.0][..], &[5.0, 4.0][..])
    );
    // A value that is not a number is refused by name.
    let path = published(&folder, &[], |p| {
        p.text("checkpoint_epochs");
        p.list(|p| p.text("ten"));
    });
    assert!(
        open(&path)
            .unwrap_err()
            .contains("checkpoint_epochs are no list of epochs")
    );
    let path = published(&folder, &[], |p| {
        p.text("checkpoint_epochs");
        p.floats(&[1.5]);
    });
    assert!(
        open(&path)
            .unwrap_err()
            .contains("checkpoint_epochs are no list of epochs")
    );
}

#[test]
fn settings_that_contradict_the_tensors_are_refused_in_every_format() {
    let folder = Folder::new();
    let arrays = state_dict(checkpoint(1));
    let config = |config: Json| {
        let torch = folder.torch("x.pth", &arrays, |p| {
            p.dict(|p| {
                p.text("model");
                model(p, &arrays);
                p.text("config");
                p.json(&config);
            });
        });
        let safe = folder.path("x.safetensors");
        let metadata = [("hooked_transformer_config", config.to_string())];
        write_safetensors(&safe, &arrays, &metadata).unwrap();
        let npz = folder.path("x.npz");
        write_npz(&npz, &arrays, &[("config", config.to_string())]).unwrap();
        [torch, safe, npz].map(|path| open(&path))
    };
    for found in config(json!({"n_heads": 4})) {
        let error = found.unwrap_err();
        assert!(
            error.contains("n_heads = 4, and its tensors have 2"),
            "{error}"
        );
    }
    for found in config(json!({"normalization_type": "RMSPre"})) {
        assert!(
            found
                .unwrap_err()
                .contains("normalization_type = \"RMSPre\"")
        );
    }
    for found in config(json!({"act_fn": "gelu", "attn_scale": 2.0, "n_heads": 2})) {
        let facts = found.unwrap();
        assert_eq!(facts.activation.as_deref(), Some("gelu"));
        assert_eq!(facts.scale, Some(Scale::By(2.0)));
    }
    let path = folder.path("x.npz");
    let error = Foreign::open(&path, Some(4)).unwrap_err().to_string();
    assert!(error.contains("--heads 4 does not fit"), "{error}");
    assert!(Foreign::open(&path, Some(2)).is_ok());
}

/// Returns a model of the paper's layout, with an output for '='.
fn of_paper() -> Vec<Array> {
    let shapes: [(&str, &[usize]); 9] = [
        ("embed.W_E", &[4, 4]),
        ("pos_embed.W_pos", &[3, 4]),
        ("blocks.0.attn.W_Q", &[2, 1, 4]),
        ("blocks.0.attn.W_K", &[2, 1, 4]),
        ("blocks.0.attn.W_V", &[2, 1, 4]),
        ("blocks.0.attn.W_O", &[4, 2]),
        ("blocks.0.mlp.W_in", &[5, 4]),
        ("blocks.0.mlp.W_out", &[4, 5]),
        ("unembed.W_U", &[4, 4]),
    ];
    let one = |(name, shape): &(&str, &[usize])| Array {
        name: (*name).to_owned(),
        shape: shape.to_vec(),
        numbers: Numbers::F32(
            (0..shape.iter().product())
                .map(|i: usize| i as f32)
                .collect(),
        ),
    };
    shapes.iter().map(one).collect()
}

#[test]
fn what_the_papers_losses_are_is_said() {
    let folder = Folder::new();
    let arrays = of_paper();
    let path = folder.torch("x.pth", &arrays, |p| {
        p.dict(|p| {
            p.text("state_dicts");
            p.list(|p| model(p, &arrays));
            p.text("epochs");
            p.list(|p| p.int(0));
            p.text("train_losses");
            p.floats(&[4.0, 3.0]);
        });
    });
    let facts = open(&path).unwrap();
    assert_eq!(facts.kind, Kind::FullRun);
    assert!(
        said(&facts, "taken before the step of their epoch"),
        "{:?}",
        facts.notes
    );
    assert!(said(&facts, "count the output for '=' as a class"));
    assert!(facts.conventions.test_before_step && facts.conventions.counts_separator);
    let model = Foreign::open(&path, None).unwrap().model(0).unwrap();
    let separator = model.separator.unwrap();
    assert_eq!(separator.column, [3.0, 7.0, 11.0, 15.0]);
    // The same for a file that went through a run and was exported.
    let own = json!({"task": {"modulus": 3}, "imported": {"history": facts.conventions.to_json()}});
    assert_eq!(
        Own::read(&own).unwrap().conventions,
        Some(facts.conventions)
    );
}

#[test]
fn a_folder_is_read_by_its_pattern() {
    let folder = Folder::new();
    for epoch in [100u32, 200, 1000] {
        let arrays = state_dict(checkpoint(epoch));
        folder.torch(&format!("step_{epoch}.pth"), &arrays, |p| {
            p.dict(|p| {
                p.text("model");
                model(p, &arrays);
                p.text("epoch");
                p.int(i64::from(epoch));
                p.text("train_loss");
                p.float(1.0 / f64::from(epoch));
            });
        });
    }
    std::fs::write(folder.path("notes.txt"), "x").unwrap();
    let pattern = |text: &str| Pattern::new(text).unwrap();
    let of = |text: &str| Foreign::open_folder(folder.0.path(), Some(&pattern(text)), None);
    let mut foreign = of("step_{epoch}.pth").unwrap();
    let facts = foreign.facts().clone();
    assert_eq!(facts.epochs, [100, 200, 1000]);
    assert!(
        said(&facts, "1 files that are not named"),
        "{:?}",
        facts.notes
    );
    let history = facts.history.unwrap();
    assert_eq!(history.columns[0].len(), 1001);
    assert!(history.columns[0][200] == 0.005 && history.columns[0][201].is_nan());
    for (i, epoch) in [100, 200, 1000].into_iter().enumerate() {
        let want = checkpoint(epoch);
        let model = foreign.model(i).unwrap();
        assert!(
            model
                .tensors
                .contains(want.iter().find(|t| t.name == "embed.W_E").unwrap())
        );
    }
    let checksum = foreign.checksum().unwrap();
    std::fs::copy(folder.path("step_100.pth"), folder.path("step_200.pth")).unwrap();
    assert_ne!(
        of("step_{epoch}.pth").unwrap().checksum().unwrap(),
        checksum
    );
    let named = of("step_{epoch}.pth").unwrap();
    assert!(said(
        named.facts(),
        "records epoch 100, and its name says 200"
    ));

    for (text, says) in [
        ("{epoch}.pt", "none of its 4 files is named {epoch}.pt"),
        ("*.{epoch}", "none of its"),
    ] {
        let error = of(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let error = Foreign::open_folder(folder.0.path(), None, None)
        .unwrap_err()
        .to_string();
    assert!(error.contains("--pattern 'step_{epoch}.pth'"), "{error}");
    std::fs::copy(folder.path("step_100.pth"), folder.path("step_0100.pth")).unwrap();
    assert!(
        of("step_{epoch}.pth")
            .unwrap_err()
            .to_string()
            .contains("both of epoch 100")
    );
    std::fs::remove_file(folder.path("step_0100.pth")).unwrap();
    let paper = of_paper();
    folder.torch("step_300.pth", &paper, |p| model(p, &paper));
    assert!(
        of("step_{epoch}.pth")
            .unwrap_err()
            .to_string()
            .contains("step_300.pth is of another model")
    );
}
