//! A program that runs beside the tests: what it prints goes to a log file, and it ends, with all that it has started,
//! when it is dropped, or when this process is told to end.

use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How long a program has to end by itself once asked.
const PARTING: Duration = Duration::from_secs(5);

/// The groups of all programs that run.
static RUNNING: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

fn running(change: impl FnOnce(&mut Vec<Pid>)) {
    change(&mut RUNNING.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Nothing is dropped when a signal ends this process, so the programs are ended first; unless there is a handler
/// already, which sees to it that all is dropped.
fn end_them_on_a_signal() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let _ = ctrlc::set_handler(|| {
            running(|groups| {
                for group in groups {
                    let _ = killpg(*group, Signal::SIGKILL);
                }
            });
            std::process::exit(130);
        });
    });
}

/// A running program.
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it with its standard error in `log`; its standard output as well, where the command does not send it
    /// elsewhere (`stdout: Some`).
    pub fn start(name: &str, command: &mut Command, log: &Path, stdout: Option<File>) -> Result<Self> {
        let written = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        // Opened to append: Envoy opens /dev/stdout a second time, and neither must write over the other.
        let appended = || File::options().append(true).open(log);
        drop(written);
        let stdout = stdout.map_or_else(appended, Ok)?;
        end_them_on_a_signal();
        // A group of its own: so Ctrl-C reaches this process alone, and what the program starts ends with it.
        command.process_group(0).stdin(Stdio::null()).stdout(stdout).stderr(appended()?);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {name}, {program}"))?;
        let started = Self { name: name.to_owned(), child, log: log.to_owned() };
        let group = started.process()?;
        running(|groups| groups.push(group));
        Ok(started)
    }

    /// Waits until `ready` says so; an error with the end of the log where the program ends first or takes too long.
    pub fn await_ready(&self, patience: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended()? {
                bail!("{} has ended ({status:?}); the end of its log:\n{}", self.name, self.log_tail());
            }
            if ready()? {
                return Ok(());
            }
            let waited = Instant::now() < deadline;
            ensure!(waited, "{} is not ready in {patience:?}; the end of its log:\n{}", self.name, self.log_tail());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How it has ended, if it has. It is not waited for before it is dropped: until then its id is nobody else's.
    pub fn ended(&self) -> Result<Option<WaitStatus>> {
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        let status = waitid(Id::Pid(self.process()?), look)?;
        Ok((status != WaitStatus::StillAlive).then_some(status))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        read_lossy(&self.log)
    }

    /// The last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn process(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }

    /// To the program and all that it has started; whether there was anyone.
    fn signal(&self, signal: Signal) -> bool {
        self.process().is_ok_and(|process| killpg(process, signal).is_ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let deadline = Instant::now() + PARTING;
        let asked = self.signal(Signal::SIGTERM);
        while asked && Instant::now() < deadline && matches!(self.ended(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        // And what the program has left behind.
        self.signal(Signal::SIGKILL);
        if let Ok(group) = self.process() {
            running(|groups| groups.retain(|held| *held != group));
        }
        let _ = self.child.wait();
    }
}

/// The executable file that this environment variable names; `None` where the variable is unset or empty.
pub(crate) fn executable_of_variable(variable: &str) -> Result<Option<PathBuf>> {
    let Some(named) = env::var_os(variable).filter(|value| !value.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(named);
    ensure!(
        is_executable(&path),
        "${variable} is {}, which is not an executable file: point it at one, or unset it",
        path.display()
    );
    Ok(Some(path))
}

/// The first executable file of this name in the folders of `PATH`.
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

pub(crate) fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// A file's text, octets that are not UTF-8 as U+FFFD; empty where there is no file.
pub fn read_lossy(path: &Path) -> String {
    fs::read(path).map_or_else(|_| String::new(), |octets| String::from_utf8_lossy(&octets).into_owned())
}

/// Below the ports from which Linux takes those of clients: who is to listen there may do so much later.
const LISTENING: std::ops::Range<u16> = 10_000..32_000;

/// Ports of loopback that nobody listens on now, all different, and not soon given out again.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = LISTENING.end - LISTENING.start;
    // Another process begins elsewhere.
    let begin = u16::try_from(std::process::id() % u32::from(count))?;
    let mut ports = [0; N];
    let mut tried = 0;
    for port in &mut ports {
        *port = loop {
            ensure!(tried < count, "no free port on loopback from {} to {}", LISTENING.start, LISTENING.end);
            tried += 1;
            let next = begin.wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
            let candidate = LISTENING.start + next;
            if TcpListener::bind(("127.0.0.1", candidate)).is_ok() {
                break candidate;
            }
        };
    }
    Ok(ports)
}

/// The port, if nobody listens there, or else 0, which is any free one.
pub fn free_or_any(port: u16) -> u16 {
    TcpListener::bind(("127.0.0.1", port)).map_or(0, |_| port)
}
