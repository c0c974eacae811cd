//! The version of a release: it must be the same in Cargo.toml, in CHANGELOG.md, in the Helm chart and in the tag.

use std::fs;

use anyhow::{Context, Result, ensure};

/// Returns the version in Cargo.toml. With a tag, the version, the tag and the newest heading of CHANGELOG.md must agree.
pub(super) fn check(tag: Option<&str>) -> Result<String> {
    let version = env!("CARGO_PKG_VERSION");
    if let Some(tag) = tag {
        let changelog = fs::read_to_string(testenv::repository().join("CHANGELOG.md"))?;
        agree(version, tag, &changelog)?;
    }
    Ok(version.to_owned())
}

fn agree(version: &str, tag: &str, changelog: &str) -> Result<()> {
    ensure!(
        tag.strip_prefix('v') == Some(version),
        "the tag is {tag}, but the version in Cargo.toml is {version}: tag v{version}, or change Cargo.toml"
    );
    let mut headings = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    let newest = headings.find(|heading| !heading.starts_with("Unreleased]"));
    let newest = newest.and_then(|heading| heading.split_once(']')).map(|(version, _)| version);
    let newest =
        newest.with_context(|| format!("CHANGELOG.md has no heading `## [{version}]`: add it with its date"))?;
    ensure!(
        newest == version,
        "the newest version in CHANGELOG.md is {newest}, but the tag is {tag}: add the heading `## [{version}]`"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_version_and_changelog_must_agree() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.2.3] - 2026-01-02\n\n## [1.2.2] - 2026-01-01\n";
        agree("1.2.3", "v1.2.3", changelog).unwrap();
        for (version, tag, changelog, error) in [
            ("1.2.3", "1.2.3", changelog, "tag v1.2.3"),
            ("1.2.3", "v1.2.4", changelog, "the version in Cargo.toml is 1.2.3"),
            ("1.2.2", "v1.2.2", changelog, "the newest version in CHANGELOG.md is 1.2.3"),
            ("1.2.3", "v1.2.3", "## [Unreleased]\n", "no heading `## [1.2.3]`"),
        ] {
            let found = agree(version, tag, changelog).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
    }
}
