//! Loads the configurations of this filter from the FILE arguments of a command.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::configuration::Configuration;
use crate::kind::{INVALID_YAML, NO_TABLE, NOT_UTF8};
use crate::manifest;
use crate::manifest::domain_mapping::{self, DomainMapping};
use crate::manifest::gateway::{self, Gateway};
use crate::message::Message;
use crate::source::Source;
use crate::source::files::{self, Unreadable};
use crate::source::position::{Position, Span};
use crate::yaml::{self, Node, Origin, Words, YamlError};

/// The parts of a file that concern this filter.
#[derive(Debug)]
pub struct Loaded {
    pub source: Arc<Source>,
    pub configurations: Vec<Configuration>,
    /// Istio's Gateways, which say on which ports and for which hosts there are servers.
    pub gateways: Vec<Gateway>,
    pub domain_mappings: Vec<DomainMapping>,
    /// Errors that kept the file, or parts of it, from being read.
    pub messages: Vec<Message>,
    /// Why the file is skipped, if nothing in it concerns this filter: it has no table, or it can't be read.
    pub skipped: Option<Box<Message>>,
}

/// Loads files, `-` and the YAML and JSON files of folders. A file that is not of this filter is `skipped`.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Loaded>, Unreadable> {
    files::find(paths)?.iter().map(|path| load_file(path)).collect()
}

fn load_file(path: &Path) -> Result<Loaded, Unreadable> {
    Ok(match read(path)? {
        Ok(source) => load_source(&source),
        Err(message) => Loaded::unreadable(message),
    })
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
    Message::new(NOT_UTF8, &source, Span::point(Position { line, column }), "this is not UTF-8; save the file as UTF-8")
}

/// Loads the tables of some files, for the commands that work on tables. The inner error has the messages about files
/// that can't be read or have no table.
pub fn load_tables(paths: &[PathBuf]) -> Result<Result<Vec<Configuration>, Vec<Message>>, Unreadable> {
    let loaded = load(paths)?;
    if let Some(messages) = without_table(paths, &loaded) {
        return Ok(Err(messages));
    }
    let messages: Vec<Message> = loaded.iter().flat_map(|file| file.messages.clone()).collect();
    if !messages.is_empty() {
        return Ok(Err(messages));
    }
    Ok(Ok(loaded.into_iter().flat_map(|file| file.configurations).collect()))
}

/// Returns the errors that none of the files has a table, if that is so: a pipeline that checks nothing should not pass.
/// If files could not be read, they may have been the tables.
pub fn without_table(paths: &[PathBuf], loaded: &[Loaded]) -> Option<Vec<Message>> {
    if !loaded.iter().all(Loaded::is_context) {
        return None;
    }
    let skipped: Vec<&Message> = loaded.iter().filter_map(|file| file.skipped.as_deref()).collect();
    if let ([_], [only]) = (loaded, &skipped[..]) {
        return Some(vec![(*only).clone()]);
    }
    let unreadable = skipped.iter().filter(|message| message.code != NO_TABLE.code);
    let mut messages: Vec<Message> = unreadable.map(|message| (*message).clone()).collect();
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let no_table = |text: String| Message::new(NO_TABLE, &Source::new(names.join(", "), ""), Span::START, text);
    if loaded.is_empty() {
        messages.push(no_table("there is no file here that ends in .yaml, .yml or .json".to_owned()));
    } else if skipped.len() < loaded.len() {
        messages.push(no_table("there is no route table here; name the file of the table too".to_owned()));
    } else if messages.is_empty() {
        messages.push(no_table(format!(
            "no file here has a table of ksvc-router (skipped files: {}); a file has one if it says `pluginName: \
             ksvc-router`, or has `hosts` and `routes`, alone or under `pluginConfig`",
            skipped.len()
        )));
    }
    Some(messages)
}

/// Loads a text that must have a table: what `load` skips is an error.
pub fn from_named(source: &Arc<Source>) -> Loaded {
    let mut loaded = load_source(source);
    loaded.messages.extend(loaded.skipped.take().map(|message| *message));
    loaded
}

/// Loads every table of this filter in a text. Plugins with other names are left out.
pub(crate) fn load_source(source: &Arc<Source>) -> Loaded {
    let mut contents = match parse_and_find(source) {
        Ok(contents) => contents,
        Err(error) => return Loaded::unreadable(yaml_message(source, &error)),
    };
    let some_have_our_name = contents.found.iter().any(manifest::Found::has_our_name);
    contents.found.retain(|found| found.is_ours(some_have_our_name));
    let configurations =
        std::mem::take(&mut contents.found).into_iter().map(|found| Configuration::new(source, found)).collect();
    let Contents { gateways, domain_mappings, .. } = contents;
    let has_context = !gateways.is_empty() || !domain_mappings.is_empty();
    let mut loaded = Loaded { configurations, gateways, domain_mappings, ..Loaded::empty(source) };
    if loaded.is_context() && !has_context {
        loaded.skipped = Some(Box::new(no_configuration(source, contents.is_import)));
    }
    loaded
}

impl Loaded {
    fn empty(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            configurations: vec![],
            gateways: vec![],
            domain_mappings: vec![],
            messages: vec![],
            skipped: None,
        }
    }

    /// Returns a file that can't be read. It may belong to another program, or be a template that is not YAML.
    fn unreadable(message: Message) -> Self {
        let empty = Self::empty(&message.source);
        match seems_ours(&message.source.text) {
            true => Self { messages: vec![message], ..empty },
            false => Self { skipped: Some(Box::new(message)), ..empty },
        }
    }

    /// Returns whether the file has no table, but may be context for the tables of other files, as a Gateway is.
    pub fn is_context(&self) -> bool {
        self.configurations.is_empty() && self.messages.is_empty()
    }
}

/// Returns whether a text that can't be read seems to have a table of this filter: it names the filter, or a line begins
/// with `pluginConfig`, and no other plugin is named, or with an outermost `hosts` or `routes`.
fn seems_ours(text: &str) -> bool {
    let keys = || {
        text.lines().filter_map(|line| {
            let (key, _) = line.split_once(':')?;
            let word = key.trim_matches(|c: char| !c.is_ascii_alphanumeric());
            // JSON is often indented.
            let is_outermost = !line.starts_with([' ', '\t']) || line.trim_start().starts_with('"');
            Some((word, is_outermost))
        })
    };
    let names_another = keys().any(|(key, _)| key == "pluginName");
    text.contains(manifest::PLUGIN_NAME)
        || keys().any(|(key, is_outermost)| {
            (key.eq_ignore_ascii_case("pluginConfig") && !names_another)
                || (is_outermost && matches!(key, "hosts" | "routes"))
        })
}

/// All that was found in a file, before the configurations of other plugins are left out.
struct Contents {
    found: Vec<manifest::Found>,
    gateways: Vec<Gateway>,
    domain_mappings: Vec<DomainMapping>,
    /// Whether the file is what `import --format json` prints.
    is_import: bool,
}

/// Parses the documents of a file.
pub fn parse(source: &Arc<Source>) -> Result<Vec<Arc<Node>>, Box<Message>> {
    yaml::parse(&source.text, Origin::File).map_err(|error| Box::new(yaml_message(source, &error)))
}

/// Parses the documents of a file in YAML 1.2, in which `y` and `no` are strings.
pub(crate) fn parse_yaml_1_2(source: &Arc<Source>) -> Result<Vec<Arc<Node>>, Box<Message>> {
    let parsed = yaml::parse_words(&source.text, Origin::File, Words::OfYaml12);
    parsed.map_err(|error| Box::new(yaml_message(source, &error)))
}

fn parse_and_find(source: &Arc<Source>) -> Result<Contents, YamlError> {
    let documents = yaml::parse(&source.text, Origin::File)?;
    Ok(Contents {
        found: documents.iter().flat_map(manifest::find).collect(),
        gateways: documents.iter().flat_map(|document| gateway::find(source, document)).collect(),
        domain_mappings: documents.iter().flat_map(|document| domain_mapping::find(source, document)).collect(),
        is_import: documents.iter().any(|document| {
            document.get("messages").is_some() && ["table", "tables"].iter().any(|key| document.get(key).is_some())
        }),
    })
}

fn yaml_message(source: &Arc<Source>, error: &YamlError) -> Message {
    Message::new(INVALID_YAML, source, error.at, error.what.to_string())
}

fn no_configuration(source: &Arc<Source>, is_import: bool) -> Message {
    if is_import {
        let text = "this is what `import --format json` prints, with the messages beside the table; leave out `--format \
                    json`, so that the table alone is printed";
        return Message::new(NO_TABLE, source, Span::START, text);
    }
    let text = "this file has no configuration of ksvc-router; \
        write a WasmPlugin, a TrafficExtension, an EnvoyFilter, a document with `pluginConfig:`, \
        or the configuration itself, with `hosts` and `routes`";
    Message::new(NO_TABLE, source, Span::START, text)
}
