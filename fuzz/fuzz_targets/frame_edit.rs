//! libFuzzer's way into [`fuzz::frame_edit`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(frame_edit);
