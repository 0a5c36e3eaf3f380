//! libFuzzer's way into [`fuzz::control_socket`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(control_socket);
