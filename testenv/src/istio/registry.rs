//! Runs a container registry on loopback, Debian's `docker-registry`, and pushes the plugin to it as the image that a
//! user builds: FROM scratch, with `plugin.wasm` as its only file.
//!
//! The pushing is written by hand because it takes few lines and must produce both manifest formats, Docker's and
//! OCI's, byte for byte; `oci-client` would bring an asynchronous HTTP stack of its own.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::http1::{Request, Response};
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
            Ok(self.send(Request::get(self.host(), "/v2/")).is_ok_and(|r| r.status == 200))
        })?;
        self.running = Some(running);
        Ok(())
    }

    /// Returns the host and port, as an image reference has them.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Pushes the image that a Dockerfile with `FROM scratch` and `COPY plugin.wasm ./` makes.
    pub fn push_module(&self, format: Format, name: &str, tag: &str, module: &[u8]) -> Result<Image> {
        let layer = layer(module)?;
        let tar_digest = digest(&layer.tar);
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [tar_digest]},
            "history": [{"created_by": "COPY plugin.wasm ./ # buildkit", "comment": "buildkit.dockerfile.v0"}],
        });
        let config = config.to_string().into_bytes();
        let (manifest_type, config_type, layer_type) = match format {
            Format::Docker => (
                "application/vnd.docker.distribution.manifest.v2+json",
                "application/vnd.docker.container.image.v1+json",
                "application/vnd.docker.image.rootfs.diff.tar.gzip",
            ),
            Format::Oci => (
                "application/vnd.oci.image.manifest.v1+json",
                "application/vnd.oci.image.config.v1+json",
                "application/vnd.oci.image.layer.v1.tar+gzip",
            ),
        };
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": descriptor(config_type, &config),
            "layers": [descriptor(layer_type, &layer.tar_gz)],
        });
        self.push_blob(name, &config)?;
        self.push_blob(name, &layer.tar_gz)?;
        self.push_manifest(name, tag, manifest_type, &manifest)
    }

    /// Pushes an image index that contains a single image, for `linux/amd64`, as buildx does when it adds attestations.
    pub fn push_index(&self, name: &str, tag: &str, module: &[u8]) -> Result<Image> {
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let image = self.push_module(Format::Oci, name, &format!("{tag}-amd64"), module)?;
        let reference = image.by_digest.rsplit('@').next().unwrap_or_default();
        let manifest = self.send(
            Request::get(self.host(), format!("/v2/{name}/manifests/{reference}"))
                .header("accept", "application/vnd.oci.image.manifest.v1+json"),
        )?;
        ensure!(manifest.status == 200, "no manifest {reference}: {} {}", manifest.status, manifest.text());
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest.body);
        entry["platform"] = json!({"architecture": "amd64", "os": "linux"});
        self.push_manifest(name, tag, INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}))
    }

    fn push_manifest(&self, name: &str, tag: &str, media_type: &str, manifest: &Value) -> Result<Image> {
        let manifest = manifest.to_string().into_bytes();
        let put = Request::new("PUT", self.host(), format!("/v2/{name}/manifests/{tag}"));
        let response = self.send(put.header("content-type", media_type).body(&manifest))?;
        ensure!(
            response.status == 201,
            "the registry refused the manifest of {name}:{tag}: {} {}",
            response.status,
            response.text()
        );
        let host = self.host();
        let by_digest = format!("{host}/{name}@{}", digest(&manifest));
        Ok(Image { by_tag: format!("{host}/{name}:{tag}"), by_digest })
    }

    fn push_blob(&self, name: &str, blob: &[u8]) -> Result<()> {
        let post =
            Request::new("POST", self.host(), format!("/v2/{name}/blobs/uploads/")).header("content-length", "0");
        let begun = self.send(post)?;
        let refused = || format!("the registry refused an upload: {} {}", begun.status, begun.text());
        let location = begun.header("location").with_context(refused)?;
        let path = location.strip_prefix(&format!("http://{}", self.host())).unwrap_or(location);
        let path = format!("{path}{}digest={}", if path.contains('?') { '&' } else { '?' }, digest(blob));
        let put = Request::new("PUT", self.host(), path).header("content-type", "application/octet-stream").body(blob);
        let response = self.send(put)?;
        ensure!(
            response.status == 201,
            "the registry refused a blob of {name}: {} {}",
            response.status,
            response.text()
        );
        Ok(())
    }

    fn send(&self, request: Request) -> Result<Response> {
        request.send(self.address)
    }
}

struct Layer {
    tar: Vec<u8>,
    tar_gz: Vec<u8>,
}

fn layer(module: &[u8]) -> Result<Layer> {
    let mut header = tar::Header::new_gnu();
    header.set_size(module.len().try_into()?);
    header.set_mode(0o644);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, "plugin.wasm", module)?;
    let tar = archive.into_inner()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&tar)?;
    Ok(Layer { tar, tar_gz: encoder.finish()? })
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": blob.len(), "digest": digest(blob)})
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}
