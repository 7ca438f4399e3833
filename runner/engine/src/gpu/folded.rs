//! Records the folded program of a batch of cells: the dispatches of each stage, and the stages of
//! an epoch. No device is needed.

use std::ops::Range;

use grokrun_executor::{CellInput, EngineError, Program, Recipe, Stage};

use super::arena::Tables;
use super::buffers::{Buffers, Sizes};
use super::lower::Lowering;
use super::metrics::{RECORD, WINDOW};
use super::recorder::Recorder;
use super::recording::{Command, Contents, Recording, Window};
use super::variant::Variant;

/// The number of coefficients of a step of one replica.
const COEFFICIENTS: usize = 8;

/// A batch of cells, recorded.
pub(crate) struct Folded {
    pub(crate) recording: Recording,
    pub(crate) sizes: Sizes,
    pub(crate) tables: Tables,
    pub(crate) buffers: Buffers,
    /// the dispatches of each stage
    pub(crate) stages: Vec<(Stage, Range<usize>)>,
}

impl Folded {
    /// Records the program. The cells' states are written later ([`Folded::state`]).
    ///
    /// # Errors
    /// When the cells are not alike, or a kernel cannot take their shape.
    pub(crate) fn new(
        program: &Program,
        cells: &[CellInput],
        variant: Variant,
    ) -> Result<Folded, EngineError> {
        let sizes = Sizes::new(program.shape, cells)?;
        let tables = Tables::new(&sizes.shape, sizes.train, sizes.test);
        let mut out = Recorder::default();
        let buffers = Buffers::new(&mut out, &sizes, &tables, cells);
        let mut lowering = Lowering::new(&sizes, &tables, &buffers, variant)?;
        let mut stages = Vec::new();
        for stage in Stage::ALL {
            let first = lowering.len();
            lowering.stage(stage);
            stages.push((stage, first..lowering.len()));
        }
        let plan = out.filled("the plan", lowering.words().to_vec());
        lowering.record(&mut out, plan);
        let metrics = out.len();
        lowering.metrics(&mut out);
        let run = |stage: &Stage| Command::Run(range(&stages, *stage));
        let prologue = program.prologue.iter().map(run).collect();
        let epoch = program.epoch.iter().map(run);
        let epoch = epoch.chain([Command::Run(metrics..metrics + 1)]);
        let window = Window {
            epochs: WINDOW,
            steps: buffers.coefficients,
            step_words: COEFFICIENTS * sizes.replicas,
            zeroed: vec![buffers.clock],
            ring: buffers.ring,
            ring_words: 2 * RECORD * sizes.replicas,
        };
        let recording = out.finish(prologue, epoch.collect())?;
        Ok(Folded {
            recording: Recording {
                window,
                evaluation: range(&stages, Stage::Evaluate),
                ..recording
            },
            sizes,
            tables,
            buffers,
            stages,
        })
    }

    /// Returns the state of a cell as contents.
    ///
    /// # Errors
    /// When the state is not the program's.
    pub(crate) fn state<'a>(
        &'a self,
        replica: usize,
        cell: &'a CellInput,
    ) -> Result<impl Iterator<Item = Contents> + use<'a>, EngineError> {
        self.buffers.state(&self.tables, replica, &cell.state)
    }
}

/// Returns the dispatches of a stage.
pub(crate) fn range(stages: &[(Stage, Range<usize>)], stage: Stage) -> Range<usize> {
    let found = stages.iter().find(|(known, _)| *known == stage);
    found.map_or(0..0, |(_, range)| range.clone())
}

/// Returns the coefficients of steps, `(steps, recipes, 8)`.
pub(crate) fn coefficients(recipes: &[Recipe], steps: Range<u64>) -> Vec<f32> {
    let columns: Vec<_> = recipes
        .iter()
        .map(|recipe| recipe.coefficients(steps.clone()))
        .collect();
    let count = columns.first().map_or(0, Vec::len);
    let rows: Vec<_> = (0..count)
        .flat_map(|step| columns.iter().map(move |column| column[step]))
        .collect();
    bytemuck::cast_slice(&rows).to_vec()
}
