//! Collects the matrices of a snapshot whose singular values are computed.

use grokrun_api::{Failure, Snapshot, Tensor};
use grokrun_measures::{embedding, product};

/// Holds a matrix with its name: `(rows, columns)`, row-major.
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) columns: usize,
    pub(crate) data: Vec<f32>,
}

/// Returns W_E of the residues alone, `(p, d_model)`, W_U, W_in, W_out, W_OV of each head and W_L;
/// W_in and W_OV only if the snapshot has them.
///
/// # Errors
/// If W_E, W_out or W_U is missing or shapes do not fit together.
pub(crate) fn matrices(snapshot: &Snapshot<'_>, p: usize) -> Result<Vec<Matrix>, Failure> {
    let w_e = snapshot.weight("embed.W_E")?;
    let w_u = snapshot.weight("unembed.W_U")?;
    let w_out = snapshot.weight("blocks.0.mlp.W_out")?;
    let d = w_e.size(1);
    shaped("embed.W_E", w_e, &[p + 1, d])?;
    shaped("unembed.W_U", w_u, &[d, p])?;
    shaped("blocks.0.mlp.W_out", w_out, &[w_out.size(0), d])?;
    let plain = |name: &str, tensor: Tensor<'_>| Matrix {
        name: name.to_owned(),
        columns: tensor.size(1),
        data: tensor.data().to_vec(),
    };
    let mut all = vec![
        Matrix {
            name: "W_E".to_owned(),
            columns: d,
            data: embedding(w_e, p).to_vec(),
        },
        plain("W_U", w_u),
    ];
    if let Ok(w_in) = snapshot.weight("blocks.0.mlp.W_in") {
        all.push(plain("W_in", w_in));
    }
    all.push(plain("W_out", w_out));
    let attention = ["blocks.0.attn.W_V", "blocks.0.attn.W_O"].map(|name| snapshot.weight(name));
    if let [Ok(w_v), Ok(w_o)] = attention {
        let (heads, e) = (w_v.size(0), w_v.size(2));
        shaped("blocks.0.attn.W_V", w_v, &[heads, d, e])?;
        shaped("blocks.0.attn.W_O", w_o, &[heads, e, d])?;
        for head in 0..heads {
            all.push(Matrix {
                name: format!("W_OV head {head}"),
                columns: d,
                data: product(w_v.row(head), w_o.row(head), e),
            });
        }
    }
    all.push(Matrix {
        name: "W_L".to_owned(),
        columns: p,
        data: product(w_out.data(), w_u.data(), d),
    });
    Ok(all)
}

/// Checks the shape of a weight.
fn shaped(name: &str, weight: Tensor<'_>, shape: &[usize]) -> Result<(), Failure> {
    if weight.shape() == shape {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "{name} has the shape {:?}; expected {shape:?}, as the other weights have it",
            weight.shape()
        )))
    }
}
