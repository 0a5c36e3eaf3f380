//! libFuzzer's way into [`fuzz::lldp_agent`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::lldp_agent(data));
