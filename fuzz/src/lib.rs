//! What is fuzzed: functions from any octets to nothing, which panic when a property does not hold.
//!
//! They know no fuzzer. libFuzzer drives them through `fuzz_targets/`; `cargo test` replays the
//! corpora through them; a crash is looked into by calling one in a test.

mod device;
mod input;
mod naive;

/// One line a target: declares its module, makes its function public, and lists it in [`TARGETS`].
macro_rules! targets {
    ($($name:ident,)+) => {
        $(
            mod $name;
            pub use $name::$name;
        )+

        /// Every target, by name. Its corpus is in `corpus/<name>/`.
        pub const TARGETS: &[(&str, fn(&[u8]))] = &[$((stringify!($name), $name)),+];
    };
}

targets! {
    vntag_codec,
    frame_edit,
    iv_core,
    vis_pipeline,
    offload,
    long_frames,
    configuration,
    command_line,
    iv_configuration,
    control_socket,
    vic_message,
    vic_session,
    lldp_agent,
    counter_file,
}
