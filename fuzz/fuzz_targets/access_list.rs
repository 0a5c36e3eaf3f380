//! libFuzzer's way into [`fuzz::access_list`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(access_list);
