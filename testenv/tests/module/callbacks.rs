//! Every callback that the module exports, in any order, for contexts that are there, were there or never will be, with
//! header maps that no proxy makes: never a trap, and the memory levels off. `MODULE_SEED=…` runs a failing sequence again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use module_host::{Head, Module, Process, Vm};
use serde_json::json;

use crate::random::Random;
use crate::{Doing, VERSION, shop, shop_with};

/// What a root can be told, with a number behind its own.
const OF_ROOTS: [&str; 2] = ["proxy_on_configure", "proxy_on_tick"];

const OF_STREAMS: [&str; 2] = ["proxy_on_request_headers", "proxy_on_response_headers"];

/// What is called while the module starts and is given values.
const LEFT_OUT: [&str; 4] = ["_initialize", "memory", "proxy_abi_version_0_2_1", "proxy_on_memory_allocate"];

/// Behind the context's number.
fn arity(callback: &str) -> usize {
    match callback {
        "proxy_on_tick" => 0,
        "proxy_on_configure" | "proxy_on_context_create" => 1,
        _ => 2,
    }
}

#[test]
fn no_export_is_forgotten() {
    let known = [&OF_ROOTS[..], &OF_STREAMS, &LEFT_OUT, &["proxy_on_context_create"]].concat();
    let exports = Module::plugin().exports();
    let forgotten: Vec<_> = exports.iter().filter(|export| !known.contains(&export.as_str())).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
}

/// A callback and its numbers.
type Call = (&'static str, Vec<u32>);

/// One VM in the midst of everything.
struct Chaos {
    vm: Vm,
    random: Random,
    documents: Vec<String>,
    roots: Vec<u32>,
    streams: Vec<u32>,
    next: u32,
    /// The last calls, for the message of a failure.
    done: Rc<RefCell<VecDeque<Call>>>,
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
        let random = Random::of(seed);
        Chaos { vm, random, documents, roots: Vec::new(), streams: Vec::new(), next: 1, done: Rc::default() }
    }

    fn call(&mut self, callback: &'static str, arguments: Vec<u32>) {
        let mut done = self.done.borrow_mut();
        done.push_back((callback, arguments.clone()));
        if done.len() > 12 {
            done.pop_front();
        }
        drop(done);
        self.vm.call(callback, &arguments);
    }

    fn number(&mut self) -> u32 {
        *self.random.pick(&[0, 1, 2, 7, 10_000, u32::MAX])
    }

    fn create(&mut self, parent: u32) -> u32 {
        let id = self.next;
        self.next += 1;
        self.call("proxy_on_context_create", vec![id, parent]);
        id
    }

    fn step(&mut self) {
        if self.roots.is_empty() || (self.roots.len() < 3 && self.random.below(50) == 0) {
            let id = self.next;
            let plugin = *self.random.pick(&PLUGINS);
            self.vm.know_root(id, plugin, b"");
            self.create(0);
            return self.roots.push(id);
        }
        let root = *self.random.pick(&self.roots);
        match self.random.below(40) {
            0..=5 if self.streams.len() < 20 => {
                let (request, response) = (self.head(), self.head());
                self.vm.know_stream(self.next, root, request, response);
                let id = self.create(root);
                self.streams.push(id);
                // As Envoy does, which has no other order.
                if self.random.below(2) == 0 {
                    self.with_numbers("proxy_on_request_headers", id);
                }
            }
            6..=9 => {
                let callback = *self.random.pick(&OF_ROOTS);
                if callback == "proxy_on_configure" {
                    let document = self.random.pick(&self.documents).clone();
                    let plugin = *self.random.pick(&PLUGINS);
                    self.vm.know_root(root, plugin, document.as_bytes());
                }
                self.with_numbers(callback, root);
            }
            // Of nobody, or anybody: roots taken for streams, a second beginning, numbers that come back.
            10 => {
                let callbacks = [&OF_ROOTS[..], &OF_STREAMS, &["proxy_on_context_create"]].concat();
                let context = match self.random.below(3) {
                    0 => self.number(),
                    1 => u32::try_from(self.random.below(self.next as usize + 3)).expect("few steps"),
                    _ => *self.random.pick(&[self.roots.as_slice(), &self.streams].concat()),
                };
                let callback = *self.random.pick(&callbacks);
                self.with_numbers(callback, context);
            }
            // Roots too, with their streams alive.
            11 if self.random.below(20) == 0 => {
                self.roots.retain(|known| *known != root);
                self.vm.forget(root);
            }
            12..=14 if !self.streams.is_empty() => {
                let at = self.random.below(self.streams.len());
                let stream = self.streams.swap_remove(at);
                self.vm.forget(stream);
            }
            _ if !self.streams.is_empty() => {
                let (stream, callback) = (*self.random.pick(&self.streams), *self.random.pick(&OF_STREAMS));
                self.with_numbers(callback, stream);
            }
            _ => {}
        }
    }

    fn with_numbers(&mut self, callback: &'static str, context: u32) {
        let mut arguments = vec![context];
        for _ in 0..arity(callback) {
            arguments.push(self.number());
        }
        self.call(callback, arguments);
    }

    /// Headers that make sense, and some that no codec lets through; now and then a map whose lengths lie.
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
        let mut octets = head.serialised();
        match random.below(4) {
            0 => octets.truncate(random.below(octets.len() + 1)),
            1 => octets.extend(vec![0; 100]),
            2 => octets[..4].copy_from_slice(&random.pick(&[0, 1, 9, 65_536, u32::MAX]).to_le_bytes()),
            // A map of nothing has no lengths.
            _ if octets.len() < 8 => {}
            _ => {
                // The length of a name or a value.
                let at = 4 * (1 + random.below(octets.len() / 4 - 1).min(2 * 8));
                octets[at..at + 4].copy_from_slice(&random.pick(&[0, 3, 65_536, 1 << 31, u32::MAX]).to_le_bytes());
            }
        }
        head.serialised_as(octets)
    }
}

#[test]
fn callbacks_in_any_order_never_trap_and_memory_levels_off() {
    const VMS: usize = 4;
    const STEPS: usize = 50_000;
    let mut seeds = Random::new("MODULE_SEED");
    for index in 0..VMS {
        let seed = if index == 0 { seeds.seed() } else { seeds.next() };
        let process = Process::new();
        let mut chaos = Chaos::new(&process, seed);
        let done = Rc::clone(&chaos.done);
        let _doing = Doing(|| format!("MODULE_SEED={seed}, the last calls being {:?}", done.borrow()));
        let mut memory = Vec::new();
        for step in 1..=STEPS {
            chaos.step();
            if step % (STEPS / 10) == 0 {
                memory.push(chaos.vm.memory());
                // Logs and shared data are the host's; only the module's memory is looked at.
                process.clear_logs();
            }
        }
        let metrics = process.metrics().into_iter();
        let routed = metrics.filter(|(name, _)| name.ends_with("routed")).map(|(_, count)| count).sum::<u64>();
        assert!(routed > STEPS as u64 / 1000, "MODULE_SEED={seed}: only {routed} requests were routed");
        println!("memory after every tenth of {STEPS} calls, in bytes: {memory:?}");
        // Big maps are rare, and the allocator needs a few of them to find its places.
        let (half, end) = (memory[memory.len() / 2], memory[memory.len() - 1]);
        assert!(end <= half + (1 << 20), "MODULE_SEED={seed}: the memory grows: {memory:?}");
    }
}
