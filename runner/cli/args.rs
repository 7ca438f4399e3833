//! Defines the command line with clap.

mod import;
mod keep;
mod page;
mod stored;
mod submit;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use grokrun_engine::Backend;

pub(crate) use self::import::{ImportArgs, MaskArg, NormalizationArg};
pub(crate) use self::keep::{
    CompletionsArgs, DiffArgs, InitArgs, ListArgs, ManArgs, NoteArgs, OpenArgs, Order, RmArgs,
    TagArgs,
};
pub(crate) use self::page::PageArgs;
pub(crate) use self::stored::{
    AnalyzeArgs, CompareArgs, ExportArgs, Format, LayoutArg, MergeArgs, ReportArgs, ShowArgs,
    StatusArgs, VerifyArgs, WatchArgs,
};
pub(crate) use self::submit::{Engine, SubmitArgs};
use crate::complete;
use crate::shard::ShardArg;
use crate::shipped;

/// Explains the columns of a run's table.
macro_rules! grokked {
    () => {
        "A cell has grokked at the first epoch from which its test accuracy is 99 % or more for 500 further epochs,\n\
         memorised at the same of its train accuracy. `1234 *` was reached, and not yet held for 500 epochs."
    };
}

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
    /// Parses the process's arguments; if they name no command, the command is `run`.
    pub(crate) fn read() -> Cli {
        let mut arguments: Vec<OsString> = std::env::args_os().collect();
        if let Some(first) = arguments.get(1) {
            let own = ["help", "-h", "--help", "-V", "--version"];
            // A bare word that is neither a file nor a shipped spec is a command, known or not.
            let bare = |word: &str| {
                let word_like = word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                let path = Path::new(word);
                let spec = path.exists() || shipped::find(path).is_some();
                word_like && !word.starts_with('-') && !spec
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
        after_help = concat!("Example:\n  grokrun run specs/mult113.toml --set seeds.model=[0,1,2] --set name=three-seeds\n\n", grokked!())
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
    /// Evaluate the claims of a run's spec: published, measured, verdict
    #[command(
        after_help = "Example:\n  grokrun gromov97\n  grokrun verify runs/gromov97\n  grokrun verify mine.toml        the claims of this file, on the run that is there of it\n\n\
                      Exit status: 0 every claim holds; 1 one does not, or cannot be evaluated (the reason is printed); 2 there is no such run, or no claim."
    )]
    Verify(VerifyArgs),
    /// Put the cells of several runs into one page
    #[command(after_help = "Example:\n  grokrun compare runs/mult59 runs/mult113 -o both.html")]
    Compare(CompareArgs),
    /// Write a page that trains a spec's model in a browser, through WebGPU
    #[command(
        after_help = "Example:\n  grokrun page specs/tiny.toml -o tiny.html\n  grokrun page specs/seeds32.toml --cell mul-p59-f0.5-d598-m4 -o cell.html\n\n\
                      One self-contained file: the first weights, the split and the recorded program are in it, and nothing is sent anywhere. \
                      The cell is trained on the CPU now, for as long as a run of it takes, so that the page can show that curve beside its own. \
                      The page trains as many epochs: those of the spec, or fewer where the spec stops the cell. \
                      Analyses and checkpoints of the spec have no part in it. \
                      What does not fit the limits that every WebGPU device keeps is refused by name, and so are minibatches and [[train.at]]."
    )]
    Page(PageArgs),
    /// Train a run for longer: it becomes, byte for byte, the run that was so long from the start
    #[command(
        after_help = "Example:\n  grokrun extend runs/mult59 --epochs 3000     from the 1,500 epochs that it has to 3,000\n\n\
                      A finished run goes on, and so does one that was interrupted. Its last checkpoint goes where the longer run has none, and its analyses are made again at the end."
    )]
    Extend(ExtendArgs),
    /// Write a cell for PyTorch and TransformerLens (pth) or numpy (npz), or all cells' curves for
    /// a table (csv) or a tracker (tensorboard, mlflow)
    #[command(
        after_help = "Example:\n  grokrun export runs/mult59 --format pth -o mod_mult_grokking.pth\n  grokrun export runs/seeds32 --format tensorboard -o logs"
    )]
    Export(ExportArgs),
    /// Make a run of a TransformerLens-style .pth, .safetensors or .npz, to analyse it here
    #[command(
        after_help = "What neither the file nor an option tells is as published, and each such thing is said.\n\nExamples:\n  grokrun import theirs.pth --into runs/theirs --operation add\n  grokrun import checkpoints --pattern 'step_{epoch}.pth' --into runs/theirs --train-indices train.npy\n  grokrun analyze runs/theirs"
    )]
    Import(ImportArgs),
    /// Print a run's table and small curves
    #[command(after_help = concat!("Example:\n  grokrun show runs/mult59\n\n", grokked!()))]
    Show(ShowArgs),
    /// List the runs in a folder, the latest first: state, verdict, age
    #[command(after_help = concat!("Example:\n  grokrun list\n\n", grokked!()))]
    List(ListArgs),
    /// Tell in which keys two specs or runs differ, and what became of the cells of both
    #[command(
        after_help = "Example:\n  grokrun diff runs/mult59 runs/mult113\n  grokrun diff specs/mult59.toml runs/mult59\n\n\
                      What is compared is what they mean: every key with its default, not the text."
    )]
    Diff(DiffArgs),
    /// Give a run words by which `grokrun list --tag` finds it, or take them away
    #[command(
        after_help = "Example:\n  grokrun tag runs/seeds32 paper figure-3\n  grokrun tag runs/seeds32 --remove figure-3\n  grokrun list --tag paper"
    )]
    Tag(TagArgs),
    /// Write a note to a run, or print it
    #[command(
        after_help = "Example:\n  grokrun note runs/seeds32 \"the seeds of figure 3\"\n  grokrun note runs/seeds32"
    )]
    Note(NoteArgs),
    /// Open a run's report in the browser
    #[command(after_help = "Example:\n  grokrun open runs/mult59")]
    Open(OpenArgs),
    /// Delete runs: asks first; files that grokrun has not written stay
    #[command(after_help = "Example:\n  grokrun rm runs/tiny\n  grokrun rm --yes runs/try-*")]
    Rm(RmArgs),
    /// Tell what is done, running, waiting and failed, from the run directory alone
    #[command(after_help = "Example:\n  grokrun status runs/seeds32")]
    Status(StatusArgs),
    /// Watch a run while it trains: a live page on the loopback address, from its folder alone
    #[command(
        after_help = "Example:\n  grokrun watch runs/mult113            prints the address of the page\n  grokrun watch runs/mult113 --text     the same in the terminal, until the run ends\n\n\
                      Ctrl-C ends the page, never the run. The page follows a run of another process, and of another machine that writes to the same disk."
    )]
    Watch(WatchArgs),
    /// Join runs of one spec that shards wrote into folders of their own
    #[command(
        after_help = "Example:\n  grokrun run specs/seeds32.toml --shard 1/2 --out one\n  grokrun run specs/seeds32.toml --shard 2/2 --out two\n  grokrun merge one/seeds32 two/seeds32 --into runs/seeds32"
    )]
    Merge(MergeArgs),
    /// Submit a spec's shards to a workload manager: Slurm, or Kubernetes
    #[command(
        after_help = "Example:\n  grokrun submit specs/seeds32.toml --engine slurm --shards 4 --time 1:00:00 --dry-run\n  grokrun submit specs/seeds32.toml --engine kubernetes --shards 8 --image grokrun:0.1.0 --volume runs | kubectl apply -f -"
    )]
    Submit(SubmitArgs),
    /// Write a new spec, from a shipped one or by questions
    #[command(
        after_help = "Example:\n  grokrun init mine.toml --from mult59\n  grokrun init mine.toml"
    )]
    Init(InitArgs),
    /// List the specs that are in the program, or print one
    #[command(
        after_help = "Example:\n  grokrun specs mult59 > mine.toml\n  grokrun mult59        trains it, where there is no file of this name"
    )]
    Specs(SpecsArgs),
    /// List the analyses: name, version, crate, how they were found, parameters
    #[command(after_help = "Example:\n  grokrun plugins")]
    Plugins(PluginsArgs),
    /// Write a new analysis, ready to build: plugins/NAME in a checkout, else a crate of its own
    #[command(
        after_help = "Example:\n  grokrun new-plugin weight-norms\n  cargo run --release -- plugins\n  grokrun new-plugin weight-norms --python\n\n\
                      Outside of a checkout the crate is written to NAME. It builds against runner/api of the checkout that this program was built from, or of --checkout DIR: the crates are not published."
    )]
    NewPlugin(NewPluginArgs),
    /// Serve the analyses of a library to the grokrun that has started this process
    #[command(name = grokrun_host::COMMAND, hide = true)]
    PluginProcess(PluginProcessArgs),
    /// List the processors that can train, with the one `--backend auto` takes and why; or test one
    #[command(
        after_help = "Example:\n  grokrun devices\n  grokrun devices --test --adapter NVIDIA\n\n\
                      --test trains small models of every kind on it and compares them with a reference in f64. It takes a minute or so, and its output belongs into a bug report."
    )]
    Devices(DevicesArgs),
    /// Print the script by which a shell completes commands, runs, cells and keys of specs
    #[command(
        after_help = "Example:\n  source <(grokrun completions bash)      in ~/.bashrc\n  grokrun completions fish | source       in config.fish"
    )]
    Completions(CompletionsArgs),
    /// Write the manual pages into a folder
    #[command(after_help = "Example:\n  grokrun man ~/.local/share/man/man1")]
    Man(ManArgs),
}

/// The arguments of `grokrun devices`.
#[derive(Args, Debug)]
pub(crate) struct DevicesArgs {
    /// Print one JSON object a processor, or, with --test, a comparison
    #[arg(long)]
    pub(crate) json: bool,

    /// Compare what a processor computes with a reference in f64
    #[arg(long)]
    pub(crate) test: bool,

    /// The processor to test: auto takes a hardware GPU, else the CPU
    #[arg(
        long,
        value_name = "auto|gpu|cpu",
        default_value = "auto",
        requires = "test"
    )]
    pub(crate) backend: Backend,

    /// Test the adapter whose name contains TEXT, a software one too
    #[arg(long, value_name = "TEXT", requires = "test")]
    pub(crate) adapter: Option<String>,
}

/// The arguments of every command that reads a spec.
#[derive(Args, Debug)]
pub(crate) struct SpecArgs {
    /// The spec, a TOML file, or the name of a shipped one
    #[arg(value_name = "SPEC.toml", add = complete::specs())]
    pub(crate) spec: PathBuf,

    /// Override a key of the spec (repeatable): --set train.epochs=500
    #[arg(long = "set", value_name = "KEY=VALUE", add = complete::keys())]
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

/// The arguments of every command that may call analyses.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PluginArgs {
    /// Load the analyses of this shared library, or that of a file of Python, FILE.py (repeatable)
    #[arg(long, value_name = "FILE")]
    pub(crate) plugin: Vec<PathBuf>,

    /// Call the analyses of shared libraries in processes of their own: one that crashes, hangs or
    /// takes too much memory fails alone
    #[arg(long)]
    pub(crate) isolate: bool,

    /// The longest that one call may take, with --isolate or in Python [default: 600]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) isolate_seconds: Option<u64>,

    /// The most memory that one process may take, with --isolate or in Python (watched on Linux)
    /// [default: half of what is free at the start]
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) isolate_memory: Option<u64>,
}

/// The arguments of `grokrun plugins`.
#[derive(Args, Debug)]
pub(crate) struct PluginsArgs {
    #[command(flatten)]
    pub(crate) plugins: PluginArgs,

    /// Print JSON: a list of objects, one an analysis, with the schema of its parameters
    #[arg(long)]
    pub(crate) json: bool,
}

/// The arguments of the process of a plugin, which grokrun starts itself.
#[derive(Args, Debug)]
pub(crate) struct PluginProcessArgs {
    /// The library
    pub(crate) library: PathBuf,

    /// The process that asks
    #[arg(long)]
    pub(crate) parent: u32,

    /// The least severe level of log events that it wants
    #[arg(long)]
    pub(crate) level: u32,
}

/// An argument of commands that need no plugin, but were once given those of the run.
#[derive(Args, Debug)]
pub(crate) struct UnusedPluginArgs {
    /// Not needed
    #[arg(long, value_name = "FILE", hide = true)]
    plugin: Vec<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct NewPluginArgs {
    /// The analysis's name, in kebab-case
    #[arg(value_name = "NAME")]
    pub(crate) name: String,

    /// Outside of a checkout, the checkout of grokrun to build against [default: the one that this
    /// program was built from]
    #[arg(long, value_name = "DIR")]
    pub(crate) checkout: Option<PathBuf>,

    /// Write an analysis in Python, and its test, into this folder
    #[arg(long, conflicts_with = "checkout")]
    pub(crate) python: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SpecsArgs {
    /// The spec to print
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// The arguments of the live page of a run that is trained.
#[derive(Args, Clone, Debug)]
pub(crate) struct LivePageArgs {
    /// Serve the live page while training, as `grokrun watch RUN` does
    #[arg(long)]
    pub(crate) watch: bool,

    /// With --watch, the port of the page [default: a free one]
    #[arg(long, value_name = "N", requires = "watch")]
    pub(crate) port: Option<u16>,

    /// With --watch, the address of this machine to serve the page at, for who knows a token
    /// [default: the loopback address, without]
    #[arg(long, value_name = "ADDRESS", requires = "watch")]
    pub(crate) bind: Option<IpAddr>,
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

    /// Train only part I of N of the cells, beside other processes; auto/N takes I from the number
    /// of a task of Slurm or the index of a Kubernetes job, auto both from a whole Slurm array
    #[arg(long, value_name = "I/N|auto", conflicts_with_all = ["force", "fresh"])]
    pub(crate) shard: Option<ShardArg>,

    /// End at the first cell that fails, with all states saved, in place of training the others
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// Train the other cells when one fails; this is what happens without --fail-fast
    #[arg(long, conflicts_with = "fail_fast")]
    pub(crate) keep_going: bool,

    #[command(flatten)]
    pub(crate) page: LivePageArgs,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print log messages too (-v what happens, -vv details)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Args, Debug)]
pub(crate) struct ExtendArgs {
    /// The run's folder
    #[arg(value_name = "RUN", add = complete::runs())]
    pub(crate) run: PathBuf,

    /// How many epochs the run is to have in all
    #[arg(long, value_name = "N")]
    pub(crate) epochs: u64,

    /// Where to train: auto takes a hardware GPU, else the CPU
    #[arg(long, value_name = "auto|gpu|cpu", default_value = "auto")]
    pub(crate) backend: Backend,

    /// Take the adapter whose name contains TEXT, a software one too
    #[arg(long, value_name = "TEXT")]
    pub(crate) adapter: Option<String>,

    #[command(flatten)]
    pub(crate) plugins: PluginArgs,

    #[command(flatten)]
    pub(crate) page: LivePageArgs,

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

    /// Print JSON: the cells, and what the run would take
    #[arg(long)]
    pub(crate) json: bool,

    /// Measure this device again, rather than use what was kept of an earlier time
    #[arg(long)]
    pub(crate) calibrate: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use grokrun_store::{ACCURACY, HOLD};

    use super::*;

    #[test]
    fn help_says_what_grokked_means_in_the_numbers_that_hold() {
        let words = [
            format!("{:.0} % or more", 100.0 * ACCURACY),
            format!("for {HOLD} further"),
        ];
        for name in ["run", "show", "list"] {
            let mut cli = Cli::command();
            let command = cli.find_subcommand_mut(name).unwrap();
            let help = command.render_long_help().to_string();
            for words in &words {
                assert!(help.contains(words), "{name} {words}: {help}");
            }
        }
    }
}
