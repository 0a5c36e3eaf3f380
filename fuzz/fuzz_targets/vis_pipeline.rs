//! libFuzzer's way into [`fuzz::vis_pipeline`].
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::vis_pipeline(data));
