//! The machine.

use super::device::settings;
use crate::facts::{Host, Look, NoTun};
use rustix::io::Errno;
use rustix::process::{Resource, getpid, getrlimit};
use rustix::system::uname;
use rustix::thread::{CapabilitySet, capabilities};
use std::fs::{self, File};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Looks at the machine.
pub(super) fn look() -> Host {
    let (strict_return_path, bridge_filter) = settings();
    let may = |capability| -> Look<bool> {
        let held = capabilities(None).map_err(|error| error.to_string())?;
        Ok(held.effective.contains(capability))
    };
    let unbounded = may(CapabilitySet::IPC_LOCK) == Ok(true) && is_first_user_namespace();
    let limit = getrlimit(Resource::Memlock).current;
    Host {
        kernel: uname().release().to_string_lossy().into_owned(),
        clock: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        may_open_sockets: may(CapabilitySet::NET_RAW),
        may_change_devices: may(CapabilitySet::NET_ADMIN),
        // To open it makes nothing: a device is made by asking for one afterwards.
        tun: File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")
            .err()
            .map(|error| match Errno::from_io_error(&error) {
                Some(Errno::ACCESS) => NoTun::Forbidden,
                Some(Errno::PERM) => NoTun::Withheld,
                _ => NoTun::Missing,
            }),
        locked_memory: limit.filter(|_| !unbounded),
        bridge_filter,
        strict_return_path,
    }
}

/// Of a machine that was not looked at nothing bad is said.
pub(super) fn unseen(why: &str) -> Host {
    Host {
        kernel: String::new(),
        clock: u64::MAX,
        may_open_sockets: Err(why.to_owned()),
        may_change_devices: Err(why.to_owned()),
        tun: None,
        locked_memory: None,
        bridge_filter: false,
        strict_return_path: Vec::new(),
    }
}

/// Only root outside of all user namespaces may lock what it likes.
fn is_first_user_namespace() -> bool {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// Whether `/proc` numbers processes as they number themselves: that of another pid namespace does not.
pub(super) fn knows_processes() -> bool {
    let own = fs::read_link("/proc/self").ok();
    own.is_some_and(|own| own == Path::new(&getpid().as_raw_nonzero().to_string()))
}

/// A file that holds a number.
pub(super) fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}
