//! From the command line's FILE arguments to the configurations of ours in them.

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

/// What a file holds of ours.
#[derive(Debug)]
pub struct Loaded {
    pub source: Arc<Source>,
    pub configurations: Vec<Configuration>,
    /// Istio's, which say what becomes of plain HTTP.
    pub gateways: Vec<Gateway>,
    /// Why nothing, or not everything, of it could be read.
    pub messages: Vec<Message>,
}

/// Reads files, `-` and folders. A file that is named is ours; of a folder, those are that say
/// `pluginName: ksvc-router`.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Loaded>, Unreadable> {
    let mut all = Vec::new();
    for found in files::find(paths)? {
        let source = match read(&found.path)? {
            Ok(source) => source,
            Err(message) if found.named => {
                let nothing = Loaded::nothing(&message.source);
                all.push(Loaded { messages: vec![message], ..nothing });
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

/// Reads a file, or standard input for `-`. A file that is not UTF-8 gives a message about the file.
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
    let mut loaded = match parse_and_find(source) {
        Ok(loaded) => loaded,
        Err(error) => return Loaded { messages: vec![yaml_message(source, &error)], ..Loaded::nothing(source) },
    };
    let some_are_ours = loaded.found.iter().any(manifest::Found::is_ours_by_name);
    loaded.found.retain(|found| !some_are_ours || found.plugin_name.is_none() || found.is_ours_by_name());
    let mut loaded = loaded.finish(source);
    if loaded.configurations.is_empty() && loaded.gateways.is_empty() {
        loaded.messages.push(nothing_of_ours(source));
    }
    loaded
}

/// A file that lay in a folder: it may be anybody's, and a template of text at that.
fn from_folder(source: &Arc<Source>) -> Option<Loaded> {
    let loaded = match parse_and_find(source) {
        Ok(mut loaded) => {
            loaded.found.retain(manifest::Found::is_ours_by_name);
            loaded.finish(source)
        }
        Err(error) if source.text.contains("ksvc-router") => {
            Loaded { messages: vec![yaml_message(source, &error)], ..Loaded::nothing(source) }
        }
        Err(_) => return None,
    };
    let is_ours = !loaded.configurations.is_empty() || !loaded.messages.is_empty() || !loaded.gateways.is_empty();
    is_ours.then_some(loaded)
}

impl Loaded {
    fn nothing(source: &Arc<Source>) -> Self {
        Self { source: Arc::clone(source), configurations: vec![], gateways: vec![], messages: vec![] }
    }

    /// Whether it is here for what it says of gateways alone.
    pub fn is_context(&self) -> bool {
        self.configurations.is_empty() && self.messages.is_empty()
    }
}

/// What was found in a file, before it is known what of it is ours.
struct Contents {
    found: Vec<manifest::Found>,
    gateways: Vec<Gateway>,
}

impl Contents {
    fn finish(self, source: &Arc<Source>) -> Loaded {
        let configurations = self.found.into_iter().map(|found| Configuration::new(source, found)).collect();
        Loaded { configurations, gateways: self.gateways, ..Loaded::nothing(source) }
    }
}

/// The documents of a file.
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

fn nothing_of_ours(source: &Arc<Source>) -> Message {
    let text = "no configuration of ksvc-router is in here; \
        write a WasmPlugin, a TrafficExtension, an EnvoyFilter, a document with `pluginConfig:`, \
        or the configuration itself, with `hosts` and `routes`";
    Message::error(source, Span::START, text)
}
