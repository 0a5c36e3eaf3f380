//! A vNIC and what is outside the worker about it.

use super::attach::host_end;
use crate::config::{Attachment, Binding, VnicConfig};
use crate::core::{Account, VnicId};
use crate::life::Life;
use niv::{Mac, PortId, VifId};
use packet_io::afpacket::PacketOptions;
use packet_io::device::Role;
use packet_io::link::LinkIndex;
use packet_io::supervise::Wanted;
use packet_io::tap::TapControl;
use packet_io::worker::PortUse;
use tokio::sync::oneshot;
use vic::Uuid;

/// A vNIC's port: guests take and give unfinished frames, and need no padding.
pub(super) const VNIC: PortUse = PortUse {
    pad: false,
    offload: true,
};

/// A vNIC and what is outside the worker about it.
pub(super) struct Vnic {
    pub(super) id: VnicId,
    pub(super) config: VnicConfig,
    /// The device this end of it is.
    pub(super) device: String,
    /// Why its interface could not be made when that was last tried.
    pub(super) why_not: Option<String>,
    /// Where we hold the descriptor; `None` for other kinds, and for a TAP that cannot be opened again.
    pub(super) tap: Option<TapControl>,
    /// The kernel's number for that TAP: news of an earlier one of its name are not about it.
    pub(super) tap_index: Option<LinkIndex>,
    /// Its guest has a link from before the start, and keeps it for a while unless the switch says otherwise.
    pub(super) keeps_link: bool,
    /// What its guest was last shown.
    pub(super) shown: Option<bool>,
    /// The switch assigns its VIF; `None`: bound by hand.
    pub(super) vic: Option<Assigned>,
}

/// What there is about a vNIC whose VIF the switch assigns.
pub(super) struct Assigned {
    pub(super) uuid: Uuid,
    pub(super) life: Life,
    /// The guest's address, once its device is there.
    pub(super) mac: Option<Mac>,
    /// The address the session was told with the vNIC; `None`: not told of it.
    pub(super) declared: Option<Mac>,
    /// The configuration names it: `iv attach` did not.
    pub(super) configured: bool,
    /// Its device was made here.
    pub(super) made: bool,
    /// Who wants to know when its device is there.
    pub(super) attached: Option<oneshot::Sender<Result<(), String>>>,
    /// Who wants to know when it is detached, and by which UUID it comes back.
    pub(super) detached: Option<oneshot::Sender<Result<Uuid, String>>>,
}

impl Assigned {
    pub(super) const fn new(uuid: Uuid, vif: Option<VifId>, configured: bool, made: bool) -> Self {
        Self {
            uuid,
            life: Life::new(vif),
            mac: None,
            declared: None,
            configured,
            made,
            attached: None,
            detached: None,
        }
    }
}

impl Vnic {
    pub(super) fn new(id: VnicId, uplink: &str, config: VnicConfig, vic: Option<Assigned>) -> Self {
        let device = match &config.attachment {
            Attachment::Tap(name) | Attachment::Device(name) => name.clone(),
            Attachment::Netns { .. } => host_end(uplink, &config.binding),
        };
        Self {
            id,
            config,
            device,
            why_not: None,
            tap: None,
            tap_index: None,
            keeps_link: false,
            shown: None,
            vic,
        }
    }

    pub(super) const fn port(&self) -> PortId {
        Account::Vnic(self.id).port()
    }

    /// Its device as a supervisor is to have it; a TAP, which we hold ourselves, is not one's.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let role = match self.config.attachment {
            Attachment::Tap(_) => return None,
            Attachment::Netns { .. } => Role::Pair,
            Attachment::Device(_) => Role::Vnic,
        };
        Some(Wanted {
            id: self.port(),
            name: self.device.clone(),
            role,
            mtu: self.config.mtu,
            roomy: false,
            usage: VNIC,
        })
    }

    /// The TAP of that name.
    pub(super) fn is_tap(&self, name: &str) -> bool {
        matches!(&self.config.attachment, Attachment::Tap(tap) if tap == name)
    }

    /// What two vNICs cannot share, with its value: `name web1`.
    pub(super) fn shares(&self, other: &VnicConfig) -> Option<String> {
        let uuid = |config: &VnicConfig| match &config.binding {
            Binding::Profile(by) => by.uuid,
            Binding::Vif(_) => None,
        };
        if self.config.name == other.name {
            return Some(format!("the name {}", other.name));
        }
        if let Some(uuid) = uuid(other).filter(|&ours| uuid(&self.config) == Some(ours)) {
            return Some(format!("UUID {uuid}"));
        }
        match &other.attachment {
            Attachment::Tap(name) | Attachment::Device(name) if *name == self.device => {
                Some(format!("device {name}"))
            }
            Attachment::Netns { path, ifname } if self.config.attachment == other.attachment => {
                Some(format!("interface {ifname} in {}", path.display()))
            }
            _ => None,
        }
    }
}

/// With more vNICs than this, AF_XDP sockets to send by, each of which takes a descriptor and 256 KiB, are
/// done without (ours).
const MOST_WITH_XDP: usize = 2048;

/// How the device of one of so many vNICs is opened: with a ring of 1,024 slots if they are few, with fewer
/// for each of many, so that the rings of 4,000 take no more than 1 GiB (ours).
pub(super) fn ring(vnics: usize) -> PacketOptions {
    let slots = (64 * 1024 / vnics.max(1)).clamp(128, 1024);
    PacketOptions {
        slots: slots as u32,
        xdp: vnics <= MOST_WITH_XDP,
        ..PacketOptions::default()
    }
}
