//! Streams, edits and plugins come and go in one VM, in any order in which Envoy can call, with header maps that no
//! proxy makes. The VM never traps, and its memory stops growing. `MODULE_SEED=…` repeats a failing sequence.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use module_host::{Exchange, Head, Process, Root, Vm};
use serde_json::json;

use crate::random::Random;
use crate::{Doing, VERSION, shop, shop_with};

/// One VM, and everything that is open in it.
struct Chaos {
    vm: Vm,
    random: Random,
    documents: Vec<String>,
    plugins: Vec<Plugin>,
    /// The last steps, for the message of a failure.
    steps: Rc<RefCell<VecDeque<String>>>,
}

/// A plugin and its open streams. Envoy ends a plugin after the last of its streams.
struct Plugin {
    root: Root,
    streams: Vec<Exchange>,
}

const PLUGINS: [&str; 3] = ["a", "b", ""];

impl Chaos {
    fn new(process: &Process, seed: u64) -> Self {
        let all = json!({
            "hosts": ["api.example.com", "*.wild.example.com"],
            "denyDirect": true,
            "rewriteLocation": true,
            "stripBasePath": true,
            "cors": {"allowOrigins": ["https://*.example.com"], "allowCredentials": true},
            "requestHeaders": {"set": {"x-a": "{id}"}, "add": {"x-b": "{:route}"}, "remove": ["accept"]},
            "responseHeaders": {"set": {"x-a": "{rest}"}, "add": {"x-b": "c"}, "remove": ["server"]},
        });
        let documents = vec![
            shop().to_string(),
            shop_with(&all).to_string(),
            shop_with(&json!({"unsafePaths": "allow", "trailingSlash": "ignore", "name": "other"})).to_string(),
            shop_with(&json!({"surprise": 1})).to_string(),
            "{".to_owned(),
            String::new(),
        ];
        let vm = process.vm(&[(VERSION, "1")]);
        Chaos { vm, random: Random::of(seed), documents, plugins: Vec::new(), steps: Rc::default() }
    }

    fn note(&self, step: impl Into<String>) {
        let mut steps = self.steps.borrow_mut();
        steps.push_back(step.into());
        if steps.len() > 12 {
            steps.pop_front();
        }
    }

    fn step(&mut self) {
        if self.plugins.is_empty() || (self.plugins.len() < 3 && self.random.below(50) == 0) {
            let name = *self.random.pick(&PLUGINS);
            self.note(format!("a new plugin {name:?}"));
            return self.plugins.push(Plugin { root: self.vm.root(name), streams: Vec::new() });
        }
        let at = self.random.below(self.plugins.len());
        let open = self.plugins[at].streams.len();
        match self.random.below(40) {
            0..=5 if open < 10 => {
                let head = self.head();
                self.note(format!("plugin {at}: the request {head:?}"));
                let stream = self.plugins[at].root.send(head);
                self.plugins[at].streams.push(stream);
            }
            6..=9 => {
                let document = self.random.pick(&self.documents).clone();
                self.note(format!("plugin {at}: {document}"));
                assert!(self.plugins[at].root.configure(document));
            }
            10 => {
                self.note(format!("plugin {at}: a stream without a request"));
                self.plugins[at].root.stream_without_request();
            }
            11 if self.random.below(20) == 0 => {
                self.note(format!("plugin {at} ends"));
                let Plugin { root, streams } = self.plugins.swap_remove(at);
                drop(streams);
                root.done();
            }
            12..=14 if open > 0 => {
                let stream = self.random.below(open);
                self.note(format!("plugin {at}: stream {stream} ends"));
                drop(self.plugins[at].streams.swap_remove(stream));
            }
            _ if open > 0 => {
                let (stream, head) = (self.random.below(open), self.head());
                self.note(format!("plugin {at}: stream {stream} has the response {head:?}"));
                self.plugins[at].streams[stream].respond(head);
            }
            _ => {}
        }
    }

    /// Returns sensible headers, headers that no codec passes, and sometimes a map with wrong lengths.
    fn head(&mut self) -> Head {
        let random = &mut self.random;
        let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let hosts = ["api.example.com", "API.example.com.:80", "orders.shop.example.com", "x.wild.example.com", ""];
        let paths = [
            "/faas/orders/1?q=%zz",
            "/faas/payments/%2e%2e/a",
            "/faas/payments/a/b",
            "/faas/files/x.json",
            "/faas/ping",
            "/faas/old/1",
            "*",
            "",
            "/faas//",
            "/healthz",
            "/faas/orders/\u{e9}",
        ];
        let methods = ["GET", "HEAD", "OPTIONS", "DELETE", "", "G\u{e9}T"];
        for (name, values) in [(":authority", &hosts[..]), (":path", &paths), (":method", &methods)] {
            for _ in 0..*random.pick(&[0, 1, 1, 1, 1, 1, 2]) {
                pairs.push((name.into(), (*random.pick(values)).into()));
            }
        }
        let names = [
            "",
            "x",
            "origin",
            "access-control-request-method",
            "content-type",
            "location",
            "vary",
            "set-cookie",
            "x-forwarded-host",
            "k-network-probe",
            "user-agent",
            ":status",
            ":scheme",
            "x-beta",
            "\u{e9}",
            "x-envoy-original-path",
        ];
        let values = [
            "",
            "true",
            "https://app.example.com",
            "application/grpc",
            "http://orders.shop.example.com/orders/1?x",
            "kube-probe/1",
            "200",
            "GET",
            "\u{ff}",
            "//",
            "http://[",
            "*",
        ];
        for _ in 0..random.below(8) {
            pairs.push(((*random.pick(&names)).into(), (*random.pick(&values)).into()));
        }
        match random.below(200) {
            0 => {
                let many = pairs.len().max(1);
                pairs.extend((0..10_000).map(|n| (format!("x-{}", n % many).into_bytes(), b"v".to_vec())));
            }
            1 => pairs.push((b"x-long".to_vec(), vec![b'v'; 65_536])),
            2 => pairs.push((b":path".to_vec(), [b"/faas/payments/".as_slice(), &[b'%'; 65_536]].concat())),
            3 => pairs.push((vec![0xff; 65_536], b"v".to_vec())),
            4..10 => pairs.push((vec![0xc3, random.byte() | 0x80], vec![0xff, 0xfe])),
            _ => {}
        }
        let head = Head::from_bytes(pairs);
        if random.below(8) > 0 {
            return head;
        }
        let mut bytes = head.serialized();
        match random.below(4) {
            0 => bytes.truncate(random.below(bytes.len() + 1)),
            1 => bytes.extend(vec![0; 100]),
            2 => bytes[..4].copy_from_slice(&random.pick(&[0, 1, 9, 65_536, u32::MAX]).to_le_bytes()),
            // An empty map has no lengths.
            _ if bytes.len() < 8 => {}
            _ => {
                // The length of a name or a value.
                let at = 4 * (1 + random.below(bytes.len() / 4 - 1).min(2 * 8));
                bytes[at..at + 4].copy_from_slice(&random.pick(&[0, 3, 65_536, 1 << 31, u32::MAX]).to_le_bytes());
            }
        }
        head.raw_map(bytes)
    }
}

#[test]
fn callbacks_in_any_order_of_envoy_never_trap_and_memory_stops_growing() {
    const VMS: usize = 4;
    const STEPS: usize = 50_000;
    let mut seeds = Random::new("MODULE_SEED");
    for index in 0..VMS {
        let seed = if index == 0 { seeds.seed() } else { seeds.next() };
        let process = Process::new();
        let mut chaos = Chaos::new(&process, seed);
        let steps = Rc::clone(&chaos.steps);
        let _doing = Doing(|| format!("MODULE_SEED={seed}, the last steps: {:#?}", steps.borrow()));
        let mut memory = Vec::new();
        for step in 1..=STEPS {
            chaos.step();
            if step % (STEPS / 10) == 0 {
                memory.push(chaos.vm.memory());
                // Logs and shared data are in the host's memory. Only the module's memory counts.
                process.clear_logs();
            }
        }
        let metrics = process.metrics().into_iter();
        let routed = metrics.filter(|(name, _)| name.ends_with("routed")).map(|(_, count)| count).sum::<u64>();
        assert!(routed > STEPS as u64 / 1000, "MODULE_SEED={seed}: only {routed} requests were routed");
        println!("memory after every tenth of {STEPS} calls, in bytes: {memory:?}");
        // Large maps are rare, and the allocator settles only after a few of them.
        let (half, end) = (memory[memory.len() / 2], memory[memory.len() - 1]);
        assert!(end <= half + (1 << 20), "MODULE_SEED={seed}: the memory grows: {memory:?}");
    }
}
