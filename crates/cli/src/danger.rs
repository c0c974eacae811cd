//! What is dangerous in a manifest around its table, however good the table is: things that Istio takes without a word
//! and that show in production.
//!
//! What Istio does was read from its sources (1.31: pilot/pkg/model/extensions.go, pkg/wasm/cache.go) and seen on a real
//! control plane.

mod find;
mod pair;
mod placed;
mod single;

use std::fmt;

use crate::manifest::PLUGIN_NAME;
use crate::manifest::gateway::target_port;

pub use find::dangers;

/// Octets of an object as JSON that fit into the annotation in which `kubectl apply` keeps what was applied
/// (apimachinery's TotalAnnotationSizeLimitB).
const ANNOTATION_LIMIT: usize = 262_144;
/// Octets that etcd takes in one request by default.
const OBJECT_LIMIT: usize = 1_572_864;

/// One thing that is dangerous. `Display` says what, why, and what to write instead.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Danger {
    PullAlways { pinned: bool },
    LatestTag { image: String },
    NoTag { image: String },
    NoDigest { image: String },
    NoChecksum { key: &'static str },
    FailStrategy { key: &'static str, found: Option<String> },
    EarlyPhase { phase: String },
    EarlyFilter,
    EveryPort { write: &'static str },
    PlainPort { port: u64 },
    HttpsRedirect { gateway: String, port: u64, https: u64 },
    ServicePort { port: u64 },
    ServerMode,
    NetworkType,
    EveryProxy { write: &'static str },
    PluginName { key: &'static str, found: Option<String> },
    ClientSideApply { size: usize },
    TooLarge { size: usize },
    SameTableName { name: String },
    Overlap { host: String, path: String },
}

impl Danger {
    /// Whether it is sure to fail; all else is a warning.
    fn is_error(&self) -> bool {
        matches!(self, Self::TooLarge { .. })
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Danger::*;
        match self {
            PullAlways { pinned: false } => f.write_str(
                "`Always` asks the registry at every edit of the table, and while the registry is down an edit makes the \
                 gateway answer 403 to every request; write `IfNotPresent`",
            ),
            PullAlways { pinned: true } => f.write_str(
                "`Always` has no effect beside a digest, and without one it makes the gateway answer 403 to every request \
                 when the table is edited while the registry is down; write `IfNotPresent`",
            ),
            LatestTag { image } => write!(
                f,
                "the tag `latest` is another build tomorrow, and makes every edit of the table ask the registry unless \
                 `imagePullPolicy` says otherwise (403 for every request while it is down); write the digest of a release, \
                 `{image}@sha256:…`"
            ),
            NoTag { image } => write!(
                f,
                "an image without a tag is whatever was pushed last, so that two gateway pods may run two builds; write the \
                 digest of a release, `{image}@sha256:…`"
            ),
            NoDigest { image } => write!(
                f,
                "a tag can be pushed again, so that two gateway pods may run two builds; write the digest too, \
                 `{image}@sha256:…`"
            ),
            NoChecksum { key } => write!(
                f,
                "without a checksum whatever is served at this URL runs in the gateway; write `{key}` beside it, the output of \
                 `sha256sum plugin.wasm`"
            ),
            FailStrategy { key, found } => {
                match found {
                    None => write!(f, "`{key}` is missing, and by default one crash of the filter is a 503 for every request until the plugin is edited")?,
                    Some(found) if found == "FAIL_OPEN" => write!(f, "with `FAIL_OPEN` a crash of the filter lets requests pass unrouted until the plugin is edited, `denyDirect` included")?,
                    Some(found) => write!(f, "with `{found}` one crash of the filter is a 503 for every request until the plugin is edited")?,
                }
                write!(f, "; write `{key}: FAIL_RELOAD`")
            }
            EarlyPhase { phase } => write!(
                f,
                "in phase `{phase}` the filter runs in front of policies, which then judge the service's host and path in \
                 place of the public ones; take `phase` out"
            ),
            EarlyFilter => f.write_str(
                "this puts the filter in front of the policies, which then judge the service's host and path in place of the \
                 public ones; write `INSERT_BEFORE`, and in `match` the `subFilter` `envoy.filters.http.cors`",
            ),
            EveryPort { write } => write!(
                f,
                "the filter runs on every port of the gateway, plain HTTP included, where a Gateway with `httpsRedirect` \
                 would redirect clients to the service's host; write {write} for the HTTPS port alone, or check the Gateway \
                 together with this file"
            ),
            PlainPort { port } => write!(
                f,
                "{port} is the port of plain HTTP, where a Gateway with `httpsRedirect` would redirect clients to the \
                 service's host; leave the HTTPS port alone here, or check the Gateway together with this file"
            ),
            HttpsRedirect { gateway, port, https } => write!(
                f,
                "the filter runs on port {port} too, where the Gateway `{gateway}` has `httpsRedirect`: the redirect would \
                 name the service's host in place of the public one; name the HTTPS port alone, {https}"
            ),
            ServicePort { port } => write!(
                f,
                "Istio compares the port that the gateway's pod listens on, and behind the Service's port {port} \
                 that is {} in installs by istioctl and by Knative, where the filter would never run; write {}, unless \
                 the gateway comes from the Helm chart `gateway`, whose pods listen on {port}",
                target_port(*port),
                target_port(443),
            ),
            ServerMode => f.write_str(
                "a gateway counts as `CLIENT`, so with `SERVER` the filter never runs there; take `mode` out",
            ),
            NetworkType => f.write_str(
                "`NETWORK` is for plugins of TCP connections, and as one of these the filter routes nothing; take `type` out",
            ),
            EveryProxy { write } => write!(
                f,
                "this is for every proxy of the namespace, and in Istio's root namespace for every one of the mesh; write \
                 {write} with the labels of the gateway, such as `istio: ingressgateway`"
            ),
            PluginName { key, found } => {
                match found {
                    Some(found) => write!(f, "the plugin is called \"{found}\" here")?,
                    None => write!(f, "`{key}` is missing")?,
                }
                write!(
                    f,
                    ", and only what says `{key}: {PLUGIN_NAME}` is known as this filter's by the admission policy and in \
                     folders that are checked; write `{key}: {PLUGIN_NAME}`"
                )
            }
            ClientSideApply { size } => write!(
                f,
                "the object has {size} octets, more than the {ANNOTATION_LIMIT} that `kubectl apply` can keep in its \
                 annotation; apply it with `kubectl apply --server-side`"
            ),
            TooLarge { size } => write!(
                f,
                "the object has {size} octets, more than the {OBJECT_LIMIT} (1.5 MiB) that the API server can store; divide \
                 the table into several with `hosts` or `basePath` of their own"
            ),
            SameTableName { name } => write!(
                f,
                "another table that may run in the same gateway is called `{name}` too, so their metrics would be one; write \
                 another `name` in one of them"
            ),
            Overlap { host, path } => write!(
                f,
                "another table that may run in the same gateway takes in {host}{path} too: the first one in the filter chain \
                 (higher `priority`, else older) answers or routes these requests, and the second one never sees them as they \
                 came; write `hosts` or `basePath` that do not overlap, or one table"
            ),
        }
    }
}
