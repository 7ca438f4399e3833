//! Defines what an analysis is written against: the trait, what snapshots contain, and which
//! findings there are.
//!
//! A plugin is a crate with one or more types that implement [`Analysis`], and one line
//! [`export_plugin!`](crate::export_plugin). The same source is linked into grokrun (through
//! `inventory`) or loaded from a shared library (through the C ABI in [`abi`], which an author
//! never sees).
//!
//! ```
//! use grokrun_api::prelude::*;
//!
//! /// Its parameters: what a spec may write in `[analysis.embedding-norm]`.
//! #[derive(Default, Serialize, Deserialize, JsonSchema)]
//! #[serde(crate = "grokrun_api::serde", default, deny_unknown_fields)]
//! #[schemars(crate = "grokrun_api::schemars")]
//! struct Config {}
//!
//! struct EmbeddingNorm;
//!
//! impl Analysis for EmbeddingNorm {
//!     type Config = Config;
//!     const MANIFEST: Manifest =
//!         Manifest::new("embedding-norm", "0.1.0", "the norm of W_E over training")
//!             .needs(&["weight.*"]);
//!
//!     fn new(_: Config, _: &Task) -> Result<Self, Failure> {
//!         Ok(EmbeddingNorm)
//!     }
//!
//!     fn observe(&mut self, snapshot: &Snapshot<'_>, out: &mut dyn Sink) -> Result<(), Failure> {
//!         let w_e = snapshot.weight("embed.W_E")?;
//!         let sum: f64 = w_e.data().iter().map(|x| f64::from(*x).powi(2)).sum();
//!         out.scalar("norm", sum.sqrt());
//!         Ok(())
//!     }
//! }
//!
//! grokrun_api::export_plugin!(EmbeddingNorm);
//! # fn main() {}
//! ```
//!
//! Owns no files, no threads and no device: the host owns those.

pub mod abi;
mod analysis;
mod figure;
mod finding;
mod needs;
mod registration;
mod snapshot;
mod sweep;
mod task;
pub mod testing;
mod train_loss;

pub use analysis::{Analysis, Cadence, Failure, Manifest, Scope};
pub use figure::{Axis, Colors, Figure, Role, Trace};
pub use finding::{Finding, Formula, Sink};
pub use needs::{FAMILIES, Needs, Pattern};
pub use registration::{Instance, Registration};
pub use snapshot::{History, Numbers, NumbersRef, Snapshot, SnapshotData, Tensor, View};
pub use sweep::{CellNumbers, CellSeries, Reads, SweepAnalysis, SweepCell, series_view};
pub use task::{Model, Structure, Task};
pub use train_loss::{Ask, LossAt, TrainLoss};

// The macro and the authors' derives need these.
#[doc(hidden)]
pub use inventory;
pub use schemars;
pub use serde;
pub use serde_json;
pub use tracing;

/// Registers analyses: `export_plugin!(First, Second);`, once in a crate. Analyses of a whole sweep
/// follow the word `sweep`: `export_plugin!(First; sweep Second, Third);`, or `export_plugin!(sweep
/// Third);`. Analyses that are linked into grokrun are found through `inventory`; those in a shared
/// library are found through the static that this macro exports.
#[macro_export]
macro_rules! export_plugin {
    (sweep $($sweep:ty),+ $(,)?) => {
        $crate::export_plugin!(@all [] [$($sweep),+]);
    };
    ($($analysis:ty),+ ; sweep $($sweep:ty),+ $(,)?) => {
        $crate::export_plugin!(@all [$($analysis),+] [$($sweep),+]);
    };
    ($($analysis:ty),+ $(,)?) => {
        $crate::export_plugin!(@all [$($analysis),+] []);
    };
    (@all [$($analysis:ty),*] [$($sweep:ty),*]) => {
        const _: () = {
            static ALL: &[$crate::Registration] = &[
                $($crate::Registration::of::<$analysis>(env!("CARGO_PKG_NAME")),)*
                $($crate::Registration::of_sweep::<$sweep>(env!("CARGO_PKG_NAME")),)*
            ];

            // No analysis can have this name, since the macro's names and the caller's share this
            // block.
            #[allow(non_camel_case_types, reason = "see above")]
            struct __exported;

            impl $crate::abi::Exported for __exported {
                const PACKAGE: &'static str = env!("CARGO_PKG_NAME");
                fn all() -> &'static [$crate::Registration] {
                    ALL
                }
            }

            #[unsafe(export_name = concat!("grokrun_plugin_entry_", env!("CARGO_CRATE_NAME")))]
            static ENTRY: $crate::abi::Entry = $crate::abi::Entry::of::<__exported>();
        };
        $(
            $crate::inventory::submit! {
                $crate::Registration::of::<$analysis>(env!("CARGO_PKG_NAME"))
            }
        )*
        $(
            $crate::inventory::submit! {
                $crate::Registration::of_sweep::<$sweep>(env!("CARGO_PKG_NAME"))
            }
        )*
    };
}

/// The names that most plugins import.
pub mod prelude {
    pub use crate::{
        Analysis, Ask, Axis, Cadence, CellNumbers, Colors, Failure, Figure, Formula, History,
        Manifest, Reads, Role, Scope, Sink, Snapshot, Structure, SweepAnalysis, SweepCell, Task,
        Tensor, Trace,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;
}
