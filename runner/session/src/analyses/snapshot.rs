//! What a snapshot shows, computed from a checkpoint: once for all analyses, and only what is
//! needed.

use std::ops::Range;

use grokrun_api::{Needs, Numbers, SnapshotData};
use grokrun_engine::{Activations, GridPass, Parameter, Shape, Wanted};
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

/// The hooks of the folded model: attention, the neurons' inputs and outputs.
const HOOKS: [&str; 3] = [
    "blocks.0.attn.hook_pattern",
    "blocks.0.mlp.hook_pre",
    "blocks.0.mlp.hook_post",
];

/// Makes `data` the snapshot of a checkpoint, in the memory of the one that it was; of `history` it
/// shows the epochs before it.
pub(crate) fn make(
    epoch: u64,
    needs: &Needs,
    checkpoint: &[Tensor],
    history: &History,
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
    show_weights(pass, needs, &parameters, data)?;
    let history = history.read();
    let rows = history.len().min(epoch as usize);
    for (name, column) in Metrics::COLUMNS.iter().zip(history.columns()) {
        let name = format!("history.{name}");
        if needs.has(&name) {
            let mut numbers = before.take_f64(&name);
            numbers.clear();
            numbers.extend_from_slice(&column[..rows]);
            data.add(name, &[rows], Numbers::F64(numbers));
        }
    }
    drop(history);
    let (shape, pass) = match pass {
        Pass::Recorded(_, pass) => return pass.run_into(parameters, needs, data),
        Pass::Folded(shape, pass) => (&*shape, pass),
    };
    let wanted = Wanted {
        attention: needs.has(HOOKS[0]),
        pre: needs.has(HOOKS[1]),
        post: needs.has(HOOKS[2]),
        logits: needs.has("logits"),
    };
    if wanted == Wanted::default() {
        return Ok(());
    }
    let mut found = Activations {
        attention: before.take(HOOKS[0]),
        pre: before.take(HOOKS[1]),
        post: before.take(HOOKS[2]),
        logits: before.take("logits"),
    };
    drop(before);
    pass.run_into(&parameters, wanted, &mut found)?;
    let (pairs, f) = (shape.modulus * shape.modulus, shape.d_mlp);
    for (wanted, name, size, numbers) in [
        (
            wanted.attention,
            HOOKS[0],
            vec![pairs, shape.heads, 3],
            found.attention,
        ),
        (wanted.pre, HOOKS[1], vec![pairs, f], found.pre),
        (wanted.post, HOOKS[2], vec![pairs, f], found.post),
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

/// Adds the parameters that are needed, of the flat vector of a checkpoint.
fn show_weights(
    pass: &Pass,
    needs: &Needs,
    flat: &[f32],
    data: &mut SnapshotData,
) -> Result<(), SessionError> {
    let mut show = |name: &str, shape: &[usize], range: Range<usize>| {
        let name = format!("weight.{name}");
        if needs.has(&name) {
            data.add(name, shape, Numbers::F32(flat[range].to_vec()));
        }
    };
    match pass {
        Pass::Folded(shape, _) => {
            for parameter in Parameter::ALL {
                let range = parameter.range(shape);
                show(parameter.name(), &parameter.shape(shape), range);
            }
        }
        Pass::Recorded(architecture, _) => {
            let list = Parameters::new(architecture)
                .map_err(|error| SessionError::Request(error.to_string()))?;
            for (parameter, range) in list.iter().zip(list.ranges()) {
                show(&parameter.name, &parameter.shape, range);
            }
        }
    }
    Ok(())
}
