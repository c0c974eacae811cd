//! Memory over a million requests.

use serde_json::json;

use crate::{api, configured, shop_with};

#[test]
fn memory_is_flat_over_a_million_requests() {
    const ROUNDS: u32 = 100_000;
    const WARM: u32 = 1000;
    let (process, root) = configured(&shop_with(&json!({"denyDirect": true})));
    let kinds = [
        ("GET", "/faas/orders"),
        ("GET", "/faas/orders/42"),
        ("GET", "/faas/orders/43?expand=items"),
        ("DELETE", "/faas/payments/2026/11"),
        ("HEAD", "/faas/files/report.json"),
        ("GET", "/faas/ping"),
        ("GET", "/faas/customers/7"),
        ("DELETE", "/faas/orders/42"),
        ("GET", "/faas/orders/a%2Fb"),
        ("GET", "/elsewhere"),
    ];
    let mut warm = 0;
    for round in 0..ROUNDS {
        for (method, path) in kinds {
            api(&root, method, path);
        }
        if round % 200 == 0 {
            root.tick();
        }
        if round == WARM {
            warm = root.vm().memory();
        }
    }
    root.tick();
    let routed = process.counter(&crate::metric("shop", "routed"));
    assert_eq!(routed, Some(u64::from(ROUNDS) * 5));
    assert_eq!(root.vm().memory(), warm, "the memory after 1,000,000 requests, and after 10,000");
}

#[test]
fn memory_is_flat_over_a_thousand_documents() {
    let (_process, root) = configured(&shop_with(&json!({})));
    let documents =
        [shop_with(&json!({"name": "a"})).to_string(), "{".to_owned(), shop_with(&json!({"hosts": 5})).to_string()];
    let mut warm = 0;
    for round in 0..1000 {
        for document in &documents {
            assert!(root.configure(document));
            api(&root, "GET", "/faas/orders/1");
        }
        if round == 100 {
            warm = root.vm().memory();
        }
    }
    assert_eq!(root.vm().memory(), warm, "the memory after 3,000 documents, and after 300");
}
