//! All plugins of a process share one namespace of shared data, and it survives a new version of the module. So the
//! module does not trust what it finds there.

use module_host::{Process, Root};
use serde_json::json;

use crate::random::Random;
use crate::{ORDERS, PLUGIN, VERSION, shop, shop_with, target};

fn edit(process: &Process, plugin: &str, version: &str, document: &str) -> Root {
    let root = process.vm(&[(VERSION, version)]).root(plugin);
    assert!(root.configure(document));
    root
}

#[test]
fn keys_have_a_prefix_and_the_plugins_name() {
    let process = Process::new();
    edit(&process, PLUGIN, "1", &shop().to_string());
    edit(&process, PLUGIN, "2", "{");
    let keys = process.shared_keys();
    assert!(!keys.is_empty());
    for key in keys {
        assert!(key.contains("ksvc") && key.contains(PLUGIN), "{key}");
    }
}

#[test]
fn plugins_of_one_process_do_not_mix() {
    // With these names, keys that are joined without a separator would collide.
    let process = Process::new();
    let other = shop_with(&json!({"routes": [{"match": "GET /orders/{id}", "service": "other"}]})).to_string();
    edit(&process, "a", "1", &shop().to_string());
    edit(&process, "a.good", "1", &other);
    let root = edit(&process, "b", "1", "{");
    assert_eq!(target(&root, "/faas/orders/1"), "untouched");
    let root = edit(&process, "a", "2", "{");
    assert_eq!(target(&root, "/faas/orders/1"), ORDERS);
    let root = edit(&process, "a.good", "2", "{");
    assert_eq!(target(&root, "/faas/orders/1"), "other.shop.example.com");
}

#[test]
fn good_document_is_served_whatever_shared_data_holds() {
    for garbage in garbage() {
        let process = Process::new();
        edit(&process, PLUGIN, "1", &shop().to_string());
        for key in process.shared_keys() {
            process.set_shared_data(&key, &garbage);
        }
        let root = edit(&process, PLUGIN, "2", &shop().to_string());
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "with {}", garbage.escape_ascii());
    }
}

#[test]
fn bad_document_is_served_in_part_if_the_stored_one_is_bad_too() {
    let bad = shop_with(&json!({"surprise": 1})).to_string();
    for garbage in garbage() {
        let process = Process::new();
        edit(&process, PLUGIN, "1", &shop().to_string());
        for key in process.shared_keys() {
            process.set_shared_data(&key, &garbage);
        }
        for thread in ["main", "worker"] {
            let root = edit(&process, PLUGIN, "2", &bad);
            let target = target(&root, "/faas/orders/1");
            assert_ne!(target, "untouched", "{thread}: with {}", garbage.escape_ascii());
        }
    }
}

#[test]
fn each_value_may_be_garbage_by_itself() {
    let keys = {
        let process = Process::new();
        edit(&process, PLUGIN, "1", &shop().to_string());
        process.shared_keys()
    };
    for key in keys {
        for garbage in garbage() {
            let process = Process::new();
            edit(&process, PLUGIN, "1", &shop().to_string());
            process.set_shared_data(&key, &garbage);
            // The same version again, a bad one, and a good one.
            for (version, document) in [("1", shop().to_string()), ("2", "{".to_owned())] {
                edit(&process, PLUGIN, version, &document);
            }
            let root = edit(&process, PLUGIN, "3", &shop().to_string());
            assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "{key}: {}", garbage.escape_ascii());
        }
    }
}

#[test]
fn mutated_values_do_no_harm() {
    let mut random = Random::new("MODULE_SEED");
    let stored: Vec<(String, Vec<u8>)> = {
        let process = Process::new();
        edit(&process, PLUGIN, "1", &shop().to_string());
        edit(&process, PLUGIN, "2", "{");
        let keys = process.shared_keys().into_iter();
        keys.map(|key| (key.clone(), process.shared_data(&key).expect("the key exists"))).collect()
    };
    for _ in 0..200 {
        let process = Process::new();
        for (key, value) in &stored {
            let mut value = value.clone();
            for _ in 0..random.below(3) {
                let at = random.below(value.len());
                value[at] = random.byte();
            }
            process.set_shared_data(key, &value);
        }
        edit(&process, PLUGIN, "1", &shop().to_string());
        edit(&process, PLUGIN, "2", "{");
        let root = edit(&process, PLUGIN, "3", &shop().to_string());
        assert_eq!(target(&root, "/faas/orders/1"), ORDERS, "MODULE_SEED={}", random.seed());
    }
}

fn garbage() -> Vec<Vec<u8>> {
    let shop = shop().to_string();
    vec![
        Vec::new(),
        b"\0".to_vec(),
        vec![0xff; 64],
        vec![b'a'; 1_000_000],
        b"null".to_vec(),
        b"{}".to_vec(),
        b"[1,2,3]".to_vec(),
        b"{\"judged\":5,\"names\":[1]}".to_vec(),
        "[".repeat(100_000).into_bytes(),
        shop.as_bytes()[..shop.len() / 2].to_vec(),
        shop.replace("\"routes\"", "\"paths\"").into_bytes(),
    ]
}
