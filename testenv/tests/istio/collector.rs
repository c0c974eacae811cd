//! A real OpenTelemetry Collector, which receives what gateways send over OTLP. It has the configuration that users get,
//! `monitoring/opentelemetry-collector.yaml`, and writes spans to a file besides.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testenv::http1::Request;
use testenv::istio::objects;
use testenv::process::{Running, free_ports, read_lossy};
use testenv::{repository, yaml};

use crate::Env;

/// The collector on loopback, which ends when this is dropped.
pub(crate) struct Collector {
    otlp: SocketAddr,
    metrics: SocketAddr,
    spans: PathBuf,
    _process: Running,
    _folder: tempfile::TempDir,
}

/// The name of a span, and the value of its tag `ksvc_router.route`.
pub(crate) type Span = (String, Option<String>);

impl Collector {
    pub(crate) fn start(env: &Env) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let [otlp, metrics] = free_ports::<2>()?.map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let spans = folder.path().join("spans.json");
        let mut configuration = yaml::read(&repository().join("monitoring/opentelemetry-collector.yaml"))?;
        for (pointer, address) in [("/receivers/otlp/protocols/grpc", otlp), ("/exporters/prometheus", metrics)] {
            configuration.pointer_mut(pointer).context(pointer)?["endpoint"] = address.to_string().into();
        }
        configuration["exporters"]["file"] = json!({"path": spans});
        let service = &mut configuration["service"];
        service["pipelines"]["traces"] = json!({"receivers": ["otlp"], "exporters": ["file"]});
        // The collector's metrics about itself would have a fixed port.
        service["telemetry"] = json!({"metrics": {"level": "none"}});
        let file = folder.path().join("collector.json");
        fs::write(&file, configuration.to_string())?;
        let mut command = Command::new(env.packaging.collector());
        command.arg(format!("--config={}", file.display()));
        let process = Running::start("the collector", &mut command, &folder.path().join("collector.log"), None)?;
        process.await_ready(Duration::from_secs(60), || Ok(TcpStream::connect(otlp).is_ok()))?;
        Ok(Self { otlp, metrics, spans, _process: process, _folder: folder })
    }

    /// Makes the collector a service that all gateways know, and the service of the providers in this mesh configuration.
    /// The name of the service begins with that of the namespace, because another test may have a collector too.
    pub(crate) fn serve(&self, env: &Env, namespace: &str, mesh_config: &mut Value) -> Result<()> {
        env.plane.cluster().namespace(namespace)?;
        let providers = mesh_config["extensionProviders"].as_array_mut().context("providers")?;
        let kinds = providers.iter_mut().filter_map(Value::as_object_mut).flat_map(|provider| provider.values_mut());
        let mut port = None;
        for provider in kinds.filter(|provider| provider["service"].is_string()) {
            provider["service"] = format!("{namespace}.example.internal").into();
            port = provider["port"].as_u64();
        }
        let port = u16::try_from(port.context("a provider with a port")?)?;
        let host = format!("{namespace}.example.internal");
        let mut service = objects::h2c(objects::service_entry(namespace, &host, port, self.otlp));
        service["spec"]["exportTo"] = json!(["*"]);
        env.plane.cluster().apply(&[service])
    }

    /// Returns the spans that have arrived so far.
    pub(crate) fn spans(&self) -> Result<Vec<Span>> {
        let written = read_lossy(&self.spans);
        // The last line may not be complete.
        let lines = written.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let exports: Vec<Value> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
        let elements = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
        let resources = exports.iter().flat_map(|export| elements(export, "resourceSpans"));
        let scopes = resources.flat_map(|resource| elements(&resource, "scopeSpans"));
        let spans = scopes.flat_map(|scope| elements(&scope, "spans"));
        let spans = spans.map(|span| {
            let name = span["name"].as_str().context("a span without a name")?.to_owned();
            let tags = elements(&span, "attributes");
            let mut tags = tags.iter().filter(|tag| tag["key"] == "ksvc_router.route");
            let tag = tags.next().and_then(|tag| tag["value"]["stringValue"].as_str());
            Ok((name, tag.map(str::to_owned)))
        });
        spans.collect()
    }

    /// Returns the page of metrics that Prometheus reads.
    pub(crate) fn metrics(&self) -> Result<String> {
        let page = Request::get("collector", "/metrics").send(self.metrics)?;
        ensure!(page.status == 200, "{}", page.text());
        Ok(page.text())
    }
}
