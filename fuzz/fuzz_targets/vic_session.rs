//! libFuzzer's way into [`fuzz::vic_session`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vic_session(data));
