//! Follows a page of the documentation: runs its commands as they are written there, and checks that they print what the
//! page says.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use testenv::istio::ControlPlane;
use testenv::page::{blocks, section};
use testenv::repository;

/// A page, and a folder in which its commands run.
pub(crate) struct Page<'a> {
    name: &'a str,
    text: String,
    plane: &'a ControlPlane,
    pub(crate) folder: PathBuf,
    /// Replaces what differs from a cluster in commands, files and results, such as ports.
    adapt: Box<dyn Fn(&str) -> String + 'a>,
}

impl<'a> Page<'a> {
    pub(crate) fn new(name: &'a str, plane: &'a ControlPlane, adapt: impl Fn(&str) -> String + 'a) -> Result<Self> {
        let folder = plane.folder().join(Path::new(name).file_stem().unwrap_or_default());
        fs::create_dir_all(&folder)?;
        let text = fs::read_to_string(repository().join(name)).with_context(|| name.to_owned())?;
        Ok(Self { name, text, plane, folder, adapt: Box::new(adapt) })
    }

    /// Writes the files that a section shows, and runs its commands that `are_chosen`. Commands that a block of text
    /// follows run until they print that text, which `eventually` bounds; all others run once.
    pub(crate) fn follow(
        &self,
        heading: &str,
        are_chosen: impl Fn(&str) -> bool,
        eventually: impl Fn(&mut dyn FnMut() -> Result<bool>) -> Result<()>,
    ) -> Result<()> {
        let section = section(&self.text, heading).with_context(|| self.name.to_owned())?;
        let blocks = blocks(section);
        let mut chosen = 0;
        for (number, (language, text)) in blocks.iter().enumerate() {
            let text = (self.adapt)(text);
            match *language {
                "yaml" => self.write(&text)?,
                "sh" if are_chosen(&text) => {
                    chosen += 1;
                    let expected = blocks.get(number + 1).filter(|(language, _)| *language == "text");
                    let expected = expected.map(|(_, expected)| (self.adapt)(expected));
                    let place = || format!("{}, {heading}:\n{text}", self.name);
                    let Some(expected) = expected else {
                        self.run(&text).with_context(place)?;
                        continue;
                    };
                    let mut printed = String::new();
                    let waited = eventually(&mut || {
                        printed = self.run(&text).unwrap_or_else(|error| format!("{error:#}"));
                        Ok(printed.trim() == expected.trim())
                    });
                    waited
                        .with_context(|| format!("printed {printed:?} instead of {expected:?}"))
                        .with_context(place)?;
                }
                _ => {}
            }
        }
        ensure!(chosen > 0, "{} has no commands in {heading:?}", self.name);
        Ok(())
    }

    /// Writes a file whose name is in its first line.
    fn write(&self, text: &str) -> Result<()> {
        match text.lines().next().and_then(|line| line.strip_prefix("# ")) {
            Some(name) => Ok(fs::write(self.folder.join(name), text)?),
            None => Ok(()),
        }
    }

    /// Runs commands in the page's folder with bash, after those of the page that set a variable. Returns what they
    /// print.
    pub(crate) fn run(&self, commands: &str) -> Result<String> {
        let programs = [self.plane.tools().program("kubectl"), repository().join("dist/ksvc-router")];
        let folders = programs.iter().filter_map(|program| program.parent()).map(Path::to_path_buf);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(folders.chain(std::env::split_paths(&path)))?;
        let variables =
            blocks(&self.text).into_iter().map(|(_, text)| text).filter(|text| text.starts_with("ADDRESS="));
        let script = variables.chain([commands]).collect::<Vec<_>>().join("\n");
        let kubectl = self.plane.cluster().command();
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
            .current_dir(&self.folder)
            .envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .env("PATH", path)
            .env("CURL_CA_BUNDLE", self.plane.authority().file())
            .output()
            .context("cannot start bash")?;
        let printed = String::from_utf8(output.stdout)?;
        ensure!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr).trim());
        Ok(printed)
    }
}
