//! A container registry on loopback, Debian's `docker-registry`, and a small client that pushes the plugin to it as the
//! image that a user builds: FROM scratch, with `plugin.wasm` as its only file.

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

const LACKING: &str = "the tests of the registry need the program `docker-registry`, and there is none on PATH: \
                       `apt-get install docker-registry` (Debian, Ubuntu)";

/// How `docker` writes an image: the same layer, under other media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Image manifest version 2, schema 2: the classic image store.
    Docker,
    /// The containerd image store, buildx and podman.
    Oci,
}

/// A registry; its images outlive a [`Registry::stop`].
pub struct Registry {
    folder: PathBuf,
    address: SocketAddr,
    running: Option<Running>,
}

/// Where an image was pushed to.
#[derive(Debug, Clone)]
pub struct Image {
    /// With the tag.
    pub by_tag: String,
    /// With the digest of its manifest.
    pub by_digest: String,
}

impl Registry {
    /// Starts one with its images in this folder.
    pub fn start(folder: &Path) -> Result<Self> {
        let [port] = free_ports()?;
        fs::create_dir_all(folder)?;
        let config = json!({
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": folder.join("images")}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        // JSON is YAML.
        fs::write(folder.join("registry.yaml"), config.to_string())?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut registry = Self { folder: folder.to_owned(), address, running: None };
        registry.go_on()?;
        Ok(registry)
    }

    /// An outage.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// The end of an outage: the same port, the same images.
    pub fn go_on(&mut self) -> Result<()> {
        let mut serve = Command::new("docker-registry");
        serve.arg("serve").arg(self.folder.join("registry.yaml"));
        let running = Running::start("docker-registry", &mut serve, &self.folder.join("registry.log"), None);
        let running = running.map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(io) if io.kind() == std::io::ErrorKind::NotFound => error.context(LACKING),
            _ => error,
        })?;
        running.await_ready(PATIENCE, || {
            Ok(self.send(Request::get(self.host(), "/v2/")).is_ok_and(|r| r.status == 200))
        })?;
        self.running = Some(running);
        Ok(())
    }

    /// Host and port, as they stand in a reference.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// Pushes `FROM scratch`, `COPY plugin.wasm ./`.
    pub fn push_module(&self, format: Format, name: &str, tag: &str, module: &[u8]) -> Result<Image> {
        let layer = layer(module)?;
        let digest_of_tar = digest(&layer.tar);
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": [digest_of_tar]},
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

    /// Pushes an image index that holds one image for `linux/amd64` alone, as buildx does where it attests.
    pub fn push_index(&self, name: &str, tag: &str, module: &[u8]) -> Result<Image> {
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let image = self.push_module(Format::Oci, name, &format!("{tag}-amd64"), module)?;
        let reference = image.by_digest.rsplit('@').next().unwrap_or_default();
        let held = self.send(
            Request::get(self.host(), format!("/v2/{name}/manifests/{reference}"))
                .header("accept", "application/vnd.oci.image.manifest.v1+json"),
        )?;
        ensure!(held.status == 200, "no manifest {reference}: {} {}", held.status, held.text());
        let mut only = descriptor("application/vnd.oci.image.manifest.v1+json", &held.body);
        only["platform"] = json!({"architecture": "amd64", "os": "linux"});
        self.push_manifest(name, tag, INDEX, &json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [only]}))
    }

    fn push_manifest(&self, name: &str, tag: &str, media_type: &str, manifest: &Value) -> Result<Image> {
        let manifest = manifest.to_string().into_bytes();
        let put = Request::new("PUT", self.host(), format!("/v2/{name}/manifests/{tag}"));
        let answer = self.send(put.header("content-type", media_type).body(&manifest))?;
        ensure!(answer.status == 201, "the manifest of {name}:{tag}: {} {}", answer.status, answer.text());
        let host = self.host();
        let by_digest = format!("{host}/{name}@{}", digest(&manifest));
        Ok(Image { by_tag: format!("{host}/{name}:{tag}"), by_digest })
    }

    fn push_blob(&self, name: &str, blob: &[u8]) -> Result<()> {
        let begin =
            Request::new("POST", self.host(), format!("/v2/{name}/blobs/uploads/")).header("content-length", "0");
        let begun = self.send(begin)?;
        let to = begun.header("location").with_context(|| format!("no upload: {} {}", begun.status, begun.text()))?;
        let to = to.strip_prefix(&format!("http://{}", self.host())).unwrap_or(to);
        let to = format!("{to}{}digest={}", if to.contains('?') { '&' } else { '?' }, digest(blob));
        let put = Request::new("PUT", self.host(), to).header("content-type", "application/octet-stream").body(blob);
        let put = self.send(put)?;
        ensure!(put.status == 201, "a blob of {name}: {} {}", put.status, put.text());
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
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&tar)?;
    Ok(Layer { tar, tar_gz: packed.finish()? })
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({"mediaType": media_type, "size": blob.len(), "digest": digest(blob)})
}

fn digest(octets: &[u8]) -> String {
    let hex: String = Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect();
    format!("sha256:{hex}")
}
