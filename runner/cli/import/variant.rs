//! Lists the ways in which a file's tensors can be read as a model if the file does not say:
//! activation, scale of the attention scores, heads.

use grokrun_exchange::{Facts, Scale};

use super::settled::either;
use crate::args::ImportArgs;
use crate::output::Failure;

/// A way of reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variant {
    pub(super) activation: String,
    pub(super) scale: Scale,
    pub(super) heads: usize,
}

/// Returns all ways that fit the file and the command line, the published one first.
///
/// # Errors
/// If the command line asks for a model that cannot be imported.
pub(super) fn variants(
    args: &ImportArgs,
    facts: &Facts,
    notes: &mut Vec<String>,
) -> Result<Vec<Variant>, Failure> {
    if let Some(norm) = args.normalization.as_deref()
        && !norm.eq_ignore_ascii_case("none")
    {
        return Err(Failure::request(format!(
            "--normalization {norm}: the model here has no layer norm, so that it would compute something else; expected a model trained without, --normalization none"
        )));
    }
    let asked = args.activation.map(|a| a.name().to_owned());
    let activation = either(
        notes,
        "the activation",
        &asked,
        &facts.activation,
        "--activation",
    );
    let activations = match activation {
        Some(settled) => vec![settled],
        None => vec!["relu".to_owned(), "gelu".to_owned()],
    };
    let scale = either(
        notes,
        "that attention scores are divided by",
        &args.attention_scale.map(Shown),
        &facts.scale.map(Shown),
        "--attention-scale",
    );
    let scales = match scale {
        Some(Shown(settled)) => vec![settled],
        None => vec![Scale::Root, Scale::By(1.0)],
    };
    let width = facts.heads * facts.d_head;
    let heads = if facts.heads_known {
        vec![facts.heads]
    } else {
        let others = [1, 2, 4, 8, 16].into_iter();
        let others = others.filter(|h| *h != facts.heads && width.is_multiple_of(*h));
        std::iter::once(facts.heads).chain(others).collect()
    };
    let mut all = Vec::new();
    for heads in &heads {
        for scale in &scales {
            all.extend(activations.iter().map(|activation| Variant {
                activation: activation.clone(),
                scale: *scale,
                heads: *heads,
            }));
        }
    }
    Ok(all)
}

impl Variant {
    /// Returns the settings in which `all` differ: the name, the value here, and the flag.
    fn differences(&self, all: &[Variant]) -> Vec<(&'static str, String, &'static str)> {
        let differs = |same: &dyn Fn(&Variant) -> bool| !all.iter().all(same);
        let mut found = Vec::new();
        if differs(&|other| other.activation == self.activation) {
            found.push(("the activation", self.activation.clone(), "--activation"));
        }
        if differs(&|other| other.scale == self.scale) {
            let words = match self.scale {
                Scale::By(1.0) => "attention scores not divided".to_owned(),
                scale => format!("attention scores divided by {}", Shown(scale)),
            };
            found.push(("the scale of attention scores", words, "--attention-scale"));
        }
        if differs(&|other| other.heads == self.heads) {
            let words = match self.heads {
                1 => "1 head".to_owned(),
                heads => format!("{heads} heads"),
            };
            found.push(("the number of heads", words, "--heads"));
        }
        found
    }

    /// Describes the values here of the settings in which `all` differ.
    pub(super) fn words(&self, all: &[Variant]) -> String {
        let words = self.differences(all).into_iter().map(|(_, words, _)| words);
        words.collect::<Vec<_>>().join(", ")
    }

    /// Returns the note on a file that leaves open in which way it is read: what is assumed, and
    /// why.
    pub(super) fn taken(&self, all: &[Variant], why: &str) -> String {
        let found = self.differences(all);
        let what: Vec<&str> = found.iter().map(|(what, _, _)| *what).collect();
        let flags: Vec<&str> = found.iter().map(|(_, _, flag)| *flag).collect();
        format!(
            "the file does not tell {}: {}, {why} ({})",
            what.join(" and "),
            self.words(all),
            flags.join(", ")
        )
    }
}

/// Formats a scale in words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Shown(pub(super) Scale);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Scale::Root => f.write_str("√d_head"),
            Scale::By(1.0) => f.write_str("1 (none)"),
            Scale::By(divisor) => write!(f, "{divisor}"),
        }
    }
}
