//! Finds out whether a new plugin can have a name: its package, its crate and its analysis are
//! named alike, so each name must be free.

use std::fs;
use std::path::Path;

use grokrun_api::Registration;
use grokrun_host::{crate_name, packages};

/// The words of Rust, in use or reserved, that a name in kebab-case can be.
const KEYWORDS: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "self", "static", "struct", "super", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

/// The keywords of Python that a name in kebab-case can be, and the modules that a test of an
/// analysis imports.
const PYTHON: &[&str] = &[
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "class",
    "continue",
    "dataclasses",
    "def",
    "del",
    "elif",
    "else",
    "except",
    "finally",
    "for",
    "from",
    "global",
    "grokrun",
    "if",
    "import",
    "in",
    "is",
    "lambda",
    "nonlocal",
    "not",
    "numpy",
    "or",
    "pass",
    "pytest",
    "raise",
    "return",
    "try",
    "while",
    "with",
    "yield",
];

/// Crates that come with Rust.
const WITH_RUST: &[&str] = &["alloc", "core", "proc_macro", "std", "test"];

/// Names that Windows reserves for devices: a checkout there would fail.
const DEVICES: &[&str] = &["aux", "con", "nul", "prn"];

/// Returns why this name is taken in this checkout; none if it is free.
pub(super) fn taken(name: &str, checkout: &Path) -> Option<String> {
    let own = crate_name(name);
    let same = |other: &String| crate_name(other) == own;
    let device = |stem: &str| {
        let number = name.strip_prefix(stem);
        number.is_some_and(|n| n.len() == 1 && n != "0" && n.chars().all(|c| c.is_ascii_digit()))
    };
    if KEYWORDS.contains(&own.as_str()) {
        Some("it is a keyword of Rust".to_owned())
    } else if WITH_RUST.contains(&own.as_str()) {
        Some("a crate that comes with Rust has it".to_owned())
    } else if own == "grokrun" || own.starts_with("grokrun_") {
        Some("the packages of this program are named so".to_owned())
    } else if DEVICES.contains(&name) || device("com") || device("lpt") {
        Some("no file can have it on Windows".to_owned())
    } else if let Some(package) = packages(&checkout.join("plugins")).into_iter().find(same) {
        Some(format!("the package {package} in plugins/ has it"))
    } else if let Some(package) = locked(checkout).into_iter().find(same) {
        Some(format!("the package {package} of Cargo.lock has it"))
    } else {
        linked(name)
    }
}

/// Returns why an analysis in Python can neither have this name nor its file the same; none if it
/// is free.
pub(super) fn taken_in_python(name: &str) -> Option<String> {
    if PYTHON.contains(&name) {
        return Some("no module of Python can have it".to_owned());
    }
    linked(name)
}

fn linked(name: &str) -> Option<String> {
    let mut linked = Registration::linked().into_iter();
    let found = linked.find(|registration| registration.manifest().name == name)?;
    let package = found.package();
    Some(format!("an analysis of {package} has it already"))
}

/// Returns the packages of the workspace and everything that it depends on.
fn locked(checkout: &Path) -> Vec<String> {
    let lock = fs::read_to_string(checkout.join("Cargo.lock")).unwrap_or_default();
    let name = |line: &str| {
        let name = line.strip_prefix("name = \"")?.strip_suffix('"')?;
        Some(name.to_owned())
    };
    lock.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_workspace_and_of_rust_are_taken() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
        for name in [
            "grokrun",
            "grokrun-api",
            "serde",
            "serde-json",
            "commutativity",
            "fn",
            "self",
            "std",
            "proc-macro",
            "test",
            "con",
            "com7",
        ] {
            assert!(taken(name, checkout).is_some(), "{name}");
        }
        for name in ["weight-norms", "com", "com10", "command", "config", "task"] {
            assert_eq!(taken(name, checkout), None, "{name}");
        }
    }
}
