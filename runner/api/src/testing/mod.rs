//! Supports the tests of plugins: tasks, snapshots with a known answer, a sink that records.

mod losses;
mod planted;
mod recorder;
mod swept;

pub use losses::{Flat, Quadratic, at_weights};
pub use planted::{Expert, random};
pub use recorder::Recorder;
pub use swept::swept;

use crate::{Analysis, Failure, Instance, Model, SnapshotData, Structure, Task, TrainLoss};

/// Makes a task. `label` returns the class of a pair, or `None` where the operation is undefined.
/// Every third defined pair is a test pair; the others are training pairs. The structure is that of
/// [`Structure::Function`], whatever the operation.
pub fn task(operation: &str, p: usize, label: impl Fn(u32, u32) -> Option<u32>) -> Task {
    let n = p as u32;
    let labels: Vec<Option<u32>> = (0..n * n).map(|i| label(i / n, i % n)).collect();
    let defined = (0..n * n).filter(|i| labels[*i as usize].is_some());
    let (test, train) = defined.partition::<Vec<u32>, _>(|i| i % 3 == 0);
    Task {
        cell: format!("{operation}-p{p}"),
        operation: operation.to_owned(),
        modulus: p,
        labels,
        structure: Structure::Function,
        train,
        test,
        fraction: 2.0 / 3.0,
        data_seed: 1,
        model_seed: 2,
        epochs: 1000,
        model: Model {
            d_model: 32,
            heads: 4,
            d_head: 8,
            d_mlp: 96,
            activation: "relu".to_owned(),
            layers: vec!["blocks.0.mlp".to_owned()],
            normalised: false,
        },
    }
}

/// Makes the task a + b mod p, on all pairs.
pub fn add(p: usize) -> Task {
    let n = p as u32;
    Task {
        structure: Structure::Cyclic {
            order: p,
            places: (0..p).map(Some).collect(),
        },
        ..task("add", p, |a, b| Some((a + b) % n))
    }
}

/// Makes the task a · b mod p, on all pairs.
pub fn mul(p: usize) -> Task {
    let n = p as u32;
    task("mul", p, |a, b| Some(a * b % n))
}

/// Returns the findings of an analysis with these parameters on snapshots, shown in order.
///
/// # Panics
/// When the analysis refuses the parameters or fails, so that the test fails.
#[track_caller]
pub fn analyse<A: Analysis>(
    config: A::Config,
    task: &Task,
    snapshots: &[SnapshotData],
) -> Recorder {
    let found = A::new(config, task).and_then(|mut analysis| run(&mut analysis, snapshots));
    found.unwrap_or_else(|failure| panic!("the analysis failed: {failure}"))
}

/// Returns the findings of an analysis that evaluates a train loss; otherwise as [`analyse`].
///
/// # Panics
/// As [`analyse`].
#[track_caller]
pub fn analyse_loss<A: Analysis>(
    config: A::Config,
    task: &Task,
    snapshots: &[SnapshotData],
    loss: impl TrainLoss + 'static,
) -> Recorder {
    let recorder = Recorder {
        loss: Some(Box::new(loss)),
        ..Recorder::default()
    };
    let found =
        A::new(config, task).and_then(|mut analysis| recorded(&mut analysis, snapshots, recorder));
    found.unwrap_or_else(|failure| panic!("the analysis failed: {failure}"))
}

/// Passes snapshots to an analysis, in order, and finishes it.
///
/// # Errors
/// As for the calls of the analysis.
pub fn run(analysis: &mut dyn Instance, snapshots: &[SnapshotData]) -> Result<Recorder, Failure> {
    recorded(analysis, snapshots, Recorder::default())
}

fn recorded(
    analysis: &mut dyn Instance,
    snapshots: &[SnapshotData],
    mut recorder: Recorder,
) -> Result<Recorder, Failure> {
    for data in snapshots {
        data.show(&crate::Needs::all(), |snapshot| {
            analysis.observe(snapshot, &mut recorder)
        })?;
    }
    analysis.finish(&mut recorder)?;
    Ok(recorder)
}
