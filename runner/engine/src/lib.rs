//! The engine: chooses between the executors, and owns the one for GPUs. All wgpu is here; no files
//! but those of the cache folder, no TOML, no plugins. What executors share is `runner/executor`'s,
//! the processor's cores are `runner/cpu`'s.

mod backend;
mod cache;
mod estimate;
mod gpu;
mod selfcheck;

/// Single kernels, for the benches of this project alone: nothing here is promised to anybody else.
#[doc(hidden)]
pub mod bench {
    pub use crate::gpu::bench::GpuKernels;
    pub use grokrun_cpu::bench::{CpuKernel, CpuKernels};
}

pub use backend::{
    Backend, Choice, DeviceLine, choose_backend, describe_devices, open, open_programs,
};
pub use cache::{CACHE_FOLDER, cache_folder, keep_file};
pub use estimate::{Estimate, available_memory};
pub use gpu::{
    Command, Contents, Dispatch, GpuExecutor, Memory, Playback, RECORD, RecordedPlace, Recording,
    Specialised, Tensor, Variant, Window,
};
pub use grokrun_cpu::{
    Activations, CpuExecutor, GridPass, PartScore, ProgramExecutor, Sharing, TiledExecutor, Wanted,
};
pub use grokrun_executor::{
    Activation, CellInput, EngineError, EpochRow, Evaluation, Executor, InitScheme, Operations,
    Pairs, Parameter, Program, ProgramCell, Recipe, RecordedCell, Sample, Shape, Stage, Staged,
    StepCoefficients, Table, TokenLists, initial_parameters, initial_state, reference,
};
pub use selfcheck::{Checked, pace, self_check};
