//! The reference of the fused passes: the published model, unfolded
//! (doc/model.md#the-published-model), run by the program crate's interpreter.
//!
//! Owns no formula: only how pairs become samples of a program, and under which names the tables
//! are found.

use grokrun_program::{
    Architecture, Data, Interpreter, Loss, Part, Program, Real, Rule, Stage, TableId, plain, train,
};

use crate::EngineError;
use crate::data::Sample;
use crate::executor::{CellInput, EpochRow};
use crate::schedule::Recipe;
use crate::shape::Shape;

/// A model with its parameters, in f64.
pub struct Reference {
    shape: Shape,
    program: Program,
    parameters: Vec<f32>,
}

/// The gradient, the loss and the accuracy over some pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients {
    /// the gradient of the mean loss, in the order of [`crate::Parameter::ALL`]; zeros where a
    /// parameter is frozen
    pub gradient: Vec<f64>,
    /// the mean loss
    pub loss: f64,
    /// the share of pairs whose largest logit is the label's
    pub accuracy: f64,
}

impl Reference {
    /// Records the model with these parameters.
    ///
    /// # Errors
    /// When the number of parameters is not the shape's.
    pub fn new(shape: Shape, parameters: Vec<f32>) -> Result<Reference, EngineError> {
        let program = record(&shape.architecture(), Recipe::PUBLISHED)?;
        program
            .initial_state(parameters.clone())
            .map_err(|error| EngineError::Data(error.to_string()))?;
        Ok(Reference {
            shape,
            program,
            parameters,
        })
    }

    /// Returns the logits of these pairs, `(pairs, p)`.
    ///
    /// # Errors
    /// When a pair has a token that is not below the modulus.
    pub fn logits(&self, pairs: &[Sample]) -> Result<Vec<f64>, EngineError> {
        let [_, _, _, logits] = self.activations(pairs)?;
        Ok(logits)
    }

    /// Returns the activations of pair after pair: attention `(pairs, heads, 3)`, the neurons'
    /// inputs and outputs `(pairs, d_mlp)`, and logits `(pairs, p)`.
    ///
    /// # Errors
    /// When a pair has a token that is not below the modulus.
    pub fn activations(&self, pairs: &[Sample]) -> Result<[Vec<f64>; 4], EngineError> {
        let mut model = self.model(pairs)?;
        model.run(Stage::Shared);
        model.run(Stage::Forward(Part::Test));
        let table = |name: &str| -> Vec<f64> {
            let found = self.program.find(name);
            found.map_or(Vec::new(), |id| model.table(id).to_vec())
        };
        let heads = self.shape.heads;
        // The program stores key after key; this function returns head after head.
        let pattern = table("test.blocks.0.attn.pattern.2");
        let attention = pattern
            .chunks_exact(3 * heads)
            .flat_map(|row| (0..3 * heads).map(|i| row[i % 3 * heads + i / 3]))
            .collect();
        Ok([
            attention,
            table("test.blocks.0.mlp.pre.2"),
            table("test.blocks.0.mlp.post.2"),
            table("test.logits"),
        ])
    }

    /// Returns the gradients of the mean loss over these pairs.
    ///
    /// # Errors
    /// When a pair has a token that is not below the modulus.
    pub fn gradients(&self, pairs: &[Sample]) -> Result<Gradients, EngineError> {
        let mut model = self.model(pairs)?;
        for stage in [Stage::Shared, Stage::Forward(Part::Train), Stage::Backward] {
            model.run(stage);
        }
        let of_parameter = |place: usize, len: usize| match self.program.gradient(TableId(place)) {
            Some(table) => model.table(table).to_vec(),
            None => vec![0.0; len],
        };
        let all = self.program.parameters.iter().enumerate();
        let score = model.score(Part::Train);
        Ok(Gradients {
            gradient: all
                .flat_map(|(place, parameter)| of_parameter(place, parameter.len()))
                .collect(),
            loss: score.loss,
            accuracy: score.accuracy,
        })
    }

    fn model(&self, pairs: &[Sample]) -> Result<Interpreter<'_, f64>, EngineError> {
        let data = data(&self.program, pairs)?;
        let mut model = interpreter(&self.program, data.clone(), data)?;
        let state = self.program.initial_state(self.parameters.clone());
        let loaded = state.map(|state| model.load(&state));
        loaded
            .and_then(|loaded| loaded)
            .map_err(|error| EngineError::Data(error.to_string()))?;
        Ok(model)
    }
}

/// Trains a cell from its first step for `epochs` epochs, with all arithmetic in `T`; returns the
/// rows of metrics.
///
/// # Errors
/// When the cell does not fit the shape, or has been trained before.
pub fn train_reference<T: Real>(
    shape: &Shape,
    cell: &CellInput,
    epochs: usize,
) -> Result<Vec<EpochRow>, EngineError> {
    let wrong = |error: String| EngineError::Data(error);
    if cell.state.step != 0 {
        let problem = format!(
            "the cell has taken {} steps; the reference trains from step 0 alone",
            cell.state.step
        );
        return Err(wrong(problem));
    }
    let program = record(&shape.architecture(), cell.recipe)?;
    let [train, test] = [cell.pairs.train(), cell.pairs.test()].map(|part| data(&program, part));
    let mut model = interpreter::<T>(&program, train?, test?)?;
    let state = program.initial_state(cell.state.parameters.clone());
    let state = state.map_err(|error| wrong(error.to_string()))?;
    model
        .load(&state)
        .map_err(|error| wrong(error.to_string()))?;
    let row = |_| {
        let (train, test) = (model.train(), model.evaluate());
        EpochRow {
            train_loss: train.loss,
            test_loss: test.loss,
            train_accuracy: train.accuracy,
            test_accuracy: test.accuracy,
        }
    };
    Ok((0..epochs).map(row).collect())
}

/// Returns the plain program, which folds nothing, trained by AdamW.
fn record(architecture: &Architecture, recipe: Recipe) -> Result<Program, EngineError> {
    let forward = plain(architecture, &Loss::PUBLISHED)
        .map_err(|error| EngineError::Data(error.to_string()))?;
    let rule = grokrun_program::AdamW {
        betas: recipe.betas,
        epsilon: recipe.epsilon,
    };
    let recipe = grokrun_program::Recipe {
        rule: Rule::AdamW(rule),
        learning_rate: recipe.learning_rate,
        weight_decay: recipe.weight_decay,
        warmup: recipe.warmup,
        ..grokrun_program::Recipe::published()
    };
    train(forward, &recipe).map_err(|error| EngineError::Data(error.to_string()))
}

fn data(program: &Program, pairs: &[Sample]) -> Result<Data, EngineError> {
    let tokens = pairs.iter().flat_map(|s| [s.a, s.b]).collect();
    let labels = pairs.iter().map(|s| s.label).collect();
    Data::new(program, tokens, labels).map_err(|error| EngineError::Data(error.to_string()))
}

fn interpreter<T: Real>(
    program: &Program,
    train: Data,
    test: Data,
) -> Result<Interpreter<'_, T>, EngineError> {
    Interpreter::new(program, train, test).map_err(|error| EngineError::Data(error.to_string()))
}
