//! Tests the executors through their public interface, against the reference and against
//! themselves.

mod grid;
mod reference;
mod sharing;
mod tiled;
