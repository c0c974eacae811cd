//! `cargo xtask dist`: makes everything that a release has, in `dist/release/`. `cargo xtask dist push` pushes the image
//! and the Helm chart, and names the image in the manifests.
//!
//! The release is reproducible: the same sources, built with the same programs, give the same bytes.

mod command_line;
mod manifests;
mod release;
mod revision;
mod sbom;
mod version;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use oci_artifacts::registry;

use crate::build::{self, Places};
use release::Release;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    task: Option<Task>,
    /// Fail unless this tag, such as v0.1.0, the version in Cargo.toml and the newest heading of CHANGELOG.md agree
    #[arg(long)]
    tag: Option<String>,
    /// Fail if something can't be made on this machine, instead of leaving it out
    #[arg(long)]
    strict: bool,
    /// Make only what takes seconds: neither the command lines nor the bills of materials
    #[arg(long, conflicts_with_all = ["strict", "twice"])]
    quick: bool,
    /// The folder of the release [default: dist/release]
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    /// Build the plugin, the core of the page and the command lines again, from a copy of the sources in another folder, and compare the bytes
    #[arg(long)]
    twice: bool,
}

#[derive(Subcommand)]
enum Task {
    /// Push the image and the Helm chart of dist/release, and write the image with its digest into the manifests
    Push {
        /// The name of the image, with its registry but without a tag. The chart is pushed to the same name with `-chart`
        #[arg(value_name = "REGISTRY/NAME")]
        name: String,
    },
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let folder = options.folder.clone().unwrap_or_else(|| testenv::repository().join("dist/release"));
    if let Some(Task::Push { name }) = &options.task {
        return push(name, &folder);
    }
    release::check_folder(&folder)?;
    let version = version::check(options.tag.as_deref())?;
    build::plugin()?;
    if !options.quick {
        build::page()?;
    }
    let release = make(&Places::here()?, &version, options)?;
    if options.twice {
        build::reproduce()?;
        let elsewhere = build::Elsewhere::new()?;
        let again = make(elsewhere.places(), &version, options)?;
        compare(&release, &again)?;
    }
    release.write(&folder)?;
    print!("{}:\n{}", folder.display(), release.summary());
    println!("The digest of the image is {}. To push it: cargo xtask dist push REGISTRY/NAME", release.image.digest());
    Ok(ExitCode::SUCCESS)
}

/// Makes a release from the sources of these places. Programs that this machine can't build are left out with a message;
/// with `--strict`, that is an error.
fn make(places: &Places, version: &str, options: &Options) -> Result<Release> {
    let plugin = fs::read(testenv::plugin()?)?;
    if options.quick {
        return Release::new(version, plugin, Vec::new(), Vec::new());
    }
    let mut command_lines = Vec::new();
    for architecture in command_line::ARCHITECTURES {
        match command_line::build(places, architecture) {
            Ok(program) => command_lines.push((architecture, program)),
            Err(error) if options.strict => return Err(error),
            Err(error) => eprintln!("\nNOT MADE: the command line for {architecture}: {error:#}\n"),
        }
    }
    Release::new(version, plugin, command_lines, sbom::make(places)?)
}

fn compare(release: &Release, again: &Release) -> Result<()> {
    let (one, other) = (release.files(), again.files());
    let of_one_alone =
        one.iter().filter(|file| !other.contains(file)).chain(other.iter().filter(|file| !one.contains(file)));
    let differing = of_one_alone.map(|file| &*file.path).collect::<BTreeSet<_>>();
    ensure!(differing.is_empty(), "these files differ if they are built in another folder: {differing:?}");
    eprintln!("    the same bytes in another folder");
    Ok(())
}

fn push(name: &str, folder: &Path) -> Result<ExitCode> {
    if let Some((_, tag)) = name.rsplit_once('/').and_then(|(_, last)| last.split_once([':', '@'])) {
        bail!("{name}: write the name without `{tag}`. The tag is the version in Cargo.toml");
    }
    let mut release = Release::read(folder).context("run `cargo xtask dist` first")?;
    release.set_repository(name)?;
    let version = &release.version;
    let image = format!("{name}:{version}");
    let chart = format!("{name}-chart:{version}");
    let digest = registry::push(&image, &release.image)?;
    registry::push(&chart, &release.chart()?)?;
    release.write(folder)?;
    println!("image: {image}@{digest}");
    println!("chart: oci://{name}-chart, version {version}");
    println!("{} has the image with its digest.", folder.join("wasm-plugin.yaml").display());
    Ok(ExitCode::SUCCESS)
}
