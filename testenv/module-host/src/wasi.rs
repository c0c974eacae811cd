//! The calls of WASI preview 1 that Rust's standard library makes in a module without files, sockets and a clock.

use wasmtime::{Caller, Linker};

use crate::guest::Guest;
use crate::state::{Level, Log, State};

pub(crate) const MODULE: &str = "wasi_snapshot_preview1";

/// The WASI calls that this host carries out.
pub(crate) const WASI_CALLS: &[&str] = &["environ_get", "environ_sizes_get", "fd_write", "proc_exit", "random_get"];

const OK: u32 = 0;
const BAD_DESCRIPTOR: u32 = 8;
const BAD_ADDRESS: u32 = 21;

fn done(result: Option<()>) -> u32 {
    if result.is_some() { OK } else { BAD_ADDRESS }
}

pub(crate) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "environ_sizes_get", |mut caller: Caller<'_, State>, count: u32, size: u32| {
        let mut guest = Guest::new(&mut caller, "environ_sizes_get");
        let env = &guest.state().env;
        let sizes = (env.len(), env.iter().map(|line| line.len() + 1).sum());
        let word = |n: usize| u32::try_from(n).expect("an environment below 4 GiB");
        let written = guest.put_word(count, word(sizes.0));
        done(written.and(guest.put_word(size, word(sizes.1))))
    })?;
    linker.func_wrap(MODULE, "environ_get", |mut caller: Caller<'_, State>, mut pointers: u32, mut lines: u32| {
        let mut guest = Guest::new(&mut caller, "environ_get");
        for line in guest.state().env.clone() {
            let bytes = [line.as_bytes(), b"\0"].concat();
            let written = guest.put_word(pointers, lines);
            if written.and(guest.put(lines, &bytes)).is_none() {
                return BAD_ADDRESS;
            }
            pointers += 4;
            lines += u32::try_from(bytes.len()).expect("an environment below 4 GiB");
        }
        OK
    })?;
    linker.func_wrap(MODULE, "random_get", |mut caller: Caller<'_, State>, to: u32, size: u32| {
        let mut guest = Guest::new(&mut caller, "random_get");
        let bytes: Vec<u8> = {
            let mut shared = guest.state().shared.borrow_mut();
            (0..size).map(|_| shared.random_byte()).collect()
        };
        done(guest.put(to, &bytes))
    })?;
    linker.func_wrap(MODULE, "proc_exit", |_: Caller<'_, State>, code: u32| -> wasmtime::Result<()> {
        Err(wasmtime::Error::msg(format!("proc_exit({code})")))
    })?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut caller: Caller<'_, State>, file: u32, vectors: u32, count: u32, to: u32| {
            let mut guest = Guest::new(&mut caller, "fd_write");
            let level = match file {
                1 => Level::Info,
                2 => Level::Error,
                _ => return BAD_DESCRIPTOR,
            };
            let mut text = Vec::new();
            for n in 0..count {
                let at = vectors + 8 * n;
                let part = guest.word(at).zip(guest.word(at + 4));
                let Some(bytes) = part.and_then(|(data, size)| guest.get(data, size)) else {
                    return BAD_ADDRESS;
                };
                text.extend(bytes);
            }
            let size = u32::try_from(text.len()).expect("a line below 4 GiB");
            let text = String::from_utf8_lossy(&text).into_owned();
            let log = Log { level, text };
            guest.state().shared.borrow_mut().logs.push(log);
            done(guest.put_word(to, size))
        },
    )?;
    Ok(())
}
