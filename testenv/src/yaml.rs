//! YAML files of the repository as JSON values, read as `kubectl` reads them.

use std::path::Path;

use anyhow::{Context, Error, Result, ensure};
use ksvc_router_cli::load;
use ksvc_router_cli::message::Message;
use serde_json::Value;

/// Reads a file of one document; errors name the file and the place.
pub fn read(path: &Path) -> Result<Value> {
    let documents = match load::read(path)? {
        Ok(source) => load::parse(&source),
        Err(message) => Err(message.into()),
    };
    let documents = documents.map_err(|message| told(&[*message]))?;
    ensure!(documents.len() == 1, "{} has {} documents", path.display(), documents.len());
    Ok(documents[0].to_value())
}

/// What is wrong with a file, as an error of a line for each message.
pub(crate) fn told(messages: &[Message]) -> Error {
    let lines = messages.iter().map(|Message { source, span, text, .. }| {
        format!("{}:{}:{}: {text}", source.name, span.start.line, span.start.column)
    });
    Error::msg(lines.collect::<Vec<_>>().join("\n"))
}

/// The route table of a WasmPlugin manifest: its `spec.pluginConfig`.
pub fn plugin_config(manifest: &Path) -> Result<Value> {
    let mut document = read(manifest)?;
    let table = document.pointer_mut("/spec/pluginConfig").map(Value::take);
    table.with_context(|| format!("{} has no spec.pluginConfig", manifest.display()))
}
