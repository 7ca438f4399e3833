//! Settles the spec of an imported run: from the command line, from the file, or by assumption.
//! Notes every assumption, and everything that both say.

use std::fmt::{Display, Write as _};

use grokrun_exchange::{Body, Facts, Kind, Mask, MlpSizes, Norm, Recipe, TransformerSizes};
use grokrun_host::{Origin, Registry};
use grokrun_session::Parts;
use grokrun_task::{Dataset, Operation};

use super::variant::Variant;
use crate::args::ImportArgs;
use crate::output::Failure;

/// The task of an imported run and how its model was trained, all of it settled.
pub(super) struct Settled {
    operation: String,
    fraction: String,
    data_seed: String,
    model_seed: i64,
    stream: String,
    recipe: Recipe,
    /// whether the file or grokrun knows the recipe
    pub(super) recipe_known: bool,
}

impl Settled {
    /// Settles everything; `last` is the epoch of the last checkpoint.
    ///
    /// # Errors
    /// If the command line contradicts the shapes.
    pub(super) fn new(
        args: &ImportArgs,
        facts: &Facts,
        parts: &Parts<'_>,
        last: u64,
        notes: &mut Vec<String>,
    ) -> Result<Settled, Failure> {
        if let Some(modulus) = args.modulus
            && modulus != facts.modulus
        {
            return Err(Failure::request(format!(
                "--modulus {modulus} does not fit the file: its embedding has {} rows{}; expected --modulus {}, or none",
                facts.tokens(),
                if facts.tokens() > facts.modulus {
                    ", one for '='"
                } else {
                    ""
                },
                facts.modulus
            )));
        }
        let paper = facts.kind == Kind::FullRun;
        let task = facts.task.clone();
        let operation = either(
            notes,
            "the operation",
            &args.operation,
            &task.operation,
            "--operation",
        );
        let operation = operation.unwrap_or_else(|| {
            let published = if paper || facts.of_sums { "add" } else { "mul" };
            assume(notes, "the operation", published, "--operation NAME")
        });
        let order = size(&operation);
        if let Some(order) = order.filter(|order| *order != facts.modulus) {
            return Err(Failure::request(format!(
                "--operation {operation:?} is on {order} elements, and the file's embedding has rows for {}; expected an operation on as many",
                facts.modulus
            )));
        }
        let fraction = either(
            notes,
            "the fraction",
            &args.fraction,
            &task.fraction,
            "--fraction",
        );
        let fraction = match (fraction, parts) {
            (Some(fraction), _) => fraction.to_string(),
            (None, Parts::Both([train, test])) => share(train.len(), train.len() + test.len()),
            (None, Parts::Train(train)) => share(train.len(), pairs(&operation, facts.modulus)),
            (None, Parts::OfSeeds) => assume(notes, "the fraction", "0.3", "--fraction F"),
        };
        // If the split is given, the seed only has to be written into the spec.
        let drawn = matches!(parts, Parts::OfSeeds);
        let stream = either(notes, "the stream", &args.stream, &task.stream, "--stream");
        let stream = stream.unwrap_or_else(|| {
            let published = if paper { "python" } else { "torch" };
            if drawn {
                assume(
                    notes,
                    "whose random numbers drew the split",
                    published,
                    "--stream NAME",
                )
            } else {
                published.to_owned()
            }
        });
        let data_seed = either(
            notes,
            "the data seed",
            &args.data_seed,
            &task.data_seed,
            "--data-seed",
        );
        let data_seed = match data_seed {
            Some(seed) => seed.to_string(),
            None => {
                let published = if paper { "0" } else { "598" };
                if drawn {
                    assume(notes, "the data seed", published, "--data-seed N")
                } else {
                    published.to_owned()
                }
            }
        };
        let recipe_known = task.recipe.is_some();
        if !recipe_known {
            notes.push(format!(
                "the file does not tell how its model was trained ({}init, learning rate, weight decay, betas, epsilon, warm-up): the spec says what is published, and nothing is trained with it",
                match facts.model_seed {
                    None => "seed of the weights, ",
                    Some(_) => "",
                }
            ));
        }
        let mut recipe = task.recipe.unwrap_or_else(|| published(paper, &facts.body));
        recipe.epochs = recipe.epochs.max(last).max(1);
        Ok(Settled {
            operation,
            fraction,
            data_seed,
            model_seed: facts.model_seed.unwrap_or(if paper { 0 } else { 999 }),
            stream,
            recipe,
            recipe_known,
        })
    }

    /// Returns the text of the run's spec.
    pub(super) fn spec(
        &self,
        name: &str,
        facts: &Facts,
        variant: &Variant,
        epochs: &[u64],
        registry: &Registry,
    ) -> String {
        let step = epochs.iter().fold(0, |step, epoch| gcd(step, *epoch));
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let recipe = &self.recipe;
        let mut out =
            String::from("# Written by `grokrun import`. These weights were not trained here");
        out.push_str(if self.recipe_known { ".\n" } else { ": what the file did not\n# tell is as published, and how the model was trained is not known.\n" });
        let _infallible = write!(
            out,
            "name = {}\noperation = {}\n",
            quoted(name),
            quoted(&self.operation)
        );
        // A group has its number of elements.
        if size(&self.operation).is_none() {
            let _infallible = writeln!(out, "modulus = {}", facts.modulus);
        }
        let _infallible = write!(
            out,
            "fraction = {}\nseeds = {{ data = {}, model = {}, stream = {} }}\n\n[model]\n",
            self.fraction,
            self.data_seed,
            self.model_seed,
            quoted(&self.stream),
        );
        match &facts.body {
            Body::Transformer(sizes) => transformer(&mut out, facts, sizes, variant),
            Body::Mlp(sizes) => mlp(&mut out, sizes, variant),
        }
        let _infallible = write!(
            out,
            "biases = {}\ninit = {}\n\n\
             [train]\nepochs = {}\nlearning_rate = {:?}\nweight_decay = {:?}\nbetas = {:?}\nepsilon = {:?}\nwarmup = {}\n",
            quoted(facts.biases.word()),
            quoted(&recipe.init),
            recipe.epochs,
            recipe.learning_rate,
            recipe.weight_decay,
            recipe.betas,
            recipe.epsilon,
            recipe.warmup,
        );
        if let Some(stop) = recipe.stop {
            let _infallible = writeln!(
                out,
                "stop = {{ test_accuracy = {:?}, patience = {} }}",
                stop.test_accuracy, stop.patience
            );
        }
        let _infallible = write!(out, "\n[checkpoints]\nevery = {step}\n");
        // The analyses that every later `grokrun analyze` has, too.
        let linked = registry
            .all()
            .iter()
            .filter(|found| matches!(found.origin(), Origin::Linked));
        for found in linked {
            let name = quoted(found.name());
            let _infallible = write!(out, "\n[analysis.{name}]\nevery = {step}\n");
        }
        out
    }
}

/// Writes the sizes of a transformer; of what the published model does not have, only what this one
/// has.
fn transformer(out: &mut String, facts: &Facts, sizes: &TransformerSizes, variant: &Variant) {
    let (heads, d_head, mask) = match variant.attention {
        Some(attention) => (attention.heads, attention.d_head, attention.mask),
        None => (sizes.heads, sizes.d_head, Mask::Causal),
    };
    let _infallible = write!(
        out,
        "heads = {heads}\nd_model = {}\nd_head = {d_head}\n",
        sizes.d_model
    );
    let _infallible = match sizes.d_mlp {
        Some(width) => writeln!(
            out,
            "d_mlp = {width}\nactivation = {:?}",
            variant.activation
        ),
        None => writeln!(out, "mlp = false"),
    };
    if sizes.layers > 1 {
        let _infallible = writeln!(out, "layers = {}", sizes.layers);
    }
    if sizes.norm != Norm::None {
        out.push_str("norm = \"pre\"\n");
    }
    if mask == Mask::None {
        out.push_str("mask = \"none\"\n");
    }
    if !sizes.separator {
        out.push_str("separator = false\n");
    }
    // A rate of 1 is the softmax alone.
    if let Some(rate) = facts.rate.filter(|rate| *rate < 1.0) {
        let _infallible = writeln!(out, "attention = {{ rate = {rate:?} }}");
    }
}

/// Writes the sizes of a multilayer perceptron.
fn mlp(out: &mut String, sizes: &MlpSizes, variant: &Variant) {
    let _infallible = write!(
        out,
        "kind = \"mlp\"\ninput = {:?}\nembeddings = {:?}\nd_model = {}\nhidden = {:?}\nactivation = {:?}\n",
        if sizes.concat {
            "embedding-concat"
        } else {
            "embedding-sum"
        },
        if sizes.shared { "shared" } else { "separate" },
        sizes.width,
        sizes.hidden,
        variant.activation,
    );
}

/// Returns the number of elements of an operation that has one of its own: a group.
fn size(operation: &str) -> Option<usize> {
    let parsed = Operation::parse(operation).ok()?;
    usize::try_from(parsed.size()?).ok()
}

/// Returns the recipe of the published experiments.
fn published(paper: bool, body: &Body) -> Recipe {
    Recipe {
        epochs: 0,
        learning_rate: 1e-3,
        weight_decay: 1.0,
        betas: [0.9, 0.98],
        epsilon: 1e-8,
        warmup: if paper { 10 } else { 0 },
        init: match body {
            Body::Mlp(_) => "torch",
            Body::Transformer(_) if paper => "paper",
            Body::Transformer(_) => "transformer-lens",
        }
        .to_owned(),
        stop: None,
    }
}

/// Notes that the published value is assumed, since the file has none.
fn assume(notes: &mut Vec<String>, what: &str, published: &str, flag: &str) -> String {
    notes.push(format!(
        "the file does not tell {what}: {published}, as published ({flag})"
    ));
    published.to_owned()
}

/// Returns the value of the command line, else the file's; notes it if they differ.
pub(super) fn either<T: Clone + PartialEq + Display>(
    notes: &mut Vec<String>,
    what: &str,
    asked: &Option<T>,
    file: &Option<T>,
    flag: &str,
) -> Option<T> {
    if let (Some(asked), Some(file)) = (asked, file)
        && asked != file
    {
        notes.push(format!(
            "the file tells {what} {file}; {asked} is taken ({flag})"
        ));
    }
    asked.clone().or_else(|| file.clone())
}

/// Returns the number of pairs on which an operation is defined; all if the operation is not
/// understood, which the spec will report.
fn pairs(operation: &str, modulus: usize) -> usize {
    let parsed = Operation::parse(operation).ok();
    let modulus = u32::try_from(modulus).unwrap_or(u32::MAX);
    let data = parsed.and_then(|operation| Dataset::new(&operation, modulus).ok());
    data.map_or((modulus as usize).saturating_pow(2), |data| {
        data.pairs().len()
    })
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Returns the shortest decimal fraction of which the round-down share of `all` is `part`.
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
    use super::*;

    #[test]
    fn the_fraction_is_the_shortest_that_gives_the_split() {
        assert_eq!(share(3830, 12769), "0.3");
        assert_eq!(share(1740, 3481), "0.5");
        assert_eq!(share(1, 3), "0.4");
        assert_eq!(pairs("div", 7), 42);
        assert_eq!(pairs("a + b", 7), 49);
    }

    #[test]
    fn what_is_given_twice_is_reported() {
        let mut notes = Vec::new();
        let settled =
            |notes: &mut Vec<String>, asked, file| either(notes, "x", &asked, &file, "--x");
        assert_eq!(settled(&mut notes, None, Some(1)), Some(1));
        assert_eq!(settled(&mut notes, Some(2), Some(2)), Some(2));
        assert!(notes.is_empty());
        assert_eq!(settled(&mut notes, Some(2), Some(1)), Some(2));
        assert_eq!(notes, ["the file tells x 1; 2 is taken (--x)"]);
    }
}
