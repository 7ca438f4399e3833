//! Writes an analysis in Python: the file and its test.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::output::{Failure, print};

const ANALYSIS: &str = include_str!("analysis.py.txt");
const TEST: &str = include_str!("test_analysis.py.txt");

/// Writes both files into this folder.
///
/// # Errors
/// If one of them is there already, or cannot be written.
pub(super) fn write(name: &str) -> Result<ExitCode, Failure> {
    // A module's name has no dashes.
    let stem = name.replace('-', "_");
    let files = [
        (format!("{stem}.py"), ANALYSIS),
        (format!("test_{stem}.py"), TEST),
    ];
    if let Some((file, _)) = files.iter().find(|(file, _)| Path::new(file).exists()) {
        return Err(Failure::request(format!(
            "{file} is there already; expected another name"
        )));
    }
    for (file, text) in &files {
        let text = text.replace("NAME", name).replace("FILE", &stem);
        fs::write(file, text)
            .map_err(|error| Failure::running(format!("{file} cannot be written: {error}")))?;
    }
    print(&format!(
        "{stem}.py\n\ntest it     pytest test_{stem}.py, where the package grokrun is installed\nuse it      [analysis.{name}] with python = \"{stem}.py\" in a spec\n            --plugin {stem}.py --only {name} after grokrun analyze RUN\n"
    ))?;
    Ok(ExitCode::SUCCESS)
}
