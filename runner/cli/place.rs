//! Splits the path of a run into the folder of runs and the run's own name in it.

use std::path::Path;

use crate::output::Failure;

/// Splits the path of a run.
///
/// # Errors
/// If it does not end in a folder's name.
pub(crate) fn of(run: &Path) -> Result<(&Path, &str), Failure> {
    let Some(name) = run.file_name().and_then(|name| name.to_str()) else {
        return Err(Failure::request(format!(
            "{} names no folder; expected the run's, runs/mult59 for instance",
            run.display()
        )));
    };
    let out = run.parent().filter(|parent| *parent != Path::new(""));
    Ok((out.unwrap_or(Path::new(".")), name))
}
