//! Runs the binary in a temporary folder with given files.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A table without errors. It forwards requests, one of them by a condition, and has a redirect and a response.
pub(crate) const GOOD: &str = r#"
hosts: [api.example.com]
basePath: /faas
domain: example.com
namespace: shop
routes:
  - match: GET /orders/{id}
    service: orders
  - name: beta
    match: GET /orders/{id}
    when: {headers: {x-beta: "true"}}
    service: orders-beta
  - match: [POST /orders, "PUT|PATCH /orders/{id}"]
    service: orders-write
  - match: ANY /payments/{*rest}
    service: payments
    namespace: billing
    rewritePath: /v2/{rest}
  - match: GET /old/{id}
    redirect: {to: "/faas/orders/{id}", status: 301}
  - match: GET /ping
    respond: {status: 200, body: pong}
"#;

/// A temporary folder.
pub(crate) struct Folder(TempDir);

/// The exit code and the output of a run.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    /// Returns the absolute path of a file in the folder.
    pub(crate) fn path(&self, file: &str) -> String {
        self.0.path().canonicalize().unwrap().join(file).display().to_string()
    }

    /// Runs `ksvc-router` in the folder.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.run_with_input(args, "")
    }

    pub(crate) fn run_with_input(&self, args: &[&str], input: impl AsRef<[u8]>) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_ksvc-router"))
            .args(args)
            .current_dir(self.0.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The program may end without reading its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_ref());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

/// Runs `check` on a file. Returns the exit code and the first line of each message.
pub(crate) fn check(text: &str) -> (i32, Vec<String>) {
    let run = Folder::new(&[("f.yaml", text)]).run(&["check", "f.yaml"]);
    let messages = run.out.lines().filter(|line| line.contains(": error: ") || line.contains(": warning: "));
    (run.code, messages.map(str::to_owned).collect())
}
