//! The engine: a recorded program and its executors, which turn cells (data, recipe, weights) into
//! rows of metrics and states. All wgpu is here; no files but those of the cache folder, no TOML,
//! no plugins.

mod backend;
mod cache;
mod cpu;
mod data;
mod error;
mod estimate;
mod executor;
mod gpu;
mod init;
mod operations;
mod program;
pub mod reference;
mod schedule;
mod selfcheck;
mod shape;

/// Single kernels, for the benches of this project alone: nothing here is promised to anybody else.
#[doc(hidden)]
pub mod bench {
    pub use crate::cpu::bench::{CpuKernel, CpuKernels};
    pub use crate::gpu::bench::GpuKernels;
}

pub use backend::{
    Backend, Choice, DeviceLine, choose_backend, describe_devices, open, open_programs,
};
pub use cache::{CACHE_FOLDER, cache_folder, keep_file};
pub use cpu::tiled::{PartScore, ProgramCell, ProgramExecutor, RecordedCell, TiledExecutor};
pub use cpu::{Activations, CpuExecutor, GridPass, Sharing, Wanted, train_gradient};
pub use data::{Pairs, Sample, TokenLists};
pub use error::EngineError;
pub use estimate::{Estimate, available_memory};
pub use executor::{CellInput, EpochRow, Executor, Staged, initial_state};
pub use gpu::GpuExecutor;
pub use init::{InitScheme, initial_parameters};
pub use operations::Operations;
pub use program::{Program, Stage, Table};
pub use schedule::{Recipe, StepCoefficients};
pub use selfcheck::{Checked, pace, self_check};
pub use shape::{Activation, Parameter, Shape};
