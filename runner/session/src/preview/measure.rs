//! Measures what observations of analyses cost, within a budget of time and memory: analyses are
//! other people's code, and an observation may take an hour, or all memory.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use grokrun_engine::Shape;
use grokrun_task::Operation;

use super::observations::{Observation, Observer};
use super::subject::Models;
use crate::SessionError;

/// Seconds in which all observations are measured; from then on they are only estimated or left
/// out.
const BUDGET: f64 = 3.0;
/// Seconds after which an observation that is under way is no longer waited for.
const PATIENCE: f64 = 5.0;
/// Bytes that the process may grow by meanwhile.
const MEMORY: u64 = 600_000_000;
/// The least seconds that one analysis is allowed.
const LEAST: f64 = 0.1;
/// How often time and memory are checked.
const PAUSE: Duration = Duration::from_millis(10);

/// What came of it.
#[derive(Default)]
pub(super) struct Measured {
    /// each with its name
    pub(super) observations: Vec<(String, Observation)>,
    /// the analysis that was not waited for, and why
    pub(super) given_up: Option<(String, String)>,
    /// analyses that were not observed, since the budget was spent
    pub(super) left_out: Vec<String>,
}

/// Observes small models of a cell's shape and operation with each of `observers`. Nothing where
/// those cannot be made: the operation is not defined for them.
///
/// # Errors
/// When a thread cannot be started, or the models' activations cannot be computed.
pub(super) fn measure(
    shape: Shape,
    operation: &Operation,
    observers: Vec<(String, Observer)>,
) -> Result<Measured, SessionError> {
    let started = Instant::now();
    let spent = move || started.elapsed().as_secs_f64();
    let before = resident();
    let (answer, answers) = channel();
    let operation = operation.clone();
    let names: Vec<(String, String)> = observers
        .iter()
        .map(|(name, observer)| (name.clone(), observer.name().to_owned()))
        .collect();
    // A thread that is no longer waited for ends with the process.
    let measuring = move || {
        let Ok(mut models) = Models::new(shape, &operation) else {
            return;
        };
        let count = observers.len();
        for (i, (_, observer)) in observers.into_iter().enumerate() {
            let left = BUDGET - spent();
            if left <= 0.0 {
                break;
            }
            // What the first do not need is left to the others.
            let allowance = (2.0 * left / (count - i) as f64).min(left).max(LEAST);
            if answer.send(models.observe(&observer, allowance)).is_err() {
                break;
            }
        }
    };
    std::thread::Builder::new()
        .name("observations".to_owned())
        .spawn(measuring)
        .map_err(|error| SessionError::Failed(format!("a thread cannot be started: {error}")))?;

    let mut measured = Measured::default();
    let mut asked = names.into_iter();
    let mut current = asked.next();
    while let Some((name, analysis)) = current {
        let why = match answers.recv_timeout(PAUSE) {
            Ok(observation) => {
                measured
                    .observations
                    .extend(observation?.map(|observation| (name, observation)));
                current = asked.next();
                continue;
            }
            // It has ended: the budget is spent, or there is nothing to observe.
            Err(RecvTimeoutError::Disconnected) => {
                measured.left_out.push(analysis);
                break;
            }
            Err(RecvTimeoutError::Timeout) => {
                let grown = resident().saturating_sub(before);
                if spent() > PATIENCE {
                    Some(format!("more than {PATIENCE:.0} s"))
                } else if grown > MEMORY {
                    Some(format!("more than {} MB", MEMORY / 1_000_000))
                } else {
                    None
                }
            }
        };
        if let Some(why) = why {
            measured.given_up = Some((analysis, why));
            break;
        }
        current = Some((name, analysis));
    }
    measured
        .left_out
        .extend(asked.map(|(_, analysis)| analysis));
    Ok(measured)
}

/// Bytes of this process that are in memory; 0 where the system does not tell, so that no bound
/// holds.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_this_process_is_known() {
        if cfg!(target_os = "linux") {
            assert!(resident() > 1_000_000);
        }
    }

    #[test]
    fn an_operation_that_small_models_do_not_have_leaves_nothing_and_says_so() {
        let shape = super::super::growth::tests::shape(113, 512);
        // Defined nowhere modulo 31.
        let operation = Operation::parse("a / (31 * b)").unwrap();
        let observers = vec![(
            "x".to_owned(),
            Observer::Snapshot(grokrun_api::Needs::default()),
        )];
        let measured = measure(shape, &operation, observers).unwrap();
        assert!(measured.observations.is_empty() && measured.given_up.is_none());
        assert_eq!(measured.left_out, ["snapshots"]);
    }
}
