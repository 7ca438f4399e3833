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
mod books;
mod cadence;
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
mod material;
mod merge;
mod model;
mod preview;
mod shard;
mod standing;
mod start;
mod status;
mod stop;
mod survey;
mod together;
mod train;
mod weights;

pub use adopt::{Adopted, Adoption, Parts, adopt};
pub use analyses::{Analyses, Stored};
pub use batch::{Batch, batches};
pub use cells::{settings_of, write_cells};
pub use error::SessionError;
pub use folder::{missing_checkpoints, stored_cell};
pub use interrupt::Interrupt;
pub use lengthen::{Longer, differences};
pub use merge::merge;
pub use model::Model;
pub use preview::{Preview, Time};
pub use shard::Shard;
pub use standing::{Standing, standings};
pub use survey::{CellSize, Survey, size_in_words};
pub use train::{Ending, Event, Report, Session, Watch};
