//! The models of an open file: their names, shapes and numbers as the file has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use grokrun_store::Tensor;

use crate::ExchangeError;
use crate::layout::Shapes;
use crate::names;
use crate::pickle::TensorRef;
use crate::torch::TorchFile;

/// Where the models of a file are.
#[derive(Debug)]
pub(super) enum Source {
    Torch {
        file: Box<TorchFile>,
        models: Vec<BTreeMap<String, TensorRef>>,
    },
    Single(Vec<Tensor>),
    /// one model a file
    Folder(Vec<PathBuf>),
}

impl Source {
    pub(super) fn len(&self) -> usize {
        match self {
            Source::Torch { models, .. } => models.len(),
            Source::Single(_) => 1,
            Source::Folder(files) => files.len(),
        }
    }

    /// Gives every tensor the name that it has in the model itself.
    pub(super) fn unwrap_names(
        &mut self,
        prefixes: &mut BTreeSet<String>,
    ) -> Result<(), ExchangeError> {
        match self {
            Source::Torch { models, .. } => {
                for model in models {
                    let bare = names::unwrap(model.keys().map(String::as_str), prefixes)?;
                    let tensors = std::mem::take(model).into_values();
                    *model = bare.into_iter().zip(tensors).collect();
                }
            }
            Source::Single(tensors) => {
                let bare = names::unwrap(tensors.iter().map(|t| t.name.as_str()), prefixes)?;
                for (tensor, bare) in tensors.iter_mut().zip(bare) {
                    tensor.name = bare;
                }
            }
            Source::Folder(_) => {}
        }
        Ok(())
    }

    pub(super) fn shapes(&self, index: usize) -> Shapes {
        match self {
            Source::Torch { models, .. } => models
                .get(index)
                .into_iter()
                .flatten()
                .map(|(name, tensor)| (name.clone(), tensor.shape.clone()))
                .collect(),
            Source::Folder(_) => Shapes::new(),
            Source::Single(tensors) => tensors
                .iter()
                .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
                .collect(),
        }
    }

    /// Returns the numbers of a tensor; none if the file does not have it.
    pub(super) fn read(&mut self, index: usize, name: &str) -> Result<Vec<f32>, ExchangeError> {
        match self {
            Source::Torch { file, models } => {
                match models.get(index).and_then(|model| model.get(name)) {
                    Some(tensor) => {
                        let numbers = file.numbers(tensor)?;
                        Ok(numbers.into_iter().map(|x| x as f32).collect())
                    }
                    None => Ok(Vec::new()),
                }
            }
            Source::Folder(_) => Ok(Vec::new()),
            Source::Single(tensors) => {
                let tensor = tensors.iter().find(|tensor| tensor.name == name);
                Ok(tensor.map(|tensor| tensor.data.clone()).unwrap_or_default())
            }
        }
    }
}
