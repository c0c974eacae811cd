//! Makes the table: one route for each operation, or with `--fold` one for the operations that share path and target.
//!
//! The routing core compiles the table, and its problems are reported at the position of the operation.

use std::collections::HashMap;

use ksvc_routing::limits::{CONDITIONAL, METHODS_OF_A_MATCH, NAME};
use ksvc_routing::{Place, RouteTable, Step, compile};
use serde_json::{Map, Value, json};

use super::Options;
use super::destination::Destination;
use super::document::{At, Located, Messages};
use super::kinds::{JOINED_OPERATIONS, SAME_REQUESTS};
use super::plan::{Plan, Plans};
use crate::message::{Message, Other};
use crate::source::position::Span;

/// A table and where its routes come from.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) value: Value,
    /// Whether the table has no errors. Those of a single route are not in it; those of the hosts may be.
    pub(super) is_valid: bool,
    pub(super) compiled: RouteTable,
    pub(super) plans: Plans,
    /// The routes of `value`, in the same order.
    pub(super) routes: Vec<Route>,
}

/// A route of the table.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// The indexes of its operations in the plans. The first one gives the path and the target.
    pub(super) operations: Vec<usize>,
    methods: Vec<String>,
    /// Whether another operation with the same requests has another target.
    has_conflict: bool,
}

/// Builds the table, without the operations that have errors, and reports these.
pub(super) fn build(root: &Located, mut plans: Plans, options: &Options, messages: &mut Messages) -> Built {
    drop_conditions_beyond_limit(&mut plans.operations);
    let mut routes = join_equal(&plans.operations, messages);
    routes.retain(|route| !route.has_conflict);
    if options.fold {
        routes = fold(&plans.operations, routes);
    }
    let mut is_first = true;
    loop {
        let value = to_value(&plans, &routes);
        let compiled = compile(value.to_string().as_bytes());
        let context = Context { root, plans: &plans, routes: &routes };
        if is_first {
            compiled
                .problems
                .iter()
                .filter_map(|problem| context.message(problem))
                .for_each(|message| messages.push(message));
            if compiled.more_problems > 0 {
                let severity = ksvc_routing::Severity::Error;
                messages.push(Message::more(compiled.more_problems, severity, &root.document.source, Span::START));
            }
        }
        is_first = false;
        let broken: Vec<usize> =
            compiled.problems.iter().filter(|problem| problem.is_error()).flat_map(broken_routes).collect();
        if broken.is_empty() {
            let is_valid = !compiled.problems.iter().any(ksvc_routing::Problem::is_error);
            return Built { value, is_valid, compiled: compiled.table, plans, routes };
        }
        let mut index = 0;
        routes.retain(|_| {
            index += 1;
            !broken.contains(&(index - 1))
        });
    }
}

/// Returns the routes that a problem is about.
fn broken_routes(problem: &ksvc_routing::Problem) -> Vec<usize> {
    [Some(&problem.place), problem.other()].into_iter().flatten().filter_map(route_of).collect()
}

fn route_of(place: &Place) -> Option<usize> {
    match place.steps() {
        [Step::Key(key), Step::Index(index), ..] if key == "routes" => Some(*index),
        _ => None,
    }
}

/// A table has a limit for routes with conditions at one path. Beyond it, the conditions of operations with the same
/// target are dropped, so that they are joined.
fn drop_conditions_beyond_limit(plans: &mut [Plan]) {
    let mut at_path: HashMap<(String, String), Vec<usize>> = HashMap::new();
    for (index, plan) in plans.iter().enumerate() {
        at_path.entry((plan.operation.method.clone(), plan.path.shape())).or_default().push(index);
    }
    for indexes in at_path.into_values() {
        let first = indexes.first().and_then(|index| plans.get(*index)).map(|plan| plan.target.clone());
        let is_same = |index: &usize| first.as_ref().is_some_and(|first| plans[*index].target.is_same(first));
        let conditional = indexes.iter().filter(|index| !plans[**index].path.conditions.is_empty()).count();
        if conditional > CONDITIONAL && indexes.iter().all(is_same) {
            indexes.into_iter().for_each(|index| plans[index].path.conditions.clear());
        }
    }
}

/// Makes one route of the operations that method, path and conditions do not tell apart, if they have the same target.
fn join_equal(plans: &[Plan], messages: &mut Messages) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    let mut known: HashMap<(&str, String, Vec<_>), usize> = HashMap::new();
    for (index, plan) in plans.iter().enumerate() {
        let key = (&*plan.operation.method, plan.path.shape(), plan.path.conditions.clone());
        let Some(same) = known.get(&key) else {
            known.insert(key, routes.len());
            let methods = vec![plan.operation.method.clone()];
            routes.push(Route { operations: vec![index], methods, has_conflict: false });
            continue;
        };
        let route = &mut routes[*same];
        let first = &plans[route.operations[0]];
        if plan.target.is_same(&first.target) {
            route.operations.push(index);
            continue;
        }
        route.has_conflict = true;
        let text = format!(
            "`{}` and `{}` are the same requests, and go to different services; let one service serve both, or give one \
             of them another path",
            plan.operation.title(),
            first.operation.title()
        );
        let place = format!("`{}`", first.operation.title());
        messages.report_pair(SAME_REQUESTS, &plan.operation.at, text, &first.operation.at, place);
    }
    for route in routes.iter().filter(|route| route.operations.len() > 1) {
        let (first, second) = (&plans[route.operations[0]].operation, &plans[route.operations[1]].operation);
        let others = route.operations.len() - 1;
        let text = match others {
            1 => format!("`{}` has the same requests as `{}`, so both are one route", second.title(), first.title()),
            others => format!(
                "`{}` and {} more have the same requests as `{}`, so all of them are one route",
                second.title(),
                others - 1,
                first.title()
            ),
        };
        messages.report_pair(JOINED_OPERATIONS, &second.at, text, &first.at, format!("`{}`", first.title()));
    }
    routes
}

/// Makes one route of those that share path, conditions and target. Methods are joined; the order stays.
fn fold(plans: &[Plan], routes: Vec<Route>) -> Vec<Route> {
    let mut folded: Vec<Route> = Vec::new();
    let mut known: HashMap<(String, Vec<_>), Vec<usize>> = HashMap::new();
    for route in routes {
        let plan = &plans[route.operations[0]];
        let candidates = known.entry((plan.path.to_match(), plan.path.conditions.clone())).or_default();
        let is_any = |route: &Route| route.methods.iter().any(|method| method == "ANY");
        let fits = candidates.iter().copied().find(|index| {
            let other = &folded[*index];
            plans[other.operations[0]].target.is_same(&plan.target)
                && !is_any(other)
                && !is_any(&route)
                && other.methods.len() < METHODS_OF_A_MATCH
        });
        match fits {
            Some(index) => {
                folded[index].operations.extend(route.operations);
                folded[index].methods.extend(route.methods);
            }
            None => {
                candidates.push(folded.len());
                folded.push(route);
            }
        }
    }
    folded
}

fn to_value(plans: &Plans, routes: &[Route]) -> Value {
    let mut table = Map::new();
    let mut set = |key: &str, value: Value| _ = table.insert(key.to_owned(), value);
    if let Some(name) = &plans.name {
        set("name", json!(name));
    }
    set("hosts", json!(plans.servers.hosts));
    if !plans.servers.base_path.is_empty() {
        set("basePath", json!(plans.servers.base_path));
    }
    let named = [("domain", &plans.domain), ("hostTemplate", &plans.host_template), ("namespace", &plans.namespace)];
    for (key, value) in named {
        if let Some(value) = value {
            set(key, json!(value));
        }
    }
    set("routes", routes.iter().map(|route| route_value(plans, route)).collect());
    Value::Object(table)
}

fn route_value(plans: &Plans, route: &Route) -> Value {
    let plan = &plans.operations[route.operations[0]];
    let mut object = Map::new();
    let mut set = |key: &str, value: &str| _ = object.insert(key.to_owned(), json!(value));
    // A route of several methods has no single operation, so its name is its `match`.
    if let (Some(id), 1) = (&plan.operation.id, route.methods.len())
        && id.len() <= NAME
        && !id.chars().any(char::is_control)
    {
        set("name", id);
    }
    set("match", &format!("{} {}", route.methods.join("|"), plan.path.to_match()));
    match &plan.target.destination {
        Destination::Service { name, namespace, tag } => {
            set("service", name);
            if let Some(namespace) = namespace.as_ref().filter(|namespace| Some(*namespace) != plans.namespace.as_ref())
            {
                set("namespace", namespace);
            }
            if let Some(tag) = tag {
                set("tag", tag);
            }
        }
        Destination::Host(host) => set("host", host),
    }
    if let Some(path) = &plan.target.rewrite_path {
        set("rewritePath", path);
    }
    if let Some(timeout) = &plan.target.timeout {
        set("timeout", timeout);
    }
    if !plan.path.conditions.is_empty() {
        let mut when: Map<String, Value> = Map::new();
        for condition in &plan.path.conditions {
            let place = when.entry(condition.place).or_insert_with(|| json!({}));
            place[&condition.name] = json!(condition.value);
        }
        object.insert("when".to_owned(), Value::Object(when));
    }
    Value::Object(object)
}

/// Returns the message of a problem. Where it says what to write into the table, that is put in terms of the import.
fn in_terms_of_the_document(problem: &ksvc_routing::ProblemKind) -> String {
    let text = problem.to_string();
    match (problem.code(), text.rsplit_once("; ")) {
        ("repeated-base-path", Some((what, _))) => {
            format!("{what}; if the paths of the document have the base path already, write `--base-path /`")
        }
        ("unreachable-path", _) => format!("{text} in the table, after the import"),
        _ => text,
    }
}

/// What is needed to find the place in the OpenAPI document that a problem of the table is about.
struct Context<'a> {
    root: &'a Located,
    plans: &'a Plans,
    routes: &'a [Route],
}

impl Context<'_> {
    fn message(&self, problem: &ksvc_routing::Problem) -> Option<Message> {
        // What is missing has been reported in terms of the options.
        if matches!(problem.kind.code(), "no-domain" | "no-namespace" | "no-hosts") {
            return None;
        }
        let (at, title) = self.place(&problem.place);
        let other = problem.other().map(|place| {
            let (at, title) = self.place(place);
            Other { source: at.source, at: at.span.start, place: format!("`{title}`") }
        });
        Some(Message {
            source: at.source,
            span: at.span,
            place: title,
            severity: problem.severity(),
            code: problem.kind.code(),
            text: in_terms_of_the_document(&problem.kind),
            other,
            count: 1,
        })
    }

    /// Returns where a place of the table comes from, and words for it.
    fn place(&self, place: &Place) -> (At, String) {
        let route = route_of(place).and_then(|index| self.routes.get(index));
        let Some(plan) = route.and_then(|route| self.plans.operations.get(*route.operations.first()?)) else {
            let at = match place.steps() {
                [Step::Key(key), ..] if key == "hosts" || key == "basePath" => self.root.get("servers"),
                [Step::Key(key), ..] if key == "namespace" => self.root.get("x-ksvc-namespace"),
                _ => None,
            };
            return (at.unwrap_or_else(|| self.root.clone()).at(), place.to_string());
        };
        let at = match place.steps().get(2) {
            Some(Step::Key(key)) if key == "match" => &plan.operation.path_at,
            Some(Step::Key(key)) if key == "name" => &plan.operation.at,
            Some(Step::Key(key)) if key != "when" => &plan.target.at,
            _ => &plan.operation.at,
        };
        (at.clone(), plan.operation.title())
    }
}
