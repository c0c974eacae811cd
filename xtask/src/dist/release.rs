//! The files of a release, in memory: `dist/release/` is this list, written at once.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::CommandFactory;
use clap_complete::{Shell, generate};
use ksvc_router_cli::args::Args;
use ksvc_router_cli::{admission, schema};
use oci_artifacts::archive::{self, File};
use oci_artifacts::artifact::Artifact;
use oci_artifacts::sha256;

use super::command_line::Architecture;
use super::{manifests, revision};

/// The files of a release.
pub(super) struct Release {
    pub(super) version: String,
    pub(super) image: Artifact,
    files: Vec<File>,
}

impl Release {
    /// Makes the release from what was built, and from the manifests of this repository.
    pub(super) fn new(
        version: &str,
        plugin: Vec<u8>,
        command_lines: Vec<(Architecture, Vec<u8>)>,
        bills: Vec<File>,
    ) -> Result<Self> {
        let image = Artifact::of_plugin(&plugin, &annotations(version))?;
        let mut files = vec![
            File::new("plugin.wasm", plugin),
            File::new("admission.yaml", admission::manifests()),
            File::new("wasm-plugin.schema.json", format!("{:#}\n", schema::manifest())),
        ];
        for (architecture, program) in command_lines {
            files.push(command_line_archive(version, architecture, program)?);
        }
        files.extend(bills);
        files.extend(image.layout()?.into_iter().map(|file| File { path: format!("image/{}", file.path), ..file }));
        files.extend(manifests::make(version, &image.digest())?);
        Ok(Self { version: version.to_owned(), image, files })
    }

    /// Reads a release that [`Release::write`] has written.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let image = Artifact::read_layout(&folder.join("image"))?;
        let version = image.annotation("org.opencontainers.image.version")?.context("the image has no version")?;
        let mut files = archive::read_folder(folder, "")?;
        files.retain(|file| file.path != SUMS);
        Ok(Self { version, image, files })
    }

    /// Writes the name of the image, which has a registry, into the manifests, the Helm chart and the kustomize base.
    pub(super) fn set_repository(&mut self, repository: &str) -> Result<()> {
        manifests::set_image(&mut self.files, repository, &self.image.digest())
    }

    /// Returns the artifact of the Helm chart.
    pub(super) fn chart(&self) -> Result<Artifact> {
        let name = manifests::chart_name(&self.version);
        let package = self.files.iter().find(|file| file.path == name);
        let package = package.with_context(|| format!("the release has no {name}"))?;
        Artifact::of_chart(package.content.clone(), &manifests::chart_metadata(package)?)
    }

    /// Returns all files, sorted by path, with the file of their sums at the end. The files of the image are named by
    /// their sums already.
    pub(super) fn files(&self) -> Vec<File> {
        let mut files = self.files.clone();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let line = |file: &File| format!("{}  {}\n", sha256(&file.content), file.path);
        let sums: String = files.iter().filter(|file| !file.path.starts_with("image/")).map(line).collect();
        files.push(File::new(SUMS, sums));
        files
    }

    /// Replaces the folder by this release. If it fails, the folder is as before.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let [new, old] = siblings(folder)?;
        for unneeded in [&new, &old] {
            if unneeded.exists() {
                fs::remove_dir_all(unneeded)?;
            }
        }
        for file in self.files() {
            let path = new.join(&file.path);
            fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
            fs::write(&path, &file.content).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if !folder.exists() {
            return Ok(fs::rename(&new, folder)?);
        }
        fs::rename(folder, &old)?;
        if let Err(error) = fs::rename(&new, folder) {
            fs::rename(&old, folder)?;
            return Err(error.into());
        }
        Ok(fs::remove_dir_all(&old)?)
    }

    /// Returns a line with the size of each file, for people.
    pub(super) fn summary(&self) -> String {
        let line = |file: &File| format!("  {:>9} bytes  {}\n", file.content.len(), file.path);
        self.files().iter().map(line).collect()
    }
}

const SUMS: &str = "SHA256SUMS";

/// Checks that a folder can be replaced by a release: it does not exist, is empty, or is a release.
pub(super) fn check_folder(folder: &Path) -> Result<()> {
    siblings(folder)?;
    let is_other = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some() && !folder.join(SUMS).is_file(),
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    ensure!(
        !is_other,
        "{} has other files than those of a release, which would be deleted; name a folder that does not exist",
        folder.display()
    );
    Ok(())
}

/// Returns the folders beside a release in which it is written, and kept until the new one is complete.
fn siblings(folder: &Path) -> Result<[PathBuf; 2]> {
    let name = folder.file_name().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{}: write the name of a folder", folder.display()))?;
    Ok(["new", "old"].map(|ending| folder.with_file_name(format!(".{name}.{ending}"))))
}

/// Returns the labels of the image, which are its annotations too. Their names are defined by the OCI.
fn annotations(version: &str) -> Vec<(&'static str, String)> {
    let mut annotations = vec![
        ("org.opencontainers.image.title", "ksvc-router".to_owned()),
        ("org.opencontainers.image.description", "Calls Knative Services by HTTP method and path".to_owned()),
        ("org.opencontainers.image.version", version.to_owned()),
        ("org.opencontainers.image.licenses", env!("CARGO_PKG_LICENSE").to_owned()),
    ];
    annotations.extend(revision::of_sources().map(|commit| ("org.opencontainers.image.revision", commit)));
    annotations
}

/// Packs the command line with its completions and man pages.
fn command_line_archive(version: &str, architecture: Architecture, program: Vec<u8>) -> Result<File> {
    let top = format!("ksvc-router-{version}-{architecture}-linux");
    let mut files = vec![File::program("ksvc-router", program)];
    // The file name by which kubectl finds its plugin: `kubectl ksvc_router`.
    files.push(File::link("kubectl-ksvc_router", "ksvc-router"));
    files.push(File::new("LICENSE", fs::read(testenv::repository().join("LICENSE"))?));
    for (shell, name) in
        [(Shell::Bash, "ksvc-router.bash"), (Shell::Zsh, "_ksvc-router"), (Shell::Fish, "ksvc-router.fish")]
    {
        let mut script = Vec::new();
        generate(shell, &mut Args::command(), "ksvc-router", &mut script);
        files.push(File::new(format!("completions/{name}"), script));
    }
    files.extend(man_pages()?);
    for file in &mut files {
        file.path.insert_str(0, &format!("{top}/"));
    }
    Ok(File::new(format!("{top}.tar.gz"), archive::tar_gz(&files)?))
}

/// Returns the man page of the command, and one of each of its commands.
fn man_pages() -> Result<Vec<File>> {
    let folder = tempfile::tempdir()?;
    clap_mangen::generate_to(Args::command().disable_help_subcommand(true), folder.path())?;
    let pages = archive::read_folder(folder.path(), "man/")?;
    ensure!(!pages.is_empty(), "no man pages were made");
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use oci_artifacts::archive::unpack;

    use super::super::command_line::ARCHITECTURES;
    use super::*;

    fn release() -> Release {
        let bills = vec![File::new("plugin.cdx.json", "{}")];
        Release::new("1.2.3", b"\0asm".to_vec(), vec![(ARCHITECTURES[0], b"ELF".to_vec())], bills).unwrap()
    }

    fn text(files: &[File], path: &str) -> String {
        let file = files.iter().find(|file| file.path == path).unwrap_or_else(|| panic!("no {path}"));
        String::from_utf8(file.content.clone()).unwrap()
    }

    #[test]
    fn the_same_parts_give_the_same_bytes() {
        let files = release().files();
        for _ in 0..3 {
            assert!(release().files() == files, "a file differs");
        }
    }

    #[test]
    fn every_file_has_its_sum() {
        let files = release().files();
        let sums = text(&files, SUMS);
        for file in files.iter().filter(|file| file.path != SUMS && !file.path.starts_with("image/")) {
            assert!(sums.contains(&format!("{}  {}\n", sha256(&file.content), file.path)), "{}", file.path);
        }
    }

    #[test]
    fn a_release_that_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("release");
        let mut release = release();
        release.write(&folder).unwrap();
        assert!(Release::read(&folder).unwrap().files() == release.files(), "a file differs");
        release.set_repository("registry.example.com/other").unwrap();
        release.write(&folder).unwrap();
        assert!(Release::read(&folder).unwrap().files() == release.files(), "a file differs");
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn only_a_release_is_replaced() {
        let top = tempfile::tempdir().unwrap();
        let at = |name: &str| top.path().join(name);
        fs::create_dir_all(at("empty")).unwrap();
        fs::create_dir_all(at("other")).unwrap();
        fs::write(at("other/file"), "").unwrap();
        release().write(&at("release")).unwrap();
        for good in ["empty", "missing", "release"] {
            check_folder(&at(good)).unwrap();
        }
        for bad in [at("other"), at("other/file"), at("other/.."), ".".into(), "..".into(), "/".into()] {
            assert!(check_folder(&bad).is_err() && bad.exists(), "{}", bad.display());
        }
        assert!(release().write(&at("other/..")).is_err() && at("other/file").exists());
    }

    #[test]
    fn all_manifests_name_the_image_with_its_digest() {
        let mut release = release();
        let digest = release.image.digest();
        let image = format!("  url: oci://registry.example.com/ksvc-router@{digest}\n");
        assert!(text(&release.files(), "wasm-plugin.yaml").contains(&image));
        release.set_repository("registry.example.com/team/router").unwrap();
        let image = format!("  url: oci://registry.example.com/team/router@{digest}\n");
        let files = release.files();
        assert!(text(&files, "wasm-plugin.yaml").contains(&image));
        let packed = |name: &str| unpack(&files.iter().find(|file| file.path == name).unwrap().content).unwrap();
        for folder in ["base", "overlays/example"] {
            let manifest = text(&packed("kustomize-1.2.3.tar.gz"), &format!("kustomize/{folder}/wasm-plugin.yaml"));
            assert!(manifest.contains(&image), "{manifest}");
        }
        let values = text(&packed("ksvc-router-1.2.3.tgz"), "ksvc-router/values.yaml");
        assert!(values.contains("  repository: registry.example.com/team/router\n"), "{values}");
        assert!(values.contains(&format!("  digest: {digest}\n")), "{values}");
    }

    #[test]
    fn the_command_line_has_completions_and_a_man_page_for_every_command() {
        let files = release().files();
        let archive = files.iter().find(|file| file.path == "ksvc-router-1.2.3-x86_64-linux.tar.gz").unwrap();
        let files = unpack(&archive.content).unwrap();
        let top = "ksvc-router-1.2.3-x86_64-linux";
        assert!(files.iter().any(|file| file.path == format!("{top}/ksvc-router") && file.executable));
        let link = files.iter().find(|file| file.path == format!("{top}/kubectl-ksvc_router")).unwrap();
        assert_eq!(link.link_to.as_deref(), Some("ksvc-router"));
        for command in Args::command().get_subcommands() {
            let page = text(&files, &format!("{top}/man/ksvc-router-{}.1", command.get_name()));
            assert!(page.contains(".SH SYNOPSIS"), "{page}");
            let completions = text(&files, &format!("{top}/completions/ksvc-router.bash"));
            assert!(completions.contains(command.get_name()), "{}", command.get_name());
        }
    }
}
