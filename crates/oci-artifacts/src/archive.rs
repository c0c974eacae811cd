//! Makes archives that depend on nothing but names and contents: no times, no owners, no order of a folder.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path in the archive, with `/` between folders.
    pub path: String,
    pub content: Vec<u8>,
    /// Whether the file is a program.
    pub executable: bool,
    /// For a symbolic link, which has no content: the path to which it leads.
    pub link_to: Option<String>,
}

impl File {
    /// Returns a file that is not a program.
    pub fn new(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), content: content.into(), executable: false, link_to: None }
    }

    /// Returns a program.
    pub fn program(path: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        Self { executable: true, ..Self::new(path, content) }
    }

    /// Returns a symbolic link. `to` is relative to the folder of the link.
    pub fn link(path: impl Into<String>, to: impl Into<String>) -> Self {
        Self { link_to: Some(to.into()), ..Self::new(path, Vec::new()) }
    }
}

/// Reads all files of a folder and of the folders in it, sorted by path. `prefix` is put before each path.
///
/// # Errors
///
/// Returns an error if a file can't be read, or its name is not UTF-8.
pub fn read_folder(folder: &Path, prefix: &str) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.with_context(|| format!("{} is not UTF-8", path.display()))?;
        if path.is_dir() {
            files.extend(read_folder(&path, &format!("{prefix}{name}/"))?);
        } else {
            let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            files.push(File::new(format!("{prefix}{name}"), content));
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

/// Returns a tar archive with these files, in this order.
///
/// # Errors
///
/// Returns an error if a path is too long for the format.
pub fn tar(files: &[File]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_mtime(0);
        if let Some(to) = &file.link_to {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            archive.append_link(&mut header, &file.path, to)?;
            continue;
        }
        header.set_size(file.content.len().try_into()?);
        header.set_mode(if file.executable { 0o755 } else { 0o644 });
        archive.append_data(&mut header, &file.path, &*file.content)?;
    }
    Ok(archive.into_inner()?)
}

/// Returns the files of a tar.gz archive.
///
/// # Errors
///
/// Returns an error if the archive can't be read.
pub fn unpack(tar_gz: &[u8]) -> Result<Vec<File>> {
    let mut archive = tar::Archive::new(GzDecoder::new(tar_gz));
    let mut files = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_str().context("a path in an archive is not UTF-8")?.to_owned();
        let executable = entry.header().mode()? & 0o100 != 0;
        let link = entry.link_name()?.filter(|_| entry.header().entry_type().is_symlink());
        let link_to = link.map(|to| to.to_string_lossy().into_owned());
        let executable = executable && link_to.is_none();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.push(File { path, content, executable, link_to });
    }
    Ok(files)
}

/// Returns a tar.gz archive with these files, in this order.
///
/// # Errors
///
/// Returns an error if a path is too long for the format.
pub fn tar_gz(files: &[File]) -> Result<Vec<u8>> {
    gzip(&tar(files)?)
}

/// Compresses bytes in the gzip format.
///
/// # Errors
///
/// Returns no error in practice: it writes to memory.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_as_it_was() {
        let files = [File::new("a/text", "a"), File::program("a/program", "p"), File::link("a/link", "program")];
        assert_eq!(unpack(&tar_gz(&files).unwrap()).unwrap(), files);
    }

    #[test]
    fn an_archive_depends_on_names_and_contents_only() {
        let make = |names: [&str; 3]| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("in")).unwrap();
            for name in names {
                fs::write(folder.path().join(name), name).unwrap();
            }
            tar_gz(&read_folder(folder.path(), "top/").unwrap()).unwrap()
        };
        let archive = make(["b", "a", "in/c"]);
        assert_eq!(archive, make(["in/c", "a", "b"]));
        let paths: Vec<_> = unpack(&archive).unwrap().into_iter().map(|file| file.path).collect();
        assert_eq!(paths, ["top/a", "top/b", "top/in/c"]);
    }
}
