//! `show version`

use crate::control::show::ShowVersion;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowVersion) -> fmt::Result {
    let ShowVersion {
        program,
        release,
        hostname,
        kernel,
        pid,
        uptime,
        kernel_uptime,
        ..
    } = answer;
    let (uptime, kernel_uptime) = (spell(*uptime), spell(*kernel_uptime));
    write!(
        out,
        "{program}: virtual interface switch\n\
         \n\
         Software\n  \
           system:    version {release}\n  \
           process:   {pid}\n  \
           kernel:    {kernel}\n\
         \n  \
           Device name: {hostname}\n\
         \n\
         Kernel uptime is {kernel_uptime}\n\
         Switch uptime is {uptime}\n\
         \n\
         Last reset\n  \
           Reason: started\n"
    )
}

/// As such switches spell a time.
fn spell(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    format!("{days} day(s), {hours} hour(s), {minutes} minute(s), {seconds} second(s)")
}
