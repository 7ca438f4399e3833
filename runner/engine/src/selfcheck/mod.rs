//! Whether a processor computes what the programs say: small models of every kind, trained on it
//! and by the interpreter in f64, and compared.
//!
//! Owns the cases and how far apart numbers may be. Knows nothing of how a processor runs them: it
//! sees rows of metrics and states alone, so that it holds for any adapter and for the CPU.

pub(crate) mod cases;

use std::time::{Duration, Instant};

use grokrun_executor::{
    Activation, CellInput, EngineError, EpochRow, InitScheme, Pairs, Program, RecordedCell, Sample,
    Shape, initial_parameters, initial_state,
};
use grokrun_program::{
    Architecture, Data, Interpreter, Loss, LossKind, Precision, Recipe, folded, train,
};

use crate::backend::{Choice, open, open_programs};
use cases::{Case, LION};

/// A thing that was compared.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// What it is.
    pub name: String,
    /// How far the processor's numbers are from the reference's, as a share of the largest.
    pub apart: f64,
    /// How far they may be.
    pub allowed: f64,
}

impl Checked {
    /// Returns whether the numbers are near enough; those that are none never are.
    pub fn passes(&self) -> bool {
        self.apart <= self.allowed
    }
}

/// Epochs of the recipes, and of the folded model.
const EPOCHS: u64 = 6;

/// Trains small models of every kind on a processor, and compares losses and weights with the
/// interpreter's in f64: the gradients of every architecture, activation and loss, some steps of
/// every optimizer and filter, minibatches, the fused kernels of the folded model, and whether the
/// same training gives the same bytes. `tell` hears of each as it is done.
///
/// # Errors
/// When the processor fails, or refuses a program.
pub fn self_check(
    choice: &Choice,
    tell: &mut dyn FnMut(&Checked),
) -> Result<Vec<Checked>, EngineError> {
    let mut all = Vec::new();
    let mut put = |checked: Checked| {
        tell(&checked);
        all.push(checked);
    };
    // At this rate a step is a gradient, in f32 as good as the weights are.
    let models = cases::models(&cases::descent(1.0))?;
    let last = models.len() - 1;
    for (place, (case, trained)) in trained(choice, &models, 1)?.into_iter().enumerate() {
        put(Checked {
            name: format!("gradients: {}", case.name),
            apart: trained.moved(case, 1)?,
            allowed: match precision(&case.cell) {
                // One rounding may fall on the other side.
                Some(Precision::F16 | Precision::Bf16) => 1e-3,
                // The fold multiplies weight matrices before anything else.
                _ if place == last => 1e-4,
                _ => 2e-5,
            },
        });
    }
    let recipes = cases::recipes()?;
    for (place, (case, trained)) in trained(choice, &recipes, EPOCHS)?.into_iter().enumerate() {
        put(Checked {
            name: format!("weights after {EPOCHS} steps: {}", case.name),
            apart: trained.weights(case, EPOCHS)?,
            // A sign may fall on the other side.
            allowed: if place == LION { 2e-2 } else { 2e-3 },
        });
    }
    let batched = [Case {
        name: "minibatches".to_owned(),
        cell: cases::batched(1)?,
    }];
    let two = [(); 2].map(|()| trained(choice, &batched, EPOCHS));
    let [first, again] = two.map(|trained| trained.map(|mut all| all.remove(0).1));
    let same = first?.is(&again?);
    put(Checked {
        name: "minibatches, twice: the same bytes".to_owned(),
        apart: if same { 0.0 } else { f64::INFINITY },
        allowed: 0.0,
    });
    put(fused(choice)?);
    Ok(all)
}

/// What a processor left of a case.
struct Trained {
    rows: Vec<EpochRow>,
    parameters: Vec<f32>,
}

/// Trains all cases: on a GPU beside each other, so that each kernel is compiled once; on a CPU one
/// after the other, since there only like cells train together.
fn trained<'c>(
    choice: &Choice,
    cases: &'c [Case],
    epochs: u64,
) -> Result<Vec<(&'c Case, Trained)>, EngineError> {
    let most = if choice.is_cpu() { 1 } else { cases.len() };
    let mut all = Vec::with_capacity(cases.len());
    for cases in cases.chunks(most.max(1)) {
        let cells = cases.iter().map(|case| case.cell.clone()).collect();
        let mut executor = open_programs(choice, cells)?;
        let rows = executor.run(epochs)?;
        for (place, case) in cases.iter().enumerate() {
            let trained = Trained {
                rows: rows.iter().map(|row| row[place]).collect(),
                parameters: executor.state(place)?.parameters,
            };
            all.push((case, trained));
        }
    }
    Ok(all)
}

impl Trained {
    fn is(&self, other: &Trained) -> bool {
        self.rows == other.rows && self.parameters == other.parameters
    }

    /// How far what has moved is from what the interpreter moves, as a share of the largest move
    /// of any weight; and losses.
    fn moved(&self, case: &Case, epochs: u64) -> Result<f64, EngineError> {
        let first = &case.cell.cell.state.parameters;
        let (losses, theirs) = self.reference(&case.cell, epochs)?;
        let largest = theirs
            .iter()
            .zip(first)
            .fold(0.0, |most: f64, (theirs, first)| {
                most.max((theirs - f64::from(*first)).abs())
            });
        Ok(losses.max(self.furthest(&theirs) / largest))
    }

    /// How far the weights are from the interpreter's, as a share of the largest; and losses.
    fn weights(&self, case: &Case, epochs: u64) -> Result<f64, EngineError> {
        let (losses, theirs) = self.reference(&case.cell, epochs)?;
        let largest = theirs.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        Ok(losses.max(self.furthest(&theirs) / largest))
    }

    fn furthest(&self, theirs: &[f64]) -> f64 {
        let apart = self.parameters.iter().zip(theirs);
        apart.fold(0.0, |most, (ours, theirs)| {
            largest(most, (f64::from(*ours) - theirs).abs())
        })
    }

    /// Trains the case by the interpreter; returns how far the losses are from its own, and its
    /// weights.
    fn reference(&self, cell: &RecordedCell, epochs: u64) -> Result<(f64, Vec<f64>), EngineError> {
        let cell = &cell.cell;
        let failed = |error: &dyn std::fmt::Display| EngineError::Data(error.to_string());
        let (train, test) = (cell.train.clone(), cell.test.clone());
        let mut model =
            Interpreter::<f64>::new(&cell.program, train, test).map_err(|error| failed(&error))?;
        model.load(&cell.state).map_err(|error| failed(&error))?;
        let mut losses = 0.0;
        for row in self.rows.iter().take(epochs as usize) {
            for (ours, theirs) in [
                (row.train_loss, model.train().loss),
                (row.test_loss, model.evaluate().loss),
            ] {
                losses = largest(losses, (ours / theirs - 1.0).abs());
            }
        }
        let parameters = model.state().parameters;
        Ok((losses, parameters.into_iter().map(f64::from).collect()))
    }
}

/// The larger of two; what is no number counts as the largest of all.
fn largest(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() {
        f64::NAN
    } else {
        one.max(other)
    }
}

/// Returns the precision of a cell's cross-entropy, if it has one.
fn precision(cell: &RecordedCell) -> Option<Precision> {
    let stage = grokrun_program::Stage::Forward(grokrun_program::Part::Train);
    let ops = cell.cell.program.stage(stage);
    ops.iter().find_map(|op| match op {
        grokrun_program::Op::Loss { loss, .. } if loss.kind == LossKind::CrossEntropy => {
            Some(loss.precision)
        }
        _ => None,
    })
}

/// For how long [`pace`] measures.
const MEASURED: Duration = Duration::from_secs(2);

/// Returns how many seconds an epoch of the published experiment takes on a processor: the product
/// modulo 113, one layer, 30 % of the pairs.
///
/// # Errors
/// When the processor fails.
pub fn pace(choice: &Choice) -> Result<f64, EngineError> {
    let shape = Shape {
        modulus: 113,
        d_model: 128,
        heads: 4,
        d_head: 32,
        d_mlp: 512,
        activation: Activation::Relu,
        trained_biases: false,
    };
    let mut executor = open(choice, Program::folded(shape), vec![products(&shape)?])?;
    // The first calls compile and warm up.
    executor.run(1)?;
    let (began, mut epochs) = (Instant::now(), 0);
    while began.elapsed() < MEASURED {
        let count = executor.epochs_per_call().clamp(1, 100);
        executor.run(count)?;
        epochs += count;
    }
    Ok(began.elapsed().as_secs_f64() / epochs.max(1) as f64)
}

/// Three of ten products modulo p to train on, the others to test on, as pairs and samples.
fn samples(p: u32, test: bool) -> Vec<Sample> {
    let all = (0..p * p).filter(|pair| (pair * 7 % 10 < 3) != test);
    let sample = |pair: u32| {
        let (a, b) = (pair / p, pair % p);
        Sample {
            a,
            b,
            label: a * b % p,
        }
    };
    all.map(sample).collect()
}

/// A cell of the folded model.
fn products(shape: &Shape) -> Result<CellInput, EngineError> {
    let p = shape.modulus as u32;
    let parameters = initial_parameters(shape, InitScheme::TransformerLens, 5);
    Ok(CellInput {
        pairs: Pairs::new(shape.modulus, samples(p, false), samples(p, true))?,
        recipe: grokrun_executor::Recipe::PUBLISHED,
        state: initial_state(parameters),
    })
}

/// The model that the fused kernels are for: its losses for some epochs.
fn fused(choice: &Choice) -> Result<Checked, EngineError> {
    let failed = |error: &dyn std::fmt::Display| EngineError::Data(error.to_string());
    let shape = Shape {
        modulus: 23,
        d_model: 32,
        heads: 4,
        d_head: 8,
        d_mlp: 64,
        activation: Activation::Relu,
        trained_biases: false,
    };
    let cell = products(&shape)?;
    let parameters = cell.state.parameters.clone();
    let mut executor = open(choice, Program::folded(shape), vec![cell])?;
    let rows = executor.run(EPOCHS)?;

    let architecture: Architecture = shape.architecture();
    let forward = folded(&architecture, &Loss::PUBLISHED)
        .map_err(|error| failed(&error))?
        .ok_or_else(|| failed(&"the model is not folded"))?;
    let program = train(forward, &Recipe::published()).map_err(|error| failed(&error))?;
    let data = |test: bool| {
        let samples = samples(shape.modulus as u32, test);
        let tokens = samples.iter().flat_map(|sample| [sample.a, sample.b]);
        let labels = samples.iter().map(|sample| sample.label).collect();
        Data::new(&program, tokens.collect(), labels).map_err(|error| failed(&error))
    };
    let mut model = Interpreter::<f64>::new(&program, data(false)?, data(true)?)
        .map_err(|error| failed(&error))?;
    // The program keeps moments of what is trained alone.
    let state = program.initial_state(parameters);
    let state = state.map_err(|error| failed(&error))?;
    model.load(&state).map_err(|error| failed(&error))?;
    let mut apart = 0.0;
    for row in rows.iter().flatten() {
        for (ours, theirs) in [
            (row.train_loss, model.train().loss),
            (row.test_loss, model.evaluate().loss),
        ] {
            apart = largest(apart, (ours / theirs - 1.0).abs());
        }
    }
    Ok(Checked {
        name: format!("losses of {EPOCHS} epochs: the fused kernels of one layer"),
        apart,
        allowed: 1e-5,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Backend, choose_backend};

    #[test]
    fn the_cpu_passes_and_what_is_no_number_does_not() {
        let cpu = choose_backend(Backend::Cpu, None).unwrap();
        let mut heard = 0;
        let all = self_check(&cpu, &mut |_| heard += 1).unwrap();
        assert!(all.len() > 30 && heard == all.len(), "{}", all.len());
        for checked in &all {
            assert!(checked.passes(), "{checked:?}");
        }
        let broken = Checked {
            apart: f64::NAN,
            ..all[0].clone()
        };
        assert!(!broken.passes());
    }

    /// A wrong weight and a wrong loss are seen.
    #[test]
    fn a_wrong_number_is_noticed() {
        let cpu = choose_backend(Backend::Cpu, None).unwrap();
        let models = cases::models(&cases::descent(1.0)).unwrap();
        let (case, mut trained) = trained(&cpu, &models[..1], 1).unwrap().remove(0);
        assert!(trained.moved(case, 1).unwrap() < 2e-5);
        trained.parameters[3] += 1e-3;
        assert!(trained.moved(case, 1).unwrap() > 2e-5);
        trained.parameters[3] -= 1e-3;
        trained.rows[0].test_loss *= 1.001;
        assert!(trained.moved(case, 1).unwrap() > 2e-5);
    }
}
