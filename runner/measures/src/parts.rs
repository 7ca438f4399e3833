//! Reads the parts of a model that have a row a token or a column a class, of any architecture.
//!
//! Owns which parameters these are. Knows nothing of layers between them.

use std::borrow::Cow;

use grokrun_api::{Failure, NumbersRef, Snapshot, Tensor};

use crate::{by_class, product};

/// A table with a row for each token of the operands.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokens<'a> {
    /// `(p, width)`
    pub data: Cow<'a, [f32]>,
    /// numbers of a token
    pub width: usize,
}

/// Returns what the model knows of the operands' tokens, W_E without '=': of an MLP with an
/// embedding for each operand both side by side, and of one without embeddings the rows of the
/// first layer that belong to a and those that belong to b, side by side.
///
/// # Errors
/// If the snapshot has no weights, or none of these.
pub fn tokens<'a>(snapshot: &Snapshot<'a>, p: usize) -> Result<Tokens<'a>, Failure> {
    let rows = |tensor: Tensor<'a>, from: usize| {
        let width = tensor.size(1);
        let rows = tensor.data().get(from * width..(from + p) * width);
        rows.ok_or_else(|| {
            Failure::new(format!(
                "the embedding has the shape {:?}; expected {p} rows for each operand",
                tensor.shape()
            ))
        })
    };
    if let Ok(w_e) = snapshot.weight("embed.W_E") {
        return Ok(Tokens {
            data: Cow::Borrowed(rows(w_e, 0)?),
            width: w_e.size(1),
        });
    }
    let (one, two) = match (
        snapshot.weight("embed.0.W_E"),
        snapshot.weight("embed.1.W_E"),
    ) {
        (Ok(one), Ok(two)) => ((rows(one, 0)?, one.size(1)), (rows(two, 0)?, two.size(1))),
        _ => {
            let first = snapshot.weight("layers.0.W")?;
            let width = first.size(1);
            ((rows(first, 0)?, width), (rows(first, p)?, width))
        }
    };
    let chunks = |(data, width): (&'a [f32], usize)| data.chunks_exact(width.max(1));
    let both = chunks(one).zip(chunks(two));
    Ok(Tokens {
        data: both.flat_map(|(x, y)| x.iter().chain(y)).copied().collect(),
        width: one.1 + two.1,
    })
}

/// Returns the matrix from the last layer to the logits, `(width, p)`: W_U, a tied W_E transposed,
/// or the last layer of an MLP.
///
/// # Errors
/// If the snapshot has no weights, or none of these with p columns.
pub fn unembedding<'a>(snapshot: &Snapshot<'a>, p: usize) -> Result<Cow<'a, [f32]>, Failure> {
    let checked = |tensor: Tensor<'a>, name: &str| {
        if tensor.size(1) == p {
            return Ok(Cow::Borrowed(tensor.data()));
        }
        Err(Failure::new(format!(
            "{name} has the shape {:?}; expected {p} columns",
            tensor.shape()
        )))
    };
    if let Ok(w_u) = snapshot.weight("unembed.W_U") {
        return checked(w_u, "W_U");
    }
    if let Some(name) = last(snapshot, "layers.", ".W") {
        return checked(snapshot.weight(&name)?, &name);
    }
    // (p, d) to (d, p).
    let w_e = tokens(snapshot, p)?;
    Ok(Cow::Owned(by_class(&w_e.data, w_e.width)))
}

/// Returns W_L = W_out W_U of the last layer of neurons, the neuron-logit map of the papers,
/// `(d_mlp, p)`: of an MLP its last layer, of a model without neurons W_U. Where something is
/// normalised in between, this is what it would be without. [`Snapshot::neuron_logit_map`] is the
/// same for plugins that need nothing but the API.
///
/// # Errors
/// If the snapshot has no weights, or their shapes do not fit.
pub fn neuron_logit_map(snapshot: &Snapshot<'_>, p: usize) -> Result<Vec<f32>, Failure> {
    let w_u = unembedding(snapshot, p)?;
    let Some(name) = last(snapshot, "blocks.", ".mlp.W_out") else {
        return Ok(w_u.into_owned());
    };
    let w_out = snapshot.weight(&name)?;
    if w_out.size(1) * p != w_u.len() {
        return Err(Failure::new(format!(
            "{name} has the shape {:?} and W_U {} numbers; expected (d_mlp, d_model) and (d_model, {p})",
            w_out.shape(),
            w_u.len()
        )));
    }
    Ok(product(w_out.data(), &w_u, w_out.size(1)))
}

/// Returns the name of the weight between these with the largest number in it.
fn last(snapshot: &Snapshot<'_>, prefix: &str, suffix: &str) -> Option<String> {
    let number = |name: &str| -> Option<usize> {
        let name = name.strip_prefix("weight.")?;
        name.strip_prefix(prefix)?
            .strip_suffix(suffix)?
            .parse()
            .ok()
    };
    let floats = snapshot
        .views()
        .iter()
        .filter(|view| matches!(view.data, NumbersRef::F32(_)));
    let largest = floats.filter_map(|view| number(view.name)).max()?;
    Some(format!("{prefix}{largest}{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use grokrun_api::testing::{random, task};
    use grokrun_api::{Numbers, SnapshotData};

    #[test]
    fn the_published_models_map_is_that_of_the_api() {
        let task = task("add", 23, |a, b| Some((a + b) % 23));
        let both = |snapshot: &Snapshot<'_>| -> Result<_, Failure> {
            let plain = snapshot.neuron_logit_map()?;
            Ok((plain, neuron_logit_map(snapshot, 23)?))
        };
        let (plain, fast) = random(&task, 0, 3)
            .show(&grokrun_api::Needs::all(), both)
            .unwrap();
        let largest = plain.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert_eq!(plain.len(), fast.len());
        assert!(largest > 0.0);
        for (plain, fast) in plain.iter().zip(&fast) {
            assert!((plain - fast).abs() < 1e-5 * largest, "{plain} {fast}");
        }
        let other = random(&task, 0, 3).show(&grokrun_api::Needs::all(), |snapshot| {
            neuron_logit_map(snapshot, 19)
        });
        assert!(other.is_err());
    }

    fn model(weights: &[(&str, [usize; 2])]) -> SnapshotData {
        let mut data = SnapshotData::new(0);
        for (place, (name, shape)) in weights.iter().enumerate() {
            let numbers = (0..shape[0] * shape[1])
                .map(|i| (100 * place + i) as f32)
                .collect();
            data.add(format!("weight.{name}"), shape, Numbers::F32(numbers));
        }
        data
    }

    #[test]
    fn an_mlps_parts_are_found_with_and_without_embeddings() {
        let two_hot = model(&[("layers.0.W", [4, 3]), ("layers.1.W", [3, 2])]);
        two_hot.show(&grokrun_api::Needs::all(), |snapshot| {
            let tokens = tokens(snapshot, 2).unwrap();
            assert_eq!(tokens.width, 6);
            // The first row of a, then the first row of b.
            assert_eq!(tokens.data[..6], [0.0, 1.0, 2.0, 6.0, 7.0, 8.0]);
            let map = neuron_logit_map(snapshot, 2).unwrap();
            assert_eq!((map.len(), map[0]), (6, 100.0));
            assert!(unembedding(snapshot, 3).is_err());
        });
        let separate = model(&[
            ("embed.0.W_E", [2, 1]),
            ("embed.1.W_E", [2, 1]),
            ("layers.0.W", [2, 3]),
            ("layers.1.W", [3, 2]),
        ]);
        separate.show(&grokrun_api::Needs::all(), |snapshot| {
            let tokens = tokens(snapshot, 2).unwrap();
            assert_eq!(
                (tokens.width, &tokens.data[..]),
                (2, &[0.0, 100.0, 1.0, 101.0][..])
            );
        });
    }

    #[test]
    fn a_deep_and_tied_transformer_has_the_map_of_its_last_layer() {
        let data = model(&[
            ("embed.W_E", [3, 2]),
            ("blocks.0.mlp.W_out", [1, 2]),
            ("blocks.1.mlp.W_out", [1, 2]),
        ]);
        data.show(&grokrun_api::Needs::all(), |snapshot| {
            // The third row is that of '='.
            assert_eq!(tokens(snapshot, 2).unwrap().data.len(), 4);
            // [200 201] · [[0 2] [1 3]]
            assert_eq!(neuron_logit_map(snapshot, 2).unwrap(), [201.0, 1003.0]);
        });
    }
}
