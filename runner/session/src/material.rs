//! A cell's data and first weights, made from its seeds alone.

use grokrun_engine::{ModelState, Pairs, Sample, Shape, initial_parameters};
use grokrun_spec::{Cell, Plan};
use grokrun_task::Split;

use crate::SessionError;
use crate::survey::{dataset, scheme};

/// The pairs of a cell.
pub(crate) struct Material {
    /// as drawn, indices into the a-major list of all pairs
    pub(crate) split: Split,
    /// as the engine wants them
    pub(crate) pairs: Pairs,
}

impl Material {
    pub(crate) fn new(cell: &Cell) -> Result<Material, SessionError> {
        let data = dataset(cell)?;
        let split = data
            .split(cell.fraction, cell.data_seed, cell.stream)
            .map_err(|e| SessionError::Request(format!("cell {}: {e}", cell.id)))?;
        let p = data.modulus();
        let samples = |part: &[u32]| {
            part.iter()
                .filter_map(|pair| {
                    let label = data.label(*pair)?;
                    Some(Sample {
                        a: pair / p,
                        b: pair % p,
                        label,
                    })
                })
                .collect()
        };
        let pairs = Pairs::new(p as usize, samples(&split.train), samples(&split.test))?;
        Ok(Material { split, pairs })
    }

    /// The weights at epoch 0.
    pub(crate) fn initial(plan: &Plan, cell: &Cell, shape: &Shape) -> ModelState {
        ModelState::initial(initial_parameters(
            shape,
            scheme(plan, cell),
            cell.model_seed,
        ))
    }
}
