//! Finds analyses, linked or loaded, and calls them beside training.
//!
//! Owns discovery ([`Registry`]), what is demanded of a snapshot ([`Crew::needs`]), the threads and
//! processes in which analyses run, the bounds on what they may say, and the words for a plugin
//! that ends the process ([`CallNotes`], [`Ending`]). Knows no run directory and trains nothing: it
//! is shown snapshots and hands findings back.

mod aside;
mod collector;
mod crew;
mod described;
mod desk;
#[cfg(unix)]
mod isolated;
mod isolation;
pub mod loaded;
mod member;
mod registry;
mod scratch;
mod shown;
mod watched;

pub use collector::{Findings, Series, Stack};
pub use crew::{Crew, Outcome};
pub use described::Described;
pub use desk::at_a_desk;
#[cfg(unix)]
pub use isolated::serve;
pub use isolation::{COMMAND, Isolation};
pub use loaded::{CallNotes, Ending, calls_left_in, take_calls_left_in};
pub use member::Member;
pub use registry::{Beside, Found, Origin, Registry, Search, crate_name, packages};
pub use scratch::{Kept, KeptReader, Scratch};
pub use shown::{Permits, Shown};
pub use watched::{Watched, Work};
