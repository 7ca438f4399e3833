//! Draws initial weights: which tensor is drawn when, from which distribution and in which layout.
//!
//! Owns the orders of published code. The random numbers come from `grokrun_task`.

use grokrun_task::torch::{Generator, linear_bias_bound, linear_bound};
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, Input, Model, Transformer};
use crate::parameters::{Parameter, Parameters, Role, embedding};

/// How the initial weights are drawn. Tensors that are not drawn start at zero; the weights of
/// normalisations start at one, and signs are −1 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Init {
    /// TransformerLens 1.13 to 3.9 after `torch.manual_seed(seed)`: every weight is normal with
    /// standard deviation 0.8 / √d_model. The order is that of `named_parameters`, where W_O
    /// precedes W_K.
    TransformerLens,
    /// TransformerLens before 1.13: the same standard deviation, in the order W_Q, W_K, W_V, W_O.
    TransformerLensLegacy,
    /// The code of Nanda et al. 2023: standard normals divided by √d_model, W_U by the square root
    /// of the size of its vocabulary, in the order and the layout of that code.
    Paper,
    /// The code of Zhong et al. 2023 (pizza): standard normals divided by the square root of the
    /// tensor's first dimension in that code (d_model for W_O and W_out); W_U is drawn before the
    /// blocks.
    Pizza,
    /// The defaults of torch's `nn.Embedding` and `nn.Linear`, in order of construction; biases are
    /// drawn too.
    Torch,
    /// The code of Stander et al. 2024 (rep-theory): standard normals divided by √fan_in, an
    /// embedding's by the square root of its width.
    RepTheory,
    /// The code of Gromov 2023 and Doshi et al. 2023: normal with standard deviation 0.5 / ∛(2
    /// width), drawn after torch's default weights, which are discarded.
    Gromov,
    /// Every weight is normal with this standard deviation, in the order of the flat vector.
    Normal(f64),
}

/// Why a scheme is not defined for an architecture.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("initial weights {init:?} are defined for {expected} only")]
pub struct InitError {
    /// The scheme that was asked for.
    pub init: Init,
    /// The architectures that the scheme is defined for.
    pub expected: &'static str,
}

impl Init {
    /// Checks that the scheme is defined for an architecture.
    ///
    /// # Errors
    /// Names the architectures that the scheme is defined for.
    pub fn check(self, architecture: &Architecture) -> Result<(), InitError> {
        let expected = match (self, &architecture.model) {
            (Init::Normal(_), _)
            | (
                Init::TransformerLens | Init::TransformerLensLegacy | Init::Paper | Init::Pizza,
                Model::Transformer(_),
            )
            | (Init::Torch | Init::RepTheory, Model::Mlp(_)) => return Ok(()),
            (Init::Gromov, Model::Mlp(m)) if m.input == Input::TwoHot && m.hidden.len() == 1 => {
                return Ok(());
            }
            (Init::Torch | Init::RepTheory, _) => "multilayer perceptrons",
            (Init::Gromov, _) => "one hidden layer on one-hot operands",
            _ => "transformers",
        };
        let init = self;
        Err(InitError { init, expected })
    }
}

/// The layout of a tensor in the code that draws it.
#[derive(Clone, Copy)]
enum Layout {
    /// The same layout as in the flat vector.
    Same,
    /// `(rows, cols)` here is `(cols, rows)` there.
    Transposed,
    /// `(heads, d_model, d_head)` here is `(heads, d_head, d_model)` there.
    HeadsTransposed,
    /// The tensor of the published code has one more column at its end, which is discarded.
    ColumnMore,
}

/// The distribution of a draw.
#[derive(Clone, Copy)]
enum Law {
    Normal(f64),
    /// A standard normal, divided by the square root of this number in single precision.
    NormalOver(usize),
    Uniform(f64),
}

/// Draws tensors into the flat vector.
struct Drawing<'a> {
    parameters: &'a Parameters,
    generator: Generator,
    flat: Vec<f32>,
}

/// Returns the flat parameter vector of step 0; every weight is multiplied by `scale`.
///
/// # Errors
/// Fails if the scheme is not defined for the architecture.
pub fn initial_parameters(
    architecture: &Architecture,
    parameters: &Parameters,
    init: Init,
    scale: f64,
    seed: i64,
) -> Result<Vec<f32>, InitError> {
    init.check(architecture)?;
    let mut drawing = Drawing {
        parameters,
        generator: Generator::new(seed),
        flat: vec![0.0; parameters.count()],
    };
    for (parameter, range) in parameters.iter().zip(parameters.ranges()) {
        match parameter.role {
            Role::NormWeight => drawing.flat[range].fill(1.0),
            Role::Signs => drawing.flat[range].copy_from_slice(&[-1.0, 1.0]),
            _ => {}
        }
    }
    drawing.draw(architecture, init);
    if scale != 1.0 {
        for (parameter, range) in parameters.iter().zip(parameters.ranges()) {
            if parameter.role.is_weight() {
                let scale = scale as f32;
                drawing.flat[range].iter_mut().for_each(|w| *w *= scale);
            }
        }
    }
    Ok(drawing.flat)
}

impl Drawing<'_> {
    /// Draws a scheme that is defined for the architecture.
    fn draw(&mut self, a: &Architecture, init: Init) {
        match (init, &a.model) {
            (Init::TransformerLens, Model::Transformer(t)) => {
                self.weights(0.8 / (t.d_model as f64).sqrt());
            }
            (Init::TransformerLensLegacy, Model::Transformer(t)) => {
                let law = |_: &str, _: &Parameter| {
                    (Law::Normal(0.8 / (t.d_model as f64).sqrt()), Layout::Same)
                };
                let order = ["W_Q", "W_K", "W_V", "W_O", "W_in", "W_out"];
                self.transformer(t, &["W_E", "W_pos"], &order, &["W_U"], law);
            }
            (Init::Paper, Model::Transformer(t)) => self.paper(a, t),
            (Init::Pizza, Model::Transformer(t)) => self.pizza(a, t),
            (Init::Torch, Model::Mlp(m)) => self.torch(a, m.input),
            (Init::RepTheory, Model::Mlp(_)) => self.rep_theory(),
            (Init::Gromov, Model::Mlp(m)) => m.hidden.iter().for_each(|w| self.gromov(*w)),
            (Init::Normal(deviation), _) => self.weights(deviation),
            // `Init::check` has refused every other architecture.
            _ => {}
        }
    }

    /// Draws every weight in the order of the flat vector.
    fn weights(&mut self, deviation: f64) {
        let parameters = self.parameters;
        for parameter in parameters.iter().filter(|p| p.role.is_weight()) {
            self.tensor(&parameter.name, Law::Normal(deviation), Layout::Same);
        }
    }

    fn paper(&mut self, a: &Architecture, t: &Transformer) {
        let d = t.d_model;
        let vocabulary = a.classes + usize::from(t.separator);
        let unembedding = if t.separator {
            Layout::ColumnMore
        } else {
            Layout::Same
        };
        let order = ["W_K", "W_Q", "W_V", "W_O", "W_in", "W_out"];
        self.transformer(
            t,
            &["W_E", "W_pos"],
            &order,
            &["W_U"],
            |name, _| match name {
                "W_pos" => (Law::NormalOver(d), Layout::Same),
                "W_U" => (Law::NormalOver(vocabulary), unembedding),
                "W_K" | "W_Q" | "W_V" => (Law::NormalOver(d), Layout::HeadsTransposed),
                _ => (Law::NormalOver(d), Layout::Transposed),
            },
        );
    }

    fn pizza(&mut self, a: &Architecture, t: &Transformer) {
        let d = t.d_model;
        let order = ["W_K", "W_Q", "W_V", "W_O", "W_in", "W_out"];
        self.transformer(
            t,
            &["W_E", "W_pos", "W_U"],
            &order,
            &[],
            |name, here| match name {
                "W_pos" => (Law::NormalOver(d), Layout::Same),
                "W_U" => (Law::NormalOver(a.classes), Layout::Same),
                "W_K" | "W_Q" | "W_V" => (Law::NormalOver(d), Layout::HeadsTransposed),
                "W_in" => (Law::NormalOver(here.table()[1]), Layout::Transposed),
                _ => (Law::NormalOver(d), Layout::Transposed),
            },
        );
    }

    /// Draws the first tensors, those of each block, and then the last ones, by names without their
    /// module. Tensors that the architecture does not have are not drawn.
    fn transformer(
        &mut self,
        t: &Transformer,
        first: &[&str],
        block: &[&str],
        last: &[&str],
        law: impl Fn(&str, &Parameter) -> (Law, Layout),
    ) {
        let mut draw = |prefix: &str, name: &str| {
            let wanted = self
                .parameters
                .iter()
                .find(|p| p.name.starts_with(prefix) && p.name.rsplit('.').next() == Some(name));
            if let Some(parameter) = wanted {
                let (law, layout) = law(name, parameter);
                self.tensor(&parameter.name, law, layout);
            }
        };
        first.iter().for_each(|name| draw("", name));
        for number in 0..t.blocks.len() {
            let prefix = format!("blocks.{number}.");
            block.iter().for_each(|name| draw(&prefix, name));
        }
        last.iter().for_each(|name| draw("", name));
    }

    fn torch(&mut self, a: &Architecture, input: Input) {
        if let Input::EmbeddingSum { shared, .. } | Input::EmbeddingConcat { shared, .. } = input {
            for operand in 0..if shared { 1 } else { a.operands } {
                self.tensor(&embedding(shared, operand), Law::Normal(1.0), Layout::Same);
            }
        }
        for (weight, inputs) in self.layers() {
            self.tensor(
                &weight,
                Law::Uniform(linear_bound(inputs)),
                Layout::Transposed,
            );
            let bias = weight.replace(".W", ".b");
            if self.parameters.position(&bias).is_some() {
                self.tensor(&bias, Law::Uniform(linear_bias_bound(inputs)), Layout::Same);
            }
        }
    }

    fn rep_theory(&mut self) {
        let parameters = self.parameters;
        for parameter in parameters.iter().filter(|p| p.role.is_weight()) {
            let [rows, cols] = parameter.table();
            let fan = if parameter.role == Role::Embedding {
                cols
            } else {
                rows
            };
            self.tensor(&parameter.name, Law::NormalOver(fan), Layout::Same);
        }
    }

    fn gromov(&mut self, width: usize) {
        let layers = self.layers();
        for (weight, inputs) in &layers {
            self.tensor(
                weight,
                Law::Uniform(linear_bound(*inputs)),
                Layout::Transposed,
            );
        }
        let deviation = 0.5 / (2.0 * width as f64).powf(1.0 / 3.0);
        for (weight, _) in &layers {
            self.tensor(weight, Law::Normal(deviation), Layout::Transposed);
        }
    }

    /// Returns the names of the layers' weights with their numbers of inputs.
    fn layers(&self) -> Vec<(String, usize)> {
        let layers = self
            .parameters
            .iter()
            .filter(|p| p.name.starts_with("layers.") && p.role.is_weight());
        layers.map(|p| (p.name.clone(), p.table()[0])).collect()
    }

    /// Draws one tensor. Draws nothing if the architecture has no tensor of this name.
    fn tensor(&mut self, name: &str, law: Law, layout: Layout) {
        let Some(place) = self.parameters.position(name) else {
            return;
        };
        let (Some(parameter), Some(range)) = (
            self.parameters.get(place),
            self.parameters.ranges().nth(place),
        ) else {
            return;
        };
        let [rows, cols] = parameter.table();
        let drawn_cols = match layout {
            Layout::ColumnMore => cols + 1,
            _ => cols,
        };
        let mut drawn = vec![0.0; rows * drawn_cols];
        match law {
            Law::Normal(deviation) => self.generator.normal(&mut drawn, 0.0, deviation),
            Law::NormalOver(square) => {
                self.generator.normal(&mut drawn, 0.0, 1.0);
                let root = (square as f64).sqrt() as f32;
                drawn.iter_mut().for_each(|x| *x /= root);
            }
            Law::Uniform(bound) => self.generator.uniform(&mut drawn, -bound, bound),
        }
        let heads = match (layout, parameter.shape.as_slice()) {
            (Layout::HeadsTransposed, [heads, ..]) => *heads,
            _ => 1,
        };
        let block = rows / heads;
        for (row, out) in self.flat[range].chunks_exact_mut(cols).enumerate() {
            let (head, inner) = (row / block, row % block);
            for (col, x) in out.iter_mut().enumerate() {
                *x = match layout {
                    Layout::Same | Layout::ColumnMore => drawn[row * drawn_cols + col],
                    Layout::Transposed | Layout::HeadsTransposed => {
                        drawn[head * block * cols + col * block + inner]
                    }
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Norm;
    use crate::examples::{mlp, transformer};

    #[test]
    fn a_scheme_of_another_model_is_refused() {
        let cases = [
            (transformer(1, Norm::None), Init::Torch, "multilayer"),
            (transformer(1, Norm::None), Init::Gromov, "one hidden layer"),
            (
                mlp(Input::TwoHot, &[4, 4]),
                Init::Gromov,
                "one hidden layer",
            ),
            (mlp(Input::TwoHot, &[4]), Init::Paper, "transformers"),
        ];
        for (architecture, init, expected) in cases {
            let parameters = Parameters::new(&architecture).unwrap();
            let error = initial_parameters(&architecture, &parameters, init, 1.0, 0).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    /// Returns the parameters and the flat vector of a one-layer model on [a, b, '='].
    fn one_layer(init: Init) -> (Parameters, Vec<f32>) {
        let architecture = transformer(1, Norm::None);
        let parameters = Parameters::new(&architecture).unwrap();
        let flat = initial_parameters(&architecture, &parameters, init, 1.0, 4).unwrap();
        (parameters, flat)
    }

    fn of<'f>(name: &str, (parameters, flat): &'f (Parameters, Vec<f32>)) -> &'f [f32] {
        let place = parameters.position(name).unwrap();
        &flat[parameters.ranges().nth(place).unwrap()]
    }

    #[test]
    fn the_legacy_order_differs_from_the_output_on() {
        let (new, old) = (Init::TransformerLens, Init::TransformerLensLegacy);
        let (new, old) = (one_layer(new), one_layer(old));
        for name in ["embed.W_E", "pos_embed.W_pos", "blocks.0.attn.W_Q"] {
            assert_eq!(of(name, &new), of(name, &old));
        }
        // All four tensors have six by six entries. The second one drawn is W_O in the new order
        // and W_K in the old one.
        assert_eq!(of("blocks.0.attn.W_O", &new), of("blocks.0.attn.W_K", &old));
        assert_eq!(of("blocks.0.attn.W_K", &new), of("blocks.0.attn.W_V", &old));
        assert_eq!(of("unembed.W_U", &new), of("unembed.W_U", &old));
    }

    /// Draws the tensors one by one in the order and the layout of the paper's code.
    #[test]
    fn the_papers_tensors_are_transposed_and_its_unembedding_has_a_column_more() {
        let ours = one_layer(Init::Paper);
        let (p, d, heads, e, f) = (5, 6, 2, 3, 7);
        let mut generator = Generator::new(4);
        let mut draw = |rows: usize, cols: usize, square: usize| {
            let mut drawn = vec![0.0; rows * cols];
            generator.normal(&mut drawn, 0.0, 1.0);
            let root = (square as f64).sqrt() as f32;
            drawn.iter_mut().for_each(|x| *x /= root);
            move |row: usize, col: usize| drawn[row * cols + col]
        };
        let embed = draw(d, p + 1, d);
        let positions = draw(3, d, d);
        let key = draw(heads * e, d, d);
        let _query = draw(heads * e, d, d);
        let _value = draw(heads * e, d, d);
        let output = draw(d, heads * e, d);
        let _inward = draw(f, d, d);
        let outward = draw(d, f, d);
        let unembed = draw(d, p + 1, p + 1);
        assert_eq!(of("embed.W_E", &ours)[4 * d + 2], embed(2, 4));
        assert_eq!(of("pos_embed.W_pos", &ours)[d + 3], positions(1, 3));
        // Head 1, row 4 of d_model, column 2 of d_head.
        assert_eq!(
            of("blocks.0.attn.W_K", &ours)[(d + 4) * e + 2],
            key(e + 2, 4)
        );
        assert_eq!(
            of("blocks.0.attn.W_O", &ours)[(e + 1) * d + 5],
            output(5, e + 1)
        );
        assert_eq!(of("blocks.0.mlp.W_out", &ours)[6 * d + 1], outward(1, 6));
        assert_eq!(of("unembed.W_U", &ours)[3 * p + 4], unembed(3, 4));
        assert_eq!(of("unembed.W_U", &ours)[4 * p], unembed(4, 0));
    }

    #[test]
    fn a_scale_multiplies_weights_and_leaves_norms() {
        let architecture = transformer(2, Norm::Pre);
        let parameters = Parameters::new(&architecture).unwrap();
        let draw = |scale| {
            initial_parameters(&architecture, &parameters, Init::TransformerLens, scale, 7).unwrap()
        };
        let (one, four) = (draw(1.0), draw(4.0));
        for (parameter, range) in parameters.iter().zip(parameters.ranges()) {
            let factor = if parameter.role.is_weight() { 4.0 } else { 1.0 };
            assert!(
                one[range.clone()]
                    .iter()
                    .zip(&four[range])
                    .all(|(x, y)| x * factor == *y)
            );
        }
    }
}
