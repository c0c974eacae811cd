//! The arguments of `import ksvc`.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::AccessArgs;

/// The KSVCs come from FILE, from standard input (`-`), or by `--cluster` from the API server. Two annotations count:
///
///   ksvc-router/match   the matches of the KSVC, one a line, such as `GET /orders/{id}`
///   ksvc-router/table   the name of the table that they are for; `default` if it is missing
///
/// The tables, and which namespace may claim which paths, are in the table file of `--tables`. Of several KSVCs that claim
/// the same, the oldest gets it.
///
/// Exit codes: 0 everything that the annotations ask for is in the tables; 1 something is not, and nothing is printed
/// unless `--partial`, which prints the tables in which a KSVC has a route; 2 the command line was wrong, or the cluster can't be read.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
#[command(group = ArgGroup::new("input").args(["file", "cluster"]).required(true))]
#[command(group = ArgGroup::new("definition").args(["tables", "hosts"]).required(true))]
#[command(after_help = "Examples:
  kubectl get ksvc -A -o json | ksvc-router import ksvc - --tables tables.yaml
  ksvc-router import ksvc --cluster --tables tables.yaml --partial
  ksvc-router import ksvc services.yaml --host api.example.com --base-path /faas --domain example.com

A table file:
  tables:
    - hosts: [api.example.com]
      basePath: /faas
      domain: example.com
      namespaces:
        shop: [/orders, /customers]
        team-*: [\"/teams/{namespace}\"]")]
pub struct ImportKsvc {
    /// The file with the KSVCs, in JSON or YAML: the output of `kubectl get ksvc -A -o json`, or `-` for standard input.
    pub file: Option<PathBuf>,
    /// Read the KSVCs of a cluster. Only LIST is sent to the API server.
    #[arg(long)]
    pub cluster: bool,
    #[command(flatten)]
    pub access: AccessArgs,
    /// With `--cluster`, read only the KSVCs of this namespace. With FILE, all KSVCs are read, and this is the namespace of
    /// those that name none.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The table file: the tables with their settings, and which namespaces may claim which paths.
    #[arg(long, value_name = "FILE")]
    pub tables: Option<PathBuf>,
    /// Without a table file: a public host of the table `default`, in which every namespace may claim every path. The
    /// option can be repeated.
    #[arg(long = "host", value_name = "HOST", conflicts_with = "tables")]
    pub hosts: Vec<String>,
    /// Without a table file: the `basePath` of the table.
    #[arg(long, value_name = "PATH", conflicts_with = "tables")]
    pub base_path: Option<String>,
    /// Without a table file: Knative's domain.
    #[arg(long, value_name = "DOMAIN", conflicts_with = "tables")]
    pub domain: Option<String>,
    /// Without a table file: Knative's domain template, such as `{service}-{namespace}.{domain}`.
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "tables")]
    pub host_template: Option<String>,
    /// Print the tables without what has an error. A table in which no KSVC has a route is not printed then. The exit code is
    /// 1 nevertheless.
    #[arg(long)]
    pub partial: bool,
}
