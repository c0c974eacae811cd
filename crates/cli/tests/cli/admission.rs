//! `admission`: the policy in the repository is the one that the command prints.

use crate::support::Folder;

const WRITTEN: &str = include_str!("../../../../admission.yaml");

#[test]
fn admission_yaml_is_what_the_command_prints() {
    let run = Folder::new(&[]).run(&["admission"]);
    assert_eq!((run.code, &*run.err), (0, ""));
    let stale = "admission.yaml is out of date; write it again: \
        cargo run -p ksvc-router-cli --bin ksvc-router -- admission > admission.yaml";
    assert!(run.out == WRITTEN, "{stale}");
}

#[test]
fn the_policy_names_every_key_of_the_schema() {
    let schema = ksvc_routing::config::schema();
    let keys = |pointer| schema.pointer(pointer).and_then(|keys| keys.as_object()).unwrap().keys();
    for key in keys("/properties").chain(keys("/properties/routes/items/properties")) {
        assert!(WRITTEN.contains(&format!("'{key}'")), "{key}");
    }
}

#[test]
fn the_policy_refuses_tables_with_more_routes_than_it_checks() {
    let shares: Vec<&str> = WRITTEN.split("    - name: share").skip(1).collect();
    let numbers = |name: &str| {
        let (_, expression) = WRITTEN.split_once(&format!("- name: {name}\n")).unwrap();
        let (list, _) = expression.split_once('[').unwrap().1.split_once(']').unwrap();
        list.split(", ").map(|number| number.parse::<usize>().unwrap()).collect::<Vec<_>>()
    };
    let (blocks, offsets) = (numbers("blocks"), numbers("offsets"));
    let mut checked: Vec<usize> = Vec::new();
    for share in &shares {
        let (_, index) = share.split_once("[?(b + ").unwrap();
        let first: usize = index.split_once(" + o)").unwrap().0.parse().unwrap();
        checked.extend(blocks.iter().flat_map(|block| offsets.iter().map(move |offset| block + first + offset)));
    }
    checked.sort_unstable();
    assert_eq!(checked, (0..16_384).collect::<Vec<_>>());
    assert!(WRITTEN.contains("    - expression: variables.count <= 16384\n"));
    assert!(WRITTEN.contains(
        "routes: the table has more than 16384 routes; split it into several WasmPlugins, or apply it without the policy"
    ));
}

/// `kubectl apply` keeps the whole object in an annotation, which may have 262,144 bytes.
#[test]
fn the_policy_can_be_applied_without_server_side_apply() {
    assert!(WRITTEN.len() < 70_000, "{}", WRITTEN.len());
}
