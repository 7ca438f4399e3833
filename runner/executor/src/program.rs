//! Defines the folded program: the stages of an epoch, and the tables at the boundaries between
//! stages.
//!
//! A program is recorded once for a shape; executors run it. The stage boundaries are the same in
//! both executors, so a test can compare any [`Table`] after any [`Stage`]. Owns no numbers and no
//! device.

use crate::shape::Shape;

/// A unit of work that both executors share: the GPU executor lowers a stage to kernels, and the
/// CPU executor runs one tiled function. Formulas: doc/model.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// parameters → scores, U′, D′, c, d, M
    Fold,
    /// forward, loss and backward on the training pairs → dU′, dD′, dc, dd, dM, d(score), train
    /// loss
    Learn,
    /// gradients of the folded tables → gradients of the real tensors
    Unfold,
    /// AdamW → parameters and moments
    Step,
    /// forward and loss on the test pairs → test loss
    Evaluate,
}

impl Stage {
    /// Every stage of the folded program.
    pub const ALL: [Stage; 5] = [
        Stage::Fold,
        Stage::Learn,
        Stage::Unfold,
        Stage::Step,
        Stage::Evaluate,
    ];
}

/// A table at a stage boundary, which tests can read in both executors. Tables are f32, row-major,
/// and read without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Table {
    /// the flat parameter vector, `(parameters)`
    Parameters,
    /// the gradient of the parameters, `(parameters)`; entries of frozen biases are unspecified
    Gradients,
    /// m, `(parameters)`
    FirstMoments,
    /// v, `(parameters)`
    SecondMoments,
    /// q_h·k_{h,t} / √d_head, `(2p + 1, heads)`
    Scores,
    /// U′, `(2p, heads, d_mlp)`
    NeuronRows,
    /// D′, `(2p, heads, p)`
    LogitRows,
    /// c, `(d_mlp)`
    NeuronBase,
    /// d, `(p)`
    LogitBase,
    /// M = W_out W_U, `(d_mlp, p)`
    NeuronLogit,
    /// the gradient of [`Table::Scores`], of the same shape
    ScoreGradients,
    /// the gradient of [`Table::NeuronRows`], of the same shape
    NeuronRowGradients,
    /// the gradient of [`Table::LogitRows`], of the same shape
    LogitRowGradients,
    /// the gradient of [`Table::NeuronBase`], of the same shape
    NeuronBaseGradient,
    /// the gradient of [`Table::LogitBase`], of the same shape
    LogitBaseGradient,
    /// the gradient of [`Table::NeuronLogit`], of the same shape
    NeuronLogitGradient,
}

impl Table {
    /// Returns the number of entries of the table for one replica.
    pub fn len(self, s: &Shape) -> usize {
        let p = s.modulus;
        match self {
            Table::Parameters | Table::Gradients | Table::FirstMoments | Table::SecondMoments => {
                s.parameters()
            }
            Table::Scores | Table::ScoreGradients => s.rows() * s.heads,
            Table::NeuronRows | Table::NeuronRowGradients => 2 * p * s.heads * s.d_mlp,
            Table::LogitRows | Table::LogitRowGradients => 2 * p * s.heads * p,
            Table::NeuronBase | Table::NeuronBaseGradient => s.d_mlp,
            Table::LogitBase | Table::LogitBaseGradient => p,
            Table::NeuronLogit | Table::NeuronLogitGradient => s.d_mlp * p,
        }
    }
}

/// The stages of a training run, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// the shape of every replica
    pub shape: Shape,
    /// the stages that run once, after parameters were loaded
    pub prologue: Vec<Stage>,
    /// the stages that run once for each epoch: the train loss is taken before the step, the test
    /// loss after it
    pub epoch: Vec<Stage>,
}

impl Program {
    /// Records the folded program. Each epoch ends with the fold, whose tables serve the evaluation
    /// of the epoch and the training of the next one.
    pub fn folded(shape: Shape) -> Program {
        Program {
            shape,
            prologue: vec![Stage::Fold],
            epoch: vec![
                Stage::Learn,
                Stage::Unfold,
                Stage::Step,
                Stage::Fold,
                Stage::Evaluate,
            ],
        }
    }
}
