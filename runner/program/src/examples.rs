//! Small models of every kind, for the tests of this crate.

use crate::architecture::{
    Activation, Architecture, Attention, Bias, Block, Input, Mask, Mlp, Model, Neurons, Norm,
    Pattern, Transformer,
};

/// Returns a causal transformer of five tokens.
pub(crate) fn transformer(layers: usize, norm: Norm) -> Architecture {
    Architecture {
        tokens: 5,
        classes: 5,
        operands: 2,
        model: Model::Transformer(Transformer {
            d_model: 6,
            separator: true,
            blocks: vec![block(2, 3, 7); layers],
            norm,
            mask: Mask::Causal,
            attention_biases: Bias::Trained,
            mlp_biases: Bias::Trained,
            unembedding_bias: Bias::Trained,
            tied: false,
        }),
    }
}

/// Returns a transformer with a change applied.
pub(crate) fn with(
    mut architecture: Architecture,
    change: impl FnOnce(&mut Transformer),
) -> Architecture {
    match &mut architecture.model {
        Model::Transformer(t) => change(t),
        Model::Mlp(_) => panic!("a transformer"),
    }
    architecture
}

fn block(heads: usize, d_head: usize, width: usize) -> Block {
    Block {
        attention: Some(Attention {
            heads,
            d_head,
            pattern: Pattern::Softmax,
        }),
        mlp: Some(Neurons {
            width,
            activation: Activation::Relu,
        }),
    }
}

/// Returns a multilayer perceptron on this many signs.
pub(crate) fn signs(operands: usize, hidden: &[usize]) -> Architecture {
    Architecture {
        tokens: 2,
        classes: 2,
        operands,
        ..mlp(Input::Signs, hidden)
    }
}

/// Returns a multilayer perceptron of five tokens.
pub(crate) fn mlp(input: Input, hidden: &[usize]) -> Architecture {
    Architecture {
        tokens: 5,
        classes: 5,
        operands: 2,
        model: Model::Mlp(Mlp {
            input,
            hidden: hidden.to_vec(),
            activation: Activation::Relu,
            biases: Bias::Trained,
        }),
    }
}
