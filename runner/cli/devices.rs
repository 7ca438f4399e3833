//! Runs `grokrun devices`: lists the processors that could train, and says which one `--backend
//! auto` takes.

use std::process::ExitCode;

use crate::output::{Failure, print, table};

/// Runs the command.
///
/// # Errors
/// If standard output cannot be written.
pub(crate) fn devices() -> Result<ExitCode, Failure> {
    let heading = ["", "backend", "device", "kind", "driver", "why"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for device in grokrun_engine::describe_devices() {
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
