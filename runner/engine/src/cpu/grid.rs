//! What a model does on the full grid of pairs: for analyses, one thread, never in the way of
//! training for more than a few milliseconds.

use pulp::{Arch, Simd, WithSimd};
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::TILE;
use super::dims::{Dims, Tensors};
use super::fold::fold;
use super::pass::Tile;
use super::tables::Tables;
use super::{CpuExecutor, Executor};
use crate::EngineError;
use crate::data::{Pairs, Sample};
use crate::executor::{CellInput, ModelState};
use crate::program::{Program, Stage, Table};
use crate::schedule::Recipe;
use crate::shape::Shape;

/// Which activations to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// attention from '='
    pub attention: bool,
    /// the neurons' inputs
    pub pre: bool,
    /// the neurons' outputs
    pub post: bool,
    /// the logits
    pub logits: bool,
}

/// Activations over all p² pairs, a-major; those that were not wanted are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Activations {
    /// to a, b and '=', `(p², heads, 3)`
    pub attention: Vec<f32>,
    /// `(p², d_mlp)`
    pub pre: Vec<f32>,
    /// `(p², d_mlp)`
    pub post: Vec<f32>,
    /// `(p², p)`
    pub logits: Vec<f32>,
}

/// Room to evaluate models of one shape.
pub struct GridPass {
    shape: Shape,
    dims: Dims,
    pool: ThreadPool,
    tables: Tables,
    tile: Tile,
    samples: Vec<Sample>,
}

impl GridPass {
    /// For models of this shape.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn new(shape: Shape) -> Result<GridPass, EngineError> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .thread_name(|_| "grokrun-grid".to_owned())
            .build()
            .map_err(|e| EngineError::Device(format!("a thread cannot be started: {e}")))?;
        let dims = Dims::new(&shape);
        let p = shape.modulus as u32;
        let sample = |i: u32| Sample {
            a: i / p,
            b: i % p,
            label: 0,
        };
        Ok(GridPass {
            shape,
            dims,
            pool,
            tables: Tables::new(&dims),
            tile: Tile::new(&dims, true),
            samples: (0..p * p).map(sample).collect(),
        })
    }

    /// Evaluates the model with these `parameters` (the flat vector of [`ModelState`]).
    ///
    /// # Errors
    /// When there are more or fewer than the shape has.
    pub fn run(&mut self, parameters: &[f32], wanted: Wanted) -> Result<Activations, EngineError> {
        let want = self.shape.parameters();
        if parameters.len() != want {
            let got = parameters.len();
            return Err(EngineError::Data(format!(
                "{got} parameters do not fit a model of {want}"
            )));
        }
        let GridPass {
            shape,
            dims,
            pool,
            tables,
            tile,
            samples,
        } = self;
        let pass = Pass {
            dims,
            weights: Tensors::of(shape, parameters),
            tables,
            tile,
            samples,
            wanted,
        };
        Ok(pool.install(|| Arch::new().dispatch(pass)))
    }
}

struct Pass<'a> {
    dims: &'a Dims,
    weights: Tensors<&'a [f32]>,
    tables: &'a mut Tables,
    tile: &'a mut Tile,
    samples: &'a [Sample],
    wanted: Wanted,
}

impl WithSimd for Pass<'_> {
    type Output = Activations;

    fn with_simd<S: Simd>(self, simd: S) -> Activations {
        let Pass {
            dims,
            weights,
            tables,
            tile,
            samples,
            wanted,
        } = self;
        fold(simd, dims, &weights, tables, usize::MAX);
        let mut out = Activations::default();
        for samples in samples.chunks(TILE) {
            vectorized!(simd, tile.forward(simd, dims, tables, samples));
            if wanted.attention {
                let [to_a, to_b, to_eq] = &tile.attention;
                for i in 0..samples.len() * dims.heads {
                    out.attention.extend([to_a[i], to_b[i], to_eq[i]]);
                }
            }
            for i in 0..samples.len() {
                if let (true, Some(pre)) = (wanted.pre, &tile.pre) {
                    out.pre.extend_from_slice(&pre[i * dims.fr..][..dims.f]);
                }
                if wanted.post {
                    out.post
                        .extend_from_slice(&tile.post[i * dims.fr..][..dims.f]);
                }
                if wanted.logits {
                    out.logits
                        .extend_from_slice(&tile.logits[i * dims.cp..][..dims.p]);
                }
            }
        }
        out
    }
}

/// The gradient of the train loss of a model, `(parameters)`; 0 for biases that are not trained.
///
/// # Errors
/// When the pairs or the parameters do not fit the shape.
pub fn train_gradient(
    shape: Shape,
    parameters: &[f32],
    pairs: &Pairs,
) -> Result<Vec<f32>, EngineError> {
    let cell = CellInput {
        pairs: pairs.clone(),
        // No step is taken, so that the recipe does not matter.
        recipe: Recipe {
            learning_rate: 0.0,
            weight_decay: 0.0,
            betas: [0.0, 0.0],
            epsilon: 1.0,
            warmup: 0,
        },
        state: ModelState::initial(parameters.to_vec()),
    };
    let mut executor = CpuExecutor::new(Program::folded(shape), vec![cell], Some(1))?;
    executor.run_stage(Stage::Learn)?;
    executor.run_stage(Stage::Unfold)?;
    let mut gradient = executor.table(0, Table::Gradients)?;
    gradient[shape.trained()..].fill(0.0);
    Ok(gradient)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::init::{InitScheme, initial_parameters};
    use crate::reference::Reference;
    use crate::shape::Activation;

    const SHAPE: Shape = Shape {
        modulus: 13,
        d_model: 19,
        heads: 3,
        d_head: 5,
        d_mlp: 37,
        activation: Activation::Gelu,
        trained_biases: false,
    };

    #[test]
    fn gradients_are_those_of_the_reference() {
        let parameters = initial_parameters(&SHAPE, InitScheme::TransformerLens, 3);
        let samples: Vec<Sample> = (0..169)
            .map(|i| Sample {
                a: i / 13,
                b: i % 13,
                label: (i / 13 + i) % 13,
            })
            .collect();
        let pairs = Pairs::new(13, samples[..100].to_vec(), samples[100..].to_vec()).unwrap();
        let got = train_gradient(SHAPE, &parameters, &pairs).unwrap();
        let wide = parameters.iter().map(|x| f64::from(*x)).collect();
        let want = Reference::<f64>::new(SHAPE, wide).gradients(pairs.train());
        for (got, want) in got[..SHAPE.trained()].iter().zip(&want.gradient) {
            assert!((f64::from(*got) - want).abs() < 1e-6, "{got} {want}");
        }
    }

    #[test]
    fn everything_that_is_wanted_agrees_with_the_reference() {
        let parameters = initial_parameters(&SHAPE, InitScheme::TransformerLens, 3);
        let all = Wanted {
            attention: true,
            pre: true,
            post: true,
            logits: true,
        };
        let mut pass = GridPass::new(SHAPE).unwrap();
        let got = pass.run(&parameters, all).unwrap();
        let wide = parameters.iter().map(|x| f64::from(*x)).collect();
        let want = Reference::<f64>::new(SHAPE, wide).activations(&pass.samples);
        let got = [got.attention, got.pre, got.post, got.logits];
        for (part, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_eq!(got.len(), want.len(), "part {part}");
            for (got, want) in got.iter().zip(want) {
                assert!(
                    (f64::from(*got) - want).abs() < 1e-5,
                    "part {part}: {got} {want}"
                );
            }
        }
        let none = pass.run(&parameters, Wanted::default()).unwrap();
        assert_eq!(none, Activations::default());
        assert!(pass.run(&parameters[1..], all).is_err());
    }
}
