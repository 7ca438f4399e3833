//! Statistics of many cells: when they grokked where some never did, what they differ in, which
//! phase each is in, and by which law delays grow.
//!
//! Owns how a cell that has not got to an event counts (it is censored: the event is later than
//! what is known of the cell), so that terminal, report, files and analyses say the same. Pure
//! functions in `f64`, of plain numbers and of `config.json` values. Knows nothing of files, of
//! run directories, of terminals and of pages.

#![forbid(unsafe_code)]

mod axes;
mod crossing;
mod distributions;
mod groups;
mod law;
mod logrank;
mod minimum;
mod phase;
mod rank;
mod survival;

pub use axes::{Axis, Place, axes, is_log_spaced, settings, varied};
pub use crossing::{ACCURACY, Crossing, HOLD, Seeker};
pub use groups::{Group, groups, label};
pub use law::{Interval, PowerLaw, fit_power_law};
pub use logrank::{LogRank, log_rank};
pub use phase::{Phase, phase};
pub use rank::{Auc, Stratified, auc, stratified_auc};
pub use survival::{Observation, Quantile, Step, Survival};
