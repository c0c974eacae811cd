//! Every case whose targets can be KSVCs, with real KSVCs behind the gateway.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::{Result, ensure};
use testenv::cases::{self, Case, CaseFile, Ingress};
use testenv::knative::objects::{annotated, ksvc, web_server, with_variable};
use testenv::knative::serving::DOMAIN;

use crate::{Env, tests};

tests! { every_case_that_fits_has_the_expected_result }

/// The cases in which Knative's own parts do what the case says of the filter, with what they do.
const DECIDED_BY_KNATIVE: [(&str, &str); 4] = [
    ("Knative's internal headers are removed", "the activator adds its own K-Proxy-Request"),
    ("Knative's internal headers pass", "the activator answers a request with K-Network-Probe itself"),
    ("Knative's probes to the target's host pass", "the activator answers a probe itself"),
    ("a client's Forwarded is removed", "queue-proxy adds its own Forwarded"),
];

/// Returns the service and the namespace of a KSVC with this host, if it can be one.
fn parts(host: &str) -> Option<(&str, &str)> {
    let (service, namespace) = host.strip_suffix(DOMAIN)?.strip_suffix('.')?.split_once('.')?;
    (!namespace.contains('.')).then_some((service, namespace))
}

/// Returns why a case does not fit, if it does not.
fn reason_not_to_fit(case: &Case) -> Option<&'static str> {
    if case.expected_text("authority").is_some_and(|host| parts(host).is_none()) {
        return Some("the target is no KSVC");
    }
    if cases::Sent::of(case).changed_by_normalization() {
        return Some("the gateway normalizes the path");
    }
    DECIDED_BY_KNATIVE.into_iter().find(|(name, _)| case.name == *name).map(|(_, reason)| reason)
}

fn every_case_that_fits_has_the_expected_result(env: &Env) -> Result<()> {
    let api = env.exclusive_api("cases")?;
    let cluster = api.knative.cluster();
    let mut files = Vec::new();
    for path in cases::files()? {
        files.push((CaseFile::read(&path)?, path));
    }
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, _) in &mut files {
        file.cases.retain(|case| {
            let reason = reason_not_to_fit(case);
            if let Some(reason) = reason {
                *left_out.entry(reason).or_default() += 1;
            }
            reason.is_none()
        });
    }
    let fitting: usize = files.iter().map(|(file, _)| file.cases.len()).sum();
    for (reason, count) in &left_out {
        eprintln!("{count} cases are left out: {reason}");
    }
    for (_, reason) in DECIDED_BY_KNATIVE {
        ensure!(left_out.contains_key(reason), "no case is left out because {reason}");
    }

    let hosts: BTreeSet<String> = files
        .iter()
        .flat_map(|(file, _)| &file.cases)
        .filter_map(|case| case.expected_text("authority"))
        .map(str::to_owned)
        .collect();

    let begun = Instant::now();
    let mut ksvcs = Vec::new();
    for host in &hosts {
        let Some((service, namespace)) = parts(host) else { continue };
        let ksvc = with_variable(ksvc(namespace, service), "FUNCTION_HOST", host);
        // No pod ends before the last case.
        ksvcs.push(annotated(ksvc, "window", "10m"));
    }
    let namespaces: BTreeSet<&str> =
        hosts.iter().filter_map(|host| parts(host)).map(|(_, namespace)| namespace).collect();
    for namespace in &namespaces {
        cluster.namespace(namespace)?;
    }
    cluster.apply(&web_server(&api.name, "catch-all", &[]))?;
    api.serve(&ksvcs)?;
    eprintln!("{} KSVCs after {:?}", ksvcs.len(), begun.elapsed());

    let address = api.knative.address();
    let ingress = Ingress::of_knative(address.into());
    let mut failures = Vec::new();
    for (file, path) in &files {
        api.apply(&file.table)?;
        if let Err(error) = cases::run_all(file, &ingress) {
            failures.push(format!("{}: {error:#}", path.display()));
        }
    }
    eprintln!("{fitting} cases after {:?}", begun.elapsed());
    for namespace in &namespaces {
        cluster.kubectl(["delete", "namespace", namespace, "--wait=false"])?;
    }
    ensure!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
