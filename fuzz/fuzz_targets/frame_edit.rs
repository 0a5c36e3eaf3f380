//! libFuzzer's way into [`fuzz::frame_edit`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::frame_edit(data));
