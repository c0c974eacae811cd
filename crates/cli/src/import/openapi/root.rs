//! Reads the file that the user names, and checks that it is an OpenAPI document.

use std::path::Path;

use super::document::{At, Document, Located, second_document};
use super::kinds::NOT_OPENAPI;
use super::reference::Resolver;
use crate::load;
use crate::source::files::Unreadable;
use crate::source::position::Span;
use crate::words::describe;

/// Returns the document in this file. Reports why, if it is none.
pub(super) fn read(path: &Path, resolver: &mut Resolver) -> Result<Option<Located>, Unreadable> {
    let source = match load::read(path)? {
        Ok(source) => source,
        Err(message) => {
            resolver.messages.push(message);
            return Ok(None);
        }
    };
    let root = match load::parse_yaml_1_2(&source) {
        Ok(documents) => documents,
        Err(message) => {
            resolver.messages.push(*message);
            return Ok(None);
        }
    };
    if let Some(second) = second_document(&root) {
        let at = At { source, span: second.span };
        let text = "the file has a second YAML document, which would not be read; write one document into each file";
        resolver.messages.report(NOT_OPENAPI, &at, text);
        return Ok(None);
    }
    let Some(root) = root.into_iter().next() else {
        let at = At { source, span: Span::START };
        resolver.messages.report(NOT_OPENAPI, &at, not_openapi("the file is empty"));
        return Ok(None);
    };
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let root = resolver.add_root(path, Document { source, root, folder });
    let problem = version_problem(&root);
    if let Some((at, text)) = &problem {
        resolver.messages.report(NOT_OPENAPI, at, text.clone());
    }
    Ok(problem.is_none().then_some(root))
}

fn not_openapi(why: &str) -> String {
    format!(
        "this is not an OpenAPI document: {why}; it begins with `openapi: 3.1.0`, or another version from 3.0 to 3.2"
    )
}

/// Returns why a document is not one of OpenAPI 3, if it is not.
fn version_problem(root: &Located) -> Option<(At, String)> {
    if let Some(version) = root.get("openapi") {
        let known = version.node.text().is_some_and(|text| {
            ["3.0", "3.1", "3.2"].iter().any(|known| {
                text.strip_prefix(known).is_some_and(|patch| patch.is_empty() || patch.starts_with(['.', '-']))
            })
        });
        // A version without quotes and patch number is a number in YAML.
        let known =
            known || matches!(version.node.to_value().as_f64(), Some(number) if [3.0, 3.1, 3.2].contains(&number));
        let text = || {
            let found = describe(&version.node);
            format!("the version of the OpenAPI document is {found}; 3.0, 3.1 and 3.2 can be read")
        };
        return (!known).then(|| (version.at(), text()));
    }
    if let Some(version) = root.get("swagger") {
        let text = "this is a document of Swagger 2.0, the version before OpenAPI 3; convert it first, for example with \
            `npx swagger2openapi --outfile openapi.yaml FILE`, and import the result";
        return Some((version.at(), text.to_owned()));
    }
    let why = match root.node.entries() {
        [] => format!("it is {}", describe(&root.node)),
        _ => "it has no key `openapi`".to_owned(),
    };
    Some((root.at(), not_openapi(&why)))
}
