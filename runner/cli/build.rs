//! Puts files of the checkout into the program: the plugins that the root manifest depends on, and
//! the shipped specs.
//!
//! Rustc links a library only if something names it, and an analysis registers itself only if it is
//! linked: `linked.rs` names each of them. `shipped.rs` lists the specs with their texts.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rerun-if-changed=runner/cli/build.rs");
    println!("cargo::rerun-if-changed=specs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let uses: String = manifest
        .lines()
        .filter_map(plugin)
        .map(|name| format!("use {} as _;\n", name.replace('-', "_")))
        .collect();
    fs::write(out.join("linked.rs"), uses)?;
    fs::write(out.join("shipped.rs"), shipped(&root.join("specs"))?)?;
    Ok(())
}

/// Returns the name in a line `name = { path = "plugins/…" }`.
fn plugin(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('=')?;
    rest.contains("path = \"plugins/").then_some(name.trim())
}

/// Returns a constant expression: the names of all specs in a folder, each with its text.
fn shipped(folder: &Path) -> io::Result<String> {
    let mut specs = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            specs.push((name, path));
        }
    }
    specs.sort();
    let pair = |(name, path): &(String, PathBuf)| format!("({name:?}, include_str!({path:?})),\n");
    Ok(format!(
        "&[\n{}]\n",
        specs.iter().map(pair).collect::<String>()
    ))
}
