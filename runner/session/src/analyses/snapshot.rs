//! What a snapshot shows, computed from a checkpoint: once for all analyses, and only what is
//! needed.

use grokrun_api::{Need, Needs, Numbers, SnapshotData};
use grokrun_engine::{Activations, GridPass, Pairs, Parameter, Shape, Wanted, train_gradient};
use grokrun_store::{Metrics, Tensor};

use crate::SessionError;
use crate::history::History;
use crate::model::Model;
use crate::weights::Layout;

/// Makes `data` the snapshot of a checkpoint, in the memory of the one that it was; of `history` it
/// shows the epochs before it.
pub(crate) fn make(
    epoch: u64,
    needs: Needs,
    checkpoint: &[Tensor],
    history: &History,
    pairs: &Pairs,
    (shape, pass): (&Shape, &mut GridPass),
    data: &mut SnapshotData,
) -> Result<(), SessionError> {
    let layout = Layout::new(&Model::Folded(*shape), None)?;
    let parameters = layout.of_checkpoint(checkpoint).map_err(|why| {
        SessionError::Request(format!(
            "the checkpoint of epoch {epoch} is not this cell's: {why}"
        ))
    })?;
    let mut before = std::mem::replace(data, SnapshotData::new(epoch));
    let named = |data: &mut SnapshotData, prefix: &str, flat: &[f32]| {
        for parameter in Parameter::ALL {
            let numbers = flat[parameter.range(shape)].to_vec();
            let name = format!("{prefix}{}", parameter.name());
            data.add(name, &parameter.shape(shape), Numbers::F32(numbers));
        }
    };
    if needs.has(Need::Weights) {
        named(data, "weight.", &parameters);
    }
    if needs.has(Need::Gradients) {
        named(
            data,
            "gradient.",
            &train_gradient(*shape, &parameters, pairs)?,
        );
    }
    if needs.has(Need::History) {
        let history = history.read();
        let rows = history.len().min(epoch as usize);
        for (name, column) in Metrics::COLUMNS.iter().zip(history.columns()) {
            let name = format!("history.{name}");
            let mut numbers = before.take_f64(&name);
            numbers.clear();
            numbers.extend_from_slice(&column[..rows]);
            data.add(name, &[rows], Numbers::F64(numbers));
        }
    }
    let wanted = Wanted {
        attention: needs.has(Need::Attention),
        pre: needs.has(Need::PreActivations),
        post: needs.has(Need::PostActivations),
        logits: needs.has(Need::Logits),
    };
    if wanted == Wanted::default() {
        return Ok(());
    }
    let mut found = Activations {
        attention: before.take("attention"),
        pre: before.take("pre"),
        post: before.take("post"),
        logits: before.take("logits"),
    };
    drop(before);
    pass.run_into(&parameters, wanted, &mut found)?;
    let (pairs, f) = (shape.modulus * shape.modulus, shape.d_mlp);
    for (wanted, name, size, numbers) in [
        (
            wanted.attention,
            "attention",
            vec![pairs, shape.heads, 3],
            found.attention,
        ),
        (wanted.pre, "pre", vec![pairs, f], found.pre),
        (wanted.post, "post", vec![pairs, f], found.post),
        (
            wanted.logits,
            "logits",
            vec![pairs, shape.modulus],
            found.logits,
        ),
    ] {
        if wanted {
            data.add(name, &size, Numbers::F32(numbers));
        }
    }
    Ok(())
}

/// The most bytes a snapshot of this shape has, the history left out.
pub(crate) fn most_bytes(shape: &Shape) -> u64 {
    let (p, f) = (shape.modulus as u64, shape.d_mlp as u64);
    let pair = 2 * f + p + 3 * shape.heads as u64;
    4 * (p * p).saturating_mul(pair) + 8 * shape.parameters() as u64
}
