//! Defines snapshots: named, shaped, borrowed numbers.

use crate::{Failure, Needs};

/// Borrowed numbers of one type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NumbersRef<'a> {
    /// weights, activations
    F32(&'a [f32]),
    /// losses, accuracies
    F64(&'a [f64]),
}

impl NumbersRef<'_> {
    /// Returns the number of numbers.
    pub fn len(&self) -> usize {
        match self {
            NumbersRef::F32(data) => data.len(),
            NumbersRef::F64(data) => data.len(),
        }
    }

    /// Returns whether there are no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Owned numbers of one type.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// weights, activations
    F32(Vec<f32>),
    /// losses, accuracies
    F64(Vec<f64>),
}

/// A tensor with its name, contiguous and row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View<'a> {
    /// `weight.embed.W_E`, `grad.embed.W_E`, `blocks.0.mlp.hook_post`, `history.test_loss`, …
    pub name: &'a str,
    /// sizes, outermost first
    pub shape: &'a [usize],
    /// the numbers, as many as the product of the sizes
    pub data: NumbersRef<'a>,
}

/// A tensor of f32, contiguous and row-major.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tensor<'a> {
    shape: &'a [usize],
    data: &'a [f32],
}

impl<'a> Tensor<'a> {
    /// Returns all numbers, the last index fastest.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Returns the sizes, outermost first.
    pub fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// Returns the size of a dimension; 0 beyond the last dimension.
    pub fn size(&self, dimension: usize) -> usize {
        self.shape.get(dimension).copied().unwrap_or(0)
    }

    /// Returns the numbers at index `i` of the first dimension; an empty slice beyond its end.
    pub fn row(&self, i: usize) -> &'a [f32] {
        let width = self.shape.iter().skip(1).product::<usize>();
        self.data
            .get(i * width..(i + 1) * width)
            .unwrap_or_default()
    }
}

/// The metrics of all epochs so far; entry e is epoch e's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History<'a> {
    /// the train loss before step e
    pub train_loss: &'a [f64],
    /// the test loss after step e
    pub test_loss: &'a [f64],
    /// the train accuracy before step e
    pub train_accuracy: &'a [f64],
    /// the test accuracy after step e
    pub test_accuracy: &'a [f64],
}

/// A cell at an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    epoch: u64,
    views: &'a [View<'a>],
}

impl<'a> Snapshot<'a> {
    /// Makes the snapshot of these views at an epoch.
    pub fn new(epoch: u64, views: &'a [View<'a>]) -> Snapshot<'a> {
        Snapshot { epoch, views }
    }

    /// Returns the number of steps taken; 0 is before the first step.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns all views.
    pub fn views(&self) -> &'a [View<'a>] {
        self.views
    }

    /// Returns the tensor of a name: `blocks.1.mlp.hook_post`, `layers.0.hook_pre`, `(p², width)`;
    /// `blocks.0.attn.hook_pattern`, from the last position to each position,
    /// `(p², heads, positions)`; `weight.embed.W_E`, …
    ///
    /// # Errors
    /// When the model has no tensor of that name, or no pattern of the manifest's needs matches it.
    pub fn tensor(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        as_floats(self.find(name)).ok_or_else(|| self.absent(name))
    }

    /// Returns a parameter by TransformerLens' name: `embed.W_E` `(p + 1, d_model)`,
    /// `pos_embed.W_pos`, `blocks.0.attn.W_Q`, `blocks.0.mlp.W_in`, `unembed.W_U` `(d_model, p)`, …
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `weight.*`.
    pub fn weight(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        self.tensor(&format!("weight.{name}"))
    }

    /// Returns W_L = W_out W_U, the neuron-logit map of the papers, `(d_mlp, p)`.
    ///
    /// # Errors
    /// As for [`Snapshot::weight`].
    pub fn neuron_logit_map(&self) -> Result<Vec<f32>, Failure> {
        let w_out = self.weight("blocks.0.mlp.W_out")?;
        let w_u = self.weight("unembed.W_U")?;
        let (neurons, p) = (w_out.size(0), w_u.size(1));
        let mut map = vec![0.0; neurons * p];
        for (neuron, out) in map.chunks_exact_mut(p.max(1)).enumerate() {
            for (weight, row) in w_out.row(neuron).iter().zip(w_u.data().chunks_exact(p)) {
                let pairs = out.iter_mut().zip(row);
                pairs.for_each(|(o, x)| *o += weight * x);
            }
        }
        Ok(map)
    }

    /// Returns the gradient of the train loss with respect to a trained parameter, with the
    /// parameter's shape.
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `grad.*`.
    pub fn gradient(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        self.tensor(&format!("grad.{name}"))
    }

    /// Returns the loss of each training sample at these weights, `(train)`, in the order of
    /// [`Task::train`](crate::Task).
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `loss.samples`.
    pub fn sample_losses(&self) -> Result<&'a [f64], Failure> {
        self.doubles("loss.samples")
    }

    /// Returns the attention of a model with one layer of it from '=' over the full grid,
    /// `(p², heads, 3)`: to a, to b, to '='.
    ///
    /// # Errors
    /// When there is no such attention, there are several layers of it, or other positions than
    /// three; or no need matches `blocks.0.attn.hook_pattern`.
    pub fn attention(&self) -> Result<Tensor<'a>, Failure> {
        let mut all = self.ending(".hook_pattern");
        match (all.next(), all.next()) {
            (Some(only), None) if only.size(2) == 3 => Ok(only),
            _ => Err(self.absent("attention of a single layer on three positions")),
        }
    }

    /// Returns the inputs of the last layer of neurons over the full grid, `(p², d_mlp)`.
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `*.hook_pre`.
    pub fn pre(&self) -> Result<Tensor<'a>, Failure> {
        let last = self.ending(".hook_pre").last();
        last.ok_or_else(|| self.absent("hook_pre of a layer"))
    }

    /// Returns the outputs of the last layer of neurons over the full grid, `(p², d_mlp)`.
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `*.hook_post`.
    pub fn post(&self) -> Result<Tensor<'a>, Failure> {
        let last = self.ending(".hook_post").last();
        last.ok_or_else(|| self.absent("hook_post of a layer"))
    }

    /// Returns the logits over the full grid, `(p², p)`; a transformer's are those at its last
    /// position.
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `logits`.
    pub fn logits(&self) -> Result<Tensor<'a>, Failure> {
        self.tensor("logits")
    }

    /// Returns the losses and accuracies of all epochs so far.
    ///
    /// # Errors
    /// As for [`Snapshot::tensor`]; the need is `history.*`.
    pub fn history(&self) -> Result<History<'a>, Failure> {
        Ok(History {
            train_loss: self.doubles("history.train_loss")?,
            test_loss: self.doubles("history.test_loss")?,
            train_accuracy: self.doubles("history.train_accuracy")?,
            test_accuracy: self.doubles("history.test_accuracy")?,
        })
    }

    /// Returns the trained parameters by name, one after another as [`Sink::train_loss`] takes
    /// them. A parameter that the optimizer does not move is left out.
    ///
    /// [`Sink::train_loss`]: crate::Sink::train_loss
    ///
    /// # Errors
    /// When no need is `trained.*`.
    pub fn trained(&self) -> Result<Vec<(&'a str, Tensor<'a>)>, Failure> {
        let named = self.views.iter().filter_map(|view| {
            let name = view.name.strip_prefix("trained.")?;
            Some((name, as_floats(Some(view))?))
        });
        let all: Vec<_> = named.collect();
        if all.is_empty() {
            return Err(self.absent("trained.*"));
        }
        Ok(all)
    }

    /// Returns the trained parameters as one vector.
    ///
    /// # Errors
    /// As for [`Snapshot::trained`].
    pub fn trained_weights(&self) -> Result<Vec<f32>, Failure> {
        let all = self.trained()?.into_iter();
        Ok(all.flat_map(|(_, tensor)| tensor.data()).copied().collect())
    }

    fn find(&self, name: &str) -> Option<&'a View<'a>> {
        self.views.iter().find(|view| view.name == name)
    }

    /// The tensors of names that end so, the first layer first.
    fn ending(&self, end: &'static str) -> impl Iterator<Item = Tensor<'a>> {
        let views = self.views.iter().filter(move |v| v.name.ends_with(end));
        views.filter_map(|view| as_floats(Some(view)))
    }

    fn doubles(&self, name: &str) -> Result<&'a [f64], Failure> {
        match self.find(name).map(|view| view.data) {
            Some(NumbersRef::F64(data)) => Ok(data),
            _ => Err(self.absent(name)),
        }
    }

    fn absent(&self, name: &str) -> Failure {
        let shown: Vec<&str> = self.views.iter().map(|view| view.name).collect();
        Failure::new(format!(
            "the snapshot has no {name}; expected a pattern in the manifest's needs that matches it, and a model that has it; shown are: {}",
            if shown.is_empty() {
                "none".to_owned()
            } else {
                shown.join(", ")
            }
        ))
    }
}

fn as_floats<'a>(view: Option<&'a View<'a>>) -> Option<Tensor<'a>> {
    match view?.data {
        NumbersRef::F32(data) => Some(Tensor {
            shape: view?.shape,
            data,
        }),
        NumbersRef::F64(_) => None,
    }
}

/// A snapshot whose numbers are owned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotData {
    /// number of steps taken
    pub epoch: u64,
    tensors: Vec<(String, Vec<usize>, Numbers)>,
}

impl SnapshotData {
    /// Makes an empty snapshot.
    pub fn new(epoch: u64) -> SnapshotData {
        SnapshotData {
            epoch,
            tensors: Vec::new(),
        }
    }

    /// Adds a tensor under its full name (see [`View::name`]); `data` has as many numbers as the
    /// product of `shape`.
    pub fn add(&mut self, name: impl Into<String>, shape: &[usize], data: Numbers) {
        self.tensors.push((name.into(), shape.to_vec(), data));
    }

    /// Replaces the numbers of a tensor by as many others; nothing happens if there is no tensor of
    /// that name.
    pub fn replace(&mut self, name: &str, data: Numbers) {
        if let Some(tensor) = self.tensors.iter_mut().find(|(n, ..)| n == name) {
            tensor.2 = data;
        }
    }

    /// Takes the memory of a tensor of f32 out of the snapshot; returns an empty vector if there is
    /// no such tensor.
    pub fn take(&mut self, name: &str) -> Vec<f32> {
        match self.remove(name) {
            Some(Numbers::F32(data)) => data,
            _ => Vec::new(),
        }
    }

    /// Does the same as [`take`](SnapshotData::take), for f64.
    pub fn take_f64(&mut self, name: &str) -> Vec<f64> {
        match self.remove(name) {
            Some(Numbers::F64(data)) => data,
            _ => Vec::new(),
        }
    }

    fn remove(&mut self, name: &str) -> Option<Numbers> {
        let at = self.tensors.iter().position(|(n, ..)| n == name)?;
        Some(self.tensors.swap_remove(at).2)
    }

    /// Runs a function on the borrowed snapshot, restricted to `needs`.
    pub fn show<R>(&self, needs: &Needs, look: impl FnOnce(&Snapshot<'_>) -> R) -> R {
        let views: Vec<View<'_>> = self
            .tensors
            .iter()
            .filter(|(name, ..)| needs.has(name))
            .map(|(name, shape, data)| View {
                name,
                shape,
                data: match data {
                    Numbers::F32(data) => NumbersRef::F32(data),
                    Numbers::F64(data) => NumbersRef::F64(data),
                },
            })
            .collect();
        look(&Snapshot::new(self.epoch, &views))
    }

    /// Returns the size of the numbers in bytes.
    pub fn bytes(&self) -> usize {
        let size = |data: &Numbers| match data {
            Numbers::F32(data) => 4 * data.len(),
            Numbers::F64(data) => 8 * data.len(),
        };
        self.tensors.iter().map(|(_, _, data)| size(data)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_shown() {
        let mut data = SnapshotData::new(7);
        data.add(
            "weight.embed.W_E",
            &[2, 3],
            Numbers::F32((0..6).map(|x| x as f32).collect()),
        );
        data.add("logits", &[1, 2], Numbers::F32(vec![0.5, 1.5]));
        let needs = |pattern: &str| Needs::parse([pattern]).unwrap();
        data.show(&needs("weight.*"), |snapshot| {
            assert_eq!(snapshot.epoch(), 7);
            let w_e = snapshot.weight("embed.W_E").unwrap();
            assert_eq!(
                (w_e.shape(), w_e.row(1)),
                (&[2, 3][..], &[3.0, 4.0, 5.0][..])
            );
            assert!(w_e.row(2).is_empty());
            let missing = snapshot.logits().unwrap_err().to_string();
            assert!(
                missing.ends_with("shown are: weight.embed.W_E"),
                "{missing}"
            );
            assert!(snapshot.weight("embed.W_X").is_err());
        });
    }

    #[test]
    fn layers_are_found_by_their_hooks() {
        let mut data = SnapshotData::new(0);
        for (name, shape) in [
            ("blocks.0.attn.hook_pattern", &[1, 1, 3][..]),
            ("blocks.0.mlp.hook_post", &[1, 1]),
            ("blocks.1.mlp.hook_post", &[1, 1]),
        ] {
            let numbers = vec![data.bytes() as f32; shape.iter().product()];
            data.add(name, shape, Numbers::F32(numbers));
        }
        data.add("loss.samples", &[1], Numbers::F64(vec![0.25]));
        data.show(&Needs::all(), |snapshot| {
            let layer = snapshot.tensor("blocks.0.mlp.hook_post").unwrap();
            assert_ne!(layer, snapshot.post().unwrap());
            assert!(snapshot.attention().is_ok() && snapshot.pre().is_err());
            assert_eq!(snapshot.sample_losses().unwrap(), [0.25]);
        });
        let one = Needs::parse(["blocks.0.mlp.hook_post"]).unwrap();
        data.show(&one, |snapshot| {
            assert_eq!(snapshot.views().len(), 1);
            assert!(snapshot.attention().is_err());
        });
        data.add(
            "blocks.1.attn.hook_pattern",
            &[1, 1, 3],
            Numbers::F32(vec![0.0; 3]),
        );
        data.show(&Needs::all(), |snapshot| {
            assert!(snapshot.attention().is_err())
        });
    }
}
