//! A tab of headless Chromium, driven by the Chrome DevTools Protocol.
//!
//! Own code because the crates for this protocol compile its hundreds of commands for minutes, and these tests need nine.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use testenv::process::Running;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::chromium;

/// A browser that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Tab {
    socket: WebSocket<TcpStream>,
    session: String,
    /// The number of the last command.
    last: u64,
    /// Everything that the page has written into the console, its errors among it.
    console: Vec<String>,
    _browser: Running,
    _folder: TempDir,
}

impl Tab {
    /// Opens a URL in a new browser, which can connect to nothing but loopback.
    pub(crate) fn open(url: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-browser-").tempdir()?;
        let mut command = chromium::command(folder.path())?;
        command.args(["--remote-debugging-port=0", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]);
        let browser = Running::start("Chromium", &mut command, &folder.path().join("browser.log"), None)?;
        let mut address = None;
        browser.await_ready(PATIENCE, || {
            let log = browser.log();
            let listening = log.split_once("DevTools listening on ").and_then(|(_, rest)| rest.split_once('\n'));
            address = listening.map(|(address, _)| address.trim().to_owned());
            Ok(address.is_some())
        })?;
        let address = address.context("an address")?;
        let authority = address.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).context("ws://")?;
        let stream = TcpStream::connect(authority)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let (socket, _) = tungstenite::client(&address, stream).map_err(|error| anyhow::anyhow!("{error}"))?;
        let mut tab =
            Self { socket, session: String::new(), last: 0, console: vec![], _browser: browser, _folder: folder };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"}))?;
        let attached = json!({"targetId": target["targetId"], "flatten": true});
        let session = tab.call("Target.attachToTarget", attached)?;
        tab.session = session["sessionId"].as_str().context("a session")?.to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            tab.call(&format!("{domain}.enable"), json!({}))?;
        }
        tab.call("Page.navigate", json!({"url": url}))?;
        tab.await_true("location.href !== 'about:blank' && document.readyState === 'complete'")?;
        Ok(tab)
    }

    /// Opens a page in a file.
    pub(crate) fn open_html(html: &[u8]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("ksvc-router-page-").tempdir()?;
        let path = folder.path().join("page.html");
        fs::write(&path, html)?;
        Self::open(&format!("file://{}", path.display()))
    }

    /// Sends a command and waits for its result.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.last += 1;
        let mut command = json!({"id": self.last, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = self.session.as_str().into();
        }
        self.socket.send(Message::text(command.to_string()))?;
        loop {
            let message = self.socket.read().with_context(|| format!("no answer to {method}"))?;
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text)?;
            if message["id"] == self.last {
                ensure!(message.get("error").is_none(), "{method}: {}", message["error"]);
                return Ok(message["result"].clone());
            }
            self.note(&message);
        }
    }

    /// Keeps what an event says about the console.
    fn note(&mut self, event: &Value) {
        let text = match event["method"].as_str() {
            Some("Runtime.consoleAPICalled") => &event["params"]["args"],
            Some("Runtime.exceptionThrown") => &event["params"]["exceptionDetails"],
            Some("Log.entryAdded") => &event["params"]["entry"]["text"],
            _ => return,
        };
        self.console.push(text.to_string());
    }

    /// Returns what the page has written into the console so far.
    pub(crate) fn console(&mut self) -> Result<&[String]> {
        // The events before the answer to a command have arrived with it.
        self.evaluate("0")?;
        Ok(&self.console)
    }

    /// Evaluates an expression in the page, and returns its value. A promise is awaited.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params =
            json!({"expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true});
        let result = self.call("Runtime.evaluate", params)?;
        if let Some(exception) = result.get("exceptionDetails") {
            bail!("{expression}: {exception}");
        }
        Ok(result["result"]["value"].clone())
    }

    pub(crate) fn text(&mut self, selector: &str) -> Result<String> {
        let text = self.evaluate(&format!("document.querySelector({}).textContent", json!(selector)))?;
        Ok(text.as_str().context("a text")?.to_owned())
    }

    /// Waits until an expression is true. While the page is loaded again, the expression can't be evaluated.
    pub(crate) fn await_true(&mut self, expression: &str) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.evaluate(expression);
            if matches!(value, Ok(Value::Bool(true))) {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "never true: {expression}: {value:?}\n{:?}", self.console);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses and releases a key, such as `ArrowDown`.
    pub(crate) fn press(&mut self, key: &str) -> Result<()> {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            _ => 0,
        };
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            if kind == "keyDown" && !text.is_empty() {
                params["text"] = text.into();
            }
            self.call("Input.dispatchKeyEvent", params)?;
        }
        Ok(())
    }

    /// Types a text into the element that has the focus.
    pub(crate) fn type_text(&mut self, text: &str) -> Result<()> {
        self.call("Input.insertText", json!({"text": text}))?;
        Ok(())
    }

    /// Sets the size of the window, and whether the user prefers dark colours.
    pub(crate) fn show(&mut self, width: u32, height: u32, dark: bool) -> Result<()> {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.call("Emulation.setDeviceMetricsOverride", size)?;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", json!({"features": features}))?;
        Ok(())
    }

    /// Writes a picture of the window into a PNG file.
    pub(crate) fn picture(&mut self, path: &Path) -> Result<()> {
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}))?;
        let base64 = picture["data"].as_str().context("a picture")?;
        fs::write(path, data_encoding::BASE64.decode(base64.as_bytes())?)?;
        Ok(())
    }
}
