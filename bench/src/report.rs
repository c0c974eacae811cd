//! Makes the tables and plots of `docs/benchmarks.md`. They depend only on the results: equal results give equal bytes.

mod page;
mod pick;
mod plot;
mod tables;
mod wording;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::results::Results;

const PAGE: &str = "benchmarks.md";
const PLOTS: &str = "benchmarks";

/// Updates the tables in the `benchmarks.md` of a folder, and writes the plots to `benchmarks/*.svg` there.
///
/// # Errors
///
/// Returns the errors of [`render`], and an error if a file can't be written.
pub fn write(results: &Results, docs: &Path) -> Result<()> {
    for (path, text) in render(results, docs)? {
        let path = docs.join(path);
        let folder = path.parent().unwrap_or(docs);
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Returns the text of each file that [`write`] writes, with its path in the folder.
///
/// # Errors
///
/// Returns an error if the page can't be read, if the place for a table is missing or misspelled, or if a plot can't be
/// drawn.
pub fn render(results: &Results, docs: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let path = docs.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let page = page::fill(&page, &path.display().to_string(), &tables::all(results))?;
    let plots = plot::all(results)?.into_iter().map(|(name, plot)| (Path::new(PLOTS).join(name), plot));
    Ok(plots.chain([(PathBuf::from(PAGE), page)]).collect())
}
