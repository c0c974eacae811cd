//! Which requests a table decides on, and why it leaves the others untouched.

use crate::path::RequestPath;
use crate::request::Head;
use crate::table::RouteTable;
use crate::table::hosts::{self, Membership};

/// Why a request is out of scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutOfScope {
    /// It has no path.
    NoPath,
    /// `hosts` does not have its host.
    Host,
    /// It is Knative's own probe of a host.
    Probe,
    /// Another table on the same gateway has routed it.
    Routed,
    /// It is a challenge for a certificate, which Knative answers.
    Challenge,
    /// It is `OPTIONS *`, which asks about the server.
    Server,
    /// Its path is not below `basePath`.
    BasePath,
}

/// Where a request stands to the scope of a table.
pub(crate) enum Scope<'a> {
    /// It is in scope. The value is its path.
    In(&'a [u8]),
    /// It is out of scope, and is left untouched.
    Out(OutOfScope),
    /// It uses the host of a target directly, which `denyDirect` forbids.
    Direct,
}

impl RouteTable {
    /// Finds out whether a request is in scope. `already_routed` is that of [`decide`](RouteTable::decide).
    pub(crate) fn scope<'a>(&self, head: &Head<'a>, already_routed: impl FnOnce() -> bool) -> Scope<'a> {
        let Some(path) = head.path else { return Scope::Out(OutOfScope::NoPath) };
        let host = &*hosts::normalize_host(head.authority.unwrap_or_default());
        let membership = self.settings.hosts.membership(&self.strings, host);
        let direct = self.settings.deny_direct
            && matches!(membership, None | Some(Membership::Any))
            && (hosts::contains(&self.strings, self.settings.other_hosts, host) || self.is_ksvc_host(host));
        if membership.is_none() && !direct {
            return Scope::Out(OutOfScope::Host);
        }
        // A host that `hosts` names exactly is public and not the host of a KSVC, so a probe to it is an ordinary
        // request.
        if head.is_network_probe && membership != Some(Membership::Exact) && self.lets_probe_pass(host, path) {
            return Scope::Out(OutOfScope::Probe);
        }
        if head.has_forwarded_host && already_routed() {
            return Scope::Out(OutOfScope::Routed);
        }
        if direct {
            return if is_challenge(path) { Scope::Out(OutOfScope::Challenge) } else { Scope::Direct };
        }
        if path == b"*" && head.method == Some(b"OPTIONS") {
            return Scope::Out(OutOfScope::Server);
        }
        if self.base.contains(path) { Scope::In(path) } else { Scope::Out(OutOfScope::BasePath) }
    }

    /// Returns whether one of Knative's probes to a host is left alone. Knative's proxies answer it themselves, on
    /// whatever path. The `host` of a route may be no KSVC, and then every path but that of net-istio's probes could
    /// reach something else.
    #[inline(never)]
    fn lets_probe_pass(&self, host: &[u8], path: &[u8]) -> bool {
        path == b"/healthz"
            || !hosts::contains(&self.strings, self.settings.other_hosts, host)
            || self.is_ksvc_host(host)
    }
}

/// Returns whether a path is that of a challenge for a certificate. A path that can be read in two ways is not, because a
/// proxy behind the gateway may take `/.well-known/acme-challenge/../admin` for `/admin`.
#[inline(never)]
fn is_challenge(path: &[u8]) -> bool {
    path.starts_with(b"/.well-known/acme-challenge/") && RequestPath::read(path).hazard.is_none()
}
