//! What is fuzzed: functions from any octets to nothing, which panic when a property does not hold.
//!
//! They know no fuzzer. libFuzzer drives them through `fuzz_targets/`; `cargo test` replays the
//! corpora through them; a crash is looked into by calling one in a test.

pub mod dictionaries;

mod device;
mod input;
mod marks;
mod naive;

pub use marks::{Floor, marks};
use std::process::ExitCode;

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
    iv_state,
    lab_file,
    access_list,
    control_socket,
    ecp_sender,
    vic_message,
    vic_session,
    lldp_agent,
    counter_file,
    store_entry,
    store_file,
}

/// What a program in `fuzz_targets/` is: with `--cfg fuzzing` a fuzzer of that target; without, it runs the target on
/// the files that are named.
#[macro_export]
macro_rules! entry_point {
    ($target:ident) => {
        #[cfg(fuzzing)]
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::$target(data));
        #[cfg(not(fuzzing))]
        fn main() -> std::process::ExitCode {
            $crate::run_files($crate::$target)
        }
    };
}

/// Runs a target on every file that the command line names.
pub fn run_files(target: fn(&[u8])) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1) {
        match std::fs::read(&path) {
            Ok(octets) => target(&octets),
            Err(error) => {
                eprintln!("cannot read {}: {error}", path.display());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
