//! libFuzzer's way into [`fuzz::iv_state`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(iv_state);
