//! For the tests of plugins: tasks, snapshots with a known answer, a sink that remembers.

mod planted;
mod recorder;
mod swept;

pub use planted::{Expert, random};
pub use recorder::Recorder;
pub use swept::swept;

use crate::{Analysis, Failure, Instance, Model, SnapshotData, Task};

/// A task: `label` gives the class of a pair, none where it is undefined. Every third defined pair
/// is tested on, the others are trained on.
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

/// a + b mod p, all pairs.
pub fn add(p: usize) -> Task {
    let n = p as u32;
    task("add", p, |a, b| Some((a + b) % n))
}

/// a · b mod p, all pairs.
pub fn mul(p: usize) -> Task {
    let n = p as u32;
    task("mul", p, |a, b| Some(a * b % n))
}

/// What an analysis with these parameters says of snapshots, shown in order.
///
/// # Panics
/// When it refuses the parameters or fails: that is what a test is to fail with.
#[track_caller]
pub fn analyse<A: Analysis>(
    config: A::Config,
    task: &Task,
    snapshots: &[SnapshotData],
) -> Recorder {
    let found = A::new(config, task).and_then(|mut analysis| run(&mut analysis, snapshots));
    found.unwrap_or_else(|failure| panic!("the analysis failed: {failure}"))
}

/// Shows snapshots to an analysis, in order, and finishes it.
///
/// # Errors
/// As the analysis fails.
pub fn run(analysis: &mut dyn Instance, snapshots: &[SnapshotData]) -> Result<Recorder, Failure> {
    let mut recorder = Recorder::default();
    for data in snapshots {
        data.show(
            |_| true,
            |snapshot| analysis.observe(snapshot, &mut recorder),
        )?;
    }
    analysis.finish(&mut recorder)?;
    Ok(recorder)
}
