//! The places in a page that are filled with tables: `<!-- benchmark: NAME -->` … `<!-- /benchmark -->`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

const BEGIN: &str = "<!-- benchmark: ";
const BEGIN_ENDS: &str = " -->";
const END: &str = "<!-- /benchmark -->";

/// The page with each table in its place, and every other line as it was.
///
/// # Errors
///
/// A table without a place, and a place without a table or an end. `file` is how messages call the page.
pub(super) fn fill(page: &str, file: &str, tables: &[(&str, String)]) -> Result<String> {
    let mut filled = String::new();
    let mut done = BTreeSet::new();
    let mut lines = page.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let at = format!("{file}:{}", index + 1);
        filled.push_str(line);
        filled.push('\n');
        ensure!(line != END, "{at}: `{END}` ends no place");
        let Some(name) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(BEGIN_ENDS)) else { continue };
        let (_, table) = tables
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("{at}: `{line}` names no table: there are {}", names(tables)))?;
        ensure!(done.insert(name), "{at}: a second `{line}`");
        filled.push_str(&format!("\n{}\n\n", table.trim()));
        match lines.find(|(_, line)| *line == END || line.starts_with(BEGIN)) {
            Some((_, END)) => filled.push_str(&format!("{END}\n")),
            _ => bail!("{at}: `{line}` has no `{END}`"),
        }
    }
    for (name, _) in tables {
        ensure!(
            done.contains(name),
            "{file} has no place for a table: `{BEGIN}{name}{BEGIN_ENDS}`, and `{END}` below it"
        );
    }
    Ok(filled)
}

fn names(tables: &[(&str, String)]) -> String {
    tables.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(page: &str) -> Result<String> {
        fill(page, "page.md", &[("one", "| 1 |\n".to_owned())])
    }

    #[test]
    fn what_stands_around_a_place_stays_and_what_stood_in_it_goes() {
        let page = "# A\n<!-- benchmark: one -->\nold\n<!-- /benchmark -->\nB\n";
        let expected = "# A\n<!-- benchmark: one -->\n\n| 1 |\n\n<!-- /benchmark -->\nB\n";
        assert_eq!(filled(page).unwrap(), expected);
        assert_eq!(filled(expected).unwrap(), expected);
    }

    #[test]
    fn a_fault_is_told_with_the_marker_and_its_place() {
        for (page, told) in [
            ("# A\n", "page.md has no place for a table: `<!-- benchmark: one -->`"),
            ("\n<!-- benchmark: one -->\n", "page.md:2: `<!-- benchmark: one -->` has no `<!-- /benchmark -->`"),
            ("<!-- benchmark: two -->\n", "page.md:1: `<!-- benchmark: two -->` names no table: there are `one`"),
            ("<!-- /benchmark -->\n", "page.md:1: `<!-- /benchmark -->` ends no place"),
            (
                "<!-- benchmark: one -->\n<!-- benchmark: one -->\n<!-- /benchmark -->\n",
                "page.md:1: `<!-- benchmark: one -->` has no `<!-- /benchmark -->`",
            ),
            (
                "<!-- benchmark: one -->\n<!-- /benchmark -->\n<!-- benchmark: one -->\n<!-- /benchmark -->\n",
                "page.md:3: a second `<!-- benchmark: one -->`",
            ),
        ] {
            let error = format!("{:#}", filled(page).unwrap_err());
            assert!(error.starts_with(told), "{page}{error}");
        }
    }
}
