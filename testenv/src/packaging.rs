//! Helm and kustomize, with which users install the filter, promtool, which checks the alerts, a reader of
//! dashboards, the OpenTelemetry Collector, and CRDs of other projects.

use std::path::PathBuf;

use anyhow::Result;

use crate::go::{Built, Programs};

const PACKAGING: Programs = Programs {
    what: "Helm and kustomize",
    cost: "four minutes on two cores",
    folder: "packaging",
    module: "testenv/packaging",
    programs: &[
        ("helm4", "helm.sh/helm/v4/cmd/helm"),
        ("helm3", "helm.sh/helm/v3/cmd/helm"),
        ("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    ],
    // The version of Kubernetes that `helm3 template` and `helm3 lint` assume. Without one, they assume 1.20.
    link_flags: "-X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1 \
        -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=36 \
        -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=36",
    sources: &[],
};

const PROMETHEUS: Programs = Programs {
    what: "promtool",
    cost: "three minutes on two cores",
    folder: "prometheus",
    module: "testenv/prometheus",
    programs: &[("promtool", "github.com/prometheus/prometheus/cmd/promtool")],
    link_flags: "",
    sources: &[(
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
        "prometheus-rule.yaml",
    )],
};

const GRAFANA: Programs = Programs {
    what: "the reader of Grafana's dashboards",
    cost: "two minutes on two cores",
    folder: "grafana",
    module: "testenv/grafana",
    programs: &[("read-dashboard", ".")],
    link_flags: "",
    sources: &[],
};

const COLLECTOR: Programs = Programs {
    what: "the OpenTelemetry Collector",
    cost: "three minutes on two cores",
    folder: "collector",
    module: "testenv/collector",
    programs: &[("collector", ".")],
    link_flags: "",
    sources: &[],
};

/// Nothing is built of Envoy Gateway: the tests need only the CRD of its policy.
const ENVOY_GATEWAY: Programs = Programs {
    what: "the CRD of Envoy Gateway",
    cost: "a download of a few megabytes",
    folder: "envoy-gateway",
    module: "testenv/envoy-gateway",
    programs: &[],
    link_flags: "",
    sources: &[(
        "github.com/envoyproxy/gateway",
        "charts/gateway-helm/charts/crds/crds/generated/gateway.envoyproxy.io_envoyextensionpolicies.yaml",
        "envoy-extension-policy.yaml",
    )],
};

/// The built programs.
#[derive(Debug, Clone)]
pub struct Tools {
    packaging: Built,
    prometheus: Built,
    grafana: Built,
    collector: Built,
    envoy_gateway: Built,
}

impl Tools {
    /// Returns the programs in the cache folder. Builds them if they are not there, which takes some minutes.
    pub fn find_or_build() -> Result<Self> {
        Ok(Self {
            packaging: PACKAGING.find_or_build()?,
            prometheus: PROMETHEUS.find_or_build()?,
            grafana: GRAFANA.find_or_build()?,
            collector: COLLECTOR.find_or_build()?,
            envoy_gateway: ENVOY_GATEWAY.find_or_build()?,
        })
    }

    pub fn helm4(&self) -> PathBuf {
        self.packaging.program("helm4")
    }

    pub fn helm3(&self) -> PathBuf {
        self.packaging.program("helm3")
    }

    pub fn kustomize(&self) -> PathBuf {
        self.packaging.program("kustomize")
    }

    pub fn promtool(&self) -> PathBuf {
        self.prometheus.program("promtool")
    }

    /// Returns the program that reads a dashboard strictly, with Grafana's own types.
    pub fn read_dashboard(&self) -> PathBuf {
        self.grafana.program("read-dashboard")
    }

    /// Returns the OpenTelemetry Collector, with the components that the tests need.
    pub fn collector(&self) -> PathBuf {
        self.collector.program("collector")
    }

    /// Returns the CRD of the kind EnvoyExtensionPolicy.
    pub fn envoy_extension_policy_crd(&self) -> PathBuf {
        self.envoy_gateway.source("envoy-extension-policy.yaml")
    }

    /// Returns the CRD of the kind PrometheusRule.
    pub fn prometheus_rule_crd(&self) -> PathBuf {
        self.prometheus.source("prometheus-rule.yaml")
    }
}
