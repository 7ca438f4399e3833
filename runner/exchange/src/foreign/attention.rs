//! What settings say of attention: the scale of its scores, and its mask.

/// The divisor of attention scores before the softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// √d_head, unless a file or a user says otherwise
    Root,
    /// another number; 1 is no division
    By(f64),
}

impl Scale {
    /// Returns the factor of the queries with which scores that are divided by √d_head become those
    /// of this scale.
    pub fn of_queries(self, d_head: usize) -> f64 {
        match self {
            Scale::Root => 1.0,
            Scale::By(divisor) => (d_head as f64).sqrt() / divisor,
        }
    }

    pub(super) fn of(divisor: f64, d_head: usize) -> Scale {
        if (divisor - (d_head as f64).sqrt()).abs() < 1e-5 {
            Scale::Root
        } else {
            Scale::By(divisor)
        }
    }
}

/// Which positions a position sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// itself and those before it
    Causal,
    /// all
    None,
}
