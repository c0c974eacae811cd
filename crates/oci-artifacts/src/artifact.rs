//! A manifest with the blobs that it names. An artifact can be written and read as an OCI image layout, which is a folder.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use oci_spec::image::{
    Arch, ConfigBuilder, Descriptor, DescriptorBuilder, ImageConfigurationBuilder, ImageIndex, ImageIndexBuilder,
    ImageManifest, ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, RootFsBuilder, SCHEMA_VERSION, Sha256Digest,
};
use serde::Serialize;
use serde_json::Value;

use crate::archive::{self, File};
use crate::sha256;

/// A manifest with the blobs that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub manifest: Vec<u8>,
    /// The type of the manifest.
    pub media_type: String,
    pub blobs: Vec<Vec<u8>>,
}

impl Artifact {
    /// Returns the digest of the manifest, by which the artifact is pinned: `sha256:…`.
    pub fn digest(&self) -> String {
        format!("sha256:{}", sha256(&self.manifest))
    }

    /// Makes an artifact from its config and its only layer.
    ///
    /// # Errors
    ///
    /// Returns no error in practice: all fields that the format needs are set.
    pub fn new(config: Blob, layer: Blob, annotations: &[(&str, String)]) -> Result<Self> {
        let mut manifest = ImageManifestBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageManifest)
            .config(config.descriptor()?)
            .layers([layer.descriptor()?]);
        if !annotations.is_empty() {
            manifest = manifest.annotations(map(annotations));
        }
        let manifest = json(&manifest.build()?)?;
        let media_type = MediaType::ImageManifest.to_string();
        Ok(Self { manifest, media_type, blobs: vec![config.bytes, layer.bytes] })
    }

    /// Makes the image of the plugin: one layer, a tar.gz that holds `plugin.wasm`. Istio's agent and Envoy Gateway take
    /// the last layer of an image. The annotations are its labels too.
    ///
    /// # Errors
    ///
    /// Returns no error in practice.
    pub fn of_plugin(module: &[u8], annotations: &[(&str, String)]) -> Result<Self> {
        let tar = archive::tar(&[File::new("plugin.wasm", module)])?;
        // The platform that `docker build` gives such an image on the usual machine. Nothing in the image depends on it.
        let config = ImageConfigurationBuilder::default()
            .architecture(Arch::Amd64)
            .os(Os::Linux)
            .config(ConfigBuilder::default().labels(map(annotations)).build()?)
            .rootfs(RootFsBuilder::default().typ("layers").diff_ids([format!("sha256:{}", sha256(&tar))]).build()?)
            .build()?;
        let config = Blob { media_type: MediaType::ImageConfig, bytes: json(&config)? };
        let layer = Blob { media_type: MediaType::ImageLayerGzip, bytes: archive::gzip(&tar)? };
        Self::new(config, layer, annotations)
    }

    /// Makes the artifact of a Helm chart, as `helm push` does. `package` is the tar.gz of the chart, and `metadata` the
    /// content of its `Chart.yaml`.
    ///
    /// # Errors
    ///
    /// Returns no error in practice.
    pub fn of_chart(package: Vec<u8>, metadata: &Value) -> Result<Self> {
        let media_type = |kind: &str| MediaType::Other(format!("application/vnd.cncf.helm.{kind}"));
        let config = Blob { media_type: media_type("config.v1+json"), bytes: json(metadata)? };
        Self::new(config, Blob { media_type: media_type("chart.content.v1.tar+gzip"), bytes: package }, &[])
    }

    /// Returns the files of the artifact as an OCI image layout.
    ///
    /// # Errors
    ///
    /// Returns no error in practice.
    pub fn layout(&self) -> Result<Vec<File>> {
        let blobs = self.blobs.iter().chain([&self.manifest]);
        let mut files: Vec<File> =
            blobs.map(|blob| File::new(format!("blobs/sha256/{}", sha256(blob)), blob.clone())).collect();
        let manifest = Blob { media_type: MediaType::from(&*self.media_type), bytes: self.manifest.clone() };
        let index = ImageIndexBuilder::default()
            .schema_version(SCHEMA_VERSION)
            .media_type(MediaType::ImageIndex)
            .manifests([manifest.descriptor()?])
            .build()?;
        files.push(File::new("index.json", json(&index)?));
        let layout = OciLayoutBuilder::default().image_layout_version("1.0.0").build()?;
        files.push(File::new("oci-layout", json(&layout)?));
        Ok(files)
    }

    /// Reads the only artifact of an OCI image layout.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder is not such a layout, or a blob has other bytes than its digest says.
    pub fn read_layout(folder: &Path) -> Result<Self> {
        let index = ImageIndex::from_file(folder.join("index.json"))
            .with_context(|| format!("{} is not an OCI image layout", folder.display()))?;
        let [entry] = &**index.manifests() else { bail!("{} must have one image", folder.display()) };
        let read = |descriptor: &Descriptor| {
            let digest = descriptor.as_digest_sha256().context("a digest that is no SHA-256 sum")?;
            let path = folder.join("blobs/sha256").join(digest);
            let blob = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            ensure!(sha256(&blob) == digest, "{} has other bytes than its name says", path.display());
            Ok(blob)
        };
        let bytes = read(entry)?;
        let manifest: ImageManifest = serde_json::from_slice(&bytes)?;
        let blobs = [manifest.config()].into_iter().chain(manifest.layers()).map(read).collect::<Result<_>>()?;
        Ok(Self { manifest: bytes, media_type: entry.media_type().to_string(), blobs })
    }

    /// Returns an annotation of the manifest.
    ///
    /// # Errors
    ///
    /// Returns an error if the manifest is not that of an image.
    pub fn annotation(&self, name: &str) -> Result<Option<String>> {
        let manifest: ImageManifest = serde_json::from_slice(&self.manifest)?;
        Ok(manifest.annotations().as_ref().and_then(|annotations| annotations.get(name).cloned()))
    }
}

/// A blob with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    pub media_type: MediaType,
    pub bytes: Vec<u8>,
}

impl Blob {
    /// Returns how a manifest refers to the blob.
    ///
    /// # Errors
    ///
    /// Returns no error in practice.
    pub fn descriptor(&self) -> Result<Descriptor> {
        Ok(DescriptorBuilder::default()
            .media_type(self.media_type.clone())
            .digest(sha256(&self.bytes).parse::<Sha256Digest>()?)
            .size(u64::try_from(self.bytes.len())?)
            .build()?)
    }
}

fn map(annotations: &[(&str, String)]) -> HashMap<String, String> {
    annotations.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Returns JSON with sorted keys. The library's own order changes from run to run.
///
/// # Errors
///
/// Returns an error if the value can't be written as JSON.
pub fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut value = serde_json::to_value(value)?;
    value.sort_all_objects();
    Ok(value.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_of_a_plugin_is_the_same_every_time() {
        let labels =
            [("org.opencontainers.image.version", "1.2.3".to_owned()), ("a", "1".to_owned()), ("b", "2".to_owned())];
        let image = Artifact::of_plugin(b"\0asm", &labels).unwrap();
        for _ in 0..20 {
            assert_eq!(Artifact::of_plugin(b"\0asm", &labels).unwrap(), image);
        }
        let manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
        assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1), "{manifest}");
        assert_ne!(Artifact::of_plugin(b"\0asn", &labels).unwrap().digest(), image.digest());
    }

    #[test]
    fn a_layout_has_every_blob_under_its_digest() {
        let folder = tempfile::tempdir().unwrap();
        let image = Artifact::of_plugin(b"\0asm", &[("a", "1".to_owned())]).unwrap();
        let mut last = None;
        for File { path, content, .. } in image.layout().unwrap() {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            last = path.parent().unwrap().ends_with("sha256").then_some(path).or(last);
        }
        assert_eq!(Artifact::read_layout(folder.path()).unwrap(), image);
        assert_eq!(image.annotation("a").unwrap().as_deref(), Some("1"));
        fs::write(last.unwrap(), "changed").unwrap();
        let error = Artifact::read_layout(folder.path()).unwrap_err().to_string();
        assert!(error.contains("has other bytes than its name says"), "{error}");
    }
}
