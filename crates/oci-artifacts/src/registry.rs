//! Pushes artifacts to a registry, with the credentials that `docker login` has stored.

use std::env;
use std::fs::File;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use crate::artifact::Artifact;
use crate::sha256;

/// Pushes an artifact to `reference`, which has a tag, and checks that the registry gives it back by its digest. Returns
/// the digest.
///
/// Requests to a registry on a loopback address use plain HTTP, as those of Docker do.
///
/// # Errors
///
/// Returns an error if the reference is not valid, or the registry refuses.
pub fn push(reference: &str, artifact: &Artifact) -> Result<String> {
    let reference = parse(reference)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(push_all(&reference, artifact)).with_context(|| format!("cannot push {reference}"))?;
    Ok(artifact.digest())
}

/// Reads a reference that has a tag, such as `registry.example.com/ksvc-router:0.1.0`.
fn parse(reference: &str) -> Result<Reference> {
    let name = reference.split('/').next().unwrap_or_default();
    ensure!(
        reference.contains('/') && (name.contains(['.', ':']) || name == "localhost"),
        "{reference}: write the host of the registry first, as in `registry.example.com/ksvc-router`"
    );
    reference.parse().map_err(|error| anyhow!("{reference} is not a reference of an image: {error}"))
}

async fn push_all(reference: &Reference, artifact: &Artifact) -> Result<()> {
    let client = client(reference.registry());
    let auth = credentials(reference.registry())?;
    client.store_auth_if_needed(reference.resolve_registry(), &auth).await;
    client
        .auth(reference, &auth, oci_client::RegistryOperation::Push)
        .await
        .map_err(|error| explain(error, reference))?;
    for blob in &artifact.blobs {
        let digest = format!("sha256:{}", sha256(blob));
        if !client.blob_exists(reference, &digest).await.unwrap_or(false) {
            client.push_blob(reference, blob.clone(), &digest).await.map_err(|error| explain(error, reference))?;
        }
    }
    let media_type = artifact.media_type.parse().context("the type of a manifest is a header's value")?;
    client
        .push_manifest_raw(reference, artifact.manifest.clone(), media_type)
        .await
        .map_err(|error| explain(error, reference))?;
    let pinned = reference.clone_with_digest(artifact.digest());
    let (pulled, _) = client
        .pull_manifest_raw(&pinned, &auth, &[&artifact.media_type])
        .await
        .map_err(|error| explain(error, &pinned))?;
    ensure!(*pulled == *artifact.manifest, "the registry gives other bytes for {pinned} than were pushed");
    Ok(())
}

fn client(registry: &str) -> Client {
    // Another part of the program may have chosen a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let protocol = if is_loopback(registry) { ClientProtocol::Http } else { ClientProtocol::Https };
    Client::new(ClientConfig { protocol, ..ClientConfig::default() })
}

fn is_loopback(registry: &str) -> bool {
    let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns the credentials that `docker login` has stored for the registry.
fn credentials(registry: &str) -> Result<RegistryAuth> {
    let named = |name: &str| env::var_os(name).map(PathBuf::from);
    let folder = named("DOCKER_CONFIG").or_else(|| Some(named("HOME")?.join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")) else { return Ok(RegistryAuth::Anonymous) };
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(RegistryAuth::Anonymous),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    match docker_credential::get_credential_from_reader(file, registry) {
        Ok(DockerCredential::UsernamePassword(name, password)) => Ok(RegistryAuth::Basic(name, password)),
        Ok(DockerCredential::IdentityToken(_)) => {
            bail!("{} has an identity token for {registry}; log in with a password or an access token", path.display())
        }
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(RegistryAuth::Anonymous),
        // A program that keeps credentials says so if it has none, but the library does not tell this from a failure.
        // What else it prints may be a secret.
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, .. }) => {
            ensure!(
                stdout.contains("credentials not found"),
                "the credential helper `{helper}` has failed for {registry}"
            );
            Ok(RegistryAuth::Anonymous)
        }
        Err(error) => bail!("cannot use the credentials for {registry} in {}: {error}", path.display()),
    }
}

/// Says what to do, for the errors that a user can mend.
fn explain(error: OciDistributionError, reference: &Reference) -> anyhow::Error {
    let registry = reference.registry();
    let advice = match &error {
        OciDistributionError::AuthenticationFailure(_) | OciDistributionError::UnauthorizedError { .. } => {
            format!("{registry} does not accept the credentials: run `docker login {registry}`")
        }
        OciDistributionError::RequestError(error) if error.is_connect() => format!("{registry} can't be reached"),
        _ => return error.into(),
    };
    anyhow::Error::from(error).context(advice)
}
