//! A page in headless Chromium that makes calls and reports their outcomes.
//!
//! No crate for WebDriver or DevTools is used, because the page itself reports the outcomes and the console is in
//! Chromium's log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use testenv::process::Running;

use super::server::Server;
use crate::chromium;

/// The time from the start of the browser to the outcome of the last call. A browser that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);
/// The console may lag behind the outcomes, because another process writes it.
const LAG: Duration = Duration::from_secs(60);

/// A call of `fetch`.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    url: String,
    options: Value,
}

impl Call {
    /// Returns a call of a path of the API.
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { url: format!("http://api.example.com{path}"), options: json!({"method": method, "headers": {}}) }
    }

    /// Returns a call that needs no preflight.
    pub(crate) fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Returns a call that needs a preflight for three reasons: its method, a header and its content type.
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

    /// Sets another option of `fetch`.
    #[must_use]
    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.options[name] = value.into();
        self
    }
}

/// The outcome of a call, as far as the page can see it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Outcome {
    pub(crate) status: u16,
    /// The headers that the page may read.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
    /// The URL after redirects.
    pub(crate) url: String,
    /// The error that `fetch` threw. It is the same for every reason.
    error: Option<String>,
    /// The reason of the error, which the browser shows only in its console.
    #[serde(skip)]
    reason: Option<String>,
}

impl Outcome {
    /// Returns the status. It is an error if the page may not read the response.
    pub(crate) fn readable(&self) -> Result<u16> {
        ensure!(self.error.is_none(), "the page may not read the response: {self:?}");
        Ok(self.status)
    }

    /// Checks that the browser has refused the call and that its reason contains this text.
    pub(crate) fn refused(&self, text: &str) -> Result<()> {
        ensure!(self.error.as_deref() == Some("TypeError: Failed to fetch"), "not refused: {self:?}");
        let has_text = self.reason.as_deref().is_some_and(|reason| reason.contains(text));
        ensure!(has_text, "refused, but not for {text:?}: {self:?}");
        Ok(())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// Opens a page of this origin (`http://HOST[:PORT]`) in a new browser. The page makes the calls one after another,
/// with a cookie for example.com and all its subdomains.
pub(crate) fn open<const N: usize>(origin: &str, gateway: SocketAddr, calls: [Call; N]) -> Result<[Outcome; N]> {
    let calls: Vec<_> = calls.into_iter().map(|call| json!([call.url, call.options])).collect();
    let page = include_str!("page.html").replace("CALLS", &Value::from(calls).to_string());
    let (sender, outcomes) = mpsc::channel();
    let server = Server::start(move |request| {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        if request.method == "POST" {
            // Sending fails only if the outcomes are reported a second time, and then nobody waits for them.
            let _ = sender.send(request.body);
            return Some((Vec::new(), String::new()));
        }
        let cookie = header("set-cookie", "session=secret; Domain=example.com");
        Some((vec![header("content-type", "text/html; charset=utf-8"), cookie], page.clone()))
    })?;

    let folder = tempfile::Builder::new().prefix("ksvc-router-browser-").tempdir()?;
    let authority = origin.strip_prefix("http://").context("the origin does not begin with http://")?;
    let page_host = if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
    let mut command = chromium::command(folder.path())?;
    command
        // Nothing here speaks TLS, and the browser may connect only to the page's server and the gateway.
        .arg("--disable-features=HttpsUpgrades")
        .arg(format!(
            "--host-resolver-rules=MAP {page_host} {}, MAP *.example.com:80 {gateway}, MAP * ~NOTFOUND",
            server.address()
        ))
        .arg(origin);
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
        .with_context(|| format!("some calls were refused for another reason than CORS: {refused:?}"))?;
    ensure!(reasons.len() == refused.len(), "more reasons than refused calls: {reasons:?}");
    for (outcome, reason) in refused.into_iter().zip(reasons) {
        outcome.reason = Some(reason);
    }
    let count = outcomes.len();
    outcomes.try_into().ok().with_context(|| format!("{count} outcomes of {N} calls"))
}

/// Returns the reasons for which the browser has refused calls, in the order of the calls.
fn reasons_of_refusals(log: &str) -> Vec<String> {
    let reason = |line: &str| Some(line.split_once("has been blocked by CORS policy: ")?.1.to_owned());
    log.lines().filter_map(reason).collect()
}
