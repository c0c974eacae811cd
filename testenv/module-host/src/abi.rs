//! The host calls of proxy-wasm 0.2.1 that the plugin makes, with Envoy's results: which status is returned for what,
//! which headers can be read when, and that a change of the request's headers clears the route cache.

use wasmtime::{Caller, Linker};

use crate::guest::{CallResult, Failure, Guest, Status};
use crate::state::{HeaderMap, Level, LocalResponse, Log, MetricKind, Phase, State};

/// The calls of the module `env` that this host carries out. Envoy has more, but the plugin must not import them.
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

/// Values of proxy-wasm's buffer type.
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;

/// Links each call under its name. A call is counted, fails at once if a test wants it to, and returns its result as a
/// status. It expands to one `linker.func_wrap("env", "proxy_…", |caller, …| …)?;` for each `fn`.
macro_rules! host_calls {
    ($linker:ident, $(fn $name:ident($guest:ident $(, $argument:ident: $type:ty)*) $body:block)*) => {
        $($linker.func_wrap(
            "env",
            stringify!($name),
            |mut caller: Caller<'_, State> $(, $argument: $type)*| -> wasmtime::Result<u32> {
                #[allow(unused_mut, reason = "not every call changes something")]
                let mut $guest = Guest::new(&mut caller, stringify!($name));
                let failing = $guest.state().shared.borrow().failing.get(stringify!($name)).copied();
                if let Some(status) = failing {
                    return Ok(status);
                }
                match run(|| $body) {
                    Ok(()) => Ok(0),
                    Err(Failure::Status(status)) => Ok(status as u32),
                    Err(Failure::Trap(trap)) => Err(trap),
                }
            },
        )?;)*
    };
}

/// Runs the body of a call, so that `?` returns from the body and not from the closure around it.
fn run(body: impl FnOnce() -> CallResult) -> CallResult {
    body()
}

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    link_process(linker)?;
    link_headers(linker)?;
    link_stream(linker)?;
    link_metrics(linker)
}

/// Log, buffers and shared data.
fn link_process(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_calls! { linker,
        fn proxy_log(guest, level: u32, data: u32, size: u32) {
            let text = guest.text(data, size)?;
            let level = Level::from_wire(level).ok_or(Status::BadArgument)?;
            guest.state().shared.borrow_mut().logs.push(Log { level, text });
            Ok(())
        }
        fn proxy_get_buffer_bytes(guest, kind: u32, start: u32, size: u32, data_at: u32, size_at: u32) {
            let bytes = match kind {
                PLUGIN_CONFIGURATION => guest.root()?.configuration.clone(),
                VM_CONFIGURATION => Vec::new(),
                _ => return Err(Status::NotFound.into()),
            };
            let start = usize::try_from(start).expect("32 bits at the least").min(bytes.len());
            let size = usize::try_from(size).expect("32 bits at the least").min(bytes.len() - start);
            guest.give(data_at, size_at, &bytes[start..start + size])
        }
        fn proxy_get_shared_data(guest, key: u32, key_size: u32, data_at: u32, size_at: u32, cas_at: u32) {
            let key = guest.text(key, key_size)?;
            let found = guest.state().shared.borrow().data.get(&key).cloned();
            let (value, cas) = found.ok_or(Status::NotFound)?;
            guest.give(data_at, size_at, &value)?;
            guest.give_word(cas_at, cas)
        }
        fn proxy_set_shared_data(guest, key: u32, key_size: u32, data: u32, size: u32, cas: u32) {
            let key = guest.text(key, key_size)?;
            let value = guest.bytes(data, size)?;
            let mut shared = guest.state().shared.borrow_mut();
            let current = shared.data.get(&key).map(|(_, cas)| *cas);
            if cas != 0 && current.is_some_and(|current| current != cas) {
                return Err(Status::CasMismatch.into());
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
            let raw = guest.stream().ok().and_then(|stream| stream.raw_map.clone());
            // Envoy returns an empty map for one that can't be read now, and no bytes at all for an empty map.
            let bytes = match guest.map(kind) {
                Ok(_) if raw.is_some() => raw.unwrap_or_default(),
                Ok(map) if !map.is_empty() => map.serialize(),
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

/// Properties and local responses.
fn link_stream(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    host_calls! { linker,
        fn proxy_get_property(guest, path: u32, path_size: u32, data_at: u32, size_at: u32) {
            let path = guest.bytes(path, path_size)?;
            let value = match path.as_slice() {
                b"plugin_name" => guest.root()?.plugin_name.clone().into_bytes(),
                b"plugin_root_id" => b"ksvc-router".to_vec(),
                b"plugin_vm_id" => Vec::new(),
                _ => {
                    // `filter_state\0NAME` reads any filter state, a name alone what a wasm filter has written.
                    let name = match path.strip_prefix(b"filter_state\0") {
                        Some(name) => name.to_vec(),
                        None => [b"wasm.", path.as_slice()].concat(),
                    };
                    let stream = guest.state().stream().ok_or(Status::NotFound)?;
                    let value = stream.filter_state.get(&name);
                    value.ok_or(Status::NotFound)?.clone()
                }
            };
            guest.give(data_at, size_at, &value)
        }
        fn proxy_set_property(guest, path: u32, path_size: u32, data: u32, size: u32) {
            let path = guest.bytes(path, path_size)?;
            let value = guest.bytes(data, size)?;
            let name = [b"wasm.", path.as_slice()].concat();
            let stream = guest.state().stream().ok_or(Status::NotFound)?;
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
            let headers = HeaderMap::deserialize(&headers).ok_or(Status::BadArgument)?;
            for (name, value) in headers.pairs() {
                guest.header(name, value)?;
            }
            if !(200..600).contains(&status) {
                return Err(guest.violation(Status::BadArgument, &format!("the status {status}")));
            }
            let stream = guest.stream()?;
            if stream.phase != Phase::Request || stream.local_response.is_some() {
                return Err(guest.violation(Status::BadArgument, "a second response"));
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
                _ => return Err(Status::BadArgument.into()),
            };
            let state = guest.state();
            let mut shared = state.shared.borrow_mut();
            match kind {
                MetricKind::Counter => _ = shared.counters.entry(name.clone()).or_default(),
                MetricKind::Gauge => _ = shared.gauges.entry(name.clone()).or_default(),
                MetricKind::Histogram => {}
            }
            drop(shared);
            // As in Envoy, a second definition of a name gets another id.
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
                _ => Err(Status::BadArgument.into()),
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
