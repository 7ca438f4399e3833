//! From a plan to trained cells: makes each cell's data and weights, groups cells that can train
//! together, drives an executor in windows of epochs, and hands what comes out to the run
//! directory.
//!
//! Owns the order of things: which cells train together, where windows end, checkpoints, early
//! stop, what a continued run starts from. Knows no arguments, draws nothing, and leaves file
//! formats to `grokrun-store` and numbers to `grokrun-engine`.

mod adopt;
mod analyses;
mod batch;
mod cadence;
mod cell_data;
mod cells;
mod course;
mod describe;
mod error;
mod folder;
mod history;
mod interrupt;
mod journal;
mod lengthen;
mod live;
mod merge;
mod model;
mod outcomes;
mod played;
mod preview;
mod progress;
mod ring;
mod shard;
mod start;
mod status;
mod stop;
mod survey;
mod train;
mod train_batch;
mod weights;

pub use adopt::{Adopted, Adoption, Parts, adopt};
pub use analyses::{Analyses, PairTable, Stored, pair_table};
pub use batch::{Batch, batches};
pub use cells::{settings_of, write_cells};
pub use error::SessionError;
pub use folder::{missing_checkpoints, stored_cell};
pub use interrupt::Interrupt;
pub use lengthen::{Longer, differences};
pub use merge::{analyse_merged, merge};
pub use model::Model;
pub use played::{Native, Played};
pub use preview::{Preview, Time};
pub use progress::{CellProgress, progress_of_cells};
pub use shard::Shard;
pub use survey::{CellSize, Survey, size_in_words};
pub use train::{Ending, Event, Report, Session, Watch};
