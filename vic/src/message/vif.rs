//! Messages about VIFs and the vEths behind them.

use crate::identity::Uuid;
use crate::message::layout::body;
use crate::refusal::Code;
use crate::text::{Name, OwnerName, Sentence};
use niv::{Mac, VifId};

body! {
    /// IV to VIS: there is a vNIC; give it a VIF. Key: the UUID.
    pub struct VifCreate {
        /// Names the vNIC for good.
        pub uuid: Uuid = UUID,
        /// Its address.
        pub mac: Mac = MAC,
        /// What the IV calls it.
        pub name: Name = NAME,
        /// Which port profile it wants.
        pub profile: Name = PROFILE,
        /// What the guest may send, in octets after the EtherType and any VLAN tags.
        pub mtu: u16 = MTU,
        /// The id it had; taken only if it is free or was its own.
        pub vif: Option<VifId> = VIF,
        /// Whose it is.
        pub owner_name: Option<OwnerName> = OWNER_NAME,
        /// Whose it is.
        pub owner_uuid: Option<Uuid> = OWNER_UUID,
    }
}

body! {
    /// VIS to IV: yes. Not yet enabled.
    pub struct VifCreateAnswer {
        /// Its id on this link.
        pub vif: VifId = VIF,
        /// Its vEth.
        pub veth: u32 = VETH,
        /// What the VIS calls that.
        pub veth_name: Option<Name> = VETH_NAME,
    }
}

body! {
    /// VIS to IV: frames may pass. Key: the VIF.
    pub struct VifEnable {
        /// Which.
        pub vif: VifId = VIF,
    }
}

body! {
    /// VIS to IV: frames may not pass any more; the id stays. Key: the VIF.
    pub struct VifDisable {
        /// Which.
        pub vif: VifId = VIF,
        /// Why.
        pub code: Code = CODE,
        /// Why.
        pub sentence: Option<Sentence> = SENTENCE,
    }
}

body! {
    /// IV to VIS: the vNIC has another address or MTU. Key: the VIF.
    pub struct VifSet {
        /// Which.
        pub vif: VifId = VIF,
        /// Its new address.
        pub mac: Option<Mac> = MAC,
        /// Its new MTU.
        pub mtu: Option<u16> = MTU,
    }
}

body! {
    /// Either end. From the IV: the vNIC is gone. From the VIS: forget that id, and take it out of all
    /// lists. Key: the VIF.
    pub struct VifDelete {
        /// Which. Absent, from the IV only: all that were not created in this session.
        pub vif: Option<VifId> = VIF,
        /// Whose it is; from the VIS always. An id that is another's is not that vNIC's to give back.
        pub uuid: Option<Uuid> = UUID,
        /// Why.
        pub code: Code = CODE,
        /// Why.
        pub sentence: Option<Sentence> = SENTENCE,
    }
}

body! {
    /// VIS to IV: how the vEth is. Key: the VIF.
    pub struct VifStatus {
        /// Which.
        pub vif: VifId = VIF,
        /// Whether the guest should see carrier.
        pub up: bool = UP,
        /// Why it is down.
        pub code: Option<Code> = CODE,
        /// Why it is down.
        pub sentence: Option<Sentence> = SENTENCE,
    }
}

body! {
    /// IV to VIS: what passed a vNIC since its VIF was created. Key: the VIF.
    pub struct Counters {
        /// Which.
        pub vif: VifId = VIF,
        /// Totals.
        pub counters: VifCounters = COUNTERS,
    }
}

/// What passed a vNIC at its IV, since its VIF was created. Octets as in design.md section 4.10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VifCounters {
    /// Frames handed to the vNIC.
    pub to_frames: u64,
    /// Octets of them.
    pub to_octets: u64,
    /// Frames of the vNIC that went up the link.
    pub from_frames: u64,
    /// Octets of all that came from the guest, those of dropped frames too.
    pub from_octets: u64,
    /// Of the frames handed to the vNIC, those that were copies by a list.
    pub list_copies: u64,
    /// Frames from or for the vNIC that the IV dropped.
    pub dropped: u64,
}

body! {
    /// IV to VIS: the vNIC is about to move to another IV. Key: the UUID.
    pub struct Prepare {
        /// Which vNIC.
        pub uuid: Uuid = UUID,
        /// Identity of the IV it goes to, when known.
        pub identity: Option<Uuid> = IDENTITY,
    }
}

body! {
    /// IV to VIS, from the one to which it came: the vNIC lives here now. Key: the UUID.
    pub struct Commit {
        /// Which vNIC.
        pub uuid: Uuid = UUID,
    }
}

body! {
    /// IV to VIS, from the one that prepared it: the vNIC does not move after all. Key: the UUID.
    pub struct Abort {
        /// Which vNIC.
        pub uuid: Uuid = UUID,
    }
}
