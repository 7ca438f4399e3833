//! Lowers the stages of the folded program to dispatches. The formulas are those of the CPU's
//! `fold`, `learn` and `unfold`, and of doc/model.md.
//!
//! A stage is divided into levels, each of which reads only what earlier levels wrote. A level is
//! one dispatch, however many products it has.

mod fold;
mod learn;
mod unfold;

use grokrun_executor::{Activation, EngineError, Parameter, Shape, Stage};
use grokrun_shaders::{ADAMW, FORWARD, ForwardSizes, METRICS, SUMS, Words, uniforms};

use super::arena::{Place, Tables};
use super::buffers::{Buffers, Sizes};
use super::plan::{Level, Matrix, Plan, Product, Sum};
use super::recorder::Recorder;
use super::recording::Specialised;
use super::variant::Variant;

/// A dispatch that is recorded but not yet bound to buffers.
enum Step {
    Products(Level),
    Sums(Level),
    Other(Specialised, Vec<u32>, Bound, [u64; 2]),
}

/// The buffers of a kernel that does not read the plan.
#[derive(Clone, Copy)]
enum Bound {
    Arena,
    DataAndArena,
    StepsAndArena,
}

/// Divides the stages of one batch into dispatches.
pub(crate) struct Lowering<'a> {
    sizes: &'a Sizes,
    tables: &'a Tables,
    buffers: &'a Buffers,
    variant: Variant,
    forward: ForwardSizes,
    plan: Plan,
    steps: Vec<Step>,
}

/// The largest number of multiply-adds of a product with M in one dispatch, for each pair of a
/// workgroup. A watchdog may end a dispatch that takes seconds. 2³² of 8 pairs are some 70 GFLOP.
const SLICE: usize = 1 << 32;

/// Returns the workgroups for `items` items, `each` to a group, in x and y.
fn groups(items: usize, each: usize) -> [u64; 2] {
    let count = items.div_ceil(each).max(1) as u64;
    let y = count.div_ceil(65_535);
    [count.div_ceil(y), y]
}

impl<'a> Lowering<'a> {
    /// # Errors
    /// When a workgroup's memory cannot hold the attention of this many heads.
    pub(crate) fn new(
        sizes: &'a Sizes,
        tables: &'a Tables,
        buffers: &'a Buffers,
        variant: Variant,
    ) -> Result<Lowering<'a>, EngineError> {
        let Shape { modulus, heads, .. } = sizes.shape;
        let forward = ForwardSizes::new(modulus, heads, variant.groups()).ok_or_else(|| {
            EngineError::Memory(format!(
                "{heads} heads do not fit a workgroup's memory on a GPU; expected at most about 100 heads, or --backend cpu"
            ))
        })?;
        Ok(Lowering {
            sizes,
            tables,
            buffers,
            variant,
            forward,
            plan: Plan::default(),
            steps: Vec::new(),
        })
    }

    /// Returns the number of dispatches so far, which marks the borders of stages.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Adds the dispatches of a stage.
    pub(crate) fn stage(&mut self, stage: Stage) {
        match stage {
            Stage::Fold => self.fold(),
            Stage::Learn => self.learn(),
            Stage::Unfold => self.unfold(),
            Stage::Step => self.step(),
            Stage::Evaluate => self.pairs(false),
        }
    }

    /// Adds the dispatch that ends an epoch: it writes the metrics to the ring and advances the
    /// clock.
    pub(crate) fn metrics(&self, out: &mut Recorder) {
        let t = self.tables;
        let part = |losses: Place, correct: Place| uniforms::metrics::Part {
            losses: losses.first as u32,
            correct: correct.first as u32,
            vec4s: losses.vec4s() as u32,
            unused: 0,
        };
        let params = uniforms::metrics::Params {
            train: part(t.train_losses, t.train_rights),
            test: part(t.test_losses, t.test_rights),
            stride: t.stride as u32,
            replicas: self.sizes.replicas as u32,
        };
        let b = self.buffers;
        out.dispatch(
            &METRICS,
            &params.words(),
            &[b.arena, b.clock, b.ring],
            [self.sizes.replicas as u64, 1, 1],
        );
    }

    /// Adds the dispatches; the buffer `plan` holds [`Lowering::words`].
    pub(crate) fn record(&self, out: &mut Recorder, plan: usize) {
        let b = self.buffers;
        let z = self.sizes.replicas as u64;
        for step in &self.steps {
            match step {
                Step::Products(level) => {
                    // The parameters are the same for both variants.
                    let params = uniforms::product::Params {
                        tiles: level.first as u32,
                        count: level.count as u32,
                        stride: self.tables.stride as u32,
                    };
                    let [x, y] = groups(level.count, 1);
                    out.dispatch(
                        self.variant.product(),
                        &params.words(),
                        &[plan, b.arena],
                        [x, y, z],
                    );
                }
                Step::Sums(level) => {
                    let [x, y] = groups(level.count, 1);
                    out.dispatch(
                        &SUMS,
                        &self.sums_params(*level).words(),
                        &[plan, b.data, b.arena],
                        [x, y, z],
                    );
                }
                Step::Other(kernel, words, bound, [x, y]) => {
                    let buffers: &[usize] = match bound {
                        Bound::Arena => &[b.arena],
                        Bound::DataAndArena => &[b.data, b.arena],
                        Bound::StepsAndArena => &[b.coefficients, b.clock, b.arena],
                    };
                    out.dispatch(kernel.clone(), words, buffers, [*x, *y, z]);
                }
            }
        }
    }

    /// Returns the plan of all stages.
    pub(crate) fn words(&self) -> &[u32] {
        self.plan.words()
    }

    fn sums_params(&self, level: Level) -> uniforms::sums::Params {
        let Shape { modulus, heads, .. } = self.sizes.shape;
        let data = self.buffers.places;
        uniforms::sums::Params {
            tiles: level.first as u32,
            count: level.count as u32,
            stride: self.tables.stride as u32,
            p: modulus as u32,
            heads: heads as u32,
            h4: heads.div_ceil(4) as u32,
            pairs: self.sizes.train as u32,
            starts: data.starts as u32,
            lists: data.lists as u32,
        }
    }

    /// Adds a level of products.
    fn products(&mut self, products: &[Product]) {
        let level = self.plan.products(products, self.variant.tile());
        self.steps.push(Step::Products(level));
    }

    /// Adds a level of sums.
    fn sums(&mut self, sums: &[Sum]) {
        let Shape { modulus, heads, .. } = self.sizes.shape;
        let level = self.plan.sums(sums, 2 * modulus, heads);
        self.steps.push(Step::Sums(level));
    }

    /// Adds a level with its own kernel.
    fn other(
        &mut self,
        kernel: impl Into<Specialised>,
        params: &impl Words,
        bound: Bound,
        grid: [u64; 2],
    ) {
        self.steps
            .push(Step::Other(kernel.into(), params.words(), bound, grid));
    }

    fn weight(&self, parameter: Parameter) -> Matrix {
        Matrix::of(self.tables.weight(parameter))
    }

    /// Returns the weights that the fold multiplies: W_in, W_out, W_U, W_O.
    fn folded_weights(&self) -> [Matrix; 4] {
        [
            Parameter::In,
            Parameter::Out,
            Parameter::Unembed,
            Parameter::Output,
        ]
        .map(|parameter| self.weight(parameter))
    }

    /// Returns a head of a `(heads, d_model, d_head)` parameter, or of W_O `(heads, d_head,
    /// d_model)`.
    fn weight_of_head(&self, parameter: Parameter, head: usize) -> Matrix {
        let place = self.tables.weight(parameter);
        Matrix::of(place).at_row(head * place.rows / self.sizes.shape.heads)
    }

    fn gradient_of_head(&self, parameter: Parameter, head: usize) -> Matrix {
        let place = self.tables.gradient_of(parameter);
        Matrix::of(place).at_row(head * place.rows / self.sizes.shape.heads)
    }

    fn gradient(&self, parameter: Parameter) -> Matrix {
        Matrix::of(self.tables.gradient_of(parameter))
    }

    /// Returns `(1, k)` ones, so that ones · B is the sum of B's rows.
    fn ones(&self) -> Matrix {
        Matrix::of(self.tables.ones).every(0).t()
    }

    /// Returns `(1, k)` entries of −1.
    fn minus_ones(&self) -> Matrix {
        Matrix::of(self.tables.ones).at_row(1).every(0).t()
    }

    /// Adds attention, neurons, logits and losses of all training pairs with their gradients, or of
    /// all test pairs without gradients.
    fn pairs(&mut self, learn: bool) {
        let Shape {
            modulus: p,
            heads,
            d_mlp: f,
            activation,
            ..
        } = self.sizes.shape;
        let (t, data) = (self.tables, self.buffers.places);
        let (total, samples, losses, correct) = if learn {
            (self.sizes.train, data.train, t.train_losses, t.train_rights)
        } else {
            (self.sizes.test, data.test, t.test_losses, t.test_rights)
        };
        let kind = match activation {
            Activation::Relu => 1,
            Activation::Gelu => 2,
        };
        let scale = 1.0 / total as f32;
        let at = |place: Place| place.first as u32;
        let kernel = Specialised::new(&FORWARD, self.forward.constants(kind, learn));
        let each = self.forward.pairs() as usize;
        let slice = (SLICE / f.saturating_mul(p)).max(1) * each;
        for first in (0..total).step_by(slice) {
            let params = uniforms::forward::Params {
                p: p as u32,
                p4: p.div_ceil(4) as u32,
                f4: f.div_ceil(4) as u32,
                heads: heads as u32,
                h4: heads.div_ceil(4) as u32,
                total: total as u32,
                first: first as u32,
                stride: t.stride as u32,
                samples: samples as u32,
                scores: at(t.scores),
                neuron_rows: at(t.neuron_rows),
                logit_rows: at(t.logit_rows),
                neuron_base: at(t.neuron_base),
                logit_base: at(t.logit_base),
                m: at(t.m),
                m_flipped: at(t.m_flipped),
                losses: at(losses),
                correct: at(correct),
                attention: at(t.attention),
                neurons: at(t.neurons),
                d_neurons: at(t.d_neurons),
                d_logits: at(t.d_logits),
                d_scores: at(t.d_pair_scores),
                scale,
            };
            let grid = groups(slice.min(total - first), each);
            self.other(kernel.clone(), &params, Bound::DataAndArena, grid);
        }
    }

    fn step(&mut self) {
        let t = self.tables;
        let trained = t.vector.trained;
        let params = uniforms::adamw::Params {
            trained: trained as u32,
            stride: t.stride as u32,
            replicas: self.sizes.replicas as u32,
            gradient: t.gradient.first as u32,
            parameters: t.parameters.first as u32,
            first: t.first.first as u32,
            second: t.second.first as u32,
        };
        self.other(&ADAMW, &params, Bound::StepsAndArena, groups(trained, 64));
    }
}
