//! The ValidatingAdmissionPolicy that refuses a misshapen table at `kubectl apply`, made from the definition that the
//! filter reads tables with: a key that is added there is known here.
//!
//! What it may cost the API server is bounded by the server itself (k8s.io/apiserver/pkg/apis/cel): 1,000,000 units an
//! expression, a variable being one, and 10,000,000 in all, messages included, which are evaluated whether or not they
//! are needed. So routes are looked at in shares, each a variable of its own, only to find out which ones are misshapen;
//! what is wrong is said of the first of these alone. And each share looks at them block by block: what counts the units
//! (cel-go's `refValStack`) is slower the more rounds a loop has gone, and is swept when a loop ends. 15,000 routes in
//! one loop take more than half a minute.

mod cel;
mod schema;

use std::fmt::Write as _;

use serde_json::Value;

use crate::manifest::PLUGIN_NAME;
use cel::{Place, bad, problems};

/// Routes that are looked at in a loop of their own.
const BLOCK: usize = 32;
/// Blocks in one expression.
const BLOCKS: usize = 64;
/// Expressions. The blocks go round among them, so that none has all the costly routes. With the shortest routes there
/// are, an object that the API server can store has 48,000.
const SHARES: usize = 24;

/// Beyond so many routes a message does not say which one is meant: finding out is as dear as the look at all routes,
/// and both together would be beyond what the API server grants.
const ROUTES_TO_NAME: usize = 15_000;

/// How `admission.yaml` begins.
const HEAD: &str = "\
# Refuses a misshapen route table at `kubectl apply`, before it reaches a gateway. Kubernetes 1.33 and later.
# Made by `ksvc-router admission`; docs/command-line.md says what it sees and what only `ksvc-router check` does.
";

/// The policy and its binding, as YAML.
pub fn manifests() -> String {
    let schema = schema::schema();
    let route = schema.pointer("/properties/routes/items").cloned().unwrap_or_default();

    let mut variables = vec![
        ("plugin".to_owned(), "has(object.spec.wasm) ? object.spec.wasm : object.spec".to_owned()),
        (
            "config".to_owned(),
            "has(variables.plugin.pluginConfig) ? dyn(variables.plugin.pluginConfig) : dyn({})".to_owned(),
        ),
        (
            "routes".to_owned(),
            "type(variables.config) == map && has(variables.config.routes) && type(variables.config.routes) == list\n\
             ? variables.config.routes : dyn([])"
                .to_owned(),
        ),
        ("tableProblems".to_owned(), problems("variables.config", &Place::Root, &without_routes(&schema))),
    ];
    variables.push(("count".to_owned(), "variables.routes.size()".to_owned()));
    variables.push(("block".to_owned(), list(0..BLOCK)));
    for share in 0..SHARES {
        let starts = list((0..BLOCKS).map(|block| (block * SHARES + share) * BLOCK));
        let look = format!(
            "{starts}.filter(s, s < variables.count).map(s,\n\
             variables.block.filter(c, s + c < variables.count && [variables.routes[s + c]].exists(r,\n{}))\n\
             .map(c, s + c))",
            bad("r", &route)
        );
        variables.push((format!("share{share}"), look));
    }
    let shares: Vec<String> = (0..SHARES).map(|share| format!("variables.share{share}")).collect();
    let misshapen = format!("({}).filter(block, block.size() > 0)", shares.join(" + "));
    variables.push(("misshapen".to_owned(), misshapen));
    variables.push((
        "first".to_owned(),
        "variables.misshapen.size() == 0 ? -1 : variables.misshapen.map(block, block[0]).min()".to_owned(),
    ));
    let place = Place::Expression("'routes[' + string(variables.first) + ']'".to_owned());
    variables.push((
        "routeProblems".to_owned(),
        format!(
            "variables.first < 0 ? [] : [variables.routes[variables.first]].map(r,\n{})[0]",
            problems("r", &place, &route)
        ),
    ));

    let mut yaml = HEAD.to_owned();
    // Writing to a string can't fail.
    let _ = write!(
        yaml,
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {PLUGIN_NAME}
spec:
  # It matches this filter's own objects alone, so that nothing else is held up should it fail; and a table that could not
  # be looked at is no better than a misshapen one.
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [extensions.istio.io]
        apiVersions: [v1alpha1]
        operations: [CREATE, UPDATE]
        resources: [wasmplugins, trafficextensions]
  matchConditions:
    # Other people's plugins are left alone.
    - name: is-{PLUGIN_NAME}
      expression: |-
        (has(object.spec.wasm) ? object.spec.wasm : object.spec).?pluginName.orValue('') == '{PLUGIN_NAME}'
    # A label or a finalizer may change on an object that is older than this policy.
    - name: spec-is-new
      expression: request.operation == 'CREATE' || object.spec != oldObject.spec
  variables:
"
    );
    for (name, expression) in &variables {
        let _ = writeln!(yaml, "    - name: {name}");
        block(&mut yaml, "      expression", expression);
    }
    yaml += "  validations:\n";
    validation(
        &mut yaml,
        "has(variables.plugin.pluginConfig)",
        "pluginConfig: there is none; write the route table there, with `hosts` and `routes`",
        None,
    );
    validation(
        &mut yaml,
        "variables.tableProblems.size() == 0",
        "pluginConfig: the route table is misshapen; `ksvc-router check` says where",
        Some("variables.tableProblems.join('; ')"),
    );
    validation(
        &mut yaml,
        "variables.misshapen.size() == 0",
        "pluginConfig.routes: a route is misshapen; `ksvc-router check` says which",
        Some(&format!(
            "variables.count > {ROUTES_TO_NAME} || variables.routeProblems.size() == 0 ? '' :\n\
             variables.routeProblems.join('; ') + [variables.misshapen.map(block, block.size()).sum()].map(all, all == 1 ? '' :\n\
             ' (and ' + string(all - 1) + ' more of the routes: `ksvc-router check` names all)')[0]"
        )),
    );
    let _ = write!(
        yaml,
        "---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {PLUGIN_NAME}
spec:
  policyName: {PLUGIN_NAME}
  validationActions: [Deny]
"
    );
    yaml
}

/// Numbers as a CEL list.
fn list(numbers: impl Iterator<Item = usize>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("[{}]", numbers.join(", "))
}

/// The table's own keys: routes have expressions of their own.
fn without_routes(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(routes) = schema.pointer_mut("/properties/routes").and_then(Value::as_object_mut) {
        routes.remove("items");
    }
    schema
}

fn validation(yaml: &mut String, expression: &str, message: &str, message_expression: Option<&str>) {
    // Writing to a string can't fail.
    let _ = writeln!(yaml, "    - expression: {expression}");
    let _ = writeln!(yaml, "      message: {}", Value::from(message));
    if let Some(expression) = message_expression {
        block(yaml, "      messageExpression", expression);
    }
}

/// A key with a text of several lines.
fn block(yaml: &mut String, key: &str, text: &str) {
    let indent = key.len() - key.trim_start().len() + 2;
    yaml.push_str(key);
    yaml.push_str(": |-\n");
    for line in text.lines() {
        let _ = writeln!(yaml, "{:indent$}{line}", "");
    }
}
