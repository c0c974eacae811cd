//! The files that a command was given: read once each, `-` for standard input, folders with all below them.

pub mod position;

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::position::{Position, Span};
use crate::message::Message;

/// A text and the name that messages call it by.
#[derive(Debug)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

/// A file that can't be read: the call was wrong, not what the file says.
#[derive(Debug)]
pub struct Unreadable {
    pub path: PathBuf,
    pub error: io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for Unreadable {}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        let mut text = text.into();
        // A byte order mark takes no column.
        if text.starts_with('\u{feff}') {
            text.drain(..'\u{feff}'.len_utf8());
        }
        let lines = text.split_inclusive('\n').scan(0, |at, line| Some(std::mem::replace(at, *at + line.len())));
        Arc::new(Self { name: name.into(), lines: lines.collect(), text })
    }

    /// Reads a file, or standard input for `-`. Text that is not UTF-8 is a message about the file.
    pub fn read(path: &Path) -> Result<Result<Arc<Self>, Message>, Unreadable> {
        let unreadable = |error| Unreadable { path: path.to_owned(), error };
        let (name, octets) = if path == Path::new("-") {
            let mut octets = Vec::new();
            io::stdin().lock().read_to_end(&mut octets).map_err(unreadable)?;
            ("<stdin>".to_owned(), octets)
        } else {
            (path.display().to_string(), std::fs::read(path).map_err(unreadable)?)
        };
        Ok(String::from_utf8(octets)
            .map(|text| Self::new(&*name, text))
            .map_err(|error| not_utf8(&name, error.as_bytes(), error.utf8_error().valid_up_to())))
    }

    /// A line without its end; lines count from 1.
    pub fn line(&self, line: usize) -> Option<&str> {
        let begin = *self.lines.get(line.checked_sub(1)?)?;
        self.text[begin..].lines().next()
    }
}

fn not_utf8(name: &str, octets: &[u8], valid: usize) -> Message {
    let before = String::from_utf8_lossy(&octets[..valid]);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let source = Source::new(name, String::from_utf8_lossy(octets));
    Message::error(&source, Span::point(Position { line, column }), "this is not UTF-8; save the file as UTF-8")
}

/// A file to be read, and whether the user named it or it lay in a folder that the user named.
pub struct Found {
    pub path: PathBuf,
    pub named: bool,
}

/// The files behind the command line's arguments; a folder's in the order of their names.
pub fn find(paths: &[PathBuf]) -> Result<Vec<Found>, Unreadable> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found)?;
        } else {
            found.push(Found { path: path.clone(), named: true });
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<Found>) -> Result<(), Unreadable> {
    let unreadable = |error| Unreadable { path: folder.to_owned(), error };
    let mut paths = folder
        .read_dir()
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(unreadable)?;
    paths.sort();
    for path in paths {
        // A link to a folder may lead back up.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found)?;
        } else if path.is_file() && path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            found.push(Found { path, named: false });
        }
    }
    Ok(())
}
