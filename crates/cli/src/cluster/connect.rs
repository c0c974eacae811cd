//! Finds the API server in a kubeconfig and connects to it, as kubectl does.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// How long a server may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Which cluster is meant.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The file; `None` for the files of `KUBECONFIG`, `~/.kube/config`, or the service account of the pod.
    pub kubeconfig: Option<PathBuf>,
    /// The context in the file; `None` for its current one.
    pub context: Option<String>,
}

/// A client of an API server. Requests are sent only when objects are read.
pub struct Connection {
    pub(super) client: Client,
    /// The URL of the API server, without a user and a password.
    pub(super) server: String,
    /// The namespace of the context, in which objects without a namespace are.
    pub namespace: String,
}

/// Why a cluster can't be read at all. `Display` also says what to do.
#[derive(Debug)]
pub enum ClusterError {
    /// No usable kubeconfig, with the reason.
    Kubeconfig(String),
    /// The API server at this URL does not answer, with the reason.
    Unreachable { server: String, why: String },
    /// The API server at this URL does not know the user.
    Unauthorized { server: String },
    /// The option or the line of a file has a name that no namespace can have.
    Namespace { place: String, name: String },
    /// The file that stands for a cluster has no object.
    NoObjects { file: String },
    /// What is at this URL answers, but it does not show itself as an API server, with the reason.
    NotAnApiServer { server: String, why: String },
    /// The API server at this URL has returned none of the objects, with the reason for the first of them.
    NothingReadable { server: String, why: String },
    /// The API server at this URL has not returned the Knative Services, with the reason.
    NoKnativeServices { server: String, why: String },
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kubeconfig(why) => write!(
                f,
                "there is no cluster to read: {why}; name a kubeconfig by `--kubeconfig FILE` or KUBECONFIG, and its \
                 context by `--context NAME`"
            ),
            Self::Unreachable { server, why } => write!(
                f,
                "the API server {server} can't be reached: {why}; `kubectl get --raw /readyz` with the same kubeconfig and \
                 context must print `ok`"
            ),
            Self::Unauthorized { server } => write!(
                f,
                "the API server {server} does not accept the credentials of the kubeconfig (401); log in again, or choose \
                 another context by `--context NAME`"
            ),
            Self::Namespace { place, name } => write!(
                f,
                "{place}: {name:?} can't be the name of a namespace; write lower-case letters, digits and `-`, with a letter \
                 or digit at both ends, and 63 of them at most"
            ),
            Self::NoObjects { file } => write!(
                f,
                "--objects: {file} has no object of a cluster; write it by `kubectl get -A -o yaml KIND,…`, with kinds that \
                 the cluster has, and look at the errors that kubectl prints"
            ),
            Self::NotAnApiServer { server, why } => write!(
                f,
                "{server} does not answer `/version` as an API server does: {why}; `kubectl version` with the same \
                 kubeconfig and context must print the version of the server"
            ),
            Self::NothingReadable { server, why } => write!(
                f,
                "the API server {server} has returned none of the objects: {why}; `kubectl get pods -A` with the same \
                 kubeconfig and context must print pods, and the documentation of the command says which rights it needs"
            ),
            Self::NoKnativeServices { server, why } => write!(
                f,
                "the API server {server} has not returned the Knative Services: {why}; `kubectl get ksvc -A` with the same \
                 kubeconfig and context must print them, or `kubectl get ksvc -n NAME` for `--namespace NAME`"
            ),
        }
    }
}

/// Reads the kubeconfig. Inside a pod without one, the service account of the pod is used.
pub async fn connect(access: &Access) -> Result<Connection, ClusterError> {
    let options = KubeConfigOptions { context: access.context.clone(), ..KubeConfigOptions::default() };
    let wrong = |error: &dyn std::error::Error| ClusterError::Kubeconfig(reason(error));
    let file = match &access.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let config = match file {
        Ok(file) => Config::from_custom_kubeconfig(file, &options).await.map_err(|error| wrong(&error))?,
        Err(error) if access.kubeconfig.is_some() || access.context.is_some() => return Err(wrong(&error)),
        Err(error) => Config::incluster().map_err(|_| wrong(&error))?,
    };
    let config = Config { connect_timeout: Some(PATIENCE), read_timeout: Some(PATIENCE), ..config };
    use_ring();
    let (server, namespace) = (without_user(&config.cluster_url.to_string()), config.default_namespace.clone());
    check_namespace("the context of the kubeconfig", &namespace)?;
    // An error may contain the URL of the proxy.
    let proxy = config.proxy_url.as_ref().map(ToString::to_string).unwrap_or_default();
    let client = Client::try_from(config)
        .map_err(|error| ClusterError::Kubeconfig(reason(&error).replace(&proxy, &without_user(&proxy))))?;
    Ok(Connection { client, server: server.trim_end_matches('/').to_owned(), namespace })
}

/// Checks the name of a namespace, which becomes a part of paths. `place` says where it is written.
pub fn check_namespace(place: &str, name: &str) -> Result<(), ClusterError> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label =
        (1..=63).contains(&name.len()) && name.bytes().all(is_inner) && !name.starts_with('-') && !name.ends_with('-');
    match is_label {
        true => Ok(()),
        false => Err(ClusterError::Namespace { place: place.to_owned(), name: name.to_owned() }),
    }
}

/// Returns a URL without the user and the password in it, so that it can be shown. They end at the last `@` before the
/// path. A URL that can't be parsed loses them too.
pub(super) fn without_user(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    match url[start..end].rfind('@') {
        Some(at) => format!("{}{}", &url[..start], &url[start + at + 1..]),
        None => url.to_owned(),
    }
}

/// Makes `ring` the cryptography of every TLS connection of this process.
pub(super) fn use_ring() {
    // An error says that it was done before.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Returns an error with its causes: `cannot connect: connection refused`. A cause that its parent repeats is left out.
pub(super) fn reason(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

impl ClusterError {
    /// Returns the error of a request that the API server did not answer.
    pub(super) fn unreachable(server: &str, error: &kube::Error) -> Self {
        // The outermost words only say that a service has failed.
        let why = error.source().map_or_else(|| error.to_string(), reason);
        Self::Unreachable { server: server.to_owned(), why }
    }
}
