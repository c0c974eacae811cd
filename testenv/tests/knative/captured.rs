//! One route for all KSVCs, whose namespace and service come from the request.

use anyhow::{Result, ensure};
use serde_json::json;
use testenv::http1::Request;
use testenv::knative::function::REVISION_HEADER;
use testenv::knative::objects::{annotated, ksvc};
use testenv::knative::serving::DOMAIN;
use testenv::stand_in::Report;

use crate::{Env, tests};

tests! { one_route_serves_all_ksvcs_of_the_allowed_namespaces }

fn one_route_serves_all_ksvcs_of_the_allowed_namespaces(env: &Env) -> Result<()> {
    let mut api = env.api("captured")?;
    let (team, secret) = (api.another_namespace("team-a")?, api.another_namespace("secret")?);
    let mut table = api.table(json!([{
        "match": "ANY /{ns}/{svc}/{**rest}", "service": "{svc}", "namespace": "{ns}", "rewritePath": "/{rest}",
    }]));
    table["allowNamespaces"] = json!([api.name, "captured-team-*"]);
    table["denyDirect"] = true.into();
    api.apply(&table)?;
    let asleep = |ksvc| annotated(ksvc, "initial-scale", "0");
    api.serve(&[api.ksvc("orders"), asleep(ksvc(&team, "orders")), asleep(ksvc(&secret, "orders"))])?;

    for namespace in [&api.name, &team] {
        let response = api.get(&format!("/{namespace}/orders/1?a=b"))?;
        ensure!(response.status == 200, "{namespace}: {response:?}");
        let report: Report = serde_json::from_slice(&response.body)?;
        ensure!(report.authority == format!("orders.{namespace}.{DOMAIN}"), "{report:?}");
        ensure!(report.path == "/1?a=b", "{report:?}");
        ensure!(report.header("x-forwarded-prefix") == Some(&format!("/{namespace}/orders")), "{report:?}");
        let direct = api.send(&Request::get(format!("orders.{namespace}.{DOMAIN}"), "/1"))?;
        ensure!(direct.text().contains("This host is not served here."), "{direct:?}");
    }

    // The filter refuses a namespace that is not allowed. Its KSVC exists, and is not covered by `denyDirect` either.
    let refused = api.get(&format!("/{secret}/orders/1"))?;
    ensure!(refused.status == 404 && refused.text().contains("names no service"), "{refused:?}");
    ensure!(api.send(&Request::get(format!("orders.{secret}.{DOMAIN}"), "/1"))?.status == 200);
    // Envoy knows no such host, and answers with the same status without a body.
    let missing = api.get(&format!("/{team}/payments/1"))?;
    ensure!(missing.status == 404 && missing.body.is_empty(), "{missing:?}");

    // A new KSVC needs no edit of the table.
    api.serve(&[ksvc(&team, "payments")])?;
    let response = api.await_status(&format!("/{team}/payments/1"), 200)?;
    ensure!(response.header(REVISION_HEADER) == Some("payments-00001"), "{response:?}");
    Ok(())
}
