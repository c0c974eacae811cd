use super::{CallError, Report};
use ksvc_router_cli::args::Format;
use ksvc_router_cli::args::render::Render;

pub(crate) fn run(_options: &Render, _format: Format) -> Result<Report, CallError> {
    Ok(Report::default())
}
