//! Finds sections and code blocks in a page of the documentation.

use std::fs;

use anyhow::{Context, Result};
use ksvc_router_cli::source::Source;
use serde_json::Value;

use crate::{repository, yaml};

/// Returns the text below a heading, up to the next heading of the same or a higher level. The heading begins with `##`.
pub fn section<'p>(page: &'p str, heading: &str) -> Result<&'p str> {
    let (_, text) = page.split_once(&format!("\n{heading}\n")).with_context(|| format!("no section {heading:?}"))?;
    let level = |line: &str| line.bytes().take_while(|byte| *byte == b'#').count();
    let lines = text.split_inclusive('\n').take_while(|line| !(2..=level(heading)).contains(&level(line)));
    Ok(&text[..lines.map(str::len).sum()])
}

/// Returns the language and the text of each code block.
pub fn blocks(text: &str) -> Vec<(&str, &str)> {
    text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n')).collect()
}

/// Returns the text of the first code block of a language in a section.
pub fn block<'p>(page: &'p str, heading: &str, language: &str) -> Result<&'p str> {
    let blocks = blocks(section(page, heading)?);
    let block = blocks.into_iter().find_map(|(found, text)| (found == language).then_some(text));
    block.with_context(|| format!("{heading:?} has no block of the language {language:?}"))
}

/// Returns the values of the YAML blocks in a section of a page of the repository.
pub fn yaml_blocks(path: &str, heading: &str) -> Result<Vec<Value>> {
    let text = fs::read_to_string(repository().join(path))?;
    let blocks = blocks(section(&text, heading)?).into_iter().filter(|(language, _)| *language == "yaml");
    blocks.map(|(_, text)| yaml::parse(&Source::new(path, text))).collect()
}
