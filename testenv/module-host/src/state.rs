//! What the host keeps for the process, for a VM, for a plugin in it, and for a request.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;

use wasmtime::{Memory, TypedFunc};

/// A header's name and value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Headers in their order, with names in lower case, as in Envoy's header maps.
#[derive(Default, Clone, PartialEq, Eq)]
pub struct HeaderMap(Vec<Pair>);

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        f.debug_list().entries(self.0.iter().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

impl FromIterator<Pair> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = Pair>>(pairs: I) -> Self {
        let lower = |(name, value): Pair| (name.to_ascii_lowercase(), value);
        HeaderMap(pairs.into_iter().map(lower).collect())
    }
}

impl HeaderMap {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn pairs(&self) -> &[Pair] {
        &self.0
    }

    /// Returns the value of the first header of this name.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let name = name.as_ref();
        let found = self.0.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_slice())
    }

    /// Returns the value of the first header of this name as text, for assertions.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Returns how many headers have this name.
    pub fn count(&self, name: &str) -> usize {
        let name = name.as_bytes();
        let same = self.0.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.count()
    }

    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        self.0.push((name.to_ascii_lowercase(), value.to_vec()));
    }

    /// Leaves one header of this name, in the place of the first one.
    pub(crate) fn replace(&mut self, name: &[u8], value: &[u8]) {
        let at = self.0.iter().position(|(n, _)| n.eq_ignore_ascii_case(name));
        let Some(at) = at else {
            return self.add(name, value);
        };
        self.0[at].1 = value.to_vec();
        let mut index = 0;
        self.0.retain(|(n, _)| {
            let keep = index <= at || !n.eq_ignore_ascii_case(name);
            index += 1;
            keep
        });
    }

    pub(crate) fn remove(&mut self, name: &[u8]) {
        self.0.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
    }

    /// Returns the form in which proxy-wasm passes headers: their number, all sizes, then names and values with a NUL
    /// behind each.
    pub(crate) fn serialize(&self) -> Vec<u8> {
        let word = |n: usize| u32::try_from(n).expect("headers below 4 GiB").to_le_bytes();
        let mut bytes = word(self.0.len()).to_vec();
        for (name, value) in &self.0 {
            bytes.extend(word(name.len()));
            bytes.extend(word(value.len()));
        }
        for part in self.0.iter().flat_map(|(name, value)| [name, value]) {
            bytes.extend(part);
            bytes.push(0);
        }
        bytes
    }

    /// Returns `None` if the bytes are not in that form.
    pub(crate) fn deserialize(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() {
            return Some(HeaderMap::default());
        }
        let word = |at: usize| {
            let word = bytes.get(at..at + 4)?.try_into().ok()?;
            usize::try_from(u32::from_le_bytes(word)).ok()
        };
        let count = word(0)?;
        let mut at = 4 + count.checked_mul(8)?;
        let mut take = |size: usize| {
            let part = bytes.get(at..at + size)?;
            at += size + 1;
            Some(part.to_vec())
        };
        let mut pairs = Vec::new();
        for n in 0..count {
            let (name, value) = (word(4 + n * 8)?, word(8 + n * 8)?);
            pairs.push((take(name)?, take(value)?));
        }
        Some(pairs.into_iter().collect())
    }
}

/// A response that the module sent itself.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LocalResponse {
    pub status: u32,
    /// The text of `%RESPONSE_CODE_DETAILS%`.
    pub details: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// -1 where the module gave none.
    pub grpc_status: i32,
}

/// The level of a log line, in Envoy's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Critical,
}

impl Level {
    pub(crate) fn from_wire(level: u32) -> Option<Self> {
        Some(match level {
            0 => Level::Trace,
            1 => Level::Debug,
            2 => Level::Info,
            3 => Level::Warn,
            4 => Level::Error,
            5 => Level::Critical,
            _ => return None,
        })
    }
}

/// A line that the module logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    pub level: Level,
    pub text: String,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}] {}", self.level, self.text)
    }
}

/// The cost of a callback.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Counts {
    /// The number of host calls, by name.
    pub calls: BTreeMap<&'static str, u32>,
    /// The number of wasm instructions.
    pub instructions: u64,
    /// The number of bytes that the host wrote to the module's memory and read from it.
    pub copied: usize,
}

impl Counts {
    /// Returns the number of all host calls.
    pub fn host_calls(&self) -> u32 {
        self.calls.values().sum()
    }
}

impl std::ops::AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        for (name, count) in &other.calls {
            *self.calls.entry(name).or_default() += count;
        }
        self.instructions += other.instructions;
        self.copied += other.copied;
    }
}

/// What all VMs of a process share.
#[derive(Default)]
pub(crate) struct Shared {
    /// Each value with its CAS number, which is never 0.
    pub(crate) data: BTreeMap<String, (Vec<u8>, u32)>,
    pub(crate) cas: u32,
    pub(crate) counters: BTreeMap<String, u64>,
    pub(crate) gauges: BTreeMap<String, u64>,
    pub(crate) logs: Vec<Log>,
    /// Calls that fail at once, with the status that they return.
    pub(crate) failing: BTreeMap<&'static str, u32>,
    pub(crate) random: u64,
}

impl Shared {
    pub(crate) fn write(&mut self, key: &str, value: Vec<u8>) {
        self.cas += 1;
        self.data.insert(key.to_owned(), (value, self.cas));
    }

    /// Returns the same numbers in every process, so that costs never differ from run to run.
    pub(crate) fn random_byte(&mut self) -> u8 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random.to_be_bytes()[0]
    }
}

/// One VM.
pub(crate) struct State {
    pub(crate) shared: Rc<RefCell<Shared>>,
    /// `NAME=value`.
    pub(crate) env: Vec<String>,
    pub(crate) memory: Option<Memory>,
    pub(crate) allocate: Option<TypedFunc<u32, u32>>,
    pub(crate) roots: HashMap<u32, RootState>,
    pub(crate) streams: HashMap<u32, StreamState>,
    /// The context whose callback is running.
    pub(crate) context: u32,
    pub(crate) metrics: Vec<(MetricKind, String)>,
    pub(crate) counts: Counts,
    pub(crate) violations: Vec<String>,
    pub(crate) dead: bool,
}

impl State {
    pub(crate) fn new(shared: Rc<RefCell<Shared>>, env: Vec<String>) -> Self {
        State {
            shared,
            env,
            memory: None,
            allocate: None,
            roots: HashMap::new(),
            streams: HashMap::new(),
            context: 0,
            metrics: Vec::new(),
            counts: Counts::default(),
            violations: Vec::new(),
            dead: false,
        }
    }

    /// Returns the plugin to which the running callback belongs.
    pub(crate) fn root(&mut self) -> Option<&mut RootState> {
        let stream = self.streams.get(&self.context);
        let id = stream.map_or(self.context, |stream| stream.root);
        self.roots.get_mut(&id)
    }

    /// Returns the stream to which the running callback belongs.
    pub(crate) fn stream(&mut self) -> Option<&mut StreamState> {
        self.streams.get_mut(&self.context)
    }

    /// Returns the end of the log, for the message of a panic.
    pub(crate) fn last_log_lines(&self) -> String {
        let shared = self.shared.borrow();
        let logs = &shared.logs;
        let last = logs.iter().skip(logs.len().saturating_sub(10));
        let lines: Vec<String> = last.map(|log| format!("  {log}")).collect();
        format!("its last log lines:\n{}", lines.join("\n"))
    }
}

/// One plugin in a VM.
#[derive(Default)]
pub(crate) struct RootState {
    pub(crate) plugin_name: String,
    pub(crate) configuration: Vec<u8>,
}

/// One request.
#[derive(Default)]
pub(crate) struct StreamState {
    pub(crate) root: u32,
    pub(crate) phase: Phase,
    pub(crate) request: HeaderMap,
    pub(crate) response: HeaderMap,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) local_response: Option<LocalResponse>,
    pub(crate) route_cache_clears: u32,
    /// Bytes that the module gets in place of a header map.
    pub(crate) raw_map: Option<Vec<u8>>,
}

/// How far a request has come. This decides which headers can be read and changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The request's headers can be read and changed.
    #[default]
    Request,
    /// The request has gone on, and no headers can be read.
    Upstream,
    /// The response's headers can be read and changed.
    Response,
    /// The headers of both can be read.
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn serialized_headers_are_read_back() {
        for headers in [map(&[]), map(&[(":path", "/a"), ("x", ""), ("x", "2")])] {
            assert_eq!(HeaderMap::deserialize(&headers.serialize()), Some(headers.clone()));
        }
    }

    #[test]
    fn truncated_headers_are_not_read() {
        let bytes = map(&[("a", "b"), ("c", "d")]).serialize();
        // Without the last NUL, the value before it can still be read.
        for end in 1..bytes.len() - 1 {
            assert_eq!(HeaderMap::deserialize(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn replacing_leaves_one_header_in_the_place_of_the_first() {
        let mut headers = map(&[("a", "1"), ("b", "2"), ("A", "3")]);
        headers.replace(b"a", b"4");
        assert_eq!(headers, map(&[("a", "4"), ("b", "2")]));
        headers.replace(b"c", b"5");
        assert_eq!(headers, map(&[("a", "4"), ("b", "2"), ("c", "5")]));
    }
}
