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
        ..
    } = answer;
    let (days, hours) = (uptime / 86_400, uptime / 3_600 % 24);
    let (minutes, seconds) = (uptime / 60 % 60, uptime % 60);
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
         Kernel uptime is {days} day(s), {hours} hour(s), {minutes} minute(s), {seconds} second(s)\n\
         \n\
         Last reset\n  \
           Reason: started\n"
    )
}
