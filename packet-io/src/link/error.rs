//! What goes wrong with devices, in words.

use crate::netns::NetNsError;
use std::io;

/// A request about a device that failed. `command` is always the command that asks the kernel for the same,
/// to be tried by hand.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// No such device in this namespace.
    #[error("there is no device `{device}` here; `ip link` lists those there are")]
    Missing {
        /// Its name, or `index N` where that is all that is known.
        device: String,
    },
    /// The name is taken.
    #[error(
        "`{command}` failed: it exists already; `ip link delete dev {device}` removes the device"
    )]
    Exists {
        /// The device in question.
        device: String,
        /// The same by hand.
        command: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The process may not do this.
    #[error(
        "not permitted to `{command}`: needs CAP_NET_ADMIN over the network namespace: run as root, or \
         let root give it: `setcap cap_net_admin,cap_net_raw+ep PROGRAM`"
    )]
    NotPermitted {
        /// The device in question.
        device: String,
        /// The same by hand.
        command: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The kernel was built without it, or the driver has no such thing.
    #[error("`{command}`: this kernel, or the driver of `{device}`, has no such thing")]
    Unsupported {
        /// The device in question.
        device: String,
        /// The same by hand.
        command: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Anything else the kernel has against it.
    #[error("`{command}` failed{}", reason.as_ref().map_or_else(String::new, |r| format!(" ({r})")))]
    Refused {
        /// The device in question.
        device: String,
        /// The same by hand.
        command: String,
        /// The kernel's own sentence, where it has one.
        reason: Option<String>,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Not what a device can be called.
    #[error(
        "`{name}` is no name for a device: 1 to {} octets without `/`, `:` and spaces",
        super::MAX_NAME
    )]
    NotAName {
        /// The name wanted.
        name: String,
    },
    /// A setting under `/proc/sys` that cannot be read or written.
    #[error(
        "cannot {attempt} {path}: needs root, or CAP_NET_ADMIN over the network namespace, and a writable \
         /proc/sys (`mount -o remount,rw /proc/sys` in a container)"
    )]
    Sysctl {
        /// `read` or `write`.
        attempt: &'static str,
        /// The file.
        path: String,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The namespace cannot be held or entered.
    #[error(transparent)]
    NetNs(#[from] NetNsError),
    /// No netlink socket, or no runtime to serve it.
    #[error("cannot open a netlink socket")]
    Socket(#[source] io::Error),
    /// The runtime that served the socket is gone, or the kernel sent what cannot be read.
    #[error("the netlink socket no longer answers")]
    Ended(#[source] rtnetlink::Error),
}

impl LinkError {
    pub(super) fn of(
        error: rtnetlink::Error,
        device: &str,
        command: impl FnOnce() -> String,
    ) -> Self {
        let rtnetlink::Error::NetlinkError(message) = error else {
            return Self::Ended(error);
        };
        let source = message.to_io();
        let device = device.to_owned();
        let command = command();
        match source.raw_os_error() {
            Some(libc::ENODEV) => Self::Missing { device },
            Some(libc::EEXIST) => Self::Exists {
                device,
                command,
                source,
            },
            Some(libc::EPERM | libc::EACCES) => Self::NotPermitted {
                device,
                command,
                source,
            },
            Some(libc::EOPNOTSUPP) => Self::Unsupported {
                device,
                command,
                source,
            },
            _ => Self::Refused {
                device,
                command,
                reason: kernel_sentence(&message.header),
                source,
            },
        }
    }

    /// The device is not there (any more).
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// Privileges are lacking.
    pub fn is_not_permitted(&self) -> bool {
        match self {
            Self::NotPermitted { .. } | Self::NetNs(NetNsError::NotPermitted { .. }) => true,
            Self::Sysctl { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }
}

/// NLMSGERR_ATTR_MSG out of an extended acknowledgement (`linux/netlink.h`): behind the 16 octets of the
/// request's header, which is all of it that a capped acknowledgement repeats.
pub(crate) fn kernel_sentence(acknowledgement: &[u8]) -> Option<String> {
    const ATTR_MSG: u16 = 1;
    let mut rest = acknowledgement.get(16..)?;
    while let [l0, l1, k0, k1, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([k0, k1]) == ATTR_MSG {
            let text = value.split(|b| *b == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}
