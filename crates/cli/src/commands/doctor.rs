//! `doctor [PATH…]`: reads a cluster, or a file with its objects, and prints whether the installation can work.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ksvc_router_cli::cluster::connect::{ClusterError, check_namespace, connect};
use ksvc_router_cli::cluster::doctor::{Examination, examine};
use ksvc_router_cli::cluster::finding::{Level, as_json, as_text};
use ksvc_router_cli::cluster::image::{ask, reference};
use ksvc_router_cli::cluster::objects::Objects;
use ksvc_router_cli::cluster::plugins::{Manifests, Plugin};
use ksvc_router_cli::cluster::read::{Places, Reader, check_namespaces};
use ksvc_router_cli::load::{self, Loaded, load, without_table};
use ksvc_router_cli::yaml::Node;

use super::{CallError, Report, access, block_on, pretty, refuse};
use ksvc_router_cli::args::{ClusterArgs, Format};

pub(super) fn run(
    files: &[PathBuf],
    cluster: &ClusterArgs,
    objects: Option<&Path>,
    asks_registry: bool,
    knative: String,
    format: Format,
) -> Result<Report, CallError> {
    let loaded = load(files)?;
    if !files.is_empty()
        && let Some(messages) = without_table(files, &loaded)
    {
        return Ok(refuse(&messages, format));
    }
    check_namespace_options(cluster)?;
    check_namespace("--knative-namespace", &knative)?;
    let documents = documents(&loaded)?;
    let places = Places { istio: cluster.istio_namespace.clone(), knative };
    let given = match objects.map(read_objects).transpose()? {
        Some(Err(report)) => return Ok(report(format)),
        Some(Ok(objects)) => Some(objects),
        None => None,
    };
    block_on(async {
        let namespace = |of_context: &str| cluster.namespace.clone().unwrap_or(of_context.to_owned());
        let (objects, manifests, plugins) = match given {
            Some(mut objects) => {
                let namespace = namespace("default");
                let manifests = Manifests::new(loaded, &documents, &objects, &namespace);
                documents.iter().for_each(|document| objects.apply(document, &namespace));
                let plugins = manifests.plugins();
                (objects, manifests, plugins)
            }
            None => {
                let connection = connect(&access(&cluster.access)).await?;
                let namespace = namespace(&connection.namespace);
                let mut reader = Reader::new(connection);
                reader.read_plugins().await?;
                reader.read_settings(&places).await?;
                let manifests = Manifests::new(loaded, &documents, &reader.objects, &namespace);
                documents.iter().for_each(|document| reader.objects.apply(document, &namespace));
                let plugins = manifests.plugins();
                reader.read_pods(&plugins).await?;
                reader.read_surroundings(&plugins).await?;
                (reader.into_objects()?, manifests, plugins)
            }
        };
        let images = if asks_registry { Some(ask(images(&plugins)).await) } else { None };
        let examination = Examination {
            manifests: &manifests,
            plugins: &plugins,
            objects: &objects,
            images: images.as_ref(),
            places: &places,
        };
        let findings = examine(&examination);
        let out = match format {
            Format::Text => as_text(&findings),
            _ => pretty(&as_json(&findings)),
        };
        Ok(Report { success: findings.iter().all(|finding| finding.level != Level::Error), out, ..Report::default() })
    })?
}

/// Returns the documents of files that could be read.
fn documents(loaded: &[Loaded]) -> Result<Vec<Arc<Node>>, ClusterError> {
    let mut all = Vec::new();
    for file in loaded {
        let documents = load::parse(&file.source).unwrap_or_default();
        documents.iter().try_for_each(|document| check_namespaces(&file.source, document))?;
        all.extend(documents);
    }
    Ok(all)
}

/// Checks the namespaces in the options that `doctor` and `status` have.
pub(super) fn check_namespace_options(cluster: &ClusterArgs) -> Result<(), ClusterError> {
    check_namespace("--istio-namespace", &cluster.istio_namespace)?;
    cluster.namespace.as_ref().map_or(Ok(()), |name| check_namespace("--namespace", name))
}

/// What to report if a file has no objects.
type Refusal = Box<dyn FnOnce(Format) -> Report>;

/// Reads the objects of a file.
fn read_objects(path: &Path) -> Result<Result<Objects, Refusal>, CallError> {
    let source = match load::read(path)? {
        Ok(source) => source,
        Err(message) => return Ok(Err(Box::new(move |format| refuse(&[message], format)))),
    };
    let mut objects = Objects::default();
    match load::parse(&source) {
        Ok(documents) => documents.iter().for_each(|document| objects.apply(document, "")),
        Err(message) => return Ok(Err(Box::new(move |format| refuse(&[*message], format)))),
    }
    if objects.is_empty() {
        return Err(ClusterError::NoObjects { file: source.name.clone() }.into());
    }
    Ok(Ok(objects))
}

/// Returns the references of the plugins' images.
fn images(plugins: &[Plugin]) -> impl Iterator<Item = &str> {
    let manifests = plugins.iter().filter_map(|plugin| plugin.configuration.manifest.as_ref());
    let references = manifests.filter_map(|manifest| manifest.plugin.text_at("url")).filter_map(reference);
    references.filter(|reference| !reference.ends_with(&"0".repeat(64)))
}
