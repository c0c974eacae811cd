//! The programs of Istio's control plane, with the version of Envoy that belongs to them.

use std::path::PathBuf;

use anyhow::Result;

use crate::go::{Built, Programs};

/// The version of Envoy that this version of Istio ships.
pub const ENVOY: &str = "1.39.3";

/// The release that is linked into Kubernetes' programs. Without one, kube-apiserver reports version 0 and serves no
/// stable API.
pub(crate) const KUBERNETES: &str = "-X k8s.io/component-base/version.gitVersion=v1.36.3 \
    -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36";

const CONTROL_PLANE: Programs = Programs {
    what: "Istio's control plane",
    cost: "1.3 GB of Go modules, about ten minutes on two cores",
    folder: "control-plane",
    module: "testenv/istio",
    programs: &[
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ("pilot-discovery", "istio.io/istio/pilot/cmd/pilot-discovery"),
        ("pilot-agent", "istio.io/istio/pilot/cmd/pilot-agent"),
        ("istioctl", "istio.io/istio/istioctl/cmd/istioctl"),
    ],
    link_flags: KUBERNETES,
    sources: &[
        ("istio.io/istio", "manifests/charts/base/files/crd-all.gen.yaml", "crds.yaml"),
        ("istio.io/istio", "tools/packaging/common/envoy_bootstrap.json", "envoy_bootstrap.json"),
    ],
};

/// The built programs.
#[derive(Debug, Clone)]
pub struct Tools(Built);

impl Tools {
    /// Returns the programs in the cache folder. Builds them if they are not there, which takes ten minutes or more on
    /// two cores.
    pub fn find_or_build() -> Result<Self> {
        CONTROL_PLANE.find_or_build().map(Self)
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.0.program(name)
    }

    /// Returns Istio's CRDs.
    pub fn crds(&self) -> PathBuf {
        self.0.source("crds.yaml")
    }

    /// Returns the template of Envoy's bootstrap.
    pub fn bootstrap_template(&self) -> PathBuf {
        self.0.source("envoy_bootstrap.json")
    }
}
