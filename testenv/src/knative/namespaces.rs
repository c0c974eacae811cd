//! Runs a program in Linux namespaces of its own: its network, its mounts and its processes are apart from the machine's.
//! Nothing that runs in them reaches the machine's network, and the kernel ends all of it when the program ends.
//!
//! It is written by hand because the program `unshare`, which does the same, does not pass signals on to its child.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicI32, Ordering};

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getgid, getuid};

use crate::process::find_on_path;

/// The variable that tells a program that it runs in the namespaces.
const INSIDE: &str = "KSVC_ROUTER_IN_NAMESPACES";

/// The name of the script that runs a command in the namespaces, in the folder for temporary files.
const ENTER: &str = "enter";

/// The programs that make and use the network, with the Debian package of each.
const PROGRAMS: [(&str, &str); 5] =
    [("ip", "iproute2"), ("nft", "nftables"), ("unshare", "util-linux"), ("nsenter", "util-linux"), ("mount", "mount")];

/// Runs this program again, with the same arguments, in namespaces of its own. Returns its exit code, or `None` if this
/// is the program in the namespaces. This must be called before the first thread is started.
pub fn enter() -> Result<Option<ExitCode>> {
    if are_entered() {
        prepare()?;
        return Ok(None);
    }
    check_machine()?;
    let is_root = getuid().is_root();
    if !is_root {
        let (user, group) = (getuid(), getgid());
        unshare(CloneFlags::CLONE_NEWUSER).with_context(no_namespaces)?;
        fs::write("/proc/self/setgroups", "deny").with_context(no_namespaces)?;
        fs::write("/proc/self/uid_map", format!("0 {user} 1")).with_context(no_namespaces)?;
        fs::write("/proc/self/gid_map", format!("0 {group} 1")).with_context(no_namespaces)?;
    }
    // The handler comes first: no thread can be started any more once the processes have a namespace of their own.
    static CHILD: AtomicI32 = AtomicI32::new(0);
    ctrlc::set_handler(|| {
        let child = CHILD.load(Ordering::Relaxed);
        if child == 0 {
            std::process::exit(130);
        }
        let _ = kill(Pid::from_raw(child), Signal::SIGTERM);
    })?;
    let flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    unshare(flags).with_context(no_namespaces)?;
    // All files of the run. This program deletes them, because the other one may be killed.
    let files = tempfile::Builder::new().prefix("ksvc-router-knative-").tempdir()?;
    let mut again = Command::new(env::current_exe()?);
    again.args(env::args_os().skip(1)).env(INSIDE, "1").env("TMPDIR", files.path());
    let mut child = again.spawn().context("cannot start this program")?;
    CHILD.store(i32::try_from(child.id())?, Ordering::Relaxed);
    write_script(&files.path().join(ENTER), child.id(), is_root)?;
    let status = child.wait()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(Some(ExitCode::from(u8::try_from(code).unwrap_or(1))))
}

/// Returns whether this program runs in the namespaces.
pub fn are_entered() -> bool {
    env::var_os(INSIDE).is_some()
}

/// Returns the path of a script that runs a command in the namespaces, with the kubeconfig beside the script. Without a
/// command, it starts a shell. It is for a user in another shell.
pub fn script() -> PathBuf {
    env::temp_dir().join(ENTER)
}

/// Returns the path of the kubeconfig that the script uses. The program in the namespaces puts it there.
pub fn kubeconfig() -> PathBuf {
    env::temp_dir().join("kubeconfig")
}

fn write_script(path: &Path, process: u32, is_root: bool) -> Result<()> {
    let user = if is_root { "" } else { "--user --preserve-credentials " };
    let lines = [
        "#!/bin/sh",
        "[ $# -gt 0 ] || set -- \"${SHELL:-sh}\"",
        "export KUBECONFIG=\"${0%/*}/kubeconfig\"",
        &format!("exec nsenter --target {process} {user}--net --mount --pid --wd=. -- \"$@\""),
    ];
    fs::write(path, lines.join("\n") + "\n")?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Checks whether this machine can run Knative. The error says in one line what is missing and what to do.
pub fn check_machine() -> Result<()> {
    for (program, package) in PROGRAMS {
        ensure!(
            find_on_path(program).is_some(),
            "Knative runs in Linux namespaces, and there is no `{program}` on PATH to set them up: install {package}"
        );
    }
    if getuid().is_root() {
        return Ok(());
    }
    let tried = Command::new("unshare").args(["--user", "--map-root-user", "--net", "true"]).output();
    if !tried.is_ok_and(|tried| tried.status.success()) {
        bail!(no_namespaces());
    }
    Ok(())
}

fn no_namespaces() -> String {
    "Knative runs in Linux namespaces, and this user may not make any: run this as root, or allow user namespaces \
     (`sysctl user.max_user_namespaces=1000`, and on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`)"
        .to_owned()
}

/// Makes the namespaces usable: /proc shows their processes, and loopback is up.
fn prepare() -> Result<()> {
    // Ends with the parent, even if that is killed.
    set_pdeathsig(Signal::SIGKILL)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("cannot make the mounts private")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).context("cannot mount /proc")?;
    super::network::ip(&["link set lo up"])
}
