//! Builds the command line as a static program, which runs on every Linux of its architecture. The plugin is inside, for
//! `ksvc-router up`, and the core for the page of `ksvc-router routes --as html`.

use std::fmt;
use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::build::{Places, install_target};
use crate::{page, step};

/// An architecture for which a static command line is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Architecture {
    /// The name, as `uname -m` prints it.
    pub(super) name: &'static str,
    /// The target of the Rust compiler.
    target: &'static str,
    /// The C compiler for the C code of `ring`, and its Debian package.
    compiler: &'static str,
    package: &'static str,
}

pub(super) const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "x86_64",
        target: "x86_64-unknown-linux-musl",
        compiler: "x86_64-linux-gnu-gcc",
        package: "gcc-x86-64-linux-gnu",
    },
    Architecture {
        name: "aarch64",
        target: "aarch64-unknown-linux-musl",
        compiler: "aarch64-linux-gnu-gcc",
        package: "gcc-aarch64-linux-gnu",
    },
];

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Builds the command line for this architecture and returns the program.
pub(super) fn build(places: &Places, architecture: Architecture) -> Result<Vec<u8>> {
    let Architecture { target, compiler, package, .. } = architecture;
    let version = Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    ensure!(
        version.is_ok_and(|status| status.success()),
        "it needs the C compiler `{compiler}`: `apt-get install {package}` (Debian, Ubuntu)"
    );
    install_target(target)?;
    let mut build = places.cargo_build(
        &["--profile", "command-line", "--target", target, "-p", "ksvc-router-cli"],
        &[
            // The linker and the C library that come with Rust, so that only the C compiler is needed.
            "-Clinker=rust-lld",
            "-Clink-self-contained=yes",
        ],
    )?;
    build.args(["--features", "plugin,page"]).env("KSVC_ROUTER_PLUGIN", testenv::plugin()?);
    build.env(page::VARIABLE, page::folder()?);
    build.env(format!("CC_{}", target.replace('-', "_")), compiler);
    step::run(&format!("Building the command line for {architecture}"), build)?;
    let program = places.target.join(target).join("command-line/ksvc-router");
    fs::read(&program).with_context(|| format!("the build left no {}", program.display()))
}
