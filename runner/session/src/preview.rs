//! What a plan will cost, for `grokrun check`: batches, memory, disk, and the time it takes by a
//! few epochs of each kind, run now on the chosen device without writing anything.

use std::time::Instant;

use grokrun_engine::{CellInput, Choice, Program};
use grokrun_spec::Plan;

use crate::SessionError;
use crate::analyses::snapshot_bytes;
use crate::batch::{Batch, batches};
use crate::material::Material;
use crate::survey::{CellSize, Survey, recipe};

/// Seconds spent on measuring, about.
const MEASURE_SECONDS: f64 = 2.0;

/// What a plan will cost if nothing of it is done yet.
#[derive(Clone, Debug)]
pub struct Preview {
    /// which cells train together
    pub batches: Vec<Batch>,
    /// the most memory that the batches take on the host, one at a time
    pub host_bytes: u64,
    /// the most memory on the device, where it has its own
    pub device_bytes: u64,
    /// files of the whole run, before compression
    pub disk_bytes: u64,
    /// seconds an epoch of each batch, in order
    pub seconds_per_epoch: Vec<f64>,
    /// for the whole run, without early stops
    pub seconds: f64,
}

impl Preview {
    /// Works out sizes and measures the time of one epoch.
    ///
    /// # Errors
    /// When a cell cannot be prepared or the device fails.
    pub fn new(plan: &Plan, survey: &Survey, choice: &Choice) -> Result<Preview, SessionError> {
        let pending: Vec<(usize, u64)> = (0..plan.cells.len()).map(|cell| (cell, 0)).collect();
        let batches = batches(&survey.cells, &pending, largest_batch(survey, choice));
        let seconds_per_epoch = measure(plan, survey, choice, &batches)?;
        let total = |pick: fn(&CellSize) -> u64| {
            let of_batch = |b: &Batch| b.cells.iter().map(|&i| pick(&survey.cells[i])).sum();
            batches.iter().map(of_batch).max().unwrap_or(0)
        };
        let on_disk = |size: &CellSize| disk_bytes(plan, size);
        let snapshots = match plan.analyses.is_empty() {
            true => 0,
            false => survey
                .cells
                .iter()
                .map(|size| snapshot_bytes(&size.shape))
                .max()
                .unwrap_or(0),
        };
        Ok(Preview {
            host_bytes: total(|size| size.estimate().host_bytes) + snapshots,
            device_bytes: if choice.is_cpu() {
                0
            } else {
                total(|size| size.estimate().device_bytes)
            },
            disk_bytes: survey.cells.iter().map(on_disk).sum(),
            seconds: seconds_per_epoch.iter().sum::<f64>() * plan.train.epochs as f64,
            seconds_per_epoch,
            batches,
        })
    }
}

/// On a GPU as many cells as fit; on a CPU one a core, which needs no synchronisation.
pub(crate) fn largest_batch(survey: &Survey, choice: &Choice) -> usize {
    let largest = |size: &CellSize| choice.largest_batch(&size.estimate());
    survey.cells.iter().map(largest).min().unwrap_or(1)
}

/// Checkpoints, state, split and 40 bytes of metrics an epoch.
fn disk_bytes(plan: &Plan, size: &CellSize) -> u64 {
    let estimate = size.estimate();
    let epochs = plan.train.epochs;
    // Where cadences meet a checkpoint is counted once for each: this is the most there can be.
    let of_cadence = |every: u64| match every {
        0 => 0,
        every => epochs / every,
    };
    let mut cadences: Vec<u64> = plan
        .analyses
        .iter()
        .map(|analysis| analysis.every)
        .collect();
    cadences.push(plan.checkpoints.every);
    cadences.sort_unstable();
    cadences.dedup();
    let checkpoints = 2 + cadences.into_iter().map(of_cadence).sum::<u64>();
    let history = 2 * 40 * epochs;
    let split = 8 * (size.train + size.test) as u64;
    checkpoints * estimate.checkpoint_bytes + estimate.state_bytes + history + split
}

/// Times batches, each kind once; what is left when the time is up is scaled by operations.
fn measure(
    plan: &Plan,
    survey: &Survey,
    choice: &Choice,
    batches: &[Batch],
) -> Result<Vec<f64>, SessionError> {
    let work = |batch: &Batch| {
        survey.cells[batch.cells[0]].estimate().flops_per_epoch * batch.cells.len() as f64
    };
    let started = Instant::now();
    // (operations, cells, seconds an epoch) of what was measured
    let mut known: Vec<(f64, usize, f64)> = Vec::new();
    let mut seconds = Vec::new();
    for batch in batches {
        let (flops, cells) = (work(batch), batch.cells.len());
        let alike = known.iter().find(|(f, c, _)| *f == flops && *c == cells);
        let spent = started.elapsed().as_secs_f64() > MEASURE_SECONDS;
        seconds.push(match (alike, known.last()) {
            (Some((_, _, seconds)), _) => *seconds,
            (None, Some((f, _, seconds))) if spent => seconds * flops / f,
            _ => {
                let measured = measure_batch(plan, survey, choice, batch)?;
                known.push((flops, cells, measured));
                measured
            }
        });
    }
    Ok(seconds)
}

fn measure_batch(
    plan: &Plan,
    survey: &Survey,
    choice: &Choice,
    batch: &Batch,
) -> Result<f64, SessionError> {
    let shape = survey.cells[batch.cells[0]].shape;
    let inputs = batch
        .cells
        .iter()
        .map(|&i| {
            let cell = &plan.cells[i];
            let pairs = Material::new(cell)?.pairs;
            let state = Material::initial(plan, cell, &shape);
            Ok(CellInput {
                pairs,
                recipe: recipe(plan, cell),
                state,
            })
        })
        .collect::<Result<Vec<_>, SessionError>>()?;
    let mut executor = grokrun_engine::open(choice, Program::folded(shape), inputs)?;
    // The first calls warm caches and tell the executor how long an epoch takes.
    executor.run(1)?;
    executor.run(executor.epochs_per_call().min(8))?;
    let (started, mut epochs) = (Instant::now(), 0);
    while epochs == 0 || started.elapsed().as_secs_f64() < 0.25 * MEASURE_SECONDS {
        let window = executor.epochs_per_call();
        executor.run(window)?;
        epochs += window;
    }
    Ok(started.elapsed().as_secs_f64() / epochs as f64)
}
