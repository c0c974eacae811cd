//! The programs of a cluster with Knative: those of Istio's control plane, Knative's own, and the parts of Kubernetes
//! that pods and Services need.

use std::path::PathBuf;

use anyhow::Result;

use crate::go::{Built, Programs};
use crate::{envoy, istio};

const KUBERNETES: Programs = Programs {
    what: "Kubernetes' controllers and kube-proxy",
    cost: "three minutes on two cores, if Istio's control plane is built",
    folder: "kubernetes",
    module: "testenv/istio",
    programs: &[
        ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    ],
    link_flags: istio::tools::KUBERNETES,
    sources: &[],
};

const COREDNS: Programs = Programs {
    what: "CoreDNS",
    cost: "two minutes on two cores",
    folder: "coredns",
    module: "testenv/coredns",
    programs: &[("coredns", "github.com/coredns/coredns")],
    link_flags: "",
    sources: &[],
};

const KNATIVE: Programs = Programs {
    what: "Knative Serving and net-gateway-api",
    cost: "three minutes on two cores",
    folder: "knative",
    module: "testenv/knative",
    programs: &[
        ("activator", "knative.dev/serving/cmd/activator"),
        ("autoscaler", "knative.dev/serving/cmd/autoscaler"),
        ("controller", "knative.dev/serving/cmd/controller"),
        ("queue", "knative.dev/serving/cmd/queue"),
        ("webhook", "knative.dev/serving/cmd/webhook"),
        ("net-gateway-api", "knative.dev/net-gateway-api/cmd/controller"),
    ],
    link_flags: "",
    sources: &[
        ("knative.dev/serving", "config/core/100-namespace.yaml", "namespace.yaml"),
        ("knative.dev/serving", "config/core/300-resources", "crds/serving"),
        ("knative.dev/networking", "config/certificate.yaml", "crds/certificate.yaml"),
        ("knative.dev/networking", "config/domain-claim.yaml", "crds/domain-claim.yaml"),
        ("knative.dev/networking", "config/ingress.yaml", "crds/ingress.yaml"),
        ("knative.dev/networking", "config/serverlessservice.yaml", "crds/serverlessservice.yaml"),
        ("knative.dev/caching", "config/image.yaml", "crds/image.yaml"),
        ("sigs.k8s.io/gateway-api", "config/crd/standard", "crds/gateway-api"),
        ("knative.dev/serving", "config/core/configmaps", "configuration/serving"),
        ("knative.dev/networking", "config/config-network.yaml", "configuration/network.yaml"),
        ("knative.dev/net-gateway-api", "config/config-gateway.yaml", "configuration/gateway.yaml"),
        ("knative.dev/serving", "config/core/deployments/activator.yaml", "deployments/activator.yaml"),
        ("knative.dev/serving", "config/core/deployments/autoscaler.yaml", "deployments/autoscaler.yaml"),
        ("knative.dev/serving", "config/core/deployments/controller.yaml", "deployments/controller.yaml"),
        ("knative.dev/serving", "config/core/deployments/webhook.yaml", "deployments/webhook.yaml"),
        ("knative.dev/net-gateway-api", "config/300-controller.yaml", "deployments/net-gateway-api.yaml"),
        ("knative.dev/serving", "config/core/webhooks", "webhooks"),
    ],
};

/// The built programs.
#[derive(Debug, Clone)]
pub struct Tools {
    pub istio: istio::Tools,
    kubernetes: Built,
    coredns: Built,
    knative: Built,
}

impl Tools {
    /// Returns the programs in the cache folder. Builds them if they are not there, which takes a quarter of an hour or
    /// more on two cores.
    pub fn find_or_build() -> Result<Self> {
        // Envoy too, because it can't be downloaded from the namespaces that Knative runs in.
        envoy::pinned(istio::tools::ENVOY)?;
        Ok(Self {
            istio: istio::Tools::find_or_build()?,
            kubernetes: KUBERNETES.find_or_build()?,
            coredns: COREDNS.find_or_build()?,
            knative: KNATIVE.find_or_build()?,
        })
    }

    pub(super) fn kube_controller_manager(&self) -> PathBuf {
        self.kubernetes.program("kube-controller-manager")
    }

    pub(super) fn kube_proxy(&self) -> PathBuf {
        self.kubernetes.program("kube-proxy")
    }

    pub(super) fn coredns(&self) -> PathBuf {
        self.coredns.program("coredns")
    }

    /// Returns one of Knative's programs.
    pub(super) fn knative(&self, name: &str) -> PathBuf {
        self.knative.program(name)
    }

    /// Returns a file or folder of Knative's manifests.
    pub(super) fn manifests(&self, name: &str) -> PathBuf {
        self.knative.source(name)
    }
}
