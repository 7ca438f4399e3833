//! Computes W_L, which most analyses start from.

use grokrun_api::{Failure, Snapshot};
use grokrun_basis::product;

/// Returns W_L = W_out W_U, the neuron-logit map of the papers, `(d_mlp, p)`, with this crate's
/// products. [`Snapshot::neuron_logit_map`] is the same for plugins that need nothing but the API.
///
/// # Errors
/// If the snapshot has no weights, or their shapes do not fit.
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

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_api::testing::{random, task};

    #[test]
    fn it_is_that_of_the_api() {
        let task = task("add", 23, |a, b| Some((a + b) % 23));
        let both = |snapshot: &Snapshot<'_>| -> Result<_, Failure> {
            let plain = snapshot.neuron_logit_map()?;
            Ok((plain, neuron_logit_map(snapshot, 23)?))
        };
        let (plain, fast) = random(&task, 0, 3).show(|_| true, both).unwrap();
        let largest = plain.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert_eq!(plain.len(), fast.len());
        assert!(largest > 0.0);
        for (plain, fast) in plain.iter().zip(&fast) {
            assert!((plain - fast).abs() < 1e-5 * largest, "{plain} {fast}");
        }
        let other = random(&task, 0, 3).show(|_| true, |snapshot| neuron_logit_map(snapshot, 19));
        assert!(other.is_err());
    }
}
