//! How published code lays the tensors of the model out, and the way to TransformerLens' layout.
//!
//! Three layouts are recognised; they differ in names or in the dimensions of W_O, so that no file
//! fits two of them. p + 1 tokens, d = d_model, H heads of E = d_head, M = d_mlp, C classes.
//!
//! | layout | W_E | W_pos | W_Q, W_K, W_V | W_O | W_in | W_out | W_U |
//! | --- | --- | --- | --- | --- | --- | --- | --- |
//! | TransformerLens 1 to 3 | (p+1, d) | (3, d) | (H, d, E) | (H, E, d) | (d, M) | (M, d) | (d, C) |
//! | paper | (d, p+1) | (3, d) | (H, E, d) | (d, H·E) | (M, d) | (d, M) | (d, C) |
//! | TransformerLens 4, `….weight` | (p+1, d) | (3, d) | (H·E, d) | (d, H·E) | (M, d) | (d, M) | (C, d) |

use std::collections::BTreeMap;

use crate::ExchangeError;
use crate::error::refuse;
use crate::shown::{shown, some};

/// A layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    TransformerLens,
    Paper,
    Native,
}

impl Layout {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Layout::TransformerLens => "TransformerLens'",
            Layout::Paper => "the paper's (2-D tensors transposed)",
            Layout::Native => "TransformerLens 4's own (….weight)",
        }
    }
}

/// The sizes of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dims {
    pub(crate) modulus: usize,
    /// columns of W_U: p, or p + 1 with one for '='
    pub(crate) outputs: usize,
    pub(crate) d_model: usize,
    pub(crate) heads: usize,
    pub(crate) d_head: usize,
    pub(crate) d_mlp: usize,
}

/// The change from a file's order of numbers to TransformerLens's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// no change
    Keep,
    /// `(rows, columns)` becomes `(columns, rows)`
    Transpose,
    /// `(H, E, d)` becomes `(H, d, E)`; the first two may be one in the file
    SwapLast,
}

/// A tensor of a file.
struct Part {
    /// its name in the file
    name: &'static str,
    /// its name in TransformerLens; none if it has to be zero
    canonical: Option<&'static str>,
    shape: Vec<usize>,
    turn: Turn,
    /// whether it has to be there: biases may be missing
    needed: bool,
}

fn parts(layout: Layout, dims: &Dims) -> Vec<Part> {
    use Turn::{Keep, SwapLast, Transpose};
    let Dims {
        modulus,
        outputs: c,
        d_model: d,
        heads: h,
        d_head: e,
        d_mlp: m,
    } = *dims;
    let v = modulus + 1;
    let weight = |name, canonical, shape: &[usize], turn| Part {
        name,
        canonical: Some(canonical),
        shape: shape.to_vec(),
        turn,
        needed: true,
    };
    let bias = |name, canonical, shape: &[usize]| Part {
        name,
        canonical,
        shape: shape.to_vec(),
        turn: Keep,
        needed: false,
    };
    let (wq, wk, wv, wo) = (
        "blocks.0.attn.W_Q",
        "blocks.0.attn.W_K",
        "blocks.0.attn.W_V",
        "blocks.0.attn.W_O",
    );
    let (win, wout) = ("blocks.0.mlp.W_in", "blocks.0.mlp.W_out");
    let (bin, bout) = (Some("blocks.0.mlp.b_in"), Some("blocks.0.mlp.b_out"));
    let (we, wpos, wu) = ("embed.W_E", "pos_embed.W_pos", "unembed.W_U");
    match layout {
        Layout::TransformerLens => vec![
            weight(we, we, &[v, d], Keep),
            weight(wpos, wpos, &[3, d], Keep),
            weight(wq, wq, &[h, d, e], Keep),
            weight(wk, wk, &[h, d, e], Keep),
            weight(wv, wv, &[h, d, e], Keep),
            weight(wo, wo, &[h, e, d], Keep),
            weight(win, win, &[d, m], Keep),
            weight(wout, wout, &[m, d], Keep),
            weight(wu, wu, &[d, c], Keep),
            bias("blocks.0.mlp.b_in", bin, &[m]),
            bias("blocks.0.mlp.b_out", bout, &[d]),
            bias("blocks.0.attn.b_Q", None, &[h, e]),
            bias("blocks.0.attn.b_K", None, &[h, e]),
            bias("blocks.0.attn.b_V", None, &[h, e]),
            bias("blocks.0.attn.b_O", None, &[d]),
            bias("unembed.b_U", None, &[c]),
        ],
        Layout::Paper => vec![
            weight(we, we, &[d, v], Transpose),
            weight(wpos, wpos, &[3, d], Keep),
            weight(wq, wq, &[h, e, d], SwapLast),
            weight(wk, wk, &[h, e, d], SwapLast),
            weight(wv, wv, &[h, e, d], SwapLast),
            weight(wo, wo, &[d, h * e], Transpose),
            weight(win, win, &[m, d], Transpose),
            weight(wout, wout, &[d, m], Transpose),
            weight(wu, wu, &[d, c], Keep),
            bias("blocks.0.mlp.b_in", bin, &[m]),
            bias("blocks.0.mlp.b_out", bout, &[d]),
        ],
        Layout::Native => vec![
            weight("embed.weight", we, &[v, d], Keep),
            weight("pos_embed.weight", wpos, &[3, d], Keep),
            weight("blocks.0.attn.q.weight", wq, &[h * e, d], SwapLast),
            weight("blocks.0.attn.k.weight", wk, &[h * e, d], SwapLast),
            weight("blocks.0.attn.v.weight", wv, &[h * e, d], SwapLast),
            weight("blocks.0.attn.o.weight", wo, &[d, h * e], Transpose),
            weight("blocks.0.mlp.in.weight", win, &[m, d], Transpose),
            weight("blocks.0.mlp.out.weight", wout, &[d, m], Transpose),
            weight("unembed.weight", wu, &[c, d], Transpose),
            bias("blocks.0.mlp.in.bias", bin, &[m]),
            bias("blocks.0.mlp.out.bias", bout, &[d]),
            bias("blocks.0.attn.q.bias", None, &[h * e]),
            bias("blocks.0.attn.k.bias", None, &[h * e]),
            bias("blocks.0.attn.v.bias", None, &[h * e]),
            bias("blocks.0.attn.o.bias", None, &[d]),
            bias("unembed.bias", None, &[c]),
        ],
    }
}

/// Names and shapes of the tensors of a model.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

/// Recognises the layout and the sizes. `heads` is needed for the layout that does not show them.
///
/// # Errors
/// If none of the layouts fits: what was expected and what was found.
pub(crate) fn recognise(
    shapes: &Shapes,
    heads: Option<usize>,
) -> Result<(Layout, Dims), ExchangeError> {
    let layout = if shapes.contains_key("embed.weight") {
        Layout::Native
    } else if !shapes.contains_key("embed.W_E") {
        let found = some(shapes.keys().map(String::as_str));
        return refuse(format!(
            "it has no tensor embed.W_E (TransformerLens) or embed.weight; it has {}",
            if found.is_empty() {
                "none at all"
            } else {
                &found
            }
        ));
    } else if shapes
        .get("blocks.0.attn.W_O")
        .is_some_and(|s| s.len() == 2)
    {
        Layout::Paper
    } else {
        Layout::TransformerLens
    };
    let size = |name: &str, dimensions: usize, at: usize| match shapes.get(name) {
        Some(shape) if shape.len() == dimensions => Ok(shape[at]),
        Some(shape) => refuse(format!(
            "its tensor {name} is {shape:?}; expected {dimensions} dimensions"
        )),
        None => refuse(format!("it has no tensor {name}")),
    };
    let (tokens, outputs, d_model, heads, d_head, d_mlp) = match layout {
        Layout::TransformerLens => (
            size("embed.W_E", 2, 0)?,
            size("unembed.W_U", 2, 1)?,
            size("pos_embed.W_pos", 2, 1)?,
            size("blocks.0.attn.W_Q", 3, 0)?,
            size("blocks.0.attn.W_Q", 3, 2)?,
            size("blocks.0.mlp.W_in", 2, 1)?,
        ),
        Layout::Paper => (
            size("embed.W_E", 2, 1)?,
            size("unembed.W_U", 2, 1)?,
            size("pos_embed.W_pos", 2, 1)?,
            size("blocks.0.attn.W_Q", 3, 0)?,
            size("blocks.0.attn.W_Q", 3, 1)?,
            size("blocks.0.mlp.W_in", 2, 0)?,
        ),
        Layout::Native => {
            let heads = heads.unwrap_or(4);
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
                heads,
                rows / heads,
                size("blocks.0.mlp.in.weight", 2, 0)?,
            )
        }
    };
    let dims = Dims {
        modulus: tokens.saturating_sub(1),
        outputs,
        d_model,
        heads,
        d_head,
        d_mlp,
    };
    if !(2..=65_535).contains(&dims.modulus) {
        return refuse(format!(
            "it has {tokens} tokens; expected a modulus from 2 to 65,535 and one more, for '='"
        ));
    }
    if outputs != dims.modulus && outputs != tokens {
        return refuse(format!(
            "it has {outputs} outputs; expected {} (the residues) or {tokens} (with one for '=')",
            dims.modulus
        ));
    }
    check(shapes, layout, &dims)?;
    Ok((layout, dims))
}

/// Checks that the tensors are those of the layout, all of them and no others.
///
/// # Errors
/// The first that is not.
pub(crate) fn check(shapes: &Shapes, layout: Layout, dims: &Dims) -> Result<(), ExchangeError> {
    let parts = parts(layout, dims);
    for part in &parts {
        match shapes.get(part.name) {
            Some(found) if *found != part.shape => {
                let mut turned = part.shape.clone();
                turned.reverse();
                return refuse(format!(
                    "its tensor {} is {found:?}{}; expected {:?}, in a file of {} layout",
                    part.name,
                    if *found == turned { ", transposed" } else { "" },
                    part.shape,
                    layout.words()
                ));
            }
            None if part.needed => {
                return refuse(format!(
                    "it has no tensor {}; expected one of shape {:?}",
                    part.name, part.shape
                ));
            }
            _ => {}
        }
    }
    let buffers = ["blocks.0.attn.mask", "blocks.0.attn.IGNORE"];
    let known = |name: &str| parts.iter().any(|part| part.name == name) || buffers.contains(&name);
    match shapes.keys().find(|name| !known(name)) {
        Some(name) => refuse(format!(
            "it has a tensor {}; expected one layer without layer norm, and only the tensors of {} layout",
            shown(name),
            layout.words()
        )),
        None => Ok(()),
    }
}

/// Returns the names in a file of b_in and b_out, which may be trained.
pub(crate) fn biases(layout: Layout) -> [&'static str; 2] {
    match layout {
        Layout::TransformerLens | Layout::Paper => ["blocks.0.mlp.b_in", "blocks.0.mlp.b_out"],
        Layout::Native => ["blocks.0.mlp.in.bias", "blocks.0.mlp.out.bias"],
    }
}

/// A tensor under TransformerLens's name.
pub(crate) struct Canonical {
    pub(crate) name: &'static str,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// A model in TransformerLens's layout.
pub(crate) struct Weights {
    /// All eleven tensors that are trained, without the output for '='.
    pub(crate) tensors: Vec<Canonical>,
    /// The column of W_U for '=', if the file has one.
    pub(crate) separator: Option<Vec<f32>>,
}

/// Converts a model to TransformerLens's layout; `read` gives the numbers of a tensor of the file,
/// row-major.
///
/// # Errors
/// Those of `read`; a number that is not finite; a bias of attention or of the outputs that is not
/// zero, which the model here does not have.
pub(crate) fn canonical(
    shapes: &Shapes,
    layout: Layout,
    dims: &Dims,
    mut read: impl FnMut(&str) -> Result<Vec<f32>, ExchangeError>,
) -> Result<Weights, ExchangeError> {
    let (mut tensors, mut separator) = (Vec::new(), None);
    for part in parts(layout, dims) {
        let Some(name) = part.canonical else {
            if shapes.contains_key(part.name) {
                check_zero(part.name, &read(part.name)?)?;
            }
            continue;
        };
        let numbers = if shapes.contains_key(part.name) {
            read(part.name)?
        } else {
            vec![0.0; part.shape.iter().product()]
        };
        if numbers.len() != part.shape.iter().product::<usize>() {
            return refuse(format!("its tensor {} is cut off", part.name));
        }
        if let Some(odd) = numbers.iter().find(|x| !x.is_finite()) {
            return refuse(format!(
                "its tensor {} has {odd} in it; expected finite numbers",
                part.name
            ));
        }
        let mut tensor = turn(name, part, dims, numbers);
        if name == "unembed.W_U" && dims.outputs > dims.modulus {
            separator = Some(tensor.cut_column(dims.modulus));
        }
        tensors.push(tensor);
    }
    if shapes.contains_key("blocks.0.attn.mask") {
        check_mask(&shapes["blocks.0.attn.mask"], &read("blocks.0.attn.mask")?)?;
    }
    Ok(Weights { tensors, separator })
}

impl Canonical {
    /// Removes the last column, at `at`, of a matrix and returns it.
    fn cut_column(&mut self, at: usize) -> Vec<f32> {
        let rows = self.data.chunks_exact(at + 1);
        let column = rows.clone().map(|row| row[at]).collect();
        self.data = rows.flat_map(|row| &row[..at]).copied().collect();
        self.shape[1] = at;
        column
    }
}

fn check_zero(name: &str, numbers: &[f32]) -> Result<(), ExchangeError> {
    match numbers.iter().find(|x| **x != 0.0) {
        Some(x) => refuse(format!(
            "its {name} is not zero (it has {x}); expected biases of the MLP alone, as in the published models"
        )),
        None => Ok(()),
    }
}

/// Checks that the last position sees all three; TransformerLens 3.5 and later store an empty mask.
fn check_mask(shape: &[usize], numbers: &[f32]) -> Result<(), ExchangeError> {
    match (shape, numbers) {
        ([0, 0], _) => Ok(()),
        ([3, 3], [.., a, b, c]) if [a, b, c].iter().all(|x| **x == 1.0) => Ok(()),
        _ => refuse(format!(
            "its blocks.0.attn.mask {shape:?} hides something from '='; expected the lower triangle of (3, 3)"
        )),
    }
}

fn turn(name: &'static str, part: Part, dims: &Dims, numbers: Vec<f32>) -> Canonical {
    let (mut shape, data) = match part.turn {
        Turn::Keep => (part.shape, numbers),
        Turn::Transpose => {
            let (rows, columns) = (part.shape[0], part.shape[1]);
            (vec![columns, rows], transposed(&numbers, rows, columns))
        }
        Turn::SwapLast => {
            let (e, d) = (dims.d_head, dims.d_model);
            let heads = numbers.chunks_exact((e * d).max(1));
            let data = heads.flat_map(|head| transposed(head, e, d)).collect();
            (vec![dims.heads, d, e], data)
        }
    };
    if name == "blocks.0.attn.W_O" {
        shape = vec![dims.heads, dims.d_head, dims.d_model];
    }
    Canonical { name, shape, data }
}

fn transposed(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(numbers.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| numbers[row * columns + column]));
    }
    out
}

#[cfg(test)]
mod tests;
