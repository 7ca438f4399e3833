//! What a snapshot shows, computed from a checkpoint: once for all analyses, and only what is
//! needed.

use grokrun_api::{Need, Needs, Numbers, SnapshotData};
use grokrun_engine::{Activations, GridPass, Pairs, Parameter, Shape, Wanted, train_gradient};
use grokrun_program::{Architecture, Parameters};
use grokrun_store::{Metrics, Tensor};

use super::recorded::RecordedPass;
use super::seen::Seen;

use crate::SessionError;
use crate::history::History;
use crate::model::Model;
use crate::weights::Layout;

/// What computes the activations of a model over the grid.
pub(crate) enum Pass {
    /// the engine's, for the published model of any size
    Folded(Shape, Box<GridPass>),
    /// the program's, for any other
    Recorded(Box<Architecture>, RecordedPass),
}

impl Pass {
    /// That of a model.
    ///
    /// # Errors
    /// When its architecture is none, which the spec refuses before.
    pub(crate) fn new(seen: &Seen) -> Result<Pass, SessionError> {
        Ok(match seen {
            Seen::Folded(shape) => Pass::Folded(*shape, Box::new(GridPass::new(*shape))),
            Seen::Recorded(architecture) => {
                let pass = RecordedPass::new(architecture)?;
                Pass::Recorded(architecture.clone(), pass)
            }
        })
    }

    fn model(&self) -> Model {
        match self {
            Pass::Folded(shape, _) => Model::Folded(*shape),
            Pass::Recorded(architecture, _) => Model::Recorded(architecture.clone()),
        }
    }
}

/// Makes `data` the snapshot of a checkpoint, in the memory of the one that it was; of `history` it
/// shows the epochs before it.
pub(crate) fn make(
    epoch: u64,
    needs: Needs,
    checkpoint: &[Tensor],
    history: &History,
    pairs: &Pairs,
    pass: &mut Pass,
    data: &mut SnapshotData,
) -> Result<(), SessionError> {
    let layout = Layout::new(&pass.model(), None)?;
    let parameters = layout.of_checkpoint(checkpoint).map_err(|why| {
        SessionError::Request(format!(
            "the checkpoint of epoch {epoch} is not this cell's: {why}"
        ))
    })?;
    let mut before = std::mem::replace(data, SnapshotData::new(epoch));
    if needs.has(Need::Weights) {
        match pass {
            Pass::Folded(shape, _) => named(data, "weight.", shape, &parameters),
            Pass::Recorded(architecture, _) => {
                let list = Parameters::new(architecture)
                    .map_err(|error| SessionError::Request(error.to_string()))?;
                for (parameter, range) in list.iter().zip(list.ranges()) {
                    let numbers = Numbers::F32(parameters[range].to_vec());
                    data.add(
                        format!("weight.{}", parameter.name),
                        &parameter.shape,
                        numbers,
                    );
                }
            }
        }
    }
    if let (Pass::Folded(shape, _), true) = (&*pass, needs.has(Need::Gradients)) {
        let gradient = train_gradient(*shape, &parameters, pairs)?;
        named(data, "gradient.", shape, &gradient);
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
    let (shape, pass) = match pass {
        Pass::Recorded(_, pass) => return pass.run_into(parameters, needs, data),
        Pass::Folded(shape, pass) => (&*shape, pass),
    };
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
    for (hook, name) in [
        ("blocks.0.attn.hook_pattern", "attention"),
        ("blocks.0.mlp.hook_pre", "pre"),
        ("blocks.0.mlp.hook_post", "post"),
    ] {
        data.also(hook, name);
    }
    Ok(())
}

/// Adds the parameters of a folded model, or their gradients.
fn named(data: &mut SnapshotData, prefix: &str, shape: &Shape, flat: &[f32]) {
    for parameter in Parameter::ALL {
        let numbers = flat[parameter.range(shape)].to_vec();
        let name = format!("{prefix}{}", parameter.name());
        data.add(name, &parameter.shape(shape), Numbers::F32(numbers));
    }
}
