//! A run watched while it trains, from its directory alone: by a browser, through a small server on
//! the loopback address, or by a program that prints what it sees.
//!
//! Owns the looks at the directory, the page, and who may see it. Reads what the store keeps, and
//! draws it with the report's figures; knows nothing of training, of specs and of terminals, and
//! writes nothing into a run.
//!
//! - [`Follower`]: looks at a run as long as there is a [`Viewer`], and holds what it saw in
//!   bounded memory: curves are thinned, of a sweep of many cells most have few points.
//! - [`Server`]: the page, and for each viewer a stream of what changes (server-sent events).
//! - [`Pace`]: epochs a second, smoothed.

#![forbid(unsafe_code)]

mod cell;
mod cost;
mod curve;
mod embedding;
mod events;
mod follow;
mod http;
mod log;
mod pace;
mod run;
mod snapshot;

pub use cell::{CellNow, State};
pub use embedding::{EmbeddingNow, Table};
pub use events::state_in_words;
pub use follow::{FollowError, Follower, Viewer};
pub use http::{Options, ServeError, Server};
pub use log::Line;
pub use pace::Pace;
pub use snapshot::{Activity, Counts, Load, Planned, RunNow, Snapshot};

impl RunNow {
    /// Says what goes on in a run of so many cells.
    pub fn in_words(&self, cells: usize) -> String {
        events::activity(self, cells).1
    }
}
