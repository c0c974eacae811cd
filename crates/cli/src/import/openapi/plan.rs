//! Brings together what is known about each operation: its path in the table, its conditions and its target.

use super::Options;
use super::destination::Destination;
use super::document::Located;
use super::foreign;
use super::kinds::{OPENAPI_OPTION, OPENAPI_PATH, OPENAPI_PATH_READ};
use super::operation::Operation;
use super::path::{self, PathTemplate};
use super::reference::Resolver;
use super::server::{self, Servers};
use super::target::{Found, Target, Targets};

/// An operation that gets a route.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) operation: Operation,
    /// The path below the base path.
    pub(super) path: PathTemplate,
    pub(super) target: Target,
}

/// All operations that get a route, and what the table says about all of them.
#[derive(Debug)]
pub(super) struct Plans {
    pub(super) servers: Servers,
    pub(super) name: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) host_template: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) operations: Vec<Plan>,
}

/// Plans the routes of the operations. An operation with an error gets none.
pub(super) fn make(root: &Located, operations: Vec<Operation>, options: &Options, resolver: &mut Resolver) -> Plans {
    let servers = server::read(root, &operations, options, resolver);
    let mut targets = Targets::default();
    let count = operations.len();
    let mut plans: Vec<Plan> = Vec::with_capacity(count);
    // The path whose problems were reported last: the operations of a path have the same ones.
    let mut reported = String::new();
    for (operation, prefix) in operations.into_iter().zip(&servers.prefixes) {
        let path = path::read(&operation);
        let mut full = path.clone().unwrap_or_default();
        full.add_prefix(&format!("{}{prefix}", servers.base_path));
        let foreign = foreign::read(&operation, &full, options, &mut targets.foreign, resolver);
        let is_prefix = foreign.as_ref().is_some_and(|foreign| foreign.is_prefix);
        let found = targets.find(&operation, foreign, options, resolver);
        if matches!(found, Found::Disabled) {
            continue;
        }
        let mut path = match path {
            Ok(path) => path,
            Err(why) => {
                if reported != operation.path {
                    resolver.messages.report(OPENAPI_PATH, &operation.path_at, why);
                    reported.clone_from(&operation.path);
                }
                continue;
            }
        };
        if reported != operation.path {
            for change in std::mem::take(&mut path.changes) {
                resolver.messages.report(OPENAPI_PATH_READ, &operation.path_at, change);
            }
            reported.clone_from(&operation.path);
        }
        let Found::Target(target) = found else { continue };
        path.add_prefix(prefix);
        if is_prefix {
            path.make_prefix();
        }
        plans.push(Plan { operation, path, target });
    }
    targets.report_missing(root, count, options, resolver);
    let of_root = || root.node.text_at("x-ksvc-namespace").map(str::to_owned);
    let namespace = options.namespace.clone().or_else(of_root);
    let plans = Plans {
        servers,
        name: options.name.clone(),
        domain: options.domain.clone(),
        host_template: options.host_template.clone(),
        namespace,
        operations: plans,
    };
    plans.report_missing_options(root, resolver);
    plans
}

impl Plans {
    /// Reports what every service needs and nothing says.
    fn report_missing_options(&self, root: &Located, resolver: &mut Resolver) {
        let services = || {
            self.operations.iter().filter_map(|plan| match &plan.target.destination {
                Destination::Service { name, namespace, .. } => Some((name, namespace)),
                Destination::Host(_) => None,
            })
        };
        if self.domain.is_none() && services().next().is_some() {
            let text = "the hosts of services need Knative's domain; write `--domain example.com`, as it is in the \
                ConfigMap `config-domain`";
            resolver.messages.report(OPENAPI_OPTION, &root.at(), text);
        }
        if let Some((name, _)) = services().find(|(_, namespace)| namespace.is_none() && self.namespace.is_none()) {
            let text = format!(
                "nothing says which namespace the service `{name}` is in; write `--namespace` or `x-ksvc-namespace`"
            );
            resolver.messages.report(OPENAPI_OPTION, &root.at(), text);
        }
    }
}
