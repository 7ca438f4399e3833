//! Lists the ways in which a file's tensors can be read as a model if the file does not say:
//! activation, and of a transformer the scale of the attention scores, heads, and mask.

use grokrun_exchange::{Body, Facts, Mask, Scale, TransformerSizes};

use super::settled::either;
use crate::args::{ImportArgs, MaskArg};
use crate::output::Failure;

/// A way of reading.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Variant {
    pub(super) activation: String,
    /// none of a multilayer perceptron
    pub(super) attention: Option<Attention>,
}

/// A way of reading the attention of a transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Attention {
    pub(super) scale: Scale,
    pub(super) heads: usize,
    pub(super) d_head: usize,
    pub(super) mask: Mask,
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
    let asked = args.activation.map(|a| a.name().to_owned());
    let activation = either(
        notes,
        "the activation",
        &asked,
        &facts.activation,
        "--activation",
    );
    let neurons = !matches!(&facts.body, Body::Transformer(sizes) if sizes.d_mlp.is_none());
    let activations = match activation {
        Some(settled) => vec![settled],
        None if neurons => vec!["relu".to_owned(), "gelu".to_owned()],
        // There is nothing to be activated.
        None => vec!["relu".to_owned()],
    };
    let attention: Vec<Option<Attention>> = match &facts.body {
        Body::Transformer(sizes) => {
            let all = attentions(args, facts, sizes, notes)?.into_iter();
            all.map(Some).collect()
        }
        Body::Mlp(_) => {
            let flags = [
                ("--attention-scale", args.attention_scale.is_some()),
                ("--mask", args.mask.is_some()),
                ("--normalization", args.normalization.is_some()),
            ];
            if let Some((flag, _)) = flags.iter().find(|(_, given)| *given) {
                return Err(Failure::request(format!(
                    "{flag} does not fit the file: it is of {} layout, a multilayer perceptron; expected no {flag}",
                    facts.layout
                )));
            }
            vec![None]
        }
    };
    let mut all = Vec::new();
    for attention in attention {
        all.extend(activations.iter().map(|activation| Variant {
            activation: activation.clone(),
            attention,
        }));
    }
    Ok(all)
}

/// Returns all ways of reading the attention, the published one first.
fn attentions(
    args: &ImportArgs,
    facts: &Facts,
    sizes: &TransformerSizes,
    notes: &mut Vec<String>,
) -> Result<Vec<Attention>, Failure> {
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
    let width = sizes.heads * sizes.d_head;
    let heads = if facts.heads_known {
        vec![sizes.heads]
    } else {
        let others = [1, 2, 4, 8, 16].into_iter();
        let others = others.filter(|h| *h != sizes.heads && width.is_multiple_of(*h));
        std::iter::once(sizes.heads).chain(others).collect()
    };
    let masks = masks(args, facts, sizes, notes)?;
    let mut all = Vec::new();
    for heads in heads {
        for mask in &masks {
            all.extend(scales.iter().map(|scale| Attention {
                scale: *scale,
                heads,
                d_head: width / heads.max(1),
                mask: *mask,
            }));
        }
    }
    Ok(all)
}

/// Returns the masks that fit. The last position sees all in either, so that only a deeper model
/// shows which it is.
fn masks(
    args: &ImportArgs,
    facts: &Facts,
    sizes: &TransformerSizes,
    notes: &mut Vec<String>,
) -> Result<Vec<Mask>, Failure> {
    let asked = args.mask.map(|mask| match mask {
        MaskArg::Causal => ShownMask(Mask::Causal),
        MaskArg::None => ShownMask(Mask::None),
    });
    let stated = either(
        notes,
        "that the mask is",
        &asked,
        &facts.mask.map(ShownMask),
        "--mask",
    );
    let stated = stated.map(|ShownMask(mask)| mask);
    let uncertain = match (stated, sizes.separator) {
        (Some(Mask::Causal), false) if sizes.layers > 1 => true,
        (None, false) => sizes.layers > 1,
        _ => false,
    };
    if uncertain {
        return Err(Failure::request(format!(
            "its model has no '=' and {} layers, and {} its first position would not see the second one, which the model here does not have; expected one whose positions see each other (--mask none)",
            sizes.layers,
            if stated.is_some() {
                "with a causal mask"
            } else {
                "with TransformerLens's mask, which the file may have,"
            }
        )));
    }
    Ok(match stated {
        // One layer without '=': the last position sees both operands under either mask.
        _ if !sizes.separator => vec![Mask::None],
        Some(mask) => vec![mask],
        None if sizes.layers == 1 => vec![Mask::Causal],
        None => vec![Mask::Causal, Mask::None],
    })
}

impl Variant {
    /// Returns the factor of the queries, with the scale that makes it necessary.
    pub(super) fn queries(&self) -> Option<(f64, Scale)> {
        let attention = self.attention?;
        let factor = attention.scale.of_queries(attention.d_head);
        (attention.scale != Scale::Root).then_some((factor, attention.scale))
    }

    /// Returns the heads to read the file with, where they are a question.
    pub(super) fn heads(&self) -> Option<usize> {
        Some(self.attention?.heads)
    }

    /// Returns the settings in which `all` differ: the name, the value here, and the flag.
    fn differences(&self, all: &[Variant]) -> Vec<(&'static str, String, &'static str)> {
        let differs = |same: &dyn Fn(&Variant) -> bool| !all.iter().all(same);
        let mut found = Vec::new();
        if differs(&|other| other.activation == self.activation) {
            found.push(("the activation", self.activation.clone(), "--activation"));
        }
        let Some(attention) = self.attention else {
            return found;
        };
        let same = |same: &dyn Fn(&Attention) -> bool| {
            all.iter()
                .filter_map(|other| other.attention.as_ref())
                .all(same)
        };
        if !same(&|other| other.scale == attention.scale) {
            let words = match attention.scale {
                Scale::By(1.0) => "attention scores not divided".to_owned(),
                scale => format!("attention scores divided by {}", Shown(scale)),
            };
            found.push(("the scale of attention scores", words, "--attention-scale"));
        }
        if !same(&|other| other.mask == attention.mask) {
            let words = match attention.mask {
                Mask::Causal => "a causal mask".to_owned(),
                Mask::None => "no mask".to_owned(),
            };
            found.push(("the mask", words, "--mask"));
        }
        if !same(&|other| other.heads == attention.heads) {
            let words = match attention.heads {
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

/// Formats a mask as in a spec.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ShownMask(Mask);

impl std::fmt::Display for ShownMask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.0 {
            Mask::Causal => "causal",
            Mask::None => "none",
        })
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
