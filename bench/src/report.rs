//! The tables of `docs/benchmarks.md` and the plots beside it, from the results alone: the same results, the same bytes.

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

/// Fills the places of `benchmarks.md` in a folder with tables, and writes the plots to `benchmarks/*.svg` there.
///
/// # Errors
///
/// As [`render`], and what can't be written.
pub fn write(results: &Results, docs: &Path) -> Result<()> {
    for (path, text) in render(results, docs)? {
        let path = docs.join(path);
        let folder = path.parent().unwrap_or(docs);
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// What [`write`] writes, by path in the folder.
///
/// # Errors
///
/// The page can't be read, or a place for a table is missing in it, or misspelled.
pub fn render(results: &Results, docs: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let path = docs.join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let page = page::fill(&page, &path.display().to_string(), &tables::all(results))?;
    let plots = plot::all(results)?.into_iter().map(|(name, plot)| (Path::new(PLOTS).join(name), plot));
    Ok(plots.chain([(PathBuf::from(PAGE), page)]).collect())
}
