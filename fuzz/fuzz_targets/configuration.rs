#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ksvc_router_fuzz::configuration(data));
