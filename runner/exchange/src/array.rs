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

/// The keys of `HookedTransformer.state_dict()` for one layer without layer norm, in its order;
/// those of further layers come in the same one
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

/// Makes the `state_dict` of a checkpoint's float tensors: in TransformerLens's order, with the two
/// buffers that strict loading wants of each attention layer. The mask is the lower triangle over
/// the positions and IGNORE a scalar minus infinity, which every version from 1.19 to 3.9 takes. A
/// model without positions has no such buffers.
pub fn state_dict(checkpoint: Vec<Tensor>) -> Vec<Array> {
    let mut arrays: Vec<Array> = checkpoint.into_iter().map(Array::from).collect();
    let positions = arrays.iter().find(|array| array.name == "pos_embed.W_pos");
    let context = positions.and_then(|array| array.shape.first().copied());
    let attention = |array: &Array| Some(array.name.strip_suffix(".W_V")?.to_owned());
    let layers: Vec<String> = arrays.iter().filter_map(attention).collect();
    if let Some(context) = context {
        let lower = |i: usize| i % context <= i / context;
        for layer in layers {
            arrays.push(Array {
                name: format!("{layer}.mask"),
                shape: vec![context, context],
                numbers: Numbers::Bool((0..context * context).map(lower).collect()),
            });
            arrays.push(Array {
                name: format!("{layer}.IGNORE"),
                shape: vec![],
                numbers: Numbers::F32(vec![f32::NEG_INFINITY]),
            });
        }
    }
    arrays.sort_by_key(|array| place(&array.name));
    arrays
}

/// Where a tensor stands in TransformerLens's order: what is before the blocks, block after block,
/// what comes after them; and its place there.
fn place(name: &str) -> (usize, usize) {
    let among = |name: &str| ORDER.iter().position(|known| *known == name);
    let block = name.strip_prefix("blocks.").and_then(|rest| {
        let (number, rest) = rest.split_once('.')?;
        Some((number.parse::<usize>().ok()?, format!("blocks.0.{rest}")))
    });
    let last = ORDER.len();
    match block {
        Some((number, first)) => (1 + number, among(&first).unwrap_or(last)),
        None if name.starts_with("embed.") || name.starts_with("pos_embed.") => {
            (0, among(name).unwrap_or(last))
        }
        None => (usize::MAX, among(name).unwrap_or(last)),
    }
}
