//! Holds named arrays for a file, among them the eighteen of a TransformerLens `state_dict`.

use grokrun_store::Tensor;

/// The numbers of an array, in row-major order.
#[derive(Clone, Debug, PartialEq)]
pub enum Numbers {
    /// float32
    F32(Vec<f32>),
    /// float64
    F64(Vec<f64>),
    /// int64
    I64(Vec<i64>),
    /// booleans
    Bool(Vec<bool>),
}

/// A named array, with as many numbers as the product of its shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The name in the file.
    pub name: String,
    /// The shape, empty for a scalar.
    pub shape: Vec<usize>,
    /// The numbers.
    pub numbers: Numbers,
}

impl Array {
    /// Makes a vector of this name.
    pub fn vector(name: &str, numbers: Numbers) -> Array {
        Array {
            name: name.to_owned(),
            shape: vec![numbers.len()],
            numbers,
        }
    }
}

impl From<Tensor> for Array {
    fn from(tensor: Tensor) -> Array {
        Array {
            name: tensor.name,
            shape: tensor.shape,
            numbers: Numbers::F32(tensor.data),
        }
    }
}

impl Numbers {
    /// Returns how many numbers there are.
    pub fn len(&self) -> usize {
        match self {
            Numbers::F32(x) => x.len(),
            Numbers::F64(x) => x.len(),
            Numbers::I64(x) => x.len(),
            Numbers::Bool(x) => x.len(),
        }
    }

    /// Says whether there are no numbers.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the numbers as bytes, little-endian.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Numbers::F32(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Numbers::F64(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Numbers::I64(x) => x.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Numbers::Bool(x) => x.iter().map(|x| u8::from(*x)).collect(),
        }
    }

    /// Returns the bytes of one number.
    pub(crate) fn width(&self) -> usize {
        match self {
            Numbers::F32(_) => 4,
            Numbers::F64(_) | Numbers::I64(_) => 8,
            Numbers::Bool(_) => 1,
        }
    }
}

/// The keys of `HookedTransformer.state_dict()` for one layer without layer norm, in its order
/// (TransformerLens 1.13 to 3.9).
const ORDER: [&str; 18] = [
    "embed.W_E",
    "pos_embed.W_pos",
    "blocks.0.attn.W_Q",
    "blocks.0.attn.W_O",
    "blocks.0.attn.b_Q",
    "blocks.0.attn.b_O",
    "blocks.0.attn.W_K",
    "blocks.0.attn.W_V",
    "blocks.0.attn.b_K",
    "blocks.0.attn.b_V",
    "blocks.0.attn.mask",
    "blocks.0.attn.IGNORE",
    "blocks.0.mlp.W_in",
    "blocks.0.mlp.b_in",
    "blocks.0.mlp.W_out",
    "blocks.0.mlp.b_out",
    "unembed.W_U",
    "unembed.b_U",
];

/// Makes the `state_dict` of a checkpoint's sixteen float tensors: in TransformerLens's order, with
/// the two buffers that strict loading wants. The mask is the `(3, 3)` lower triangle and IGNORE a
/// scalar minus infinity, which every version from 1.19 to 3.9 takes.
pub fn state_dict(checkpoint: Vec<Tensor>) -> Vec<Array> {
    let mut arrays: Vec<Array> = checkpoint.into_iter().map(Array::from).collect();
    let lower = |i: usize| i % 3 <= i / 3;
    arrays.push(Array {
        name: "blocks.0.attn.mask".to_owned(),
        shape: vec![3, 3],
        numbers: Numbers::Bool((0..9).map(lower).collect()),
    });
    arrays.push(Array {
        name: "blocks.0.attn.IGNORE".to_owned(),
        shape: vec![],
        numbers: Numbers::F32(vec![f32::NEG_INFINITY]),
    });
    let place = |array: &Array| ORDER.iter().position(|name| *name == array.name);
    arrays.sort_by_key(|array| place(array).unwrap_or(ORDER.len()));
    arrays
}
