//! Writes the published dictionary: `mod_mult_grokking.pth` and its like.
//!
//! Keys and their types: `model` (a `state_dict`), `config` (a plain dictionary, so that
//! `torch.load` takes it with `weights_only=True`), `grokrun_config` (another one: the task, the
//! seeds and the recipe, with which the file can be imported again), `checkpoints` (a list of
//! `state_dict`s), `checkpoint_epochs` (a list of integers: steps taken), `train_losses`,
//! `test_losses`, `train_accs`, `test_accs` (lists of floats, one an epoch), `train_indices` and
//! `test_indices` (int64 tensors, places in the a-major list of all pairs).

use std::io::{self, Write};
use std::path::Path;

use grokrun_store::Tensor;
use serde_json::Value as Json;

use crate::ExchangeError;
use crate::archive::Writer;
use crate::array::{Array, Numbers, state_dict};
use crate::foreign::OWN_CONFIG;
use crate::output::replace;
use crate::pickle::Pickler;

/// Everything that the file has beside the checkpoints.
#[derive(Clone, Copy, Debug)]
pub struct Experiment<'a> {
    /// The model's settings under TransformerLens's names.
    pub config: &'a Json,
    /// What grokrun itself knows of the cell: task, seeds, recipe.
    pub own: &'a Json,
    /// Train losses, test losses, train accuracies, test accuracies, each `(epochs)`.
    pub history: [&'a [f64]; 4],
    /// Places of the pairs trained on.
    pub train: &'a [i64],
    /// Places of the pairs held out.
    pub test: &'a [i64],
    /// The epochs of all checkpoints; the last one's weights are the `model`.
    pub epochs: &'a [u64],
}

/// The folder in the archive.
const FOLDER: &str = "archive";

/// Writes the file; `read` gives the sixteen tensors of the checkpoint of an epoch, all of the same
/// names and shapes. One checkpoint is in memory at a time.
///
/// # Errors
/// Those of `read`; a checkpoint whose tensors differ from those of the last; or a failure of the
/// disk.
pub fn write_pth<E: From<ExchangeError>>(
    path: &Path,
    experiment: &Experiment<'_>,
    mut read: impl FnMut(u64) -> Result<Vec<Tensor>, E>,
) -> Result<(), E> {
    let failed = |error: &io::Error| E::from(ExchangeError::io("cannot write", path, error));
    let Some(last) = experiment.epochs.last() else {
        return Err(ExchangeError::refused("there is no checkpoint to export").into());
    };
    let model = state_dict(read(*last)?);
    let indices = |name: &str, x: &[i64]| Array::vector(name, Numbers::I64(x.to_vec()));
    let split = [
        indices("train_indices", experiment.train),
        indices("test_indices", experiment.test),
    ];
    let pickle = pickled(experiment, &model, &split);
    replace(path, |out| {
        let mut file = Storages::begin(out, &pickle).map_err(|e| failed(&e))?;
        file.put(&model).map_err(|e| failed(&e))?;
        for epoch in experiment.epochs {
            let checkpoint = state_dict(read(*epoch)?);
            check_alike(&model, &checkpoint, *epoch)?;
            file.put(&checkpoint).map_err(|e| failed(&e))?;
        }
        file.put(&split).map_err(|e| failed(&e))?;
        file.finish().map_err(|e| failed(&e))
    })
}

/// Writes the file of one `state_dict`, as `torch.save(model.state_dict(), path)` does.
///
/// # Errors
/// A failure of the disk.
pub fn write_state_dict(path: &Path, model: &[Array]) -> Result<(), ExchangeError> {
    let failed = |error: &io::Error| ExchangeError::io("cannot write", path, error);
    let mut pickler = Pickler::new();
    tensors(&mut pickler, model);
    let pickle = pickler.finish();
    replace(path, |out| {
        let mut file = Storages::begin(out, &pickle).map_err(|e| failed(&e))?;
        file.put(model).map_err(|e| failed(&e))?;
        file.finish().map_err(|e| failed(&e))
    })
}

/// An archive of torch: the pickle, then the storages that it numbers, one after the other.
struct Storages<W: Write> {
    archive: Writer<W>,
    next: u64,
}

impl<W: Write> Storages<W> {
    fn begin(out: W, pickle: &[u8]) -> io::Result<Storages<W>> {
        let mut archive = Writer::new(out);
        archive.add(&format!("{FOLDER}/data.pkl"), pickle)?;
        archive.add(&format!("{FOLDER}/byteorder"), b"little")?;
        Ok(Storages { archive, next: 0 })
    }

    fn put(&mut self, arrays: &[Array]) -> io::Result<()> {
        for array in arrays {
            let name = format!("{FOLDER}/data/{}", self.next);
            self.archive.add(&name, &array.numbers.bytes())?;
            self.next += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.archive.add(&format!("{FOLDER}/version"), b"3\n")?;
        self.archive.finish()
    }
}

/// Writes a dictionary of tensors.
fn tensors(pickler: &mut Pickler, model: &[Array]) {
    pickler.dict(|p| {
        for array in model {
            p.text(&array.name);
            p.tensor(array);
        }
    });
}

/// Returns the pickle, whose storages are the model's, then each checkpoint's, then the split's.
fn pickled(experiment: &Experiment<'_>, model: &[Array], split: &[Array; 2]) -> Vec<u8> {
    let tensors = |p: &mut Pickler| tensors(p, model);
    let mut pickler = Pickler::new();
    pickler.dict(|p| {
        p.text("model");
        tensors(p);
        p.text("config");
        p.json(experiment.config);
        p.text(OWN_CONFIG);
        p.json(experiment.own);
        p.text("checkpoints");
        p.list(|p| experiment.epochs.iter().for_each(|_| tensors(p)));
        p.text("checkpoint_epochs");
        p.list(|p| {
            experiment
                .epochs
                .iter()
                .for_each(|e| p.int(e.cast_signed()))
        });
        let names = ["train_losses", "test_losses", "train_accs", "test_accs"];
        for (name, column) in names.iter().zip(experiment.history) {
            p.text(name);
            p.floats(column);
        }
        for array in split {
            p.text(&array.name);
            p.tensor(array);
        }
    });
    pickler.finish()
}

fn check_alike(model: &[Array], found: &[Array], epoch: u64) -> Result<(), ExchangeError> {
    let alike = model.len() == found.len()
        && model.iter().zip(found).all(|(m, f)| {
            m.name == f.name && m.shape == f.shape && m.numbers.len() == f.numbers.len()
        });
    if alike {
        Ok(())
    } else {
        Err(ExchangeError::refused(format!(
            "the checkpoint of epoch {epoch} has other tensors than the last one"
        )))
    }
}
