//! The sizes of a model, which its tensors show.

/// The sizes of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dims {
    /// the number of tokens that an operand can be
    pub modulus: usize,
    /// columns of W_U: p, or p + 1 with one for '='
    pub outputs: usize,
    /// what the model is made of
    pub body: Body,
}

/// What a model is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Blocks of attention and neurons.
    Transformer(TransformerSizes),
    /// Layers of ReLU neurons on embedded operands.
    Mlp(MlpSizes),
}

/// The sizes of a transformer, all of whose blocks are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransformerSizes {
    /// blocks
    pub layers: usize,
    /// width of the residual stream
    pub d_model: usize,
    /// attention heads
    pub heads: usize,
    /// width of a head
    pub d_head: usize,
    /// neurons; none if a block is attention alone
    pub d_mlp: Option<usize>,
    /// whether '=' follows the operands
    pub separator: bool,
    /// where layers are normalised
    pub norm: Norm,
}

/// The layer norms of a transformer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// There is none.
    None,
    /// With weight and bias, before each layer and the unembedding.
    Pre,
    /// The same, whose weight is 1 and whose bias is 0 (`LNPre`): a file has no tensors of it.
    PrePlain,
}

/// The sizes of a multilayer perceptron on two operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MlpSizes {
    /// width of an embedding
    pub width: usize,
    /// whether the embeddings stand side by side; else they are added
    pub concat: bool,
    /// whether the operands share one embedding
    pub shared: bool,
    /// widths of the hidden layers
    pub hidden: Vec<usize>,
    /// whether layers have biases
    pub biases: bool,
}

impl Dims {
    /// Whether '=' follows the operands.
    pub(crate) fn separator(&self) -> bool {
        matches!(&self.body, Body::Transformer(sizes) if sizes.separator)
    }

    /// Rows of W_E.
    pub(crate) fn tokens(&self) -> usize {
        self.modulus + usize::from(self.separator())
    }

    /// The transformer's sizes, if it is one.
    pub fn transformer(&self) -> Option<&TransformerSizes> {
        match &self.body {
            Body::Transformer(sizes) => Some(sizes),
            Body::Mlp(_) => None,
        }
    }
}
