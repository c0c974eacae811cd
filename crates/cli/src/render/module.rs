//! Where the module is: an image, a file on a web server, or a file in the gateway.

use crate::danger::single::{split_url, url_problem};

/// The image of a manifest whose module is not known yet.
const PLACEHOLDER: &str = "oci://registry.example.com/ksvc-router";

/// The path of the module in an image volume, as the pages and manifests of this repository have it.
pub(super) const VOLUME_PATH: &str = "/var/lib/ksvc-router/plugin.wasm";

/// Where the module is.
#[derive(Debug, Clone, PartialEq)]
pub enum Module {
    /// `url` begins with `oci://` and ends with the digest, if there is one.
    Image { url: String },
    /// A file on a web server, with its SHA-256 checksum.
    Web { url: String, sha256: Option<String> },
    /// A file in the gateway.
    File { path: String },
}

impl Module {
    /// Reads `URL`, or `URL@sha256:DIGEST`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(reason) = url_problem(text) {
            return Err(format!("{text:?} {reason}"));
        }
        let (url, digest) = match text.rsplit_once("@sha256:") {
            Some((url, digest)) => (url, Some(digest.to_owned())),
            None => (text, None),
        };
        if let Some(digest) = digest.as_deref().filter(|digest| !is_digest(digest)) {
            return Err(format!(
                "{digest:?} is no SHA-256 digest; write 64 hexadecimal digits in lower case behind `@sha256:`"
            ));
        }
        let (scheme, rest) = split_url(url);
        match (&*scheme, digest) {
            ("oci", digest) => {
                let digest = digest.map(|digest| format!("@sha256:{digest}")).unwrap_or_default();
                Ok(Self::Image { url: format!("oci://{rest}{digest}") })
            }
            ("file", None) => Ok(Self::File { path: rest.to_owned() }),
            ("file", Some(_)) => Err("Envoy does not compare a file with a digest; remove `@sha256:…`".to_owned()),
            _ if rest.split('/').next().is_some_and(|authority| authority.contains('@')) => Err(
                "the URL has a user name, and with it a password that everyone who can read the manifest would see; leave \
                 both out"
                    .to_owned(),
            ),
            (_, sha256) => Ok(Self::Web { url: url.to_owned(), sha256 }),
        }
    }

    pub(super) fn placeholder() -> Self {
        Self::Image { url: format!("{PLACEHOLDER}@sha256:{}", no_digest()) }
    }

    /// Returns whether the digest is still to be filled in. A file has none.
    pub(super) fn is_placeholder(&self) -> bool {
        let digest = match self {
            Self::Image { url } => url.rsplit_once("@sha256:").map(|(_, digest)| digest),
            Self::Web { sha256, .. } => sha256.as_deref(),
            Self::File { .. } => None,
        };
        digest.is_some_and(|digest| !digest.is_empty() && digest.bytes().all(|b| b == b'0'))
    }

    /// Returns the URL and the checksum, as Istio and Higress take them.
    pub(super) fn url_and_sum(&self) -> (String, Option<String>) {
        match self {
            Self::Image { url } => (url.clone(), None),
            Self::Web { url, sha256 } => (url.clone(), sha256.clone()),
            Self::File { path } => (format!("file://{path}"), None),
        }
    }
}

/// Returns the digest of a module whose digest is not known, which `check` refuses.
pub(super) fn no_digest() -> String {
    "0".repeat(64)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::Module;

    #[test]
    fn a_url_may_have_a_digest_behind_it() {
        let digest = "5".repeat(64);
        let image = format!("oci://registry.example.com:5000/a/b@sha256:{digest}");
        assert_eq!(Module::parse(&image), Ok(Module::Image { url: image.clone() }));
        let web = Module::Web { url: "https://example.com/plugin.wasm".into(), sha256: Some(digest.clone()) };
        assert_eq!(Module::parse(&format!("https://example.com/plugin.wasm@sha256:{digest}")), Ok(web));
        assert_eq!(Module::parse("file:///a/plugin.wasm"), Ok(Module::File { path: "/a/plugin.wasm".into() }));
    }

    #[test]
    fn what_no_platform_takes_is_refused_with_what_to_write() {
        for (text, expected) in [
            ("s3://a/b", "write `oci://`"),
            ("oci://a/b@sha256:12", "write 64 hexadecimal digits"),
            (&format!("file:///a@sha256:{}", "5".repeat(64)), "remove `@sha256:…`"),
            ("oci:/a/b", "two before the host"),
            ("oci://example.com/A", "lower case"),
            ("https://alice:secret@example.com/plugin.wasm", "leave both out"),
        ] {
            let error = Module::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
