//! libFuzzer's way into [`fuzz::lldp_agent`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(lldp_agent);
