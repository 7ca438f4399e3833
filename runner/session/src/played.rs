//! A cell as a page plays it: its recording, and the history of the same cell trained on this
//! machine's CPU, to compare with.
//!
//! Owns what of a cell cannot be played. Knows nothing of pages.

use grokrun_engine::{
    Backend, CellInput, EpochRow, Executor, Playback, Program as Folded, ProgramCell, RecordedCell,
    Tensor, Variant, choose_backend,
};
use grokrun_program::{Batches, ModelState, Role};
use grokrun_spec::{Batch, Cell, Plan};
use grokrun_store::Row;

use crate::SessionError;
use crate::cell_data::{self, CellData};
use crate::model::{self, Model};
use crate::stop::Stopping;
use crate::survey::{dataset, recipe};

/// The most embeddings that are kept on the way of the CPU's training, the first and the last
/// included.
const LOOKS: u64 = 24;

/// A cell to be played.
pub struct Played<'a> {
    plan: &'a Plan,
    cell: &'a Cell,
    data: CellData,
    model: Model,
    state: ModelState,
}

/// What the CPU's training of the cell left.
#[derive(Clone, Debug)]
pub struct Native {
    /// the processor, in words
    pub device: String,
    /// of each epoch
    pub rows: Vec<EpochRow>,
    /// the embedding after some epochs, `(rows, cols)` as in [`Played::embedding`]
    pub embeddings: Vec<(u64, Vec<f32>)>,
}

impl<'a> Played<'a> {
    /// Makes the data and the first weights of a cell.
    ///
    /// # Errors
    /// When the cell cannot be played: by name, with what was expected.
    pub fn new(plan: &'a Plan, cell: &'a Cell) -> Result<Played<'a>, SessionError> {
        let refuse = |what: &str, expected: &str| {
            Err(SessionError::Request(format!(
                "cell {}: a page cannot train with {what}; expected {expected}",
                cell.id
            )))
        };
        if let Batch::Size { .. } = cell.settings.batch {
            let what = "minibatches, whose order is drawn anew for each epoch";
            return refuse(what, "data.batch = \"full\"");
        }
        if !cell.settings.train.changes.is_empty() {
            return refuse("changes on the way ([[train.at]])", "a spec without them");
        }
        let model = Model::of(cell);
        Ok(Played {
            data: CellData::new(cell)?,
            state: model::initial(cell, &model)?,
            model,
            plan,
            cell,
        })
    }

    fn input(&self) -> Result<CellInput, SessionError> {
        Ok(CellInput {
            pairs: self.data.pairs(self.cell)?.clone(),
            recipe: recipe(self.cell)?,
            state: self.state.clone(),
        })
    }

    fn recorded(&self) -> Result<RecordedCell, SessionError> {
        let program = model::record(self.cell)?;
        let [train, test] = cell_data::program_data(self.cell, &self.data.split, &program)?;
        Ok(RecordedCell {
            batches: None::<Batches>,
            cell: ProgramCell {
                program,
                train,
                test,
                state: self.state.clone(),
            },
        })
    }

    /// Records the cell, to be trained for so many epochs by these variants of the kernels.
    ///
    /// # Errors
    /// When a device of WebGPU's default limits has no room for it.
    pub fn playback(&self, epochs: u64, variant: Variant) -> Result<Playback, SessionError> {
        let playback = match &self.model {
            Model::Folded(shape) => {
                Playback::folded(&Folded::folded(*shape), &self.input()?, epochs, variant)?
            }
            Model::Recorded(_) => Playback::recorded(&self.recorded()?, epochs, variant)?,
        };
        match playback.recording.exceeds_default_limits() {
            None => Ok(playback),
            Some(what) => Err(SessionError::Request(format!(
                "cell {} does not fit every browser: {what}; expected a smaller modulus, fraction or model",
                self.cell.id
            ))),
        }
    }

    /// Finds the rows that the tokens look up, `(tokens, width)`: W_E, of an embedding for each
    /// operand that of the first, of one-hot operands the first operand's rows of the first layer.
    ///
    /// # Errors
    /// When the model is none, which the spec refuses before.
    pub fn embedding(&self, playback: &Playback) -> Result<Tensor, SessionError> {
        let parameters = self.model.parameters()?;
        let place = parameters.iter().position(|p| p.role == Role::Embedding);
        let tensor = playback.tensors.get(place.unwrap_or(0));
        let tensor = tensor.ok_or_else(|| {
            SessionError::Failed(format!("cell {} has no parameters", self.cell.id))
        })?;
        Ok(Tensor {
            rows: self.model.architecture().tokens.min(tensor.rows),
            ..tensor.clone()
        })
    }

    /// Returns the label of each pair, `(p²)`, none where the operation is undefined; nothing if
    /// the operation has another number of operands than two.
    ///
    /// # Errors
    /// When the operation is not defined, which the spec refuses before.
    pub fn labels(&self) -> Result<Option<Vec<Option<u32>>>, SessionError> {
        let data = dataset(self.cell)?;
        let p = self.cell.modulus;
        let all = (0..p * p).map(|pair| data.label(pair));
        Ok((data.operands() == 2).then(|| all.collect()))
    }

    /// Trains the cell on the CPU, as `grokrun SPEC --backend cpu` does, until its last epoch or
    /// until the spec stops it. `tell` is told the epochs done, now and then.
    ///
    /// # Errors
    /// When the cell does not fit the machine.
    pub fn train(&self, tell: &mut dyn FnMut(u64)) -> Result<Native, SessionError> {
        let cpu = choose_backend(Backend::Cpu, None)?;
        let mut executor: Box<dyn Executor> = match &self.model {
            Model::Folded(shape) => {
                let program = Folded::folded(*shape);
                grokrun_engine::open(&cpu, program, vec![self.input()?])?
            }
            Model::Recorded(_) => grokrun_engine::open_programs(&cpu, vec![self.recorded()?])?,
        };
        let place = self.place_of_embedding()?;
        let embedding = |state: &ModelState| state.parameters[place.clone()].to_vec();
        let epochs = self.plan.epochs;
        let every = epochs.div_ceil(LOOKS - 1).max(1);
        let mut stopping = Stopping::replay(&self.plan.stop, std::iter::empty());
        let mut native = Native {
            device: executor.device(),
            rows: Vec::new(),
            embeddings: vec![(0, embedding(&self.state))],
        };
        let mut done = 0;
        while done < epochs && stopping.epochs_left() != Some(0) {
            let to_look = every - done % every;
            let to_stop = stopping.epochs_left().unwrap_or(u64::MAX);
            let count = executor.epochs_per_call().min(epochs - done);
            for row in executor.run(count.min(to_look).min(to_stop).max(1))? {
                stopping.see(Row {
                    epoch: done,
                    train_loss: row[0].train_loss,
                    test_loss: row[0].test_loss,
                    train_accuracy: row[0].train_accuracy,
                    test_accuracy: row[0].test_accuracy,
                });
                native.rows.push(row[0]);
                done += 1;
            }
            let ended = done == epochs || stopping.epochs_left() == Some(0);
            if done % every == 0 || ended {
                native
                    .embeddings
                    .push((done, embedding(&executor.state(0)?)));
            }
            tell(done);
        }
        Ok(native)
    }

    /// Where the embedding's rows of tokens lie in the flat vector of parameters.
    fn place_of_embedding(&self) -> Result<std::ops::Range<usize>, SessionError> {
        let parameters = self.model.parameters()?;
        let mut places = parameters.iter().zip(parameters.ranges());
        let found = places.find(|(p, _)| p.role == Role::Embedding);
        let found = found.or_else(|| parameters.iter().zip(parameters.ranges()).next());
        let (parameter, range) = found.ok_or_else(|| {
            SessionError::Failed(format!("cell {} has no parameters", self.cell.id))
        })?;
        let [rows, cols] = parameter.table();
        let tokens = self.model.architecture().tokens.min(rows);
        Ok(range.start..range.start + tokens * cols)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn plan(more: &str) -> Plan {
        let text = format!(
            "operation = \"mul\"\nmodulus = 11\nfraction = 0.5\nseeds = {{ data = 0, model = 0 }}\n{more}"
        );
        grokrun_spec::load_training(&text, Path::new("x.toml")).expect("a spec")
    }

    #[test]
    fn what_a_recording_cannot_say_is_refused_by_name() {
        for (more, expected) in [
            ("[data]\nbatch = { size = 16, seed = 0 }\n", "data.batch"),
            (
                "[[train.at]]\nepoch = 3\nset = { weight_decay = 0.0 }\n",
                "[[train.at]]",
            ),
        ] {
            let plan = plan(more);
            let error = Played::new(&plan, &plan.cells[0]).err();
            let error = error.map(|e| e.to_string()).unwrap_or_default();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn the_embedding_in_the_recording_is_the_one_that_is_looked_at() {
        let small = "[model]\nd_model = 8\nd_head = 2\nd_mlp = 12\n";
        let mlp = "[model]\nkind = \"mlp\"\nhidden = [9]\n";
        for (more, rows, cols) in [
            (small.to_owned(), 11, 8),
            (format!("{small}layers = 2\n"), 11, 8),
            (
                format!("{mlp}d_model = 6\nembeddings = \"separate\"\n"),
                11,
                6,
            ),
            (format!("{mlp}input = \"two-hot\"\n"), 11, 9),
        ] {
            let plan = plan(&format!("{more}[train]\nepochs = 3\n"));
            let played = Played::new(&plan, &plan.cells[0]).expect("a cell");
            let playback = played.playback(3, Variant::Tiles).expect("a recording");
            let tensor = played.embedding(&playback).expect("an embedding");
            assert_eq!((tensor.rows, tensor.cols), (rows, cols), "{more}");
            let native = played.train(&mut |_| {}).expect("trained");
            assert_eq!(native.rows.len(), 3);
            let epochs: Vec<u64> = native.embeddings.iter().map(|(epoch, _)| *epoch).collect();
            assert_eq!(epochs, [0, 1, 2, 3]);
            let recording = &playback.recording;
            let mut arena = vec![0; recording.buffers[playback.arena].words];
            for contents in &recording.contents {
                if contents.buffer == playback.arena {
                    let words = &contents.words;
                    arena[contents.first..contents.first + words.len()].copy_from_slice(words);
                }
            }
            let of_row = |row: usize| {
                let first = tensor.first + row * tensor.stride;
                arena[first..first + cols]
                    .iter()
                    .map(|w| f32::from_bits(*w))
            };
            let found: Vec<f32> = (0..rows).flat_map(of_row).collect();
            assert_eq!(native.embeddings[0].1, found, "{more}");
        }
    }
}
