//! Where a run lies: the folder of runs, and the run's own name in it.

use std::path::Path;

use crate::output::Failure;

/// Takes the path of a run apart.
///
/// # Errors
/// It does not end in a folder's name.
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
