//! libFuzzer's way into [`fuzz::vic_session`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(vic_session);
