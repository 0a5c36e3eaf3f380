//! libFuzzer's way into [`fuzz::command_line`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(command_line);
