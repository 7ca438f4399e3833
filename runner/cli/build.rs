//! Names every plugin that the root manifest depends on: rustc links a library only if something
//! names it, and an analysis registers itself only if it is linked.

use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=runner/cli/build.rs");
    let manifest =
        fs::read_to_string(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("Cargo.toml"))?;
    let uses: String = manifest
        .lines()
        .filter_map(plugin)
        .map(|name| format!("use {} as _;\n", name.replace('-', "_")))
        .collect();
    fs::write(Path::new(&env::var("OUT_DIR")?).join("linked.rs"), uses)?;
    Ok(())
}

/// The name in a line `name = { path = "plugins/…" }`.
fn plugin(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('=')?;
    rest.contains("path = \"plugins/").then_some(name.trim())
}
