//! The real control plane on your machine, without Docker and without a cluster: etcd, kube-apiserver and istiod
//! ([`control_plane`]), built from their Go modules ([`tools`]), and ingress gateways of pilot-agent and real Envoy
//! ([`ingress`]), with the objects that net-istio makes for KSVCs ([`objects`]). All of it listens on
//! loopback, but for the agent's own status page, which takes every address.

pub mod certificates;
pub mod control_plane;
pub mod ingress;
pub mod objects;
#[cfg(feature = "istio")]
pub mod registry;
pub mod tools;

pub use control_plane::ControlPlane;
pub use ingress::IngressGateway;
pub use tools::Tools;
