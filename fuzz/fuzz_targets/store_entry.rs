//! libFuzzer's way into [`fuzz::store_entry`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(store_entry);
