//! The certificates of one run: an authority, the certificates that it signs, and a TLS client that trusts it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// A certificate authority that signs the certificates of one run and keeps them in a folder, as PEM.
pub struct Authority {
    folder: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

/// The files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// The purpose of a certificate.
#[derive(Debug, Clone, Copy)]
pub enum Purpose<'a> {
    /// For a server with these names or addresses.
    Server(&'a [&'a str]),
    /// For a client of the API server that belongs to this group.
    Client { group: &'a str },
}

impl Authority {
    pub fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "testenv");
        let signed = params.self_signed(&key)?;
        fs::write(folder.join("ca.crt"), signed.pem())?;
        let certificate = signed.der().clone();
        Ok(Self { folder: folder.to_owned(), issuer: Issuer::new(params, key), certificate })
    }

    /// Returns the file of the authority's own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub fn sign(&self, name: &str, purpose: Purpose<'_>) -> Result<Certificate> {
        let mut params = match purpose {
            Purpose::Server(names) => {
                let mut params =
                    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
                params
            }
            Purpose::Client { group } => {
                let mut params = CertificateParams::default();
                params.distinguished_name.push(DnType::OrganizationName, group);
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                params
            }
        };
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        let file = |extension: &str| self.folder.join(format!("{name}.{extension}"));
        let certificate = Certificate { certificate: file("crt"), key: file("key") };
        fs::write(&certificate.certificate, signed.pem())?;
        fs::write(&certificate.key, key.serialize_pem())?;
        Ok(certificate)
    }

    /// Returns the settings of a TLS client that trusts this authority alone.
    pub fn client(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        Ok(Arc::new(builder.with_root_certificates(roots).with_no_client_auth()))
    }
}

/// Writes a key pair (ECDSA on P-256) as PEM, for programs that need a key but no certificate. Returns the files of the
/// private key (PKCS#8) and of the public key.
pub fn key_pair(folder: &Path, name: &str) -> Result<(PathBuf, PathBuf)> {
    let key = KeyPair::generate()?;
    let (private, public) = (folder.join(format!("{name}.key")), folder.join(format!("{name}.pub")));
    fs::write(&private, key.serialize_pem())?;
    fs::write(&public, key.public_key_pem())?;
    Ok((private, public))
}
