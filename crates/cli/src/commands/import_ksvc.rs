use super::{CallError, Report};
use ksvc_router_cli::args::Format;
use ksvc_router_cli::args::import_ksvc::ImportKsvc;

pub(crate) fn run(_options: &ImportKsvc, _format: Format) -> Result<Report, CallError> {
    Ok(Report::default())
}
