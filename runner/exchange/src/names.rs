//! Finds the names of tensors under those of the modules that hold the model: `module.embed.W_E` of
//! `DataParallel`, `_orig_mod.embed.W_E` of `torch.compile`, `model.embed.W_E` of a trainer.

use std::collections::BTreeSet;

use crate::ExchangeError;
use crate::error::refuse;
use crate::shown::{shown, some};

/// Modules that wrap another and are not a part of a model, wherever they are in a name.
const WRAPPERS: [&str; 5] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_original_component",
];

/// The beginnings of the names of a transformer's tensors.
const ROOTS: [&str; 5] = ["embed", "pos_embed", "blocks", "ln_final", "unembed"];

/// Returns the name of a tensor in the model itself.
fn bare(name: &str) -> String {
    let parts: Vec<&str> = name
        .split('.')
        .filter(|part| !WRAPPERS.contains(part))
        .collect();
    let root = parts
        .iter()
        .position(|part| ROOTS.contains(part))
        .unwrap_or(0);
    parts[root..].join(".")
}

/// Returns what was removed from `name` to get its bare form.
fn taken(name: &str, bare: &str) -> String {
    match name.strip_suffix(bare) {
        Some(prefix) => prefix.to_owned(),
        None => {
            let parts = name.split('.').filter(|part| WRAPPERS.contains(part));
            parts.map(|part| format!("{part}.")).collect()
        }
    }
}

/// Removes wrappers from names; `rename` receives each name with its bare form, and what was
/// removed is added to `prefixes`, an empty text for a name without wrappers.
///
/// # Errors
/// If two tensors would have one name: both names.
pub(crate) fn unwrap<'n>(
    names: impl Iterator<Item = &'n str>,
    prefixes: &mut BTreeSet<String>,
) -> Result<Vec<String>, ExchangeError> {
    let names: Vec<&str> = names.collect();
    let bare: Vec<String> = names.iter().map(|name| bare(name)).collect();
    let mut order: Vec<usize> = (0..names.len()).collect();
    order.sort_unstable_by_key(|i| &bare[*i]);
    if let Some(pair) = order.windows(2).find(|pair| bare[pair[0]] == bare[pair[1]]) {
        return refuse(format!(
            "its tensors {} and {} are both {} of a model; expected one model",
            shown(names[pair[0]]),
            shown(names[pair[1]]),
            shown(&bare[pair[0]])
        ));
    }
    prefixes.extend(
        names
            .iter()
            .zip(&bare)
            .map(|(name, bare)| taken(name, bare)),
    );
    Ok(bare)
}

/// Returns the note on the prefixes that were removed; none if there were none.
pub(crate) fn note(prefixes: &BTreeSet<String>) -> Option<String> {
    let some_bare = prefixes.contains("");
    let named = prefixes
        .iter()
        .map(String::as_str)
        .filter(|p| !p.is_empty());
    let named = some(named);
    (!named.is_empty()).then(|| {
        format!(
            "names of tensors are read without {named}{}",
            if some_bare { " (some have none)" } else { "" }
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_taken_off_wherever_they_stand() {
        for (name, want) in [
            ("embed.W_E", "embed.W_E"),
            ("module.embed.W_E", "embed.W_E"),
            ("_orig_mod.module.blocks.0.attn.W_Q", "blocks.0.attn.W_Q"),
            ("model.unembed.W_U", "unembed.W_U"),
            ("model.net.pos_embed.W_pos", "pos_embed.W_pos"),
            ("blocks.0._orig_mod.mlp.W_in", "blocks.0.mlp.W_in"),
            (
                "blocks.0.attn.q._original_component.weight",
                "blocks.0.attn.q.weight",
            ),
            ("ln_final.w", "ln_final.w"),
            ("", ""),
        ] {
            assert_eq!(bare(name), want, "{name}");
        }
    }

    #[test]
    fn a_mixture_is_said_and_two_models_are_refused() {
        let mut prefixes = BTreeSet::new();
        let names = [
            "module.embed.W_E",
            "unembed.W_U",
            "blocks.0.module.mlp.W_in",
        ];
        let bare = unwrap(names.into_iter(), &mut prefixes).unwrap();
        assert_eq!(bare, ["embed.W_E", "unembed.W_U", "blocks.0.mlp.W_in"]);
        let said = note(&prefixes).unwrap();
        assert!(
            said.contains("without module.") && said.contains("some have none"),
            "{said}"
        );
        assert_eq!(note(&BTreeSet::from([String::new()])), None);
        let two = ["teacher.embed.W_E", "student.embed.W_E"];
        let error = unwrap(two.into_iter(), &mut prefixes)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("teacher.embed.W_E and student.embed.W_E"),
            "{error}"
        );
    }
}
