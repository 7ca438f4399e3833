//! Opens what is to be imported, with all that the command line tells of it.

use std::io::Read as _;
use std::path::Path;

use grokrun_exchange::{Body, Facts, Foreign, Model, Norm, Pattern, Stated};
use serde_json::Value;

use super::variant::Variant;
use crate::args::{ImportArgs, NormalizationArg};
use crate::output::Failure;

/// Opens the file or folder of checkpoints that is to be imported.
pub(super) fn open(args: &ImportArgs, heads: Option<usize>) -> Result<Foreign, Failure> {
    let stated = Stated {
        heads,
        rate: args.attention_rate,
        plain_norm: args.normalization == Some(NormalizationArg::LnPre),
        config: args.config.as_deref().map(settings).transpose()?,
    };
    let pattern = args.pattern.as_deref().map(Pattern::new).transpose()?;
    if args.file.is_dir() {
        return Ok(Foreign::open_folder_with(
            &args.file,
            pattern.as_ref(),
            &stated,
        )?);
    }
    if pattern.is_some() {
        return Err(Failure::request(format!(
            "--pattern is for a folder of checkpoints; {} is none",
            args.file.display()
        )));
    }
    Ok(Foreign::open_with(&args.file, &stated)?)
}

/// The longest file of settings that is read, in bytes.
const LONGEST_SETTINGS: u64 = 1 << 20;

/// Reads a file of settings.
fn settings(path: &Path) -> Result<Value, Failure> {
    let refused = |why: &str| {
        Failure::request(format!(
            "{}: {why}; expected a JSON file with the model's settings (--config)",
            path.display()
        ))
    };
    let file = std::fs::File::open(path)
        .map_err(|error| refused(&format!("it cannot be read: {error}")))?;
    let mut text = String::new();
    file.take(LONGEST_SETTINGS + 1)
        .read_to_string(&mut text)
        .map_err(|error| refused(&format!("it cannot be read: {error}")))?;
    if text.len() as u64 > LONGEST_SETTINGS {
        return Err(refused("it has more than 1 MiB"));
    }
    serde_json::from_str(&text).map_err(|error| refused(&format!("it is no JSON: {error}")))
}

/// Returns the number of heads with which the file was read.
pub(super) fn facts_heads(facts: &Facts) -> Option<usize> {
    match &facts.body {
        Body::Transformer(sizes) => Some(sizes.heads),
        Body::Mlp(_) => None,
    }
}

/// Returns the note on a layer norm whose weight and bias are folded into what follows.
pub(super) fn norm_note(facts: &Facts) -> Option<String> {
    let Body::Transformer(sizes) = &facts.body else {
        return None;
    };
    (sizes.norm == Norm::PrePlain).then(|| {
        "its layer norms have no weight and no bias (LNPre): here they are 1 and 0, which comes to the same, and an export has them".to_owned()
    })
}

/// Reads a checkpoint and scales its queries for the variant.
pub(super) fn read(
    foreign: &mut Foreign,
    index: usize,
    variant: &Variant,
) -> Result<Model, Failure> {
    let mut model = foreign.model(index)?;
    if let Some((factor, _)) = variant.queries() {
        model.scale_queries(factor);
    }
    Ok(model)
}
