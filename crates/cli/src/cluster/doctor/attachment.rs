//! Which pods run a plugin, and whether the plugin is in a namespace from which it reaches them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Examination, Findings, describe_pods, some};
use crate::cluster::finding::Level;
use crate::cluster::objects::{
    API_GATEWAY, Objects, POD, containers, has_labels, is_running, list, name, namespace, path, quote_labels, strings,
    text,
};
use crate::cluster::plugins::{Plugin, Target, addressed_service};
use crate::manifest::gateway::GATEWAY_NAME;

/// The name of the container with Envoy.
pub(super) const PROXY: &str = "istio-proxy";

const PODS: &str = "gateway-pods";
const NAMESPACE: &str = "plugin-namespace";

impl Examination<'_> {
    /// Returns the pods that run a plugin, and adds what is wrong with them, or that there are none.
    pub(super) fn attachment(&self, plugin: &Plugin, root: &str, found: &mut Findings) -> Vec<&Value> {
        let about = &plugin.about;
        if self.is_unknown(POD, PODS, about, found) {
            return Vec::new();
        }
        let pods = plugin.pods(self.objects, root);
        for target in plugin.targets() {
            match target {
                Target::Gateway(gateway) => self.check_target(plugin, &gateway, found),
                Target::Labels(labels) if pods.is_empty() => self.check_labels(plugin, &labels, found),
                Target::Labels(_) => {}
                Target::Other(what) => found.add(
                    Level::Skipped,
                    PODS,
                    about,
                    format!("the plugin is attached to {what}; only Gateways and `selector` are examined here"),
                ),
            }
        }
        if pods.is_empty() {
            return pods;
        }
        let running: Vec<&Value> = pods.iter().copied().filter(|pod| is_running(pod)).collect();
        match running.len() {
            0 => {
                let text = format!(
                    "it selects {}, but none of them runs; `kubectl describe pod -n {} {}` says why",
                    describe_pods(&pods),
                    namespace(pods[0]),
                    name(pods[0])
                );
                found.add(Level::Warning, PODS, about, text);
            }
            _ => found.add(Level::Ok, PODS, about, format!("it runs in {}", describe_pods(&running))),
        }
        let where_from = match plugin.namespace == root {
            true => "it is in Istio's root namespace, from which plugins reach every gateway",
            false => "it is in the namespace of the gateway's pods",
        };
        found.add(Level::Ok, NAMESPACE, about, where_from);
        pods
    }

    /// Checks a plugin whose `selector` selects no pod that it reaches.
    fn check_labels(&self, plugin: &Plugin, labels: &[(String, String)], found: &mut Findings) {
        let elsewhere: BTreeSet<&str> =
            self.objects.of(POD).filter(|pod| has_labels(pod, labels)).map(namespace).collect();
        if let Some(first) = elsewhere.first() {
            let text = format!(
                "the pods with {} are in the namespace `{first}`, which a plugin in `{}` does not reach; write \
                 `namespace: {first}`",
                quote_labels(labels),
                plugin.namespace
            );
            found.add(Level::Error, NAMESPACE, &plugin.about, text);
            return;
        }
        let remedy = match labels_of_gateways(self.objects) {
            candidates if candidates.is_empty() => {
                "deploy the gateway first, or write the labels of its pods".to_owned()
            }
            candidates => format!("write the labels of your gateway's pods: {}", some(candidates)),
        };
        let text = format!("no pod has the labels {}, so the plugin never runs; {remedy}", quote_labels(labels));
        found.add(Level::Error, PODS, &plugin.about, text);
    }

    /// Checks a plugin that is attached to a Gateway of the Gateway API.
    fn check_target(&self, plugin: &Plugin, gateway: &str, found: &mut Findings) {
        let mut report = |level, text: String| found.add(level, PODS, &plugin.about, text);
        let label = (GATEWAY_NAME.to_owned(), gateway.to_owned());
        let has_pods = self
            .objects
            .of(POD)
            .any(|pod| namespace(pod) == plugin.namespace && has_labels(pod, std::slice::from_ref(&label)));
        let Some(object) = self.objects.find(API_GATEWAY, &plugin.namespace, gateway) else {
            let others = self.objects.of(API_GATEWAY).map(path);
            let others: Vec<String> = others.collect();
            let remedy = match others.is_empty() {
                true => "the cluster has no Gateway of the Gateway API; use `selector` with the labels of the pods"
                    .to_owned(),
                false => format!("Gateways are {}; the plugin must be in the namespace of its Gateway", some(others)),
            };
            let text = format!(
                "`targetRefs` names the Gateway `{gateway}`, which does not exist in the namespace `{}`; {remedy}",
                plugin.namespace
            );
            return report(Level::Error, text);
        };
        if has_pods {
            return;
        }
        if list(object, "/spec/addresses").is_empty() {
            let text = format!(
                "the Gateway `{}` has no pod yet: none has the label {}; see whether `kubectl get gateway -n {} {gateway}` \
                 says that it is programmed",
                path(object),
                quote_labels(&[label]),
                plugin.namespace
            );
            return report(Level::Error, text);
        }
        let remedy = match addressed_service(object, self.objects) {
            Some(service) => format!(
                "write `selector.matchLabels` with the labels that the Service `{}` selects, {}, in place of `targetRefs`, in \
                 the namespace of these pods or in Istio's root namespace",
                path(service),
                quote_labels(&strings(service, "/spec/selector"))
            ),
            None => {
                "write `selector.matchLabels` with the labels of the gateway's pods in place of `targetRefs`".to_owned()
            }
        };
        let text = format!(
            "the plugin never runs: `targetRefs` attaches it to pods with the label {}, and the pods behind the `addresses` \
             of the Gateway `{}` do not have it; {remedy}",
            quote_labels(&[label]),
            path(object)
        );
        report(Level::Error, text);
    }
}

/// Returns the labels of pods that look like gateways: those with a proxy that is started as a router.
fn labels_of_gateways(objects: &Objects) -> Vec<String> {
    let is_router = |container: &Value| {
        text(container, "/name") == PROXY && list(container, "/args").iter().any(|argument| argument == "router")
    };
    let gateways = objects.of(POD).filter(|pod| containers(pod).any(is_router));
    let label = |pod: &Value| {
        let labels = strings(pod, "/metadata/labels");
        let best = ["istio", GATEWAY_NAME].into_iter().find_map(|key| labels.iter().find(|(k, _)| k == key));
        best.map(|(key, value)| format!("`{key}: {value}` ({})", path(pod)))
    };
    let found: BTreeSet<String> = gateways.filter_map(label).collect();
    found.into_iter().collect()
}
