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
//! A daemon keeps one [`Isolation`] for all its devices. Whoever closes an nf_tables socket waits until the
//! kernel has freed what was removed meanwhile (`nft_rcv_nl_event`, 5 to 15 ms measured on 6.18); a change by a
//! socket that stays open takes far less than one.
//!
//! The kernel looks for a table in the list of all there are, and at a commit goes through them all: with thousands of
//! devices each costs more than the one before. So a daemon isolates those it starts with many at a time
//! ([`Isolation::isolate_ahead`]), and looks after all of them with one question ([`Isolation::isolated`]).
//!
//! Privileges: CAP_NET_ADMIN in the user namespace that owns the network namespace; for another namespace
//! than the caller's also CAP_SYS_ADMIN, as [`NetNs::run`].

mod nftables;

use crate::netns::{NetNs, NetNsError};
use rustix::io::Errno;
use std::collections::{BTreeSet, HashMap};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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
         CAP_NET_ADMIN over the network namespace: run as root, or let root give it: \
         `setcap cap_net_admin,cap_net_raw+ep PROGRAM`"
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

const TABLE_PREFIX: &str = "niv-";

/// The table that isolates a device, of family `netdev`.
pub fn table_name(device: &str) -> String {
    format!("{TABLE_PREFIX}{device}")
}

/// Devices isolated by one transaction: as many as the socket's buffers take (ours).
const AT_ONCE: usize = 64;

/// The isolation of the devices of one network namespace.
#[derive(Debug)]
pub struct Isolation {
    ns: Arc<NetNs>,
    /// Opened when first needed.
    socket: Mutex<Option<nftables::Socket>>,
    /// By device, its number and what was admitted.
    ahead: Mutex<HashMap<String, (u32, Admit)>>,
}

impl Isolation {
    /// For the devices of that namespace. Asks the kernel for nothing yet.
    pub fn of(ns: Arc<NetNs>) -> Self {
        Self {
            ns,
            socket: Mutex::new(None),
            ahead: Mutex::default(),
        }
    }

    /// Isolates many devices with few transactions. Each is still to be isolated by itself, which then is only a
    /// look whether it is the same device: whatever failed here fails there again, with a reason.
    pub fn isolate_ahead<'a>(&self, devices: impl IntoIterator<Item = (&'a str, Admit)>) {
        let devices: Vec<_> = devices.into_iter().collect();
        for some in devices.chunks(AT_ONCE) {
            let done = self.with_socket("add", "devices", |nft| {
                let numbered: Vec<_> = some
                    .iter()
                    .filter_map(|&(device, admit)| Some((device, number(nft, device)?, admit)))
                    .collect();
                let wanted: Vec<_> = numbered.iter().map(|&(device, _, a)| (device, a)).collect();
                nft.replace(&wanted)?;
                Ok(numbered)
            });
            match done {
                Ok(done) => self.ahead().extend(
                    done.into_iter()
                        .map(|(device, number, admit)| (device.to_owned(), (number, admit))),
                ),
                Err(error) => tracing::debug!("devices are isolated one by one: {error}"),
            }
        }
    }

    fn ahead(&self) -> MutexGuard<'_, HashMap<String, (u32, Admit)>> {
        // Nothing panics while it holds the lock.
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Isolates the device, in place of whatever isolation of ours it had: left by a process that was killed,
    /// or made for another role. Belongs before the device goes up.
    ///
    /// From Linux 6.16 on the chain waits for a device that was deleted and takes hold of the next one of that
    /// name; before, it goes with the device. Apply it again whenever a device appears.
    ///
    /// # Errors
    /// No such device, not permitted, or a kernel without nftables at ingress.
    pub fn isolate(&self, device: &str, admit: Admit) -> Result<(), IsolationError> {
        let ahead = self.ahead().remove(device);
        self.with_socket("add", device, |nft| {
            // Newer kernels take a chain for a device that is not there: a typing mistake must not pass.
            let index = match rustix::net::netdevice::name_to_index(nft, device) {
                Ok(index) => index,
                Err(Errno::NODEV) => return Ok(false),
                Err(errno) => return Err(errno.into()),
            };
            if ahead != Some((index, admit)) {
                nft.replace(&[(device, admit)])?;
            }
            Ok(true)
        })?
        .then_some(())
        .ok_or_else(|| IsolationError::Missing {
            device: device.to_owned(),
        })
    }

    /// Whether the chain is in place for that device. Others can remove it: `nft flush ruleset` does.
    ///
    /// # Errors
    /// Not permitted, or what the kernel says.
    pub fn is_isolated(&self, device: &str) -> Result<bool, IsolationError> {
        self.with_socket("read", device, |nft| {
            nft.drops_all_but_rules(&table_name(device), device)
        })
    }

    /// All devices whose chains are in place, by one question. While somebody changes the rules one of them may be
    /// missing: ask for that one again.
    ///
    /// # Errors
    /// Not permitted, or what the kernel says.
    pub fn isolated(&self) -> Result<BTreeSet<String>, IsolationError> {
        self.with_socket("read", "devices", nftables::Socket::dropping)
    }

    /// Whether the device of that name has that number.
    pub(crate) fn is_number(&self, device: &str, index: u32) -> bool {
        let found = self.with_socket("read", device, |nft| Ok(number(nft, device)));
        matches!(found, Ok(Some(found)) if found == index)
    }

    /// Lifts the isolation, of a device that is gone too. Fine if there is none.
    ///
    /// # Errors
    /// Not permitted, or what the kernel says.
    pub fn release(&self, device: &str) -> Result<(), IsolationError> {
        self.ahead().remove(device);
        self.with_socket("remove", device, |nft| nft.remove(&table_name(device)))
    }

    fn with_socket<T>(
        &self,
        attempt: &'static str,
        device: &str,
        work: impl FnOnce(&nftables::Socket) -> io::Result<T>,
    ) -> Result<T, IsolationError> {
        let failed = |source| IsolationError::of(attempt, device, source);
        // Whoever panicked in the middle of an exchange left no socket.
        let mut kept = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match kept.take() {
            Some(socket) => socket,
            None => self.ns.run(nftables::Socket::open)?.map_err(failed)?,
        };
        let result = work(&socket).map_err(failed)?;
        // Not after a failure: answers to the steps behind the one that failed may still wait in it.
        *kept = Some(socket);
        Ok(result)
    }
}

/// The device's number, if it is there.
fn number(nft: &nftables::Socket, device: &str) -> Option<u32> {
    rustix::net::netdevice::name_to_index(nft, device).ok()
}

/// [`Isolation::isolate`], for one device and nothing else.
///
/// # Errors
/// The same, or no descriptor is left.
pub fn isolate(ns: &NetNs, device: &str, admit: Admit) -> Result<(), IsolationError> {
    Isolation::of(Arc::new(ns.try_clone()?)).isolate(device, admit)
}

/// [`Isolation::is_isolated`], for one device and nothing else.
///
/// # Errors
/// The same, or no descriptor is left.
pub fn is_isolated(ns: &NetNs, device: &str) -> Result<bool, IsolationError> {
    Isolation::of(Arc::new(ns.try_clone()?)).is_isolated(device)
}

/// [`Isolation::release`], for one device and nothing else.
///
/// # Errors
/// The same, or no descriptor is left.
pub fn release(ns: &NetNs, device: &str) -> Result<(), IsolationError> {
    Isolation::of(Arc::new(ns.try_clone()?)).release(device)
}

#[cfg(test)]
mod tests;
