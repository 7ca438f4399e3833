//! The tensors of multilayer perceptrons on two operands, in the layouts that have them.
//!
//! p elements, E the width of an embedding, M neurons, C classes:
//!
//! | layout | embeddings | first layer | further layers | last layer |
//! | --- | --- | --- | --- | --- |
//! | `OneLayerMLP` (Chughtai et al. 2023) | `W_x`, `W_y` (p, E) | `W` (2E, M) | | `W_U` (M, C) |
//! | `SnMLP` (Stander et al. 2024) | `lembed.weight`, `rembed.weight` (p, E) | `linear.weight` (M, 2E) | | `unembed.weight` (C, M), `unembed.bias` (C) |
//! | clock-and-pizza's A and B | `embed.weight` (p, E), added | `l1.weight` (M, E), `l1.bias` (M) | `l2.weight` (M, M), `l2.bias` (M) | `unembed.weight` (C, M) |
//! | its D | `embed.weight` (p, E), side by side | `l1.weight` (M, 2E), `l1.bias` | | `unembed.weight` |
//! | its X | `embed1.weight`, `embed2.weight` (p, E), added | `l1.weight` (M, E), `l1.bias` | | `unembed.weight` |

use super::{Body, Dims, Layout, MlpSizes, Part, Presence, Shapes, Turn};
use crate::ExchangeError;
use crate::error::refuse;

/// Returns the tensors of a layout.
pub(super) fn parts(layout: Layout, dims: &Dims, sizes: &MlpSizes) -> Vec<Part> {
    let (p, e) = (dims.modulus, sizes.width);
    let mut all = Vec::new();
    let embeddings: &[[&str; 2]] = match (layout, sizes.shared) {
        (Layout::RepTheory, _) => &[["W_x", "embed.0.W_E"], ["W_y", "embed.1.W_E"]],
        (Layout::SnMlp, _) => &[
            ["lembed.weight", "embed.0.W_E"],
            ["rembed.weight", "embed.1.W_E"],
        ],
        (_, true) => &[["embed.weight", "embed.W_E"]],
        (_, false) => &[
            ["embed1.weight", "embed.0.W_E"],
            ["embed2.weight", "embed.1.W_E"],
        ],
    };
    for [name, canonical] in embeddings {
        all.push(Part {
            name: (*name).to_owned(),
            canonical: (*canonical).to_owned(),
            shape: vec![p, e],
            turned: vec![p, e],
            turn: Turn::Keep,
            presence: Presence::Needed,
        });
    }
    let mut inputs = if sizes.concat { 2 * e } else { e };
    let last = sizes.hidden.len();
    for (layer, outputs) in sizes.hidden.iter().chain([&dims.outputs]).enumerate() {
        let (weight, bias) = names(layout, layer, last);
        let (shape, turn) = if layout == Layout::RepTheory {
            (vec![inputs, *outputs], Turn::Keep)
        } else {
            (vec![*outputs, inputs], Turn::Transpose)
        };
        all.push(Part {
            name: weight,
            canonical: format!("layers.{layer}.W"),
            shape,
            turned: vec![inputs, *outputs],
            turn,
            presence: Presence::Needed,
        });
        if sizes.biases {
            let canonical = format!("layers.{layer}.b");
            let presence = match bias {
                Some(_) => Presence::Needed,
                None => Presence::Never(0),
            };
            all.push(Part {
                name: bias.unwrap_or_else(|| canonical.clone()),
                canonical,
                shape: vec![*outputs],
                turned: vec![*outputs],
                turn: Turn::Keep,
                presence,
            });
        }
        inputs = *outputs;
    }
    all
}

/// Returns the names of a layer's weight and of its bias, if it has one.
fn names(layout: Layout, layer: usize, last: usize) -> (String, Option<String>) {
    let unembed = layer == last;
    let (weight, bias) = match layout {
        Layout::RepTheory if unembed => ("W_U", None),
        Layout::RepTheory => ("W", None),
        Layout::SnMlp if unembed => ("unembed.weight", Some("unembed.bias")),
        Layout::SnMlp => ("linear.weight", None),
        _ if unembed => ("unembed.weight", None),
        _ => {
            let name = |part: &str| format!("l{}.{part}", layer + 1);
            return (name("weight"), Some(name("bias")));
        }
    };
    (weight.to_owned(), bias.map(str::to_owned))
}

/// Recognises the layout and the sizes; none if the names are of no such model.
pub(super) fn recognise(shapes: &Shapes) -> Result<Option<(Layout, Dims)>, ExchangeError> {
    let size = |name: &str, at: usize| match shapes.get(name).map(Vec::as_slice) {
        Some(shape @ [_, _]) => Ok(shape[at]),
        Some(shape) => refuse(format!(
            "its tensor {name} is {shape:?}; expected 2 dimensions"
        )),
        None => refuse(format!("it has no tensor {name}")),
    };
    let has = |name: &str| shapes.contains_key(name);
    if has("W_x") {
        if !has("W") {
            return refuse(
                "it has W_x and no W, as BilinearNet's, which multiplies its embeddings; expected OneLayerMLP's (W_x, W_y, W, W_U): the model here has layers of neurons",
            );
        }
        let sizes = MlpSizes {
            width: size("W_x", 1)?,
            concat: true,
            shared: false,
            hidden: vec![size("W", 1)?],
            biases: false,
        };
        return of(Layout::RepTheory, size("W_x", 0)?, size("W_U", 1)?, sizes);
    }
    if has("lembed.weight") {
        let sizes = MlpSizes {
            width: size("lembed.weight", 1)?,
            concat: true,
            shared: false,
            hidden: vec![size("linear.weight", 0)?],
            biases: true,
        };
        let (p, c) = (size("lembed.weight", 0)?, size("unembed.weight", 0)?);
        return of(Layout::SnMlp, p, c, sizes);
    }
    if !has("l1.weight") {
        return Ok(None);
    }
    let shared = !has("embed1.weight");
    let embed = if shared {
        "embed.weight"
    } else {
        "embed1.weight"
    };
    let mut hidden = vec![size("l1.weight", 0)?];
    if has("l2.weight") {
        hidden.push(size("l2.weight", 0)?);
    }
    let width = size(embed, 1)?;
    let sizes = MlpSizes {
        width,
        concat: shared && size("l1.weight", 1)? == 2 * width,
        shared,
        hidden,
        biases: true,
    };
    let (p, c) = (size(embed, 0)?, size("unembed.weight", 0)?);
    of(Layout::PizzaLinear, p, c, sizes)
}

fn of(
    layout: Layout,
    modulus: usize,
    outputs: usize,
    sizes: MlpSizes,
) -> Result<Option<(Layout, Dims)>, ExchangeError> {
    let body = Body::Mlp(sizes);
    let dims = Dims {
        modulus,
        outputs,
        body,
    };
    Ok(Some((layout, dims)))
}

/// Says why a tensor that the layout does not have is not held here, where that is known.
pub(super) fn why_not(layout: Layout, name: &str) -> &'static str {
    match (layout, name) {
        (Layout::RepTheory, "b") => {
            ", as OneLayerMLPwithBias's, which is added after the ReLU and which the model here does not have"
        }
        _ => "",
    }
}
