//! Activations of any architecture over the full grid of pairs: its forward program, run by the
//! interpreter in f32 on parts of the grid, which are shared among the threads of the caller's
//! pool.
//!
//! Owns which tables of a program are which hooks. Knows nothing of checkpoints and analyses.

use grokrun_api::{Needs, Numbers, SnapshotData};
use grokrun_program::{
    Architecture, Data, Extent, Interpreter, Loss, Part, Pattern, Program, Samples, Stage, plain,
};
use rayon::prelude::*;

use super::seen::Seen;
use crate::SessionError;

/// Pairs that a thread runs at a time. What depends on one token alone is worked out anew for each
/// part, so that parts are not small.
const PAIRS: usize = 2_048;

/// An activation that a snapshot shows, and the table of the program that holds it.
pub(super) struct Hook {
    /// the name in a snapshot
    pub(super) name: String,
    /// the name of the program's table
    table: String,
    /// sizes of a pair's numbers
    shape: Vec<usize>,
    /// the numbers of a row of the table are by position, then by head
    pattern: bool,
}

/// The activations of an architecture, those of one kind from the first layer to the last.
pub(super) fn hooks(architecture: &Architecture) -> Vec<Hook> {
    let mut hooks = Vec::new();
    let last = architecture.positions() - 1;
    for (layer, width) in Seen::Recorded(Box::new(architecture.clone())).layers() {
        for part in ["pre", "post"] {
            // A transformer's tables have a position: the last one is read.
            let table = if layer.starts_with("blocks") {
                format!("{layer}.{part}.{last}")
            } else {
                format!("{layer}.{part}")
            };
            hooks.push(Hook {
                name: format!("{layer}.hook_{part}"),
                table,
                shape: vec![width],
                pattern: false,
            });
        }
    }
    if let grokrun_program::Model::Transformer(t) = &architecture.model {
        for (number, block) in t.blocks.iter().enumerate() {
            let Some(attention) = block.attention else {
                continue;
            };
            // What values are multiplied by: the softmax, or its mixture with a constant.
            let part = match attention.pattern {
                Pattern::Uniform => continue,
                Pattern::Rate(_) => "rate",
                Pattern::Softmax => "pattern",
            };
            hooks.push(Hook {
                name: format!("blocks.{number}.attn.hook_pattern"),
                table: format!("blocks.{number}.attn.{part}.{last}"),
                shape: vec![attention.heads, last + 1],
                pattern: true,
            });
        }
    }
    hooks.push(Hook {
        name: "logits".to_owned(),
        table: "logits".to_owned(),
        shape: vec![architecture.classes],
        pattern: false,
    });
    hooks
}

/// Runs models of one architecture.
pub(crate) struct RecordedPass {
    program: Program,
    p: usize,
    hooks: Vec<Hook>,
}

impl RecordedPass {
    /// For models of this architecture, on pairs.
    ///
    /// # Errors
    /// When the architecture is none, which the spec refuses before.
    pub(crate) fn new(architecture: &Architecture) -> Result<RecordedPass, SessionError> {
        let program = plain(architecture, &Loss::PUBLISHED)
            .map_err(|error| SessionError::Request(error.to_string()))?;
        Ok(RecordedPass {
            p: architecture.tokens,
            program,
            hooks: hooks(architecture),
        })
    }

    /// Adds what is needed of the activations of a model with these `parameters`, the flat vector
    /// of a checkpoint.
    ///
    /// # Errors
    /// When there are more or fewer parameters than the architecture has.
    pub(crate) fn run_into(
        &self,
        parameters: Vec<f32>,
        needs: &Needs,
        data: &mut SnapshotData,
    ) -> Result<(), SessionError> {
        let failed = |error: &dyn std::fmt::Display| SessionError::Failed(error.to_string());
        let wanted: Vec<&Hook> = self.hooks.iter().filter(|h| needs.has(&h.name)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let state = self
            .program
            .initial_state(parameters)
            .map_err(|e| failed(&e))?;
        let (p, pairs) = (self.p as u32, self.p * self.p);
        let starts: Vec<usize> = (0..pairs).step_by(PAIRS).collect();
        let part = |start: &usize| -> Result<Vec<Vec<f32>>, SessionError> {
            let here = *start as u32..(start + PAIRS).min(pairs) as u32;
            let tokens: Vec<u32> = here.clone().flat_map(|pair| [pair / p, pair % p]).collect();
            let labels = vec![0; here.len()];
            let samples = Data::new(&self.program, tokens, labels).map_err(|e| failed(&e))?;
            let mut model = Interpreter::<f32>::new(&self.program, samples, Data::default())
                .map_err(|e| failed(&e))?;
            model.load(&state).map_err(|e| failed(&e))?;
            model.run(Stage::Shared);
            model.run(Stage::Forward(Part::Train));
            wanted
                .iter()
                .map(|hook| self.rows(hook, &model, here.clone()))
                .collect()
        };
        let parts: Vec<Vec<Vec<f32>>> = starts.par_iter().map(part).collect::<Result<_, _>>()?;
        for (place, hook) in wanted.iter().enumerate() {
            let numbers = parts
                .iter()
                .flat_map(|part| &part[place])
                .copied()
                .collect();
            let shape: Vec<usize> = [pairs].into_iter().chain(hook.shape.clone()).collect();
            data.add(&hook.name, &shape, Numbers::F32(numbers));
        }
        Ok(())
    }

    /// The rows of a table that belong to these pairs, one below the other.
    fn rows(
        &self,
        hook: &Hook,
        model: &Interpreter<'_, f32>,
        pairs: std::ops::Range<u32>,
    ) -> Result<Vec<f32>, SessionError> {
        let Some(id) = self.program.find(&hook.table) else {
            let why = format!("the program has no table {}", hook.table);
            return Err(SessionError::Failed(why));
        };
        let (table, numbers) = (self.program.table(id), model.table(id));
        let (width, p) = (hook.shape.iter().product::<usize>(), self.p);
        let samples = Samples {
            train: pairs.len(),
            test: 0,
        };
        if table.cols != width || numbers.len() != width * self.program.rows(table.rows, &samples) {
            let why = format!("the program's table {} has another shape", hook.table);
            return Err(SessionError::Failed(why));
        }
        let mut rows = Vec::with_capacity(pairs.len() * width);
        for (place, pair) in pairs.enumerate() {
            let row = match table.rows {
                Extent::Sample(_) => place,
                Extent::Token(0) => pair as usize / p,
                Extent::Token(_) => pair as usize % p,
                Extent::Once(_) => 0,
            };
            let row = &numbers[row * width..(row + 1) * width];
            if hook.pattern {
                let (heads, positions) = (hook.shape[0], hook.shape[1]);
                let by_head = (0..heads).flat_map(|h| (0..positions).map(move |at| (h, at)));
                rows.extend(by_head.map(|(h, at)| row[at * heads + h]));
            } else {
                rows.extend_from_slice(row);
            }
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use grokrun_engine::{Activation, GridPass, Shape, Wanted};
    use grokrun_program::{Init, Parameters, initial_parameters};

    use super::*;

    fn shape() -> Shape {
        Shape {
            modulus: 7,
            d_model: 8,
            heads: 2,
            d_head: 4,
            d_mlp: 12,
            activation: Activation::Relu,
            trained_biases: false,
        }
    }

    /// Both ways to the activations of the one architecture that has two are one function.
    #[test]
    fn activations_are_those_of_the_folded_pass() {
        let architecture = shape().architecture();
        let list = Parameters::new(&architecture).unwrap();
        let weights =
            initial_parameters(&architecture, &list, Init::TransformerLens, 1.0, 5).unwrap();
        let wanted = Wanted {
            attention: true,
            pre: true,
            post: true,
            logits: true,
        };
        let want = GridPass::new(shape()).run(&weights, wanted).unwrap();
        let mut data = SnapshotData::new(0);
        let pass = RecordedPass::new(&architecture).unwrap();
        pass.run_into(weights, &Needs::all(), &mut data).unwrap();
        data.show(&Needs::all(), |snapshot| {
            for (name, want) in [
                ("blocks.0.attn.hook_pattern", &want.attention),
                ("blocks.0.mlp.hook_pre", &want.pre),
                ("blocks.0.mlp.hook_post", &want.post),
                ("logits", &want.logits),
            ] {
                let got = snapshot.tensor(name).unwrap();
                assert_eq!(got.shape()[0], 49);
                assert_eq!(got.data().len(), want.len(), "{name}");
                for (got, want) in got.data().iter().zip(want) {
                    assert!((got - want).abs() < 1e-5, "{name}: {got} {want}");
                }
            }
        });
    }

    #[test]
    fn every_layer_of_a_deeper_model_has_its_hooks() {
        let mut architecture = shape().architecture();
        if let grokrun_program::Model::Transformer(t) = &mut architecture.model {
            t.blocks.push(t.blocks[0].clone());
        }
        let list = Parameters::new(&architecture).unwrap();
        let weights =
            initial_parameters(&architecture, &list, Init::TransformerLens, 1.0, 5).unwrap();
        let pass = RecordedPass::new(&architecture).unwrap();
        let mut data = SnapshotData::new(0);
        pass.run_into(weights, &Needs::all(), &mut data).unwrap();
        data.show(&Needs::all(), |snapshot| {
            for layer in 0..2 {
                let name = |part: &str| format!("blocks.{layer}.{part}");
                let post = snapshot.tensor(&name("mlp.hook_post")).unwrap();
                assert_eq!(post.shape(), [49, 12]);
                assert!(post.data().iter().all(|x| *x >= 0.0));
                let pattern = snapshot.tensor(&name("attn.hook_pattern")).unwrap();
                assert_eq!(pattern.shape(), [49, 2, 3]);
                for weights in pattern.data().chunks_exact(3) {
                    assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                }
            }
            assert_ne!(
                snapshot.tensor("blocks.0.mlp.hook_post").unwrap().data(),
                snapshot.post().unwrap().data()
            );
            assert!(snapshot.attention().is_err());
        });
    }
}
