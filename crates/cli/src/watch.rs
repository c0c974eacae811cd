//! Follows files: tells when their content has changed.
//!
//! Own code because the content is what counts: an editor may write into the file, replace it, or replace the folder of a
//! link to it, as Kubernetes does for a ConfigMap, and libraries report these in different ways on each system.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::source::files;

/// The content of each file, or why it can't be read.
type Contents = Vec<(PathBuf, Result<Vec<u8>, String>)>;

/// Files and folders that are followed.
pub(crate) struct Watched {
    paths: Vec<PathBuf>,
    /// The contents that were reported last.
    reported: Contents,
    /// The contents at the last look.
    seen: Contents,
}

impl Watched {
    /// Begins with the present contents.
    pub(crate) fn new(paths: &[PathBuf]) -> Self {
        let seen = read(paths);
        Self { paths: paths.to_owned(), reported: seen.clone(), seen }
    }

    /// Looks at the files, and returns whether they have changed since the last report. A change is reported at the second
    /// look at it: until then, the file may be half written, or gone for the moment in which an editor replaces it.
    pub(crate) fn have_changed(&mut self) -> bool {
        let now = read(&self.paths);
        let is_complete = now == self.seen;
        self.seen = now;
        if !is_complete || self.seen == self.reported {
            return false;
        }
        self.reported.clone_from(&self.seen);
        true
    }
}

/// Returns an error that names the command if one of the paths can be read only once.
pub(crate) fn ensure_readable_again<'p>(paths: impl IntoIterator<Item = &'p PathBuf>, command: &str) -> Result<()> {
    for path in paths {
        // A pipe, for example. Of a file that is not there, the reader tells.
        let is_read_once = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        let what = if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        if is_read_once || path == Path::new("-") {
            bail!(
                "`{command}` reads its files again at every change, which {what} does not allow; write the name of a file"
            );
        }
    }
    Ok(())
}

fn read(paths: &[PathBuf]) -> Contents {
    let contents = |path: &Path| match files::find(&[path.to_owned()]) {
        Ok(found) => {
            found.into_iter().map(|path| (path.clone(), fs::read(path).map_err(|error| error.to_string()))).collect()
        }
        Err(error) => vec![(path.to_owned(), Err(error.to_string()))],
    };
    paths.iter().flat_map(|path| contents(path)).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Watched;

    #[test]
    fn a_change_is_reported_once_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("table.yaml");
        let mut watched = Watched::new(std::slice::from_ref(&file));
        assert!(!watched.have_changed(), "a file that is not there");
        fs::write(&file, "half").unwrap();
        assert!(!watched.have_changed(), "it may be half written");
        fs::write(&file, "whole").unwrap();
        assert!(!watched.have_changed(), "it has just changed");
        assert!(watched.have_changed());
        assert!(!watched.have_changed(), "reported once");
        fs::write(&file, "whole").unwrap();
        assert!(!watched.have_changed() && !watched.have_changed(), "the same content");
        fs::remove_file(&file).unwrap();
        fs::write(&file, "whole").unwrap();
        assert!(!watched.have_changed() && !watched.have_changed(), "replaced by the same content");
        fs::remove_file(&file).unwrap();
        assert!(!watched.have_changed() && watched.have_changed(), "removed");
        fs::create_dir(&file).unwrap();
        assert!(!watched.have_changed() && watched.have_changed(), "replaced by a folder");
        fs::write(file.join("a.yaml"), "a").unwrap();
        assert!(!watched.have_changed() && watched.have_changed(), "a file in the folder");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_version_of_a_mounted_config_map_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let mount = folder.path();
        for version in ["..1", "..2"] {
            fs::create_dir(mount.join(version)).unwrap();
            fs::write(mount.join(version).join("table.yaml"), version).unwrap();
        }
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, mount.join(name)).unwrap();
        link("..1", "..data");
        link("..data/table.yaml", "table.yaml");
        let mut watched = [Watched::new(&[mount.join("table.yaml")]), Watched::new(&[mount.to_owned()])];
        link("..2", "..data_tmp");
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
        for watched in &mut watched {
            assert!(!watched.have_changed() && watched.have_changed() && !watched.have_changed());
        }
    }
}
