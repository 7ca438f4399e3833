//! Supports the tests of analyses of a sweep: cells and their histories, shown as a host shows
//! them.

use serde_json::Value;

use super::{Recorder, run};
use crate::{Failure, Numbers, Registration, SnapshotData, SweepAnalysis, SweepCell};

/// The names of a history's columns, in the order of the columns that [`swept`] takes.
const COLUMNS: [&str; 4] = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"];

/// Returns the findings of an analysis with these parameters (a JSON object) on cells with these
/// train losses, test losses, train accuracies and test accuracies.
///
/// # Errors
/// As for the calls of the analysis.
///
/// # Panics
/// When the parameters are not an object.
pub fn swept<S: SweepAnalysis>(
    parameters: Value,
    cells: &[SweepCell],
    histories: &[[Vec<f64>; 4]],
) -> Result<Recorder, Failure> {
    let Value::Object(parameters) = parameters else {
        panic!("{parameters} is no object");
    };
    let snapshot = |(number, history): (usize, &[Vec<f64>; 4])| {
        let mut data = SnapshotData::new(number as u64);
        for (name, column) in COLUMNS.iter().zip(history) {
            let numbers = Numbers::F64(column.clone());
            data.add(format!("history.{name}"), &[column.len()], numbers);
        }
        data
    };
    let snapshots: Vec<SnapshotData> = histories.iter().enumerate().map(snapshot).collect();
    let registration = Registration::of_sweep::<S>("tests");
    registration.check(&parameters)?;
    let mut analysis = registration.create_sweep(&parameters, cells.to_vec())?;
    run(&mut *analysis, &snapshots)
}
