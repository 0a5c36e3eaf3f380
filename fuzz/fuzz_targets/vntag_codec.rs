//! libFuzzer's way into [`fuzz::vntag_codec`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vntag_codec(data));
