//! Reads the repository's YAML files as JSON values, in the same way as `kubectl` does.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Error, Result, ensure};
use ksvc_router_cli::load;
use ksvc_router_cli::message::Message;
use ksvc_router_cli::source::Source;
use serde_json::Value;

/// Reads a file that contains one document. Errors name the file, the line and the column.
pub fn read(path: &Path) -> Result<Value> {
    parse(&load::read(path)?.map_err(|message| error_of(&[message]))?)
}

/// Reads a text that contains one document.
pub fn parse(source: &Arc<Source>) -> Result<Value> {
    let documents = load::parse(source).map_err(|message| error_of(&[*message]))?;
    ensure!(documents.len() == 1, "{} has {} documents instead of one", source.name, documents.len());
    Ok(documents[0].to_value())
}

/// Makes one error of these messages, with a line for each.
pub fn error_of(messages: &[Message]) -> Error {
    let lines = messages.iter().map(|Message { source, span, text, .. }| {
        format!("{}:{}:{}: {text}", source.name, span.start.line, span.start.column)
    });
    Error::msg(lines.collect::<Vec<_>>().join("\n"))
}

/// Returns the route table of a WasmPlugin manifest: its `spec.pluginConfig`.
pub fn plugin_config(manifest: &Path) -> Result<Value> {
    let mut document = read(manifest)?;
    let table = document.pointer_mut("/spec/pluginConfig").map(Value::take);
    table.with_context(|| format!("{} has no spec.pluginConfig", manifest.display()))
}
