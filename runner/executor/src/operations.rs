//! Counts the operations of an epoch in closed form; times are predicted from the counts.

use crate::shape::Shape;

/// The operations of one epoch of one cell, training step and test evaluation, by kind. Formulas:
/// doc/model.md#cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Operations {
    /// multiply-adds of relu(pre) M: pairs × neurons × classes, over all pairs
    pub forward: f64,
    /// multiply-adds of dM and dpre: twice those of `forward`, over the training pairs
    pub backward: f64,
    /// multiply-adds of the eight rows that a pair gathers and whose gradients training computes:
    /// one pass over all pairs and two more over the training pairs, each of 2 heads (neurons +
    /// classes)
    pub gather: f64,
    /// multiply-adds of the folded tables and of their gradients
    pub fold: f64,
    /// exponentials of the softmax: one for each class of each pair
    pub exponentials: f64,
    /// the number of parameters that AdamW updates
    pub parameters: f64,
}

impl Operations {
    /// Counts the operations of an epoch with these numbers of training and test pairs.
    pub fn new(shape: &Shape, train: usize, test: usize) -> Operations {
        let [p, d, heads, e, f] = [
            shape.modulus,
            shape.d_model,
            shape.heads,
            shape.d_head,
            shape.d_mlp,
        ]
        .map(|x| x as f64);
        let (train, all) = (train as f64, (train + test) as f64);
        let fold = 2.0 * p * heads * e * (d + f + p) + heads * e * d * (f + p) + d * f * p;
        Operations {
            forward: all * f * p,
            backward: 2.0 * train * f * p,
            gather: (all + 2.0 * train) * 2.0 * heads * (f + p),
            fold: 3.0 * fold,
            exponentials: all * p,
            parameters: (p + 4.0) * d + 4.0 * heads * d * e + 2.0 * d * f + d * p,
        }
    }

    /// Returns the number of all multiply-adds.
    pub fn multiply_adds(&self) -> f64 {
        self.forward + self.backward + self.gather + self.fold
    }
}
