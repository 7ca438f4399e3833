//! The files of a run that belong to no cell: `spec.toml`, `resolved.toml` and `summary.json`. Each
//! says of which run it is, by the run's fingerprint, and one of another run is refused.
//!
//! Knows nothing of what a spec means, nor of who may write.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::manifest::Manifest;
use super::{RESOLVED, SPEC, SUMMARY};
use crate::summary::CellSummary;
use crate::{StoreError, Summary, atomic, owner, regular, seal};

/// Of `spec.toml` and `resolved.toml`.
const WRITTEN: &str =
    "`grokrun SPEC` writes it again (an imported run: import it again with --force)";
/// Of `summary.json`.
const MADE: &str = "`grokrun SPEC` makes it again from the cells (an imported run: import it again \
                    with --force)";

/// Puts a spec's text into a run's folder, unless it is there already.
pub(super) fn write_spec(
    run: &Path,
    name: &str,
    text: &str,
    fingerprint: &str,
) -> Result<(), StoreError> {
    let path = run.join(name);
    let sealed = seal::to_toml(text, fingerprint);
    // An older grokrun wrote it without a digest.
    if regular::read(&path).is_ok_and(|old| old == sealed || old == text.as_bytes()) {
        return Ok(());
    }
    atomic::write(&path, &sealed)
}

/// The text of `spec.toml` or `resolved.toml` in a run's folder.
pub(crate) fn read_spec(run: &Path, name: &str) -> Result<String, StoreError> {
    debug_assert!([SPEC, RESOLVED].contains(&name));
    let text = read(run, name, WRITTEN, seal::from_toml)?;
    text.ok_or_else(|| {
        let missing = io::ErrorKind::NotFound.into();
        StoreError::io("cannot read", &run.join(name), &missing)
    })
}

/// A cell of a summary; the first one has the fingerprint of the run beside it.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'a str>,
    #[serde(flatten)]
    cell: &'a CellSummary,
}

/// Puts the summary into a run's folder.
pub(super) fn write_summary(
    run: &Path,
    summary: &Summary,
    fingerprint: &str,
) -> Result<(), StoreError> {
    let mut first = Some(fingerprint);
    let lines = summary.cells.iter().map(|cell| Line {
        fingerprint: first.take(),
        cell,
    });
    let lines: Vec<Line<'_>> = lines.collect();
    crate::cell::write_json(&run.join(SUMMARY), &lines)
}

/// The `summary.json` in a run's folder; `None` if it was not written yet.
pub(crate) fn read_summary(run: &Path) -> Result<Option<Summary>, StoreError> {
    read(run, SUMMARY, MADE, decode_summary)
}

/// The summary, whichever run it says it is of; none where it is missing or damaged.
pub(super) fn any_summary(run: &Path) -> Option<Summary> {
    let file = regular::read(&run.join(SUMMARY)).ok()?;
    decode_summary(file).ok().map(|(summary, _)| summary)
}

fn decode_summary(file: Vec<u8>) -> Result<(Summary, Option<String>), String> {
    let json = seal::from_json(&file)?;
    let fingerprint = json[0]["fingerprint"].as_str().map(str::to_owned);
    if fingerprint.is_some() && !seal::is_sealed_json(&file) {
        return Err(seal::GONE.to_owned());
    }
    let summary = serde_json::from_value(json).map_err(|error| error.to_string())?;
    Ok((summary, fingerprint))
}

/// Reads a file and makes sure that it is of this run; `None` if it is not there. `decode` gives
/// what is in it, and the fingerprint of its run, if it says so: one of an older grokrun does not.
fn read<T>(
    run: &Path,
    name: &str,
    remedy: &str,
    decode: impl Fn(Vec<u8>) -> Result<(T, Option<String>), String>,
) -> Result<Option<T>, StoreError> {
    let path = run.join(name);
    let mut last = false;
    loop {
        let file = match regular::read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("cannot read", &path, &error)),
        };
        let (content, of) = decode(file).map_err(|why| StoreError::altered(&path, why, remedy))?;
        let (Some(of), Some(manifest)) = (of, Manifest::read(run)?) else {
            return Ok(Some(content));
        };
        // While the folder becomes another run's, its files may be of either.
        if manifest.is_in_between() || manifest.fingerprint() == of {
            return Ok(Some(content));
        }
        if last {
            let why = format!(
                "it is of another run (fingerprint {}…; run.json says {}…)",
                owner::short(&of),
                owner::short(manifest.fingerprint())
            );
            let remedy = format!("{remedy}; if run.json is the other run's, put its own back");
            return Err(StoreError::misplaced(&path, why, &remedy));
        }
        // Another process may have made the run longer between the two files.
        last = true;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::{ErrorKind, Metrics};

    const RUNS: [&str; 2] = ["one", "two"];

    /// Two runs of one cell each, of the same name.
    fn runs() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (fingerprint, epochs) in RUNS.into_iter().zip(1..) {
            let run = folder.path().join(fingerprint);
            fs::create_dir(&run).unwrap();
            Manifest::new("r", fingerprint).write(&run).unwrap();
            write_spec(&run, SPEC, &format!("p = {epochs}\n"), fingerprint).unwrap();
            write_spec(&run, RESOLVED, &format!("p = {epochs}\nq = 1"), fingerprint).unwrap();
            let cell = CellSummary {
                epochs,
                ..CellSummary::new("c", "finished", &Metrics::default())
            };
            let cells = vec![
                cell.clone(),
                CellSummary {
                    cell: "d".into(),
                    ..cell
                },
            ];
            write_summary(&run, &Summary { cells }, fingerprint).unwrap();
        }
        folder
    }

    fn found(run: &Path) -> [Result<String, StoreError>; 3] {
        [
            read_spec(run, SPEC),
            read_spec(run, RESOLVED),
            read_summary(run).map(|summary| format!("{:?}", summary.unwrap().cells[0].epochs)),
        ]
    }

    #[test]
    fn files_of_another_run_are_named_and_those_that_do_not_say_are_read() {
        let folder = runs();
        let [one, two] = RUNS.map(|run| folder.path().join(run));
        let names = [SPEC, RESOLVED, SUMMARY];
        for (at, name) in names.iter().enumerate() {
            let own = fs::read(one.join(name)).unwrap();
            fs::copy(two.join(name), one.join(name)).unwrap();
            for (file, found) in names.iter().zip(found(&one)) {
                assert_eq!(found.is_err(), file == name, "{file}");
            }
            let error = found(&one).into_iter().nth(at).unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Altered);
            let text = error.to_string();
            for words in [
                *name,
                "another run",
                "fingerprint two…",
                "run.json says one…",
            ] {
                assert!(text.contains(words), "{text}");
            }
            // While the folder becomes the other's, both are right.
            Manifest::new("r", "one")
                .lengthening("three")
                .write(&one)
                .unwrap();
            assert!(found(&one).iter().all(Result::is_ok));
            Manifest::new("r", "one").write(&one).unwrap();
            fs::write(one.join(name), own).unwrap();
        }
        // Of the manifest's run all the others are not.
        fs::copy(two.join("run.json"), one.join("run.json")).unwrap();
        assert!(found(&one).iter().all(Result::is_err));
    }

    #[test]
    fn a_summary_says_whose_it_is_in_its_first_cell_and_keeps_the_rest() {
        let folder = runs();
        let run = folder.path().join("one");
        let text = fs::read(run.join(SUMMARY)).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(json[0]["fingerprint"], "one");
        assert!(json[1].get("fingerprint").is_none() && json[1]["cell"] == "d");
        assert_eq!(any_summary(&run), read_summary(&run).unwrap());
        // Without its digest it is not what was written.
        let cut = String::from_utf8(text).unwrap();
        let cut: String = cut
            .lines()
            .filter(|line| !line.contains("blake3"))
            .collect();
        fs::write(run.join(SUMMARY), &cut).unwrap();
        let error = read_summary(&run).unwrap_err().to_string();
        assert!(error.contains("its digest is gone"), "{error}");
        // Without either it is one of an older grokrun.
        let older = cut.replace("\"fingerprint\": \"one\",", "");
        fs::write(run.join(SUMMARY), older).unwrap();
        assert_eq!(read_summary(&run).unwrap().unwrap().cells.len(), 2);
    }
}
