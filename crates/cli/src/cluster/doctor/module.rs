//! Where the module of a plugin comes from: a registry, a web server, or a file in the pod.

use std::time::Duration;

use serde_json::Value;

use super::attachment::PROXY;
use super::{Examination, Findings, some};
use crate::cluster::finding::Level;
use crate::cluster::image::{ImageAnswer, reference};
use crate::cluster::objects::{containers, list, path, text};
use crate::cluster::plugins::{Plugin, is_envoy_filter};

const IMAGE: &str = "image";
const EXPIRY: &str = "module-expiry";
const FILE: &str = "module-file";

/// The variable that says how long the agent keeps a module.
const VARIABLE: &str = "WASM_MODULE_EXPIRY";
/// The least time for which a module should be kept, and what the documentation tells to write.
const LEAST: Duration = Duration::from_secs(30 * 24 * 3600);
const WRITE: &str = "87600h";

impl Examination<'_> {
    /// Checks the image or the file of a module, and whether the pods keep it.
    pub(super) fn check_module(&self, plugin: &Plugin, pods: &[&Value], found: &mut Findings) {
        let url = plugin.manifest().and_then(|manifest| manifest.plugin.text_at("url"));
        let Some(url) = url.filter(|_| !is_envoy_filter(plugin)) else {
            return found.add(Level::Skipped, IMAGE, &plugin.about, "only the `url` of a WasmPlugin is examined");
        };
        if let Some(file) = url.strip_prefix("file://") {
            return check_volume(plugin, pods, file, found);
        }
        match reference(url) {
            Some(reference) => self.check_image(plugin, reference, found),
            None => {
                let text = "the module comes from a web server, which is not asked here";
                found.add(Level::Skipped, IMAGE, &plugin.about, text);
            }
        }
        check_expiry(plugin, pods, found);
    }

    fn check_image(&self, plugin: &Plugin, reference: &str, found: &mut Findings) {
        let mut report = |level, text: String| found.add(level, IMAGE, &plugin.about, text);
        // `check` has an error for a digest that is still to be filled in.
        if reference.split_once("@sha256:").is_some_and(|(_, digits)| digits.bytes().all(|digit| digit == b'0')) {
            return report(Level::Skipped, "the digest is still to be filled in".to_owned());
        }
        let Some(answer) = self.images.and_then(|images| images.get(reference)) else {
            return report(Level::Skipped, "the registry was not asked".to_owned());
        };
        match answer {
            ImageAnswer::Image { digest } => report(Level::Ok, format!("the registry has the image, {digest}")),
            ImageAnswer::Index { digest, images } => {
                let remedy = match &images[..] {
                    [] => "push an image without an index, and write its digest".to_owned(),
                    [image] => format!("write the digest of the image in it, `{image}`"),
                    images => format!("write the digest of one of the images in it: {}", some(images.to_vec())),
                };
                let text = format!(
                    "{digest} is the digest of an image index, with which Istio's agent answers 403 to every request; {remedy}"
                );
                report(Level::Error, text);
            }
            ImageAnswer::Missing => {
                let text = format!(
                    "the registry has no image `{reference}`, so the gateway answers 403 to every request; push it, or write \
                     the digest that was printed when it was pushed"
                );
                report(Level::Error, text);
            }
            ImageAnswer::Refused => report(
                Level::Warning,
                "the registry wants credentials, and it is asked without any here, so it is not known whether it has the \
                 image; for the gateway, write `imagePullSecret` with the name of a Secret in the plugin's namespace"
                    .to_owned(),
            ),
            ImageAnswer::Unreachable(why) => report(
                Level::Warning,
                format!(
                    "the registry can't be asked from here: {why}; run this where the registry can be reached, or leave it \
                     out by `--no-registry`"
                ),
            ),
        }
    }
}

/// Checks how long the agents of the pods keep a module.
fn check_expiry(plugin: &Plugin, pods: &[&Value], found: &mut Findings) {
    let mut report = |level, text: String| found.add(level, EXPIRY, &plugin.about, text);
    let remedy = format!("set `{VARIABLE}={WRITE}` in the container `{PROXY}` of the gateway's Deployment");
    let (mut without, mut short, mut good) = (Vec::new(), Vec::new(), Vec::new());
    for pod in pods {
        let variables = containers(pod).filter(|container| text(container, "/name") == PROXY);
        let mut variables = variables.flat_map(|container| list(container, "/env"));
        let variable = variables.find(|variable| text(variable, "/name") == VARIABLE);
        let value = variable.map(|variable| text(variable, "/value"));
        match value.map(|value| (value, value.parse::<kube::core::Duration>())) {
            None => without.push(format!("`{}`", path(pod))),
            Some((value, Ok(time))) if time >= LEAST => good.push(value),
            Some((value, _)) => short.push(format!("`{}` has `{VARIABLE}={value}`", path(pod))),
        }
    }
    if !without.is_empty() {
        let text = format!(
            "{} lacks `{VARIABLE}`, so the agent deletes the module 24 hours after the last edit, and from then on new \
             policies have no effect; {remedy}",
            some(without)
        );
        report(Level::Warning, text);
    }
    if !short.is_empty() {
        let text = format!(
            "{}; after this time without an edit the agent deletes the module, and from then on new policies have no \
             effect; {remedy}",
            some(short)
        );
        report(Level::Warning, text);
    }
    if let (Some(value), true) = (good.first(), good.len() == pods.len()) {
        report(Level::Ok, format!("the pods keep the module for {value} after an edit"));
    }
}

/// Checks that the file of a module is in a volume of each pod.
fn check_volume(plugin: &Plugin, pods: &[&Value], file: &str, found: &mut Findings) {
    let is_above = |mount: &&Value| {
        let folder = text(mount, "/mountPath").trim_end_matches('/');
        file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    };
    let volume = |pod: &Value| {
        let proxy = containers(pod).find(|container| text(container, "/name") == PROXY);
        let mounts = proxy.map_or(&[][..], |proxy| list(proxy, "/volumeMounts"));
        mounts.iter().find(is_above).map(|mount| text(mount, "/name").to_owned())
    };
    let without: Vec<String> =
        pods.iter().filter(|pod| volume(pod).is_none()).map(|pod| format!("`{}`", path(pod))).collect();
    if !without.is_empty() {
        let folder = file.rsplit_once('/').map_or("/", |(folder, _)| folder);
        let text = format!(
            "the container `{PROXY}` of {} has no volume for {file}, and a gateway without the file answers 500 to every \
             request; mount the volume at `{folder}` before you apply the plugin",
            some(without)
        );
        return found.add(Level::Error, FILE, &plugin.about, text);
    }
    if let Some(name) = pods.first().and_then(|pod| volume(pod)) {
        found.add(Level::Ok, FILE, &plugin.about, format!("the pods have the volume `{name}` for {file}"));
    }
}
