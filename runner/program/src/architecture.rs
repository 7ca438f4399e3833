//! What a model is made of, before any table or operation is named.
//!
//! Owns the choices and the rules that a combination must keep. Knows nothing of parameters,
//! losses or optimizers.

mod check;

use serde::{Deserialize, Serialize};

/// The most blocks of a transformer.
pub const MAX_BLOCKS: usize = 4;
/// The most hidden layers of a multilayer perceptron.
pub const MAX_HIDDEN: usize = 3;
/// The most operands of a sample.
pub const MAX_OPERANDS: usize = 5;

/// A function from a sample's tokens to a logit for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The tokens that an operand can be; '=' is one more where there is one.
    pub tokens: usize,
    /// The classes, each with a logit.
    pub classes: usize,
    /// The operands of a sample, each at a position of its own.
    pub operands: usize,
    /// The kind of the model.
    pub model: Model,
}

/// The kind of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Model {
    /// Attention and neurons on a residual stream; the last position is read.
    Transformer(Transformer),
    /// Layers of neurons on one-hot or embedded operands.
    Mlp(Mlp),
}

/// A transformer with learned positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transformer {
    /// The width of the residual stream.
    pub d_model: usize,
    /// Whether '=' follows the operands, with a token and a position of its own.
    pub separator: bool,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// Where layers are normalised.
    pub norm: Norm,
    /// Which positions a position sees.
    pub mask: Mask,
    /// b_Q, b_K, b_V and b_O.
    pub attention_biases: Bias,
    /// b_in and b_out.
    pub mlp_biases: Bias,
    /// b_U.
    pub unembedding_bias: Bias,
    /// Whether the unembedding is the transposed embedding of the operands' tokens.
    pub tied: bool,
}

/// A block of a transformer: attention, then neurons, each added to the residual stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Block {
    /// The attention, if the block has one.
    pub attention: Option<Attention>,
    /// The neurons, if the block has any.
    pub mlp: Option<Neurons>,
}

/// An attention layer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attention {
    /// The number of heads.
    pub heads: usize,
    /// The width of a head.
    pub d_head: usize,
    /// How much a head attends to each position it sees.
    pub pattern: Pattern,
}

/// How much a head attends to each of the positions that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// softmax(q k / √d_head).
    Softmax,
    /// The same to each: 1 / their number. There are no queries and no keys.
    Uniform,
    /// rate · softmax(q k / √d_head) + 1 − rate, the constant for each position
    /// (Zhong et al. 2023).
    Rate(f64),
}

/// The neurons of a block: act(x W_in + b_in) W_out + b_out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neurons {
    /// Their number.
    pub width: usize,
    /// Their activation function.
    pub activation: Activation,
}

/// A multilayer perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mlp {
    /// What the first layer reads.
    pub input: Input,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The activation function of every hidden layer.
    pub activation: Activation,
    /// The bias of every layer.
    pub biases: Bias,
}

/// What the first layer of a multilayer perceptron reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Input {
    /// The one-hot vectors of the operands, side by side.
    TwoHot,
    /// The sum of the operands' embeddings.
    EmbeddingSum {
        /// The width of an embedding.
        width: usize,
        /// Whether the operands share one embedding.
        shared: bool,
    },
    /// The operands' embeddings, side by side.
    EmbeddingConcat {
        /// The width of an embedding.
        width: usize,
        /// Whether the operands share one embedding.
        shared: bool,
    },
}

/// Where a transformer's layers are normalised (layer normalisation with weight and bias).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Nowhere.
    None,
    /// Before each layer, and before the unembedding.
    Pre,
    /// After each layer has been added to the residual stream.
    Post,
}

/// Which positions a position sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// Itself and those before it.
    Causal,
    /// All.
    None,
}

/// Whether there is a bias, and whether it is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// There is none.
    None,
    /// It is there and keeps its first value, zero unless it was loaded.
    Frozen,
    /// It is trained, from zero on unless the initial weights say otherwise.
    Trained,
}

/// An activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x Φ(x), the exact form.
    Gelu,
    /// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.
    GeluTanh,
    /// x².
    Quadratic,
    /// xᵏ.
    Power(u32),
    /// x / (1 + e⁻ˣ).
    Silu,
    /// tanh x.
    Tanh,
    /// x.
    Identity,
}

/// Why a combination of choices is no model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArchitectureError {
    /// A size is 0, or larger than there is any use for.
    #[error("{what} is {given}; expected {expected}")]
    Size {
        /// The size's name.
        what: &'static str,
        /// Its value.
        given: usize,
        /// The range it must be in.
        expected: &'static str,
    },
    /// The block does nothing.
    #[error("block {block} has neither attention nor neurons; expected at least one of them")]
    EmptyBlock {
        /// The block's number, from 0.
        block: usize,
    },
    /// Nothing brings the operands to the last position.
    #[error(
        "no block has attention, so the last position never sees the operands; expected attention \
         in at least one block"
    )]
    NoAttention,
    /// The mask would mask nothing that is read.
    #[error(
        "a causal mask needs '=' after the operands; expected separator = true or a mask of none"
    )]
    MaskWithoutSeparator,
    /// The embedding is not as large as the unembedding.
    #[error(
        "a tied unembedding needs as many classes as tokens; there are {classes} classes and \
         {tokens} tokens"
    )]
    Tied {
        /// The number of classes.
        classes: usize,
        /// The number of tokens.
        tokens: usize,
    },
    /// The rate is no share.
    #[error("the attention rate of block {block} is {rate}; expected a number from 0 to 1")]
    Rate {
        /// The block's number, from 0.
        block: usize,
        /// The rate as given.
        rate: f64,
    },
    /// The power is no activation of its own.
    #[error("the power of the activation is {power}; expected 2 to 8")]
    Power {
        /// The power as given.
        power: u32,
    },
}

impl Architecture {
    /// Returns the published model on pairs of `tokens` residues: one causal layer on [a, b, '='],
    /// four heads of 32, 512 ReLU neurons, no normalisation, frozen biases of the neurons.
    pub fn published(tokens: usize) -> Architecture {
        let block = Block {
            attention: Some(Attention {
                heads: 4,
                d_head: 32,
                pattern: Pattern::Softmax,
            }),
            mlp: Some(Neurons {
                width: 512,
                activation: Activation::Relu,
            }),
        };
        Architecture {
            tokens,
            classes: tokens,
            operands: 2,
            model: Model::Transformer(Transformer {
                d_model: 128,
                separator: true,
                blocks: vec![block],
                norm: Norm::None,
                mask: Mask::Causal,
                attention_biases: Bias::None,
                mlp_biases: Bias::Frozen,
                unembedding_bias: Bias::None,
                tied: false,
            }),
        }
    }

    /// Returns the number of positions: the operands', and that of '=' where there is one.
    pub fn positions(&self) -> usize {
        let separator = matches!(&self.model, Model::Transformer(t) if t.separator);
        self.operands + usize::from(separator)
    }
}

#[cfg(test)]
mod tests;
