//! Dangers in a manifest: settings around a table that Istio accepts without a message, but that fail in production,
//! however good the table is.
//!
//! This file has the kinds of dangers and their messages; `danger/` finds them, in one manifest (`single`) and between
//! two tables (`pair`). What Istio does was read in its sources (1.31: pilot/pkg/model/extensions.go,
//! pkg/wasm/cache.go) and checked on a real control plane.

mod find;
mod pair;
mod placed;
mod served;
pub(crate) mod single;
mod table;

use std::fmt;

use ksvc_routing::Severity;

use crate::kind::MessageKind;
use crate::manifest::PLUGIN_NAME;
use crate::manifest::gateway::{GATEWAY_NAME, target_port};

pub use find::{Surroundings, dangers};

/// The largest object, in bytes of JSON, that fits into the annotation in which `kubectl apply` keeps what was applied
/// (apimachinery's TotalAnnotationSizeLimitB).
const ANNOTATION_LIMIT: usize = 262_144;
/// The largest request, in bytes, that etcd accepts by default.
const OBJECT_LIMIT: usize = 1_572_864;

/// What is wrong with a URL, and what to write instead.
const SCHEME: &str = "has a scheme that Istio does not know; write `oci://`, `https://`, `http://` or `file://`";

/// What to write in place of a digest.
const IMAGE_DIGEST: &str = "the digest that was printed when your image was pushed";
const MODULE_DIGEST: &str = "the output of `sha256sum plugin.wasm`";

/// Defines an enum of kinds of messages, and with it `KINDS`, the list of the kinds; `code`; and `examples`, which has one
/// value of each kind. So no kind can be missing in the lists: a field without an example does not compile.
///
/// `pub enum E { #[doc = "About A."] Warning "a" A { x: u8 = 1 } }` expands to `pub enum E { A { x: u8 } }`,
/// `KINDS` with `MessageKind { code: "a", severity: Severity::Warning, explanation: "About A." }`, `kind(&self)`, which returns
/// that, and `examples() -> Vec<E>` with `vec![E::A { x: 1 }]`.
macro_rules! dangers {
    (
        $(#[$about:meta])*
        $visibility:vis enum $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $severity:ident $code:literal $kind:ident $({ $($field:ident: $type:ty = $example:expr),+ })?,
            )+
        }
    ) => {
        $(#[$about])*
        $visibility enum $name {
            $($(#[doc = $doc])+ $kind $({ $($field: $type),+ })?,)+
        }

        impl $name {
            /// All kinds, in the order of their definition.
            $visibility const KINDS: &[MessageKind] = &[$(MessageKind {
                code: $code,
                severity: Severity::$severity,
                explanation: concat!($($doc),+).trim_ascii_start(),
            },)+];

            /// Returns one example of each kind, in the order of their definition.
            $visibility fn examples() -> Vec<Self> {
                vec![$(Self::$kind $({ $($field: $example),+ })?,)+]
            }

            /// Returns the kind of the danger.
            $visibility fn kind(&self) -> MessageKind {
                match self {
                    $(Self::$kind { .. } => MessageKind {
                        code: $code,
                        severity: Severity::$severity,
                        explanation: concat!($($doc),+).trim_ascii_start(),
                    },)+
                }
            }
        }
    };
}

dangers! {
/// A danger. `Display` says what it is, why it is dangerous, and what to write instead.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Danger {
    /// The `url` of the module can't be understood.
    Error "invalid-url" Url { found: String = "s3://modules/plugin.wasm".to_owned(), reason: &'static str = SCHEME },
    /// The digest of the module has only zeros: it is still to be filled in.
    Error "placeholder-digest" PlaceholderDigest { write: &'static str = IMAGE_DIGEST },
    /// The digest of the module is not a SHA-256 digest.
    Error "invalid-digest" Digest { found: String = "4e1f".to_owned(), write: &'static str = IMAGE_DIGEST },
    /// `imagePullPolicy` is `Always`: every edit of the table asks the registry.
    Warning "pull-always" PullAlways { pinned: bool = true },
    /// The image has the tag `latest`, which may be another build tomorrow.
    Warning "latest-tag" LatestTag { image: String = "oci://registry.example.com/ksvc-router".to_owned() },
    /// The image has no tag, so it is the build that was pushed last.
    Warning "no-tag" NoTag { image: String = "oci://registry.example.com/ksvc-router".to_owned() },
    /// The image has a tag but no digest, and a tag can be pushed again.
    Warning "no-digest" NoDigest { image: String = "oci://registry.example.com/ksvc-router:0.1.0".to_owned() },
    /// A module from a web server has no checksum.
    Warning "no-checksum" NoChecksum { key: &'static str = "sha256" },
    /// A crash of the filter would make every request fail, because the plugin is not started again.
    Warning "fail-strategy" FailStrategy { key: &'static str = "failStrategy", found: Option<String> = None },
    /// The filter runs before the policies, which then see the host and path of the service.
    Warning "early-phase" EarlyPhase { phase: String = "AUTHN".to_owned() },
    /// An EnvoyFilter inserts the filter before the policies.
    Warning "early-filter" EarlyFilter,
    /// No port is named, so the filter runs on the port of plain HTTP too.
    Warning "every-port" EveryPort { write: &'static str = "`match: [{ports: [{number: 8443}]}]`" },
    /// The filter runs on the port of plain HTTP, where a Gateway may redirect.
    Warning "plain-port" PlainPort { port: u64 = 8080 },
    /// A Gateway redirects to HTTPS on a port on which the filter runs.
    Warning "https-redirect" HttpsRedirect { gateway: String = "public".to_owned(), port: u64 = 8080, https: u64 = 8443 },
    /// The port is that of the gateway's Service, instead of that of its pod.
    Warning "service-port" ServicePort { port: u64 = 443 },
    /// `mode: SERVER` never applies to a gateway.
    Warning "server-mode" ServerMode,
    /// `type: NETWORK` is for plugins that handle TCP connections.
    Warning "network-type" NetworkType,
    /// Without a selector, the manifest selects every proxy.
    Warning "every-proxy" EveryProxy { write: &'static str = "`selector.matchLabels`" },
    /// The manifest selects its proxies in two ways, which the API server refuses.
    Error "two-selections" TwoSelections,
    /// The plugin does not have the name of this filter.
    Warning "plugin-name" PluginName { key: &'static str = "pluginName", found: Option<String> = None },
    /// The object is too large for the annotation of `kubectl apply`.
    Warning "client-side-apply" ClientSideApply { size: usize = 300_000 },
    /// The object is too large for the API server.
    Error "object-too-large" TooLarge { size: usize = 1_600_000 },
    /// Two tables have the same name, so they would share their metrics.
    Warning "same-table-name" SameTableName { name: String = "default".to_owned() },
    /// Two tables serve the same host and path.
    Warning "overlapping-tables" Overlap {
        host: String = "api.example.com".to_owned(),
        path: String = "/faas".to_owned(),
        nested: bool = true
    },
    /// No Gateway among the files has the labels that the manifest selects.
    Warning "other-selector" OtherSelector {
        gateway: String = "public".to_owned(),
        labels: String = "`istio: ingressgateway`".to_owned()
    },
    /// No Gateway among the files has a server on the port.
    Warning "no-port" NoPort { port: u64 = 9443, ports: String = "8443".to_owned() },
    /// No Gateway among the files has a server for the public host.
    Warning "no-server" NoServer { host: String = "api.example.com".to_owned(), gateway: String = "public".to_owned() },
    /// The public host and the host of a target are on different HTTPS servers, which have different route tables.
    Warning "split-servers" SplitServers {
        host: String = "api.example.com".to_owned(),
        target: String = "orders.shop.example.com".to_owned(),
        gateway: String = "public".to_owned()
    },
    /// No listener of the Gateway has the public host.
    Warning "no-listener" NoListener { host: String = "api.example.com".to_owned(), gateway: String = "public".to_owned() },
    /// The public host and the host of a target are on different HTTPS listeners, which have different route tables.
    Warning "split-listeners" SplitListeners {
        host: String = "api.example.com".to_owned(),
        target: String = "orders.shop.example.com".to_owned(),
        gateway: String = "public".to_owned()
    },
    /// The plugin is attached to a Gateway whose pods are deployed by hand, and these usually lack the label that the
    /// attachment needs.
    Warning "addressed-gateway" AddressedGateway { gateway: String = "public".to_owned() },
    /// With `denyDirect`, a Knative Service is a target by its host, and not by `service`.
    Warning "direct-host" DirectHost {
        host: String = "orders.shop.example.com".to_owned(),
        service: String = "orders".to_owned(),
        namespace: Option<String> = Some("shop".to_owned())
    },
    /// A DomainMapping has a name that `hosts` has too, and Knative's probes of it would be answered by the filter.
    Warning "mapped-host" MappedHost { host: String = "api.example.com".to_owned() },
}
}

impl Danger {
    /// Returns whether the danger is that a key is missing. It may be there under a wrong name.
    fn is_absence(&self) -> bool {
        match self {
            Self::FailStrategy { found, .. } | Self::PluginName { found, .. } => found.is_none(),
            Self::EveryPort { .. } | Self::EveryProxy { .. } => true,
            _ => false,
        }
    }
}

impl fmt::Display for Danger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Danger::*;
        match self {
            Url { found, reason } => write!(f, "{found:?} {reason}"),
            PlaceholderDigest { write } => {
                write!(f, "the digest has only zeros, so the gateway could not load the module; write {write}")
            }
            Digest { found, write } => {
                write!(f, "{found:?} is not a SHA-256 digest, which has 64 hexadecimal digits in lower case; write {write}")
            }
            PullAlways { pinned: false } => f.write_str(
                "with `Always` every edit of the table asks the registry, and an edit while the registry is down makes the \
                 gateway answer 403 to every request; write `IfNotPresent`",
            ),
            PullAlways { pinned: true } => f.write_str(
                "`Always` has no effect beside a digest, and without one it makes the gateway answer 403 to every request \
                 when the table is edited while the registry is down; write `IfNotPresent`",
            ),
            LatestTag { image } => write!(
                f,
                "the tag `latest` may be another build tomorrow, and every edit of the table asks the registry unless \
                 `imagePullPolicy` says otherwise (while the registry is down, an edit makes the gateway answer 403 to \
                 every request); write the digest of a release, `{image}@sha256:…`"
            ),
            NoTag { image } => write!(
                f,
                "an image without a tag is the build that was pushed last, so two gateway pods may run different builds; \
                 write the digest of a release, `{image}@sha256:…`"
            ),
            NoDigest { image } => write!(
                f,
                "a tag can be pushed again, so two gateway pods may run different builds; write the digest too, \
                 `{image}@sha256:…`"
            ),
            TwoSelections => f.write_str(
                "the API server refuses `selector` beside `targetRefs`; remove the one that does not select your gateway (with \
                 kustomize, `selector: null` in the overlay removes the selector of the base)",
            ),
            NoChecksum { key } => write!(
                f,
                "without a checksum the gateway runs whatever this URL serves; add `{key}` with the output of \
                 `sha256sum plugin.wasm`"
            ),
            FailStrategy { key, found } => {
                match found.as_deref() {
                    None => write!(
                        f,
                        "`{key}` is missing, and by default one crash of the filter makes every request fail with 503 \
                         until the plugin is edited"
                    )?,
                    Some("FAIL_OPEN") => f.write_str(
                        "with `FAIL_OPEN`, after a crash of the filter requests pass without routing and without \
                         `denyDirect` until the plugin is edited",
                    )?,
                    Some(found) => write!(
                        f,
                        "with `{found}` one crash of the filter makes every request fail with 503 until the plugin is \
                         edited"
                    )?,
                }
                write!(f, "; write `{key}: FAIL_RELOAD`")
            }
            EarlyPhase { phase } => write!(
                f,
                "in phase `{phase}` the filter runs before policies, which then check the service's host and path instead \
                 of the public ones; remove `phase`"
            ),
            EarlyFilter => f.write_str(
                "this puts the filter before the policies, which then check the service's host and path instead of the \
                 public ones; write `INSERT_BEFORE`, and in `match` the `subFilter` `envoy.filters.http.cors`",
            ),
            EveryPort { write } => write!(
                f,
                "the filter runs on every port of the gateway, plain HTTP included, where a Gateway with `httpsRedirect` \
                 would redirect clients to the service's host; write {write} to run it on the HTTPS port only, or check \
                 the Gateway together with this file"
            ),
            PlainPort { port } => write!(
                f,
                "{port} is the port of plain HTTP, where a Gateway with `httpsRedirect` would redirect clients to the \
                 service's host; keep only the HTTPS port here, or check the Gateway together with this file"
            ),
            HttpsRedirect { gateway, port, https } => write!(
                f,
                "the filter runs on port {port} too, where the Gateway `{gateway}` has `httpsRedirect`: the redirect would \
                 name the service's host instead of the public host; keep only the HTTPS port, {https}"
            ),
            ServicePort { port } => write!(
                f,
                "Istio compares this number with the port that the gateway's pod listens on: for the Service's port {port} \
                 that is {} in installations by istioctl and by Knative, so the filter would never run there; write {}, \
                 unless the gateway comes from the Helm chart `gateway`, whose pods listen on {port}",
                target_port(*port),
                target_port(443),
            ),
            ServerMode => {
                f.write_str("a gateway counts as `CLIENT`, so with `SERVER` the filter never runs there; remove `mode`")
            }
            NetworkType => f.write_str(
                "`NETWORK` is for plugins that handle TCP connections, and as such a plugin the filter routes nothing; \
                 remove `type`",
            ),
            EveryProxy { write } => write!(
                f,
                "this selects every proxy of the namespace, and in Istio's root namespace every proxy of the mesh; write \
                 {write} with the labels of the gateway, such as `istio: ingressgateway`"
            ),
            PluginName { key, found } => {
                match found {
                    Some(found) => write!(f, "the plugin is called \"{found}\" here")?,
                    None => write!(f, "`{key}` is missing")?,
                }
                write!(
                    f,
                    ", but the admission policy recognizes this filter only by \
                     `{key}: {PLUGIN_NAME}`; write `{key}: {PLUGIN_NAME}`"
                )
            }
            ClientSideApply { size } => write!(
                f,
                "the object has {size} bytes, more than the {ANNOTATION_LIMIT} that `kubectl apply` can keep in its \
                 annotation; apply it with `kubectl apply --server-side`"
            ),
            TooLarge { size } => write!(
                f,
                "the object has {size} bytes, more than the {OBJECT_LIMIT} (1.5 MiB) that the API server can store; divide \
                 the table into several tables with `hosts` or `basePath` of their own"
            ),
            SameTableName { name } => write!(
                f,
                "another table that may run in the same gateway is called `{name}` too, so both would share their metrics; \
                 write another `name` in one of them"
            ),
            Overlap { host, path, nested } => {
                write!(
                    f,
                    "another table that may run in the same gateway serves {host}{path} too: the first table in the filter \
                     chain (higher `priority`, else older) answers or routes these requests, and the second table never \
                     sees them as they arrived; write `hosts` or `basePath` that do not overlap, "
                )?;
                if *nested {
                    f.write_str("give the table with the longer `basePath` the higher `priority`, ")?;
                }
                f.write_str("or make it one table")
            }
            OtherSelector { gateway, labels } => write!(
                f,
                "none of the Gateways here runs on proxies with these labels, so the filter would not run there; write the \
                 labels that the Gateway `{gateway}` selects, {labels}"
            ),
            NoPort { port, ports } => write!(
                f,
                "no Gateway here has a server on port {port}, so the filter would not run there; write a port on which \
                 the gateway's pod listens: {ports}"
            ),
            NoServer { host, gateway } => write!(
                f,
                "no Gateway here has a server for {host} on a port of the filter, so the gateway does not serve it; add it \
                 to the `hosts` of a server of the Gateway `{gateway}`"
            ),
            SplitServers { host, target, gateway } => write!(
                f,
                "HTTPS requests to {host} arrive at a server of the Gateway `{gateway}` that does not lead to {target}, so \
                 routed requests get 404; write both hosts in the `hosts` of one server, of the Gateway to which Knative \
                 binds its services (`knative-ingress-gateway` in `knative-serving` by default)"
            ),
            NoListener { host, gateway } => write!(
                f,
                "no listener of the Gateway `{gateway}` on a port of the filter is for {host}, so the gateway does not serve \
                 it; write a listener without `hostname`"
            ),
            SplitListeners { host, target, gateway } => write!(
                f,
                "HTTPS requests to {host} arrive at a listener of the Gateway `{gateway}` that is not for {target}, so routed \
                 requests get 404; write one HTTPS listener without `hostname`, or with one that covers both hosts"
            ),
            AddressedGateway { gateway } => write!(
                f,
                "the plugin runs in pods with the label `{GATEWAY_NAME}: {gateway}`, which the pods behind `addresses` of \
                 this Gateway have only if somebody has written it there, and otherwise the plugin never runs; write \
                 `selector` with the labels of these pods in place of `targetRefs`"
            ),
            DirectHost { host, service, namespace } => {
                write!(
                    f,
                    "{host} is the host of a Knative Service, and with `denyDirect` not all of Knative's probes of it pass; \
                     write `service: {service}`"
                )?;
                if let Some(namespace) = namespace {
                    write!(f, " and `namespace: {namespace}`")?;
                }
                f.write_str(" in place of `host`")
            }
            MappedHost { host } => write!(
                f,
                "{host} is the name of a DomainMapping too, and the filter would answer Knative's probes of it, so it would \
                 not become ready; write routes for `/` and `/healthz` that lead to its service, or `onNoMatch: passThrough`"
            ),
        }
    }
}
