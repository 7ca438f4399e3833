//! Describes what a model consists of, before any table or operation is named.
//!
//! Owns the choices and the rules that a combination must keep. Knows nothing of parameters,
//! losses or optimizers.

mod check;

use serde::{Deserialize, Serialize};

/// The largest number of blocks of a transformer.
pub const MAX_BLOCKS: usize = 4;
/// The largest number of hidden layers of a multilayer perceptron.
pub const MAX_HIDDEN: usize = 3;
/// The largest number of operands of a transformer's sample.
pub const MAX_OPERANDS: usize = 5;
/// The largest number of operands of a multilayer perceptron's sample.
pub const MAX_INPUTS: usize = 64;

/// A function from a sample's tokens to a logit for each class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// The number of tokens that an operand can be, without '='.
    pub tokens: usize,
    /// The number of classes; each class has a logit.
    pub classes: usize,
    /// The number of operands of a sample; each operand has a position.
    pub operands: usize,
    /// The kind of the model.
    pub model: Model,
}

/// The kind of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Model {
    /// Attention and neurons on a residual stream; the logits are read at the last position.
    Transformer(Transformer),
    /// Layers of neurons on one-hot or embedded operands.
    Mlp(Mlp),
}

/// A transformer with learned positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transformer {
    /// The width of the residual stream.
    pub d_model: usize,
    /// Whether '=' follows the operands, with its own token and position.
    pub separator: bool,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// Where layers are normalised.
    pub norm: Norm,
    /// Which positions each position attends to.
    pub mask: Mask,
    /// b_Q, b_K, b_V and b_O.
    pub attention_biases: Bias,
    /// b_in and b_out.
    pub mlp_biases: Bias,
    /// b_U.
    pub unembedding_bias: Bias,
    /// Whether the unembedding is the transpose of the embedding of the operands' tokens.
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
    /// How the weights of the positions are computed.
    pub pattern: Pattern,
}

/// How a head weights the positions that the mask lets it see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// softmax(q k / √d_head).
    Softmax,
    /// The same weight for each position: 1 / (number of positions). There are no queries and no
    /// keys.
    Uniform,
    /// rate · softmax(q k / √d_head) + 1 − rate; the constant is added for each position (Zhong et
    /// al. 2023).
    Rate(f64),
}

/// The neurons of a block: act(x W_in + b_in) W_out + b_out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neurons {
    /// The number of neurons.
    pub width: usize,
    /// The activation function of the neurons.
    pub activation: Activation,
}

/// A multilayer perceptron.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mlp {
    /// What the first layer reads.
    pub input: Input,
    /// The widths of the hidden layers, from input to output.
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
    /// The concatenated one-hot vectors of the operands.
    TwoHot,
    /// A number for each operand, which has two values: −1 for the first and 1 for the second.
    Signs,
    /// The sum of the operands' embeddings.
    EmbeddingSum {
        /// The width of an embedding.
        width: usize,
        /// Whether the operands share one embedding.
        shared: bool,
    },
    /// The concatenated embeddings of the operands.
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
    /// No layer is normalised.
    None,
    /// The input of each layer, and of the unembedding, is normalised.
    Pre,
    /// The residual stream is normalised after each layer has been added to it.
    Post,
}

/// Which positions each position attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mask {
    /// A position attends to itself and to the positions before it.
    Causal,
    /// A position attends to all positions.
    None,
}

/// Whether a layer has a bias, and whether the bias is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bias {
    /// The layer has no bias.
    None,
    /// The bias keeps its initial value, which is zero unless initial weights were loaded.
    Frozen,
    /// The bias is trained; its initial value is zero unless the initial weights say otherwise.
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

/// Why a combination of choices is not a model.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ArchitectureError {
    /// A size is 0, or larger than is supported.
    #[error("{what} is {given}; expected {expected}")]
    Size {
        /// The size's name.
        what: &'static str,
        /// Its value.
        given: usize,
        /// The range it must be in.
        expected: &'static str,
    },
    /// A block has neither attention nor neurons.
    #[error("block {block} has neither attention nor neurons; expected at least one of them")]
    EmptyBlock {
        /// The block's number, from 0.
        block: usize,
    },
    /// No attention moves the operands to the last position.
    #[error(
        "no block has attention, so the last position never sees the operands; expected attention \
         in at least one block"
    )]
    NoAttention,
    /// The causal mask would hide no position from the one that is read.
    #[error(
        "a causal mask needs '=' after the operands; expected separator = true or a mask of none"
    )]
    MaskWithoutSeparator,
    /// The embedding and the unembedding differ in size.
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
    /// The operands have other than two values, which no sign can stand for.
    #[error(
        "the input is signs, and operands have {tokens} values; expected operands of two values, or \
         another input"
    )]
    Signs {
        /// The number of values of an operand.
        tokens: usize,
    },
    /// The rate is not a share between 0 and 1.
    #[error("the attention rate of block {block} is {rate}; expected a number from 0 to 1")]
    Rate {
        /// The block's number, from 0.
        block: usize,
        /// The rate that was given.
        rate: f64,
    },
    /// The power is not one of the supported activation functions.
    #[error("the power of the activation is {power}; expected 2 to 8")]
    Power {
        /// The power that was given.
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
