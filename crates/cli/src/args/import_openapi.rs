//! The arguments of `import openapi`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::import::openapi::Options;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  ksvc-router import openapi openapi.yaml --domain example.com --namespace shop --service shop > table.yaml
  ksvc-router import openapi openapi.yaml --domain example.com --namespace shop --service shop --cases > cases.yaml
  ksvc-router test table.yaml cases.yaml --fail-under 100")]
pub struct ImportOpenapi {
    /// The OpenAPI document, version 3.0, 3.1 or 3.2, in YAML or JSON. `-` means standard input. Files that it refers to
    /// are read too, if they are in its folder or below.
    #[arg(value_name = "SPEC")]
    pub spec: PathBuf,
    /// Print a file of test cases instead of the table: a request for each operation, filled from its examples.
    #[arg(long)]
    pub cases: bool,
    /// The `name` of the table.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// A public host, instead of those of the servers in the document. The option can be repeated.
    #[arg(long, value_name = "HOST")]
    pub host: Vec<String>,
    /// The prefix of all paths, instead of that of the servers in the document. `/` means none.
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// Knative's domain, which is a part of the hosts of services.
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// Knative's domain template, such as `{service}-{namespace}.{domain}`.
    #[arg(long, value_name = "TEMPLATE")]
    pub host_template: Option<String>,
    /// The namespace of services that the document gives none.
    #[arg(short, long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The service of the operations that name none in the document.
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Make the service of an operation of its first tag, in lower case and with `-` in place of everything but letters and
    /// digits. An operation that names a service keeps it.
    #[arg(long, value_enum, value_name = "tag")]
    pub service_from: Option<ServiceFrom>,
    /// A folder outside that of the document, from which files that it refers to may be read. The option can be repeated.
    #[arg(long, value_name = "FOLDER")]
    pub refs_from: Vec<PathBuf>,
    /// Make one route of the operations that share path and service: `GET|PUT /orders/{id}`.
    #[arg(long)]
    pub fold: bool,
    /// Also print if there are errors: all operations that have none, if there is one. The exit code is still 1.
    #[arg(long)]
    pub partial: bool,
}

/// What the name of a service is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ServiceFrom {
    /// The first tag of the operation.
    Tag,
}

impl ImportOpenapi {
    pub fn options(&self) -> Options {
        Options {
            name: self.name.clone(),
            hosts: self.host.clone(),
            base_path: self.base_path.clone(),
            domain: self.domain.clone(),
            host_template: self.host_template.clone(),
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            service_from_tag: self.service_from.is_some(),
            refs_from: self.refs_from.clone(),
            fold: self.fold,
            cases: self.cases,
        }
    }
}
