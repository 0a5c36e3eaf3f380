//! libFuzzer's way into [`fuzz::counter_file`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::counter_file(data));
