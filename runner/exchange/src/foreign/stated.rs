//! Holds what a person tells of a file that the file does not say.

use serde_json::Value as Json;

use crate::ExchangeError;
use crate::error::refuse;
use crate::layout::{Dims, Layout};

/// What is known of a file's model beside the file.
#[derive(Clone, Debug, Default)]
pub struct Stated {
    /// The number of heads, for a layout that does not show it.
    pub heads: Option<usize>,
    /// The share of softmax in attention, `attn_coeff` of the clock-and-pizza code: 0 to 1.
    pub rate: Option<f64>,
    /// Whether there are layer norms without tensors (`LNPre`).
    pub plain_norm: bool,
    /// Settings of the model, which are taken instead of the file's.
    pub config: Option<Json>,
}

impl Stated {
    /// Makes one that tells the number of heads alone, or nothing.
    pub fn heads(heads: Option<usize>) -> Stated {
        Stated {
            heads,
            ..Stated::default()
        }
    }

    /// Returns the rate of attention, of which `settings` say another; notes it if both do.
    pub(super) fn rate(&self, settings: Option<f64>, notes: &mut Vec<String>) -> Option<f64> {
        if let (Some(stated), Some(found)) = (self.rate, settings)
            && stated != found
        {
            notes.push(format!(
                "the settings tell the attention rate {found}; {stated} is taken (--attention-rate)"
            ));
        }
        self.rate.or(settings)
    }

    /// Compares the number of heads with that of the tensors.
    pub(super) fn check_heads(&self, layout: Layout, dims: &Dims) -> Result<(), ExchangeError> {
        let Some((stated, sizes)) = self.heads.zip(dims.transformer()) else {
            return Ok(());
        };
        if stated == sizes.heads {
            return Ok(());
        }
        refuse(format!(
            "--heads {stated} does not fit: {} {}; expected --heads {1}, or none",
            match layout {
                Layout::Native => "its config says",
                _ => "the first dimension of its W_Q is",
            },
            sizes.heads
        ))
    }
}
