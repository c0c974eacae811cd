//! The network of the node and its pods. All pods hang on one bridge, each in a network namespace of its own, because
//! Knative's parts listen on fixed ports. The node, which runs everything that is not a pod, is the bridge's own
//! address.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::istio::control_plane::SERVICES;

/// The address of the node, which pods have as gateway and as DNS server.
pub const NODE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);

/// The length of the network's prefix. `PODS` is the network itself.
const PREFIX: u8 = 16;
pub const PODS: &str = "10.88.0.0/16";

const BRIDGE: &str = "ksvc-router";

/// Makes the bridge.
pub fn set_up() -> Result<()> {
    ip(&[
        &format!("link add name {BRIDGE} type bridge"),
        &format!("addr add {NODE}/{PREFIX} dev {BRIDGE}"),
        &format!("link set {BRIDGE} up"),
        // kube-proxy replaces the address of a Service by that of a pod, but only if there is a route to it.
        &format!("route add {SERVICES} dev {BRIDGE}"),
    ])?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot switch on IP forwarding")
}

/// The namespaces of a pod. They end when this is dropped and the pod's programs have ended.
#[derive(Debug)]
pub struct Sandbox {
    pause: Child,
    _input: ChildStdin,
}

/// Runs in the pod's new namespaces. It says when they exist, waits until the network device is in them, configures it,
/// and stays, as the pause container of a pod does.
const PAUSE: &str = r#"
mount --bind "$1" /etc/resolv.conf && echo made && read -r _ || exit 1
ip -batch - <<BATCH || exit 1
link set lo up
addr add $2 dev eth0
link set eth0 up
route add default via $3
BATCH
echo ready
exec cat
"#;

impl Sandbox {
    /// Makes the namespaces of the pod with this number, which gets the address with this number.
    pub fn new(number: u16, resolv_conf: &Path) -> Result<Self> {
        let address = address(number);
        let mut unshare = Command::new("unshare");
        unshare.args(["--net", "--mount", "sh", "-c", PAUSE, "pause"]).arg(resolv_conf);
        unshare.args([&format!("{address}/{PREFIX}"), &NODE.to_string()]);
        let mut pause = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("cannot start unshare")?;
        let mut input = pause.stdin.take().context("the standard input of a pod")?;
        let output = BufReader::new(pause.stdout.take().context("the standard output of a pod")?);
        let mut lines = output.lines();
        let mut expect = |expected: &str| {
            let line = lines.next().transpose()?.unwrap_or_default();
            ensure!(line == expected, "the namespaces of a pod can't be set up; the messages are above");
            Ok(())
        };
        expect("made")?;
        let device = format!("pod{number}");
        ip(&[
            &format!("link add name {device} type veth peer name eth0 netns {}", pause.id()),
            &format!("link set {device} master {BRIDGE} up"),
        ])?;
        input.write_all(b"\n")?;
        expect("ready")?;
        Ok(Self { pause, _input: input })
    }

    /// Returns a command that runs this command line in the namespaces.
    pub fn command(&self, command_line: &[OsString]) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.pause.id().to_string(), "--net", "--mount", "--"]).args(command_line);
        nsenter
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.pause.kill();
        let _ = self.pause.wait();
    }
}

/// Returns the address of the pod with this number.
pub fn address(number: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(NODE) + u32::from(number))
}

/// Runs commands of the program `ip`.
pub(super) fn ip(commands: &[&str]) -> Result<()> {
    let mut ip = Command::new("ip");
    let mut child = ip.args(["-batch", "-"]).stdin(Stdio::piped()).spawn().context("cannot start ip")?;
    child.stdin.take().context("the standard input of ip")?.write_all((commands.join("\n") + "\n").as_bytes())?;
    ensure!(child.wait()?.success(), "ip {}: failed; the messages are above", commands.join(" && ip "));
    Ok(())
}
