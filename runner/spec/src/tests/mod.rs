//! Tests the crate as its users see it: texts in, plans or reports out.

mod axes;
mod catalog;
mod changes;
mod claims;
mod garbage;
mod models;
mod overrides;
mod plans;
mod ranges;
mod reports;
mod schema;
mod shipped;
mod tasks;

use std::path::{Path, PathBuf};

use crate::{Catalog, Diagnostics, Plan, load};

/// The smallest spec.
const SMALLEST: &str = r#"
operation = "mul"
modulus = 113
fraction = 0.3
seeds = { data = 598, model = 999 }
"#;

/// Loads `text` as `x.toml`, with these overrides and without analyses.
fn load_with(text: &str, overrides: &[&str]) -> Result<Plan, Diagnostics> {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    load(text, Path::new("x.toml"), &overrides, &Catalog::empty())
}

/// Returns the plan of [`SMALLEST`] with these overrides.
fn plan_with(overrides: &[&str]) -> Plan {
    good(load_with(SMALLEST, overrides))
}

fn good(loaded: Result<Plan, Diagnostics>) -> Plan {
    loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Returns the messages of a spec with mistakes.
fn messages(loaded: Result<Plan, Diagnostics>) -> Vec<String> {
    let mistakes = loaded.expect_err("the spec has mistakes");
    mistakes
        .iter()
        .map(|mistake| mistake.message.to_owned())
        .collect()
}

/// Returns the path of a file of the repository, given from its root.
fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path)
}

/// Returns whether the tests write the files that they would otherwise compare with.
fn updating() -> bool {
    std::env::var_os("GROKRUN_UPDATE").is_some()
}

const HOW_TO_UPDATE: &str =
    "if this is what you want: GROKRUN_UPDATE=1 cargo test --release -p grokrun-spec";
