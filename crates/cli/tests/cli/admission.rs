//! `admission`: the policy that lies in the repository is the one that the command prints.

use crate::support::Folder;

const WRITTEN: &str = include_str!("../../../../admission.yaml");

#[test]
fn admission_yaml_is_what_the_command_prints() {
    let run = Folder::new(&[]).run(&["admission"]);
    assert_eq!((run.code, &*run.err), (0, ""));
    let stale = "admission.yaml is stale; write it anew: \
        cargo run -p ksvc-router-cli --bin ksvc-router -- admission > admission.yaml";
    assert!(run.out == WRITTEN, "{stale}");
}

#[test]
fn policy_names_every_key_of_the_definition() {
    let schema = ksvc_routing::config::schema();
    let keys = |pointer| schema.pointer(pointer).and_then(|keys| keys.as_object()).unwrap().keys();
    for key in keys("/properties").chain(keys("/properties/routes/items/properties")) {
        assert!(WRITTEN.contains(&format!("'{key}'")), "{key}");
    }
}

/// More would not fit into the annotation of `kubectl apply`.
#[test]
fn policy_can_be_applied_in_the_ordinary_way() {
    assert!(WRITTEN.len() < 200_000, "{}", WRITTEN.len());
}
