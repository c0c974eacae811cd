//! `render FILE --as KIND`: prints the manifest that brings a table to a gateway of some platform.

use ksvc_router_cli::load::load_tables;
use ksvc_router_cli::message::as_text;
use ksvc_router_cli::render::render;

use super::{CallError, Report, pretty, refuse};
use ksvc_router_cli::args::Format;
use ksvc_router_cli::args::render::Render;

pub(crate) fn run(arguments: &Render, format: Format) -> Result<Report, CallError> {
    let configurations = match load_tables(std::slice::from_ref(&arguments.file))? {
        Ok(configurations) => configurations,
        Err(messages) => return Ok(refuse(&messages, format)),
    };
    let rendered = match render(&configurations, arguments.platform, &arguments.options()) {
        Ok(rendered) => rendered,
        Err(errors) => return Ok(refuse(&errors, format)),
    };
    let mut sources: Vec<String> = configurations.iter().map(|table| table.source.name.clone()).collect();
    sources.dedup();
    let out = match format {
        Format::Text => rendered.to_yaml(arguments.platform, &sources).map_err(CallError::Unwritten)?,
        _ => pretty(&rendered.to_json()),
    };
    Ok(Report { out, err: as_text(&rendered.messages), success: true })
}
