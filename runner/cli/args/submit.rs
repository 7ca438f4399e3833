//! The arguments of `grokrun submit`.

use std::path::PathBuf;

use clap::Args;

use super::SpecArgs;

/// A workload manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// An sbatch array
    Slurm,
    /// An indexed Job, which is printed for kubectl
    Kubernetes,
}

#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,

    /// The folder of all runs, which every node sees
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) out: PathBuf,

    /// The workload manager
    #[arg(long, value_enum)]
    pub(crate) engine: Engine,

    /// How many tasks share the cells
    #[arg(long, value_name = "N")]
    pub(crate) shards: usize,

    /// The most tasks at once [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) parallel: Option<u32>,

    /// GPUs a task
    #[arg(long, value_name = "COUNT")]
    pub(crate) gpus: Option<u32>,

    /// The longest that a task may take, as sbatch has it: 1:00:00
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<String>,

    /// The partition, as sbatch has it
    #[arg(long, value_name = "NAME")]
    pub(crate) partition: Option<String>,

    /// A further option of sbatch (repeatable): --sbatch=--account=physics
    #[arg(long, value_name = "OPTION")]
    pub(crate) sbatch: Vec<String>,

    /// Write the report, and verify the claims of the spec, by a job after the last task (Slurm)
    #[arg(long)]
    pub(crate) report: bool,

    /// The image of the pods, which has grokrun (Kubernetes)
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,

    /// The PersistentVolumeClaim of the volume that all pods share (Kubernetes)
    #[arg(long, value_name = "CLAIM")]
    pub(crate) volume: Option<String>,

    /// Print the script, and write and submit nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
