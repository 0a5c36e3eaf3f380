//! libFuzzer's way into [`fuzz::vis_pipeline`]; built without it, runs the files that are named.
#![cfg_attr(fuzzing, no_main)]
fuzz::entry_point!(vis_pipeline);
