//! Istio's real control plane on your machine, without Docker and without a cluster.
//!
//! - [`tools`] builds etcd, kube-apiserver, istiod and pilot-agent from their Go modules.
//! - [`control_plane`] starts etcd, kube-apiserver and istiod, with [`certificates`] for all of them.
//! - [`ingress`] starts ingress gateways: pilot-agent with real Envoy.
//! - [`kubelet`] answers `kubectl logs`, `exec` and `port-forward` for processes that stand for pods.
//! - [`objects`] makes the Kubernetes objects that users, net-istio and the tests apply.
//! - [`registry`] runs a container registry and pushes the plugin to it as an image.
//!
//! Every program listens on loopback, except for the status page of pilot-agent, which listens on all addresses.

pub mod certificates;
pub mod control_plane;
pub mod ingress;
pub mod kubelet;
pub mod objects;
#[cfg(feature = "istio")]
pub mod registry;
pub mod tools;

pub use control_plane::ControlPlane;
pub use ingress::IngressGateway;
pub use tools::Tools;
