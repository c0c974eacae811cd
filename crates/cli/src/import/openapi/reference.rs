//! Finds the values that references lead to: `{$ref: '#/components/parameters/id'}`, `{$ref: 'paths/users.yaml#/get'}`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Document, Located, Messages, second_document};
use super::kinds::OPENAPI_REFERENCE;
use crate::load;
use crate::percent::decoded;
use crate::source::files::Unreadable;
use crate::words::short;
use crate::yaml::Node;

/// Finds values, and collects the messages of the whole import.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    pub(super) messages: Messages,
    /// The files by their paths; `None` for a file that can't be read.
    files: HashMap<PathBuf, Option<Arc<Document>>>,
    /// Where each reference of a file leads. `None` for one that has been reported.
    known: HashMap<(PathBuf, String), Option<Located>>,
    /// The folders from which files may be read, as the disk has them.
    folders: Vec<PathBuf>,
    /// The URL that the document says it has (`$self`, from OpenAPI 3.2 on).
    own_url: Option<String>,
}

/// The size of the largest file that a reference may lead to.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;

impl Resolver {
    /// Files are read from the folder of the document, from those below it, and from `more`.
    pub(super) fn new(spec: &Path, more: &[PathBuf]) -> Result<Self, Unreadable> {
        let own = spec.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut folders = Vec::new();
        // If the folder of the document is not there, neither is the document, and that is told.
        folders.extend(own.canonicalize());
        for folder in more {
            folders.push(folder.canonicalize().map_err(|error| Unreadable { path: folder.clone(), error })?);
        }
        Ok(Self { folders, ..Self::default() })
    }

    /// Adds the file that the user names.
    pub(super) fn add_root(&mut self, path: &Path, document: Document) -> Located {
        self.own_url = document.root.text_at("$self").map(str::to_owned);
        let document = Arc::new(document);
        self.files.insert(normal(path), Some(Arc::clone(&document)));
        Located { node: Arc::clone(&document.root), document }
    }

    /// Returns the URL that the document says it has.
    pub(super) fn own_url(&self) -> Option<&str> {
        self.own_url.as_deref()
    }

    /// Follows the references of a value to a value that is none. A reference that leads nowhere or in a circle is
    /// reported once.
    pub(super) fn resolve(&mut self, value: &Located) -> Option<Located> {
        let mut current = value.clone();
        let mut seen: HashSet<(PathBuf, String)> = HashSet::new();
        loop {
            let Some(reference) = current.get("$ref") else { return Some(current) };
            let Some(text) = reference.node.text() else {
                self.messages.wrong_type(OPENAPI_REFERENCE, &reference, "the value of `$ref`", "a string");
                return None;
            };
            let key = (PathBuf::from(&reference.document.source.name), text.to_owned());
            if !seen.insert(key.clone()) {
                if self.known.insert(key, None).flatten().is_some() {
                    let text = short(text);
                    let text = format!("the reference `{text}` leads in a circle; write the value out in one place");
                    self.messages.report(OPENAPI_REFERENCE, &reference.at(), text);
                }
                return None;
            }
            if !self.known.contains_key(&key) {
                let found = self.find(&reference, text);
                if let Err(why) = &found {
                    let text = format!("the reference `{}` leads nowhere: {why}", short(text));
                    self.messages.report(OPENAPI_REFERENCE, &reference.at(), text);
                }
                self.known.insert(key.clone(), found.ok());
            }
            current = self.known.get(&key).cloned().flatten()?;
        }
    }

    /// Returns the value that a reference leads to, which may be a reference itself.
    fn find(&mut self, reference: &Located, text: &str) -> Result<Located, String> {
        let (file, pointer) = text.split_once('#').unwrap_or((text, ""));
        let document = self.document(&reference.document, file)?;
        let node = at_pointer(&document.root, pointer)?;
        Ok(Located { document, node })
    }

    /// Returns the file that a reference names; that of the reference itself for an empty name.
    fn document(&mut self, from: &Arc<Document>, name: &str) -> Result<Arc<Document>, String> {
        let name = self.own_url.as_deref().map_or(name, |own| relative(own, name));
        if name.is_empty() {
            return Ok(Arc::clone(from));
        }
        if name.contains("://") {
            return Err("URLs are not fetched; save the file beside this one, and write its relative path".to_owned());
        }
        let name = decoded(name);
        if name.chars().any(char::is_control) {
            return Err(format!("the name of a file has no control character, and this one is {:?}", short(&name)));
        }
        let path = normal(&from.folder.join(name));
        if let Some(known) = self.files.get(&path) {
            return known.clone().ok_or_else(|| format!("`{}` can't be read", path.display()));
        }
        self.check_place(&path)?;
        let read = self.read(&path);
        self.files.insert(path, read.as_ref().ok().cloned());
        read
    }

    /// Checks that a file is in one of the folders from which files may be read. A document can come from elsewhere, and must
    /// not make this program read, and tell, what the user has in other files.
    fn check_place(&self, path: &Path) -> Result<(), String> {
        let real = real(path);
        if self.folders.iter().any(|folder| real.starts_with(folder)) {
            return Ok(());
        }
        let folder = |path: &Path| path.parent().unwrap_or(path).to_owned();
        let (written, led) = (folder(path), folder(&real));
        let folder = if self::real(&written) == led { written } else { led };
        Err(format!(
            "the file is not in the folder of the document or below it; if it may be read, write `--refs-from {}`",
            short(&folder.display().to_string())
        ))
    }

    fn read(&mut self, path: &Path) -> Result<Arc<Document>, String> {
        let unreadable = |why: String| format!("{}: {why}", path.display());
        match path.metadata() {
            Ok(found) if !found.is_file() => return Err(unreadable("this is not a file".to_owned())),
            Ok(found) if found.len() > LARGEST_FILE => {
                return Err(unreadable(format!("the file has more than {} MiB", LARGEST_FILE / 1024 / 1024)));
            }
            _ => {}
        }
        let source = match load::read(path) {
            Ok(Ok(source)) => source,
            Ok(Err(message)) => {
                self.messages.push(message);
                return Err(unreadable("the file is not UTF-8".to_owned()));
            }
            Err(error) => return Err(unreadable(error.error.to_string())),
        };
        match load::parse_yaml_1_2(&source) {
            Ok(documents) => {
                if second_document(&documents).is_some() {
                    return Err(unreadable("the file has several YAML documents; write one into each file".to_owned()));
                }
                let root = documents.into_iter().next().ok_or_else(|| unreadable("the file is empty".to_owned()))?;
                let folder = path.parent().unwrap_or(Path::new("")).to_owned();
                Ok(Arc::new(Document { source, root, folder }))
            }
            Err(message) => {
                self.messages.push(*message);
                Err(unreadable("the file is neither YAML nor JSON".to_owned()))
            }
        }
    }
}

/// Returns the path of a file on the disk, without symbolic links. The end of the path need not be there.
fn real(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let known = absolute.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    match known {
        Some((ancestor, real)) => normal(&real.join(absolute.strip_prefix(ancestor).unwrap_or(Path::new("")))),
        None => absolute,
    }
}

/// Returns a name relative to the URL of the document: nothing for the document itself.
fn relative<'n>(own: &str, name: &'n str) -> &'n str {
    if name == own {
        return "";
    }
    let folder = own.rfind('/').map_or("", |slash| &own[..=slash]);
    if folder.contains("://") { name.strip_prefix(folder).unwrap_or(name) } else { name }
}

/// Removes `.` and `..` from a path where that needs no look at the disk, so that each file has one name.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if matches!(normal.components().next_back(), Some(Component::Normal(_))) => {
                normal.pop();
            }
            component => normal.push(component),
        }
    }
    normal
}

/// Returns the value at a JSON pointer (RFC 6901) in the form of a URL's fragment.
fn at_pointer(root: &Arc<Node>, pointer: &str) -> Result<Arc<Node>, String> {
    let pointer = decoded(pointer);
    let mut node = root;
    if pointer.is_empty() {
        return Ok(Arc::clone(node));
    }
    let Some(steps) = pointer.strip_prefix('/') else {
        return Err("after `#`, write the path to the value, such as `#/components/parameters/id`".to_owned());
    };
    let mut walked = String::new();
    for step in steps.split('/') {
        let key = step.replace("~1", "/").replace("~0", "~");
        let item = || node.items().get(key.parse::<usize>().ok()?);
        node = node.get(&key).or_else(item).ok_or_else(|| match &*walked {
            "" => format!("the file has no key `{key}`"),
            walked => format!("`{walked}` has no key `{key}`"),
        })?;
        walked = format!("{walked}/{step}");
    }
    Ok(Arc::clone(node))
}
