//! Loads the configurations of this filter from the FILE arguments of a command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::configuration::Configuration;
use crate::manifest;
use crate::manifest::gateway::{self, Gateway};
use crate::message::Message;
use crate::source::Source;
use crate::source::files::{self, Unreadable};
use crate::source::position::{Position, Span};
use crate::yaml::{self, Node, Origin, YamlError};

/// The parts of a file that concern this filter.
#[derive(Debug)]
pub struct Loaded {
    pub source: Arc<Source>,
    pub configurations: Vec<Configuration>,
    /// Istio's Gateways, which say whether plain HTTP is redirected.
    pub gateways: Vec<Gateway>,
    /// Errors that kept the file, or parts of it, from being read.
    pub messages: Vec<Message>,
}

/// Loads files, `-` and folders. A file that the user names is always loaded; of the files in a folder, only those that
/// say `pluginName: ksvc-router`.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Loaded>, Unreadable> {
    let mut all = Vec::new();
    for found in files::find(paths)? {
        let source = match read(&found.path)? {
            Ok(source) => source,
            Err(message) if found.named => {
                let empty = Loaded::empty(&message.source);
                all.push(Loaded { messages: vec![message], ..empty });
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

/// Reads a file, or standard input for `-`. For a file that is not UTF-8, returns a message about the file.
pub fn read(path: &Path) -> Result<Result<Arc<Source>, Message>, Unreadable> {
    let (name, bytes) = files::read(path)?;
    Ok(String::from_utf8(bytes)
        .map(|text| Source::new(&*name, text))
        .map_err(|error| not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to())))
}

fn not_utf8(name: &str, bytes: &[u8], valid: usize) -> Message {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let source = Source::new(name, String::from_utf8_lossy(bytes));
    Message::error(&source, Span::point(Position { line, column }), "this is not UTF-8; save the file as UTF-8")
}

/// Loads the only configuration of a file, for the commands that work on one table. The inner error has the messages
/// about the file.
pub fn load_one(path: &Path) -> Result<Result<Configuration, Vec<Message>>, Unreadable> {
    let mut all = load(&[path.to_owned()])?;
    let mut messages: Vec<Message> = all.iter_mut().flat_map(|loaded| std::mem::take(&mut loaded.messages)).collect();
    let mut configurations: Vec<Configuration> = all.into_iter().flat_map(|loaded| loaded.configurations).collect();
    if configurations.is_empty() && messages.is_empty() {
        let name = path.display().to_string();
        messages.push(no_configuration(&Source::new(name, "")));
    }
    if let [first, second, ..] = &configurations[..] {
        let text = format!(
            "this is a second route table, beside the one of {}:{}, but the command works on one table; write each table in a \
             file of its own",
            first.source.name, first.at.start.line
        );
        messages.push(Message::error(&second.source, second.at, text));
    }
    match configurations.pop() {
        Some(configuration) if messages.is_empty() => Ok(Ok(configuration)),
        _ => Ok(Err(messages)),
    }
}

/// Loads a file that the user named: every configuration in it, with any plugin name or none. But if a plugin in the
/// file has this filter's name, plugins with other names are left out.
pub fn from_named(source: &Arc<Source>) -> Loaded {
    let mut loaded = match parse_and_find(source) {
        Ok(loaded) => loaded,
        Err(error) => return Loaded { messages: vec![yaml_message(source, &error)], ..Loaded::empty(source) },
    };
    let some_are_ours = loaded.found.iter().any(manifest::Found::is_ours_by_name);
    loaded.found.retain(|found| !some_are_ours || found.plugin_name.is_none() || found.is_ours_by_name());
    let mut loaded = loaded.finish(source);
    if loaded.configurations.is_empty() && loaded.gateways.is_empty() {
        loaded.messages.push(no_configuration(source));
    }
    loaded
}

/// Loads a file of a folder, which may belong to another program, or be a text template that is not YAML.
fn from_folder(source: &Arc<Source>) -> Option<Loaded> {
    let loaded = match parse_and_find(source) {
        Ok(mut loaded) => {
            loaded.found.retain(manifest::Found::is_ours_by_name);
            loaded.finish(source)
        }
        Err(error) if source.text.contains("ksvc-router") => {
            Loaded { messages: vec![yaml_message(source, &error)], ..Loaded::empty(source) }
        }
        Err(_) => return None,
    };
    let is_ours = !loaded.configurations.is_empty() || !loaded.messages.is_empty() || !loaded.gateways.is_empty();
    is_ours.then_some(loaded)
}

impl Loaded {
    fn empty(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), configurations: vec![], gateways: vec![], messages: vec![] }
    }

    /// Returns whether the file only has Gateways, as context for the tables of other files.
    pub fn is_context(&self) -> bool {
        self.configurations.is_empty() && self.messages.is_empty()
    }
}

/// All that was found in a file, before the configurations of other plugins are left out.
struct Contents {
    found: Vec<manifest::Found>,
    gateways: Vec<Gateway>,
}

impl Contents {
    fn finish(self, source: &Arc<Source>) -> Loaded {
        let configurations = self.found.into_iter().map(|found| Configuration::new(source, found)).collect();
        Loaded { configurations, gateways: self.gateways, ..Loaded::empty(source) }
    }
}

/// Parses the documents of a file.
pub fn parse(source: &Arc<Source>) -> Result<Vec<Arc<Node>>, Box<Message>> {
    yaml::parse(&source.text, Origin::File).map_err(|error| Box::new(yaml_message(source, &error)))
}

fn parse_and_find(source: &Arc<Source>) -> Result<Contents, YamlError> {
    let documents = yaml::parse(&source.text, Origin::File)?;
    Ok(Contents {
        found: documents.iter().flat_map(manifest::find).collect(),
        gateways: documents.iter().flat_map(|document| gateway::find(source, document)).collect(),
    })
}

fn yaml_message(source: &Arc<Source>, error: &YamlError) -> Message {
    Message::error(source, error.at, error.what.to_string())
}

fn no_configuration(source: &Arc<Source>) -> Message {
    let text = "this file has no configuration of ksvc-router; \
        write a WasmPlugin, a TrafficExtension, an EnvoyFilter, a document with `pluginConfig:`, \
        or the configuration itself, with `hosts` and `routes`";
    Message::error(source, Span::START, text)
}
