//! Checks files: all errors and warnings of the tables, and all dangers in the manifests around them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::danger::{Surroundings, dangers};
use crate::load::Loaded;
use crate::manifest::shape::{self, Misshape};
use crate::message::Message;
use crate::source::Source;

/// Returns the messages about each file, sorted by their position in the file.
pub fn check(files: &[Loaded]) -> Vec<Vec<Message>> {
    check_in_mesh(files, None)
}

/// Does the same for a mesh with this root namespace, if it is known.
pub fn check_in_mesh(files: &[Loaded], root_namespace: Option<&str>) -> Vec<Vec<Message>> {
    let configurations: Vec<_> = files.iter().flat_map(|file| &file.configurations).collect();
    let surroundings = Surroundings {
        gateways: files.iter().flat_map(|file| file.gateways.clone()).collect(),
        root_namespace: root_namespace.map(str::to_owned),
        domain_mappings: files.iter().flat_map(|file| file.domain_mappings.clone()).collect(),
    };
    let mut by_file: HashMap<*const Source, Vec<Message>> = HashMap::new();
    let around = misshapes(files).into_iter().chain(dangers(&configurations, &surroundings));
    for message in around {
        by_file.entry(Arc::as_ptr(&message.source)).or_default().push(message);
    }
    let mut messages_of = |file: &Loaded| {
        let mut messages = file.messages.clone();
        messages.extend(file.configurations.iter().flat_map(|configuration| configuration.compile().1));
        messages.extend(by_file.remove(&Arc::as_ptr(&file.source)).unwrap_or_default());
        messages.sort_by_key(|message| message.span.start);
        messages
    };
    files.iter().map(&mut messages_of).collect()
}

/// Returns the errors in the form of all manifests.
fn misshapes(files: &[Loaded]) -> Vec<Message> {
    let mut messages = Vec::new();
    for file in files {
        let mut report = |Misshape { kind, place, at, text }: &Misshape| {
            messages.push(Message { place: place.clone(), ..Message::new(*kind, &file.source, *at, text) });
        };
        let mut last = None;
        for manifest in file.configurations.iter().filter_map(|configuration| configuration.manifest.as_ref()) {
            // An EnvoyFilter can hold several tables.
            if last.replace(Arc::as_ptr(&manifest.document)) != Some(Arc::as_ptr(&manifest.document)) {
                shape::misshapes(manifest).iter().for_each(&mut report);
            }
        }
        file.gateways.iter().filter_map(|gateway| gateway.wrong_version.as_deref()).for_each(&mut report);
    }
    messages
}
