//! The files that a command was given: `-` is standard input, and a folder stands for the files below it.

use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::words::{self, clean};

/// The name of standard input in messages.
pub const STDIN: &str = "<stdin>";

/// A file or folder that can't be read. This is an error of the call, not of the file's content.
#[derive(Debug)]
pub struct Unreadable {
    pub path: PathBuf,
    pub error: io::Error,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", clean(&self.path.display().to_string()), self.reason())
    }
}

impl Unreadable {
    /// Returns why the file or folder can't be read.
    pub fn reason(&self) -> String {
        words::reason(&self.error)
    }
}

impl std::error::Error for Unreadable {}

/// Reads a file, or standard input for `-`. Returns its name for messages, and its bytes.
pub fn read(path: &Path) -> Result<(String, Vec<u8>), Unreadable> {
    let unreadable = |error| Unreadable { path: path.to_owned(), error };
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes).map_err(unreadable)?;
        return Ok((STDIN.to_owned(), bytes));
    }
    Ok((path.display().to_string(), std::fs::read(path).map_err(unreadable)?))
}

/// Returns the files that the arguments stand for. The files of a folder are sorted by name.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Unreadable> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut found)?;
        } else {
            found.push(path.clone());
        }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Unreadable> {
    let unreadable = |error| Unreadable { path: folder.to_owned(), error };
    let mut paths = folder
        .read_dir()
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(unreadable)?;
    paths.sort();
    for path in paths {
        // Kubernetes keeps the versions of a mounted ConfigMap in folders with such names, and links to the present files
        // beside them.
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"..")) {
            continue;
        }
        // A symbolic link to a folder is not followed: it may lead back up.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, found)?;
        } else if path.is_file() && path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::find;

    #[test]
    fn a_file_of_a_mounted_config_map_is_found_once() {
        let folder = tempfile::tempdir().unwrap();
        let (mount, version) = (folder.path(), folder.path().join("..2026_11_27"));
        fs::create_dir(&version).unwrap();
        fs::write(version.join("table.yaml"), "").unwrap();
        symlink("..2026_11_27", mount.join("..data")).unwrap();
        symlink("..data/table.yaml", mount.join("table.yaml")).unwrap();
        assert_eq!(find(&[mount.to_owned()]).unwrap(), [mount.join("table.yaml")]);
    }
}
