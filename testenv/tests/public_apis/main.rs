//! Tables made from large public OpenAPI documents: every operation of a document becomes a route, and a request for it
//! reaches its own route in real Envoy. The documents come from npm packages.
//!
//! The operations are counted here by a few lines of their own, which know nothing of the importer.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ksvc_router_cli::cases;
use ksvc_router_cli::load::from_named;
use ksvc_router_cli::source::Source;
use serde_json::Value;
use testenv::cases::{CaseFile, Ingress, run_all};
use testenv::npm::{DIRECTORY, EXAMPLES, OCTOKIT, Package};
use testenv::stand_in::StandIn;
use testenv::{envoy, page, plugin, program, repository, yaml};

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A public OpenAPI document, and how many of its operations share a route.
struct Api {
    name: &'static str,
    package: Package,
    file: &'static str,
    /// How many operations share a route with another one, because no request can tell them apart.
    shared: usize,
}

/// Defines one test for each document, so that a failure names it.
macro_rules! apis {
    ($($test:ident: $name:literal, $package:ident $file:literal, $shared:literal;)*) => {
        $(
            #[test]
            fn $test() -> Result<()> {
                Api { name: $name, package: $package, file: $file, shared: $shared }.check()
            }
        )*
    };
}

apis! {
    github: "GitHub", OCTOKIT "generated/api.github.com.json", 0;
    stripe: "Stripe", DIRECTORY "api/stripe.com.json", 0;
    kubernetes: "Kubernetes", DIRECTORY "api/kubernetes.io.json", 0;
    digital_ocean: "DigitalOcean", DIRECTORY "api/digitalocean.com.json", 0;
    twilio: "Twilio", DIRECTORY "api/twilio.com/api.json", 0;
    microsoft_graph: "Microsoft Graph", DIRECTORY "api/microsoft.com/graph.json", 0;
    box_: "Box", DIRECTORY "api/box.com.json", 18;
    s3: "Amazon S3", DIRECTORY "api/amazonaws.com/s3.json", 4;
    compute: "Google Compute Engine", DIRECTORY "api/googleapis.com/compute.json", 0;
}

/// docs/migrating.md shows what is made of the Petstore.
#[test]
fn the_petstore_is_as_the_page_shows_it() -> Result<()> {
    let page = std::fs::read_to_string(repository().join("docs/migrating.md"))?;
    let block = page::block(&page, "## An OpenAPI document", "yaml")?;
    let shown = yaml::parse(&Source::new("docs/migrating.md", block))?;
    let mut import = Command::new(program()?);
    import.args(["import", "openapi"]).arg(EXAMPLES.file("3.0/yaml/petstore.yaml")?);
    import.args(["--domain", "example.com", "--namespace", "shop", "--service", "petstore", "--fold"]);
    let output = import.output()?;
    let made = yaml::parse(&Source::new("the Petstore", String::from_utf8(output.stdout)?))?;
    assert_eq!(shown["pluginConfig"], made);
    Ok(())
}

impl Api {
    fn check(&self) -> Result<()> {
        let document = self.package.file(self.file)?;
        let operations = operations(&document)?;
        let begun = Instant::now();
        let (table, messages) = self.import(&document, &[])?;
        let seconds = begun.elapsed().as_secs_f64();
        let (cases, _) = self.import(&document, &["--cases"])?;
        let cases = self.read_cases(&cases)?;

        ensure!(!messages.contains(": error: "), "{}: {messages}", self.name);
        ensure!(cases.len() == operations, "{}: {} cases of {operations} operations", self.name, cases.len());

        let table = self.read_table(&table)?;
        let routes = table["routes"].as_array().map_or(0, Vec::len);
        let mut reached: Vec<_> = cases.iter().filter_map(|case| case.expected_text("route")).collect();
        reached.sort_unstable();
        reached.dedup();
        ensure!(reached.len() == routes, "{}: the cases reach {} of {routes} routes", self.name, reached.len());
        ensure!(routes + self.shared == operations, "{}: {routes} routes of {operations} operations", self.name);

        let file = CaseFile { table, cases };
        let stand_in = StandIn::start()?;
        let gateway = file.setup(&envoy::find()?, &plugin()?).start(stand_in.address())?;
        run_all(&file, &Ingress::of_envoy(&gateway)).with_context(|| self.name)?;
        println!(
            "{:<22} {operations:>6} operations {routes:>6} routes {:>6} requests; table made in {seconds:.1} s",
            self.name,
            file.cases.len(),
        );
        Ok(())
    }

    /// Runs `import openapi`. Returns what it prints on standard output and on standard error.
    fn import(&self, document: &Path, options: &[&str]) -> Result<(String, String)> {
        let mut import = Command::new(program()?);
        import.args(["import", "openapi"]).arg(document).args(["--service", "api", "--namespace", "shop"]);
        import.args(["--domain", "example.com"]).args(options);
        let output = import.output()?;
        let messages = String::from_utf8(output.stderr)?;
        ensure!(output.status.success(), "{}: {messages}", self.name);
        Ok((String::from_utf8(output.stdout)?, messages))
    }

    fn read_table(&self, text: &str) -> Result<Value> {
        let source = Source::new(self.name, text);
        let loaded = from_named(&source);
        ensure!(loaded.messages.is_empty(), "{:#}", yaml::error_of(&loaded.messages));
        let [configuration] = &loaded.configurations[..] else { anyhow::bail!("{}: no table", self.name) };
        let (_, messages) = configuration.compile();
        ensure!(messages.is_empty(), "{:#}", yaml::error_of(&messages));
        yaml::parse(&source)
    }

    fn read_cases(&self, text: &str) -> Result<Vec<cases::Case>> {
        cases::read(&Source::new(self.name, text)).map_err(|messages| yaml::error_of(&messages))
    }
}

/// Counts the operations of a JSON document.
fn operations(document: &Path) -> Result<usize> {
    let document: Value = serde_json::from_slice(&std::fs::read(document)?)?;
    let paths = document["paths"].as_object().context("no paths")?;
    let keys = paths.values().filter_map(Value::as_object).flat_map(|item| item.keys());
    Ok(keys.filter(|key| METHODS.contains(&key.as_str())).count())
}
