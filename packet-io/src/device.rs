//! Devices made ready to be read and written by raw sockets, and given back as they were.
//!
//! What was there before is a [`Former`]. It is taken first and handed to the caller, who writes it to its
//! state file before anything is changed; a daemon that was killed finds it there and hands it in again, so
//! that a clean exit, whenever it comes, still gives back what the first start found:
//!
//! ```no_run
//! # use packet_io::device::{DeviceError, Former, PreparedDevice, Role};
//! # use packet_io::link::Links;
//! # async fn start(links: &Links, saved: Option<Former>, save: impl Fn(&Former))
//! # -> Result<(), DeviceError> {
//! let former = Former::of(links, "eth1", saved).await?;
//! save(&former);
//! let uplink = PreparedDevice::prepare(links, former, Role::Uplink, 1506).await?;
//! // ... until the daemon ends ...
//! uplink.restore().await?;
//! # Ok(())
//! # }
//! ```
//!
//! GRO, LRO and VLAN stripping stay as they are: no GRO has a handler for 0x8926, and the rings put a
//! stripped tag back where it belongs.

mod error;

pub use error::DeviceError;

use crate::isolation::Admit;
use crate::link::{LinkError, LinkIndex, LinkInfo, Links};
use niv::Mac;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What a device is for (design.md section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An IV's side of a link.
    Uplink,
    /// A VIS's side of a link.
    Niv,
    /// The host's end of a guest's interface.
    Vnic,
    /// The same, of a veth pair. Whether it is up is what the guest sees as its carrier, and stays as it is.
    Pair,
    /// A VIS port with ordinary Ethernet behind it.
    Plain,
}

impl Role {
    fn admits(self) -> Admit {
        match self {
            Self::Uplink | Self::Niv => Admit::Link,
            Self::Vnic | Self::Pair | Self::Plain => Admit::Nothing,
        }
    }
}

/// How a device was before it was prepared: what a clean exit gives back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    device: String,
    index: LinkIndex,
    mac: [u8; 6],
    up: bool,
    mtu: u32,
    promiscuous: bool,
    arp: bool,
    ipv6: bool,
}

impl Former {
    /// How the device is now; or `saved`, if that is about this very device, which was then prepared by a
    /// process that did not end cleanly.
    ///
    /// # Errors
    /// No such device, or it is not Ethernet.
    pub async fn of(links: &Links, device: &str, saved: Option<Self>) -> Result<Self, DeviceError> {
        let info = links.require(device).await?;
        let mac = ethernet_address(&info)?;
        // An index is not used again until the kernel has counted through them all, except after a
        // reboot; the address then tells a device apart from another that was made in its place.
        if let Some(saved) = saved
            && (&saved.device, saved.index, saved.mac) == (&info.name, info.index, mac.0)
        {
            return Ok(saved);
        }
        Ok(Self {
            device: info.name,
            index: info.index,
            mac: mac.0,
            up: info.up,
            mtu: info.mtu,
            promiscuous: info.promiscuous,
            arp: info.arp,
            ipv6: info.ipv6 == Some(true),
        })
    }

    /// The device's name.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Gives all of it back, last change first, and lifts the isolation at the very end. Goes on after a
    /// failure; a device that is gone is no failure.
    ///
    /// # Errors
    /// The first thing that failed.
    pub async fn restore(&self, links: &Links) -> Result<(), DeviceError> {
        let mut first = Ok(());
        let mut note = |result: Result<(), LinkError>| match result {
            Err(error) if !error.is_missing() && first.is_ok() => first = Err(error.into()),
            _ => {}
        };
        // By index, so that another device of the same name is left alone, and this one is found under
        // another name.
        let now = links.by_index(self.index).await?;
        if let Some(now) = &now {
            if now.up != self.up {
                note(links.set_up(self.index, self.up).await);
            }
            if now.promiscuous != self.promiscuous {
                note(links.set_promiscuous(self.index, self.promiscuous).await);
            }
            if now.mtu != self.mtu {
                note(links.set_mtu(self.index, self.mtu).await);
            }
            if now.arp != self.arp {
                note(links.set_arp(self.index, self.arp).await);
            }
            if self.ipv6 && now.ipv6 == Some(false) {
                note(links.set_ipv6(now, true));
            }
            if now.name != self.device {
                links.isolation().release(&now.name)?;
            }
        }
        links.isolation().release(&self.device)?;
        first
    }
}

/// A device that may be made ready. Nothing was changed yet.
#[derive(Debug)]
pub struct CheckedDevice {
    device: PreparedDevice,
    info: LinkInfo,
    mtu: u32,
}

impl CheckedDevice {
    /// Looks whether the device is nobody's, and can take frames of `mtu` octets.
    ///
    /// # Errors
    /// The device has an address, belongs to a bridge, is gone, or is too small.
    pub async fn check(
        links: &Links,
        former: Former,
        role: Role,
        mtu: u32,
    ) -> Result<Self, DeviceError> {
        let info = links.require(&former.device).await?;
        ethernet_address(&info)?;
        refuse_if_in_use(links, &info).await?;
        refuse_if_too_small(&info, mtu)?;
        let device = PreparedDevice {
            links: links.clone(),
            former,
            role,
        };
        Ok(Self { device, info, mtu })
    }

    /// How it was before.
    pub fn former(&self) -> &Former {
        &self.device.former
    }

    /// Isolates many devices of one namespace with few transactions, as each would isolate itself.
    pub fn isolate_ahead<'a>(devices: impl IntoIterator<Item = &'a Self>) {
        let mut devices = devices.into_iter().peekable();
        let Some(first) = devices.peek() else { return };
        let links = first.device.links.clone();
        let each = devices.map(|one| (one.info.name.as_str(), one.device.role.admits()));
        links.isolation().isolate_ahead(each);
    }

    /// Makes the device ready: isolated first, then IPv6 and ARP off, MTU at least as wanted, promiscuous, and
    /// up. What is so already is left alone. If it fails the device is given back.
    ///
    /// Needs CAP_NET_ADMIN over the network namespace, and CAP_SYS_ADMIN if that is not the calling thread's
    /// own; root of a user namespace has both.
    ///
    /// # Errors
    /// It is gone, or privileges are lacking.
    pub async fn prepare(self) -> Result<PreparedDevice, DeviceError> {
        match self.device.change(&self.info, self.mtu).await {
            Ok(()) => Ok(self.device),
            Err(error) => {
                // The first error is the one that matters; what cannot be given back now is in the
                // caller's saved `Former`.
                let _ = self.device.restore().await;
                Err(error)
            }
        }
    }
}

/// A device that is isolated from the host's stack, promiscuous, up, and takes frames of the wanted size.
///
/// Dropping it changes nothing: frames stay isolated until [`PreparedDevice::restore`], or until another
/// process takes over.
#[derive(Debug)]
pub struct PreparedDevice {
    links: Links,
    former: Former,
    role: Role,
}

impl PreparedDevice {
    /// Makes the device ready: [`CheckedDevice::check`], then [`CheckedDevice::prepare`].
    ///
    /// # Errors
    /// Theirs.
    pub async fn prepare(
        links: &Links,
        former: Former,
        role: Role,
        mtu: u32,
    ) -> Result<Self, DeviceError> {
        let checked = CheckedDevice::check(links, former, role, mtu).await?;
        checked.prepare().await
    }

    async fn change(&self, info: &LinkInfo, mtu: u32) -> Result<(), DeviceError> {
        let links = &self.links;
        links.isolation().isolate(&info.name, self.role.admits())?;
        if info.ipv6 == Some(true) {
            links.set_ipv6(info, false)?;
        }
        if info.arp {
            links.set_arp(info.index, false).await?;
        }
        if info.mtu < mtu {
            links
                .set_mtu(info.index, mtu)
                .await
                .map_err(|error| DeviceError::too_small(info, mtu, error))?;
        }
        if !info.promiscuous {
            links.set_promiscuous(info.index, true).await?;
        }
        if !info.up && self.role != Role::Pair {
            links.set_up(info.index, true).await?;
        }
        Ok(())
    }

    /// The device's number.
    pub fn index(&self) -> LinkIndex {
        self.former.index
    }

    /// The device's name when it was prepared.
    pub fn name(&self) -> &str {
        &self.former.device
    }

    /// What it is for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// How it was before.
    pub fn former(&self) -> &Former {
        &self.former
    }

    /// How it is now.
    ///
    /// # Errors
    /// It is gone.
    pub async fn info(&self) -> Result<LinkInfo, DeviceError> {
        let info = self.links.by_index(self.former.index).await?;
        info.ok_or_else(|| DeviceError::Missing {
            device: self.former.device.clone(),
        })
    }

    /// Makes sure that frames of `mtu` octets fit, raising the MTU if needed: when a VIF is enabled
    /// (design.md section 5.8).
    ///
    /// # Errors
    /// The driver refuses; both numbers are in the error.
    pub async fn require_mtu(&self, mtu: u32) -> Result<(), DeviceError> {
        let info = self.info().await?;
        refuse_if_too_small(&info, mtu)?;
        if info.mtu >= mtu {
            return Ok(());
        }
        let result = self.links.set_mtu(info.index, mtu).await;
        result.map_err(|error| DeviceError::too_small(&info, mtu, error))
    }

    /// Shows the guest at the other end of a veth pair a carrier, or none: the end here goes up or down.
    /// While it is down raw sockets on it say so, and work again afterwards.
    ///
    /// # Errors
    /// It is gone.
    pub async fn set_carrier(&self, on: bool) -> Result<(), DeviceError> {
        Ok(self.links.set_up(self.former.index, on).await?)
    }

    /// Isolates the device again if somebody lifted it (`nft flush ruleset`) or renamed the device. Says
    /// whether that was so: worth an alarm. To be called now and then, and when the device changed.
    ///
    /// # Errors
    /// It is gone, or the kernel refuses: then stop reading it, for the host's stack does.
    pub async fn keep_isolated(&self) -> Result<bool, DeviceError> {
        let info = self.info().await?;
        let isolation = self.links.isolation();
        if isolation.is_isolated(&info.name)? {
            return Ok(false);
        }
        isolation.isolate(&info.name, self.role.admits())?;
        if info.name != self.former.device {
            isolation.release(&self.former.device)?;
        }
        Ok(true)
    }

    /// Whether it is among the `isolated` ones, which are named, under the name it was prepared by. If not, that
    /// may still be so: [`PreparedDevice::keep_isolated`] takes a closer look.
    pub fn is_among(&self, isolated: &BTreeSet<String>) -> bool {
        let name = &self.former.device;
        isolated.contains(name) && self.links.isolation().is_number(name, self.former.index.0)
    }

    /// Gives the device back as it was found. Only a NIV port that is up stays so, however it was: a switch that ends
    /// will be started again, and until then the IV behind the port keeps its guests' carrier, if it keeps its own
    /// (design.md section 5.9).
    ///
    /// # Errors
    /// As [`Former::restore`].
    pub async fn restore(self) -> Result<(), DeviceError> {
        let mut former = self.former;
        former.up |= self.role == Role::Niv
            && self
                .links
                .by_index(former.index)
                .await?
                .is_some_and(|now| now.up);
        former.restore(&self.links).await
    }
}

fn ethernet_address(info: &LinkInfo) -> Result<Mac, DeviceError> {
    info.mac.ok_or_else(|| DeviceError::NotEthernet {
        device: info.name.clone(),
    })
}

/// A device with an address is somebody's way to this machine, perhaps the user's own; a bridge's port is
/// somebody's network.
async fn refuse_if_in_use(links: &Links, info: &LinkInfo) -> Result<(), DeviceError> {
    if let Some(master) = info.master {
        let name = match links.by_index(master).await? {
            Some(master) => master.name,
            None => master.to_string(),
        };
        return Err(DeviceError::Enslaved {
            device: info.name.clone(),
            master: name,
        });
    }
    let mut addresses = links.addresses(info.index).await?;
    // Link-local IPv6 comes by itself with IPv6, and goes with it.
    addresses.retain(|a| !matches!(a.address, IpAddr::V6(v6) if v6.is_unicast_link_local()));
    if addresses.is_empty() {
        return Ok(());
    }
    Err(DeviceError::HasAddress {
        device: info.name.clone(),
        addresses,
    })
}

fn refuse_if_too_small(info: &LinkInfo, mtu: u32) -> Result<(), DeviceError> {
    match info.max_mtu {
        Some(limit) if limit < mtu => Err(DeviceError::MtuLimit {
            device: info.name.clone(),
            limit,
            needed: mtu,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
