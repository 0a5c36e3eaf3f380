//! libFuzzer's way into [`fuzz::iv_core`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::iv_core(data));
