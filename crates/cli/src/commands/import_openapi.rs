//! `import openapi SPEC`: prints the table that an OpenAPI document describes, or test cases for it.

use ksvc_router_cli::args::Format;
use ksvc_router_cli::args::import_openapi::ImportOpenapi;
use ksvc_router_cli::import::openapi::{check, import};
use ksvc_router_cli::message::{as_json, as_text};
use ksvc_router_cli::yaml;
use serde_json::json;

use super::{CallError, Report, pretty};

pub(super) fn run(arguments: &ImportOpenapi, format: Format) -> Result<Report, CallError> {
    let options = arguments.options();
    check(&options).map_err(CallError::Option)?;
    let imported = import(&arguments.spec, &options)?;
    let success = !imported.has_errors();
    let (key, value) = match arguments.cases {
        true => ("cases", imported.cases),
        false => ("table", imported.table),
    };
    let value = value.filter(|_| success || arguments.partial);
    if format == Format::Json {
        let mut result = json!({"messages": as_json(&imported.messages)});
        if let Some(value) = value {
            result[key] = value;
        }
        return Ok(Report { out: pretty(&result), success, ..Report::default() });
    }
    let mut err = as_text(&imported.messages);
    if arguments.partial && value.is_none() {
        err += "Nothing is printed: no operation is left for which a route can be made.\n";
    }
    // Every JSON value can be written as YAML.
    let out = value.and_then(|value| yaml::write(&value).ok()).unwrap_or_default();
    Ok(Report { out, err, success })
}
