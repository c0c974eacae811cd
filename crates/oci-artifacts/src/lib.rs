//! The OCI artifacts of a release, as bytes: the image of the plugin and the Helm chart. The same input always gives the
//! same bytes, and so the same digest.
//!
//! - [`archive`] makes tar and tar.gz archives.
//! - [`artifact`] has a manifest with its blobs, makes the artifacts, and writes one as an OCI image layout.
//! - [`registry`] pushes an artifact to a registry.

pub mod archive;
pub mod artifact;
pub mod registry;

use sha2::{Digest, Sha256};

/// Returns the SHA-256 sum of the bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
