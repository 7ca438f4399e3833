//! Runs `grokrun import FILE --into RUN`: makes a run, which can be analysed, of a foreign model.
//!
//! What the file does not say is taken from the command line, else from the published experiment;
//! each such thing is reported, and checked by the losses that the file recorded. The run's spec
//! holds all of it.

mod check;
mod opened;
mod settled;
mod variant;

use std::path::Path;
use std::process::ExitCode;

use grokrun_exchange::{Conventions, Facts, Indices, read_indices};
use grokrun_host::Registry;
use grokrun_session::{Adopted, Adoption, Parts, Survey, adopt};
use grokrun_spec::{Cell, Plan};
use grokrun_store::{Access, RunDir, Tensor};
use serde_json::json;

use self::check::{Computed, Records, by_training};
use self::opened::{facts_heads, norm_note, open, read};
use self::settled::Settled;
use self::variant::{Shown, Variant, variants};
use crate::args::{ImportArgs, PluginArgs};
use crate::output::{Failure, print, say};
use crate::{place, plugins, report, spec};

/// The length of the published experiment, for a model that does not tell its epoch.
const PUBLISHED_EPOCHS: u64 = 40_000;

/// Runs the command.
///
/// # Errors
/// If the file is not understood or does not fit the request, or the run cannot be written.
pub(crate) fn import(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let (out, name) = place::of(&args.into)?;
    let mut foreign = open(args, args.heads)?;
    let facts = foreign.facts().clone();
    let mut notes = facts.notes.clone();
    let epochs = epochs(&facts, args.epoch, foreign.len(), &mut notes)?;
    // Every checkpoint is read before anything is written, so that a damaged one costs nothing.
    for index in 0..foreign.len() {
        foreign.model(index)?;
    }
    let indices = args
        .train_indices
        .as_deref()
        .map(read_indices)
        .transpose()?;
    let given = indices.map(given).transpose()?;
    let parts = match (&given, &facts.split) {
        (Some(Given::Train(train)), _) => Parts::Train(train),
        (Some(Given::Both(both)), _) => Parts::Both(both),
        (None, Some(split)) => Parts::Both(split),
        (None, None) => Parts::OfSeeds,
    };
    if given.is_some() && facts.split.is_some() {
        notes.push("the file has a split; that of --train-indices is taken".to_owned());
    }
    let registry = plugins::registry(&PluginArgs::default(), &[])?;
    let last = epochs.last().copied().unwrap_or(0);
    let variants = variants(args, &facts, &mut notes)?;
    let settled = Settled::new(args, &facts, &parts, last, &mut notes)?;
    let request = Request {
        args,
        facts: &facts,
        settled: &settled,
        parts,
        name,
        epochs: &epochs,
        registry: &registry,
    };
    let Choice {
        variant,
        conventions,
        checked,
        warning,
    } = request.choose(&variants, &mut notes)?;
    notes.extend(norm_note(&facts));
    if args.normalization.is_none() && !facts.no_norm {
        notes.push("the file does not tell whether there is layer norm: none, as published; tensors of a model with LNPre look the same (--normalization none)".to_owned());
    }
    let queries = variant.queries();
    if let Some((factor, scale)) = queries {
        notes.push(format!(
            "attention scores are divided by {} in the file's model and by √d_head here: W_Q is multiplied by {factor}, which comes to the same",
            Shown(scale)
        ));
    }
    if variant.heads() != facts_heads(&facts) {
        foreign = open(args, variant.heads())?;
    }

    let (text, plan) = request.plan(&variant)?;
    let survey = Survey::new(&plan)?;
    let history = facts.history.clone().unwrap_or_default().columns;
    let origin = json!({
        "file": args.file.file_name().map(|name| name.to_string_lossy()),
        "layout": facts.layout,
        "outputs": facts.outputs,
        "recipe": if settled.recipe_known { "known" } else { "not known" },
        "history": facts.history.is_some().then(|| conventions.to_json()),
        "notes": notes,
    });
    let adoption = Adoption::new(&plan, &survey, parts, &history, origin)?;
    if !matches!(parts, Parts::OfSeeds) && !adoption.is_split_of_seeds()? {
        notes.push(format!(
            "the split is {}, not that of the spec's data seed",
            if given.is_some() {
                "that of --train-indices"
            } else {
                "the file's own"
            }
        ));
    }
    for note in &notes {
        say(format!("note: {note}"));
    }

    let mut fingerprint = format!("import {:08x} {}", foreign.checksum()?, plan.fingerprint());
    if let Some((factor, _)) = queries {
        fingerprint.push_str(&format!(" queries {factor}"));
    }
    if let Some(given) = &given {
        fingerprint.push_str(&format!(" split {:016x}", given.checksum()));
    }
    let access = if args.force {
        Access::Force
    } else {
        Access::Continue
    };
    let resolved = plan.resolved_toml();
    let run = RunDir::open(out, name, &text, &resolved, &fingerprint, access)
        .map_err(|error| Failure::of_place(error, ANOTHER_PLACE))?;
    let read = |index: usize| -> Result<Vec<Tensor>, Failure> {
        Ok(read(&mut foreign, index, &variant)?.tensors)
    };
    let adopted = adopt(&adoption, &run, &epochs, read)?;
    report::write_ended(run.path());
    let cell = &plan.cells[0];
    // A model that is not trained yet is not a wrong one if its losses are those that were
    // recorded.
    if adopted.train_accuracy < 0.5 && !checked {
        say(format!(
            "warning: the last checkpoint is right on {:.1} % of the train pairs of {}; is it another --operation, or another split (--fraction, --data-seed, --stream, --train-indices)?",
            100.0 * adopted.train_accuracy,
            task(cell)
        ));
    }
    if let Some(warning) = warning {
        say(format!("warning: {warning}"));
    }
    print(&format!(
        "{}: {} of {}; the last one has train loss {:.2e}, test loss {:.2e}, and is right on {:.1} % and {:.1} % of the pairs\n{}\n",
        cell.id,
        match epochs.len() {
            1 => "1 checkpoint".to_owned(),
            many => format!("{many} checkpoints"),
        },
        task(cell),
        adopted.train_loss,
        adopted.test_loss,
        100.0 * adopted.train_accuracy,
        100.0 * adopted.test_accuracy,
        run.path().display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Returns what a cell's model does, in words.
fn task(cell: &Cell) -> String {
    let notation = cell.operation.notation();
    match cell.operation.size() {
        Some(_) => notation,
        None => format!("{notation} mod {}", cell.modulus),
    }
}

/// How to name another run directory to this command.
const ANOTHER_PLACE: &str = "--into names another folder";

/// A split from a file of its own.
enum Given {
    Train(Vec<i64>),
    Both([Vec<i64>; 2]),
}

fn given(indices: Indices) -> Result<Given, Failure> {
    if indices.train.is_empty() {
        return Err(Failure::request(
            "the file of --train-indices has no places; expected those of the pairs trained on",
        ));
    }
    Ok(match indices.test {
        Some(test) => Given::Both([indices.train, test]),
        None => Given::Train(indices.train),
    })
}

impl Given {
    /// Returns a number that tells the split from another one (FNV-1a).
    fn checksum(&self) -> u64 {
        let places: Vec<&i64> = match self {
            Given::Train(train) => train.iter().collect(),
            Given::Both([train, test]) => train.iter().chain(&[-1]).chain(test).collect(),
        };
        let bytes = places.into_iter().flat_map(|place| place.to_le_bytes());
        bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
            (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    }
}

/// A way of reading a file, with the evidence for it.
struct Choice {
    variant: Variant,
    conventions: Conventions,
    /// whether the recorded losses are those of the model
    checked: bool,
    /// the warning if they are not
    warning: Option<String>,
}

/// Everything that the run is made of, except for the way in which the tensors are read.
struct Request<'a> {
    args: &'a ImportArgs,
    facts: &'a Facts,
    settled: &'a Settled,
    parts: Parts<'a>,
    name: &'a str,
    epochs: &'a [u64],
    registry: &'a Registry,
}

impl Request<'_> {
    /// Returns the run's spec, as text and as a plan.
    fn plan(&self, variant: &Variant) -> Result<(String, Plan), Failure> {
        let text = self
            .settled
            .spec(self.name, self.facts, variant, self.epochs, self.registry);
        let plan = spec::parse(&text, Path::new("spec.toml"), &[], self.registry)?;
        Ok((text, plan))
    }

    /// Chooses among the ways of reading that fit the file, and notes the evidence.
    fn choose(&self, variants: &[Variant], notes: &mut Vec<String>) -> Result<Choice, Failure> {
        let records = Records::new(self.facts, self.epochs);
        let samples: Vec<usize> = records.samples.iter().map(|s| s.checkpoint).collect();
        let words: Vec<String> = variants.iter().map(|one| one.words(variants)).collect();
        let compute = |checkpoints: &[usize]| -> Result<Vec<Vec<Computed>>, Failure> {
            let each = variants.iter().map(|one| self.compute(one, checkpoints));
            each.collect()
        };
        if !samples.is_empty()
            && let Some(found) = records.compare(&compute(&samples)?, &words)
        {
            let chosen = &variants[found.variant];
            if variants.len() > 1 && !found.sure {
                notes.push(chosen.taken(variants, "as published"));
            }
            notes.extend(found.notes);
            return Ok(Choice {
                variant: chosen.clone(),
                conventions: found.conventions,
                checked: found.warning.is_none(),
                warning: found.warning,
            });
        }
        let unchecked = |variant: &Variant| Choice {
            variant: variant.clone(),
            conventions: self.facts.conventions,
            checked: false,
            warning: None,
        };
        let [only] = variants else {
            let last = compute(&[self.epochs.len().saturating_sub(1)])?;
            let last: Vec<Adopted> = last.iter().flatten().map(|(plain, _)| *plain).collect();
            let chosen = by_training(&last);
            let mut order: Vec<usize> = (0..last.len()).filter(|at| *at != chosen).collect();
            order.sort_by(|a, b| last[*a].train_loss.total_cmp(&last[*b].train_loss));
            let losses = match order.first() {
                None => String::new(),
                Some(next) => format!(
                    ": its train loss is {:.3e}, and {:.3e} with {}",
                    last[chosen].train_loss, last[*next].train_loss, words[*next]
                ),
            };
            let why = match chosen {
                0 => "as published",
                _ => "because it fits the train pairs best",
            };
            let variant = &variants[chosen];
            notes.push(variant.taken(variants, &format!("{why}{losses}")));
            return Ok(unchecked(variant));
        };
        Ok(unchecked(only))
    }

    /// Computes the losses of some checkpoints when the file is read in one way.
    fn compute(&self, variant: &Variant, checkpoints: &[usize]) -> Result<Vec<Computed>, Failure> {
        let (_, plan) = self.plan(variant)?;
        let survey = Survey::new(&plan)?;
        let none = Default::default();
        let adoption = Adoption::new(&plan, &survey, self.parts, &none, json!(null))?;
        let mut foreign = open(self.args, variant.heads())?;
        let one = |checkpoint: &usize| {
            let model = read(&mut foreign, *checkpoint, variant)?;
            let plain = adoption.evaluate(&model.tensors)?;
            let more = match &model.separator {
                None => None,
                Some(output) => {
                    let output = Some((output.column.as_slice(), output.bias));
                    Some(adoption.evaluate_with(&model.tensors, output)?)
                }
            };
            Ok((plain, more))
        };
        checkpoints.iter().map(one).collect()
    }
}

/// Returns the steps taken at each checkpoint.
fn epochs(
    facts: &Facts,
    settled: Option<u64>,
    count: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<u64>, Failure> {
    match (settled, facts.epochs.as_slice()) {
        (Some(epoch), known) if count == 1 => {
            if let [known] = known
                && *known != epoch
            {
                notes.push(format!(
                    "the file tells epoch {known}; {epoch} is taken (--epoch)"
                ));
            }
            Ok(vec![epoch])
        }
        (Some(_), _) => Err(Failure::request(format!(
            "--epoch is for a file of one model; this one has {count} checkpoints"
        ))),
        (None, []) => {
            notes.push(format!(
                "the file does not tell after how many epochs its model was saved: {PUBLISHED_EPOCHS}, as published, are assumed (--epoch N)"
            ));
            Ok(vec![PUBLISHED_EPOCHS])
        }
        (None, known) => Ok(known.to_vec()),
    }
}
