//! Finds analyses, linked or loaded, and calls them beside training.
//!
//! Owns discovery ([`Registry`]), what is demanded of a snapshot ([`Crew::needs`]), the threads on
//! which analyses run, and the bounds on what they may say. Knows no run directory and trains
//! nothing: it is shown snapshots and hands findings back.

mod aside;
mod collector;
mod crew;
mod desk;
pub mod loaded;
mod member;
mod registry;
mod scratch;
mod shown;
mod watched;

pub use collector::{Findings, Series, Stack};
pub use crew::{Crew, Outcome};
pub use desk::at_a_desk;
pub use member::Member;
pub use registry::{Beside, Found, Origin, Registry, Search};
pub use scratch::{Kept, KeptReader, Scratch};
pub use shown::{Permits, Shown};
pub use watched::{Watched, Work};
