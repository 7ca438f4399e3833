//! Defines the arguments of `grokrun page` with clap.

use std::path::PathBuf;

use clap::Args;

use crate::complete;

#[derive(Args, Debug)]
pub(crate) struct PageArgs {
    /// The spec, a TOML file, or the name of a shipped one
    #[arg(value_name = "SPEC.toml", add = complete::specs())]
    pub(crate) spec: PathBuf,

    /// Override a key of the spec (repeatable): --set train.epochs=500
    #[arg(long = "set", value_name = "KEY=VALUE", add = complete::keys())]
    pub(crate) set: Vec<String>,

    /// Which cell of a sweep [default: the first]
    #[arg(long, value_name = "ID")]
    pub(crate) cell: Option<String>,

    /// Where to write the page
    #[arg(short, long, value_name = "FILE", default_value = "page.html")]
    pub(crate) output: PathBuf,

    /// Print nothing but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,
}
