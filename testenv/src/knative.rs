//! Real Knative Serving with net-gateway-api on your machine, without Docker and without a cluster.
//!
//! - [`namespaces`] runs the program in Linux namespaces of its own, and [`network`] makes the network of the pods.
//! - [`tools`] builds Knative, kube-controller-manager, kube-proxy and CoreDNS from their Go modules.
//! - [`pods`] runs pods as processes.
//! - [`serving`] starts all of it on Istio's control plane, with an ingress gateway.
//! - [`function`] is the program of the KSVCs' functions.
//! - [`objects`] makes the objects that users and the tests apply.

pub mod function;
pub mod namespaces;
pub mod network;
pub mod objects;
pub mod pods;
pub mod serving;
pub mod tools;

pub use serving::Knative;
pub use tools::Tools;
