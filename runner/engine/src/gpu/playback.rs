//! One cell as a player needs it that knows nothing of models: a recording with all that is in its
//! buffers, the coefficients of every epoch, and where the parameters lie.
//!
//! Owns what a player reads besides the recording. Knows nothing of players.

use grokrun_executor::{CellInput, EngineError, Parameter, Program, RecordedCell};
use grokrun_program::{Program as Recordable, TableId};

use super::folded::{Folded, coefficients};
use super::programs::{Recorded, counts, push_coefficients};
use super::recording::{Contents, Recording};
use super::variant::Variant;

/// A parameter's place in a buffer: row r, column c is its word `first + r · stride + c`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The name in checkpoints.
    pub name: String,
    /// The index of the first word.
    pub first: usize,
    /// The number of rows; the rows of the heads lie one below another.
    pub rows: usize,
    /// The number of columns.
    pub cols: usize,
    /// The number of words from row to row.
    pub stride: usize,
}

/// A cell, recorded for a player.
///
/// An epoch leaves two records of [`RECORD`](crate::RECORD) numbers in the ring, of the training
/// and of the test samples: partial sums of the losses, and last the number of right answers.
#[derive(Clone, Debug)]
pub struct Playback {
    /// The recording, which says what the device does.
    pub recording: Recording,
    /// The coefficients of the steps of each epoch, `(epochs, step_words)`.
    pub coefficients: Vec<f32>,
    /// The buffer that the parameters are in.
    pub arena: usize,
    /// The parameters, in the order of the flat vector.
    pub tensors: Vec<Tensor>,
    /// The number of training samples.
    pub train: usize,
    /// The number of test samples.
    pub test: usize,
}

impl Playback {
    /// Records a cell of the folded program for training over `epochs` epochs.
    ///
    /// # Errors
    /// When the cell does not fit the program.
    pub fn folded(
        program: &Program,
        cell: &CellInput,
        epochs: u64,
        variant: Variant,
    ) -> Result<Playback, EngineError> {
        let cells = std::slice::from_ref(cell);
        let mut folded = Folded::new(program, cells, variant)?;
        let mut recording = std::mem::take(&mut folded.recording);
        add_state(&mut recording, folded.state(0, cell)?);
        let tensor = |parameter: &Parameter| {
            let place = folded.tables.weight(*parameter);
            Tensor {
                name: parameter.name().to_owned(),
                first: 4 * place.first,
                rows: place.rows,
                cols: place.cols,
                stride: 4 * place.vec4s(),
            }
        };
        let first = cell.state.step;
        Ok(Playback {
            recording,
            coefficients: coefficients(&[cell.recipe], first..first.saturating_add(epochs)),
            arena: folded.buffers.arena,
            tensors: Parameter::ALL.iter().map(tensor).collect(),
            train: folded.sizes.train,
            test: folded.sizes.test,
        })
    }

    /// Records a cell that is trained by its program, on the full batch, over `epochs` epochs.
    ///
    /// # Errors
    /// When the program or its data are not valid, and when the cell is trained on minibatches:
    /// their order is drawn epoch by epoch, which a recording does not.
    pub fn recorded(
        cell: &RecordedCell,
        epochs: u64,
        variant: Variant,
    ) -> Result<Playback, EngineError> {
        if cell.batches.is_some() {
            return Err(EngineError::Data(
                "minibatches are drawn anew for each epoch, which a recording does not; expected data.batch = \"full\""
                    .to_owned(),
            ));
        }
        let cells = std::slice::from_ref(cell);
        let mut recorded = Recorded::new(cells, counts(cell), variant)?;
        let mut recording = std::mem::take(&mut recorded.recording);
        add_state(&mut recording, recorded.state(0, cell)?);
        let program = &cell.cell.program;
        let mut coefficients = Vec::new();
        let first = cell.cell.state.step;
        for step in first..first.saturating_add(epochs) {
            push_coefficients(program, step, &mut coefficients);
        }
        Ok(Playback {
            recording,
            coefficients,
            arena: recorded.buffers.arena,
            tensors: tensors(program, &recorded),
            train: recorded.counts.train,
            test: recorded.counts.test,
        })
    }
}

/// Adds the part of a state that is not zero, since every buffer begins with zeros.
fn add_state(recording: &mut Recording, state: impl IntoIterator<Item = Contents>) {
    let zeros = |contents: &Contents| contents.words.iter().all(|word| *word == 0);
    let state = state.into_iter().filter(|contents| !zeros(contents));
    recording.contents.extend(state);
}

fn tensors(program: &Recordable, recorded: &Recorded) -> Vec<Tensor> {
    let parameters = program.parameters.iter().enumerate();
    let tensor = parameters.map(|(place, parameter)| {
        let [rows, cols] = parameter.table();
        Tensor {
            name: parameter.name.clone(),
            first: recorded.lowered.layout.first(TableId(place)),
            rows,
            cols,
            stride: cols,
        }
    });
    tensor.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::GpuExecutor;
    use crate::gpu::context::Context;
    use crate::gpu::loaded::Loaded;
    use crate::gpu::metrics::{RECORD, sums};
    use crate::gpu::programs::GpuPrograms;
    use crate::gpu::recording::Command;
    use crate::gpu::tests::{ODD, PLAIN, adapter, cell};
    use crate::selfcheck::cases;
    use grokrun_executor::{EpochRow, Evaluation, Executor};

    /// Plays `epochs` epochs in windows of `window`, as a player would that knows nothing else.
    fn play(context: &Context, playback: &Playback, epochs: usize, window: usize) -> Vec<EpochRow> {
        let loaded = Loaded::new(context, playback.recording.clone()).unwrap();
        loaded.run(context, &loaded.prologue).unwrap();
        let (mut rows, mut done) = (Vec::new(), 0);
        while done < epochs {
            let count = window.min(epochs - done);
            let each = loaded.window.step_words;
            let steps = &playback.coefficients[done * each..(done + count) * each];
            loaded.begin_window(context, steps);
            let mut encoder = context.device.create_command_encoder(&Default::default());
            loaded.encode_epochs(&mut encoder, count, Evaluation::EACH);
            context.wait(context.submit(encoder.finish())).unwrap();
            let words = count * loaded.window.ring_words;
            let ring: Vec<f32> = context.read(loaded.ring(), 0, words).unwrap();
            for records in ring.chunks_exact(2 * RECORD) {
                let [train, test] = [sums(&records[..RECORD]), sums(&records[RECORD..])];
                let (of_train, of_test) = (playback.train as f64, playback.test as f64);
                rows.push(EpochRow {
                    train_loss: train[0] / of_train,
                    test_loss: test[0] / of_test,
                    train_accuracy: train[1] / of_train,
                    test_accuracy: test[1] / of_test,
                });
            }
            done += count;
        }
        rows
    }

    #[test]
    fn what_a_player_replays_is_what_the_executors_submit() {
        let Some(adapter) = adapter() else { return };
        let open = || Context::open(&adapter, None).unwrap();
        for (shape, variant) in [(PLAIN, Variant::Tiles), (ODD, Variant::Registers)] {
            let cell = cell(&shape, 3, 0);
            let program = Program::folded(shape);
            let playback = Playback::folded(&program, &cell, 9, variant).unwrap();
            let mut gpu = GpuExecutor::on(open(), variant, program, vec![cell]).unwrap();
            let rows: Vec<_> = gpu.run(9).unwrap().concat();
            assert_eq!(play(&open(), &playback, 9, 4), rows);
        }
        let some = cases::recipes().unwrap().into_iter().step_by(4);
        for case in some {
            let variant = Variant::Registers;
            let playback = Playback::recorded(&case.cell, 7, variant).unwrap();
            let mut gpu = GpuPrograms::on(open(), variant, vec![case.cell]).unwrap();
            let rows: Vec<_> = gpu.run(7).unwrap().concat();
            assert_eq!(play(&open(), &playback, 7, 3), rows, "{}", case.name);
        }
    }

    /// Tests, without a device, that every named buffer is there and that the parameters are those
    /// of the cell.
    #[test]
    fn a_playback_names_only_what_it_has_and_holds_the_first_weights() {
        let first = cell(&ODD, 3, 0);
        let folded = Playback::folded(&Program::folded(ODD), &first, 300, Variant::Tiles).unwrap();
        let case = cases::models(&cases::descent(1e-2)).unwrap().remove(1);
        let recorded = Playback::recorded(&case.cell, 300, Variant::Tiles).unwrap();
        for (playback, parameters) in [
            (&folded, &first.state.parameters),
            (&recorded, &case.cell.cell.state.parameters),
        ] {
            let recording = &playback.recording;
            assert_eq!(recording.exceeds_default_limits(), None);
            assert_eq!(
                playback.coefficients.len(),
                300 * recording.window.step_words
            );
            for dispatch in &recording.dispatches {
                let kernel = recording.kernels[dispatch.kernel].kernel;
                let uniform = kernel.bindings.first() == Some(&grokrun_shaders::Binding::Uniform);
                assert_eq!(uniform, !dispatch.uniforms.is_empty());
                assert_eq!(
                    dispatch.buffers.len() + usize::from(uniform),
                    kernel.bindings.len()
                );
            }
            for command in recording.prologue.iter().chain(&recording.epoch) {
                match command {
                    Command::Run(range) => assert!(range.end <= recording.dispatches.len()),
                    Command::Copy { from, to, words } => {
                        for place in [from, to] {
                            let last = place.at(recording.window.epochs - 1) + words;
                            assert!(last <= recording.buffers[place.buffer].words);
                        }
                    }
                }
            }
            let mut arena = vec![0u32; recording.buffers[playback.arena].words];
            for contents in &recording.contents {
                let end = contents.first + contents.words.len();
                assert!(end <= recording.buffers[contents.buffer].words);
                if contents.buffer == playback.arena {
                    arena[contents.first..end].copy_from_slice(&contents.words);
                }
            }
            let mut found = Vec::new();
            for tensor in &playback.tensors {
                for row in 0..tensor.rows {
                    let first = tensor.first + row * tensor.stride;
                    let row = &arena[first..first + tensor.cols];
                    found.extend(row.iter().map(|word| f32::from_bits(*word)));
                }
            }
            assert_eq!(&found, parameters);
        }
    }

    #[test]
    fn minibatches_are_refused_by_name() {
        let cell = cases::batched(1).unwrap();
        let error = Playback::recorded(&cell, 3, Variant::Tiles)
            .unwrap_err()
            .to_string();
        assert!(error.contains("data.batch = \"full\""), "{error}");
    }
}
