//! Holds the specs that are in the program, so that an installed one has them anywhere, and runs
//! `grokrun specs`, which lists them.

use std::path::Path;
use std::process::ExitCode;

use crate::args::SpecsArgs;
use crate::output::{Failure, print, table};

/// The name and the text of each file of `specs/`, in the order of their names.
const SHIPPED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// Returns the name and the text of the shipped spec that a path stands for: `mult59`,
/// `mult59.toml` or `specs/mult59.toml`.
pub(crate) fn find(path: &Path) -> Option<(&'static str, &'static str)> {
    let path = path.to_str()?.replace('\\', "/");
    let name = path.strip_prefix("specs/").unwrap_or(&path);
    let name = name.strip_suffix(".toml").unwrap_or(name);
    let named = |shipped: &&(&str, &str)| shipped.0 == name;
    SHIPPED.iter().find(named).copied()
}

/// Returns the names of the shipped specs.
pub(crate) fn all_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// Returns the names of the shipped specs, for a message.
pub(crate) fn names() -> String {
    let names: Vec<&str> = all_names().collect();
    names.join(", ")
}

/// Returns the text of the shipped spec of this name.
///
/// # Errors
/// If there is none.
pub(crate) fn named(name: &str) -> Result<&'static str, Failure> {
    find(Path::new(name)).map(|(_, text)| text).ok_or_else(|| {
        Failure::request(format!(
            "there is no shipped spec {name:?}; expected one of {}",
            names()
        ))
    })
}

/// Runs the command: lists the shipped specs, or prints one.
///
/// # Errors
/// If there is none of this name, or standard output cannot be written.
pub(crate) fn specs(args: &SpecsArgs) -> Result<ExitCode, Failure> {
    let Some(name) = &args.name else {
        let row = |(name, text): &(&str, &str)| vec![(*name).to_owned(), summary(text)];
        let rows: Vec<Vec<String>> = SHIPPED.iter().map(row).collect();
        print(&table(&rows))?;
        return Ok(ExitCode::SUCCESS);
    };
    print(named(name)?)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the first sentence of the comment at the head of a spec.
fn summary(text: &str) -> String {
    let comment = text.lines().take_while(|line| line.starts_with('#'));
    let prose = comment.filter(|line| !line.starts_with("#:"));
    let words: Vec<&str> = prose
        .map(|line| line.trim_start_matches('#').trim())
        .skip_while(|line| line.is_empty())
        .take_while(|line| !line.is_empty())
        .collect();
    let words = words.join(" ");
    // "et al. 2023" ends no sentence.
    let ends = |at: &usize| words[at + 2..].starts_with(char::is_uppercase);
    let end = words.match_indices(". ").map(|(at, _)| at).find(ends);
    let end = end.unwrap_or(words.trim_end_matches('.').len());
    words[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spec_of_the_checkout_is_shipped_whole() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            files += 1;
            let name = path.file_name().unwrap();
            let shipped = find(&Path::new("specs").join(name));
            let text = std::fs::read_to_string(&path).unwrap();
            assert_eq!(
                shipped.map(|(_, text)| text),
                Some(text.as_str()),
                "{}",
                path.display()
            );
        }
        assert_eq!(files, SHIPPED.len());
    }

    #[test]
    fn a_path_of_another_folder_is_no_shipped_spec() {
        for path in ["mult59", "mult59.toml", "specs/mult59.toml", "specs/mult59"] {
            assert_eq!(
                find(Path::new(path)).map(|(name, _)| name),
                Some("mult59"),
                "{path}"
            );
        }
        for path in [
            "mult60",
            "mine/mult59.toml",
            "./mult59.toml",
            "/specs/mult59.toml",
            "",
        ] {
            assert_eq!(find(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn no_shipped_spec_has_the_name_of_a_command() {
        use clap::Subcommand;

        for (name, _) in SHIPPED {
            assert!(!crate::args::Command::has_subcommand(name), "{name}");
        }
    }

    #[test]
    fn every_shipped_spec_has_a_summary() {
        for (name, text) in SHIPPED {
            let summary = summary(text);
            assert!(
                summary.len() > 20 && !summary.contains('\n'),
                "{name}: {summary:?}"
            );
        }
    }
}
