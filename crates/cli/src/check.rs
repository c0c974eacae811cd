//! Checks files: all errors and warnings of the tables, and all dangers in the manifests around them.

use std::collections::HashMap;
use std::sync::Arc;

use crate::danger::dangers;
use crate::load::Loaded;
use crate::message::Message;

/// Returns the messages about each file, sorted by their position in the file.
pub fn check(files: &[Loaded]) -> Vec<Vec<Message>> {
    let configurations: Vec<_> = files.iter().flat_map(|file| &file.configurations).collect();
    let gateways: Vec<_> = files.iter().flat_map(|file| file.gateways.clone()).collect();
    let mut by_file: HashMap<*const _, Vec<Message>> = HashMap::new();
    for (_, message) in dangers(&configurations, &gateways) {
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
