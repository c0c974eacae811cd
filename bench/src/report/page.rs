//! The places in a page for generated tables: `<!-- benchmark: NAME -->` … `<!-- /benchmark -->`.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};

const BEGIN: &str = "<!-- benchmark: ";
const BEGIN_ENDS: &str = " -->";
const END: &str = "<!-- /benchmark -->";

/// Returns the page with each table in its place. All other lines stay the same.
///
/// # Errors
///
/// Returns an error if a table has no place, or if a place has no table or no end. `file` is the name of the page for error
/// messages.
pub(super) fn fill(page: &str, file: &str, tables: &[(&str, String)]) -> Result<String> {
    let mut filled = String::new();
    let mut done = BTreeSet::new();
    let mut lines = page.lines().enumerate();
    while let Some((index, line)) = lines.next() {
        let at = format!("{file}:{}", index + 1);
        filled.push_str(line);
        filled.push('\n');
        ensure!(line != END, "{at}: `{END}` without a beginning");
        let Some(name) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(BEGIN_ENDS)) else { continue };
        let (_, table) = tables
            .iter()
            .find(|(known, _)| *known == name)
            .with_context(|| format!("{at}: unknown table in `{line}`: the tables are {}", names(tables)))?;
        ensure!(done.insert(name), "{at}: `{line}` occurs twice");
        filled.push_str(&format!("\n{}\n\n", table.trim()));
        match lines.find(|(_, line)| *line == END || line.starts_with(BEGIN)) {
            Some((_, END)) => filled.push_str(&format!("{END}\n")),
            _ => bail!("{at}: `{line}` has no `{END}`"),
        }
    }
    for (name, _) in tables {
        ensure!(done.contains(name), "{file} has no `{BEGIN}{name}{BEGIN_ENDS}` with `{END}` below it");
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
    fn only_the_text_within_a_place_is_replaced() {
        let page = "# A\n<!-- benchmark: one -->\nold\n<!-- /benchmark -->\nB\n";
        let expected = "# A\n<!-- benchmark: one -->\n\n| 1 |\n\n<!-- /benchmark -->\nB\n";
        assert_eq!(filled(page).unwrap(), expected);
        assert_eq!(filled(expected).unwrap(), expected);
    }

    #[test]
    fn an_error_names_the_marker_and_its_line() {
        for (page, message) in [
            ("# A\n", "page.md has no `<!-- benchmark: one -->`"),
            ("\n<!-- benchmark: one -->\n", "page.md:2: `<!-- benchmark: one -->` has no `<!-- /benchmark -->`"),
            (
                "<!-- benchmark: two -->\n",
                "page.md:1: unknown table in `<!-- benchmark: two -->`: the tables are `one`",
            ),
            ("<!-- /benchmark -->\n", "page.md:1: `<!-- /benchmark -->` without a beginning"),
            (
                "<!-- benchmark: one -->\n<!-- benchmark: one -->\n<!-- /benchmark -->\n",
                "page.md:1: `<!-- benchmark: one -->` has no `<!-- /benchmark -->`",
            ),
            (
                "<!-- benchmark: one -->\n<!-- /benchmark -->\n<!-- benchmark: one -->\n<!-- /benchmark -->\n",
                "page.md:3: `<!-- benchmark: one -->` occurs twice",
            ),
        ] {
            let error = format!("{:#}", filled(page).unwrap_err());
            assert!(error.starts_with(message), "{page}{error}");
        }
    }
}
