//! `grokrun check SPEC`: validates, and prints what a run would do and cost.

use std::process::ExitCode;

use grokrun_session::{Preview, Survey, size_in_words};
use grokrun_spec::{Compression, Plan, Precision};

use crate::args::CheckArgs;
use crate::output::{Failure, print, table};
use crate::progress::duration;
use crate::{plugins, spec};

/// At most so many cells are listed.
const LISTED: usize = 12;

/// Runs the command.
///
/// # Errors
/// When the spec is wrong, does not fit the machine, or the device fails.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Failure> {
    let spec = spec::read(&args.spec, &plugins::registry(&args.spec.plugins))?;
    let plan = &spec.plan;
    let survey = Survey::new(plan)?;
    let choice = spec::choice(&args.spec)?;
    let preview = Preview::new(plan, &survey, &choice)?;

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
            format!("{} (mod {})", cell.operation.notation(), cell.modulus),
            size.train.to_string(),
            size.test.to_string(),
            size.shape.trained().to_string(),
        ]);
    }
    let mut out = format!("{}: the spec is valid\n\n{}", plan.name, table(&rows));
    if plan.cells.len() > LISTED {
        out.push_str(&format!("… and {} more cells\n", plan.cells.len() - LISTED));
    }
    let slowest = preview
        .seconds_per_epoch
        .iter()
        .copied()
        .fold(0.0, f64::max);
    let device_memory = match preview.device_bytes {
        0 => String::new(),
        bytes => format!(", {} on the device", size_in_words(bytes)),
    };
    out.push('\n');
    out.push_str(&table(&[
        line("cells", plan.cells.len().to_string()),
        line("batches", preview.batches.len().to_string()),
        line("epochs", plan.train.epochs.to_string()),
        line("device", choice.to_string()),
        line(
            "memory",
            format!("{}{device_memory}", size_in_words(preview.host_bytes)),
        ),
        line("disk", disk(plan, preview.disk_bytes)),
        line(
            "time",
            format!(
                "about {} ({:.2} ms an epoch{}, measured now)",
                duration(preview.seconds),
                1e3 * slowest,
                if preview.batches.len() > 1 {
                    " of the slowest batch"
                } else {
                    ""
                },
            ),
        ),
    ]));
    print(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// The size on disk, and what is special about the checkpoints.
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
