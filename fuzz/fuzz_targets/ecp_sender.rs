//! libFuzzer's way into [`fuzz::ecp_sender`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(ecp_sender);
