//! The tensors of transformers, in the layouts that have them.
//!
//! p + 1 tokens with '=' and p without, n positions, d = d_model, H heads of E = d_head, M = d_mlp,
//! C classes; b is the number of a block.
//!
//! | layout | W_E | W_pos | W_Q, W_K, W_V | W_O | W_in | W_out | W_U |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | TransformerLens 1 to 3 | (p+1, d) | (n, d) | (H, d, E) | (H, E, d) | (d, M) | (M, d) | (d, C) |
//! | paper, clock-and-pizza | (d, p+1) | (n, d) | (H, E, d) | (d, H·E) | (M, d) | (d, M) | (d, C) |
//! | TransformerLens 4, `….weight` | (p+1, d) | (n, d) | (H·E, d) | (d, H·E) | (M, d) | (d, M) | (C, d) |

use super::{Body, Dims, Hints, Layout, Norm, Part, Presence, Shapes, TransformerSizes, Turn};
use crate::ExchangeError;
use crate::error::refuse;

/// The most blocks of a model here.
const MOST_LAYERS: usize = 4;

/// Collects the parts of one layout.
struct Parts(Vec<Part>);

impl Parts {
    fn weight(
        &mut self,
        [name, canonical]: [String; 2],
        shape: &[usize],
        turned: &[usize],
        turn: Turn,
    ) {
        self.0.push(Part {
            name,
            canonical,
            shape: shape.to_vec(),
            turned: turned.to_vec(),
            turn,
            presence: Presence::Needed,
        });
    }

    /// Adds a vector, or a bias of heads.
    fn vector(
        &mut self,
        [name, canonical]: [String; 2],
        shape: &[usize],
        turned: &[usize],
        presence: Presence,
    ) {
        self.0.push(Part {
            name,
            canonical,
            shape: shape.to_vec(),
            turned: turned.to_vec(),
            turn: Turn::Keep,
            presence,
        });
    }

    /// Adds weight and bias of a layer norm, where the file has them or the model has.
    fn norm(&mut self, norm: Norm, name: &str, d: usize) {
        for (part, plain) in [("w", 1), ("b", 0)] {
            let name = format!("{name}.{part}");
            let presence = match norm {
                Norm::None => continue,
                Norm::Pre => Presence::Needed,
                Norm::PrePlain => Presence::Never(plain),
            };
            self.vector([name.clone(), name], &[d], &[d], presence);
        }
    }
}

/// Returns the tensors of a layout.
pub(super) fn parts(layout: Layout, dims: &Dims, sizes: &TransformerSizes) -> Vec<Part> {
    use Turn::{Keep, SwapLast, Transpose};
    let (v, c) = (dims.tokens(), dims.outputs);
    let TransformerSizes {
        layers,
        d_model: d,
        heads: h,
        d_head: e,
        d_mlp,
        separator,
        norm,
    } = *sizes;
    let n = 2 + usize::from(separator);
    let native = layout == Layout::Native;
    let turned = matches!(layout, Layout::Paper | Layout::Pizza);
    // The biases of attention and unembedding, which the paper's layout does not have.
    let others = !turned;
    let named = |name: &str, other: &str| {
        let canonical = name.to_owned();
        [
            if native {
                other.to_owned()
            } else {
                canonical.clone()
            },
            canonical,
        ]
    };
    let (neurons, rest) = (
        Presence::Bias { neurons: true },
        Presence::Bias { neurons: false },
    );
    let mut all = Parts(Vec::new());
    let embed = named("embed.W_E", "embed.weight");
    if turned {
        all.weight(embed, &[d, v], &[v, d], Transpose);
    } else {
        all.weight(embed, &[v, d], &[v, d], Keep);
    }
    all.weight(
        named("pos_embed.W_pos", "pos_embed.weight"),
        &[n, d],
        &[n, d],
        Keep,
    );
    for b in 0..layers {
        let block = |name: &str, other: &str| {
            named(
                &format!("blocks.{b}.{name}"),
                &format!("blocks.{b}.{other}"),
            )
        };
        all.norm(norm, &format!("blocks.{b}.ln1"), d);
        for (name, other) in [("W_Q", "q"), ("W_K", "k"), ("W_V", "v")] {
            let names = block(&format!("attn.{name}"), &format!("attn.{other}.weight"));
            let (shape, turn) = match layout {
                _ if turned => (vec![h, e, d], SwapLast),
                Layout::Native => (vec![h * e, d], SwapLast),
                _ => (vec![h, d, e], Keep),
            };
            all.weight(names, &shape, &[h, d, e], turn);
        }
        let output = block("attn.W_O", "attn.o.weight");
        if turned || native {
            all.weight(output, &[d, h * e], &[h, e, d], Transpose);
        } else {
            all.weight(output, &[h, e, d], &[h, e, d], Keep);
        }
        if others {
            for (name, other) in [("b_Q", "q"), ("b_K", "k"), ("b_V", "v")] {
                let names = block(&format!("attn.{name}"), &format!("attn.{other}.bias"));
                let shape = if native { vec![h * e] } else { vec![h, e] };
                all.vector(names, &shape, &[h, e], rest);
            }
            all.vector(block("attn.b_O", "attn.o.bias"), &[d], &[d], rest);
        }
        if let Some(m) = d_mlp {
            all.norm(norm, &format!("blocks.{b}.ln2"), d);
            let into = block("mlp.W_in", "mlp.in.weight");
            let out = block("mlp.W_out", "mlp.out.weight");
            if turned || native {
                all.weight(into, &[m, d], &[d, m], Transpose);
                all.weight(out, &[d, m], &[m, d], Transpose);
            } else {
                all.weight(into, &[d, m], &[d, m], Keep);
                all.weight(out, &[m, d], &[m, d], Keep);
            }
            all.vector(block("mlp.b_in", "mlp.in.bias"), &[m], &[m], neurons);
            all.vector(block("mlp.b_out", "mlp.out.bias"), &[d], &[d], neurons);
        }
    }
    all.norm(norm, "ln_final", d);
    let unembed = named("unembed.W_U", "unembed.weight");
    if native {
        all.weight(unembed, &[c, d], &[d, c], Transpose);
    } else {
        all.weight(unembed, &[d, c], &[d, c], Keep);
    }
    if others {
        all.vector(named("unembed.b_U", "unembed.bias"), &[c], &[c], rest);
    }
    all.0
}

/// Recognises a transformer's layout and sizes.
pub(super) fn recognise(shapes: &Shapes, hints: Hints) -> Result<(Layout, Dims), ExchangeError> {
    let size = |name: &str, dimensions: usize, at: usize| match shapes.get(name) {
        Some(shape) if shape.len() == dimensions => Ok(shape[at]),
        Some(shape) => refuse(format!(
            "its tensor {name} is {shape:?}; expected {dimensions} dimensions"
        )),
        None => refuse(format!("it has no tensor {name}")),
    };
    let native = !shapes.contains_key("embed.W_E");
    let turned = shapes
        .get("blocks.0.attn.W_O")
        .is_some_and(|shape| shape.len() == 2);
    let positions = size(
        if native {
            "pos_embed.weight"
        } else {
            "pos_embed.W_pos"
        },
        2,
        0,
    )?;
    if !(2..=3).contains(&positions) {
        return refuse(format!(
            "its pos_embed has {positions} positions; expected 2 (a and b) or 3 (a, b and '=')"
        ));
    }
    let separator = positions == 3;
    let layout = match (native, turned) {
        (true, _) => Layout::Native,
        (_, true) if hints.rate || !separator => Layout::Pizza,
        (_, true) => Layout::Paper,
        _ => Layout::TransformerLens,
    };
    if hints.rate && layout != Layout::Pizza {
        return refuse(format!(
            "its tensors are of {} layout, whose attention is a softmax; expected an attention rate for a clock-and-pizza model alone",
            layout.words()
        ));
    }
    let heads = |turned_at: usize| -> Result<(usize, usize), ExchangeError> {
        let name = "blocks.0.attn.W_Q";
        Ok((size(name, 3, 0)?, size(name, 3, turned_at)?))
    };
    let neurons = |name: &str, at: usize| -> Result<Option<usize>, ExchangeError> {
        let attention_only = !shapes.keys().any(|key| key.starts_with("blocks.0.mlp."));
        if attention_only {
            Ok(None)
        } else {
            size(name, 2, at).map(Some)
        }
    };
    let (tokens, outputs, d_model, (heads, d_head), d_mlp) = match layout {
        Layout::Native => {
            let heads = hints.heads.unwrap_or(4);
            let rows = size("blocks.0.attn.q.weight", 2, 0)?;
            if heads == 0 || !rows.is_multiple_of(heads) {
                return refuse(format!(
                    "its blocks.0.attn.q.weight has {rows} rows, which {heads} heads do not divide; tell the number with --heads N"
                ));
            }
            (
                size("embed.weight", 2, 0)?,
                size("unembed.weight", 2, 0)?,
                size("pos_embed.weight", 2, 1)?,
                (heads, rows / heads),
                neurons("blocks.0.mlp.in.weight", 0)?,
            )
        }
        Layout::Paper | Layout::Pizza => (
            size("embed.W_E", 2, 1)?,
            size("unembed.W_U", 2, 1)?,
            size("pos_embed.W_pos", 2, 1)?,
            heads(1)?,
            neurons("blocks.0.mlp.W_in", 0)?,
        ),
        _ => (
            size("embed.W_E", 2, 0)?,
            size("unembed.W_U", 2, 1)?,
            size("pos_embed.W_pos", 2, 1)?,
            heads(2)?,
            neurons("blocks.0.mlp.W_in", 1)?,
        ),
    };
    let of_tensors = shapes.keys().any(|name| is_norm(name));
    let norm = match (of_tensors, hints.plain_norm) {
        (true, true) => {
            return refuse(
                "it has tensors of layer norms, which a folded norm (LNPre) has not; expected the settings of this model",
            );
        }
        (true, false) => Norm::Pre,
        (false, true) => Norm::PrePlain,
        (false, false) => Norm::None,
    };
    let dims = Dims {
        modulus: tokens.saturating_sub(usize::from(separator)),
        outputs,
        body: Body::Transformer(TransformerSizes {
            layers: layers(shapes)?,
            d_model,
            heads,
            d_head,
            d_mlp,
            separator,
            norm,
        }),
    };
    Ok((layout, dims))
}

/// Whether a tensor is of a layer norm, in TransformerLens's names.
fn is_norm(name: &str) -> bool {
    let parts: Vec<&str> = name.split('.').collect();
    let of_norm = ["ln1", "ln2", "ln_final"];
    matches!(parts.as_slice(), [.., module, "w" | "b"] if of_norm.contains(module))
}

/// Counts the blocks, which have to be numbered from 0 on.
fn layers(shapes: &Shapes) -> Result<usize, ExchangeError> {
    let number = |name: &String| {
        name.strip_prefix("blocks.")?
            .split('.')
            .next()?
            .parse()
            .ok()
    };
    let last: usize = shapes.keys().filter_map(number).max().unwrap_or(0);
    if last >= MOST_LAYERS {
        return refuse(format!(
            "it has tensors of blocks.{last}; expected 1 to {MOST_LAYERS} layers, blocks.0 to blocks.{}",
            MOST_LAYERS - 1
        ));
    }
    Ok(last + 1)
}

/// The copies of W_E that the transformers of Chughtai et al. 2023 save beside it.
const COPIES: [&str; 2] = ["x_embed", "y_embed"];

/// Whether a tensor of this name may be in a file beside its parameters.
pub(super) fn is_buffer(layout: Layout, dims: &Dims, name: &str) -> bool {
    let Body::Transformer(sizes) = &dims.body else {
        return false;
    };
    let attention = |b: usize| {
        [
            format!("blocks.{b}.attn.mask"),
            format!("blocks.{b}.attn.IGNORE"),
        ]
    };
    (0..sizes.layers).any(|b| attention(b).iter().any(|buffer| buffer == name))
        || (layout == Layout::TransformerLens && COPIES.contains(&name))
}

/// Checks what stands beside the parameters.
///
/// # Errors
/// A mask that hides an operand from the last position, or in a deeper model anything but what
/// comes later; a copy of W_E that is none.
pub(super) fn check_buffers(
    shapes: &Shapes,
    layout: Layout,
    dims: &Dims,
    mut read: impl FnMut(&str) -> Result<Vec<f32>, ExchangeError>,
) -> Result<(), ExchangeError> {
    let Body::Transformer(sizes) = &dims.body else {
        return Ok(());
    };
    // The published code of this layout has a mask and does not use it.
    if layout != Layout::Pizza {
        for b in 0..sizes.layers {
            let name = format!("blocks.{b}.attn.mask");
            if let Some(shape) = shapes.get(&name) {
                check_mask(&name, shape, &read(&name)?, sizes)?;
            }
        }
    }
    for copy in COPIES.iter().filter(|copy| shapes.contains_key(**copy)) {
        let same = |a: &[f32], b: &[f32]| {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
        };
        if layout == Layout::TransformerLens && !same(&read(copy)?, &read("embed.W_E")?) {
            return refuse(format!(
                "its tensor {copy} is not its embed.W_E; expected the copy that OneLayerMLP's code saves, or none"
            ));
        }
    }
    Ok(())
}

/// Checks a mask of attention: the last position sees all, and where that is not all that matters,
/// each one sees itself and what is before it. An empty mask (TransformerLens 3.5 and later) says
/// nothing, and one without a zero is distinguished from a causal one by the settings.
fn check_mask(
    name: &str,
    shape: &[usize],
    numbers: &[f32],
    sizes: &TransformerSizes,
) -> Result<(), ExchangeError> {
    let n = 2 + usize::from(sizes.separator);
    let lower = |at: usize| at % n <= at / n;
    let sees = |at: usize| numbers.get(at) == Some(&1.0);
    let rows = if sizes.layers == 1 { n - 1..n } else { 0..n };
    let visible = |at: usize| sees(at) || !lower(at);
    let fits = shape == [n, n] && (rows.start * n..n * n).all(visible);
    if shape == [0, 0] || fits {
        return Ok(());
    }
    refuse(format!(
        "its {name} {shape:?} hides a position that the model here sees; expected the lower triangle of ({n}, {n})"
    ))
}
