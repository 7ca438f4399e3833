//! Defines snapshots: named, shaped, borrowed numbers.

use crate::{Failure, Need};

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
    /// `weight.embed.W_E`, `gradient.embed.W_E`, `attention`, `history.test_loss`, …
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

    /// Returns a parameter by TransformerLens' name: `embed.W_E` `(p + 1, d_model)`,
    /// `pos_embed.W_pos`, `blocks.0.attn.W_Q`, `blocks.0.mlp.W_in`, `unembed.W_U` `(d_model, p)`, …
    ///
    /// # Errors
    /// When there is no parameter with that name, or [`Need::Weights`] is not declared.
    pub fn weight(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        self.prefixed("weight.", name, Need::Weights)
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

    /// Returns the gradient of the train loss with respect to a parameter, with the parameter's
    /// shape.
    ///
    /// # Errors
    /// When there is no parameter with that name, or [`Need::Gradients`] is not declared.
    pub fn gradient(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        self.prefixed("gradient.", name, Need::Gradients)
    }

    /// Returns attention from '=' over the full grid, `(p², heads, 3)`: to a, to b, to '='.
    ///
    /// # Errors
    /// When [`Need::Attention`] is not declared.
    pub fn attention(&self) -> Result<Tensor<'a>, Failure> {
        self.tensor("attention", Need::Attention)
    }

    /// Returns an activation over the full grid by the name of its hook: `blocks.1.mlp.hook_post`,
    /// `layers.0.hook_pre`, `(p², width)`; `blocks.0.attn.hook_pattern`, from the last position to
    /// each position, `(p², heads, positions)`.
    ///
    /// # Errors
    /// When there is no activation with that name, or its [`Need`] is not declared.
    pub fn activation(&self, name: &str) -> Result<Tensor<'a>, Failure> {
        self.tensor(name, need_of(name))
    }

    /// Returns the inputs of the last layer of neurons over the full grid, `(p², d_mlp)`.
    ///
    /// # Errors
    /// When [`Need::PreActivations`] is not declared.
    pub fn pre(&self) -> Result<Tensor<'a>, Failure> {
        self.tensor("pre", Need::PreActivations)
    }

    /// Returns the outputs of the last layer of neurons over the full grid, `(p², d_mlp)`.
    ///
    /// # Errors
    /// When [`Need::PostActivations`] is not declared.
    pub fn post(&self) -> Result<Tensor<'a>, Failure> {
        self.tensor("post", Need::PostActivations)
    }

    /// Returns the logits at '=' over the full grid, `(p², p)`.
    ///
    /// # Errors
    /// When [`Need::Logits`] is not declared.
    pub fn logits(&self) -> Result<Tensor<'a>, Failure> {
        self.tensor("logits", Need::Logits)
    }

    /// Returns the losses and accuracies of all epochs so far.
    ///
    /// # Errors
    /// When [`Need::History`] is not declared.
    pub fn history(&self) -> Result<History<'a>, Failure> {
        let column = |name: &str| -> Result<&'a [f64], Failure> {
            match self.find(name) {
                Some(View {
                    data: NumbersRef::F64(data),
                    ..
                }) => Ok(data),
                _ => Err(absent(name, Need::History)),
            }
        };
        Ok(History {
            train_loss: column("history.train_loss")?,
            test_loss: column("history.test_loss")?,
            train_accuracy: column("history.train_accuracy")?,
            test_accuracy: column("history.test_accuracy")?,
        })
    }

    /// Returns the trained parameters by name, one after another as [`Sink::train_loss`] takes
    /// them. A parameter that the optimizer does not move is left out.
    ///
    /// [`Sink::train_loss`]: crate::Sink::train_loss
    ///
    /// # Errors
    /// When [`Need::TrainLoss`] is not declared.
    pub fn trained(&self) -> Result<Vec<(&'a str, Tensor<'a>)>, Failure> {
        let named = self.views.iter().filter_map(|view| {
            let name = view.name.strip_prefix("trained.")?;
            Some((name, as_floats(Some(view))?))
        });
        let all: Vec<_> = named.collect();
        if all.is_empty() {
            return Err(absent("trained weights", Need::TrainLoss));
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

    fn prefixed(&self, prefix: &str, name: &str, need: Need) -> Result<Tensor<'a>, Failure> {
        let named = |view: &&View<'_>| view.name.strip_prefix(prefix) == Some(name);
        as_floats(self.views.iter().find(named)).ok_or_else(|| absent(name, need))
    }

    fn tensor(&self, name: &str, need: Need) -> Result<Tensor<'a>, Failure> {
        as_floats(self.find(name)).ok_or_else(|| absent(name, need))
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

fn absent(name: &str, need: Need) -> Failure {
    Failure::new(format!(
        "the snapshot has no {name}; expected Need::{need:?} in the manifest, and a name that exists"
    ))
}

/// A snapshot whose numbers are owned.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotData {
    /// number of steps taken
    pub epoch: u64,
    tensors: Vec<(String, Vec<usize>, Numbers)>,
    /// further names, each with the tensor that has it too
    also: Vec<(String, String)>,
}

impl SnapshotData {
    /// Makes an empty snapshot.
    pub fn new(epoch: u64) -> SnapshotData {
        SnapshotData {
            epoch,
            tensors: Vec::new(),
            also: Vec::new(),
        }
    }

    /// Gives the tensor of a name another name as well, if there is such a tensor.
    pub fn also(&mut self, name: impl Into<String>, of: impl Into<String>) {
        self.also.push((name.into(), of.into()));
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
    pub fn show<R>(
        &self,
        needs: impl Fn(Need) -> bool,
        look: impl FnOnce(&Snapshot<'_>) -> R,
    ) -> R {
        let wanted = |(name, ..): &&(String, _, _)| needs(need_of(name));
        let mut views: Vec<View<'_>> = self
            .tensors
            .iter()
            .filter(wanted)
            .map(|(name, shape, data)| View {
                name,
                shape,
                data: match data {
                    Numbers::F32(data) => NumbersRef::F32(data),
                    Numbers::F64(data) => NumbersRef::F64(data),
                },
            })
            .collect();
        for (name, of) in &self.also {
            if let Some(view) = views.iter().find(|view| view.name == of) {
                views.push(View { name, ..*view });
            }
        }
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

/// Returns the need that makes a tensor visible.
fn need_of(name: &str) -> Need {
    match name {
        "attention" => Need::Attention,
        "pre" => Need::PreActivations,
        "post" => Need::PostActivations,
        "logits" => Need::Logits,
        _ if name.ends_with(".hook_pattern") => Need::Attention,
        _ if name.ends_with(".hook_pre") => Need::PreActivations,
        _ if name.ends_with(".hook_post") => Need::PostActivations,
        _ if name.starts_with("gradient.") => Need::Gradients,
        _ if name.starts_with("trained.") => Need::TrainLoss,
        _ if name.starts_with("history.") => Need::History,
        _ => Need::Weights,
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
        data.show(
            |need| need == Need::Weights,
            |snapshot| {
                assert_eq!(snapshot.epoch(), 7);
                let w_e = snapshot.weight("embed.W_E").unwrap();
                assert_eq!(
                    (w_e.shape(), w_e.row(1)),
                    (&[2, 3][..], &[3.0, 4.0, 5.0][..])
                );
                assert!(w_e.row(2).is_empty());
                let missing = snapshot.logits().unwrap_err().to_string();
                assert!(missing.contains("Need::Logits"), "{missing}");
                assert!(snapshot.weight("embed.W_X").is_err());
            },
        );
        data.add("post", &[1, 1], Numbers::F32(vec![2.5]));
        data.also("blocks.0.mlp.hook_post", "post");
        data.also("blocks.0.mlp.hook_pre", "pre");
        let hook = |snapshot: &Snapshot<'_>| -> Option<f32> {
            let post = snapshot.activation("blocks.0.mlp.hook_post").ok()?;
            assert!(snapshot.activation("blocks.0.mlp.hook_pre").is_err());
            Some(post.data()[0])
        };
        assert_eq!(
            data.show(|need| need == Need::PostActivations, hook),
            Some(2.5)
        );
        assert_eq!(data.show(|need| need == Need::Weights, hook), None);
    }
}
