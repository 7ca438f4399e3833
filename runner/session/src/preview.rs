//! What a plan will cost, for `grokrun check`: batches, memory, disk and time.
//!
//! The time is predicted from what there is to compute, by costs that are measured once on a device
//! and kept (`kept`): of an epoch's operations (`cost`, `probe`), of an observation of each
//! analysis (`observations`, within a budget: `measure`; carried on by powers: `growth`), of a file
//! (`files`). `total` adds them up, `sizes` does for disk and memory. Nothing is written but what
//! is kept.

mod clock;
mod cost;
mod files;
mod growth;
mod kept;
mod measure;
mod observations;
mod probe;
mod programs;
mod sizes;
mod subject;
mod total;

use std::path::PathBuf;

use grokrun_engine::{Choice, Estimate};
use grokrun_spec::Plan;

use crate::SessionError;
use crate::analyses::Analyses;
use crate::batch::{Batch, batches};
use crate::model::Model;
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
    /// the most memory that the run takes on the host: a batch, and analyses and report beside it
    pub host_bytes: u64,
    /// the most memory on the device, where it has its own
    pub device_bytes: u64,
    /// files of the whole run, findings and report too, before compression
    pub disk_bytes: u64,
    /// of the whole run, without early stops, on a machine that does nothing else
    pub time: Time,
    /// seconds since the costs were measured that the time is predicted by; none if just now
    pub calibrated: Option<u64>,
    /// the file that keeps them, where it could be written
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
        let mut notes = Vec::new();
        let an_operation = programs::seconds_an_operation(plan, survey, choice)?;
        let no_analyses;
        let observed = survey.cells.iter().all(|size| size.analysed().is_some());
        let analyses = if observed {
            analyses
        } else {
            no_analyses = Analyses::none();
            if !analyses.is_empty() {
                let pairs = survey.cells.iter().all(|size| size.seen().is_some());
                let note = if pairs {
                    "what analyses of this model cost is not known: time and disk are without them"
                } else {
                    "the analyses do not look at this task: they say so in a note"
                };
                notes.push(note.to_owned());
            }
            &no_analyses
        };
        let pending: Vec<(usize, u64)> = (0..plan.cells.len()).map(|cell| (cell, 0)).collect();
        let batches = batches(&survey.cells, &pending, largest_batch(survey, choice));
        let mut kept = Kept::read();
        let key = key(choice);
        let found = kept.find(&key).filter(|found| {
            let observations = found
                .observations
                .iter()
                .all(|(_, observation)| observation.is_sound());
            found.speed.is_sound(choice)
                && found.files.is_none_or(|f| f.is_sound())
                && observations
                && !again
        });
        let calibrated = found.as_ref().map(Calibration::age);
        let (mut calibration, mut changed) = match found {
            Some(found) => (found, false),
            None => (measure(choice, key, &kept)?, true),
        };
        changed |= observe_missing(&mut calibration, plan, analyses, &mut notes)?;
        if changed {
            kept.keep(calibration.clone());
        }
        notes.append(&mut kept.notes);
        if plan.evaluate > 1 {
            notes.push(
                "the time is that of a test after each epoch: with train.evaluate it is shorter"
                    .to_owned(),
            );
        }
        if survey.estimated {
            notes.push(
                "pairs are counted on a part of the table: this operation is not defined for all of them, and to try each would take too long here"
                    .to_owned(),
            );
        }
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
            an_operation.unwrap_or(0.0),
            &mut notes,
        );
        let total = |pick: fn(&CellSize) -> u64| {
            let of_batch = |b: &Batch| b.cells.iter().map(|&i| pick(&survey.cells[i])).sum();
            batches.iter().map(of_batch).max().unwrap_or(0)
        };
        Ok(Preview {
            host_bytes: total(|size| size.estimate().host_bytes)
                .saturating_add(sizes::beside_training(survey, analyses, cores())),
            device_bytes: if choice.is_cpu() {
                0
            } else {
                total(|size| size.estimate().device_bytes)
            },
            disk_bytes: sizes::disk(plan, survey, analyses, &calibration),
            time,
            calibrated,
            kept: kept.written(),
            notes,
            batches,
        })
    }
}

/// On a GPU as many cells as fit; on a CPU one a core, which needs no synchronisation.
pub(crate) fn largest_batch(survey: &Survey, choice: &Choice) -> usize {
    // One question for all: what is free is told by files of the system, and cells may be many.
    let estimates = survey.cells.iter().map(CellSize::estimate);
    let most = estimates.reduce(|one, other| Estimate {
        host_bytes: one.host_bytes.max(other.host_bytes),
        largest_buffer: one.largest_buffer.max(other.largest_buffer),
        ..one
    });
    most.map_or(1, |most| choice.largest_batch(&most))
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
        observations: Vec::new(),
    })
}

/// Measures the observations that a plan has and a calibration does not, within a budget; whether
/// there were any. What is not known of them, or only estimated, is told to `notes`.
fn observe_missing(
    calibration: &mut Calibration,
    plan: &Plan,
    analyses: &Analyses<'_>,
    notes: &mut Vec<String>,
) -> Result<bool, SessionError> {
    let wanted = observations::wanted(plan, analyses);
    let mut missing = wanted.clone();
    missing.retain(|(name, _)| calibration.observation(name).is_none());
    // Two tables may ask for the same.
    missing.dedup_by(|one, other| one.0 == other.0);
    let mut found = measure::Measured::default();
    if !missing.is_empty() {
        let cell = &plan.cells[0];
        let shape = Model::of(cell).folded("analyses look at")?;
        found = measure::measure(shape, &cell.operation, missing)?;
    }
    let changed = !found.observations.is_empty();
    calibration.observations.append(&mut found.observations);
    let mut say = |names: Vec<&str>, what: &str| {
        if !names.is_empty() {
            notes.push(format!("{what}: {}", names.join(", ")));
        }
    };
    let evaluating = analyses.asked().map(|(found, _)| found);
    let evaluating = evaluating.filter(|found| observations::evaluates(found));
    say(
        evaluating.map(grokrun_host::Found::name).collect(),
        "not in the time (they evaluate the train loss as often as their parameters say)",
    );
    let gave_up = found.given_up.as_ref().map(|(name, _)| name.as_str());
    let failed = wanted.iter().filter(|(name, observer)| {
        calibration.observation(name).is_none()
            && gave_up != Some(observer.name())
            && !found
                .left_out
                .iter()
                .any(|left_out| left_out == observer.name())
    });
    say(
        failed.map(|(_, observer)| observer.name()).collect(),
        "not in time and disk, since an observation of a small model failed",
    );
    if let Some((name, why)) = &found.given_up {
        say(
            vec![name],
            &format!("not in time and disk, since an observation of a small model took {why}"),
        );
    }
    say(
        found.left_out.iter().map(String::as_str).collect(),
        "not in time and disk, since no time was left to observe small models, or they do not have the operation",
    );
    let estimated = wanted.iter().filter(|(name, _)| {
        let observation = calibration.observation(name);
        observation.is_some_and(|observation| observation.estimated)
    });
    say(
        estimated.map(|(_, observer)| observer.name()).collect(),
        "only estimated, from one small model, since more would take too long to measure",
    );
    Ok(changed)
}
