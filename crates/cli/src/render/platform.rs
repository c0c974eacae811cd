//! What each platform has and lacks, as data. Messages are made from it, and docs/command-line.md shows it.
//!
//! Sources: Istio 1.31 (istio.io/api, kubernetes/customresourcedefinitions.gen.yaml), Envoy Gateway 1.9
//! (api/v1alpha1/wasm_types.go, internal/xds/translator/wasm.go) and Higress 2.1 (helm/core/crds, pkg/ingress/config).

use clap::ValueEnum;

/// A kind of manifest that `render` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Platform {
    /// Istio's WasmPlugin.
    WasmPlugin,
    /// Istio's EnvoyFilter, with the module from a file or a web server.
    EnvoyFilter,
    /// Istio's TrafficExtension, from Istio 1.31 on.
    TrafficExtension,
    /// A file with Envoy's extension configuration, for an Envoy without a control plane.
    EnvoyEcds,
    /// Envoy Gateway's EnvoyExtensionPolicy.
    EnvoyGateway,
    /// Higress' WasmPlugin.
    Higress,
}

/// A setting around a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    Selector,
    Gateways,
    Ports,
    Phase,
    Priority,
    /// A filter that has crashed starts again.
    Restart,
    Image,
    File,
    PullPolicy,
    PullSecret,
    VerificationKey,
    Environment,
}

/// Whether a platform has a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// The key of the setting in the manifest.
    Yes(&'static str),
    /// What happens without it, or what serves instead.
    No { instead: &'static str },
}

use Support::{No, Yes};

impl Setting {
    pub const ALL: [Self; 12] = [
        Self::Selector,
        Self::Gateways,
        Self::Ports,
        Self::Phase,
        Self::Priority,
        Self::Restart,
        Self::Image,
        Self::File,
        Self::PullPolicy,
        Self::PullSecret,
        Self::VerificationKey,
        Self::Environment,
    ];

    /// Returns what the setting is, for the documentation.
    pub fn about(self) -> &'static str {
        match self {
            Self::Selector => "labels of the pods",
            Self::Gateways => "Gateways of the Gateway API",
            Self::Ports => "ports",
            Self::Phase => "phase",
            Self::Priority => "priority",
            Self::Restart => "restart after a crash (`FAIL_RELOAD`)",
            Self::Image => "module from an image",
            Self::File => "module from a file in the gateway",
            Self::PullPolicy => "pull policy `Always`",
            Self::PullSecret => "Secret for the registry",
            Self::VerificationKey => "`verificationKey`",
            Self::Environment => "`vmConfig`",
        }
    }
}

const NO_ENVIRONMENT: &str = "the filter reads no environment variables";
const NO_IMAGE: &str = "the manifest has the file `/var/lib/ksvc-router/plugin.wasm`, where an image volume of this image \
    puts the module; to use another file or a web server, name it with `--image`";
const NO_PULL: &str = "Envoy itself asks no registry";
const NO_KEY: &str = "verify the image before you name its digest";

impl Platform {
    pub const ALL: [Self; 6] = [
        Self::WasmPlugin,
        Self::EnvoyFilter,
        Self::TrafficExtension,
        Self::EnvoyEcds,
        Self::EnvoyGateway,
        Self::Higress,
    ];

    /// Returns the value of `--as`.
    pub fn word(self) -> &'static str {
        match self {
            Self::WasmPlugin => "wasm-plugin",
            Self::EnvoyFilter => "envoy-filter",
            Self::TrafficExtension => "traffic-extension",
            Self::EnvoyEcds => "envoy-ecds",
            Self::EnvoyGateway => "envoy-gateway",
            Self::Higress => "higress",
        }
    }

    /// Returns the words for the manifest, for messages.
    pub fn object(self) -> &'static str {
        match self {
            Self::WasmPlugin => "a WasmPlugin",
            Self::EnvoyFilter => "an EnvoyFilter",
            Self::TrafficExtension => "a TrafficExtension",
            Self::EnvoyEcds => "Envoy's extension configuration",
            Self::EnvoyGateway => "an EnvoyExtensionPolicy",
            Self::Higress => "Higress' WasmPlugin",
        }
    }

    /// Returns the namespace of an object whose table names none. `None` leaves it to `kubectl`.
    pub fn namespace(self) -> Option<&'static str> {
        match self {
            Self::WasmPlugin | Self::EnvoyFilter | Self::TrafficExtension => Some("istio-system"),
            Self::Higress => Some(super::higress::NAMESPACE),
            Self::EnvoyEcds | Self::EnvoyGateway => None,
        }
    }

    /// Returns whether the module can be downloaded only with a digest. `RemoteDataSource` of Envoy requires it.
    pub(super) fn needs_digest(self) -> bool {
        matches!(self, Self::EnvoyFilter | Self::EnvoyEcds)
    }

    /// Returns whether Gateways are named in the manifest, but their listeners only by their ports.
    pub(super) fn has_ports_in_place_of_listeners(self) -> bool {
        matches!(self, Self::WasmPlugin | Self::TrafficExtension | Self::EnvoyFilter)
    }

    /// Returns the options that name a module in a form for which the manifest has a place.
    pub(super) fn image_options(self) -> &'static str {
        match self.support(Setting::Image) {
            Yes(_) => "`--image oci://HOST/NAME@sha256:DIGEST`",
            No { .. } => "`--image file:///PATH` or `--image https://HOST/PATH@sha256:DIGEST`",
        }
    }

    /// Returns whether the manifest has a place for a setting.
    pub fn support(self, setting: Setting) -> Support {
        use Setting::*;
        match (self, setting) {
            (Self::WasmPlugin | Self::TrafficExtension, Selector) => Yes("selector"),
            (Self::EnvoyFilter, Selector) => Yes("workloadSelector"),
            (Self::EnvoyEcds, Selector | Gateways) => {
                No { instead: "the Envoy whose listener names the resource in `config_discovery` runs the filter" }
            }
            (Self::EnvoyGateway, Selector) => No { instead: "name the Gateway with `--gateway`" },
            (Self::Higress, Selector | Gateways) => No { instead: "Higress runs it in its own gateway" },
            (_, Gateways) => Yes("targetRefs"),

            (Self::WasmPlugin | Self::TrafficExtension, Ports) => Yes("match"),
            (Self::EnvoyFilter, Ports) => Yes("portNumber"),
            (Self::EnvoyEcds, Ports) => No { instead: "only listeners that name the resource run the filter" },
            (Self::EnvoyGateway, Ports) => No {
                instead: "to keep the filter off plain HTTP, add the `sectionName` of the HTTPS listener to `targetRefs`",
            },
            (Self::Higress, Ports) => No {
                instead: "the filter runs on the port of plain HTTP too, so a route that redirects to HTTPS would name the \
                          service's host",
            },

            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, Phase) => Yes("phase"),
            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, Priority) => Yes("priority"),
            (Self::EnvoyFilter, Phase | Priority) => No { instead: "the filter runs after the policies, before CORS" },
            (Self::EnvoyEcds, Phase | Priority) => No { instead: "the place in `http_filters` decides" },
            (Self::EnvoyGateway, Phase) => No { instead: "Envoy Gateway runs the filter after its own policies" },
            (Self::EnvoyGateway, Priority) => No { instead: "the order in the list `spec.wasm` decides" },

            (Self::WasmPlugin | Self::TrafficExtension, Restart) => Yes("failStrategy"),
            (Self::EnvoyFilter | Self::EnvoyEcds, Restart) => Yes("failure_policy"),
            (Self::EnvoyGateway, Restart) => No {
                instead: "after a crash of the filter, requests on that worker fail until the policy is edited, so watch the \
                          5xx of the gateway",
            },
            (Self::Higress, Restart) => No {
                instead: "the manifest has `FAIL_CLOSE`: after a crash of the filter, requests on that worker fail until the \
                          WasmPlugin is edited, so watch the 5xx of the gateway",
            },

            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, Image | File) => Yes("url"),
            (Self::EnvoyGateway, Image) => Yes("code.image"),
            (Self::EnvoyFilter | Self::EnvoyEcds, Image) => No { instead: NO_IMAGE },
            (Self::EnvoyFilter | Self::EnvoyEcds, File) => Yes("code.local"),
            (Self::EnvoyGateway, File) => No {
                instead: "the manifest has a digest of zeros that `check` refuses; name an image with `--image \
                          oci://HOST/NAME@sha256:DIGEST`",
            },

            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, PullPolicy) => Yes("imagePullPolicy"),
            (Self::EnvoyGateway, PullPolicy) => Yes("code.pullPolicy"),
            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, PullSecret) => Yes("imagePullSecret"),
            (Self::EnvoyGateway, PullSecret) => Yes("code.image.pullSecretRef"),
            (Self::EnvoyFilter | Self::EnvoyEcds, PullPolicy | PullSecret) => No { instead: NO_PULL },

            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, VerificationKey) => Yes("verificationKey"),
            (_, VerificationKey) => No { instead: NO_KEY },
            (Self::WasmPlugin | Self::TrafficExtension | Self::Higress, Environment) => Yes("vmConfig"),
            (_, Environment) => No { instead: NO_ENVIRONMENT },
        }
    }
}
