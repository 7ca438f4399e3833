//! Reads a foreign file as an experiment: checkpoints in the layout that they have here, and what
//! the file says of its history, split and settings.
//!
//! Recognised: a plain `state_dict`; the published dictionary (`model`, `checkpoints`,
//! `checkpoint_epochs`, losses, accuracies, indices); the paper's `full_run_data` (`state_dicts`,
//! `epochs`, losses); a `.safetensors` or an `.npz` of one model; a folder of such files.

mod attention;
mod contents;
mod facts;
mod folder;
mod history;
mod numbers;
mod own;
mod settings;
mod single;
mod source;
mod stated;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use grokrun_store::Tensor;

use self::contents::{Contents, contents};
use self::own::Own;
use self::settings::Settings;
use self::single::Single;
use self::source::Source;
use crate::ExchangeError;
use crate::error::refuse;
use crate::layout::{self, Body, Dims, Hints, Layout, Norm};
use crate::sniff::{self, Found};
use crate::torch::TorchFile;
use crate::{archive, names};

pub use attention::{Mask, Scale};
pub use facts::{Biases, Facts, History, Kind, Model};
pub use folder::Pattern;
pub use own::KEY as OWN_CONFIG;
pub use own::{Conventions, Recipe, Stop, Task};
pub use stated::Stated;

/// What a file has beside its models.
#[derive(Debug, Default)]
struct Details {
    settings: Settings,
    own: Own,
    epochs: Vec<u64>,
    history: Option<History>,
    record: [Option<f64>; 2],
    split: Option<[Vec<i64>; 2]>,
    notes: Vec<String>,
}

/// An open file.
#[derive(Debug)]
pub struct Foreign {
    path: PathBuf,
    facts: Facts,
    layout: Layout,
    dims: Dims,
    source: Source,
    stated: Stated,
}

impl Foreign {
    /// Reads and recognises a file, by its contents rather than by its name; `heads` is the number
    /// of heads that the user gives.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or is not what was expected: what was found instead.
    pub fn open(path: &Path, heads: Option<usize>) -> Result<Foreign, ExchangeError> {
        Foreign::open_with(path, &Stated::heads(heads))
    }

    /// As [`Foreign::open`], with more that the file does not say.
    ///
    /// # Errors
    /// As [`Foreign::open`]; what was stated does not fit the file.
    pub fn open_with(path: &Path, stated: &Stated) -> Result<Foreign, ExchangeError> {
        let single = |file: Single| {
            let Single {
                kind,
                tensors,
                details,
            } = file;
            (kind, Source::Single(tensors), details)
        };
        let found = sniff::sniff(path)?;
        let (kind, source, details) = match found {
            Found::Safetensors => single(single::safetensors(path)?),
            Found::Zip if !is_torch(path)? => single(single::npz(path)?),
            Found::Zip => {
                let mut file = TorchFile::open(path)?;
                let found = contents(&mut file).map_err(|error| error.of(path))?;
                let Contents {
                    kind,
                    models,
                    details,
                } = found;
                let file = Box::new(file);
                (kind, Source::Torch { file, models }, details)
            }
            Found::Npy => {
                return refuse(
                    "it is one array of numpy; expected a .pth, .safetensors or .npz file with all tensors of a model",
                )
                .map_err(|error: ExchangeError| error.of(path));
            }
            Found::Text => return Err(ExchangeError::refused(sniff::text_in_words(path)).of(path)),
        };
        let mut foreign = Foreign::assemble(path, kind, source, details, stated)
            .map_err(|error| error.of(path))?;
        foreign.facts.notes.extend(misnamed(path, kind));
        Ok(foreign)
    }

    /// Returns what the file says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns a checksum of the whole file, or of all files of a folder, which tells it from
    /// another.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn checksum(&self) -> Result<u32, ExchangeError> {
        let mut hasher = crc32fast::Hasher::new();
        let mut part = vec![0; 1 << 20];
        let files = match &self.source {
            Source::Folder(files) => files.as_slice(),
            _ => std::slice::from_ref(&self.path),
        };
        for path in files {
            let failed = |error| ExchangeError::io("cannot read", path, &error);
            let mut file = File::open(path).map_err(failed)?;
            loop {
                match file.read(&mut part).map_err(failed)? {
                    0 => break,
                    len => hasher.update(&part[..len]),
                }
            }
        }
        Ok(hasher.finalize())
    }

    /// Returns the number of checkpoints.
    pub fn len(&self) -> usize {
        self.source.len()
    }

    /// Returns false: a file without a model is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads a checkpoint.
    ///
    /// # Errors
    /// If its numbers are damaged or not finite, or its mask hides what the model here sees.
    pub fn model(&mut self, index: usize) -> Result<Model, ExchangeError> {
        if let Source::Folder(files) = &self.source {
            return match files.get(index) {
                Some(file) => Foreign::open_with(file, &self.stated)?.model(0),
                None => refuse("it has no such file"),
            };
        }
        let read = |foreign: &mut Foreign| {
            let shapes = foreign.source.shapes(index);
            let (layout, dims) = (foreign.layout, &foreign.dims);
            let source = &mut foreign.source;
            let weights =
                layout::canonical(&shapes, layout, dims, |name| source.read(index, name))?;
            let tensors = weights.tensors.into_iter().map(|t| Tensor {
                name: t.name,
                shape: t.shape,
                data: t.data,
            });
            Ok(Model {
                tensors: tensors.collect(),
                separator: weights.separator,
            })
        };
        read(self).map_err(|error: ExchangeError| error.of(&self.path))
    }

    fn assemble(
        path: &Path,
        kind: Kind,
        mut source: Source,
        details: Details,
        stated: &Stated,
    ) -> Result<Foreign, ExchangeError> {
        let Details {
            settings,
            own,
            epochs,
            history,
            record,
            split,
            mut notes,
        } = details;
        let mut prefixes = BTreeSet::new();
        source.unwrap_names(&mut prefixes)?;
        notes.extend(names::note(&prefixes));
        let first = source.shapes(0);
        let settings = match &stated.config {
            Some(config) => Settings::read(config)?,
            None => settings,
        };
        let rate = stated.rate(settings.rate, &mut notes);
        let hints = Hints {
            heads: settings.heads.or(stated.heads),
            rate: rate.is_some(),
            plain_norm: settings.plain_norm() || stated.plain_norm,
        };
        let (layout, dims) = layout::recognise(&first, hints)?;
        stated.check_heads(layout, &dims)?;
        if layout == Layout::Pizza && rate.is_none() {
            return refuse(
                "it is a clock-and-pizza transformer, and its tensors do not show how its attention is mixed; tell its attn_coeff with --attention-rate R, or its settings with --config FILE",
            );
        }
        settings.check_sizes(&dims)?;
        own.check_modulus(&dims)?;
        for index in 1..source.len() {
            layout::check(&source.shapes(index), layout, &dims)
                .map_err(|error| ExchangeError::refused(format!("checkpoint {index}: {error}")))?;
        }
        if dims.outputs > dims.modulus {
            notes.push(format!(
                "the model has {} outputs: the last one, for '=', is left out, as the published analyses do",
                dims.outputs
            ));
        }
        let conventions = own.conventions.unwrap_or(Conventions {
            test_before_step: kind == Kind::FullRun,
            counts_separator: dims.outputs > dims.modulus,
        });
        if history.is_some() {
            notes.extend(conventions.notes());
        }
        let transformer = dims.transformer();
        let heads_known = layout != Layout::Native || hints.heads.is_some();
        let facts = Facts {
            kind,
            layout: layout.words(),
            modulus: dims.modulus,
            outputs: dims.outputs,
            heads_known,
            no_norm: settings.no_norm || transformer.is_none_or(|sizes| sizes.norm != Norm::None),
            scale: transformer.and_then(|sizes| match layout {
                // The published code divides by √d_head.
                Layout::Pizza => Some(Scale::Root),
                _ => settings.scale(sizes.d_head),
            }),
            of_sums: matches!(layout, Layout::Pizza | Layout::PizzaLinear),
            mask: match layout {
                Layout::Pizza => Some(Mask::None),
                _ => settings.mask,
            },
            rate,
            activation: match layout {
                Layout::RepTheory | Layout::PizzaLinear => Some("relu".to_owned()),
                _ => settings.activation,
            },
            body: dims.body.clone(),
            model_seed: own.task.model_seed.or(settings.seed),
            biases: Biases::Frozen,
            epochs,
            history,
            split,
            conventions,
            record,
            ours: own.is,
            task: own.task,
            notes,
        };
        let mut foreign = Foreign {
            path: path.to_owned(),
            facts,
            layout,
            dims,
            source,
            stated: Stated {
                heads: hints.heads,
                ..stated.clone()
            },
        };
        foreign.facts.biases = foreign.biases()?;
        Ok(foreign)
    }

    /// Says which biases are not zero in some checkpoint.
    fn biases(&mut self) -> Result<Biases, ExchangeError> {
        if let Body::Mlp(sizes) = &self.dims.body {
            return Ok(if sizes.biases {
                Biases::Trained
            } else {
                Biases::None
            });
        }
        let [neurons, others] = layout::biases(self.layout, &self.dims);
        let mut found = Biases::Frozen;
        for index in 0..self.len() {
            let shapes = self.source.shapes(index);
            for (names, which) in [(&others, Biases::All), (&neurons, Biases::Trained)] {
                for name in names.iter().filter(|name| shapes.contains_key(*name)) {
                    if found < which && self.source.read(index, name)?.iter().any(|x| *x != 0.0) {
                        found = which;
                    }
                }
            }
        }
        Ok(found)
    }
}

/// Says whether an archive is of `torch.save`, rather than of `numpy.savez`.
fn is_torch(path: &Path) -> Result<bool, ExchangeError> {
    let file = File::open(path).map_err(|error| ExchangeError::io("cannot read", path, &error))?;
    let archive = archive::Archive::open(file).map_err(|error| error.of(path))?;
    Ok(archive.names().any(|name| name.ends_with("data.pkl")))
}

/// Returns the note for a file whose name ends as those of another kind do.
fn misnamed(path: &Path, kind: Kind) -> Option<String> {
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let (endings, what): (&[&str], &str) = match kind {
        Kind::Safetensors => (&["safetensors"], "a safetensors file"),
        Kind::Npz => (&["npz"], "an archive of numpy.savez"),
        _ => (&["pth", "pt", "bin", "ckpt", "pkl"], "a file of torch.save"),
    };
    let known = [
        "safetensors",
        "npz",
        "npy",
        "pth",
        "pt",
        "bin",
        "ckpt",
        "pkl",
    ];
    let misleads = known.contains(&ending.as_str()) && !endings.contains(&ending.as_str());
    misleads.then(|| format!("its name ends in .{ending}, but it is {what}, and is read as one"))
}

#[cfg(test)]
mod broken;
#[cfg(test)]
mod tests;
