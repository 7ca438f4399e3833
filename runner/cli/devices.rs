//! Runs `grokrun devices`: lists the processors that could train and says which one
//! `--backend auto` takes, or tests one of them.

use std::process::ExitCode;

use grokrun_engine::{Checked, Choice, choose_backend, describe_devices, pace, self_check};
use serde_json::{Value, json};

use crate::args::DevicesArgs;
use crate::output::{Failure, print, say, table};

/// Runs the command.
///
/// # Errors
/// If standard output cannot be written, or the processor to test cannot be had.
pub(crate) fn devices(args: &DevicesArgs) -> Result<ExitCode, Failure> {
    if args.test {
        test(args)
    } else {
        list(args.json)
    }
}

fn list(as_json: bool) -> Result<ExitCode, Failure> {
    let devices = describe_devices();
    if as_json {
        let one = |device: &grokrun_engine::DeviceLine| {
            json!({
                "picked": device.picked,
                "backend": device.backend,
                "name": device.name,
                "kind": device.kind,
                "driver": device.driver,
                "why": device.why,
            })
        };
        let all: Vec<Value> = devices.iter().map(one).collect();
        print(&format!("{:#}\n", Value::from(all)))?;
        return Ok(ExitCode::SUCCESS);
    }
    let heading = ["", "backend", "device", "kind", "driver", "why"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for device in devices {
        let mark = if device.picked { "→" } else { "" };
        rows.push(vec![
            mark.to_owned(),
            device.backend,
            device.name,
            device.kind,
            device.driver,
            device.why,
        ]);
    }
    print(&format!(
        "{}\n→ is what --backend auto takes. --backend cpu, --backend gpu and --adapter TEXT choose another.\n",
        table(&rows)
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Compares what a processor computes with the reference; exit status 1 where they differ.
fn test(args: &DevicesArgs) -> Result<ExitCode, Failure> {
    let choice = choose_backend(args.backend, args.adapter.as_deref()).map_err(Failure::request)?;
    let device = choice.identity();
    say(format_args!("testing {device}"));
    let mut tell = |checked: &Checked| {
        if !checked.passes() {
            say(format_args!("{}: {}", checked.name, verdict(checked)));
        }
    };
    let all = self_check(&choice, &mut tell).map_err(Failure::running)?;
    let failed = all.iter().filter(|checked| !checked.passes()).count();
    let pace = pace(&choice).map_err(Failure::running)?;
    let text = if args.json {
        format!("{:#}\n", as_json(&device, &all, pace))
    } else {
        in_words(&choice, &all, failed, pace)
    };
    print(&text)?;
    Ok(match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn verdict(checked: &Checked) -> &'static str {
    if checked.passes() { "passes" } else { "FAILS" }
}

fn in_words(choice: &Choice, all: &[Checked], failed: usize, pace: f64) -> String {
    let heading = ["compared", "apart", "allowed", "verdict"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for checked in all {
        rows.push(vec![
            checked.name.clone(),
            format!("{:.1e}", checked.apart),
            format!("{:.0e}", checked.allowed),
            verdict(checked).to_owned(),
        ]);
    }
    let verdict = match failed {
        0 => format!("all {} comparisons pass", all.len()),
        _ => format!(
            "{failed} of {} comparisons fail: do not trust what this processor trains, and report this output",
            all.len()
        ),
    };
    format!(
        "{}\n{}, grokrun {}\nan epoch of mult113 (p = 113, one layer) takes {:.2} ms\n{verdict}\n",
        table(&rows),
        choice.identity(),
        env!("CARGO_PKG_VERSION"),
        pace * 1e3,
    )
}

fn as_json(device: &str, all: &[Checked], pace: f64) -> Value {
    let one = |checked: &Checked| {
        json!({
            "compared": checked.name,
            "apart": checked.apart,
            "allowed": checked.allowed,
            "passes": checked.passes(),
        })
    };
    json!({
        "device": device,
        "version": env!("CARGO_PKG_VERSION"),
        "seconds_per_epoch_of_mult113": pace,
        "passes": all.iter().all(Checked::passes),
        "comparisons": all.iter().map(one).collect::<Vec<_>>(),
    })
}
