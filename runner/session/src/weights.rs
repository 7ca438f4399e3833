//! Between the executors' flat vectors and named tensors: checkpoints with TransformerLens' names,
//! and the state a run continues from.

use grokrun_program::{Bias, Model as Kind, ModelState, Parameters, Program};
use grokrun_spec::Cell;
use grokrun_store::Tensor;

use crate::SessionError;
use crate::model::{self, Model};

/// The slots of a folded model's state: AdamW's moments.
const MOMENTS: [&str; 2] = ["first_moment", "second_moment"];

/// A tensor's name and shape.
type Name = (String, Vec<usize>);

/// The names and shapes of all that a state of one model holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Layout {
    parameters: Vec<Name>,
    /// each in the order of its flat vector
    slots: Vec<Vec<Name>>,
    /// biases that TransformerLens has and that are always zero
    zeros: Vec<Name>,
}

impl Layout {
    /// The layout of a model; `program` is what trains it, if it is recorded.
    ///
    /// # Errors
    /// When the architecture is none, which the spec refuses before.
    pub(crate) fn new(model: &Model, program: Option<&Program>) -> Result<Layout, SessionError> {
        let parameters = model.parameters()?;
        let names: Vec<Name> = parameters
            .iter()
            .map(|p| (p.name.clone(), p.shape.clone()))
            .collect();
        let slots = match program {
            None => MOMENTS
                .iter()
                .map(|slot| {
                    let moment = |(name, shape): &Name| (format!("{slot}.{name}"), shape.clone());
                    names.iter().map(moment).collect()
                })
                .collect(),
            Some(program) => slots(program, &parameters),
        };
        Ok(Layout {
            zeros: zeros(model),
            parameters: names,
            slots,
        })
    }

    /// The layout of a cell of a plan.
    ///
    /// # Errors
    /// As [`Layout::new`].
    pub(crate) fn of(cell: &Cell, model: &Model) -> Result<Layout, SessionError> {
        match model {
            Model::Folded(_) => Layout::new(model, None),
            Model::Recorded(_) => Layout::new(model, Some(&model::record(cell)?)),
        }
    }

    /// Every float tensor of a checkpoint: for a transformer those of TransformerLens'
    /// `state_dict`, the biases that are always zero included.
    pub(crate) fn checkpoint(&self, parameters: &[f32]) -> Vec<Tensor> {
        let mut tensors = named(&self.parameters, parameters);
        tensors.extend(self.zeros.iter().map(|(name, shape)| Tensor {
            name: name.clone(),
            data: vec![0.0; shape.iter().product()],
            shape: shape.clone(),
        }));
        tensors
    }

    /// Parameters and slots.
    pub(crate) fn state(&self, state: &ModelState) -> Vec<Tensor> {
        let mut tensors = named(&self.parameters, &state.parameters);
        for (names, slot) in self.slots.iter().zip(&state.slots) {
            tensors.extend(named(names, slot));
        }
        tensors
    }

    /// The reverse of [`Layout::state`], after so many steps; the error says which tensor is
    /// missing or has another shape.
    pub(crate) fn read_state(&self, step: u64, tensors: &[Tensor]) -> Result<ModelState, String> {
        Ok(ModelState {
            step,
            parameters: flat(&self.parameters, tensors)?,
            slots: self
                .slots
                .iter()
                .map(|names| flat(names, tensors))
                .collect::<Result<_, _>>()?,
        })
    }

    /// The flat parameters of a checkpoint; the error says which tensor is missing or has another
    /// shape.
    pub(crate) fn of_checkpoint(&self, tensors: &[Tensor]) -> Result<Vec<f32>, String> {
        flat(&self.parameters, tensors)
    }
}

/// The tensors of each slot of a program. A table that is as large as its parameter has its shape.
fn slots(program: &Program, parameters: &Parameters) -> Vec<Vec<Name>> {
    let shape_of = |name: &str, table: grokrun_program::TableId| {
        let of = parameters.iter().find(|p| name.ends_with(&p.name));
        match of {
            Some(parameter) if parameter.len() == program.entries(table) => parameter.shape.clone(),
            _ => {
                let cols = program.table(table).cols;
                vec![program.entries(table) / cols.max(1), cols]
            }
        }
    };
    let all = program.slots.iter().map(|slot| {
        let tables = slot.tables.iter().map(|&table| {
            let name = program.table(table).name.clone();
            let shape = shape_of(&name, table);
            (name, shape)
        });
        tables.collect()
    });
    all.collect()
}

/// Biases that a `state_dict` of TransformerLens has and that the model keeps at zero. A model
/// whose spec says that there are no biases at all has none here either.
fn zeros(model: &Model) -> Vec<Name> {
    let architecture = model.architecture();
    let Kind::Transformer(transformer) = &architecture.model else {
        return Vec::new();
    };
    if transformer.attention_biases != Bias::None || transformer.mlp_biases == Bias::None {
        return Vec::new();
    }
    let mut zeros: Vec<Name> = Vec::new();
    for (number, block) in transformer.blocks.iter().enumerate() {
        let Some(attention) = &block.attention else {
            continue;
        };
        let name = |bias: &str| format!("blocks.{number}.attn.{bias}");
        for bias in ["b_Q", "b_K", "b_V"] {
            zeros.push((name(bias), vec![attention.heads, attention.d_head]));
        }
        zeros.push((name("b_O"), vec![transformer.d_model]));
    }
    zeros.push(("unembed.b_U".to_owned(), vec![architecture.classes]));
    zeros
}

fn named(names: &[Name], flat: &[f32]) -> Vec<Tensor> {
    let mut start = 0;
    let one = |(name, shape): &Name| {
        let end = start + shape.iter().product::<usize>();
        let data = flat[start..end].to_vec();
        start = end;
        Tensor {
            name: name.clone(),
            shape: shape.clone(),
            data,
        }
    };
    names.iter().map(one).collect()
}

fn flat(names: &[Name], tensors: &[Tensor]) -> Result<Vec<f32>, String> {
    let mut flat = Vec::new();
    for (name, want) in names {
        let found = tensors.iter().find(|t| t.name == *name);
        let tensor = found.ok_or_else(|| format!("it has no tensor {name}"))?;
        if tensor.shape != *want {
            return Err(format!(
                "its tensor {name} is {:?}; expected {want:?}",
                tensor.shape
            ));
        }
        flat.extend_from_slice(&tensor.data);
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_engine::{Activation, Shape};

    fn layout() -> (Layout, usize) {
        let shape = Shape {
            modulus: 5,
            d_model: 4,
            heads: 2,
            d_head: 3,
            d_mlp: 6,
            activation: Activation::Relu,
            trained_biases: true,
        };
        let layout = Layout::new(&Model::Folded(shape), None).unwrap();
        (layout, shape.parameters())
    }

    fn numbers(from: usize, count: usize) -> Vec<f32> {
        (from..from + count).map(|i| i as f32).collect()
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        let (layout, count) = layout();
        let before = ModelState {
            step: 7,
            parameters: numbers(0, count),
            slots: vec![numbers(1000, count), numbers(2000, count)],
        };
        let tensors = layout.state(&before);
        assert_eq!(layout.read_state(7, &tensors), Ok(before));
    }

    #[test]
    fn a_missing_or_foreign_tensor_is_named() {
        let (layout, count) = layout();
        let state = grokrun_engine::initial_state(numbers(0, count));
        let mut tensors = layout.state(&state);
        tensors[4].shape = vec![1];
        let error = layout.read_state(0, &tensors).unwrap_err();
        assert!(error.contains("blocks.0.attn.W_K"), "{error}");
        tensors.remove(0);
        let error = layout.read_state(0, &tensors).unwrap_err();
        assert!(error.contains("no tensor embed.W_E"), "{error}");
    }

    #[test]
    fn a_checkpoint_has_the_sixteen_float_tensors_of_transformerlens() {
        let (layout, count) = layout();
        let tensors = layout.checkpoint(&numbers(0, count));
        assert_eq!(tensors.len(), 16);
        let b_q = tensors
            .iter()
            .find(|t| t.name == "blocks.0.attn.b_Q")
            .unwrap();
        assert_eq!(
            (b_q.shape.as_slice(), b_q.data.as_slice()),
            (&[2, 3][..], &[0.0; 6][..])
        );
    }
}
