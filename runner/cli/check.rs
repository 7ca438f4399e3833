//! Runs `grokrun check SPEC`: validates, and prints what a run would do and cost.

use std::process::ExitCode;

use console::Term;
use grokrun_engine::Choice;
use grokrun_session::{Analyses, CellSize, Preview, Survey, Time, size_in_words};
use grokrun_spec::{Cell, Compression, Plan, Precision};
use serde_json::{Value, json};

use crate::args::CheckArgs;
use crate::list::age_in_words;
use crate::output::{Failure, print, say, table, wrapped};
use crate::progress::duration;
use crate::spec;

/// The most cells that are listed.
const LISTED: usize = 12;

/// Runs the command.
///
/// # Errors
/// If the spec is wrong or does not fit the machine, or the device fails.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let (spec, registry) = spec::read(&args.spec)?;
    spec.announce();
    let plan = &spec.plan;
    let analyses = Analyses::new(&registry, &plan.analyses);
    let survey = Survey::quick(plan)?;
    let choice = survey.device(spec::choice(&args.spec)?)?;
    let preview = Preview::new(plan, &survey, &choice, &analyses, args.calibrate)?;

    for note in &preview.notes {
        let note = format!("note: {note}");
        match columns(&Term::stderr()) {
            Some(columns) => wrapped(&note, columns).into_iter().for_each(say),
            None => say(note),
        }
    }
    if args.json {
        print(&format!("{:#}\n", json(plan, &survey, &choice, &preview)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let heading = [
        "cell",
        "operation",
        "train pairs",
        "test pairs",
        "parameters",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for (cell, size) in plan.cells.iter().zip(&survey.cells).take(LISTED) {
        rows.push(vec![
            cell.id.clone(),
            match cell.operation.size() {
                Some(_) => cell.operation.notation(),
                None => format!("{} (mod {})", cell.operation.notation(), cell.modulus),
            },
            size.train.to_string(),
            size.test.to_string(),
            size.needs.parameters.to_string(),
        ]);
    }
    let mut out = format!("{}: the spec is valid\n\n{}", plan.name, table(&rows));
    if plan.cells.len() > LISTED {
        out.push_str(&format!("… and {} more cells\n", plan.cells.len() - LISTED));
    }
    let device_memory = match preview.device_bytes {
        0 => String::new(),
        bytes => format!(", {} on the device", size_in_words(bytes)),
    };
    out.push('\n');
    let mut lines = vec![
        line("cells", plan.cells.len().to_string()),
        line("batches", preview.batches.len().to_string()),
        line("epochs", plan.epochs.to_string()),
    ];
    if !plan.claims.is_empty() {
        lines.push(line("claims", plan.claims.len().to_string()));
    }
    lines.extend([
        line("device", choice.to_string()),
        line(
            "memory",
            format!("{}{device_memory}", size_in_words(preview.host_bytes)),
        ),
        line("disk", disk(plan, preview.disk_bytes)),
        line("time", time(&preview.time)),
        line("", basis(&preview)),
    ]);
    if let Some(columns) = columns(&Term::stdout()) {
        lines = lines.into_iter().flat_map(|l| broken(l, columns)).collect();
    }
    out.push_str(&table(&lines));
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// Returns the width of a terminal; none of a file or a pipe, whose lines stay whole.
fn columns(term: &Term) -> Option<usize> {
    Some(usize::from(term.size_checked()?.1))
}

/// Breaks the value of a line into lines that fit the terminal beside their name.
fn broken(line: Vec<String>, columns: usize) -> Vec<Vec<String>> {
    let [name, value] = line.as_slice() else {
        return vec![line];
    };
    // The longest name, and the space after it.
    let width = columns.saturating_sub("batches  ".len()).max(1);
    let parts = wrapped(value, width).into_iter().enumerate();
    parts
        .map(|(i, part)| vec![if i == 0 { name.clone() } else { String::new() }, part])
        .collect()
}

/// Describes the cells and what the run would take: bytes and seconds.
fn json(plan: &Plan, survey: &Survey, choice: &Choice, preview: &Preview) -> Value {
    let cell = |(cell, size): (&Cell, &CellSize)| {
        json!({
            "cell": cell.id,
            "operation": cell.operation.notation(),
            "modulus": cell.modulus,
            "train_pairs": size.train,
            "test_pairs": size.test,
            "trained_parameters": size.needs.parameters,
        })
    };
    let time = &preview.time;
    json!({
        "name": plan.name,
        "cells": plan.cells.iter().zip(&survey.cells).map(cell).collect::<Vec<_>>(),
        "batches": preview.batches.len(),
        "epochs": plan.epochs,
        "claims": plan.claims.len(),
        "device": choice.to_string(),
        "memory_bytes": preview.host_bytes,
        "device_bytes": preview.device_bytes,
        "disk_bytes": preview.disk_bytes,
        "seconds": time.seconds,
        "core_seconds": time.cores,
        "seconds_per_epoch": time.epochs,
        "notes": preview.notes,
    })
}

/// Says the size on disk, and how the checkpoints are stored if not by default.
fn disk(plan: &Plan, bytes: u64) -> String {
    let lossy = match plan.checkpoints.precision {
        Precision::F32 => "",
        Precision::F16 => " (checkpoints in f16: lossy, up to 2^-11 of a weight)",
    };
    let most = match plan.checkpoints.compression {
        Compression::None => "",
        Compression::Lossless => "at most, before packing: ",
    };
    format!("{most}{}{lossy}", size_in_words(bytes))
}

fn line(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

/// Says the time in all, and of its parts.
fn time(time: &Time) -> String {
    let slowest = time.epochs.iter().copied().fold(0.0, f64::max);
    let of_slowest = match time.epochs.len() {
        0 | 1 => "",
        _ => " of the slowest batch",
    };
    let mut parts = vec![format!(
        "training {} at {:.3} ms an epoch{of_slowest}",
        precise(time.training),
        1e3 * slowest
    )];
    parts.push(format!("files {}", precise(time.files)));
    if time.analyses > 0.0 {
        let (busy, waiting) = (precise(time.analyses), precise(time.waiting));
        parts.push(format!(
            "analyses {waiting} (of {busy} on one core, the rest beside training)"
        ));
    }
    parts.push(format!("start and report {}", precise(time.ends)));
    format!(
        "about {}, {} of core time: {}",
        precise(time.seconds),
        precise(time.cores),
        parts.join(", ")
    )
}

/// Says what the prediction assumes.
fn basis(preview: &Preview) -> String {
    let measured = match preview.calibrated {
        None => "measured just now".to_owned(),
        Some(age) => format!("measured {} ago", age_in_words(age)),
    };
    let kept = match &preview.kept {
        Some(path) => format!("kept in {}", path.display()),
        None => "not kept".to_owned(),
    };
    format!(
        "predicted from operation counts; assumes an idle machine and no early stop; {measured}, {kept}; --calibrate measures again"
    )
}

/// Formats seconds, with two decimals if they are few.
fn precise(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{seconds:.2} s")
    } else {
        duration(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_broken_beside_its_name() {
        let value = "about 11 s, 22 s of core time: training 10 s, files 0.03 s".to_owned();
        let rows = broken(line("time", value.clone()), 40);
        assert!(rows.len() > 1 && rows.iter().all(|row| row[1].chars().count() <= 31));
        assert_eq!((rows[0][0].as_str(), rows[1][0].as_str()), ("time", ""));
        let parts: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
        assert_eq!(parts.join(" "), value);
    }
}
