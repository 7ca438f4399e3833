//! Lays a checkpoint out as published code has it: the way back from the layout of checkpoints.

use std::collections::BTreeMap;

use grokrun_store::Tensor;

use super::{
    Body, Dims, Hints, Layout, MlpSizes, Norm, Part, Presence, Shapes, Turn, parts, swapped,
    transformer, transposed,
};
use crate::ExchangeError;
use crate::array::{Array, Numbers};
use crate::error::refuse;

/// Returns the tensors of a checkpoint under the names and in the orders of a layout, with the
/// buffers that its code saves. Every number is one of the checkpoint, or the zero of a bias that
/// it does not have.
///
/// # Errors
/// If the layout has no place for the model: which part of it.
pub fn laid_out(checkpoint: Vec<Tensor>, layout: Layout) -> Result<Vec<Array>, ExchangeError> {
    if layout == Layout::TransformerLens {
        return Ok(crate::state_dict(checkpoint));
    }
    let shapes: Shapes = checkpoint
        .iter()
        .map(|tensor| (tensor.name.clone(), tensor.shape.clone()))
        .collect();
    let dims = sizes(&shapes)?;
    check_body(layout, &dims.body)?;
    let mut tensors: BTreeMap<String, Tensor> = checkpoint
        .into_iter()
        .map(|tensor| (tensor.name.clone(), tensor))
        .collect();
    let no_place = |name: &str| -> Result<Vec<Array>, ExchangeError> {
        refuse(format!(
            "its {name} has no place in a file of {} layout; expected a model that this layout holds, or another --layout",
            layout.words()
        ))
    };
    let mut arrays = Vec::new();
    for part in parts(layout, &dims) {
        let tensor = tensors.remove(&part.canonical);
        if let Some(tensor) = tensor.as_ref().filter(|tensor| tensor.shape != part.turned) {
            return no_place(&format!("{} of shape {:?}", tensor.name, tensor.shape));
        }
        match (part.presence, tensor) {
            (Presence::Never(number), Some(tensor))
                if tensor.data.iter().any(|x| *x != f32::from(number)) =>
            {
                return no_place(&format!("{}, which is not {number},", tensor.name));
            }
            (Presence::Never(_), _) => {}
            (_, Some(tensor)) => arrays.push(turned_back(part, tensor.data)),
            (Presence::Bias { .. }, None) => {
                let zeros = vec![0.0; part.shape.iter().product()];
                arrays.push(turned_back(part, zeros));
            }
            (Presence::Needed, None) => {
                return refuse(format!(
                    "it has no tensor {}, which a file of {} layout has as {}",
                    part.canonical,
                    layout.words(),
                    part.name
                ));
            }
        }
    }
    let unplaced = tensors.values().find(|t| t.data.iter().any(|x| *x != 0.0));
    if let Some(tensor) = unplaced {
        return no_place(&tensor.name);
    }
    if let (Layout::Paper | Layout::Pizza, Body::Transformer(sizes)) = (layout, &dims.body) {
        let n = 2 + usize::from(sizes.separator);
        let lower = |at: usize| f32::from(u8::from(at % n <= at / n));
        arrays.extend((0..sizes.layers).map(|b| Array {
            name: format!("blocks.{b}.attn.mask"),
            shape: vec![n, n],
            numbers: Numbers::F32((0..n * n).map(lower).collect()),
        }));
    }
    Ok(arrays)
}

fn turned_back(part: Part, data: Vec<f32>) -> Array {
    let data = match (part.turn, part.turned.as_slice(), part.shape.as_slice()) {
        (Turn::Transpose, _, [rows, columns]) => transposed(&data, *columns, *rows),
        (Turn::SwapLast, [_, d, e], _) => swapped(&data, *d, *e),
        _ => data,
    };
    Array {
        name: part.name,
        shape: part.shape,
        numbers: Numbers::F32(data),
    }
}

/// Returns the sizes of a checkpoint's model.
fn sizes(shapes: &Shapes) -> Result<Dims, ExchangeError> {
    if !shapes.contains_key("layers.0.W") {
        return Ok(transformer::recognise(shapes, Hints::default())?.1);
    }
    let shared = shapes.contains_key("embed.W_E");
    let embed = if shared { "embed.W_E" } else { "embed.0.W_E" };
    let Some(&[modulus, width]) = shapes.get(embed).map(Vec::as_slice) else {
        return refuse(
            "its first layer reads one-hot vectors; expected a model with embeddings, as the published layouts have",
        );
    };
    let layer = |number: usize| match shapes.get(&format!("layers.{number}.W")) {
        Some(shape) if shape.len() == 2 => Some([shape[0], shape[1]]),
        _ => None,
    };
    let layers: Vec<[usize; 2]> = (0..).map_while(layer).collect();
    let Some(([_, outputs], hidden)) = layers.split_last() else {
        return refuse("its layers.0.W has not 2 dimensions");
    };
    let hidden: Vec<usize> = hidden.iter().map(|[_, outputs]| *outputs).collect();
    Ok(Dims {
        modulus,
        outputs: *outputs,
        body: Body::Mlp(MlpSizes {
            width,
            concat: layers[0][0] == 2 * width,
            shared,
            hidden,
            biases: shapes.contains_key("layers.0.b"),
        }),
    })
}

/// Checks that a layout is one of such models.
fn check_body(layout: Layout, body: &Body) -> Result<(), ExchangeError> {
    let (fits, expected) = match (layout, body) {
        (Layout::TransformerLens, Body::Transformer(_)) => (true, ""),
        (Layout::Native | Layout::Paper | Layout::Pizza, Body::Transformer(sizes)) => {
            (sizes.norm == Norm::None, "a transformer without layer norm")
        }
        (Layout::RepTheory | Layout::SnMlp, Body::Mlp(sizes)) => (
            sizes.concat && !sizes.shared && sizes.hidden.len() == 1,
            "one hidden layer on the separate embeddings of two operands, side by side",
        ),
        (Layout::PizzaLinear, Body::Mlp(sizes)) => (
            match (sizes.concat, sizes.shared) {
                (false, true) => sizes.hidden.len() <= 2,
                (true, true) | (false, false) => sizes.hidden.len() == 1,
                (true, false) => false,
            },
            "one of the models A, B, D and X",
        ),
        (_, Body::Transformer(_)) => (false, "a multilayer perceptron"),
        (_, Body::Mlp(_)) => (false, "a transformer"),
    };
    if fits {
        return Ok(());
    }
    refuse(format!(
        "it is no model of {} layout; expected {expected}",
        layout.words()
    ))
}
