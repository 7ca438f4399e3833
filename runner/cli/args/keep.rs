//! Defines the arguments of the commands that keep runs and specs in order, and of those that help
//! a shell, with clap.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::complete;

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The folder of runs
    #[arg(value_name = "DIR", default_value = "runs")]
    pub(crate) folder: PathBuf,

    /// Print JSON: a list of objects, one a run
    #[arg(long)]
    pub(crate) json: bool,

    /// What comes first: the latest, the name that is first in the alphabet, the earliest epoch at
    /// which a cell grokked
    #[arg(long, value_enum, value_name = "ORDER", default_value = "age")]
    pub(crate) sort: Order,

    /// List only runs of which a cell has grokked
    #[arg(long)]
    pub(crate) grokked: bool,

    /// List only runs that have this tag (repeatable: all of them)
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Vec<String>,
}

/// What comes first in a list of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// The latest
    Age,
    /// The first in the alphabet
    Name,
    /// The earliest to grok
    Grokked,
}

#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// A run's folder, or a spec
    #[arg(value_name = "A", add = complete::runs())]
    pub(crate) one: PathBuf,

    /// Another one
    #[arg(value_name = "B", add = complete::runs())]
    pub(crate) other: PathBuf,

    /// Print JSON: keys, analyses and cells
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TagArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// The tags to give; without any the run's tags are printed
    #[arg(value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// Take this tag away (repeatable)
    #[arg(long, value_name = "TAG")]
    pub(crate) remove: Vec<String>,
}

#[derive(Args, Debug)]
pub(crate) struct NoteArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// The note, in the place of the one before; "" takes it away; without it the note is printed
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct OpenArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// The runs' folders
    #[arg(value_name = "RUN", required = true, add = complete::runs())]
    pub(crate) runs: Vec<PathBuf>,

    /// Do not ask
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// The file to write; one that is there stays
    #[arg(value_name = "FILE.toml")]
    pub(crate) file: PathBuf,

    /// Begin with this shipped spec, and ask nothing
    #[arg(long, value_name = "NAME", add = complete::shipped())]
    pub(crate) from: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL", value_parser = ["bash", "elvish", "fish", "powershell", "zsh"])]
    pub(crate) shell: String,
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
}
