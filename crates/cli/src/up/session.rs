//! A running gateway with the tables and cases of some files, and what happens to it at an edit.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use ksvc_routing::Problem;
use local_gateway::gateway::{Document, Gateway, PLUGIN, Setup};
use local_gateway::stand_in::StandIn;

use super::{Options, Printer};
use crate::cases::{self, Case};
use crate::changes::{Route, changes};
use crate::example;
use crate::live::{Ingress, Results};
use crate::load::load_tables;
use crate::message::as_text;
use crate::serve::Server;
use crate::source::files::Unreadable;
use crate::tables::{Table, Tables};
use crate::words::clean;

/// How many lines of a list are printed.
const SHOWN: usize = 40;

/// The content of the files.
pub(super) struct Input {
    tables: Tables,
    cases: Vec<Case>,
    /// Whether the tables are in a folder.
    is_folder: bool,
}

impl Input {
    /// Reads the files before the start. The inner error has the messages about what they contain.
    pub(super) fn read(options: &Options) -> Result<Result<Self, String>, Unreadable> {
        let is_folder = options.file.is_dir();
        let tables = match load_tables(std::slice::from_ref(&options.file))? {
            Ok(configurations) => Tables::new(configurations),
            Err(messages) => return Ok(Err(as_text(&messages))),
        };
        Ok(match cases::load(&options.cases, None)? {
            Ok(cases) => Ok(Self { tables, cases, is_folder }),
            Err(messages) => Err(as_text(&messages)),
        })
    }
}

/// A table in the gateway, with the last version of it that is served.
#[derive(Clone)]
struct Served {
    /// The name of Envoy's plugin. The plugin keeps the last good table under its name, so a table keeps it.
    plugin: String,
    /// The table's name and place.
    title: String,
    document: Document,
    routes: Vec<Route>,
    /// Whether a version of the table had no errors.
    was_good: bool,
}

/// The running gateway.
pub(super) struct Session<'a> {
    options: &'a Options,
    out: &'a Printer,
    gateway: Gateway,
    names: Names,
    served: Vec<Served>,
    tables: Tables,
    cases: Vec<Case>,
    is_folder: bool,
}

impl<'a> Session<'a> {
    /// Starts Envoy with the tables.
    pub(super) fn start(
        options: &'a Options,
        out: &'a Printer,
        envoy: &Path,
        plugin: &Path,
        ports: (u16, u16),
        stand_in: &StandIn,
        Input { tables, cases, is_folder }: Input,
    ) -> Result<Self> {
        let mut names = Names::default();
        let served = serve(&tables, &mut names, Vec::new());
        let mut documents = served.iter().map(|served| (&served.plugin, served.document.clone()));
        let first = documents.next().map_or(Document::Absent, |(_, document)| document);
        let setup = Setup::new(envoy, plugin, first).ksvcs(hosts(&tables, &cases)).catch_all().raw_paths();
        let setup = setup.trusted_scheme().listeners_by_file().drain_time(1).ports(ports.0, ports.1);
        let setup = documents.fold(setup, |setup, (name, document)| setup.plugin(name, document));
        out.print(&messages(&tables));
        let gateway = setup.start(stand_in.address())?;
        let session = Self { options, out, gateway, names, served, tables, cases, is_folder };
        session.await_plugins(&[])?;
        if !session.is_good() {
            out.print("Until the errors are corrected, the routes that they affect answer 503.\n");
        }
        Ok(session)
    }

    /// Returns whether the tables have no errors.
    pub(super) fn is_good(&self) -> bool {
        self.tables.as_slice().iter().all(Table::is_good)
    }

    pub(super) fn ensure_running(&self) -> Result<()> {
        self.gateway.ensure_running()
    }

    /// Waits until the plugin runs in Envoy for each of the tables that were not served `before`.
    fn await_plugins(&self, before: &[Served]) -> Result<()> {
        let is_new = |served: &&Served| before.iter().all(|before| before.plugin != served.plugin);
        let awaited = self.served.iter().filter(is_new).try_for_each(|served| {
            let Document::Text(text) = &served.document else {
                return self.gateway.await_plugin(&served.plugin, "default");
            };
            // The name of a table with errors is the one that the plugin reads.
            let table = ksvc_routing::compile(text.as_bytes()).table;
            self.gateway.await_plugin(&served.plugin, table.name())
        });
        match &self.options.plugin {
            Some(path) => awaited.with_context(|| format!("--plugin {}", path.display())),
            None => awaited,
        }
    }

    /// Runs the cases, and prints their results: `all` of them, or those that failed. Returns whether all have passed.
    pub(super) fn run_cases(&self, all: bool) -> bool {
        if self.cases.is_empty() {
            if self.options.once {
                self.out.print("The gateway serves the tables. No cases were named, so no request was sent.\n");
            }
            return true;
        }
        let ingress = Ingress { trusted_scheme: true, ..Ingress::of_envoy(&self.gateway) };
        let results = Results::until(self.out.stop, &self.cases, &ingress);
        if self.out.is_stopped() {
            return false;
        }
        self.out.print(&if all { results.to_text() } else { results.failures() });
        results.all_passed()
    }

    /// Prints the routes and how to use the gateway, with the page that shows them.
    pub(super) fn print_usage(&self, page: Option<&Server>) {
        let file = self.options.file.display();
        let (address, admin) = (self.gateway.address(), self.gateway.admin_address());
        let mut text = String::new();
        if self.cases.is_empty() {
            text += &shortened(self.tables.to_text().lines(), &format!("`ksvc-router routes {file}` prints all"));
        }
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "\nThe gateway serves {file} at http://{address}, and Envoy's admin interface is at http://{admin}.\n\
             Behind it, a stand-in for every service answers with a report of the request that reached it."
        );
        if let Some(curl) = example::curl(&self.tables, &address.to_string()) {
            let _ = writeln!(text, "  {curl}");
        }
        if let Some(page) = page {
            let _ =
                writeln!(text, "The routes are shown in a browser at {}, which also explains requests.", page.url());
        }
        let files = if self.cases.is_empty() { "" } else { " or the cases" };
        let _ =
            writeln!(text, "Edit {file}{files} and save: the edit is live within a second. Ctrl-C stops everything.");
        self.out.print(&text);
    }

    /// Follows an edit of the files.
    pub(super) fn update(&mut self, tables_changed: bool, cases_changed: bool) {
        let mut runs_cases = false;
        if tables_changed {
            self.out.print(&format!("\n{} has changed:\n", self.options.file.display()));
            match self.read_tables() {
                Ok(tables) => runs_cases = self.apply(tables),
                Err(error) => self.out.print(&format!("{error}{}", self.continues())),
            }
        }
        if cases_changed {
            if !tables_changed {
                self.out.print("\nThe cases have changed:\n");
            }
            match cases::load(&self.options.cases, None) {
                Ok(Ok(cases)) => {
                    self.cases = cases;
                    runs_cases = self.arrange();
                }
                Ok(Err(messages)) => self.out.print(&format!("{}The former cases stay.\n", as_text(&messages))),
                Err(error) => self.out.print(&format!("{error}\nThe former cases stay.\n")),
            }
        }
        if runs_cases {
            self.run_cases(false);
        }
    }

    /// Reads the tables again. The error is what to print.
    fn read_tables(&self) -> Result<Tables, String> {
        let file = &self.options.file;
        if file.is_dir() && !self.is_folder {
            return Err(format!("{}: this is a folder now; put the file back in its place\n", file.display()));
        }
        match load_tables(std::slice::from_ref(file)) {
            Ok(Ok(configurations)) => Ok(Tables::new(configurations)),
            Ok(Err(messages)) => Err(as_text(&messages)),
            Err(error) => Err(format!("{error}\n")),
        }
    }

    /// Returns the line about what is served while the files have errors.
    fn continues(&self) -> &'static str {
        if self.served.iter().all(|served| served.was_good) {
            "The last good table continues to serve.\n"
        } else {
            "The gateway continues to serve what it can of the first table.\n"
        }
    }

    /// Gives new tables to the gateway, and prints what they change. Returns whether the gateway serves them.
    fn apply(&mut self, tables: Tables) -> bool {
        self.out.print(&messages(&tables));
        let before = self.served.clone();
        let former = std::mem::take(&mut self.served);
        self.served = serve(&tables, &mut self.names, former);
        self.tables = tables;
        let begun = Instant::now();
        if !self.arrange() {
            return false;
        }
        if let Err(error) = self.await_plugins(&before) {
            self.out.print(&format!("error: {error:#}\n"));
            return false;
        }
        let elapsed = begun.elapsed().as_millis();
        if !self.is_good() {
            self.out.print(self.continues());
            return false;
        }
        self.out.print(&format!("Live after {elapsed} ms.\n{}", describe_edit(before, &self.served)));
        true
    }

    /// Gives the gateway what it does not have yet. Returns whether it serves it.
    fn arrange(&mut self) -> bool {
        let plugins = self.served.iter().map(|served| (served.plugin.clone(), served.document.clone())).collect();
        let arranged = self.gateway.arrange(plugins, hosts(&self.tables, &self.cases));
        if let Err(error) = &arranged {
            self.out.print(&format!("error: {error:#}\n"));
        }
        arranged.is_ok()
    }
}

/// Returns what the gateway has to serve for these tables, after it has served the former ones.
fn serve(tables: &Tables, names: &mut Names, mut former: Vec<Served>) -> Vec<Served> {
    let mut repeated = HashMap::new();
    let served = tables.as_slice().iter().map(|table| {
        let plugin = names.of(table, &mut repeated);
        let before = former.iter().position(|served| served.plugin == plugin).map(|index| former.swap_remove(index));
        let is_good = table.is_good();
        let was_good = before.as_ref().is_some_and(|before| before.was_good);
        // The plugin itself keeps the last good table. An error of the manifest, which the plugin does not see, would keep
        // the document from reaching it.
        let arrives = is_good || table.compiled.problems.iter().any(Problem::is_error);
        let (last_document, last_routes) =
            before.map_or((Document::Absent, None), |before| (before.document, Some(before.routes)));
        Served {
            plugin,
            title: format!("{} ({})", clean(table.name()), clean(&table.place())),
            document: if arrives { document(table) } else { last_document },
            routes: match last_routes {
                Some(routes) if !is_good => routes,
                _ => Route::all(&table.compiled.table),
            },
            was_good: was_good || is_good,
        }
    });
    served.collect()
}

/// Returns which routes an edit has changed.
fn describe_edit(mut before: Vec<Served>, after: &[Served]) -> String {
    let several = before.len() > 1 || after.len() > 1;
    let mut lines = Vec::new();
    let mut compare = |title: &str, before: &[Route], after: &[Route]| {
        let changes = changes(before, after);
        if several && !changes.is_empty() {
            lines.push(format!("# {title}"));
        }
        lines.extend(changes);
    };
    let mut is_same = before.len() == after.len();
    for table in after {
        let former = before.iter().position(|former| former.plugin == table.plugin);
        let former = former.map(|index| before.swap_remove(index));
        is_same &= former.as_ref().is_some_and(|former| former.document == table.document);
        compare(&table.title, former.as_ref().map_or(&[], |former| &former.routes), &table.routes);
    }
    for gone in &before {
        compare(&gone.title, &gone.routes, &[]);
    }
    match (lines.is_empty(), is_same) {
        (true, true) => "The table is the same as before.\n".to_owned(),
        (true, false) => "The routes are the same as before.\n".to_owned(),
        (false, _) => shortened(lines.iter().map(String::as_str), "all of them are live"),
    }
}

/// Returns the document that the plugin gets, with the same bytes as in a cluster, so that its hash is the same.
fn document(table: &Table) -> Document {
    match String::from_utf8(table.configuration.delivered()) {
        Ok(json) if !json.is_empty() => Document::Text(json),
        _ => Document::Absent,
    }
}

/// Returns all errors and warnings of the tables.
fn messages(tables: &Tables) -> String {
    tables.as_slice().iter().map(|table| as_text(&table.messages)).collect()
}

/// Returns the hosts for which the gateway needs a virtual host: the targets of the routes, and what the cases expect.
fn hosts(tables: &Tables, cases: &[Case]) -> Vec<String> {
    let mut hosts: Vec<String> =
        cases.iter().filter_map(|case| case.expected_text("authority")).map(str::to_lowercase).collect();
    for table in tables.as_slice() {
        let lines = table.compiled.table.routes();
        let targets =
            lines.iter().filter_map(|line| line.target.split(' ').next()).filter(|target| target.contains('.'));
        hosts.extend(targets.map(str::to_owned));
    }
    // Others, such as a host with a captured value, are served by the virtual host for all hosts.
    hosts.retain(|host| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte)));
    hosts.sort();
    hosts.dedup();
    hosts
}

/// Returns the first lines of a list, and how many there are more.
fn shortened<'l>(lines: impl Iterator<Item = &'l str>, what: &str) -> String {
    let lines: Vec<&str> = lines.collect();
    let shown = if lines.len() > SHOWN + 1 { SHOWN } else { lines.len() };
    let mut text: String = lines[..shown].iter().map(|line| format!("  {line}\n")).collect();
    if shown < lines.len() {
        // Writing to a string can't fail.
        let _ = writeln!(text, "  … and {} more lines: {what}", lines.len() - shown);
    }
    text
}

/// The names of Envoy's plugins.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    /// Returns the name of the plugin of a table, which is the same for all versions of the table: those in the manifest of
    /// the same name. `repeated` counts the tables of each manifest.
    fn of(&mut self, table: &Table, repeated: &mut HashMap<String, usize>) -> String {
        let manifest = table.configuration.manifest.as_ref();
        let text = |keys: &[&str]| {
            let value = manifest.and_then(|manifest| manifest.document.at(keys)).and_then(|value| value.text());
            value.unwrap_or_default().to_owned()
        };
        let file = &table.configuration.source.name;
        let mut identity = [file, &text(&["kind"]), &text(&["metadata", "namespace"]), &text(&["metadata", "name"])]
            .map(String::as_str)
            .join("\n");
        let count = repeated.entry(identity.clone()).or_default();
        let _ = write!(identity, "\n{count}");
        *count += 1;
        let index = self.0.iter().position(|known| *known == identity).unwrap_or_else(|| {
            self.0.push(identity);
            self.0.len() - 1
        });
        if index == 0 { PLUGIN.to_owned() } else { format!("{PLUGIN}-{}", index + 1) }
    }
}
