//! Makes the tables, one step after the other: which services claim something, what each claim means, who may claim it,
//! and who of several claimants gets it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ksvc_routing::{MatchKey, SegmentKey, Step, compile};

use crate::finding::{At, Finding, FindingKind};
use crate::ownership::Ownership;
use crate::service::{KnativeService, MATCH, PREFIX, ServiceId, TABLE, is_similar};
use crate::table::{ClaimedMatch, ClaimedRoute, Table, TableDefinition, Target};

/// The tables of some services.
#[derive(Debug, Default)]
pub struct Discovery {
    /// The tables, in the order of their definitions.
    pub tables: Vec<Table>,
    /// The errors and warnings, sorted by service and place. Those about a whole table come first.
    pub findings: Vec<Finding>,
}

/// Makes the tables that the annotations of services ask for. The order of the services makes no difference.
///
/// The filter accepts each of the tables, if it accepts the definition. What a table can't have is left out, and an error
/// says so.
///
/// ```
/// use ksvc_discovery::{Grant, KnativeService, TableDefinition, discover};
/// use serde_json::json;
///
/// let service: KnativeService = serde_json::from_value(json!({
///     "metadata": {
///         "name": "orders",
///         "namespace": "shop",
///         "annotations": {"ksvc-router/match": "GET /orders/{id}\nPOST /orders"},
///     },
///     "status": {
///         "url": "http://orders.shop.example.com",
///         "conditions": [{"type": "Ready", "status": "True"}],
///     },
/// }))
/// .unwrap();
/// let settings = json!({"hosts": ["api.example.com"], "domain": "example.com"});
/// let table = TableDefinition {
///     name: "default".to_owned(),
///     settings: settings.as_object().unwrap().clone(),
///     routes: vec![],
///     grants: vec![Grant::everything()],
/// };
///
/// let discovery = discover(&[service], &[table]);
/// assert!(discovery.findings.is_empty());
/// assert_eq!(
///     discovery.tables[0].to_configuration()["routes"],
///     json!([{
///         "name": "shop/orders",
///         "match": ["GET /orders/{id}", "POST /orders"],
///         "service": "orders",
///         "namespace": "shop",
///     }])
/// );
/// ```
pub fn discover(services: &[KnativeService], definitions: &[TableDefinition]) -> Discovery {
    let mut findings = Vec::new();
    let all = services;
    let services = without_repeated(services, &mut findings);
    let mut claimants: BTreeMap<&str, Vec<&KnativeService>> = BTreeMap::new();
    for service in services {
        if let Some(table) = table_of(service, definitions, &mut findings) {
            claimants.entry(table).or_default().push(service);
        }
    }
    let mut tables = Vec::new();
    for definition in definitions {
        let claimants = claimants.remove(definition.name.as_str()).unwrap_or_default();
        let mut builder = Builder { definition, findings: &mut findings, all, made: None };
        let claimed = builder.claim(claimants);
        tables.extend(builder.compile(claimed));
    }
    findings.sort_by(|a, b| {
        (&a.service, &a.at, &a.table, a.kind.code()).cmp(&(&b.service, &b.at, &b.table, b.kind.code()))
    });
    Discovery { tables, findings }
}

/// Returns the services, sorted by age and each of them once.
fn without_repeated<'a>(services: &'a [KnativeService], findings: &mut Vec<Finding>) -> Vec<&'a KnativeService> {
    let mut by_id: BTreeMap<ServiceId, Vec<&KnativeService>> = BTreeMap::new();
    for service in services.iter().filter(|service| service.is_annotated()) {
        let same = by_id.entry(service.id()).or_default();
        if !same.contains(&service) {
            same.push(service);
        }
    }
    let mut once = Vec::new();
    for (id, same) in by_id {
        match same[..] {
            [only] => once.push(only),
            _ => findings.push(Finding { service: Some(id), table: None, at: At::Object, kind: FindingKind::Repeated }),
        }
    }
    once.sort_by_key(|service| service.age());
    once
}

/// Returns the name of the table in which a service claims something. Reports what is wrong with its annotations.
fn table_of<'a>(
    service: &'a KnativeService,
    definitions: &[TableDefinition],
    findings: &mut Vec<Finding>,
) -> Option<&'a str> {
    let mut report = |at: &str, kind| {
        let at = At::Annotation(at.to_owned());
        findings.push(Finding { service: Some(service.id()), table: None, at, kind });
    };
    let annotations = &service.metadata.annotations;
    for key in annotations.keys().filter(|key| key.starts_with(PREFIX) && ![MATCH, TABLE].contains(&key.as_str())) {
        report(key, FindingKind::UnknownAnnotation { found: key.clone() });
    }
    for key in annotations.keys().filter(|key| is_similar(key)) {
        report(key, FindingKind::SimilarAnnotation { found: key.clone() });
    }
    let of_template = service.spec.template.metadata.annotations.keys();
    for key in of_template.filter(|key| (key.starts_with(PREFIX) || is_similar(key)) && !annotations.contains_key(*key))
    {
        report(key, FindingKind::InTemplate { found: key.clone() });
    }
    if service.matches().next().is_none() {
        if annotations.contains_key(MATCH) {
            report(MATCH, FindingKind::NoMatch);
        } else if annotations.contains_key(TABLE) {
            report(TABLE, FindingKind::TableWithoutMatch);
        }
        return None;
    }
    let table = service.table();
    if !definitions.iter().any(|definition| definition.name == table) {
        let tables: Vec<String> = definitions.iter().map(|definition| format!("`{}`", definition.name)).collect();
        let at = if annotations.contains_key(TABLE) { TABLE } else { MATCH };
        report(at, FindingKind::UnknownTable { found: table.to_owned(), tables: tables.join(", ") });
        return None;
    }
    Some(table)
}

/// Who has claimed a method of a path.
#[derive(Clone)]
enum Winner {
    /// A route of the definition, by its match.
    Fixed(String),
    Service(ServiceId, String),
}

/// Makes one table.
struct Builder<'a> {
    definition: &'a TableDefinition,
    findings: &'a mut Vec<Finding>,
    /// All services, also those that claim nothing.
    all: &'a [KnativeService],
    /// The services by the hosts that the table makes of them, once they are needed.
    made: Option<HashMap<String, ServiceId>>,
}

impl Builder<'_> {
    fn report(&mut self, service: &KnativeService, at: At, kind: FindingKind) {
        self.report_about(Some(service.id()), at, kind);
    }

    fn report_about(&mut self, service: Option<ServiceId>, at: At, kind: FindingKind) {
        self.findings.push(Finding { service, table: Some(self.definition.name.clone()), at, kind });
    }

    /// Returns the routes of services, both sorted by age. The oldest one gets what several claim.
    fn claim(&mut self, services: Vec<&KnativeService>) -> Vec<ClaimedRoute> {
        let mut ownership = Ownership::new(&self.definition.grants);
        let mut winners: HashMap<(String, Vec<SegmentKey>), Winner> = HashMap::new();
        for text in self.definition.unconditional_matches() {
            for (method, path) in MatchKey::read(text).into_iter().flat_map(methods_and_paths) {
                winners.entry((method, path)).or_insert_with(|| Winner::Fixed(text.to_owned()));
            }
        }
        let mut routes: Vec<ClaimedRoute> = Vec::new();
        // The hosts of the first service whose host the table does not make.
        let mut differs = None;
        for service in &services {
            let mut matches = Vec::new();
            let target = self.target(service);
            for (line, text) in service.matches() {
                let at = At::Match { line, text: text.to_owned() };
                let Some(key) = self.read(service, &at, text) else { continue };
                if let Err(may) = ownership.check(&service.metadata.namespace, &key.path) {
                    let namespace = service.metadata.namespace.clone();
                    self.report(service, at, FindingKind::NotOwned { namespace, may: list(&may) });
                    continue;
                }
                // What is left out of the table takes nothing from others.
                if target.is_none() {
                    continue;
                }
                match conflict(&winners, &key, &service.id(), self.definition.ignores_trailing_slash()) {
                    Some(kind) => self.report(service, at, kind),
                    None => {
                        for claim in methods_and_paths(key.clone()) {
                            winners.insert(claim, Winner::Service(service.id(), text.to_owned()));
                        }
                        matches.push(ClaimedMatch { text: text.to_owned(), key, line });
                    }
                }
            }
            matches.sort();
            if let (Some(target), false) = (target, matches.is_empty()) {
                if let (Target::Host(found), None) = (&target, &differs) {
                    differs = made_host(self.definition, &service.id()).map(|made| (service.id(), found.clone(), made));
                }
                routes.push(ClaimedRoute { service: service.id(), matches, target });
            }
        }
        if let Some((service, found, made)) = differs
            && routes.iter().all(|route| matches!(route.target, Target::Host(_)))
        {
            self.report_about(None, At::Object, FindingKind::DomainDoesNotFit { service, found, made });
        }
        routes
    }

    /// Reads a match by the compiler of the filter, and reports what that says about it.
    fn read(&mut self, service: &KnativeService, at: &At, text: &str) -> Option<MatchKey> {
        let problems = compile(&self.definition.with_match(text)).problems;
        let mut has_error = false;
        for problem in problems.into_iter().filter(|problem| problem.place.route().is_some()) {
            has_error |= problem.is_error();
            self.report(service, at.clone(), FindingKind::Match(Box::new(problem.kind)));
        }
        MatchKey::read(text).ok().filter(|_| !has_error)
    }

    /// Returns how a route names a service, or `None` if the table can't serve it. Reports what is wrong with the service.
    fn target(&mut self, service: &KnativeService) -> Option<Target> {
        let at = || At::Object;
        if service.metadata.deletion_timestamp.is_some() {
            self.report(service, at(), FindingKind::InDeletion);
            return None;
        }
        let host = service.host();
        if let Some(remedy) = cluster_local(service, host.as_deref()) {
            self.report(service, at(), FindingKind::ClusterLocal { remedy: remedy.to_owned() });
            return None;
        }
        if let Some(found) = service.metadata.creation_timestamp.clone().filter(|_| service.created().is_none()) {
            self.report(service, at(), FindingKind::CreationTime { found });
        }
        let made = made_host(self.definition, &service.id());
        match (host, made) {
            (None, None) => {
                self.report(service, at(), FindingKind::NoHost);
                None
            }
            (None, Some(host)) => {
                self.report(service, at(), FindingKind::NoUrl { host });
                Some(Target::Service)
            }
            (Some(host), made) => {
                let is_made = made.as_ref() == Some(&host);
                if !is_made && let Some(reason) = self.foreign(service, &host) {
                    self.report(service, at(), FindingKind::ForeignUrl { host, reason });
                    return None;
                }
                if let Some(kind) = not_ready(service) {
                    self.report(service, at(), kind);
                }
                Some(if is_made { Target::Service } else { Target::Host(host) })
            }
        }
    }

    /// Returns why a service can't have a host that the table does not make of it. The status of an object in a file can
    /// have any URL, and in a cluster whoever may write the status can put one there.
    fn foreign(&mut self, service: &KnativeService, host: &str) -> Option<String> {
        if host.parse::<IpAddr>().is_ok() || host.starts_with('[') {
            return Some("which is an address and not the name of a service".to_owned());
        }
        if host.contains(':') {
            return Some("which has a port".to_owned());
        }
        if host.ends_with(".svc") || host.contains(".svc.") {
            return Some("which is a host inside the cluster".to_owned());
        }
        if self.definition.has_host(host) {
            return Some("which is a host of the table itself".to_owned());
        }
        let (all, definition) = (self.all, self.definition);
        let made = self.made.get_or_insert_with(|| {
            let mut made: HashMap<String, ServiceId> = HashMap::new();
            for other in all {
                let Some(host) = made_host(definition, &other.id()) else { continue };
                let owner = made.entry(host).or_insert_with(|| other.id());
                *owner = other.id().min(owner.clone());
            }
            made
        });
        let is_older = |other: &&KnativeService| {
            other.id() != service.id() && other.age() < service.age() && other.host().as_deref() == Some(host)
        };
        let owner = made.get(host).filter(|owner| **owner != service.id()).cloned();
        let owner =
            owner.or_else(|| all.iter().filter(is_older).min_by_key(|other| other.age()).map(KnativeService::id));
        owner.map(|owner| format!("which is that of the KSVC {owner}"))
    }

    /// Compiles the table as a whole. Routes that it can't have are reported and left out, the youngest first if the table
    /// is beyond a limit. Returns `None` if the table can't be had even then.
    fn compile(&mut self, claimed: Vec<ClaimedRoute>) -> Option<Table> {
        let TableDefinition { name, settings, routes, .. } = self.definition.clone();
        let mut table = Table { name, settings, routes, claimed };
        loop {
            let compiled = compile(table.to_configuration().to_string().as_bytes());
            if compiled.is_good() {
                table.claimed.sort_by(|a, b| a.service.cmp(&b.service));
                return Some(table);
            }
            let errors: Vec<_> = compiled.problems.into_iter().filter(|problem| problem.is_error()).collect();
            let fixed = table.routes.len();
            let mut left_out: BTreeMap<usize, Vec<Option<usize>>> = BTreeMap::new();
            for error in &errors {
                let Some(index) = error.place.route().and_then(|route| route.checked_sub(fixed)) else { continue };
                let element = match error.place.steps() {
                    [_, _, Step::Key(key), Step::Index(element), ..] if key == "match" => Some(*element),
                    _ => None,
                };
                left_out.entry(index).or_default().push(element);
                let Some(route) = table.claimed.get(index) else { continue };
                let (service, line) = (route.service.clone(), element.and_then(|element| route.matches.get(element)));
                let at = line.map_or(At::Object, |one| At::Match { line: one.line, text: one.text.clone() });
                self.report_about(Some(service), at, FindingKind::Match(Box::new(error.kind.clone())));
            }
            if left_out.is_empty() {
                let problem = errors.first().map(ToString::to_string).unwrap_or_default();
                if !self.leave_out_youngest(&mut table, &problem) {
                    for problem in &errors {
                        self.report_about(None, At::Object, FindingKind::TableRefused { problem: problem.to_string() });
                    }
                    return None;
                }
            }
            // From the end, so that the indexes stay right.
            for (index, elements) in left_out.into_iter().rev() {
                let Some(route) = table.claimed.get_mut(index) else { continue };
                let mut element = 0..;
                route.matches.retain(|_| !elements.contains(&element.next()) && !elements.contains(&None));
                if route.matches.is_empty() {
                    table.claimed.remove(index);
                }
            }
        }
    }
}

impl Builder<'_> {
    /// Leaves out the youngest routes until the table as a whole has no error. Returns `false` if none is left then.
    fn leave_out_youngest(&mut self, table: &mut Table, problem: &str) -> bool {
        let fits = |count: usize| {
            let claimed = table.claimed.iter().take(count).cloned().collect();
            let document = Table { claimed, ..table.clone() }.to_configuration().to_string();
            // An error of a single route is left out later.
            compile(document.as_bytes()).problems.iter().all(|one| !one.is_error() || one.place.route().is_some())
        };
        // What is refused without any claim is wrong in the definition.
        if table.claimed.is_empty() || !fits(0) {
            return false;
        }
        let (mut good, mut bad) = (0, table.claimed.len());
        while bad - good > 1 {
            let middle = good.midpoint(bad);
            if fits(middle) {
                good = middle;
            } else {
                bad = middle;
            }
        }
        for route in table.claimed.split_off(good) {
            let kind = FindingKind::TableFull { problem: problem.to_owned() };
            self.report_about(Some(route.service), At::Object, kind);
        }
        true
    }
}

fn methods_and_paths(key: MatchKey) -> impl Iterator<Item = (String, Vec<SegmentKey>)> {
    let MatchKey { methods, path } = key;
    methods.into_iter().map(move |method| (method, path.clone()))
}

/// Returns the conflict of a claim with an older one or with a route of the definition, if there is one. Of another
/// namespace and of the definition, a claim may not even take a part: a method of `ANY`, or the path with a final slash that
/// does not count.
fn conflict(
    winners: &HashMap<(String, Vec<SegmentKey>), Winner>,
    key: &MatchKey,
    service: &ServiceId,
    ignores_trailing_slash: bool,
) -> Option<FindingKind> {
    let taken: Vec<(String, &Winner)> = methods_and_paths(key.clone())
        .filter_map(|claim| winners.get(&claim).map(|winner| (claim.0, winner)))
        .collect();
    let Some((_, winner)) = taken.first() else { return covered(winners, key, service, ignores_trailing_slash) };
    let methods: Vec<&str> = taken.iter().map(|(method, _)| method.as_str()).collect();
    let methods = format!("both for {}", methods.join(", "));
    Some(match (*winner).clone() {
        Winner::Fixed(winner_text) => FindingKind::FixedRoute { methods, winner_text },
        Winner::Service(winner, winner_text) if winner == *service => {
            FindingKind::RepeatedClaim { methods, winner_text }
        }
        Winner::Service(winner, winner_text) => FindingKind::Conflict { methods, winner, winner_text },
    })
}

/// Returns the conflict of a claim with one that gets the same requests, if no other gets them first.
fn covered(
    winners: &HashMap<(String, Vec<SegmentKey>), Winner>,
    key: &MatchKey,
    service: &ServiceId,
    ignores_trailing_slash: bool,
) -> Option<FindingKind> {
    let empty = SegmentKey::Literal(String::new());
    let mut paths = vec![key.path.clone()];
    if ignores_trailing_slash {
        let mut other = key.path.clone();
        if other.last() == Some(&empty) {
            other.pop();
        } else {
            other.push(empty);
        }
        paths.push(other);
    }
    let methods = key.methods.iter().map(String::as_str).chain(["ANY"]);
    let claims = methods.flat_map(|method| paths.iter().map(move |path| (method.to_owned(), path.clone())));
    claims.filter_map(|claim| winners.get(&claim)).find_map(|winner| match winner {
        Winner::Fixed(text) => {
            Some(FindingKind::Covered { owner: "the table file".to_owned(), winner_text: text.clone() })
        }
        Winner::Service(winner, _) if winner.namespace == service.namespace => None,
        Winner::Service(winner, text) => Some(FindingKind::Covered {
            owner: format!("the KSVC {winner}, which is older,"),
            winner_text: text.clone(),
        }),
    })
}

/// Returns the host that a table makes of a service, if its settings are enough for that.
fn made_host(definition: &TableDefinition, service: &ServiceId) -> Option<String> {
    let compiled = compile(&definition.with_service(service));
    let target = compiled.table.routes().into_iter().next()?.target;
    compiled.is_good().then_some(target)
}

/// Returns what to do about a service that is reachable inside the cluster alone, if this is one.
fn cluster_local(service: &KnativeService, host: Option<&str>) -> Option<&'static str> {
    let label = service.metadata.labels.get("networking.knative.dev/visibility");
    if label.is_some_and(|label| label == "cluster-local") {
        return Some(
            "remove the label `networking.knative.dev/visibility: cluster-local`, and keep direct requests out by `denyDirect`",
        );
    }
    host.is_some_and(|host| host.ends_with(".svc.cluster.local")).then_some(
        "give it a public domain in the ConfigMap `config-domain`, and keep direct requests out by `denyDirect`",
    )
}

/// Returns the warning about a service that is not ready.
fn not_ready(service: &KnativeService) -> Option<FindingKind> {
    let ready = service.ready();
    if ready.is_some_and(|ready| ready.status == "True") {
        return None;
    }
    let status = ready.map_or("no condition `Ready`".to_owned(), |ready| format!("Ready is {}", ready.status));
    let message = ready.and_then(|ready| ready.message.as_deref()).map(str::split_whitespace);
    let message = message.map(|words| words.collect::<Vec<_>>().join(" ")).filter(|words| !words.is_empty());
    let why = message.map_or(String::new(), |message| format!(": {message}"));
    let ServiceId { namespace, name } = service.id();
    Some(FindingKind::NotReady { status, why, describe: format!("kubectl describe ksvc -n {namespace} {name}") })
}

/// Lists the paths that a namespace may claim.
fn list(paths: &[String]) -> String {
    match paths {
        [] => "no path, because no key of `namespaces` is for it".to_owned(),
        paths => {
            let quoted: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
            format!("{} and what is below", quoted.join(", "))
        }
    }
}
