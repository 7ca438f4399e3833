//! Runs the kernels of the CPU executor one by one, for `cargo bench`. Each kernel has the size
//! that an epoch gives it, but runs on the same tile again and again, which stays in the caches as
//! an epoch's tiles do not. Trains nothing, and no test depends on a time.

use std::fmt;

use bytemuck::Zeroable;
use grokrun_executor::{CellInput, Pairs, Sample, Shape, StepCoefficients};
use pulp::{Arch, Simd, WithSimd};

use super::TILE;
use super::buffer::Buffer;
use super::dims::{Dims, Tensors};
use super::fold::fold;
use super::loss::{labels, score, score_and_gradients};
use super::pass::Tile;
use super::product::{Mode, Right, View};
use super::rows::{Rows, Weights, dots, sum_by_head};
use super::step::step;
use super::tables::Tables;

/// A kernel, by what it computes on one tile of 48 training pairs (fewer, if there are fewer),
/// unless the variant says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuKernel {
    /// the softmax over a pair's three scores, with its exponentials
    Attention,
    /// the weighted sums of rows of U′ and D′, and the ReLU
    Gather,
    /// logits += relu(pre) M, with the copy of the first logits
    Forward,
    /// losses and accuracies, with their exponentials
    Loss,
    /// losses and accuracies with the gradients of the logits
    LossGradients,
    /// dM += relu(pre)ᵀ g, with the packing of g
    NeuronLogit,
    /// g Mᵀ
    Neurons,
    /// U′ · dpre + D′ · g, for each of a pair's rows
    Dots,
    /// dU′ and dD′ of a token, over its training pairs; each run takes the next token
    TokenSums,
    /// AdamW over all parameters; the operations are the number of parameters
    Step,
}

impl CpuKernel {
    /// Every kernel, in the order of an epoch.
    pub const ALL: [CpuKernel; 10] = [
        CpuKernel::Attention,
        CpuKernel::Gather,
        CpuKernel::Forward,
        CpuKernel::Loss,
        CpuKernel::LossGradients,
        CpuKernel::NeuronLogit,
        CpuKernel::Neurons,
        CpuKernel::Dots,
        CpuKernel::TokenSums,
        CpuKernel::Step,
    ];
}

impl fmt::Display for CpuKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CpuKernel::Attention => "attention",
            CpuKernel::Gather => "gather",
            CpuKernel::Forward => "relu(pre) M",
            CpuKernel::Loss => "loss",
            CpuKernel::LossGradients => "loss, gradients",
            CpuKernel::NeuronLogit => "relu(pre)ᵀ g",
            CpuKernel::Neurons => "g Mᵀ",
            CpuKernel::Dots => "dots",
            CpuKernel::TokenSums => "sums of a token",
            CpuKernel::Step => "AdamW",
        })
    }
}

/// Holds the operands of every kernel.
pub struct CpuKernels {
    shape: Shape,
    dims: Dims,
    pairs: Pairs,
    tables: Tables,
    tile: Tile,
    /// logits of the tile, `(TILE, cp)`
    logits: Buffer,
    /// activations of all training pairs, `(n, fp)`, `(n, cp)` and `(n, 2, heads)`
    neurons: Buffer,
    gradients: Buffer,
    attention: Buffer,
    right: Right,
    /// dM, `(f, cp)`
    m: Buffer,
    /// dU′ and dD′ of a token, `(heads, fp)` and `(heads, cp)`
    rows: [Buffer; 2],
    along: Vec<f32>,
    /// the token that was summed last
    token: usize,
    /// parameters, moments and gradient
    numbers: [Buffer; 4],
}

impl CpuKernels {
    /// Allocates the operands for the pairs and the parameters of a cell.
    pub fn new(shape: Shape, cell: CellInput) -> CpuKernels {
        let dims = Dims::new(&shape);
        let Dims {
            p,
            heads,
            f,
            fp,
            cp,
            ..
        } = dims;
        let (n, parameters) = (cell.pairs.train().len(), cell.state.parameters);
        let mut kernels = CpuKernels {
            shape,
            dims,
            tables: Tables::new(&dims),
            tile: Tile::new(&dims, false),
            logits: Buffer::zeros(TILE * cp),
            neurons: Buffer::zeros(n * fp),
            gradients: Buffer::zeros(n * cp),
            attention: Buffer::zeros(n * 2 * heads),
            right: Right::zeros(TILE, p),
            m: Buffer::zeros(f * cp),
            rows: [Buffer::zeros(heads * fp), Buffer::zeros(heads * cp)],
            along: vec![0.0; 2 * heads],
            token: 0,
            numbers: std::array::from_fn(|_| Buffer::zeros(parameters.len())),
            pairs: cell.pairs,
        };
        kernels.numbers[0].copy_from_slice(&parameters);
        Arch::new().dispatch(Prepare(&mut kernels));
        kernels
    }

    /// Returns the number of multiply-adds of a kernel, or the count that the variant names; for
    /// the sums of tokens, the mean over tokens.
    pub fn operations(&self, kernel: CpuKernel) -> u64 {
        let Dims { p, heads, f, .. } = self.dims;
        let (samples, listed) = (tile_of(&self.pairs).len(), self.pairs.train().len() / p);
        let rows = 2 * heads * (f + p);
        let count = match kernel {
            CpuKernel::Attention => samples * heads * 3,
            CpuKernel::Gather | CpuKernel::Dots => samples * rows,
            CpuKernel::Forward | CpuKernel::NeuronLogit | CpuKernel::Neurons => samples * f * p,
            CpuKernel::Loss | CpuKernel::LossGradients => samples * p,
            CpuKernel::TokenSums => listed * heads * (f + p),
            CpuKernel::Step => self.shape.trained(),
        };
        count as u64
    }

    /// Runs a kernel once, on this thread.
    pub fn run(&mut self, kernel: CpuKernel) {
        Arch::new().dispatch(Run(self, kernel));
    }
}

/// Returns the first tile.
fn tile_of(pairs: &Pairs) -> &[Sample] {
    let train = pairs.train();
    &train[..train.len().min(TILE)]
}

/// Folds the parameters, and runs once the kernels whose results other kernels read.
struct Prepare<'a>(&'a mut CpuKernels);

impl WithSimd for Prepare<'_> {
    type Output = ();
    fn with_simd<S: Simd>(self, simd: S) {
        let k = self.0;
        let weights = Tensors::of(&k.shape, &k.numbers[0]);
        fold(simd, &k.dims, &weights, &mut k.tables, usize::MAX);
        k.numbers[1..].iter_mut().for_each(|part| part.fill(1e-3));
        k.attention.fill(0.3);
        k.neurons.fill(1e-3);
        k.gradients.fill(1e-3);
        for kernel in [
            CpuKernel::Attention,
            CpuKernel::Gather,
            CpuKernel::Forward,
            CpuKernel::LossGradients,
            CpuKernel::Neurons,
        ] {
            Run(k, kernel).with_simd(simd);
        }
    }
}

struct Run<'a>(&'a mut CpuKernels, CpuKernel);

impl WithSimd for Run<'_> {
    type Output = ();
    fn with_simd<S: Simd>(self, simd: S) {
        let Run(kernels, kernel) = self;
        vectorized!(simd, kernels.once(simd, kernel));
    }
}

impl CpuKernels {
    #[inline(always)]
    fn once<S: Simd>(&mut self, simd: S, kernel: CpuKernel) {
        let CpuKernels {
            shape,
            dims,
            pairs,
            tables: t,
            tile,
            logits,
            neurons,
            gradients,
            attention,
            right,
            m,
            rows,
            along,
            token,
            numbers,
        } = self;
        let Dims {
            heads,
            f,
            fp,
            cp,
            fr,
            cr,
            ..
        } = *dims;
        let samples = tile_of(pairs);
        let count = samples.len();
        let post = View::rows(&tile.post, fr);
        match kernel {
            CpuKernel::Attention => tile.attend(dims, &t.scores, samples),
            CpuKernel::Gather => tile.gather(simd, dims, t, samples),
            CpuKernel::Forward => {
                logits.copy_from_slice(&tile.logits);
                t.m_right.multiply(simd, post, count, logits, cp, Mode::Add);
            }
            CpuKernel::Loss => {
                std::hint::black_box(score(logits, cp, labels(samples)));
            }
            CpuKernel::LossGradients => {
                let found = score_and_gradients(logits, cp, labels(samples), 1.0, gradients);
                std::hint::black_box(found);
            }
            CpuKernel::NeuronLogit => {
                right.pack::<S>(View::rows(gradients, cp), count);
                right.multiply(simd, post.t(), f, m, cp, Mode::Add);
            }
            CpuKernel::Neurons => {
                let g = View::rows(gradients, cp);
                t.m_transposed
                    .multiply(simd, g, count, neurons, fp, Mode::Set);
            }
            CpuKernel::Dots => {
                let pairs = neurons.chunks_exact(fp).zip(gradients.chunks_exact(cp));
                for (terms, (dpre, g)) in tile.terms.chunks_exact(2 * heads).zip(pairs).take(count)
                {
                    let neurons = Rows {
                        data: &t.neuron_rows,
                        stride: fr,
                    };
                    let logits = Rows {
                        data: &t.logit_rows,
                        stride: cr,
                    };
                    dots(simd, [(neurons, dpre), (logits, g)], terms, along);
                }
            }
            CpuKernel::TokenSums => {
                *token = (*token + 1) % dims.rows;
                let list = pairs.lists().row(*token);
                let weights = Weights {
                    data: attention,
                    offset: 0,
                    stride: 2 * heads,
                };
                let [neuron, logit] = rows;
                sum_by_head(simd, neurons, list, weights, fp, neuron);
                sum_by_head(simd, gradients, list, weights, cp, logit);
            }
            CpuKernel::Step => {
                // A step with a learning rate of zero.
                let c = StepCoefficients {
                    decay: 1.0,
                    epsilon: 1.0,
                    ..StepCoefficients::zeroed()
                };
                let [w, first, second, gradient] = numbers;
                let trained = ..shape.trained();
                let numbers = [&mut w[trained], &mut first[trained], &mut second[trained]];
                step(simd, c, &gradient[trained], numbers, usize::MAX);
            }
        }
    }
}
