//! Defines the arguments of the commands that read a run with clap.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{PluginArgs, UnusedPluginArgs};
use crate::complete;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// Write every figure to this folder as SVG instead, for papers
    #[arg(long, value_name = "DIR")]
    pub(crate) svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// The runs' folders; or a spec, whose claims are then those of the file
    #[arg(value_name = "RUN|SPEC.toml", required = true, add = complete::runs())]
    pub(crate) runs: Vec<PathBuf>,

    /// The folder of all runs, in which the run of a spec is
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub(crate) out: PathBuf,

    /// Print a list of JSON objects, one a claim
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CompareArgs {
    /// The runs' folders
    #[arg(value_name = "RUN", required = true, add = complete::runs())]
    pub(crate) runs: Vec<PathBuf>,

    /// Where to write the page
    #[arg(short, long, value_name = "FILE", default_value = "compare.html")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,
    /// Print JSON: every cell, and when the cells of each group memorised and grokked
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// The port of the page [default: a free one]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,

    /// The address of this machine to serve the page at, 0.0.0.0 for all; whoever knows the token
    /// in the printed address sees it [default: the loopback address, without a token]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) bind: Option<IpAddr>,

    /// Print rows with small curves instead, and end when the run ends: drawn anew on a terminal,
    /// line after line elsewhere
    #[arg(long, conflicts_with_all = ["port", "bind"])]
    pub(crate) text: bool,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// Print JSON: the state of every cell
    #[arg(long)]
    pub(crate) json: bool,

    #[command(flatten)]
    _plugins: UnusedPluginArgs,
}

#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// The runs' folders
    #[arg(value_name = "RUN", required = true, add = complete::runs())]
    pub(crate) runs: Vec<PathBuf>,

    /// The run that takes what is further elsewhere; made if it is not there
    #[arg(long, value_name = "RUN")]
    pub(crate) into: PathBuf,

    #[command(flatten)]
    pub(crate) plugins: PluginArgs,
}

#[derive(Args, Debug)]
pub(crate) struct AnalyzeArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
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
    /// a table of every cell's curves: a row an epoch, with the axes as columns
    Csv,
    /// a folder of event files: curves as scalars, settings as hyperparameters
    Tensorboard,
    /// a folder that MLflow opens as its file store: a run a cell
    Mlflow,
}

/// How published code lays weights out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LayoutArg {
    /// TransformerLens 1 to 3; of a multilayer perceptron the names of its checkpoints
    TransformerLens,
    /// TransformerLens 4's own names
    Native,
    /// Nanda et al. 2023
    Paper,
    /// Zhong et al. 2023, transformers
    Pizza,
    /// Zhong et al. 2023, linear models
    PizzaLinear,
    /// Chughtai et al. 2023, OneLayerMLP
    RepTheory,
    /// Stander et al. 2024, SnMLP
    SnMlp,
}

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// The cell, where the run has several; csv, tensorboard and mlflow take all of them
    #[arg(long, value_name = "ID", add = complete::cells())]
    pub(crate) cell: Option<String>,

    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) format: Format,

    /// Where to write it: a file, or for tensorboard and mlflow a new folder
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: PathBuf,

    /// How weights are laid out in pth, safetensors and npz; a pth in another layout than
    /// TransformerLens's is the last checkpoint's state_dict alone
    #[arg(
        long,
        value_enum,
        value_name = "LAYOUT",
        default_value = "transformer-lens"
    )]
    pub(crate) layout: LayoutArg,

    /// With tensorboard: write while the run trains, until no process trains it
    #[arg(long)]
    pub(crate) follow: bool,
}
