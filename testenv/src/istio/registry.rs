//! Runs a container registry on loopback, Debian's `docker-registry`, and pushes the plugin to it: as the image of a
//! release, and in the other formats in which users' tools write images.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use oci_artifacts::artifact::{Artifact, Blob};
use serde_json::json;

use crate::http1::Request;
use crate::process::{Running, free_ports};

const PATIENCE: Duration = Duration::from_secs(30);

const NOT_INSTALLED: &str = "the tests with a registry need the program `docker-registry`, which is not on PATH: \
                             `apt-get install docker-registry` (Debian, Ubuntu)";

/// The format of an image. The layer is the same in both; the media types differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Image manifest version 2, schema 2, which Docker's classic image store writes.
    Docker,
    /// The OCI format, which the containerd image store, buildx and podman write.
    Oci,
}

/// A registry, which keeps its images while it is stopped.
pub struct Registry {
    folder: PathBuf,
    address: SocketAddr,
    running: Option<Running>,
}

/// The references of a pushed image.
#[derive(Debug, Clone)]
pub struct Image {
    /// The reference with the tag.
    pub by_tag: String,
    /// The reference with the digest of the manifest.
    pub by_digest: String,
}

impl Registry {
    /// Starts a registry with its images in this folder.
    pub fn start(folder: &Path) -> Result<Self> {
        let [port] = free_ports()?;
        fs::create_dir_all(folder)?;
        let config = json!({
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": folder.join("images")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        // JSON is valid YAML.
        fs::write(folder.join("registry.yaml"), config.to_string())?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut registry = Self { folder: folder.to_owned(), address, running: None };
        registry.restart()?;
        Ok(registry)
    }

    /// Begins an outage.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Ends an outage: starts the registry again, on the same port and with the same images.
    pub fn restart(&mut self) -> Result<()> {
        let mut serve = Command::new("docker-registry");
        serve.arg("serve").arg(self.folder.join("registry.yaml"));
        let running = Running::start("docker-registry", &mut serve, &self.folder.join("registry.log"), None);
        let running = running.map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == std::io::ErrorKind::NotFound => error.context(NOT_INSTALLED),
            _ => error,
        })?;
        running.await_ready(PATIENCE, || {
            Ok(Request::get(self.host(), "/v2/").send(self.address).is_ok_and(|r| r.status == 200))
        })?;
        self.running = Some(running);
        Ok(())
    }

    /// Returns the host and port, as an image reference has them.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Pushes the image of this module, as `cargo xtask dist push` does, or with the media types of Docker.
    pub fn push_module(&self, format: Format, name: &str, tag: &str, module: &[u8]) -> Result<Image> {
        let image = Artifact::of_plugin(module, &[])?;
        let image = match format {
            Format::Oci => image,
            Format::Docker => in_docker_format(image)?,
        };
        self.push(name, tag, &image)
    }

    /// Pushes an image index that contains a single image, for `linux/amd64`, as buildx does when it adds attestations.
    pub fn push_index(&self, name: &str, tag: &str, module: &[u8]) -> Result<Image> {
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let image = Artifact::of_plugin(module, &[])?;
        self.push(name, &format!("{tag}-amd64"), &image)?;
        let manifest = Blob { media_type: image.media_type.as_str().into(), bytes: image.manifest };
        let mut entry = serde_json::to_value(manifest.descriptor()?)?;
        entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}).to_string().into_bytes();
        self.push(name, tag, &Artifact { manifest: index, media_type: INDEX.to_owned(), blobs: Vec::new() })
    }

    /// Pushes an artifact.
    pub fn push(&self, name: &str, tag: &str, artifact: &Artifact) -> Result<Image> {
        let host = self.host();
        let by_tag = format!("{host}/{name}:{tag}");
        let digest = oci_artifacts::registry::push(&by_tag, artifact)?;
        Ok(Image { by_tag, by_digest: format!("{host}/{name}@{digest}") })
    }
}

/// Gives an image the media types of Docker's schema 2, which has the same content.
fn in_docker_format(image: Artifact) -> Result<Artifact> {
    const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = String::from_utf8(image.manifest)?
        .replace("application/vnd.oci.image.manifest.v1+json", MANIFEST)
        .replace("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
        .replace("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip");
    Ok(Artifact { manifest: manifest.into_bytes(), media_type: MANIFEST.to_owned(), blobs: image.blobs })
}
