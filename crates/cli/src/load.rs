//! From the command line's FILE arguments to the configurations of ours in them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::configuration::Configuration;
use crate::manifest;
use crate::message::Message;
use crate::position::Span;
use crate::source::{self, Source, Unreadable};
use crate::yaml::{self, Node, Origin, YamlError};

/// What a file holds of ours.
#[derive(Debug)]
pub struct Loaded {
    pub source: Arc<Source>,
    pub configurations: Vec<Configuration>,
    /// Why nothing, or not everything, of it could be read.
    pub messages: Vec<Message>,
}

/// Reads files, `-` and folders. A file that is named is ours; of a folder, those are that say
/// `pluginName: ksvc-router`.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Loaded>, Unreadable> {
    let mut all = Vec::new();
    for found in source::find(paths)? {
        let source = match Source::read(&found.path)? {
            Ok(source) => source,
            Err(message) if found.named => {
                all.push(Loaded {
                    source: Arc::clone(&message.source),
                    configurations: vec![],
                    messages: vec![message],
                });
                continue;
            }
            Err(_) => continue,
        };
        if found.named {
            all.push(from_named(&source));
        } else {
            all.extend(from_folder(&source));
        }
    }
    Ok(all)
}

/// The only configuration of a file, for the commands that take one.
pub fn load_one(path: &Path) -> Result<Result<Configuration, Vec<Message>>, Unreadable> {
    let mut all = load(&[path.to_owned()])?;
    let mut messages: Vec<Message> = all.iter_mut().flat_map(|loaded| std::mem::take(&mut loaded.messages)).collect();
    let mut configurations: Vec<Configuration> = all.into_iter().flat_map(|loaded| loaded.configurations).collect();
    if configurations.is_empty() && messages.is_empty() {
        let name = path.display().to_string();
        messages.push(nothing_of_ours(&Source::new(name, "")));
    }
    if let [first, second, ..] = &configurations[..] {
        let text = format!(
            "this is a second route table, beside the one of {}:{}, and one is taken at a time; give each a file of its own",
            first.source.name, first.at.start.line
        );
        messages.push(Message::error(&second.source, second.at, text));
    }
    match configurations.pop() {
        Some(configuration) if messages.is_empty() => Ok(Ok(configuration)),
        _ => Ok(Err(messages)),
    }
}

/// A file that the user named: every configuration in it, whatever it says of a plugin's name; yet if
/// something in it says that it is ours, what names another plugin is not.
pub fn from_named(source: &Arc<Source>) -> Loaded {
    let mut loaded = Loaded { source: Arc::clone(source), configurations: Vec::new(), messages: Vec::new() };
    match parse_and_find(source) {
        Ok(found) => {
            let some_are_ours = found.iter().any(manifest::Found::is_ours_by_name);
            let ours = found
                .into_iter()
                .filter(|found| !some_are_ours || found.plugin_name.is_none() || found.is_ours_by_name());
            loaded.configurations.extend(ours.map(|found| Configuration::new(source, found)));
            if loaded.configurations.is_empty() {
                loaded.messages.push(nothing_of_ours(source));
            }
        }
        Err(error) => loaded.messages.push(yaml_message(source, &error)),
    }
    loaded
}

/// A file that lay in a folder: it may be anybody's, and a template of text at that.
fn from_folder(source: &Arc<Source>) -> Option<Loaded> {
    let (found, messages) = match parse_and_find(source) {
        Ok(found) => (found, Vec::new()),
        Err(error) if source.text.contains("ksvc-router") => (Vec::new(), vec![yaml_message(source, &error)]),
        Err(_) => return None,
    };
    let configurations: Vec<_> = found
        .into_iter()
        .filter(manifest::Found::is_ours_by_name)
        .map(|found| Configuration::new(source, found))
        .collect();
    let is_ours = !configurations.is_empty() || !messages.is_empty();
    is_ours.then(|| Loaded { source: Arc::clone(source), configurations, messages })
}

/// The documents of a file.
pub fn parse(source: &Arc<Source>) -> Result<Vec<Arc<Node>>, Box<Message>> {
    yaml::parse(&source.text, Origin::File).map_err(|error| Box::new(yaml_message(source, &error)))
}

fn parse_and_find(source: &Source) -> Result<Vec<manifest::Found>, YamlError> {
    Ok(yaml::parse(&source.text, Origin::File)?.iter().flat_map(manifest::find).collect())
}

fn yaml_message(source: &Arc<Source>, error: &YamlError) -> Message {
    Message::error(source, error.at, error.what.to_string())
}

fn nothing_of_ours(source: &Arc<Source>) -> Message {
    let text = "no configuration of ksvc-router is in here; \
        write a WasmPlugin, a TrafficExtension, an EnvoyFilter, a document with `pluginConfig:`, \
        or the configuration itself, with `hosts` and `routes`";
    Message::error(source, Span::START, text)
}
