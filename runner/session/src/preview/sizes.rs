//! What a run takes on the disk and in memory: checkpoints, states and histories by their formats,
//! findings by what observations of small models left, and what analyses and the report need beside
//! them.

use grokrun_spec::Plan;

use super::kept::Calibration;
use super::observations;
use super::total::times;
use crate::analyses::{Analyses, snapshot_bytes};
use crate::ring::most_written;
use crate::survey::{CellSize, Survey};

/// `config.json`, `summary.json` and the log's lines of a cell that are not of a checkpoint.
const A_CELL: f64 = 6e3;
/// A line of the log.
const A_LINE: f64 = 220.0;
/// `findings.json`, headers and names.
const AN_ANALYSIS: f64 = 4e3;
/// The report without its figures: the drawing library above all.
const PAGE: f64 = 1.6e6;
/// What the report makes of the bytes of tables and figures, and the most that all of them take.
const PACKED: f64 = 0.35;
const MOST_PACKED: f64 = 7e6;
/// The cells whose findings the report shows, at most.
const SHOWN_CELLS: usize = 6;
/// The program itself with its threads' stacks and buffers.
const PROGRAM: u64 = 40_000_000;
/// What an analysis computes with, against the largest snapshot: copies in f64, spectra, products.
/// Of the twelve that come with grokrun, on the machine of BENCHMARKS.md.
const WORKING: f64 = 1.5;

/// Bytes on the disk of the whole run, before packing.
pub(super) fn disk(
    plan: &Plan,
    survey: &Survey,
    analyses: &Analyses<'_>,
    costs: &Calibration,
) -> u64 {
    let checkpoints = checkpoints(plan);
    let (mut total, mut figures) = (0.0, 0.0);
    for (i, size) in survey.cells.iter().enumerate() {
        let [numbers, texts] = findings(plan, analyses, costs, size);
        total += files(plan, size, checkpoints) + numbers + texts;
        if i < SHOWN_CELLS {
            figures += PACKED * texts;
        }
    }
    (total + PAGE + figures.min(MOST_PACKED)) as u64
}

/// How many checkpoints a cell has, at most: where cadences meet, one is counted once for each.
fn checkpoints(plan: &Plan) -> u64 {
    let of_cadence = |every: u64| plan.epochs.checked_div(every).unwrap_or(0);
    let cadences = plan.analyses.iter().map(|analysis| analysis.every);
    let mut cadences: Vec<u64> = cadences.chain([plan.checkpoints.spacing.every]).collect();
    cadences.sort_unstable();
    cadences.dedup();
    let also = plan.checkpoints.spacing.also().len() as u64;
    let of_ring = most_written(plan.checkpoints.spacing, plan.epochs);
    2 + also + of_ring + cadences.into_iter().map(of_cadence).sum::<u64>()
}

/// Checkpoints, state, split, 40 bytes of metrics an epoch in the state and again beside it, and
/// what describes a cell.
fn files(plan: &Plan, size: &CellSize, checkpoints: u64) -> f64 {
    let estimate = size.estimate();
    let history = 2.0 * 40.0 * plan.epochs as f64;
    let split = 8.0 * (size.train + size.test) as f64;
    let of_checkpoints = checkpoints as f64 * (estimate.checkpoint_bytes as f64 + A_LINE);
    of_checkpoints + estimate.state_bytes as f64 + history + split + A_CELL
}

/// Bytes of a cell's findings: series and tensors, and tables and figures. Of an analysis that was
/// not observed nothing is known, which a note says.
fn findings(
    plan: &Plan,
    analyses: &Analyses<'_>,
    costs: &Calibration,
    size: &CellSize,
) -> [f64; 2] {
    let mut sum = [0.0, 0.0];
    let Some(shape) = size.analysed() else {
        return [0.0, AN_ANALYSIS * analyses.asked().count() as f64];
    };
    for (found, request) in analyses.asked() {
        let name = observations::analysis_name(plan, found, request);
        let Some(observation) = costs.observation(&name) else {
            continue;
        };
        let observations = times(request.every, plan.epochs);
        let [numbers, texts] = observation.bytes(shape, observations);
        sum = [sum[0] + numbers, sum[1] + texts + AN_ANALYSIS];
    }
    sum
}

/// Memory that no batch takes: the program, snapshots, and what the analyses at work compute with,
/// on as many cores as there are.
pub(super) fn beside_training(survey: &Survey, analyses: &Analyses<'_>, cores: usize) -> u64 {
    let asked = analyses.asked().count();
    let of_cell = |size: &CellSize| {
        let snapshots = size.seen().as_ref().map_or(0, snapshot_bytes);
        let one = snapshots / crate::analyses::MOST_SNAPSHOTS;
        let working = WORKING * one as f64 * asked.min(cores) as f64;
        snapshots.saturating_add(working as u64)
    };
    let most = match asked {
        0 => None,
        _ => survey.cells.iter().map(of_cell).max(),
    };
    most.unwrap_or(0).saturating_add(PROGRAM)
}
