//! The executors through the library's door: against the oracle, and against themselves.

mod grid;
mod reference;
mod sharing;
mod tiled;
