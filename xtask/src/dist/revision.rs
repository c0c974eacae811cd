//! The commit of the sources.

use std::process::Command;

/// Returns the commit, if the sources are those of a commit and nothing has been changed since.
pub(super) fn of_sources() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(testenv::repository()).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let is_changed = git(&["status", "--porcelain"]).is_none_or(|changes| !changes.is_empty());
    if is_changed { None } else { git(&["rev-parse", "HEAD"]) }
}
