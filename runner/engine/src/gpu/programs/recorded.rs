//! Records cells of one program: buffers, dispatches, and the commands of an epoch. No device is
//! needed.

use grokrun_executor::{EngineError, RecordedCell};
use grokrun_program::Stage;

use super::bind::{bind, epoch};
use super::buffers::{Buffers, state, window};
use super::lowered::{Counts, Lowered};
use crate::gpu::metrics::RECORD;
use crate::gpu::recorder::Recorder;
use crate::gpu::recording::{Command, Contents, Recording, Window};
use crate::gpu::variant::Variant;

/// The recording of cells that the same dispatches train.
pub(crate) struct Recorded {
    pub(crate) recording: Recording,
    pub(crate) counts: Counts,
    pub(crate) lowered: Lowered,
    pub(crate) buffers: Buffers,
}

impl Recorded {
    /// Records cells with like programs and equal numbers of samples. Their states are written
    /// later ([`Recorded::state`]).
    ///
    /// # Errors
    /// When a program or its data are not valid, or a grid is larger than any device allows.
    pub(crate) fn new(
        cells: &[RecordedCell],
        counts: Counts,
        variant: Variant,
    ) -> Result<Recorded, EngineError> {
        let Some(first) = cells.first() else {
            return Err(EngineError::Data("a group needs a cell".to_owned()));
        };
        for cell in cells {
            check(cell)?;
        }
        let replicas = cells.len();
        let lowered = Lowered::new(&first.cell.program, &counts, variant);
        let mut out = Recorder::default();
        let buffers = Buffers::new(&mut out, &lowered, &counts, cells);
        let lists = bind(&mut out, &lowered, &buffers, &counts, replicas);
        let commands = epoch(&lowered, &buffers, &counts, &lists, replicas);
        let evaluation = lists.evaluation;
        let steps = counts.steps().count();
        let window = Window {
            epochs: window(&lowered, &counts, replicas),
            steps: buffers.steps,
            step_words: steps * lowered.coefficients * replicas,
            zeroed: Vec::new(),
            ring: buffers.ring,
            ring_words: (steps + 1) * RECORD * replicas,
        };
        let recording = out.finish(vec![Command::Run(lists.shared)], commands)?;
        Ok(Recorded {
            recording: Recording {
                window,
                evaluation,
                ..recording
            },
            counts,
            lowered,
            buffers,
        })
    }

    /// Returns a replica's state as contents.
    ///
    /// # Errors
    /// When the state is not the program's.
    pub(crate) fn state(
        &self,
        replica: usize,
        cell: &RecordedCell,
    ) -> Result<Vec<Contents>, EngineError> {
        state(&self.lowered, self.buffers.arena, replica, &cell.cell.state)
    }
}

fn check(cell: &RecordedCell) -> Result<(), EngineError> {
    let refuse = |problem: String| EngineError::Data(problem);
    let program = &cell.cell.program;
    program.check().map_err(|e| refuse(e.to_string()))?;
    for stage in [Stage::Backward, Stage::Update] {
        if program.stage(stage).is_empty() {
            let problem = "the program has no backward or no update stage";
            return Err(refuse(problem.to_owned()));
        }
    }
    for (part, data) in [("train", &cell.cell.train), ("test", &cell.cell.test)] {
        if data.is_empty() {
            return Err(refuse(format!("the {part} part is empty")));
        }
        data.fits(program).map_err(|e| refuse(e.to_string()))?;
    }
    Ok(())
}
