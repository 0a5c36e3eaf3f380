//! Why a device cannot be used, in the sentences users read.

use crate::isolation::IsolationError;
use crate::link::{LinkAddress, LinkError, LinkInfo};

/// A device that cannot be prepared, kept, or given back.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No such device in this namespace.
    #[error("there is no device `{device}` here; `ip link` lists those there are")]
    Missing {
        /// The device.
        device: String,
    },
    /// Loopback, a tunnel, a TUN device.
    #[error("`{device}` is no Ethernet device, so no frames can be carried over it")]
    NotEthernet {
        /// The device.
        device: String,
    },
    /// The host uses it.
    #[error(
        "`{device}` has the address {}, so this host uses it itself; if it may not: `{}`",
        list(addresses),
        flush(device, addresses)
    )]
    HasAddress {
        /// The device.
        device: String,
        /// All of them, but IPv6 link-local ones.
        addresses: Vec<LinkAddress>,
    },
    /// A bridge or bond has it.
    #[error(
        "`{device}` belongs to `{master}`; to take it out: `ip link set dev {device} nomaster`"
    )]
    Enslaved {
        /// The device.
        device: String,
        /// The bridge or bond.
        master: String,
    },
    /// The driver cannot carry frames of the size needed.
    #[error(
        "`{device}` takes an MTU of {limit} at most and needs {needed}: give the vNICs a smaller MTU, by \
         {} octets or more, or use another device",
        needed.saturating_sub(*limit)
    )]
    MtuLimit {
        /// The device.
        device: String,
        /// The largest its driver takes.
        limit: u32,
        /// What is needed.
        needed: u32,
    },
    /// The MTU is too small and could not be raised.
    #[error(
        "`{device}` has MTU {mtu} and needs {needed}, and it could not be raised; if it stands on another device \
         (macvlan, VLAN, bond), raise that one first, or give the vNICs a smaller MTU, by {} octets or more",
        needed.saturating_sub(*mtu)
    )]
    MtuTooSmall {
        /// The device.
        device: String,
        /// What it has.
        mtu: u32,
        /// What is needed.
        needed: u32,
        /// Why it could not be raised.
        source: LinkError,
    },
    /// The host's stack cannot be kept off the device.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    /// A setting cannot be read or changed.
    #[error(transparent)]
    Link(LinkError),
}

impl DeviceError {
    /// A refusal to raise the MTU. Lack of privileges and a vanished device are said as such.
    pub(super) fn too_small(info: &LinkInfo, needed: u32, source: LinkError) -> Self {
        if source.is_missing() || source.is_not_permitted() {
            return source.into();
        }
        Self::MtuTooSmall {
            device: info.name.clone(),
            mtu: info.mtu,
            needed,
            source,
        }
    }
}

impl From<LinkError> for DeviceError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Missing { device } => Self::Missing { device },
            other => Self::Link(other),
        }
    }
}

fn list(addresses: &[LinkAddress]) -> String {
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    addresses.join(", ")
}

/// Flushing IPv6 alone does not help where a router announces the network: the address comes back.
fn flush(device: &str, addresses: &[LinkAddress]) -> String {
    let mut command = format!("ip address flush dev {device}");
    if addresses.iter().any(|a| a.address.is_ipv6()) {
        command += &format!(" && sysctl -w net.ipv6.conf.{device}.disable_ipv6=1");
    }
    command
}
