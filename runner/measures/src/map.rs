//! W_L, which most analyses start from.

use grokrun_api::{Failure, Snapshot};
use grokrun_basis::product;

/// W_L = W_out W_U, the neuron-logit map of the papers, `(d_mlp, p)`.
///
/// # Errors
/// When the snapshot has no weights, or their shapes do not fit.
pub fn neuron_logit_map(snapshot: &Snapshot<'_>, p: usize) -> Result<Vec<f32>, Failure> {
    let w_out = snapshot.weight("blocks.0.mlp.W_out")?;
    let w_u = snapshot.weight("unembed.W_U")?;
    if w_out.size(1) != w_u.size(0) || w_u.size(1) != p {
        return Err(Failure::new(format!(
            "W_out has the shape {:?} and W_U {:?}; expected (d_mlp, d_model) and (d_model, {p})",
            w_out.shape(),
            w_u.shape()
        )));
    }
    Ok(product(w_out.data(), w_u.data(), w_out.size(1)))
}
