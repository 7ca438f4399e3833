//! Train losses whose Hessian is known, and snapshots at their weights.

use crate::{Ask, Failure, LossAt, Numbers, SnapshotData, TrainLoss};

/// The loss `floor + ½ Σ hᵢ xᵢ²`, whose Hessian has the eigenvalues h, whatever the weights.
///
/// The x are the weights, or their reflection `(I − 2 u uᵀ) w` with the unit vector u of equal
/// entries, which is its own inverse: then the Hessian is not diagonal.
#[derive(Clone, Debug)]
pub struct Quadratic {
    /// the eigenvalues of the Hessian
    pub eigenvalues: Vec<f64>,
    /// the loss at the minimum
    pub floor: f64,
    /// whether the weights are reflected
    pub turned: bool,
}

impl Quadratic {
    fn turn(&self, x: &[f64]) -> Vec<f64> {
        if !self.turned {
            return x.to_vec();
        }
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        x.iter().map(|x| x - 2.0 * mean).collect()
    }
}

impl TrainLoss for Quadratic {
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let weights: Vec<f64> = ask.weights.iter().map(|w| f64::from(*w)).collect();
        let own = self.turn(&weights);
        let slopes = own.iter().zip(&self.eigenvalues).map(|(x, h)| h * x);
        let slopes: Vec<f64> = slopes.collect();
        let loss = self.floor + 0.5 * slopes.iter().zip(&own).map(|(s, x)| s * x).sum::<f64>();
        let gradient = self.turn(&slopes);
        Ok(LossAt {
            loss,
            accuracy: 1.0,
            gradient: if ask.gradient {
                gradient.iter().map(|g| *g as f32).collect()
            } else {
                Vec::new()
            },
            samples: if ask.samples {
                vec![loss; 4]
            } else {
                Vec::new()
            },
        })
    }
}

/// A loss that does not depend on the weights.
#[derive(Clone, Copy, Debug)]
pub struct Flat(
    /// the loss
    pub f64,
);

impl TrainLoss for Flat {
    fn at(&self, ask: Ask<'_>) -> Result<LossAt, Failure> {
        let count = ask.weights.len();
        Ok(LossAt {
            loss: self.0,
            accuracy: 0.0,
            gradient: vec![0.0; if ask.gradient { count } else { 0 }],
            samples: vec![self.0; if ask.samples { 4 } else { 0 }],
        })
    }
}

/// Returns a snapshot of these trained weights, which are one tensor named `w`.
pub fn at_weights(epoch: u64, weights: &[f32]) -> SnapshotData {
    let mut data = SnapshotData::new(epoch);
    for name in ["weight.w", "trained.w"] {
        data.add(name, &[weights.len()], Numbers::F32(weights.to_vec()));
    }
    data
}
