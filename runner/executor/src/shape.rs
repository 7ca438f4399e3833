//! Defines the model's shape: the dimensions, the parameter tensors with their TransformerLens
//! names, and the place of each in the flat parameter vector. Owns no numbers.

use grokrun_program::{
    Architecture, Attention, Bias, Block, Mask, Model, Neurons, Norm, Pattern, Transformer,
};

/// The MLP's activation function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x Φ(x), the exact form (torch's `F.gelu`, TransformerLens' `"gelu"`)
    Gelu,
}

/// The dimensions of a one-layer transformer on [a, b, '='] whose last position is read.
///
/// Two cells can share a program exactly when their shapes are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// p: the modulus, number of classes, and token id of '='
    pub modulus: usize,
    /// width of the residual stream
    pub d_model: usize,
    /// number of attention heads
    pub heads: usize,
    /// width of one head
    pub d_head: usize,
    /// number of neurons
    pub d_mlp: usize,
    /// the neurons' activation function
    pub activation: Activation,
    /// whether b_in and b_out are trained (and decayed) or stay zero
    pub trained_biases: bool,
}

/// One parameter tensor of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Parameter {
    /// embedding, `(p + 1, d_model)`
    Embed,
    /// positional embedding, `(3, d_model)`
    PosEmbed,
    /// queries, `(heads, d_model, d_head)`
    Query,
    /// attention output, `(heads, d_head, d_model)`
    Output,
    /// keys, `(heads, d_model, d_head)`
    Key,
    /// values, `(heads, d_model, d_head)`
    Value,
    /// into the neurons, `(d_model, d_mlp)`
    In,
    /// out of the neurons, `(d_mlp, d_model)`
    Out,
    /// unembedding, `(d_model, p)`
    Unembed,
    /// the neurons' bias, `(d_mlp)`
    BiasIn,
    /// the MLP's output bias, `(d_model)`
    BiasOut,
}

impl Parameter {
    /// Every parameter in the order of the flat vector: the weights in the order of TransformerLens
    /// ≥ 1.13, then the two biases. Frozen biases are thus at the end, which the optimizer leaves
    /// out.
    pub const ALL: [Parameter; 11] = [
        Parameter::Embed,
        Parameter::PosEmbed,
        Parameter::Query,
        Parameter::Output,
        Parameter::Key,
        Parameter::Value,
        Parameter::In,
        Parameter::Out,
        Parameter::Unembed,
        Parameter::BiasIn,
        Parameter::BiasOut,
    ];

    /// Returns the state_dict name in TransformerLens (reference: the `HookedTransformer` of 2.x
    /// and 3.x).
    pub fn name(self) -> &'static str {
        match self {
            Parameter::Embed => "embed.W_E",
            Parameter::PosEmbed => "pos_embed.W_pos",
            Parameter::Query => "blocks.0.attn.W_Q",
            Parameter::Output => "blocks.0.attn.W_O",
            Parameter::Key => "blocks.0.attn.W_K",
            Parameter::Value => "blocks.0.attn.W_V",
            Parameter::In => "blocks.0.mlp.W_in",
            Parameter::Out => "blocks.0.mlp.W_out",
            Parameter::Unembed => "unembed.W_U",
            Parameter::BiasIn => "blocks.0.mlp.b_in",
            Parameter::BiasOut => "blocks.0.mlp.b_out",
        }
    }

    /// Returns the dimensions of the tensor, row-major.
    pub fn shape(self, s: &Shape) -> Vec<usize> {
        match self {
            Parameter::Embed => vec![s.modulus + 1, s.d_model],
            Parameter::PosEmbed => vec![3, s.d_model],
            Parameter::Query | Parameter::Key | Parameter::Value => {
                vec![s.heads, s.d_model, s.d_head]
            }
            Parameter::Output => vec![s.heads, s.d_head, s.d_model],
            Parameter::In => vec![s.d_model, s.d_mlp],
            Parameter::Out => vec![s.d_mlp, s.d_model],
            Parameter::Unembed => vec![s.d_model, s.modulus],
            Parameter::BiasIn => vec![s.d_mlp],
            Parameter::BiasOut => vec![s.d_model],
        }
    }

    /// Returns the number of entries of the tensor.
    pub fn len(self, s: &Shape) -> usize {
        self.shape(s).iter().product()
    }

    /// Returns the index of the tensor's first entry in the flat parameter vector.
    pub fn offset(self, s: &Shape) -> usize {
        Parameter::ALL
            .iter()
            .take_while(|q| **q != self)
            .map(|q| q.len(s))
            .sum()
    }

    /// Returns the range of the tensor's entries in the flat parameter vector.
    pub fn range(self, s: &Shape) -> std::ops::Range<usize> {
        let start = self.offset(s);
        start..start + self.len(s)
    }
}

impl Shape {
    /// Returns the shape of an architecture, if the fused passes can run it: one causal block of
    /// softmax attention and ReLU or GELU neurons on [a, b, '='], without normalisation and with no
    /// biases but those of the neurons. Returns `None` for any other architecture.
    pub fn of(architecture: &Architecture) -> Option<Shape> {
        let Model::Transformer(model) = &architecture.model else {
            return None;
        };
        let [block] = model.blocks.as_slice() else {
            return None;
        };
        let (attention, neurons) = (block.attention?, block.mlp?);
        let shape = Shape {
            modulus: architecture.tokens,
            d_model: model.d_model,
            heads: attention.heads,
            d_head: attention.d_head,
            d_mlp: neurons.width,
            activation: match neurons.activation {
                grokrun_program::Activation::Relu => Activation::Relu,
                grokrun_program::Activation::Gelu => Activation::Gelu,
                _ => return None,
            },
            trained_biases: match model.mlp_biases {
                Bias::Trained => true,
                Bias::Frozen => false,
                Bias::None => return None,
            },
        };
        (shape.architecture() == *architecture).then_some(shape)
    }

    /// Returns the architecture that has this shape.
    pub fn architecture(&self) -> Architecture {
        let attention = Attention {
            heads: self.heads,
            d_head: self.d_head,
            pattern: Pattern::Softmax,
        };
        let neurons = Neurons {
            width: self.d_mlp,
            activation: match self.activation {
                Activation::Relu => grokrun_program::Activation::Relu,
                Activation::Gelu => grokrun_program::Activation::Gelu,
            },
        };
        Architecture {
            tokens: self.modulus,
            classes: self.modulus,
            operands: 2,
            model: Model::Transformer(Transformer {
                d_model: self.d_model,
                separator: true,
                blocks: vec![Block {
                    attention: Some(attention),
                    mlp: Some(neurons),
                }],
                norm: Norm::None,
                mask: Mask::Causal,
                attention_biases: Bias::None,
                mlp_biases: if self.trained_biases {
                    Bias::Trained
                } else {
                    Bias::Frozen
                },
                unembedding_bias: Bias::None,
                tied: false,
            }),
        }
    }

    /// Returns 2p + 1, the number of (token, position) rows: a at position 0, b at position 1 (from
    /// row p on), '=' at position 2 (row 2p).
    pub fn rows(&self) -> usize {
        2 * self.modulus + 1
    }

    /// Returns heads · d_head, the total width of the heads.
    pub fn d_heads(&self) -> usize {
        self.heads * self.d_head
    }

    /// Returns the length of the flat parameter vector, frozen biases included.
    pub fn parameters(&self) -> usize {
        Parameter::ALL.iter().map(|q| q.len(self)).sum()
    }

    /// Returns the number of entries, from the start of the flat vector, that the optimizer
    /// updates.
    pub fn trained(&self) -> usize {
        if self.trained_biases {
            self.parameters()
        } else {
            Parameter::BiasIn.offset(self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Shape {
        Shape {
            modulus: 113,
            d_model: 128,
            heads: 4,
            d_head: 32,
            d_mlp: 512,
            activation: Activation::Relu,
            trained_biases: false,
        }
    }

    #[test]
    fn the_published_model_has_226_048_trained_numbers() {
        assert_eq!(published().trained(), 226_048);
        assert_eq!(published().parameters(), 226_048 + 512 + 128);
    }

    #[test]
    fn a_shape_is_that_of_its_architecture_and_of_no_other() {
        let shape = published();
        let architecture = Architecture::published(113);
        assert_eq!(Shape::of(&architecture), Some(shape));
        assert_eq!(shape.architecture(), architecture);
        let changes: [fn(&mut Transformer); 7] = [
            |t| t.blocks.push(t.blocks[0].clone()),
            |t| t.norm = Norm::Pre,
            |t| t.mask = Mask::None,
            |t| t.tied = true,
            |t| t.mlp_biases = Bias::None,
            |t| t.attention_biases = Bias::Trained,
            |t| t.blocks[0].mlp = None,
        ];
        for change in changes {
            let mut other = architecture.clone();
            if let Model::Transformer(model) = &mut other.model {
                change(model);
            }
            assert_eq!(Shape::of(&other), None, "{other:?}");
        }
    }

    /// Checks that the flat vector is the same for the fused passes and for any program.
    #[test]
    fn the_program_has_the_same_parameters_in_the_same_order() {
        let parameters = grokrun_program::Parameters::new(&published().architecture()).unwrap();
        let own = Parameter::ALL.map(|p| (p.name().to_owned(), p.shape(&published())));
        let theirs: Vec<_> = parameters
            .iter()
            .map(|p| (p.name.clone(), p.shape.clone()))
            .collect();
        assert_eq!(theirs, own);
    }

    #[test]
    fn the_tensors_tile_the_flat_vector() {
        let shape = published();
        let mut end = 0;
        for parameter in Parameter::ALL {
            assert_eq!(parameter.range(&shape).start, end);
            end = parameter.range(&shape).end;
        }
        assert_eq!(end, shape.parameters());
    }
}
