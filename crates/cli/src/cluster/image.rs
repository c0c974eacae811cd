//! Asks a registry for the image of a module, as the gateway's agent does, but without credentials.

use std::collections::BTreeMap;

use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError, OciErrorCode};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use serde_json::Value;
use tokio::time::timeout;

use super::connect::{PATIENCE, reason, use_ring};
use super::objects::{list, text};

/// The media types of images and of indexes, in the formats of OCI and of Docker.
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// What a registry says about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAnswer {
    /// It has an image of this digest.
    Image { digest: String },
    /// It has an image index of this digest, and in it the images with these digests.
    Index { digest: String, images: Vec<String> },
    /// It has no such image.
    Missing,
    /// It wants credentials.
    Refused,
    /// It can't be asked from here, with the reason.
    Unreachable(String),
}

/// The answers by the reference of the image, without `oci://`.
pub type ImageAnswers = BTreeMap<String, ImageAnswer>;

/// Returns the reference of the image in the `url` of a module, without `oci://`; `None` for other URLs.
pub fn reference(url: &str) -> Option<&str> {
    match url.split_once("://") {
        Some((scheme, rest)) => scheme.eq_ignore_ascii_case("oci").then_some(rest),
        None => Some(url),
    }
}

/// Asks the registries for these images.
pub async fn ask(references: impl IntoIterator<Item = &str>) -> ImageAnswers {
    let mut answers = ImageAnswers::new();
    for reference in references {
        if !answers.contains_key(reference) {
            answers.insert(reference.to_owned(), ask_one(reference).await);
        }
    }
    answers
}

async fn ask_one(reference: &str) -> ImageAnswer {
    let parsed = match reference.parse::<Reference>() {
        Ok(parsed) => parsed,
        Err(error) => return ImageAnswer::Unreachable(format!("this is no reference of an image: {error}")),
    };
    use_ring();
    // A registry on your own machine seldom has TLS.
    let registry = parsed.resolve_registry().to_owned();
    let host = registry.rsplit_once(':').map_or(&*registry, |(host, _)| host);
    let is_local =
        host == "localhost" || host.trim_matches(['[', ']']).parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let protocol = if is_local { ClientProtocol::Http } else { ClientProtocol::Https };
    let config = ClientConfig {
        protocol,
        connect_timeout: Some(PATIENCE),
        read_timeout: Some(PATIENCE),
        user_agent: concat!("ksvc-router/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    let client = match Client::try_from(config) {
        Ok(client) => client,
        Err(error) => return ImageAnswer::Unreachable(reason(&error)),
    };
    let accepted = [IMAGES, INDEXES].concat();
    let anonymous = RegistryAuth::Anonymous;
    match timeout(PATIENCE, client.pull_manifest_raw(&parsed, &anonymous, &accepted)).await {
        Err(_) => ImageAnswer::Unreachable(format!("it has not answered within {} seconds", PATIENCE.as_secs())),
        Ok(Ok((manifest, digest))) => read_manifest(&manifest, digest),
        Ok(Err(error)) => read_error(&error),
    }
}

/// Tells an image from an index.
fn read_manifest(manifest: &[u8], digest: String) -> ImageAnswer {
    let manifest: Value = serde_json::from_slice(manifest).unwrap_or_default();
    if manifest.get("manifests").is_none() {
        return ImageAnswer::Image { digest };
    }
    // Attestations are entries for the platform `unknown/unknown`.
    let is_image = |entry: &&Value| text(entry, "/platform/os") != "unknown";
    let images = list(&manifest, "/manifests").iter().filter(is_image).map(|entry| text(entry, "/digest").to_owned());
    ImageAnswer::Index { digest, images: images.collect() }
}

fn read_error(error: &OciDistributionError) -> ImageAnswer {
    match error {
        OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
            ImageAnswer::Refused
        }
        OciDistributionError::ImageManifestNotFoundError(_) => ImageAnswer::Missing,
        OciDistributionError::ServerError { code: 401 | 403, .. } => ImageAnswer::Refused,
        OciDistributionError::ServerError { code: 404, .. } => ImageAnswer::Missing,
        OciDistributionError::RegistryError { envelope, .. } => {
            let has = |codes: &[OciErrorCode]| envelope.errors.iter().any(|error| codes.contains(&error.code));
            if has(&[OciErrorCode::Denied, OciErrorCode::Unauthorized]) {
                ImageAnswer::Refused
            } else if has(&[OciErrorCode::ManifestUnknown, OciErrorCode::NameUnknown, OciErrorCode::NotFound]) {
                ImageAnswer::Missing
            } else {
                ImageAnswer::Unreachable(envelope.to_string())
            }
        }
        error => ImageAnswer::Unreachable(reason(error)),
    }
}
