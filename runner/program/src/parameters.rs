//! The parameters of an architecture: names, shapes, roles, and their order in the flat vector.
//!
//! Owns what a checkpoint's tensors are called and what role they have. Knows nothing of how
//! tensors are drawn or moved.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::architecture::{
    Architecture, ArchitectureError, Bias, Block, Input, Mlp, Model, Norm, Pattern, Transformer,
};

/// The role of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Rows that tokens look up.
    Embedding,
    /// Rows that positions look up.
    Position,
    /// A matrix from the residual stream to queries or keys, `(heads, d_model, d_head)`.
    Projection,
    /// Any other matrix between an input and an output of the model.
    Hidden,
    /// The matrix from the last layer to the logits.
    Unembedding,
    /// An added vector.
    Bias,
    /// The weight of a normalisation.
    NormWeight,
    /// The bias of a normalisation.
    NormBias,
    /// The numbers that the two values of an operand stand for, −1 and 1.
    Signs,
}

impl Role {
    /// Tells whether the initial values are drawn; other parameters start at zero, at one, or are
    /// signs.
    pub fn is_weight(self) -> bool {
        !matches!(
            self,
            Role::Bias | Role::NormWeight | Role::NormBias | Role::Signs
        )
    }
}

/// One tensor of the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// The name, TransformerLens's for a transformer; unique.
    pub name: String,
    /// The dimensions, row-major; matrices stand to the right of what they multiply.
    pub shape: Vec<usize>,
    /// The role of the tensor.
    pub role: Role,
    /// Whether the optimizer moves it.
    pub trained: bool,
}

impl Parameter {
    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Tells whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of rows and of columns of the table. A vector is one row, but signs are a
    /// column, which tokens look up; the heads of a
    /// weight lie one below another.
    pub fn table(&self) -> [usize; 2] {
        match self.shape.as_slice() {
            _ if self.role == Role::Signs => [self.len(), 1],
            _ if !self.role.is_weight() => [1, self.len()],
            [rows @ .., cols] => [rows.iter().product(), *cols],
            [] => [1, 1],
        }
    }

    /// Returns the parameter as one matrix of inputs and outputs for an optimizer of matrices, or
    /// `None` if the parameter is a vector or a table of rows.
    pub fn matrix(&self) -> Option<Matrix> {
        match (self.role, self.shape.as_slice()) {
            (Role::Projection, &[heads, inputs, outputs]) => Some(Matrix {
                heads,
                inputs,
                outputs,
            }),
            (Role::Hidden | Role::Projection, _) => {
                let [inputs, outputs] = self.table();
                Some(Matrix {
                    heads: 1,
                    inputs,
                    outputs,
                })
            }
            _ => None,
        }
    }
}

/// A parameter as a matrix `(inputs, heads · outputs)`, stored as `(heads, inputs, outputs)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrix {
    /// The number of blocks, which lie side by side in the matrix and one after another in memory.
    pub heads: usize,
    /// The number of rows of a block.
    pub inputs: usize,
    /// The number of columns of a block.
    pub outputs: usize,
}

/// The parameters of a model, in the order of the flat vector: weights as TransformerLens walks
/// them (W_O before W_K), then trained vectors, then frozen ones.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parameters {
    list: Vec<Parameter>,
}

impl Parameters {
    /// Lists the parameters of an architecture.
    ///
    /// # Errors
    /// Returns the rule that the architecture breaks.
    pub fn new(architecture: &Architecture) -> Result<Parameters, ArchitectureError> {
        architecture.check()?;
        let mut names = Names::default();
        match &architecture.model {
            Model::Transformer(transformer) => names.transformer(architecture, transformer),
            Model::Mlp(mlp) => names.mlp(architecture, mlp),
        }
        let mut list = names.0;
        list.sort_by_key(|p| match (p.role.is_weight(), p.trained) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => 2,
        });
        Ok(Parameters { list })
    }

    /// Returns parameters from a list, for tests of optimizers.
    pub fn from_list(list: Vec<Parameter>) -> Parameters {
        Parameters { list }
    }

    /// Returns the parameters in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.list.iter()
    }

    /// Returns the number of tensors.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Tells whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the index of the parameter of a name.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.list.iter().position(|p| p.name == name)
    }

    /// Returns the parameter of an index.
    pub fn get(&self, place: usize) -> Option<&Parameter> {
        self.list.get(place)
    }

    /// Returns the length of the flat vector, frozen parameters included.
    pub fn count(&self) -> usize {
        self.list.iter().map(Parameter::len).sum()
    }

    /// Returns the number of trained entries.
    pub fn trained(&self) -> usize {
        self.list
            .iter()
            .filter(|p| p.trained)
            .map(Parameter::len)
            .sum()
    }

    /// Returns the range of each parameter in the flat vector, in order.
    pub fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        self.list.iter().scan(0, |end, p| {
            let start = *end;
            *end += p.len();
            Some(start..*end)
        })
    }

    /// Freezes the parameters that `frozen` picks, without changing their order.
    pub fn freeze(&mut self, frozen: impl Fn(&Parameter) -> bool) {
        for parameter in &mut self.list {
            if frozen(parameter) {
                parameter.trained = false;
            }
        }
    }
}

/// Collects parameters in the order in which TransformerLens walks a model.
#[derive(Default)]
struct Names(Vec<Parameter>);

impl Names {
    fn weight(&mut self, name: String, role: Role, shape: &[usize]) {
        self.0.push(Parameter {
            name,
            shape: shape.to_vec(),
            role,
            trained: true,
        });
    }

    fn bias(&mut self, bias: Bias, name: String, shape: &[usize]) {
        if bias != Bias::None {
            self.weight(name, Role::Bias, shape);
            if let Some(last) = self.0.last_mut() {
                last.trained = bias == Bias::Trained;
            }
        }
    }

    fn norm(&mut self, name: &str, width: usize) {
        self.weight(format!("{name}.w"), Role::NormWeight, &[width]);
        self.weight(format!("{name}.b"), Role::NormBias, &[width]);
    }

    fn transformer(&mut self, a: &Architecture, t: &Transformer) {
        let d = t.d_model;
        let vocabulary = a.tokens + usize::from(t.separator);
        self.weight("embed.W_E".into(), Role::Embedding, &[vocabulary, d]);
        self.weight(
            "pos_embed.W_pos".into(),
            Role::Position,
            &[a.positions(), d],
        );
        for (number, block) in t.blocks.iter().enumerate() {
            self.block(&format!("blocks.{number}"), t, block);
        }
        if t.norm == Norm::Pre {
            self.norm("ln_final", d);
        }
        if !t.tied {
            self.weight("unembed.W_U".into(), Role::Unembedding, &[d, a.classes]);
        }
        self.bias(t.unembedding_bias, "unembed.b_U".into(), &[a.classes]);
    }

    fn block(&mut self, name: &str, t: &Transformer, block: &Block) {
        let d = t.d_model;
        if let Some(attention) = &block.attention {
            if t.norm != Norm::None {
                self.norm(&format!("{name}.ln1"), d);
            }
            let (h, e) = (attention.heads, attention.d_head);
            let scores = attention.pattern != Pattern::Uniform;
            let biases = t.attention_biases;
            if scores {
                self.weight(format!("{name}.attn.W_Q"), Role::Projection, &[h, d, e]);
            }
            self.weight(format!("{name}.attn.W_O"), Role::Hidden, &[h, e, d]);
            if scores {
                self.bias(biases, format!("{name}.attn.b_Q"), &[h, e]);
            }
            self.bias(biases, format!("{name}.attn.b_O"), &[d]);
            if scores {
                self.weight(format!("{name}.attn.W_K"), Role::Projection, &[h, d, e]);
            }
            self.weight(format!("{name}.attn.W_V"), Role::Projection, &[h, d, e]);
            if scores {
                self.bias(biases, format!("{name}.attn.b_K"), &[h, e]);
            }
            self.bias(biases, format!("{name}.attn.b_V"), &[h, e]);
        }
        if let Some(neurons) = &block.mlp {
            if t.norm != Norm::None {
                self.norm(&format!("{name}.ln2"), d);
            }
            let f = neurons.width;
            self.weight(format!("{name}.mlp.W_in"), Role::Hidden, &[d, f]);
            self.bias(t.mlp_biases, format!("{name}.mlp.b_in"), &[f]);
            self.weight(format!("{name}.mlp.W_out"), Role::Hidden, &[f, d]);
            self.bias(t.mlp_biases, format!("{name}.mlp.b_out"), &[d]);
        }
    }

    fn mlp(&mut self, a: &Architecture, m: &Mlp) {
        let mut inputs = match m.input {
            Input::TwoHot => a.operands * a.tokens,
            Input::Signs => a.operands,
            Input::EmbeddingSum { width, .. } => width,
            Input::EmbeddingConcat { width, .. } => a.operands * width,
        };
        if let Input::EmbeddingSum { width, shared } | Input::EmbeddingConcat { width, shared } =
            m.input
        {
            for operand in 0..if shared { 1 } else { a.operands } {
                let name = embedding(shared, operand);
                self.weight(name, Role::Embedding, &[a.tokens, width]);
            }
        }
        if m.input == Input::Signs {
            self.0.push(Parameter {
                name: SIGNS.into(),
                shape: vec![a.tokens],
                role: Role::Signs,
                trained: false,
            });
        }
        for (number, outputs) in m.hidden.iter().chain([&a.classes]).enumerate() {
            let role = if number == m.hidden.len() {
                Role::Unembedding
            } else {
                Role::Hidden
            };
            self.weight(format!("layers.{number}.W"), role, &[inputs, *outputs]);
            self.bias(m.biases, format!("layers.{number}.b"), &[*outputs]);
            inputs = *outputs;
        }
    }
}

/// The name of the signs that a multilayer perceptron reads.
pub(crate) const SIGNS: &str = "signs";

/// Returns the name of an operand's embedding in a multilayer perceptron.
pub(crate) fn embedding(shared: bool, operand: usize) -> String {
    if shared {
        "embed.W_E".into()
    } else {
        format!("embed.{operand}.W_E")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::{mlp, transformer};

    #[test]
    fn the_published_model_has_226_048_trained_numbers() {
        let parameters = Parameters::new(&Architecture::published(113)).unwrap();
        assert_eq!(parameters.trained(), 226_048);
        assert_eq!(parameters.count(), 226_048 + 512 + 128);
        let names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(
            names[2..6],
            ["W_Q", "W_O", "W_K", "W_V"].map(|w| format!("blocks.0.attn.{w}"))
        );
        assert_eq!(names[9..], ["blocks.0.mlp.b_in", "blocks.0.mlp.b_out"]);
    }

    #[test]
    fn the_tensors_tile_the_flat_vector_and_their_tables_hold_them() {
        for architecture in [
            transformer(3, Norm::Pre),
            mlp(
                Input::EmbeddingConcat {
                    width: 5,
                    shared: false,
                },
                &[7],
            ),
        ] {
            let parameters = Parameters::new(&architecture).unwrap();
            let mut end = 0;
            for (parameter, range) in parameters.iter().zip(parameters.ranges()) {
                assert_eq!(range.start, end);
                let [rows, cols] = parameter.table();
                assert_eq!(range.len(), rows * cols);
                end = range.end;
            }
            assert_eq!(end, parameters.count());
        }
    }

    #[test]
    fn matrices_are_what_lies_between_embedding_and_unembedding() {
        let parameters = Parameters::new(&transformer(1, Norm::Pre)).unwrap();
        let matrices: Vec<(&str, Matrix)> = parameters
            .iter()
            .filter_map(|p| Some((p.name.as_str(), p.matrix()?)))
            .collect();
        assert_eq!(matrices.len(), 6);
        assert_eq!(matrices[0].0, "blocks.0.attn.W_Q");
        assert_eq!(matrices[0].1.heads, 2);
        assert_eq!(
            (matrices[1].0, matrices[1].1.heads),
            ("blocks.0.attn.W_O", 1)
        );
    }
}
