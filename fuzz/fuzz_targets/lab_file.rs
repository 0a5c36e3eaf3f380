//! libFuzzer's way into [`fuzz::lab_file`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(lab_file);
