//! Stochastic gradient Langevin dynamics on the full batch: one chain around a point.
//!
//! Owns the step and its diagnostics. Knows nothing of what is estimated from the losses.

use grokrun_api::{Ask, Failure, LossAt, Sink};
use grokrun_basis::gaussian;

/// What a chain is drawn with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dynamics {
    /// n β: what the mean loss is multiplied by
    pub(crate) n_beta: f64,
    /// the strength of the pull towards the first point
    pub(crate) gamma: f64,
    /// ε
    pub(crate) step: f64,
    /// the steps before the first draw
    pub(crate) burn_in: usize,
    /// the draws, a step each
    pub(crate) draws: usize,
}

/// The draws of one chain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    /// the loss at each draw
    pub(crate) losses: Vec<f64>,
    /// the mean probability with which Metropolis' rule would accept a step of the draws
    pub(crate) acceptance: f64,
    /// |w − w₀| at the last draw
    pub(crate) distance: f64,
    /// whether the chain ran away: its losses are then those before
    pub(crate) diverged: bool,
}

/// A point of a chain.
struct Point {
    weights: Vec<f64>,
    loss: f64,
    /// the gradient of n β L + γ/2 |w − w₀|²
    force: Vec<f64>,
    energy: f64,
}

impl Dynamics {
    fn point(
        &self,
        origin: &[f32],
        weights: Vec<f64>,
        out: &mut dyn Sink,
    ) -> Result<Point, Failure> {
        let narrow: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
        let LossAt { loss, gradient, .. } = out.train_loss(Ask::gradient(&narrow))?;
        let away = weights.iter().zip(origin).map(|(w, o)| w - f64::from(*o));
        let squares: f64 = away.clone().map(|x| x * x).sum();
        let pairs = gradient.iter().zip(away);
        let force = pairs.map(|(g, x)| self.n_beta * f64::from(*g) + self.gamma * x);
        Ok(Point {
            force: force.collect(),
            energy: self.n_beta * loss + 0.5 * self.gamma * squares,
            loss,
            weights,
        })
    }

    /// Draws a chain that begins at `origin`:
    ///
    /// ```text
    /// w ← w − ε/2 (n β g(w) + γ (w − w₀)) + √ε ξ,   ξ standard normal
    /// ```
    ///
    /// The noise of each step has a seed of its own, from `seed` on. A chain whose loss is no
    /// number, or whose weights are not finite, has diverged and ends.
    ///
    /// # Errors
    /// When a loss cannot be computed.
    pub(crate) fn chain(
        &self,
        origin: &[f32],
        seed: i64,
        out: &mut dyn Sink,
    ) -> Result<Chain, Failure> {
        let first = origin.iter().map(|w| f64::from(*w)).collect();
        let mut here = self.point(origin, first, out)?;
        let mut chain = Chain::default();
        let mut accepted = 0.0;
        for step in 0..self.burn_in + self.draws {
            let noise = gaussian(seed + step as i64, origin.len());
            let moves = here.force.iter().zip(&noise);
            let moves = moves.map(|(f, x)| self.step.sqrt() * f64::from(*x) - 0.5 * self.step * f);
            let weights: Vec<f64> = here.weights.iter().zip(moves).map(|(w, m)| w + m).collect();
            if weights.iter().any(|w| !(*w as f32).is_finite()) {
                chain.diverged = true;
                break;
            }
            let next = self.point(origin, weights, out)?;
            if !next.loss.is_finite() || next.force.iter().any(|f| !f.is_finite()) {
                chain.diverged = true;
                break;
            }
            if step >= self.burn_in {
                let noise: f64 = noise.iter().map(|x| f64::from(*x).powi(2)).sum();
                accepted += self.acceptance(&here, &next, noise);
                chain.losses.push(next.loss);
            }
            here = next;
        }
        chain.acceptance = accepted / chain.losses.len() as f64;
        let pairs = here.weights.iter().zip(origin);
        let squares = pairs.map(|(w, o)| (w - f64::from(*o)).powi(2));
        chain.distance = squares.sum::<f64>().sqrt();
        Ok(chain)
    }

    /// Returns min(1, π(w′) q(w | w′) / π(w) q(w′ | w)); `noise` is |ξ|² of the step.
    fn acceptance(&self, here: &Point, next: &Point, noise: f64) -> f64 {
        let back = here.weights.iter().zip(&next.weights).zip(&next.force);
        let back = back.map(|((w, n), f)| (w - n + 0.5 * self.step * f).powi(2));
        let back = back.sum::<f64>() / self.step;
        (here.energy - next.energy + 0.5 * (noise - back))
            .exp()
            .min(1.0)
    }
}
