//! Whether the API server refuses malformed tables.

use super::{Examination, Findings};
use crate::cluster::finding::Level;
use crate::cluster::objects::{ADMISSION_BINDING, ADMISSION_POLICY, name};
use crate::manifest::PLUGIN_NAME;

const POLICY: &str = "admission-policy";
/// The version of Kubernetes from which on the policy works.
const LEAST: (u32, u32) = (1, 33);

impl Examination<'_> {
    pub(super) fn check_admission(&self, found: &mut Findings) {
        let about = "the cluster";
        for resource in [ADMISSION_POLICY, ADMISSION_BINDING] {
            if self.is_unknown(resource, POLICY, about, found) {
                return;
            }
        }
        let is_there = |resource| self.objects.of(resource).any(|object| name(object) == PLUGIN_NAME);
        let is_installed = is_there(ADMISSION_POLICY) && is_there(ADMISSION_BINDING);
        let version = self.objects.version.map(|(major, minor)| format!("Kubernetes {major}.{minor}"));
        let version_words = version.clone().unwrap_or("Kubernetes of an unknown version".to_owned());
        let (level, text) = match (self.objects.version, is_installed) {
            (Some(version), false) if version < LEAST => (
                Level::Ok,
                format!(
                    "{version_words} is too old for the admission policy, which needs 1.33; check tables in your pipeline"
                ),
            ),
            (Some(version), true) if version < LEAST => (
                Level::Warning,
                format!(
                    "the admission policy is installed, but {version_words} is too old for it; remove it by `ksvc-router \
                     admission | kubectl delete -f -`, or upgrade to 1.33"
                ),
            ),
            (_, true) => (Level::Ok, format!("{version_words}, and the admission policy is installed")),
            (_, false) => (
                Level::Warning,
                format!(
                    "{version_words}, but the admission policy is not installed, so the API server accepts malformed tables; \
                     run `ksvc-router admission | kubectl apply -f -`"
                ),
            ),
        };
        found.add(level, POLICY, about, text);
    }
}
