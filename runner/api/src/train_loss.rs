//! Defines the train loss as a function of the weights, which an analysis may evaluate wherever it
//! wants to.
//!
//! Owns what is asked and answered, and the product with the Hessian that follows from two
//! gradients. Knows nothing of models, or of how a loss is computed.

use std::fmt::Debug;

use crate::{Failure, Sink};

/// What an analysis asks for at some weights.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// the trained weights, as many as [`Snapshot::trained_weights`](crate::Snapshot) has and in
    /// the same order
    pub weights: &'a [f32],
    /// whether the gradient is wanted
    pub gradient: bool,
    /// whether the loss of each sample is wanted
    pub samples: bool,
}

impl<'a> Ask<'a> {
    /// Asks for the loss alone.
    pub fn loss(weights: &'a [f32]) -> Ask<'a> {
        Ask {
            weights,
            gradient: false,
            samples: false,
        }
    }

    /// Asks for the loss and the gradient.
    pub fn gradient(weights: &'a [f32]) -> Ask<'a> {
        Ask {
            gradient: true,
            ..Ask::loss(weights)
        }
    }

    /// Asks for the loss of each sample as well.
    #[must_use]
    pub fn with_samples(self) -> Ask<'a> {
        Ask {
            samples: true,
            ..self
        }
    }
}

/// The train loss at some weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossAt {
    /// the mean loss over all training samples, without weight decay
    pub loss: f64,
    /// the share of training samples whose largest logit is the label's
    pub accuracy: f64,
    /// the gradient of the mean loss, a number for each weight; empty unless it was asked for
    pub gradient: Vec<f32>,
    /// the loss of each training sample in the precision of the training, in the order of
    /// [`Task::train`](crate::Task); empty unless the losses were asked for
    pub samples: Vec<f64>,
}

/// Computes the train loss at any weights.
pub trait TrainLoss: Debug + Send + Sync {
    /// Computes what is asked for.
    ///
    /// # Errors
    /// When the number of weights is not the model's, or the loss cannot be computed.
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure>;
}

impl Failure {
    /// Returns the failure of a sink that computes no train loss.
    pub fn no_train_loss() -> Failure {
        Failure::new(
            "no train loss is computed here; expected trained.* in the manifest's needs, and an analysis of a cell in observe or finish",
        )
    }
}

impl dyn Sink + '_ {
    /// Returns the product of the Hessian of the train loss at `weights` with a direction, by the
    /// central difference of two gradients:
    ///
    /// ```text
    /// H v ≈ |v| (g(w + h v/|v|) − g(w − h v/|v|)) / (2 h)
    /// ```
    ///
    /// `step` is h, a distance in the space of the weights. The error of a smooth loss is
    /// O(h²) and the rounding's is O(ε |g| / h). At a kink of a ReLU within h, the difference is
    /// the mean change of the slope over 2h, of which the second derivative sees nothing. The
    /// difference is divided by the distance of the weights as they are rounded. Two calls of the
    /// training's own gradient serve any program and any loss; an exact product would need a second
    /// adjoint of every operation.
    ///
    /// # Errors
    /// As for [`Sink::train_loss`]; also when the lengths differ, or the step is no finite number
    /// above 0.
    pub fn hessian_product(
        &mut self,
        weights: &[f32],
        direction: &[f64],
        step: f64,
    ) -> Result<Vec<f64>, Failure> {
        if weights.len() != direction.len() {
            return Err(Failure::new(format!(
                "the direction has {} numbers; expected {}, one for each weight",
                direction.len(),
                weights.len()
            )));
        }
        if !(step > 0.0 && step.is_finite()) {
            return Err(Failure::new(format!(
                "the step of the difference is {step}; expected a finite number above 0"
            )));
        }
        let norm = direction.iter().map(|v| v * v).sum::<f64>().sqrt();
        if norm == 0.0 {
            return Ok(vec![0.0; weights.len()]);
        }
        let moved = |sign: f64| -> Vec<f32> {
            let pairs = weights.iter().zip(direction);
            pairs
                .map(|(w, v)| (f64::from(*w) + sign * step / norm * v) as f32)
                .collect()
        };
        let (up, down) = (moved(1.0), moved(-1.0));
        let above = self.train_loss(Ask::gradient(&up))?.gradient;
        let below = self.train_loss(Ask::gradient(&down))?.gradient;
        // The part of the rounded displacement that lies along the direction.
        let along: f64 = up
            .iter()
            .zip(&down)
            .zip(direction)
            .map(|((u, d), v)| (f64::from(*u) - f64::from(*d)) * v / norm)
            .sum();
        if along <= 0.0 {
            return Err(Failure::new(format!(
                "the step {step:e} of the difference is lost in the rounding of the weights; expected a larger one"
            )));
        }
        let pairs = above.iter().zip(&below);
        Ok(pairs
            .map(|(a, b)| norm * (f64::from(*a) - f64::from(*b)) / along)
            .collect())
    }
}
