//! libFuzzer's way into [`fuzz::long_frames`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(long_frames);
