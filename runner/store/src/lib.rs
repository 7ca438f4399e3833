//! The run directory: every file that grokrun keeps.
//!
//! Owns names, formats, integrity and atomicity of the files below `runs/<name>/`, and who may
//! write them. Knows nothing of specs, tasks or devices: it is handed texts, named tensors, rows
//! of metrics and JSON.
//!
//! ```text
//! runs/mult113/
//!   run.json                 format, name, fingerprint of the spec: what makes the folder a run
//!   .lock                    held by the process that writes the run; always empty
//!   spec.toml resolved.toml
//!   report.html              to look at; made from the rest
//!   log.jsonl                appended by the logger
//!   summary.json             one object a cell; with log.jsonl the only file with times in it
//!   cells.parquet            one row a cell: settings and outcome, for Python
//!   sweep/<name>/            what an analysis of the whole sweep found
//!   cells/<cell>/
//!     config.json            what is needed to rebuild the model and the data set
//!     split.safetensors      train_indices, test_indices: int64
//!     metrics.parquet        the history, for Python; derived from the state
//!     state.safetensors      parameters, moments and history: what a run continues from
//!     live.rows              the history while a process trains the cell, for whoever watches it
//!     checkpoints/00000100.safetensors    or 00000100.packed, where the spec asks for compression
//!     analysis/<name>/       what an analysis found
//! ```
//!
//! Every file appears whole or not at all, and the same content gives the same bytes. Each carries
//! a BLAKE3 digest of the whole file, which is verified when it is read: a truncated or altered one
//! is an error that names it, and is never used. The digest is inside the file (`seal` says where),
//! so that it cannot lag behind it whenever a process is killed, and in a form that other programs
//! read over; of the files of an analysis it is in the `findings.json` that is written after them.
//! Not so `log.jsonl` and `report.html`, which nothing here reads, and `live.rows`, of which no
//! result is made: like the log it is appended to. States, checkpoints, splits,
//! histories, findings and `config.json` also say whose they are ([`CellDir::of`]), and the files
//! of the run as a whole of which run: one that was put into another's place is refused. A run of
//! an older grokrun, whose files have no digests or do not say whose they are, is read as it is.

#![forbid(unsafe_code)]

mod atomic;
mod cell;
mod cells_table;
mod checkpoint;
mod config;
#[cfg(test)]
mod damage;
mod error;
mod findings;
mod findings_index;
mod format;
mod found;
mod live;
mod mark;
mod merge;
mod metrics;
mod notes;
mod output;
mod owner;
mod packed;
mod regular;
mod run;
mod scripts;
mod seal;
mod spread;
mod staged;
mod state;
mod summary;
mod sweep;
mod table;
mod tensors;
mod verdict;
mod view;
mod weights;

pub use cell::CellDir;
pub use checkpoint::{CheckpointReader, CheckpointWriter, Keeping};
pub use config::{CellConfig, CheckpointsConfig, SeedsConfig, TaskConfig, Values};
pub use error::{ErrorKind, StoreError};
pub use findings::{Content, FindingFiles, FoundTensor};
pub use findings_index::{FindingsIndex, Formula};
pub use found::{FigureFile, FoundFiles, FoundSeries};
pub use grokrun_sweeps::{ACCURACY, Crossing, HOLD};
pub use live::{LiveReader, LiveRows, NewRows};
pub use mark::Mark;
pub use merge::{Merged, Tell};
pub use metrics::{Metrics, Row};
pub use notes::Notes;
pub use output::{Output, is_stream};
pub use regular::{open_file, open_with};
pub use run::{Access, Claim, Judge, RunDir, SpecText};
pub use spread::{Milestone, Spread};
pub use state::State;
pub use summary::{Best, CellSummary, FAILED, FINISHED, INTERRUPTED, Summary, Tally};
pub use tensors::Tensor;
pub use verdict::Verdict;
pub use view::RunView;
pub use weights::read_weights;

/// The version of grokrun that is written into `run.json` and `summary.json`.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
