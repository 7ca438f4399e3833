//! What a plan will cost, for `grokrun check`: batches, memory, disk and time.
//!
//! The time is predicted from what there is to compute, by costs that are measured once on a device
//! and kept (`kept`): of an epoch's operations (`cost`, `probe`), of a look of each analysis
//! (`looks`), of a file (`files`). `total` adds them up. Nothing is written but what is kept.

mod clock;
mod cost;
mod files;
mod kept;
mod looks;
mod probe;
mod total;

use std::path::PathBuf;

use grokrun_engine::Choice;
use grokrun_spec::Plan;

use crate::SessionError;
use crate::analyses::{Analyses, snapshot_bytes};
use crate::batch::{Batch, batches};
use crate::survey::{CellSize, Survey};
use kept::{Calibration, Kept};
pub use total::Time;

/// A load average of more than this for each core disturbs what is measured.
const BUSY: f64 = 0.75;

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

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
    /// of the whole run, without early stops, on a machine that does nothing else
    pub time: Time,
    /// seconds since the costs were measured that the time is predicted by; none if just now
    pub calibrated: Option<u64>,
    /// the file that keeps them, if there is one
    pub kept: Option<PathBuf>,
    /// what is not in the time, and what could not be kept or read, in words
    pub notes: Vec<String>,
}

impl Preview {
    /// Works out sizes, and predicts the time by the costs that are kept for this device and build;
    /// what is not kept of them is measured now, all of them if `again`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn new(
        plan: &Plan,
        survey: &Survey,
        choice: &Choice,
        analyses: &Analyses<'_>,
        again: bool,
    ) -> Result<Preview, SessionError> {
        let pending: Vec<(usize, u64)> = (0..plan.cells.len()).map(|cell| (cell, 0)).collect();
        let batches = batches(&survey.cells, &pending, largest_batch(survey, choice));
        let mut kept = Kept::read();
        let key = key(choice);
        let found = kept.find(&key).filter(|found| {
            let looks = found.looks.iter().all(|(_, look)| look.is_sound());
            found.speed.is_sound(choice)
                && found.files.is_none_or(|f| f.is_sound())
                && looks
                && !again
        });
        let calibrated = found.as_ref().map(Calibration::age);
        let (mut calibration, mut changed) = match found {
            Some(found) => (found, false),
            None => (measure(choice, key, &kept)?, true),
        };
        changed |= look_at_missing(&mut calibration, plan, analyses)?;
        if changed {
            kept.keep(calibration.clone());
        }
        let mut notes = std::mem::take(&mut kept.notes);
        if let Some(load) = calibration
            .load
            .filter(|load| *load > BUSY * cores() as f64)
        {
            notes.push(format!(
                "other programs ran when the device was measured (load {load:.1} on {} cores), so times may be too long; --calibrate measures again",
                cores()
            ));
        }
        let time = Time::predict(
            (plan, survey, choice),
            &batches,
            analyses,
            &calibration,
            &mut notes,
        );
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
            time,
            calibrated,
            kept: kept.path(),
            notes,
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

/// What costs hold for: this build of the program, and this device in this machine.
fn key(choice: &Choice) -> String {
    let build = std::env::current_exe().and_then(std::fs::metadata);
    let build = build.ok().and_then(|file| {
        let since = file.modified().ok()?.duration_since(std::time::UNIX_EPOCH);
        Some(format!(
            "{} bytes of {:.3}",
            file.len(),
            since.ok()?.as_secs_f64()
        ))
    });
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or(std::env::consts::ARCH, |name| {
            name.trim_start_matches([' ', '\t', ':'])
        });
    format!(
        "grokrun {} ({}) on {} × {processor}: {}",
        env!("CARGO_PKG_VERSION"),
        build.unwrap_or_default(),
        cores(),
        choice.identity()
    )
}

/// Measures the device and the files of a run; no analysis yet.
fn measure(choice: &Choice, key: String, kept: &Kept) -> Result<Calibration, SessionError> {
    Ok(Calibration {
        key,
        made: kept::now(),
        load: kept::load(),
        files: kept
            .folder()
            .and_then(|folder| files::Files::measure(folder).ok()),
        speed: probe::Speed::measure(choice)?,
        looks: Vec::new(),
    })
}

/// Measures the looks that a plan has and a calibration does not; whether there were any. A plan
/// whose small models cannot be made has none.
fn look_at_missing(
    calibration: &mut Calibration,
    plan: &Plan,
    analyses: &Analyses<'_>,
) -> Result<bool, SessionError> {
    let mut missing = looks::wanted(plan, analyses);
    missing.retain(|(name, _)| calibration.look(name).is_none());
    if missing.is_empty() {
        return Ok(false);
    }
    let Ok(mut models) = looks::Models::new(plan) else {
        return Ok(false);
    };
    let before = calibration.looks.len();
    for (name, looker) in missing {
        if let Some(look) = models.look(&looker)? {
            calibration.looks.push((name, look));
        }
    }
    Ok(calibration.looks.len() > before)
}
