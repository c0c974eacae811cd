use super::{CallError, Report};
use ksvc_router_cli::args::Format;
use ksvc_router_cli::args::import_openapi::ImportOpenapi;

pub(crate) fn run(_options: &ImportOpenapi, _format: Format) -> Result<Report, CallError> {
    Ok(Report::default())
}
