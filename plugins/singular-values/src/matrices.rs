//! Collects the matrices of a snapshot whose singular values are computed.

use grokrun_api::{Failure, Snapshot, Tensor};
use grokrun_measures::{neuron_logit_map, product, tokens, unembedding};

/// More blocks than a transformer has.
const MOST_BLOCKS: usize = 16;

/// Holds a matrix with its name: `(rows, columns)`, row-major.
pub(crate) struct Matrix {
    pub(crate) name: String,
    pub(crate) columns: usize,
    pub(crate) data: Vec<f32>,
}

/// Returns W_E of the operands' tokens alone, `(p, width)`, W_U, W_in, W_out, W_OV of each head and
/// W_L; W_in and W_OV only if the snapshot has them. The matrices of a layer of several have its
/// number in their names; of an MLP there are W_E, its hidden layers and W_L.
///
/// # Errors
/// If W_E, W_out or W_U is missing or shapes do not fit together.
pub(crate) fn matrices(snapshot: &Snapshot<'_>, p: usize) -> Result<Vec<Matrix>, Failure> {
    let w_e = tokens(snapshot, p)?;
    let w_u = unembedding(snapshot, p)?;
    let matrix = |name: String, columns: usize, data: Vec<f32>| Matrix {
        name,
        columns,
        data,
    };
    let mut all = vec![matrix("W_E".to_owned(), w_e.width, w_e.data.to_vec())];
    let w_l = neuron_logit_map(snapshot, p);
    let hidden = (0..).map_while(|layer| snapshot.weight(&format!("layers.{layer}.W")).ok());
    let hidden: Vec<Tensor<'_>> = hidden.collect();
    if !hidden.is_empty() {
        // The last layer is W_L, and the first is W_E where there is no other.
        let first = usize::from(w_e.width == 2 * hidden[0].size(1) && hidden[0].size(0) == 2 * p);
        let last = hidden.len() - 1;
        for (layer, weight) in hidden.iter().enumerate().take(last).skip(first) {
            all.push(matrix(
                format!("W {layer}"),
                weight.size(1),
                weight.data().to_vec(),
            ));
        }
        all.push(matrix("W_L".to_owned(), p, w_l?));
        return Ok(all);
    }
    let d = w_e.width;
    if w_u.len() != d * p {
        let why = format!("W_U has {} numbers; expected ({d}, {p})", w_u.len());
        return Err(Failure::new(why));
    }
    all.push(matrix("W_U".to_owned(), p, w_u.to_vec()));
    let blocks = |what: &str| {
        let of = |layer: usize| snapshot.weight(&format!("blocks.{layer}.{what}")).ok();
        (0..MOST_BLOCKS)
            .filter_map(|layer| Some((layer, of(layer)?)))
            .collect::<Vec<_>>()
    };
    let (w_out, w_v) = (blocks("mlp.W_out"), blocks("attn.W_V"));
    let several = w_out.len().max(w_v.len()) > 1;
    let named = |name: &str, layer: usize| {
        if several {
            format!("{name} layer {layer}")
        } else {
            name.to_owned()
        }
    };
    let plain =
        |name: String, tensor: Tensor<'_>| matrix(name, tensor.size(1), tensor.data().to_vec());
    for (layer, w_in) in blocks("mlp.W_in") {
        all.push(plain(named("W_in", layer), w_in));
    }
    for (layer, w_out) in w_out {
        shaped("W_out", w_out, &[w_out.size(0), d])?;
        all.push(plain(named("W_out", layer), w_out));
    }
    for ((layer, w_v), (_, w_o)) in w_v.into_iter().zip(blocks("attn.W_O")) {
        let (heads, e) = (w_v.size(0), w_v.size(2));
        shaped("W_V", w_v, &[heads, d, e])?;
        shaped("W_O", w_o, &[heads, e, d])?;
        for head in 0..heads {
            all.push(matrix(
                format!("{} head {head}", named("W_OV", layer)),
                d,
                product(w_v.row(head), w_o.row(head), e),
            ));
        }
    }
    if let Ok(w_l) = w_l {
        all.push(matrix("W_L".to_owned(), p, w_l));
    }
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
