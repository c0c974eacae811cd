//! The ValidatingAdmissionPolicy that makes the API server refuse a malformed table at `kubectl apply`. It is made from
//! the schema that the filter reads tables with, so it knows a new key at once.
//!
//! The API server limits the cost of a policy (k8s.io/apiserver/pkg/apis/cel): 1,000,000 units for an expression, such
//! as a variable, and 10,000,000 units for the whole policy with its messages, which it evaluates even if they are not
//! needed. A table as large as an object can be (1.5 MB) costs about 4,000,000 units. Therefore:
//!
//! - The routes are checked in `SHARES` expressions, each for its share of the routes. The check only finds the
//!   malformed routes; the messages are made for the first of them alone, in an expression of its own.
//! - Validations and messages each evaluate the shares once, if the message is to name the route.
//! - A share goes through its routes block by block: cel-go's cost counter (`refValStack`) gets slower with each round
//!   of a loop, and is swept when a loop ends. 15,000 routes in one loop take more than half a minute.

mod cel;
pub(crate) mod schema;

use std::fmt::Write as _;

use serde_json::Value;

use crate::manifest::PLUGIN_NAME;
use cel::{Place, VARIABLES, errors, is_malformed};

/// Routes that one loop checks. Neighbours often cost the same, and blocks go round among the shares, so every share
/// costs about the same.
const BLOCK: usize = 16;
/// Blocks in a share.
const BLOCKS: usize = 128;
/// Expressions that check routes. With the largest table each of them costs about half of its limit.
const SHARES: usize = 8;
/// The largest number of routes that the policy accepts.
const MAX_ROUTES: usize = BLOCK * BLOCKS * SHARES;
/// The largest number of routes for which a message names the malformed route. To name it, the messages check all
/// routes again, and with more routes both checks together may cost more than the API server allows.
const MAX_ROUTES_TO_NAME: usize = 15_000;

/// The first lines of `admission.yaml`.
const HEAD: &str = "\
# Refuses a malformed route table at `kubectl apply`, before it reaches a gateway. Needs Kubernetes 1.33 or later.
# Made by `ksvc-router admission`. docs/command-line.md says what it checks and what only `ksvc-router check` checks.
";

/// Returns the variables of the policy, each with its CEL expression.
fn variables() -> Vec<(String, String)> {
    let schema = schema::schema();
    let route = schema.pointer("/properties/routes/items").cloned().unwrap_or_default();
    let mut variables: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, expression: String| variables.push((name.to_owned(), expression));

    add("plugin", "has(object.spec.wasm) ? object.spec.wasm : object.spec".to_owned());
    add("config", "has(variables.plugin.pluginConfig) ? dyn(variables.plugin.pluginConfig) : dyn({})".to_owned());
    for (name, expression) in VARIABLES {
        add(name, expression.to_owned());
    }
    add("tableErrors", errors("variables.config", &Place::Table, &without_routes(&schema)));

    let has_routes =
        "type(variables.config) == map && has(variables.config.routes) && type(variables.config.routes) == list";
    add("routes", format!("{has_routes}\n? variables.config.routes : dyn([])"));
    add("count", "variables.routes.size()".to_owned());
    add("offsets", list((0..BLOCK).map(|offset| offset.to_string())));
    let blocks = list((0..BLOCKS).map(|block| (block * SHARES * BLOCK).to_string()));
    add("blocks", format!("{blocks}.filter(b, b < variables.count)"));
    let is_malformed = is_malformed("r", &route);
    for share in 0..SHARES {
        let index = format!("b + {} + o", share * BLOCK);
        // An index after the last route gives no route, and so no malformed one.
        let malformed = format!(
            "variables.blocks.map(b, variables.offsets.filter(o, variables.routes[?({index})].optMap(r,\n\
             {is_malformed})\n.orValue(false)).map(o, {index}))"
        );
        add(&format!("share{share}"), malformed);
    }
    let shares: Vec<String> = (0..SHARES).map(|share| format!("variables.share{share}")).collect();
    add("malformed", format!("({}).filter(block, block.size() > 0)", shares.join(" + ")));

    let first = "variables.malformed.size() == 0 ? -1 : variables.malformed.map(block, block[0]).min()";
    add("first", first.to_owned());
    add("place", "'routes[' + string(variables.first) + ']'".to_owned());
    let errors = errors("r", &Place::Expression("variables.place".to_owned()), &route);
    let first = "[variables.routes[variables.first]]";
    add("routeErrors", format!("variables.first < 0 ? [] : {first}.map(r,\n{errors})[0]"));
    variables
}

/// Returns the policy and its binding as YAML.
pub fn manifests() -> String {
    let mut yaml = HEAD.to_owned();
    // Writing to a string can't fail.
    let _ = write!(
        yaml,
        "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata:
  name: {PLUGIN_NAME}
spec:
  # The policy matches only this filter's own objects, so a failure of the policy stops no other object. A table that
  # can't be checked is refused, like a malformed one.
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - apiGroups: [extensions.istio.io]
        apiVersions: [v1alpha1]
        operations: [CREATE, UPDATE]
        resources: [wasmplugins, trafficextensions]
  matchConditions:
    # Plugins of other names are not checked.
    - name: is-{PLUGIN_NAME}
      expression: |-
        (has(object.spec.wasm) ? object.spec.wasm : object.spec).?pluginName.orValue('') == '{PLUGIN_NAME}'
    # An object that is older than this policy may be labelled, or lose a finalizer, without a check of its table.
    - name: spec-is-new
      expression: request.operation == 'CREATE' || object.spec != oldObject.spec
  variables:
"
    );
    for (name, expression) in &variables() {
        let _ = writeln!(yaml, "    - name: {name}");
        block(&mut yaml, "      expression", expression);
    }
    yaml += "  validations:\n";
    validation(
        &mut yaml,
        "has(variables.plugin.pluginConfig)",
        "pluginConfig: is missing; write the route table there, with `hosts` and `routes`",
        None,
    );
    validation(
        &mut yaml,
        "variables.tableErrors.size() == 0",
        "pluginConfig: the route table is malformed; `ksvc-router check` shows where",
        Some("variables.tableErrors.join('; ')"),
    );
    validation(
        &mut yaml,
        &format!("variables.count <= {MAX_ROUTES}"),
        &format!(
            "routes: the table has more than {MAX_ROUTES} routes; split it into several WasmPlugins, or apply it without \
             the policy"
        ),
        None,
    );
    validation(
        &mut yaml,
        "variables.malformed.size() == 0",
        "routes: a route is malformed; `ksvc-router check` shows which",
        Some(&format!(
            "variables.count > {MAX_ROUTES_TO_NAME} || variables.routeErrors.size() == 0 ? '' :\n\
             variables.routeErrors.join('; ') + [variables.malformed.map(block, block.size()).sum()].map(all, all == 1 ? '' :\n\
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

/// Returns a CEL list.
fn list(elements: impl Iterator<Item = String>) -> String {
    format!("[{}]", elements.collect::<Vec<_>>().join(", "))
}

/// Returns the schema of the table's own keys, because the routes have expressions of their own.
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

/// Writes a key whose value is a text of several lines.
fn block(yaml: &mut String, key: &str, text: &str) {
    let indent = key.len() - key.trim_start().len() + 2;
    yaml.push_str(key);
    yaml.push_str(": |-\n");
    for line in text.lines() {
        let _ = writeln!(yaml, "{:indent$}{line}", "");
    }
}
