//! Other filters in the same pods: whether the order in which they see a request is defined.

use serde_json::Value;

use super::{Examination, Findings, some};
use crate::cluster::finding::Level;
use crate::cluster::objects::{
    ENVOY_FILTER, TRAFFIC_EXTENSION, WASM_PLUGIN, has_labels, list, namespace, path, strings, text,
};
use crate::cluster::plugins::Plugin;
use crate::manifest::gateway::GATEWAY_NAME;

const CHAIN: &str = "filter-chain";

impl Examination<'_> {
    /// Checks the other plugins and the EnvoyFilters that the pods of a plugin run too. `check` looks at those that have
    /// tables of this filter.
    pub(super) fn check_chain(&self, plugin: &Plugin, pods: &[&Value], root: &str, found: &mut Findings) {
        let about = &plugin.about;
        let kinds = [WASM_PLUGIN, TRAFFIC_EXTENSION, ENVOY_FILTER];
        if kinds.into_iter().any(|resource| self.is_unknown(resource, CHAIN, about, found)) {
            return;
        }
        let Some(manifest) = plugin.manifest() else { return };
        let own = manifest.document.to_value();
        let tables = self.manifests.tables();
        let is_table = |object: &Value| {
            let about = format!("{} {}", text(object, "/kind"), path(object));
            about == plugin.about || tables.iter().any(|table| table.about == about)
        };
        let others = kinds.into_iter().flat_map(|resource| self.objects.of(resource));
        let others = others.filter(|other| !is_table(other) && runs_in(other, pods, root));
        let others: Vec<&Value> = others.collect();
        let is_tied = |other: &&&Value| text(other, "/kind") != ENVOY_FILTER.kind && order(other) == order(&own);
        let describe = |other: &Value| format!("{} `{}`", text(other, "/kind"), path(other));
        for other in others.iter().filter(is_tied) {
            let text = format!(
                "the {} runs in the same pods with the same `phase` and `priority`, so the older one sees requests first; \
                 write another `priority` in one of them: higher numbers are first",
                describe(other)
            );
            found.add(Level::Warning, CHAIN, about, text);
        }
        let rest: Vec<String> = others.iter().filter(|other| !is_tied(other)).map(|other| describe(other)).collect();
        let text = match rest.is_empty() {
            true if others.is_empty() => "no other plugin or EnvoyFilter is in these pods".to_owned(),
            true => return,
            false => format!("these pods also run {}", some(rest)),
        };
        found.add(Level::Ok, CHAIN, about, text);
    }
}

/// Returns the `phase` and the `priority` of a plugin.
fn order(plugin: &Value) -> (&str, Option<i64>) {
    let phase = Some(text(plugin, "/spec/phase")).filter(|phase| !phase.is_empty() && *phase != "UNSPECIFIED_PHASE");
    (phase.unwrap_or_default(), plugin["spec"]["priority"].as_i64())
}

/// Returns whether a plugin or an EnvoyFilter applies to one of the pods.
fn runs_in(object: &Value, pods: &[&Value], root: &str) -> bool {
    let one = object.pointer("/spec/targetRef").filter(|target| !target.is_null());
    let targets: Vec<&Value> = list(object, "/spec/targetRefs").iter().chain(one).collect();
    let selector = [strings(object, "/spec/selector/matchLabels"), strings(object, "/spec/workloadSelector/labels")];
    pods.iter().any(|pod| {
        let is_own = namespace(object) == namespace(pod);
        if targets.is_empty() {
            return (is_own || namespace(object) == root) && selector.iter().all(|labels| has_labels(pod, labels));
        }
        // A target is always in the namespace of the object.
        is_own
            && targets.iter().any(|target| {
                let label = (GATEWAY_NAME.to_owned(), text(target, "/name").to_owned());
                text(target, "/kind") == "Gateway" && has_labels(pod, &[label])
            })
    })
}
