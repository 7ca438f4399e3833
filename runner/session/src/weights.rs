//! Between the engine's flat parameter vector and named tensors: checkpoints with TransformerLens'
//! names, and the state a run continues from.

use grokrun_engine::{ModelState, Parameter, Shape};
use grokrun_store::Tensor;

/// The prefixes of a state's tensors.
const FIRST: &str = "first_moment.";
const SECOND: &str = "second_moment.";

/// Every float tensor of TransformerLens' `state_dict`, the biases that are always zero included.
pub(crate) fn checkpoint(shape: &Shape, parameters: &[f32]) -> Vec<Tensor> {
    let (heads, d_head, d_model) = (shape.heads, shape.d_head, shape.d_model);
    let zero = |name: &str, shape: Vec<usize>| Tensor {
        name: name.to_owned(),
        data: vec![0.0; shape.iter().product()],
        shape,
    };
    let mut tensors = named("", shape, parameters);
    tensors.extend([
        zero("blocks.0.attn.b_Q", vec![heads, d_head]),
        zero("blocks.0.attn.b_K", vec![heads, d_head]),
        zero("blocks.0.attn.b_V", vec![heads, d_head]),
        zero("blocks.0.attn.b_O", vec![d_model]),
        zero("unembed.b_U", vec![shape.modulus]),
    ]);
    tensors
}

/// Parameters and both moments.
pub(crate) fn state(shape: &Shape, state: &ModelState) -> Vec<Tensor> {
    [
        named("", shape, &state.parameters),
        named(FIRST, shape, &state.first_moments),
        named(SECOND, shape, &state.second_moments),
    ]
    .concat()
}

/// The reverse of [`state`]; the error says which tensor is missing or has another shape.
pub(crate) fn read_state(
    shape: &Shape,
    epoch: u64,
    tensors: &[Tensor],
) -> Result<ModelState, String> {
    Ok(ModelState {
        epoch,
        parameters: flat("", shape, tensors)?,
        first_moments: flat(FIRST, shape, tensors)?,
        second_moments: flat(SECOND, shape, tensors)?,
    })
}

/// The flat parameters of a checkpoint; the error says which tensor is missing or has another
/// shape.
pub(crate) fn of_checkpoint(shape: &Shape, tensors: &[Tensor]) -> Result<Vec<f32>, String> {
    flat("", shape, tensors)
}

fn named(prefix: &str, shape: &Shape, flat: &[f32]) -> Vec<Tensor> {
    Parameter::ALL
        .iter()
        .map(|parameter| Tensor {
            name: format!("{prefix}{}", parameter.name()),
            shape: parameter.shape(shape),
            data: flat[parameter.range(shape)].to_vec(),
        })
        .collect()
}

fn flat(prefix: &str, shape: &Shape, tensors: &[Tensor]) -> Result<Vec<f32>, String> {
    let mut flat = Vec::with_capacity(shape.parameters());
    for parameter in Parameter::ALL {
        let name = format!("{prefix}{}", parameter.name());
        let want = parameter.shape(shape);
        let found = tensors.iter().find(|t| t.name == name);
        let tensor = found.ok_or_else(|| format!("it has no tensor {name}"))?;
        if tensor.shape != want {
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
    use grokrun_engine::Activation;

    fn shape() -> Shape {
        Shape {
            modulus: 5,
            d_model: 4,
            heads: 2,
            d_head: 3,
            d_mlp: 6,
            activation: Activation::Relu,
            trained_biases: true,
        }
    }

    fn numbers(from: usize) -> Vec<f32> {
        (from..from + shape().parameters())
            .map(|i| i as f32)
            .collect()
    }

    #[test]
    fn a_state_comes_back_as_it_was() {
        let before = ModelState {
            epoch: 7,
            parameters: numbers(0),
            first_moments: numbers(1000),
            second_moments: numbers(2000),
        };
        let tensors = state(&shape(), &before);
        assert_eq!(read_state(&shape(), 7, &tensors), Ok(before));
    }

    #[test]
    fn a_missing_or_foreign_tensor_is_named() {
        let mut tensors = state(&shape(), &ModelState::initial(numbers(0)));
        tensors[4].shape = vec![1];
        let error = read_state(&shape(), 0, &tensors).unwrap_err();
        assert!(error.contains("blocks.0.attn.W_K"), "{error}");
        tensors.remove(0);
        let error = read_state(&shape(), 0, &tensors).unwrap_err();
        assert!(error.contains("no tensor embed.W_E"), "{error}");
    }

    #[test]
    fn a_checkpoint_has_the_sixteen_float_tensors_of_transformerlens() {
        let tensors = checkpoint(&shape(), &numbers(0));
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
