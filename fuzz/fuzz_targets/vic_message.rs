//! libFuzzer's way into [`fuzz::vic_message`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vic_message(data));
