//! How published code lays the tensors of a model out, and the way to the layout of checkpoints
//! here and back.
//!
//! No file fits two layouts: they differ in names, in the dimensions of W_O or in the number of
//! positions. Knows nothing of files and of what a model was trained on.

mod back;
mod mlp;
mod sizes;
mod transformer;

use std::collections::BTreeMap;

use crate::ExchangeError;
use crate::error::refuse;
use crate::shown::{shown, some};

pub use back::laid_out;
pub use sizes::{Body, Dims, MlpSizes, Norm, TransformerSizes};

/// A layout: names and orders of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// TransformerLens 1 to 3.
    TransformerLens,
    /// Nanda et al. 2023.
    Paper,
    /// TransformerLens 4.
    Native,
    /// Zhong et al. 2023, the transformers: the paper's names, without a mask.
    Pizza,
    /// Zhong et al. 2023, the models of linear layers.
    PizzaLinear,
    /// Chughtai et al. 2023, `OneLayerMLP`.
    RepTheory,
    /// Stander et al. 2024, `SnMLP`.
    SnMlp,
}

impl Layout {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Layout::TransformerLens => "TransformerLens'",
            Layout::Paper => "the paper's (2-D tensors transposed)",
            Layout::Native => "TransformerLens 4's own (….weight)",
            Layout::Pizza => "the clock-and-pizza transformers' (2-D tensors transposed, no mask)",
            Layout::PizzaLinear => "the clock-and-pizza linear models' (l1.weight)",
            Layout::RepTheory => "OneLayerMLP's (Chughtai et al. 2023)",
            Layout::SnMlp => "SnMLP's (Stander et al. 2024)",
        }
    }
}

/// What a file's tensors do not say, and its settings or a person do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Hints {
    pub(crate) heads: Option<usize>,
    /// whether scores are mixed with a constant
    pub(crate) rate: bool,
    /// whether there are norms without tensors
    pub(crate) plain_norm: bool,
}

/// The change from a file's order of numbers to that of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// no change
    Keep,
    /// `(rows, columns)` becomes `(columns, rows)`
    Transpose,
    /// `(H, E, d)` becomes `(H, d, E)`; the first two may be one in the file
    SwapLast,
}

/// Whether a tensor may be missing from a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Presence {
    Needed,
    /// a bias that is zero if it is missing; that of the neurons may be trained in every model
    Bias {
        neurons: bool,
    },
    /// what checkpoints have and files of the layout never do: all its numbers are this one
    Never(u8),
}

/// A tensor of a file.
struct Part {
    /// its name in the file; of one that files never have, its name in checkpoints
    name: String,
    /// its name in checkpoints
    canonical: String,
    /// its shape in the file
    shape: Vec<usize>,
    /// its shape in checkpoints
    turned: Vec<usize>,
    turn: Turn,
    presence: Presence,
}

fn parts(layout: Layout, dims: &Dims) -> Vec<Part> {
    match &dims.body {
        Body::Transformer(sizes) => transformer::parts(layout, dims, sizes),
        Body::Mlp(sizes) => mlp::parts(layout, dims, sizes),
    }
}

/// Names and shapes of the tensors of a model.
pub(crate) type Shapes = BTreeMap<String, Vec<usize>>;

/// Recognises the layout and the sizes.
///
/// # Errors
/// If none of the layouts fits: what was expected and what was found.
pub(crate) fn recognise(shapes: &Shapes, hints: Hints) -> Result<(Layout, Dims), ExchangeError> {
    let has = |name: &str| shapes.contains_key(name);
    let (layout, dims) = if has("embed.W_E") || has("pos_embed.weight") {
        transformer::recognise(shapes, hints)?
    } else if let Some(found) = mlp::recognise(shapes)? {
        if hints.rate || hints.plain_norm || hints.heads.is_some() {
            return refuse(format!(
                "it is of {} layout, a multilayer perceptron; expected no heads, no attention rate and no layer norm for it",
                found.0.words()
            ));
        }
        found
    } else {
        let found = some(shapes.keys().map(String::as_str));
        return refuse(format!(
            "it has no tensor embed.W_E (TransformerLens), embed.weight and pos_embed.weight (TransformerLens 4), W_x (OneLayerMLP), lembed.weight (SnMLP) or l1.weight (clock-and-pizza); it has {}",
            if found.is_empty() {
                "none"
            } else {
                found.as_str()
            }
        ));
    };
    if !(2..=65_535).contains(&dims.modulus) {
        return refuse(format!(
            "it has {} tokens; expected a modulus from 2 to 65,535{}",
            dims.tokens(),
            if dims.separator() {
                " and one more, for '='"
            } else {
                ""
            }
        ));
    }
    if dims.outputs != dims.modulus && dims.outputs != dims.tokens() {
        return refuse(format!(
            "it has {} outputs; expected {} (the residues){}",
            dims.outputs,
            dims.modulus,
            if dims.separator() {
                format!(" or {} (with one for '=')", dims.tokens())
            } else {
                String::new()
            }
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
        match shapes.get(&part.name) {
            Some(_) if matches!(part.presence, Presence::Never(_)) => {}
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
            None if part.presence == Presence::Needed => {
                return refuse(format!(
                    "it has no tensor {}; expected one of shape {:?}",
                    part.name, part.shape
                ));
            }
            _ => {}
        }
    }
    let known = |name: &str| {
        let of_layout =
            |part: &Part| part.name == name && !matches!(part.presence, Presence::Never(_));
        parts.iter().any(of_layout) || transformer::is_buffer(layout, dims, name)
    };
    match shapes.keys().find(|name| !known(name)) {
        Some(name) => refuse(format!(
            "it has a tensor {}{}; expected only the tensors of {} layout",
            shown(name),
            mlp::why_not(layout, name),
            layout.words()
        )),
        None => Ok(()),
    }
}

/// Returns the names in a file of the biases: those of neurons, which may be trained in every
/// model, and all others.
pub(crate) fn biases(layout: Layout, dims: &Dims) -> [Vec<String>; 2] {
    let of = |wanted: bool| {
        let parts = parts(layout, dims).into_iter();
        parts
            .filter(|part| part.presence == Presence::Bias { neurons: wanted })
            .map(|part| part.name)
            .collect()
    };
    [of(true), of(false)]
}

/// A tensor under TransformerLens's name.
pub(crate) struct Canonical {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f32>,
}

/// A model in the layout of checkpoints.
pub(crate) struct Weights {
    /// All tensors, without the output for '='; biases that the file does not have are zero.
    pub(crate) tensors: Vec<Canonical>,
    /// The output for '=', if the file has one.
    pub(crate) separator: Option<Separator>,
}

/// The output for '=', which is not a part of the model here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Separator {
    /// Its column of W_U, `(d_model)`.
    pub column: Vec<f32>,
    /// Its number of b_U.
    pub bias: f32,
}

/// Converts a model to the layout of checkpoints; `read` gives the numbers of a tensor of the file,
/// row-major.
///
/// # Errors
/// Those of `read`; a number that is not finite; a mask that hides something that the model here
/// sees.
pub(crate) fn canonical(
    shapes: &Shapes,
    layout: Layout,
    dims: &Dims,
    mut read: impl FnMut(&str) -> Result<Vec<f32>, ExchangeError>,
) -> Result<Weights, ExchangeError> {
    let (mut tensors, mut separator) = (Vec::new(), None);
    for part in parts(layout, dims) {
        let numbers = match part.presence {
            Presence::Never(number) => vec![f32::from(number); part.shape.iter().product()],
            _ if shapes.contains_key(&part.name) => read(&part.name)?,
            _ => vec![0.0; part.shape.iter().product()],
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
        let mut tensor = turn(part, numbers);
        if dims.outputs > dims.modulus {
            let of_separator = separator.get_or_insert_with(Separator::default);
            match tensor.name.as_str() {
                "unembed.W_U" => of_separator.column = tensor.cut_column(dims.modulus),
                "unembed.b_U" => {
                    of_separator.bias = tensor.data.pop().unwrap_or(0.0);
                    tensor.shape = vec![dims.modulus];
                }
                _ => {}
            }
        }
        tensors.push(tensor);
    }
    transformer::check_buffers(shapes, layout, dims, read)?;
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

fn turn(part: Part, numbers: Vec<f32>) -> Canonical {
    let data = match part.turn {
        Turn::Keep => numbers,
        Turn::Transpose => match part.shape.as_slice() {
            [rows, columns] => transposed(&numbers, *rows, *columns),
            _ => numbers,
        },
        Turn::SwapLast => match part.turned.as_slice() {
            [_, d, e] => swapped(&numbers, *e, *d),
            _ => numbers,
        },
    };
    Canonical {
        name: part.canonical,
        shape: part.turned,
        data,
    }
}

/// Transposes each of the `(rows, columns)` matrices that lie one after another.
fn swapped(numbers: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let heads = numbers.chunks_exact((rows * columns).max(1));
    heads
        .flat_map(|head| transposed(head, rows, columns))
        .collect()
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
