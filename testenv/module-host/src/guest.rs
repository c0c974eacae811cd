//! The module that makes a host call: its memory, and the state of the stream and plugin for which it runs.

use wasmtime::Caller;

use crate::state::{HeaderMap, MetricKind, Phase, RootState, State, StreamState};

/// Values of proxy-wasm's map type.
const REQUEST_HEADERS: u32 = 0;
const RESPONSE_HEADERS: u32 = 2;

/// The statuses other than Ok (0) that this host returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    InvalidMemoryAccess = 6,
    CasMismatch = 8,
}

/// Why a host call fails.
pub(crate) enum Failure {
    /// The call returns this status.
    Status(Status),
    /// The module trapped when it was asked for memory.
    Trap(wasmtime::Error),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Failure::Status(status)
    }
}

pub(crate) type CallResult<T = ()> = Result<T, Failure>;

/// The module that made the call.
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

    /// Returns the bytes at an address; `None` outside the memory.
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

    /// Returns an argument of the call.
    pub(crate) fn bytes(&mut self, at: u32, size: u32) -> CallResult<Vec<u8>> {
        let bytes = self.get(at, size);
        bytes.ok_or_else(|| self.violation(Status::InvalidMemoryAccess, "an address out of bounds"))
    }

    pub(crate) fn text(&mut self, at: u32, size: u32) -> CallResult<String> {
        let bytes = self.bytes(at, size)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Writes a result of the call.
    pub(crate) fn give_word(&mut self, at: u32, word: u32) -> CallResult {
        let put = self.put_word(at, word);
        put.ok_or_else(|| self.violation(Status::InvalidMemoryAccess, "an address out of bounds"))
    }

    /// Writes bytes into memory that the module allocates for them. For no bytes, nothing is allocated.
    pub(crate) fn give(&mut self, data_at: u32, size_at: u32, bytes: &[u8]) -> CallResult {
        let size = u32::try_from(bytes.len()).expect("values below 4 GiB");
        let mut at = 0;
        if size > 0 {
            let allocate = self.caller.data().allocate.clone();
            let allocate = allocate.expect("found when the VM started");
            at = allocate.call(&mut *self.caller, size).map_err(Failure::Trap)?;
            if at == 0 || self.put(at, bytes).is_none() {
                return Err(self.violation(Status::InvalidMemoryAccess, "no memory given"));
            }
        }
        self.give_word(data_at, at)?;
        self.give_word(size_at, size)
    }

    /// Makes the call fail and the running test too: no filter may do this, at any request or configuration.
    pub(crate) fn violation(&mut self, status: Status, what: &str) -> Failure {
        self.state().violations.push(what.to_owned());
        Failure::Status(status)
    }

    pub(crate) fn stream(&mut self) -> CallResult<&mut StreamState> {
        Ok(self.state().stream().ok_or(Status::BadArgument)?)
    }

    pub(crate) fn root(&mut self) -> CallResult<&mut RootState> {
        Ok(self.state().root().ok_or(Status::BadArgument)?)
    }

    /// Returns a header map, if it can be read now.
    pub(crate) fn map(&mut self, kind: u32) -> CallResult<&HeaderMap> {
        let stream = self.stream()?;
        match (kind, stream.phase) {
            (REQUEST_HEADERS, Phase::Request | Phase::Log) => Ok(&stream.request),
            (RESPONSE_HEADERS, Phase::Response | Phase::Log) => Ok(&stream.response),
            _ => Err(Status::BadArgument.into()),
        }
    }

    /// Changes a header map, if it can be changed now.
    pub(crate) fn change(&mut self, kind: u32, change: impl FnOnce(&mut HeaderMap)) -> CallResult {
        let stream = self.stream()?;
        match (kind, stream.phase) {
            (REQUEST_HEADERS, Phase::Request) => {
                change(&mut stream.request);
                stream.route_cache_clears += 1;
            }
            (RESPONSE_HEADERS, Phase::Response) => change(&mut stream.response),
            _ => return Err(Status::BadArgument.into()),
        }
        Ok(())
    }

    /// Returns a header's name. In a request, `host` is another name of `:authority`.
    pub(crate) fn name(&mut self, kind: u32, at: u32, size: u32) -> CallResult<Vec<u8>> {
        let name = self.bytes(at, size)?;
        if kind == REQUEST_HEADERS && name.eq_ignore_ascii_case(b"host") {
            return Ok(b":authority".to_vec());
        }
        Ok(name)
    }

    /// Checks a header that the module writes. One that would split the message is a violation.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8]) -> CallResult {
        let splits = |byte: &u8| matches!(byte, b'\0' | b'\r' | b'\n');
        if name.is_empty() || name.iter().chain(value).any(splits) {
            // After a map that Envoy would never return, there is no message to split. Envoy checks nothing here.
            if self.stream()?.raw_map.is_some() {
                return Ok(());
            }
            let header =
                format!("the header {:?}: {:?}", String::from_utf8_lossy(name), String::from_utf8_lossy(value));
            return Err(self.violation(Status::BadArgument, &header));
        }
        Ok(())
    }

    pub(crate) fn metric(&mut self, id: u32) -> CallResult<(MetricKind, String)> {
        let metric = id.checked_sub(1).and_then(|index| {
            let index = usize::try_from(index).ok()?;
            self.state().metrics.get(index).cloned()
        });
        metric.ok_or_else(|| self.violation(Status::NotFound, "a metric that is not defined"))
    }
}
