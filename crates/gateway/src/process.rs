//! Programs that this process starts, such as Envoy, and the ports that they listen on. A program's output goes to a log
//! file. The program and every process that it has started end when its [`Running`] is dropped or this process gets a
//! signal.
//!
//! It is written by hand because crates for process groups end a group, but do not do so when a signal ends the parent,
//! and keep no log for error messages.

use std::env;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{self, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;

/// How long a program may take to end after SIGTERM, before SIGKILL follows.
const TIME_TO_END: Duration = Duration::from_secs(5);

/// The process groups of all running programs.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The flag of [`stop_on_a_signal`].
static STOP: AtomicBool = AtomicBool::new(false);

fn with_groups(action: impl FnOnce(&mut Vec<Pid>)) {
    action(&mut GROUPS.lock().unwrap_or_else(PoisonError::into_inner));
}

/// Installs a signal handler that ends all programs, because nothing is dropped when a signal ends this process. If
/// this process already has a handler, that one stays: it must make sure that everything is dropped.
fn end_programs_on_a_signal() {
    static SET: Once = Once::new();
    SET.call_once(|| {
        let _ = ctrlc::set_handler(end_everything);
    });
}

/// Kills all programs and ends this process.
fn end_everything() {
    with_groups(|groups| {
        for group in groups {
            let _ = killpg(*group, Signal::SIGKILL);
        }
    });
    std::process::exit(130);
}

/// Returns a flag that becomes true at the first Ctrl-C, SIGTERM or SIGHUP, so that this process can stop everything that
/// it has started, in order. Whatever waits for a program then ends with an error. A second signal kills all programs and
/// ends this process at once.
pub fn stop_on_a_signal() -> Result<&'static AtomicBool> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            end_everything();
        }
    })?;
    Ok(&STOP)
}

/// Returns an error if the flag of [`stop_on_a_signal`] is true.
pub(crate) fn ensure_not_stopped() -> Result<()> {
    ensure!(!STOP.load(Ordering::Relaxed), "stopped by a signal");
    Ok(())
}

/// A running program, which ends when this is dropped.
pub struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a program. Its standard error goes to `log`, and so does its standard output unless `stdout` is a file.
    pub fn start(name: &str, command: &mut Command, log: &Path, stdout: Option<File>) -> Result<Self> {
        drop(File::create(log).with_context(|| format!("cannot write {}", log.display()))?);
        // Opened in append mode: Envoy opens /dev/stdout a second time, and the two must not overwrite each other.
        let open_log = || File::options().append(true).open(log);
        let stdout = stdout.map_or_else(open_log, Ok)?;
        end_programs_on_a_signal();
        // In a process group of its own, so that Ctrl-C reaches this process alone, and the processes that the program
        // starts can be ended together with it.
        command.process_group(0).stdin(Stdio::null()).stdout(stdout).stderr(open_log()?);
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().with_context(|| format!("cannot start {name}, {program}"))?;
        let started = Self { name: name.to_owned(), child, log: log.to_owned() };
        let group = started.process()?;
        with_groups(|groups| groups.push(group));
        Ok(started)
    }

    /// Waits until `ready` returns true. If the program ends before that or takes too long, the error contains the last
    /// lines of the log. It is also an error if this process is to stop.
    pub fn await_ready(&self, patience: Duration, mut ready: impl FnMut() -> Result<bool>) -> Result<()> {
        let deadline = Instant::now() + patience;
        loop {
            ensure_not_stopped()?;
            self.ensure_running()?;
            if ready()? {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "{} is not ready after {patience:?}; the last lines of its log:\n{}",
                self.name,
                self.log_tail()
            );
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Returns an error if the program has ended by itself. It says how, and has the last lines of the log.
    pub fn ensure_running(&self) -> Result<()> {
        let Some(status) = self.ended()? else { return Ok(()) };
        let how = match status {
            WaitStatus::Exited(_, code) => format!("with exit code {code}"),
            WaitStatus::Signaled(_, signal, _) => format!("by the signal {signal}"),
            other => format!("({other:?})"),
        };
        let log = self.log_tail();
        let log = if log.is_empty() { log } else { format!("; the last lines of its log:\n{log}") };
        bail!("{} has ended {how}{log}", self.name)
    }

    /// Returns how the program has ended, or `None` if it still runs. The ended process is reaped only when this is
    /// dropped: until then, no other process can get its id.
    pub fn ended(&self) -> Result<Option<WaitStatus>> {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        let status = waitid(Id::Pid(self.process()?), flags)?;
        Ok((status != WaitStatus::StillAlive).then_some(status))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns what the program has printed so far.
    pub fn log(&self) -> String {
        read_lossy(&self.log)
    }

    /// Returns the last lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    fn process(&self) -> Result<Pid> {
        Ok(Pid::from_raw(i32::try_from(self.child.id())?))
    }

    /// Sends a signal to the program and all processes that it has started. Returns whether any process got it.
    fn signal(&self, signal: Signal) -> bool {
        self.process().is_ok_and(|process| killpg(process, signal).is_ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let deadline = Instant::now() + TIME_TO_END;
        let signalled = self.signal(Signal::SIGTERM);
        while signalled && Instant::now() < deadline && matches!(self.ended(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        // Also ends processes that the program has left behind.
        self.signal(Signal::SIGKILL);
        if let Ok(group) = self.process() {
            with_groups(|groups| groups.retain(|known| *known != group));
        }
        let _ = self.child.wait();
    }
}

/// Returns the absolute path of the executable file that this environment variable names, or `None` if the variable is
/// unset or empty.
pub fn executable_of_variable(variable: &str) -> Result<Option<PathBuf>> {
    let Some(named) = env::var_os(variable).filter(|value| !value.is_empty()) else { return Ok(None) };
    let path = PathBuf::from(named);
    ensure!(
        is_executable(&path),
        "${variable} is {}, which is not an executable file: point it at one, or unset it",
        path.display()
    );
    // Without a folder in its name, the program would be looked for on `PATH` when it starts. Links stay as they are,
    // because some programs look at the name that they were started by.
    Ok(Some(path::absolute(path)?))
}

/// Returns the first executable file with this name in the folders of `PATH`.
pub fn find_on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| is_executable(path))
}

pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Returns the text of a file, with bytes that are not UTF-8 replaced by U+FFFD, or an empty string if there is no
/// file.
pub fn read_lossy(path: &Path) -> String {
    fs::read(path).map_or_else(|_| String::new(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The ports that [`free_ports`] chooses from. They are below the range from which Linux takes the ports of clients, so
/// a port is still free when a program listens on it much later.
const PORTS: std::ops::Range<u16> = 10_000..32_000;

/// Returns different ports of loopback on which no program listens now. They are not soon returned again.
pub fn free_ports<const N: usize>() -> Result<[u16; N]> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Each process begins at a different port.
    let first = u16::try_from(std::process::id() % u32::from(count))?;
    let mut ports = [0; N];
    let mut tried = 0;
    for port in &mut ports {
        *port = loop {
            ensure!(tried < count, "no free port on loopback from {} to {}", PORTS.start, PORTS.end);
            tried += 1;
            let next = first.wrapping_mul(7).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % count;
            let candidate = PORTS.start + next;
            if TcpListener::bind(("127.0.0.1", candidate)).is_ok() {
                break candidate;
            }
        };
    }
    Ok(ports)
}

/// Returns the port if no program listens on it, or else 0, which stands for any free port.
pub fn free_or_any(port: u16) -> u16 {
    TcpListener::bind(("127.0.0.1", port)).map_or(0, |_| port)
}
