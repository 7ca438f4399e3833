//! Every buffer of a batch of cells on the device, each with a leading replica dimension.

use wgpu::Buffer;

use super::context::Context;
use crate::EngineError;
use crate::executor::CellInput;
use crate::shape::Shape;

/// Epochs whose metrics the ring holds: the most that one submission runs.
pub(crate) const WINDOW: usize = 256;
/// What the ring holds of one part of one epoch: partial sums of losses, then right answers.
pub(crate) const PARTIALS: usize = 32;
pub(crate) const RECORD: usize = PARTIALS + 1;
/// Training pairs in one part of the sum that is dM.
pub(crate) const SPLIT: usize = 256;

/// The numbers of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) shape: Shape,
    pub(crate) replicas: usize,
    /// training pairs of each replica
    pub(crate) train: usize,
    /// test pairs of each replica
    pub(crate) test: usize,
}

impl Sizes {
    /// # Errors
    /// When the cells do not fit together.
    pub(crate) fn new(shape: Shape, cells: &[CellInput]) -> Result<Sizes, EngineError> {
        let Some(first) = cells.first() else {
            return Err(EngineError::Data(
                "a batch needs at least one cell".to_owned(),
            ));
        };
        let (train, test) = (first.pairs.train().len(), first.pairs.test().len());
        for cell in cells {
            let state = &cell.state;
            let parts = [
                &state.parameters,
                &state.first_moments,
                &state.second_moments,
            ];
            let fits = parts.iter().all(|part| part.len() == shape.parameters())
                && cell.pairs.modulus() == shape.modulus
                && (cell.pairs.train().len(), cell.pairs.test().len()) == (train, test)
                && state.epoch == first.state.epoch;
            if !fits {
                return Err(EngineError::Data(
                    "cells of one batch need one shape, as many pairs, and the same epoch"
                        .to_owned(),
                ));
            }
        }
        Ok(Sizes {
            shape,
            replicas: cells.len(),
            train,
            test,
        })
    }

    /// Parts of the sum that is dM.
    pub(crate) fn parts(&self) -> usize {
        self.train.div_ceil(SPLIT)
    }
}

/// The buffers. Shapes leave out the replica dimension; names as in `cpu::tables`.
pub(crate) struct Buffers {
    // What training changes, `(stored)` each.
    pub(crate) parameters: Buffer,
    pub(crate) first: Buffer,
    pub(crate) second: Buffer,
    pub(crate) gradient: Buffer,
    // The data: `(pairs, 3)`, and the training pairs of each token row.
    pub(crate) train: Buffer,
    pub(crate) test: Buffer,
    pub(crate) starts: Buffer,
    pub(crate) lists: Buffer,
    // The folded tables.
    pub(crate) x: Buffer,
    pub(crate) xd: Buffer,
    pub(crate) r: Buffer,
    pub(crate) q: Buffer,
    pub(crate) kq: Buffer,
    pub(crate) scores: Buffer,
    pub(crate) v_eq: Buffer,
    pub(crate) neuron_base: Buffer,
    pub(crate) logit_base: Buffer,
    pub(crate) v: Buffer,
    pub(crate) ow: Buffer,
    pub(crate) ou: Buffer,
    pub(crate) neuron_rows: Buffer,
    pub(crate) logit_rows: Buffer,
    pub(crate) m: Buffer,
    // A pass over a slice of at most `train` pairs.
    pub(crate) attention: Buffer,
    pub(crate) pre: Buffer,
    pub(crate) logits: Buffer,
    pub(crate) train_results: Buffer,
    pub(crate) test_results: Buffer,
    // Its gradients.
    pub(crate) d_pre: Buffer,
    pub(crate) d_attention: Buffer,
    pub(crate) m_parts: Buffer,
    pub(crate) d_scores: Buffer,
    pub(crate) d_neuron_rows: Buffer,
    pub(crate) d_logit_rows: Buffer,
    pub(crate) d_neuron_base: Buffer,
    pub(crate) d_logit_base: Buffer,
    pub(crate) d_m: Buffer,
    // The way back to the parameters.
    pub(crate) d_v: Buffer,
    pub(crate) d_ow: Buffer,
    pub(crate) d_ou: Buffer,
    pub(crate) d_r: Buffer,
    pub(crate) d_v_eq: Buffer,
    pub(crate) d_kq: Buffer,
    pub(crate) d_q: Buffer,
    pub(crate) d_x: Buffer,
    pub(crate) d_xd_sum: Buffer,
    // Time.
    pub(crate) one: Buffer,
    pub(crate) clock: Buffer,
    pub(crate) coefficients: Buffer,
    /// `(WINDOW, replicas, 2, RECORD)`
    pub(crate) ring: Buffer,
}

impl Buffers {
    /// Loads the cells.
    ///
    /// # Errors
    /// When they do not fit the device's memory.
    pub(crate) fn new(
        context: &Context,
        sizes: &Sizes,
        cells: &[CellInput],
    ) -> Result<Buffers, EngineError> {
        let Sizes {
            shape,
            replicas,
            train,
            test,
        } = *sizes;
        let Shape {
            modulus: p,
            d_model: d,
            heads,
            d_head: e,
            d_mlp: f,
            ..
        } = shape;
        let (he, rows) = (heads * e, 2 * p);
        let zeros =
            |label: &str, numbers: usize| context.storage(label, numbers.saturating_mul(replicas));
        let joined = |label: &str, pick: fn(&CellInput) -> &[f32]| {
            let numbers: Vec<f32> = cells.iter().flat_map(pick).copied().collect();
            context.filled(label, &numbers)
        };
        let words = |label: &str, pick: fn(&CellInput) -> &[u32]| {
            let numbers: Vec<u32> = cells.iter().flat_map(pick).copied().collect();
            context.filled(label, &numbers)
        };
        Ok(Buffers {
            parameters: joined("parameters", |cell| &cell.state.parameters)?,
            first: joined("first moments", |cell| &cell.state.first_moments)?,
            second: joined("second moments", |cell| &cell.state.second_moments)?,
            gradient: zeros("gradients", shape.parameters())?,
            train: words("training pairs", |cell| {
                bytemuck::cast_slice(cell.pairs.train())
            })?,
            test: words("test pairs", |cell| bytemuck::cast_slice(cell.pairs.test()))?,
            starts: words("token lists", |cell| &cell.pairs.lists().starts)?,
            lists: words("token lists", |cell| &cell.pairs.lists().samples)?,
            x: zeros("x", (rows + 1) * d)?,
            xd: zeros("x differences", rows * d)?,
            r: zeros("r", d)?,
            q: zeros("q", he)?,
            kq: zeros("W_K q", heads * d)?,
            scores: zeros("scores", (rows + 1) * heads)?,
            v_eq: zeros("v of '='", he)?,
            neuron_base: zeros("c", f)?,
            logit_base: zeros("d", p)?,
            v: zeros("V'", rows * he)?,
            ow: zeros("W_O W_in", he * f)?,
            ou: zeros("W_O W_U", he * p)?,
            neuron_rows: zeros("U'", rows * heads * f)?,
            logit_rows: zeros("D'", rows * heads * p)?,
            m: zeros("M", f * p)?,
            attention: zeros("attention", train * 3 * heads)?,
            pre: zeros("neurons", train * f)?,
            logits: zeros("logits", train * p)?,
            train_results: zeros("train losses", train * 2)?,
            test_results: zeros("test losses", test * 2)?,
            d_pre: zeros("gradients of neurons", train * f)?,
            d_attention: zeros("gradients of attention", train * 3 * heads)?,
            m_parts: zeros("parts of dM", sizes.parts() * f * p)?,
            d_scores: zeros("gradients of scores", (rows + 1) * heads)?,
            d_neuron_rows: zeros("gradients of U'", rows * heads * f)?,
            d_logit_rows: zeros("gradients of D'", rows * heads * p)?,
            d_neuron_base: zeros("gradient of c", f)?,
            d_logit_base: zeros("gradient of d", p)?,
            d_m: zeros("gradient of M", f * p)?,
            d_v: zeros("gradients of V'", rows * he)?,
            d_ow: zeros("gradient of W_O W_in", he * f)?,
            d_ou: zeros("gradient of W_O W_U", he * p)?,
            d_r: zeros("gradient of r", d)?,
            d_v_eq: zeros("gradient of v of '='", he)?,
            d_kq: zeros("gradient of W_K q", heads * d)?,
            d_q: zeros("gradient of q", he)?,
            d_x: zeros("gradients of x", (rows + 1) * d)?,
            d_xd_sum: zeros("sum of gradients of x", d)?,
            one: context.filled("one", &[1.0f32])?,
            clock: context.filled("clock", &[0u32])?,
            coefficients: zeros("coefficients", WINDOW * 8)?,
            ring: zeros("ring", WINDOW * 2 * RECORD)?,
        })
    }
}
