//! A page in headless Chromium that makes calls and tells what came of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use testenv::chromium;
use testenv::process::Running;

use crate::server::Server;

/// From the start of the browser to the last call's outcome; what takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// The console is written by another process than the one that tells the outcomes.
const LAG: Duration = Duration::from_secs(10);

/// One `fetch`.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    url: String,
    options: Value,
}

impl Call {
    /// To a path of the API.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { url: format!("http://api.example.com{path}"), options: json!({"method": method, "headers": {}}) }
    }

    /// One for which a browser asks nobody.
    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// One that needs a preflight, thrice over.
    pub(crate) fn put(path: &str) -> Self {
        Self::new("PUT", path).header("x-csrf", "1").header("content-type", "application/json").body("{}")
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.options["headers"][name] = value.into();
        self
    }

    #[must_use]
    pub(crate) fn body(self, body: &str) -> Self {
        self.option("body", body)
    }

    #[must_use]
    pub(crate) fn with_credentials(self) -> Self {
        self.option("credentials", "include")
    }

    /// Any other of fetch's options.
    #[must_use]
    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options[name] = value.into();
        self
    }
}

/// What a page gets to see of one call.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// Those that the page may read.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// After redirects.
    pub(crate) url: String,
    /// What `fetch` threw: the same words whatever the reason.
    error: Option<String>,
    /// The reason, which the browser tells in its console alone.
    #[serde(skip)]
    reason: Option<String>,
}

impl Outcome {
    /// The status, where the page may read the answer.
    pub(crate) fn readable(&self) -> Result<u16> {
        ensure!(self.error.is_none(), "the page may not read it: {self:?}");
        Ok(self.status)
    }

    /// The call was refused by the browser, and `why` is in its reason.
    pub(crate) fn refused(&self, why: &str) -> Result<()> {
        ensure!(self.error.as_deref() == Some("TypeError: Failed to fetch"), "not refused: {self:?}");
        ensure!(self.reason.as_deref().is_some_and(|reason| reason.contains(why)), "not for {why:?}: {self:?}");
        Ok(())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Opens a page of this origin (`http://HOST[:PORT]`) in a new browser, which makes the calls one after the other. It
/// has a cookie for all of example.com.
pub(crate) fn open<const N: usize>(origin: &str, gateway: SocketAddr, calls: [Call; N]) -> Result<[Outcome; N]> {
    let calls: Vec<_> = calls.into_iter().map(|call| json!([call.url, call.options])).collect();
    let page = include_str!("page.html").replace("CALLS", &Value::from(calls).to_string());
    let (told, outcomes) = mpsc::channel();
    let server = Server::start(move |request| {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        if request.method == "POST" {
            // Nobody waits for a second telling.
            let _ = told.send(request.body);
            return Some((Vec::new(), String::new()));
        }
        let cookie = header("set-cookie", "session=secret; Domain=example.com");
        Some((vec![header("content-type", "text/html; charset=utf-8"), cookie], page.clone()))
    })?;

    let folder = tempfile::Builder::new().prefix("ksvc-router-browser-").tempdir()?;
    let authority = origin.strip_prefix("http://").context("a page of this test comes by http")?;
    let page_at = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let mut command = Command::new(chromium::find()?);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        // Containers give /dev/shm little room.
        .arg("--disable-dev-shm-usage")
        // Nothing here speaks TLS, and nobody but the page and the gateway may be asked.
        .arg("--disable-features=HttpsUpgrades")
        .arg(format!(
            "--host-resolver-rules=MAP {page_at} {}, MAP *.example.com:80 {gateway}, MAP * ~NOTFOUND",
            server.address()
        ))
        .arg("--enable-logging=stderr")
        .arg(format!("--user-data-dir={}", folder.path().display()))
        .arg(origin);
    // Whatever it leaves behind goes with the folder.
    for variable in ["HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "TMPDIR"] {
        command.env(variable, folder.path());
    }
    let browser = Running::start("Chromium", &mut command, &folder.path().join("browser.log"), None)?;

    let mut text = None;
    browser.await_ready(PATIENCE, || {
        text = outcomes.try_recv().ok();
        Ok(text.is_some())
    })?;
    let text = text.context("no outcomes")?;
    let mut outcomes: Vec<Outcome> = serde_json::from_str(&text).with_context(|| text.clone())?;
    let refused: Vec<_> = outcomes.iter_mut().filter(|outcome| outcome.error.is_some()).collect();
    let mut reasons = Vec::new();
    browser
        .await_ready(LAG, || {
            reasons = reasons_of_refusals(&browser.log());
            Ok(reasons.len() >= refused.len())
        })
        .with_context(|| format!("not every refusal is one of CORS: {refused:?}"))?;
    ensure!(reasons.len() == refused.len(), "more refusals than calls: {reasons:?}");
    for (outcome, reason) in refused.into_iter().zip(reasons) {
        outcome.reason = Some(reason);
    }
    let count = outcomes.len();
    outcomes.try_into().ok().with_context(|| format!("{count} outcomes of {N} calls"))
}

/// In the order of the calls.
fn reasons_of_refusals(log: &str) -> Vec<String> {
    let reason = |line: &str| Some(line.split_once("has been blocked by CORS policy: ")?.1.to_owned());
    log.lines().filter_map(reason).collect()
}
