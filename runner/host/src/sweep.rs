//! Runs an analysis of a whole sweep: the numbers of one cell after the other, then its conclusion.

use grokrun_api::{SnapshotData, SweepCell};
use serde_json::{Map, Value};

use crate::analysis_pool::on_analysis_pool;
use crate::crew::Outcome;
use crate::member::Member;
use crate::registry::Found;
use crate::scratch::Scratch;

/// Runs `found` on a sweep of these cells. `numbers` makes the snapshot of the cell of that number,
/// or says why there is none, which fails the analysis; it is not called after a failure.
pub fn analyse_sweep(
    found: &Found,
    parameters: &Map<String, Value>,
    cells: &[SweepCell],
    mut numbers: impl FnMut(usize) -> Result<SnapshotData, String>,
    scratch: &Scratch,
) -> Outcome {
    let span = tracing::info_span!("analysis", analysis = found.name());
    let _in_analysis = span.enter();
    let mut member = on_analysis_pool(|| Member::start_sweep(found, parameters, cells, scratch));
    for number in 0..cells.len() {
        if !member.is_alive() {
            break;
        }
        match numbers(number) {
            Ok(mut data) => {
                data.epoch = number as u64;
                on_analysis_pool(|| member.observe(&data));
            }
            Err(why) => member.give_up(&format!("at cell {number}: {why}")),
        }
    }
    on_analysis_pool(|| member.finish())
}

#[cfg(test)]
mod tests {
    use grokrun_api::prelude::*;
    use grokrun_api::{Numbers, Registration};

    use super::*;

    #[derive(Default, Serialize, Deserialize, JsonSchema)]
    #[serde(crate = "grokrun_api::serde", default)]
    #[schemars(crate = "grokrun_api::schemars")]
    struct Config {
        panics_at: Option<String>,
    }

    /// Adds the last test losses of all cells up.
    struct Total {
        config: Config,
        sum: f64,
    }

    impl SweepAnalysis for Total {
        type Config = Config;
        const MANIFEST: Manifest = Manifest::new("total", "0.1.0", "adds up");
        fn new(config: Config, cells: &[SweepCell]) -> Result<Self, Failure> {
            match cells.len() {
                0 => Err(Failure::new("there is no cell")),
                _ => Ok(Total { config, sum: 0.0 }),
            }
        }
        fn observe(&mut self, cell: &SweepCell, numbers: &CellNumbers<'_>) -> Result<(), Failure> {
            assert_ne!(self.config.panics_at.as_ref(), Some(&cell.id), "on purpose");
            self.sum += numbers.history()?.test_loss.last().unwrap_or(&0.0);
            Ok(())
        }
        fn finish(&mut self, cells: &[SweepCell], out: &mut dyn Sink) -> Result<(), Failure> {
            out.note(format!("{} of {} cells", self.sum, cells.len()));
            Ok(())
        }
    }

    fn cells() -> Vec<SweepCell> {
        let cell = |id: &str| SweepCell {
            id: id.to_owned(),
            ..SweepCell::default()
        };
        ["a", "b", "c"].map(cell).into()
    }

    fn numbers(number: usize) -> Result<SnapshotData, String> {
        let mut data = SnapshotData::new(0);
        for name in ["train_loss", "test_loss", "train_accuracy", "test_accuracy"] {
            let values = vec![0.5, 1.0 + number as f64];
            data.add(format!("history.{name}"), &[2], Numbers::F64(values));
        }
        Ok(data)
    }

    fn run(parameters: Value, cells: &[SweepCell]) -> Outcome {
        let found = Found::linked(&Registration::of_sweep::<Total>("here")).unwrap();
        let parameters = parameters.as_object().unwrap().clone();
        let scratch = Scratch::new(&std::env::temp_dir());
        analyse_sweep(&found, &parameters, cells, numbers, &scratch)
    }

    #[test]
    fn every_cell_is_shown_and_a_failure_says_where() {
        let outcome = run(json!({}), &cells());
        assert_eq!(outcome.failure, None);
        assert_eq!(outcome.findings.notes, ["6 of 3 cells"]);
        let outcome = run(json!({ "panics_at": "b" }), &cells());
        let why = outcome.failure.unwrap();
        assert!(
            why.contains("at cell 1: it panicked") && why.contains("on purpose"),
            "{why}"
        );
        assert!(
            run(json!({}), &[])
                .failure
                .unwrap()
                .contains("there is no cell")
        );
    }

    #[test]
    fn numbers_that_cannot_be_read_fail_the_analysis() {
        let found = Found::linked(&Registration::of_sweep::<Total>("here")).unwrap();
        let scratch = Scratch::new(&std::env::temp_dir());
        let missing = |_| Err("it is damaged".to_owned());
        let outcome = analyse_sweep(&found, &Map::new(), &cells(), missing, &scratch);
        assert_eq!(outcome.failure.as_deref(), Some("at cell 0: it is damaged"));
        assert!(
            found
                .create(&Map::new(), &grokrun_api::testing::add(5))
                .is_err()
        );
    }
}
