//! `grokrun import FILE --into RUN`: a model from elsewhere as a run that can be analysed.
//!
//! What the file does not tell is taken from the command line, else from the published experiment;
//! and each such thing is said. The run's spec holds all of it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use grokrun_exchange::{Facts, Foreign, Kind};
use grokrun_host::{Origin, Registry};
use grokrun_session::{Adoption, Survey, adopt};
use grokrun_store::{Access, RunDir, Tensor};
use serde_json::json;

use crate::args::{ImportArgs, PluginArgs};
use crate::output::{Failure, print, say};
use crate::{plugins, report, spec};

/// The length of the published experiment (doc/published.md#the-published-dictionary), for a model
/// that does not tell its epoch.
const PUBLISHED_EPOCHS: u64 = 40_000;

/// Runs the command.
///
/// # Errors
/// When the file is not understood, does not fit what was asked, or the run cannot be written.
pub(crate) fn import(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let (out, name) = place(&args.into)?;
    let mut foreign = Foreign::open(&args.file, args.heads)?;
    let facts = foreign.facts().clone();
    let mut notes = facts.notes.clone();
    let epochs = epochs(&facts, args.epoch, foreign.len(), &mut notes)?;
    // Every checkpoint is read before anything is written: a damaged one costs nothing.
    for index in 0..foreign.len() {
        foreign.model(index)?;
    }
    let registry = plugins::registry(&PluginArgs { plugin: Vec::new() });
    let text = text(args, name, &facts, &epochs, &registry, &mut notes)?;
    let plan = spec::parse(&text, Path::new("spec.toml"), &[], &registry)?;
    let survey = Survey::new(&plan)?;
    let history = facts.history.clone().unwrap_or_default().columns;
    let origin = json!({
        "file": args.file.file_name().map(|name| name.to_string_lossy()),
        "layout": facts.layout,
        "outputs": facts.outputs,
        "notes": notes,
    });
    let adoption = Adoption::new(&plan, &survey, facts.split.as_ref(), &history, origin)?;
    if facts.split.is_some() && !adoption.is_split_of_seeds()? {
        notes.push("the split is the file's own, not that of the spec's data seed".to_owned());
    }
    for note in &notes {
        say(format!("note: {note}"));
    }

    let fingerprint = format!("import {:08x} {}", foreign.checksum()?, plan.fingerprint());
    let access = match args.force {
        true => Access::Force,
        false => Access::Continue,
    };
    let resolved = plan.resolved_toml();
    let run = RunDir::open(out, name, &text, &resolved, &fingerprint, access)?;
    let read = |index: usize| -> Result<Vec<Tensor>, Failure> { Ok(foreign.model(index)?.tensors) };
    let adopted = adopt(&adoption, &run, &epochs, read)?;
    report::write_ended(run.path());
    let cell = &plan.cells[0];
    if adopted.train_accuracy < 0.5 {
        say(format!(
            "warning: the last checkpoint is right on {:.1} % of the train pairs of {} mod {}; is it another --operation, or another split (--fraction, --data-seed, --stream)?",
            100.0 * adopted.train_accuracy,
            cell.operation.notation(),
            cell.modulus
        ));
    }
    print(&format!(
        "{}: {} of {} mod {}; the last one has train loss {:.2e}, test loss {:.2e}, and is right on {:.1} % and {:.1} % of the pairs\n{}\n",
        cell.id,
        match epochs.len() {
            1 => "1 checkpoint".to_owned(),
            many => format!("{many} checkpoints"),
        },
        cell.operation.notation(),
        cell.modulus,
        adopted.train_loss,
        adopted.test_loss,
        100.0 * adopted.train_accuracy,
        100.0 * adopted.test_accuracy,
        run.path().display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// The folder of runs, and the run's name in it.
fn place(into: &Path) -> Result<(&Path, &str), Failure> {
    let name = into.file_name().and_then(|name| name.to_str());
    let Some(name) = name else {
        return Err(Failure::request(format!(
            "--into {} names no folder; expected the run's, runs/theirs for instance",
            into.display()
        )));
    };
    let out = into.parent().filter(|parent| *parent != Path::new(""));
    Ok((out.unwrap_or(Path::new(".")), name))
}

/// Steps taken at each checkpoint.
fn epochs(
    facts: &Facts,
    told: Option<u64>,
    count: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<u64>, Failure> {
    match (told, facts.epochs.len()) {
        (Some(epoch), _) if count == 1 => Ok(vec![epoch]),
        (Some(_), _) => Err(Failure::request(format!(
            "--epoch is for a file of one model; this one has {count} checkpoints"
        ))),
        (None, 0) => {
            notes.push(format!(
                "the file does not tell after how many epochs its model was saved: {PUBLISHED_EPOCHS}, as published, are assumed (--epoch N)"
            ));
            Ok(vec![PUBLISHED_EPOCHS])
        }
        (None, _) => Ok(facts.epochs.clone()),
    }
}

/// The spec of the run.
fn text(
    args: &ImportArgs,
    name: &str,
    facts: &Facts,
    epochs: &[u64],
    registry: &Registry,
    notes: &mut Vec<String>,
) -> Result<String, Failure> {
    if let Some(modulus) = args.modulus
        && modulus != facts.modulus
    {
        return Err(Failure::request(format!(
            "--modulus {modulus} does not fit the file: its W_E has {} rows; expected --modulus {}, or none",
            facts.modulus + 1,
            facts.modulus
        )));
    }
    let paper = facts.kind == Kind::FullRun;
    let mut assume = |what: &str, value: String, flag: &str| {
        notes.push(format!(
            "the file does not tell {what}: {value}, as published ({flag})"
        ));
        value
    };
    let told = facts.task.clone();
    let operation = args
        .operation
        .clone()
        .or(told.operation)
        .unwrap_or_else(|| {
            assume(
                "the operation",
                if paper { "add" } else { "mul" }.to_owned(),
                "--operation NAME",
            )
        });
    let fraction = match (args.fraction.or(told.fraction), &facts.split) {
        (Some(fraction), _) => fraction.to_string(),
        (None, Some([train, test])) => share(train.len(), train.len() + test.len()),
        (None, None) => assume("the fraction", "0.3".to_owned(), "--fraction F"),
    };
    let stream = args
        .stream
        .clone()
        .or(told.stream)
        .unwrap_or_else(|| if paper { "python" } else { "torch" }.to_owned());
    let data_seed = args
        .data_seed
        .or(told.data_seed)
        .map(|seed| seed.to_string())
        .unwrap_or_else(|| {
            let published = if paper { "0" } else { "598" }.to_owned();
            match facts.split {
                Some(_) => published,
                None => assume(
                    "the data seed",
                    published,
                    &format!("--data-seed N, --stream {stream}"),
                ),
            }
        });
    let activation = facts
        .activation
        .clone()
        .unwrap_or_else(|| "relu".to_owned());
    let last = epochs.last().copied().unwrap_or(0).max(1);
    let step = epochs.iter().fold(0, |step, epoch| gcd(step, *epoch));
    let quoted = |text: &str| serde_json::Value::from(text).to_string();

    let mut out = String::from(
        "# Written by `grokrun import`. These weights were not trained here: what the file did not\n# tell is as published, and the [train] settings are not known.\n",
    );
    let _infallible = write!(
        out,
        "name = {}\noperation = {}\nmodulus = {}\nfraction = {fraction}\nseeds = {{ data = {data_seed}, model = {}, stream = {} }}\n\n\
         [model]\nheads = {}\nd_model = {}\nd_head = {}\nd_mlp = {}\nactivation = {}\nbiases = {}\ninit = {}\n\n\
         [train]\nepochs = {last}\nwarmup = {}\n\n[checkpoints]\nevery = {step}\n",
        quoted(name),
        quoted(&operation),
        facts.modulus,
        facts.model_seed.unwrap_or(if paper { 0 } else { 999 }),
        quoted(&stream),
        facts.heads,
        facts.d_model,
        facts.d_head,
        facts.d_mlp,
        quoted(&activation),
        quoted(if facts.trained_biases {
            "trained"
        } else {
            "frozen"
        }),
        quoted(if paper { "paper" } else { "transformer-lens" }),
        if paper { 10 } else { 0 },
    );
    // Those that every later `grokrun analyze` has too.
    let linked = registry
        .all()
        .iter()
        .filter(|found| matches!(found.origin(), Origin::Linked));
    for found in linked {
        let _infallible = write!(
            out,
            "\n[analysis.{}]\nevery = {step}\n",
            quoted(found.name())
        );
    }
    Ok(out)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The shortest decimal fraction of which the round-down share of `all` is `part`.
fn share(part: usize, all: usize) -> String {
    let exact = part as f64 / all.max(1) as f64;
    for digits in 1..17 {
        for up in [0.0, 1.0] {
            let scale = 10f64.powi(digits);
            let short = ((exact * scale).floor() + up) / scale;
            if short > 0.0 && short < 1.0 && (all as f64 * short) as usize == part {
                return short.to_string();
            }
        }
    }
    exact.to_string()
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_fraction_is_the_shortest_that_gives_the_split() {
        assert_eq!(share(3830, 12769), "0.3");
        assert_eq!(share(1740, 3481), "0.5");
        assert_eq!(share(1, 3), "0.4");
    }
}
