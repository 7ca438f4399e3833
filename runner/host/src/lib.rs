//! Finds analyses, linked or loaded, and calls them beside training.
//!
//! Owns discovery ([`Registry`]), what is demanded of a snapshot ([`Crew::needs`]), the threads and
//! processes in which analyses run, the bounds on findings, and the messages about a plugin that
//! ends the process ([`CallNotes`], [`Ending`]). Knows nothing of run directories and of training:
//! it is given snapshots and returns findings.

mod analysis_pool;
mod collector;
mod crew;
mod described;
#[cfg(unix)]
mod isolated;
mod isolation;
pub mod loaded;
mod member;
#[cfg(unix)]
mod python;
mod registry;
mod scratch;
mod search;
mod shown;
mod stash;
mod sweep;
mod watched;

pub use analysis_pool::on_analysis_pool;
pub use collector::{Findings, Series, Stack};
pub use crew::{Crew, Outcome};
pub use described::{Described, SweepReads};
#[cfg(unix)]
pub use isolated::serve;
pub use isolation::{COMMAND, Isolation, Limits, Python};
pub use loaded::{CallNotes, Ending, calls_left_in, take_calls_left_in};
pub use member::Member;
pub use registry::{Found, Origin, Registry, crate_name, packages};
pub use scratch::{Kept, KeptReader, Scratch};
pub use search::{Beside, Script, Search, Unusable};
pub use shown::{Permits, Shown};
pub use sweep::analyse_sweep;
pub use watched::{SoFar, Watched, Work};
