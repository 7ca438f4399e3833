//! The command line: what can be asked, in clap's words.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use grokrun_engine::Backend;

use crate::shard::ShardArg;

/// Trains the small transformers of the grokking literature from a short TOML spec.
#[derive(Debug, Parser)]
#[command(
    name = "grokrun",
    version,
    override_usage = "grokrun [OPTIONS] <SPEC.toml>\n       grokrun <COMMAND>",
    after_help = "`grokrun SPEC.toml` is `grokrun run SPEC.toml`; `grokrun run --help` lists its options.\n\n\
                  Example:\n  grokrun specs/mult59.toml       trains a small model until it groks, into runs/mult59/\n\n\
                  Exit status: 0 done; 1 failed while running; 2 the request was wrong; 3 done, but an analysis failed; 130 interrupted, state saved."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// Parses the process's arguments; where they name no command, it is `run`.
    pub(crate) fn read() -> Cli {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        if let Some(first) = arguments.get(1) {
            let own = ["help", "-h", "--help", "-V", "--version"];
            // A bare word that is no file is a command, known or not.
            let bare = |word: &str| {
                let word_like = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                word_like && !word.starts_with('-') && !std::path::Path::new(word).exists()
            };
            let known =
                |word: &str| own.contains(&word) || Command::has_subcommand(word) || bare(word);
            if !first.to_str().is_some_and(known) {
                arguments.insert(1, "run".into());
            }
        }
        Cli::parse_from(arguments)
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a spec's cells and write the run directory (the same as `grokrun SPEC`)
    #[command(
        after_help = "Example:\n  grokrun run specs/mult113.toml --set seeds.model=[0,1,2] --set name=three-seeds"
    )]
    Run(RunArgs),
    /// Validate a spec and print the plan: cells, batches, parameters, memory, disk, time
    #[command(after_help = "Example:\n  grokrun check specs/mult113.toml --set fraction=[0.2,0.3]")]
    Check(CheckArgs),
    /// Run a run's analyses again, on its stored checkpoints
    #[command(after_help = "Example:\n  grokrun analyze runs/mult59 --only commutativity")]
    Analyze(AnalyzeArgs),
    /// Rebuild report.html from what a run has left, or write its figures as pictures
    #[command(
        after_help = "Example:\n  grokrun report runs/mult59\n  grokrun report runs/mult59 --svg figures"
    )]
    Report(ReportArgs),
    /// Put the cells of several runs into one page
    #[command(after_help = "Example:\n  grokrun compare runs/mult59 runs/mult113 -o both.html")]
    Compare(CompareArgs),
    /// Write a cell as a file for PyTorch and TransformerLens (pth), or for numpy (npz)
    #[command(
        after_help = "Example:\n  grokrun export runs/mult59 --format pth -o mod_mult_grokking.pth"
    )]
    Export(ExportArgs),
    /// Make a run of a TransformerLens-style .pth or .safetensors, to analyse it here
    #[command(
        after_help = "Example:\n  grokrun import theirs.pth --into runs/theirs --operation add\n  grokrun analyze runs/theirs"
    )]
    Import(ImportArgs),
    /// Print a run's table and small curves
    #[command(after_help = "Example:\n  grokrun show runs/mult59")]
    Show(ShowArgs),
    /// List the runs in a folder, the latest first: state, verdict, age
    #[command(after_help = "Example:\n  grokrun list")]
    List(ListArgs),
    /// Tell what is done, running, waiting and failed, from the run directory alone
    #[command(after_help = "Example:\n  grokrun status runs/seeds32")]
    Status(StatusArgs),
    /// Join runs of one spec that shards wrote into folders of their own
    #[command(
        after_help = "Example:\n  grokrun run specs/seeds32.toml --shard 1/2 --out one\n  grokrun run specs/seeds32.toml --shard 2/2 --out two\n  grokrun merge one/seeds32 two/seeds32 --into runs/seeds32"
    )]
    Merge(MergeArgs),
    /// Train a spec's cells in shards, as tasks of a cluster's engine
    #[command(
        after_help = "Example:\n  grokrun submit specs/seeds32.toml --engine slurm --shards 4 --time 1:00:00 --dry-run"
    )]
    Submit(SubmitArgs),
    /// List the analyses: name, version, crate, how they were found, parameters
    #[command(after_help = "Example:\n  grokrun plugins")]
    Plugins(PluginArgs),
    /// Write a new analysis to plugins/NAME, ready to build
    #[command(
        after_help = "Example:\n  grokrun new-plugin weight-norms\n  cargo run --release -- plugins"
    )]
    NewPlugin(NewPluginArgs),
    /// List the processors that can train, with the one `--backend auto` takes and why
    #[command(after_help = "Example:\n  grokrun devices")]
    Devices,
}

/// What every command that reads a spec takes.
#[derive(Args, Debug)]
pub(crate) struct SpecArgs {
    /// The spec, a TOML file
    #[arg(value_name = "SPEC.toml")]
    pub(crate) spec: PathBuf,

    /// Override a key of the spec (repeatable): --set train.epochs=500
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,

    /// Where to train: auto takes a hardware GPU, else the CPU
    #[arg(long, value_name = "auto|gpu|cpu", default_value = "auto")]
    pub(crate) backend: Backend,

    /// Take the adapter whose name contains TEXT, a software one too
    #[arg(long, value_name = "TEXT")]
    pub(crate) adapter: Option<String>,

    #[command(flatten)]
    pub(crate) plugins: PluginArgs,
}

/// What every command that may call analyses takes.
#[derive(Args, Debug)]
pub(crate) struct PluginArgs {
    /// Load the analyses of this shared library (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) plugin: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct NewPluginArgs {
    /// The analysis's name, in kebab-case
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,

    /// The folder of all runs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) out: PathBuf,

    /// Replace the run of another spec that has the same name
    #[arg(long, conflicts_with = "fresh")]
    pub(crate) force: bool,

    /// Start over, even where this spec's run could be continued
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Train only part I of N of the cells, beside other processes; auto takes both from the array
    /// of Slurm, auto/N the index from an indexed Kubernetes job
    #[arg(long, value_name = "I/N|auto", conflicts_with_all = ["force", "fresh"])]
    pub(crate) shard: Option<ShardArg>,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print log messages too (-v what happens, -vv details)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,

    /// Measure this device again, rather than use what was kept of an earlier time
    #[arg(long)]
    pub(crate) calibrate: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,

    /// Write every figure to this folder as SVG instead, for papers
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The runs' folders
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,

    /// Where to write the page
    #[arg(short, long, value_name = "FILE", default_value = "compare.html")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The folder of runs
    #[arg(value_name = "DIR", default_value = "runs")]
    pub(crate) folder: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,

    #[command(flatten)]
    pub(crate) plugins: PluginArgs,
}

#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// The runs' folders
    #[arg(value_name = "RUN", required = true)]
    pub(crate) runs: Vec<PathBuf>,

    /// The run that takes what is further elsewhere; made if it is not there
    #[arg(long, value_name = "RUN")]
    pub(crate) into: PathBuf,

    #[command(flatten)]
    pub(crate) plugins: PluginArgs,
}

/// What distributes the shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Engine {
    /// An sbatch array
    Slurm,
}

#[derive(Args, Debug)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    pub(crate) spec: SpecArgs,

    /// The folder of all runs, which every node sees
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) out: PathBuf,

    /// What distributes the shards
    #[arg(long, value_enum)]
    pub(crate) engine: Engine,

    /// How many tasks share the cells
    #[arg(long, value_name = "N")]
    pub(crate) shards: usize,

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

    /// Print the script, and write and submit nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AnalyzeArgs {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,

    /// Run this analysis alone (repeatable), with its defaults if the spec does not have it
    #[arg(long, value_name = "NAME")]
    pub(crate) only: Vec<String>,

    #[command(flatten)]
    pub(crate) plugins: PluginArgs,

    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// the published dictionary: model, config, all checkpoints, history, split
    Pth,
    /// the last checkpoint, with its configuration as metadata
    Safetensors,
    /// the last checkpoint, history and split, for numpy.load
    Npz,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The run's folder
    #[arg(value_name = "RUN")]
    pub(crate) run: PathBuf,

    /// The cell, where the run has several
    #[arg(long, value_name = "ID")]
    pub(crate) cell: Option<String>,

    /// What to write
    #[arg(long, value_enum, value_name = "pth|safetensors|npz")]
    pub(crate) format: Format,

    /// Where to write it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// A file of torch.save (a state_dict, the published dictionary, the paper's full_run_data), or
    /// a .safetensors
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// The run's folder, which must not hold another run
    #[arg(long, value_name = "RUN")]
    pub(crate) into: PathBuf,

    /// What the model was trained on, where the file does not tell [default: mul; add for
    /// full_run_data]
    #[arg(long, value_name = "OPERATION")]
    pub(crate) operation: Option<String>,

    /// The modulus, if only to have it checked: it follows from the shapes
    #[arg(long, value_name = "P")]
    pub(crate) modulus: Option<usize>,

    /// The share of the pairs that was trained on [default: the file's, else 0.3]
    #[arg(long, value_name = "F")]
    pub(crate) fraction: Option<f64>,

    /// The seed of the split, where the file has none [default: 598; 0 for full_run_data]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) data_seed: Option<i64>,

    /// Whose random numbers drew the split [default: torch; python for full_run_data]
    #[arg(long, value_name = "torch|torch-legacy|python")]
    pub(crate) stream: Option<String>,

    /// After how many epochs the model was saved, where the file does not tell [default: 40000]
    #[arg(long, value_name = "N")]
    pub(crate) epoch: Option<u64>,

    /// The number of heads, where the file does not tell [default: 4]
    #[arg(long, value_name = "N")]
    pub(crate) heads: Option<usize>,

    /// Replace another run of that name
    #[arg(long)]
    pub(crate) force: bool,
}
