//! libFuzzer's way into [`fuzz::long_frames`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::long_frames(data));
