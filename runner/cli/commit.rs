//! Finds the commit that a spec is of, where its folder is a checkout of git: provenance for the
//! log and the report. No result depends on it; without git, or elsewhere, nothing is said.

use std::path::Path;
use std::process::{Command, Stdio};

/// The commit that is checked out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    /// its hash, in hexadecimal digits
    pub(crate) id: String,
    /// whether the spec, or a file beside it or below, is not as it is in the commit
    pub(crate) is_changed: bool,
}

/// Returns the commit of the folder of this spec.
pub(crate) fn of(spec: &Path) -> Option<Commit> {
    let name = spec.file_name()?.to_str()?;
    let folder = spec.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    let id = git(folder, &["rev-parse", "--verify", "HEAD"])?;
    let changes = git(
        folder,
        &["status", "--porcelain", "--untracked-files=no", "--", "."],
    )?;
    // A spec that was never added is in no commit.
    let known = git(folder, &["ls-files", "--", name])?;
    Some(Commit {
        id,
        is_changed: !changes.is_empty() || known.is_empty(),
    })
}

/// Returns what a command of git prints, without the end of the line; none if it fails. It takes no
/// lock, so that it is in nobody's way.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("--no-optional-locks")
        .arg("-C")
        .arg(folder)
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
