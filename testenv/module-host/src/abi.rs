//! The host calls of proxy-wasm 0.2.1, as far as an HTTP filter has use for them, and with Envoy's answers: which
//! status for what, what can be read when, and that changed request headers clear the route cache.

use wasmtime::{Caller, FuncType, Linker};

use crate::state::{HeaderMap, Level, LocalResponse, Log, MetricKind, Phase, RootState, State, StreamState};

/// The calls of the module `env` that this host carries out: those that the plugin makes.
pub const HOST_CALLS: &[&str] = &[
    "proxy_add_header_map_value",
    "proxy_define_metric",
    "proxy_get_buffer_bytes",
    "proxy_get_header_map_pairs",
    "proxy_get_property",
    "proxy_get_shared_data",
    "proxy_increment_metric",
    "proxy_log",
    "proxy_record_metric",
    "proxy_remove_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_send_local_response",
    "proxy_set_property",
    "proxy_set_shared_data",
];

/// Calls that Envoy has as well. A module may import them, and traps when it makes one: the SDK's traits have a method
/// for each, which the plugin inherits and never calls.
pub const UNUSED_CALLS: &[&str] = &[
    "proxy_call_foreign_function",
    "proxy_close_stream",
    "proxy_continue_stream",
    "proxy_dequeue_shared_queue",
    "proxy_done",
    "proxy_enqueue_shared_queue",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_value",
    "proxy_get_status",
    "proxy_grpc_call",
    "proxy_grpc_cancel",
    "proxy_grpc_close",
    "proxy_grpc_send",
    "proxy_grpc_stream",
    "proxy_http_call",
    "proxy_register_shared_queue",
    "proxy_resolve_shared_queue",
    "proxy_set_buffer_bytes",
    "proxy_set_header_map_pairs",
    "proxy_set_tick_period_milliseconds",
];

/// What a host call answers other than Ok (0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NotFound = 1,
    BadArgument = 2,
    InvalidMemoryAccess = 6,
    CasMismatch = 8,
}

/// How a host call ends: done, refused with a status, or with a trap of the module that was asked for memory.
enum End {
    Refused(Refusal),
    Trapped(wasmtime::Error),
}

impl From<Refusal> for End {
    fn from(refusal: Refusal) -> Self {
        End::Refused(refusal)
    }
}

type Answer<T = ()> = Result<T, End>;

/// The module that made the call: its memory, and the state of its VM.
pub(crate) struct Guest<'a, 'b> {
    caller: &'a mut Caller<'b, State>,
}

impl<'a, 'b> Guest<'a, 'b> {
    /// Counts the call.
    pub(crate) fn new(caller: &'a mut Caller<'b, State>, call: &'static str) -> Self {
        *caller.data_mut().counts.calls.entry(call).or_default() += 1;
        Guest { caller }
    }

    pub(crate) fn state(&mut self) -> &mut State {
        self.caller.data_mut()
    }

    /// The bytes at an address; `None` outside of the memory.
    pub(crate) fn get(&mut self, at: u32, size: u32) -> Option<Vec<u8>> {
        let memory = self.caller.data().memory?;
        let at = usize::try_from(at).ok()?;
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        let bytes = memory.data(&*self.caller).get(at..end)?.to_vec();
        self.caller.data_mut().counts.copied += bytes.len();
        Some(bytes)
    }

    pub(crate) fn put(&mut self, at: u32, bytes: &[u8]) -> Option<()> {
        let memory = self.caller.data().memory?;
        let at = usize::try_from(at).ok()?;
        memory.write(&mut *self.caller, at, bytes).ok()?;
        self.caller.data_mut().counts.copied += bytes.len();
        Some(())
    }

    pub(crate) fn word(&mut self, at: u32) -> Option<u32> {
        let memory = self.caller.data().memory?;
        let at = usize::try_from(at).ok()?;
        let word = memory.data(&*self.caller).get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(word.try_into().ok()?))
    }

    pub(crate) fn put_word(&mut self, at: u32, word: u32) -> Option<()> {
        let memory = self.caller.data().memory?;
        let at = usize::try_from(at).ok()?;
        memory.write(&mut *self.caller, at, &word.to_le_bytes()).ok()
    }

    fn bytes(&mut self, at: u32, size: u32) -> Answer<Vec<u8>> {
        let bytes = self.get(at, size);
        bytes.ok_or_else(|| self.violation(Refusal::InvalidMemoryAccess, "an address out of bounds"))
    }

    fn text(&mut self, at: u32, size: u32) -> Answer<String> {
        let bytes = self.bytes(at, size)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn give_word(&mut self, at: u32, word: u32) -> Answer {
        let put = self.put_word(at, word);
        put.ok_or_else(|| self.violation(Refusal::InvalidMemoryAccess, "an address out of bounds"))
    }

    /// Hands bytes to the module in memory that it allocates; nothing is allocated for none.
    fn give(&mut self, data_at: u32, size_at: u32, bytes: &[u8]) -> Answer {
        let size = u32::try_from(bytes.len()).expect("values below 4 GiB");
        let mut at = 0;
        if size > 0 {
            let allocate = self.caller.data().allocate.clone();
            let allocate = allocate.expect("found when the VM started");
            at = allocate.call(&mut *self.caller, size).map_err(End::Trapped)?;
            if at == 0 || self.put(at, bytes).is_none() {
                return Err(self.violation(Refusal::InvalidMemoryAccess, "no memory given"));
            }
        }
        self.give_word(data_at, at)?;
        self.give_word(size_at, size)
    }

    /// Refuses, and has the running test fail: no filter may do this, whatever the request or configuration.
    fn violation(&mut self, refusal: Refusal, what: &str) -> End {
        self.state().violations.push(what.to_owned());
        End::Refused(refusal)
    }

    fn stream(&mut self) -> Answer<&mut StreamState> {
        Ok(self.state().stream().ok_or(Refusal::BadArgument)?)
    }

    fn root(&mut self) -> Answer<&mut RootState> {
        Ok(self.state().root().ok_or(Refusal::BadArgument)?)
    }

    /// A header map that can be read now.
    fn map(&mut self, kind: u32) -> Answer<&HeaderMap> {
        let stream = self.stream()?;
        match (kind, stream.phase) {
            (REQUEST_HEADERS, Phase::Request | Phase::Log) => Ok(&stream.request),
            (RESPONSE_HEADERS, Phase::Response | Phase::Log) => Ok(&stream.response),
            _ => Err(Refusal::BadArgument.into()),
        }
    }

    /// Changes a header map that can be changed now.
    fn change(&mut self, kind: u32, change: impl FnOnce(&mut HeaderMap)) -> Answer {
        let stream = self.stream()?;
        match (kind, stream.phase) {
            (REQUEST_HEADERS, Phase::Request) => {
                change(&mut stream.request);
                stream.route_cache_clears += 1;
            }
            (RESPONSE_HEADERS, Phase::Response) => change(&mut stream.response),
            _ => return Err(Refusal::BadArgument.into()),
        }
        Ok(())
    }

    fn name(&mut self, kind: u32, at: u32, size: u32) -> Answer<Vec<u8>> {
        let name = self.bytes(at, size)?;
        if kind == REQUEST_HEADERS && name.eq_ignore_ascii_case(b"host") {
            return Ok(b":authority".to_vec());
        }
        Ok(name)
    }

    /// A header to be written. One that would split the message is a violation.
    fn header(&mut self, name: &[u8], value: &[u8]) -> Answer {
        let splits = |byte: &u8| matches!(byte, b'\0' | b'\r' | b'\n');
        if name.is_empty() || name.iter().chain(value).any(splits) {
            // Where the host's own map was broken there is no message to split. Envoy does not check.
            if self.stream()?.serialised.is_some() {
                return Ok(());
            }
            let header =
                format!("the header {:?}: {:?}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            return Err(self.violation(Refusal::BadArgument, &header));
        }
        Ok(())
    }

    fn metric(&mut self, id: u32) -> Answer<(MetricKind, String)> {
        let metric = id.checked_sub(1).and_then(|index| {
            let index = usize::try_from(index).ok()?;
            self.state().metrics.get(index).cloned()
        });
        metric.ok_or_else(|| self.violation(Refusal::NotFound, "a metric that was not defined"))
    }
}

const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;
const PLUGIN_CONFIGURATION: u32 = 7;
const VM_CONFIGURATION: u32 = 6;

/// Links each call under its name: counted, refused where a fault is set, its answer made a status.
macro_rules! host_calls {
    ($linker:ident, $(fn $name:ident($guest:ident $(, $argument:ident: $type:ty)*) $body:block)*) => {
        $($linker.func_wrap(
            "env",
            stringify!($name),
            |mut caller: Caller<'_, State> $(, $argument: $type)*| -> wasmtime::Result<u32> {
                #[allow(unused_mut, reason = "not every call changes something")]
                let mut $guest = Guest::new(&mut caller, stringify!($name));
                if let Some(status) = fault(&mut $guest, stringify!($name)) {
                    return Ok(status);
                }
                match attempt(|| $body) {
                    Ok(()) => Ok(0),
                    Err(End::Refused(refusal)) => Ok(refusal as u32),
                    Err(End::Trapped(trap)) => Err(trap),
                }
            },
        )?;)*
    };
}

/// Runs a call's body, so that `?` ends the call and not its closure in the linker.
fn attempt(body: impl FnOnce() -> Answer) -> Answer {
    body()
}

fn fault(guest: &mut Guest<'_, '_>, call: &str) -> Option<u32> {
    guest.state().shared.borrow().faults.get(call).copied()
}

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_process(linker)?;
    link_headers(linker)?;
    link_stream(linker)?;
    link_metrics(linker)
}

/// Links the import `name` of [`UNUSED_CALLS`], of whatever type the module gives it.
pub(crate) fn link_unused(linker: &mut Linker<State>, name: &'static str, r#type: FuncType) -> wasmtime::Result<()> {
    linker.func_new("env", name, r#type, move |_, _, _| Err(wasmtime::Error::msg(format!("it called {name}"))))?;
    Ok(())
}

/// Log, buffers and shared data.
fn link_process(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_calls! { linker,
        fn proxy_log(guest, level: u32, data: u32, size: u32) {
            let text = guest.text(data, size)?;
            let level = Level::from_wire(level).ok_or(Refusal::BadArgument)?;
            guest.state().shared.borrow_mut().logs.push(Log { level, text });
            Ok(())
        }
        fn proxy_get_buffer_bytes(guest, kind: u32, start: u32, size: u32, data_at: u32, size_at: u32) {
            let bytes = match kind {
                PLUGIN_CONFIGURATION => guest.root()?.configuration.clone(),
                VM_CONFIGURATION => Vec::new(),
                _ => return Err(Refusal::NotFound.into()),
            };
            let start = usize::try_from(start).expect("32 bits at the least").min(bytes.len());
            let size = usize::try_from(size).expect("32 bits at the least").min(bytes.len() - start);
            guest.give(data_at, size_at, &bytes[start..start + size])
        }
        fn proxy_get_shared_data(guest, key: u32, key_size: u32, data_at: u32, size_at: u32, cas_at: u32) {
            let key = guest.text(key, key_size)?;
            let found = guest.state().shared.borrow().data.get(&key).cloned();
            let (value, cas) = found.ok_or(Refusal::NotFound)?;
            guest.give(data_at, size_at, &value)?;
            guest.give_word(cas_at, cas)
        }
        fn proxy_set_shared_data(guest, key: u32, key_size: u32, data: u32, size: u32, cas: u32) {
            let key = guest.text(key, key_size)?;
            let value = guest.bytes(data, size)?;
            let mut shared = guest.state().shared.borrow_mut();
            let current = shared.data.get(&key).map(|(_, cas)| *cas);
            if cas != 0 && current.is_some_and(|current| current != cas) {
                return Err(Refusal::CasMismatch.into());
            }
            shared.write(&key, value);
            Ok(())
        }
    }
    Ok(())
}

fn link_headers(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_calls! { linker,
        fn proxy_get_header_map_pairs(guest, kind: u32, data_at: u32, size_at: u32) {
            // A map that is not there reads as an empty one, and an empty one as no bytes at all.
            let broken = guest.stream().ok().and_then(|stream| stream.serialised.clone());
            let bytes = match guest.map(kind) {
                Ok(_) if broken.is_some() => broken.unwrap_or_default(),
                Ok(map) if !map.is_empty() => map.serialise(),
                _ => Vec::new(),
            };
            guest.give(data_at, size_at, &bytes)
        }
        fn proxy_replace_header_map_value(guest, kind: u32, name: u32, name_size: u32, value: u32, value_size: u32) {
            let name = guest.name(kind, name, name_size)?;
            let value = guest.bytes(value, value_size)?;
            guest.header(&name, &value)?;
            guest.change(kind, |headers| headers.replace(&name, &value))
        }
        fn proxy_add_header_map_value(guest, kind: u32, name: u32, name_size: u32, value: u32, value_size: u32) {
            let name = guest.name(kind, name, name_size)?;
            let value = guest.bytes(value, value_size)?;
            guest.header(&name, &value)?;
            guest.change(kind, |headers| headers.add(&name, &value))
        }
        fn proxy_remove_header_map_value(guest, kind: u32, name: u32, name_size: u32) {
            let name = guest.name(kind, name, name_size)?;
            guest.change(kind, |headers| headers.remove(&name))
        }
    }
    Ok(())
}

/// Properties, and answering or resuming a request.
fn link_stream(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_calls! { linker,
        fn proxy_get_property(guest, path: u32, path_size: u32, data_at: u32, size_at: u32) {
            let path = guest.bytes(path, path_size)?;
            let value = match path.as_slice() {
                b"plugin_name" => guest.root()?.plugin_name.clone().into_bytes(),
                b"plugin_root_id" => b"ksvc-router".to_vec(),
                b"plugin_vm_id" => Vec::new(),
                _ => {
                    // `filter_state\0NAME` reads any, a bare name what a wasm filter wrote.
                    let name = match path.strip_prefix(b"filter_state\0") {
                        Some(name) => name.to_vec(),
                        None => [b"wasm.", path.as_slice()].concat(),
                    };
                    let stream = guest.state().stream().ok_or(Refusal::NotFound)?;
                    let value = stream.filter_state.get(&name);
                    value.ok_or(Refusal::NotFound)?.clone()
                }
            };
            guest.give(data_at, size_at, &value)
        }
        fn proxy_set_property(guest, path: u32, path_size: u32, data: u32, size: u32) {
            let path = guest.bytes(path, path_size)?;
            let value = guest.bytes(data, size)?;
            let name = [b"wasm.", path.as_slice()].concat();
            let stream = guest.state().stream().ok_or(Refusal::NotFound)?;
            stream.filter_state.insert(name, value);
            Ok(())
        }
        fn proxy_send_local_response(
            guest, status: u32, details: u32, details_size: u32,
            body: u32, body_size: u32, headers: u32, headers_size: u32, grpc_status: i32
        ) {
            let details = guest.text(details, details_size)?;
            let body = guest.bytes(body, body_size)?;
            let headers = guest.bytes(headers, headers_size)?;
            let headers = HeaderMap::deserialise(&headers).ok_or(Refusal::BadArgument)?;
            for (name, value) in headers.pairs() {
                guest.header(name, value)?;
            }
            if !(200..600).contains(&status) {
                return Err(guest.violation(Refusal::BadArgument, &format!("the status {status}")));
            }
            let stream = guest.stream()?;
            if stream.phase != Phase::Request || stream.local_response.is_some() {
                return Err(guest.violation(Refusal::BadArgument, "a second response"));
            }
            stream.local_response = Some(LocalResponse { status, details, headers, body, grpc_status });
            Ok(())
        }
    }
    Ok(())
}

fn link_metrics(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_calls! { linker,
        fn proxy_define_metric(guest, kind: u32, name: u32, name_size: u32, to: u32) {
            let name = guest.text(name, name_size)?;
            let kind = match kind {
                0 => MetricKind::Counter,
                1 => MetricKind::Gauge,
                2 => MetricKind::Histogram,
                _ => return Err(Refusal::BadArgument.into()),
            };
            let state = guest.state();
            let mut shared = state.shared.borrow_mut();
            match kind {
                MetricKind::Counter => _ = shared.counters.entry(name.clone()).or_default(),
                MetricKind::Gauge => _ = shared.gauges.entry(name.clone()).or_default(),
                MetricKind::Histogram => {}
            }
            drop(shared);
            // As in Envoy, a second definition of a name has a number of its own.
            state.metrics.push((kind, name));
            let id = u32::try_from(state.metrics.len()).expect("fewer than 4 G metrics");
            guest.give_word(to, id)
        }
        fn proxy_increment_metric(guest, id: u32, offset: i64) {
            let (kind, name) = guest.metric(id)?;
            let mut shared = guest.state().shared.borrow_mut();
            match kind {
                MetricKind::Counter if offset > 0 => {
                    *shared.counters.entry(name).or_default() += offset.unsigned_abs();
                    Ok(())
                }
                MetricKind::Gauge => {
                    let gauge = shared.gauges.entry(name).or_default();
                    *gauge = gauge.wrapping_add_signed(offset);
                    Ok(())
                }
                _ => Err(Refusal::BadArgument.into()),
            }
        }
        fn proxy_record_metric(guest, id: u32, value: u64) {
            let (kind, name) = guest.metric(id)?;
            let mut shared = guest.state().shared.borrow_mut();
            match kind {
                MetricKind::Counter => *shared.counters.entry(name).or_default() += value,
                MetricKind::Gauge => _ = shared.gauges.insert(name, value),
                MetricKind::Histogram => {}
            }
            Ok(())
        }
    }
    Ok(())
}
