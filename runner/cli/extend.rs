//! Runs `grokrun extend RUN --epochs N`: continues a run for longer, by the spec in its folder.

use std::process::ExitCode;

use grokrun_store::{Access, RunView};

use crate::args::{ExtendArgs, RunArgs, SpecArgs};
use crate::output::Failure;
use crate::run::Place;
use crate::spec::{self, Spec};
use crate::{place, plugins, python, run};

/// Runs the command.
///
/// # Errors
/// If the folder holds no run or one that cannot be made so long, or something fails on the way.
pub(crate) fn extend(args: &ExtendArgs) -> Result<ExitCode, Failure> {
    let view = RunView::open(&args.run)?;
    let (out, name) = place::of(&args.run)?;
    let [text, resolved] = view.spec()?;
    let scripts = python::of_run(&args.run, &resolved, &args.plugins);
    let registry = plugins::registry(&args.plugins, &scripts)?;
    let set = vec![format!("train.epochs={}", args.epochs)];
    let path = args.run.join("resolved.toml");
    let plan = spec::parse(&resolved, &path, &set, &registry)?;
    let run_args = RunArgs {
        spec: SpecArgs {
            spec: path,
            set,
            backend: args.backend,
            adapter: args.adapter.clone(),
            plugins: args.plugins.clone(),
        },
        out: out.to_owned(),
        force: false,
        fresh: false,
        shard: None,
        fail_fast: false,
        keep_going: false,
        page: args.page.clone(),
        quiet: args.quiet,
        verbose: args.verbose,
    };
    let place = Place {
        name,
        access: Access::Keep,
        another: None,
    };
    run::train(&run_args, &registry, &Spec::new(text, plan), &place)
}
