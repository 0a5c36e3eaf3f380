//! Keeping the host's own network stack off a device (design.md section 5.1).
//!
//! A raw socket copies frames, it does not take them: the host's kernel goes on to answer ARP and ping, and
//! to route, between guests that policy keeps apart. So each device we read gets an nftables chain at its
//! ingress hook that drops what comes in. The hook runs after the taps for all protocols (ETH_P_ALL: our
//! rings), which therefore still see everything, and before routing, bridging and sockets bound to one
//! protocol.
//!
//! One table per device, `netdev niv-DEVICE`: it is put in place and removed by one transaction, whoever
//! else has devices on the machine, and `nft list ruleset` shows by name and comment what it is. The
//! kernel holds it, not the process: after kill -9 it is still in force, and applying it again
//! replaces it without a moment in between.
//!
//! Privileges: CAP_NET_ADMIN in the user namespace that owns the network namespace; for another namespace
//! than the caller's also CAP_SYS_ADMIN, as [`NetNs::run`].

mod nftables;

use crate::netns::{NetNs, NetNsError};
use rustix::io::Errno;
use std::io;

/// What may pass the hook, to the sockets bound to one protocol and to the host's stack behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admit {
    /// Nothing: for vNICs and plain ports.
    Nothing,
    /// [`LINK_ETHERTYPES`]: for uplinks and NIV ports, where control has a socket of its own.
    Link,
}

/// VNTag, ECP and LLDP. The host's stack has no handler for any of them.
pub const LINK_ETHERTYPES: [u16; 3] = [0x8926, 0x8940, 0x88CC];

/// Isolation that could not be put in place, looked up, or lifted.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// No such device in the namespace.
    #[error("there is no device `{device}` here to isolate; `ip link` lists those there are")]
    Missing {
        /// The device.
        device: String,
    },
    /// The process may not do this.
    #[error(
        "not permitted to {attempt} the nftables chain that keeps the host's stack off `{device}`: needs \
         CAP_NET_ADMIN over the network namespace: run as root, or begin with `unshare -Urn`"
    )]
    NotPermitted {
        /// The device.
        device: String,
        /// `add`, `read` or `remove`.
        attempt: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel was built without it, or the module is not there.
    #[error(
        "cannot keep the host's stack off `{device}`: this kernel lacks nftables for devices \
         (CONFIG_NF_TABLES, CONFIG_NF_TABLES_NETDEV, CONFIG_NETFILTER_INGRESS); try `modprobe nf_tables`"
    )]
    Unsupported {
        /// The device.
        device: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Anything else.
    #[error(
        "cannot {attempt} the nftables chain that keeps the host's stack off `{device}`; `nft list table \
         netdev {}` shows it",
        table_name(device)
    )]
    Kernel {
        /// The device.
        device: String,
        /// `add`, `read` or `remove`.
        attempt: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The namespace cannot be entered.
    #[error(transparent)]
    NetNs(#[from] NetNsError),
}

impl IsolationError {
    fn of(attempt: &'static str, device: &str, source: io::Error) -> Self {
        let device = device.to_owned();
        match source.raw_os_error() {
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted {
                device,
                attempt,
                source,
            },
            Some(libc::EPROTONOSUPPORT | libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
                Self::Unsupported { device, source }
            }
            // The device is there, so what is missing is the kind of chain.
            Some(libc::ENOENT) if attempt == "add" => Self::Unsupported { device, source },
            _ => Self::Kernel {
                device,
                attempt,
                source,
            },
        }
    }
}

/// The table that isolates a device, of family `netdev`.
pub fn table_name(device: &str) -> String {
    format!("niv-{device}")
}

/// Isolates the device, in place of whatever isolation of ours it had: left by a process that was killed,
/// or made for another role. Belongs before the device goes up.
///
/// From Linux 6.16 on the chain waits for a device that was deleted and takes hold of the next one of that
/// name; before, it goes with the device. Apply it again whenever a device appears.
///
/// # Errors
/// No such device, not permitted, or a kernel without nftables at ingress.
pub fn isolate(ns: &NetNs, device: &str, admit: Admit) -> Result<(), IsolationError> {
    ns.run(|| {
        let error = |source| IsolationError::of("add", device, source);
        let nft = nftables::Socket::open().map_err(error)?;
        // Newer kernels take a chain for a device that is not there: a typing mistake must not pass.
        match rustix::net::netdevice::name_to_index(&nft, device) {
            Ok(_) => {}
            Err(Errno::NODEV) => {
                return Err(IsolationError::Missing {
                    device: device.to_owned(),
                });
            }
            Err(errno) => return Err(error(errno.into())),
        }
        nft.replace(&table_name(device), device, admit)
            .map_err(error)
    })?
}

/// Whether the chain is in place for that device. Others can remove it: `nft flush ruleset` does.
///
/// # Errors
/// Not permitted, or what the kernel says.
pub fn is_isolated(ns: &NetNs, device: &str) -> Result<bool, IsolationError> {
    ns.run(|| {
        nftables::Socket::open()
            .and_then(|nft| nft.drops_all_but_rules(&table_name(device), device))
            .map_err(|source| IsolationError::of("read", device, source))
    })?
}

/// Lifts the isolation, of a device that is gone too. Fine if there is none.
///
/// # Errors
/// Not permitted, or what the kernel says.
pub fn release(ns: &NetNs, device: &str) -> Result<(), IsolationError> {
    ns.run(|| {
        nftables::Socket::open()
            .and_then(|nft| nft.remove(&table_name(device)))
            .map_err(|source| IsolationError::of("remove", device, source))
    })?
}

#[cfg(test)]
mod tests;
