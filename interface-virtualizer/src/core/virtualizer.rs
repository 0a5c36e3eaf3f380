//! Both directions of one link.

use super::lists::UnknownLists;
use super::vnic::Vnics;
use super::{Lists, VifSet, Vnic, VnicError, VnicId};
use niv::{Anomaly, Counters, DropReason, Gather, ListId, PortId, VifId, Weight};
use packet_io::{Outgoing, RxFrame};
use vntag::{
    Direction, Dvif, ETHERTYPE_AT, Frame, Inner, Svif, Version, VnTag, ethertype, hidden_tag,
};

/// The uplink's port; vNIC `n` is port `n + 1`.
pub const UPLINK: PortId = PortId(0);

/// Where in a downlink frame the EtherType behind the VNTag stands.
const INNER_TYPE: usize = 18;

/// In [`Outgoing::account`]: the copy was made by a list. Ports have fewer bits.
const BY_LIST: u32 = 1 << 31;

/// Whose counters: the uplink's or a vNIC's. The same number as the port's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Account {
    /// The link to the switch.
    Uplink,
    /// One vNIC.
    Vnic(VnicId),
}

impl Account {
    /// The account behind a port number.
    pub const fn of(port: PortId) -> Self {
        match port.0.checked_sub(1) {
            None => Self::Uplink,
            Some(index) => Self::Vnic(VnicId(index)),
        }
    }

    /// The port of that account.
    pub const fn port(self) -> PortId {
        match self {
            Self::Uplink => UPLINK,
            Self::Vnic(VnicId(index)) => PortId(index + 1),
        }
    }
}

/// The state of one link: vNICs, lists and counters.
#[derive(Debug)]
pub struct Virtualizer {
    vnics: Vnics,
    lists: Lists,
    /// By port number.
    counters: Vec<Counters>,
    /// By port number: frames handed to a vNIC that were copies by a list.
    list_copies: Vec<u64>,
    /// The counters of the vNICs that were removed.
    removed: Counters,
    unknown: UnknownLists,
}

impl Default for Virtualizer {
    fn default() -> Self {
        Self {
            vnics: Vnics::new(),
            lists: Lists::default(),
            counters: vec![Counters::default()],
            list_copies: vec![0],
            removed: Counters::default(),
            unknown: UnknownLists::new(),
        }
    }
}

/// Why a frame goes no further, before it is counted.
enum Verdict {
    Consumed,
    Dropped(DropReason),
}

impl From<DropReason> for Verdict {
    fn from(reason: DropReason) -> Self {
        Self::Dropped(reason)
    }
}

impl Virtualizer {
    /// Adds a vNIC that is `vif`, not yet enabled.
    ///
    /// # Errors
    /// The VIF is taken, or there are as many vNICs as there can be.
    pub fn add(&mut self, vif: VifId) -> Result<VnicId, VnicError> {
        if self.vnics.holder(vif).is_some() {
            return Err(VnicError::VifTaken(vif));
        }
        let id = self.add_unbound()?;
        self.bind(id, vif)?;
        Ok(id)
    }

    /// Adds a vNIC without a VIF: nothing passes until it has one and is enabled.
    ///
    /// # Errors
    /// There are as many vNICs as there can be.
    pub fn add_unbound(&mut self) -> Result<VnicId, VnicError> {
        let id = self.vnics.add()?;
        // Whatever a port without a vNIC was counted under belongs to nobody.
        self.retire_counters(id);
        self.account(Account::Vnic(id));
        Ok(id)
    }

    /// Gives the vNIC a VIF. If it has that one it goes on as it is; in place of another one, it is not
    /// enabled, and the other is stripped from all lists.
    ///
    /// # Errors
    /// Another vNIC is that VIF, or there is no such vNIC; then nothing has changed.
    pub fn bind(&mut self, id: VnicId, vif: VifId) -> Result<(), VnicError> {
        let had = self.vnics.get(id).and_then(|vnic| vnic.vif);
        self.vnics.bind(id, vif)?;
        if let Some(had) = had.filter(|&had| had != vif) {
            self.lists.strip(had);
        }
        Ok(())
    }

    /// Takes the vNIC's VIF away; it is stripped from all lists at once.
    pub fn unbind(&mut self, id: VnicId) {
        if let Some(vif) = self.vnics.unbind(id) {
            self.lists.strip(vif);
        }
    }

    /// Removes the vNIC, with its VIF. Its counters go on in [`Self::total`] only. Nothing it sent or was
    /// to get may be on its way: to be called between bursts. Its id may be given to another one.
    pub fn remove(&mut self, id: VnicId) {
        if let Some(vif) = self.vnics.remove(id) {
            self.lists.strip(vif);
        }
        self.retire_counters(id);
    }

    /// Takes a VIF out of every list, and from the vNIC that has it (design.md section 5.7).
    pub fn forget(&mut self, vif: VifId) {
        if let Some(id) = self.vnics.holder(vif) {
            self.vnics.unbind(id);
        }
        self.lists.strip(vif);
    }

    /// Takes a VIF out of every list, and leaves it to the vNIC that has it.
    pub fn strip(&mut self, vif: VifId) {
        self.lists.strip(vif);
    }

    fn retire_counters(&mut self, id: VnicId) {
        let index = usize::from(Account::Vnic(id).port().0);
        if let Some(counters) = self.counters.get_mut(index) {
            self.removed.merge(&core::mem::take(counters));
        }
        if let Some(copies) = self.list_copies.get_mut(index) {
            *copies = 0;
        }
    }

    /// Lets frames of the vNIC pass, or stops them. Without a VIF none pass.
    pub fn enable(&mut self, id: VnicId, enabled: bool) {
        self.vnics.enable(id, enabled);
    }

    /// The vNIC as it is now.
    pub fn vnic(&self, id: VnicId) -> Option<&Vnic> {
        self.vnics.get(id)
    }

    /// The vNIC that is `vif`.
    pub fn holder(&self, vif: VifId) -> Option<VnicId> {
        self.vnics.holder(vif)
    }

    /// Installs a VIF list, whole.
    pub fn set_list(&mut self, list: ListId, members: impl IntoIterator<Item = VifId>) {
        self.lists.set(list, members.into_iter().collect());
    }

    /// Forgets a VIF list.
    pub fn delete_list(&mut self, list: ListId) {
        self.lists.delete(list);
    }

    /// Forgets all VIF lists.
    pub fn clear_lists(&mut self) {
        self.lists.clear();
    }

    /// The lists there are.
    pub const fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Whether a frame came for a list that is not installed, since [`Self::take_unknown_lists`].
    pub const fn has_unknown_lists(&self) -> bool {
        self.unknown.any()
    }

    /// The lists that frames came for and that are not installed, each once. Allocates.
    pub fn take_unknown_lists(&mut self) -> Vec<ListId> {
        self.unknown.take()
    }

    /// Frames handed to the vNIC that were copies by a list.
    pub fn list_copies(&self, id: VnicId) -> u64 {
        let index = usize::from(Account::Vnic(id).port().0);
        self.list_copies.get(index).copied().unwrap_or_default()
    }

    /// The counters of one account.
    pub fn counters(&self, account: Account) -> Counters {
        self.counters
            .get(usize::from(account.port().0))
            .copied()
            .unwrap_or_default()
    }

    /// The counters of all accounts together, those of removed vNICs included; they balance.
    pub fn total(&self) -> Counters {
        let mut total = self.removed;
        for counters in &self.counters {
            total.merge(counters);
        }
        total
    }

    /// One received frame, from whichever port: counts it and appends its copies to `out`.
    pub fn receive(
        &mut self,
        port: PortId,
        index: u16,
        frame: &RxFrame<'_>,
        out: &mut Vec<Outgoing>,
    ) {
        match Account::of(port) {
            Account::Uplink => self.down(index, frame, out),
            Account::Vnic(id) => self.up(id, index, frame, out),
        }
    }

    /// What became of a copy, or of some of its segments.
    pub fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        let counters = self.account(Account::of(copy.port));
        match fate {
            Ok(()) => counters.sent(weight),
            Err(reason) => counters.drop_copy(reason, weight),
        }
        if copy.account & BY_LIST != 0
            && fate.is_ok()
            && let Some(copies) = self.list_copies.get_mut(usize::from(copy.port.0))
        {
            *copies += u64::from(weight.frames);
        }
    }

    fn account(&mut self, account: Account) -> &mut Counters {
        let index = usize::from(account.port().0);
        if index >= self.counters.len() {
            self.counters.resize(index + 1, Counters::default());
            self.list_copies.resize(index + 1, 0);
        }
        #[expect(clippy::indexing_slicing, reason = "resized above to hold it")]
        &mut self.counters[index]
    }

    /// vNIC to link (design.md section 5.3).
    fn up(&mut self, id: VnicId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        let weight = frame.weight(0);
        let verdict = self.push(id, frame);
        let counters = self.account(Account::Vnic(id));
        let counted = weight.unwrap_or(Weight::one(frame.bytes.len()));
        match verdict {
            Ok(gather) if weight.is_ok() => {
                counters.forward(counted);
                out.push(Outgoing {
                    port: UPLINK,
                    account: UPLINK.0.into(),
                    frame: index,
                    gather,
                    uncounted: VnTag::LEN as u8,
                    edit: packet_io::Edit::NONE,
                });
            }
            Ok(_) => counters.drop_received(DropReason::BadOffload, counted),
            Err(reason) => counters.drop_received(reason, counted),
        }
    }

    fn push(&self, id: VnicId, frame: &RxFrame<'_>) -> Result<Gather, DropReason> {
        let Some(Vnic {
            vif: Some(vif),
            enabled: true,
        }) = self.vnics.get(id).copied()
        else {
            return Err(DropReason::VifDisabled);
        };
        if is_truncated(frame) {
            return Err(DropReason::Truncated);
        }
        // A NIC can be told to take any EtherType out as a tag; put back, it would follow our own.
        if let Some(ethertype::VNTAG | ethertype::ETAG) = frame.vlan.map(|tag| tag.tpid) {
            return Err(DropReason::GuestTag);
        }
        match hidden_tag(frame.bytes, ETHERTYPE_AT, usize::from(frame.vlan.is_some())) {
            Inner::Plain { .. } => {}
            Inner::NivTag => return Err(DropReason::GuestTag),
            Inner::TooManyTags => return Err(DropReason::TooManyTags),
            Inner::Truncated => return Err(DropReason::Runt),
        }
        let tag = VnTag {
            direction: Direction::ToBridge,
            pointer: false,
            dvif: Dvif::ZERO,
            looped: false,
            reserved: false,
            version: Version::ZERO,
            svif: Svif::from(vif),
        };
        Gather::new(frame.bytes, ETHERTYPE_AT as u16, Some(tag), frame.vlan)
            .map_err(|_| DropReason::Runt)
    }

    /// Link to vNIC (design.md section 5.4, in its order).
    fn down(&mut self, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        let weight = frame.weight(VnTag::LEN as u8);
        let bad_offload = weight.is_err();
        let weight = weight.unwrap_or(Weight::one(frame.bytes.len().saturating_sub(VnTag::LEN)));
        let before = out.len();
        let result = self.pop(index, frame, bad_offload, out);
        let copies = (out.len() - before) as u64;
        let counters = self.account(Account::Uplink);
        match result {
            Ok(tag) if tag.pointer => counters.flood(weight, copies),
            Ok(_) => counters.forward(weight),
            Err(Verdict::Consumed) => counters.consume(Weight::one(frame.bytes.len())),
            Err(Verdict::Dropped(reason)) => counters.drop_received(reason, weight),
        }
    }

    fn pop(
        &mut self,
        index: u16,
        frame: &RxFrame<'_>,
        bad_offload: bool,
        out: &mut Vec<Outgoing>,
    ) -> Result<VnTag, Verdict> {
        let ethernet = Frame::new(frame.bytes).map_err(|_| DropReason::Runt)?;
        let outer = ethernet.ethertype();
        if frame.vlan.is_none() && matches!(outer, ethertype::ECP | ethertype::LLDP) {
            return Err(Verdict::Consumed);
        }
        if frame.vlan.is_some() || outer != ethertype::VNTAG {
            return Err(DropReason::Untagged.into());
        }
        if frame.bytes.len() <= Frame::MIN_LEN + VnTag::LEN {
            return Err(DropReason::Runt.into());
        }
        if is_truncated(frame) {
            return Err(DropReason::Truncated.into());
        }
        let Some(Ok(tag)) = ethernet.vntag().map(|view| view.map(|view| view.tag())) else {
            return Err(DropReason::Runt.into());
        };
        if tag.version != Version::ZERO {
            return Err(DropReason::BadVersion.into());
        }
        if tag.direction != Direction::FromBridge {
            return Err(DropReason::WrongDirection.into());
        }
        if bad_offload {
            return Err(DropReason::BadOffload.into());
        }
        if tag.reserved {
            self.account(Account::Uplink)
                .anomalies
                .add(Anomaly::ReservedBit);
        }
        if let Some(list) = self.unknown_list(&tag) {
            self.unknown.note(list);
            return Err(DropReason::UnknownList.into());
        }
        let target = self.target(&tag)?;
        match hidden_tag(frame.bytes, INNER_TYPE, 0) {
            Inner::Plain { .. } => {}
            Inner::NivTag => return Err(DropReason::NestedTag.into()),
            Inner::TooManyTags => return Err(DropReason::TooManyTags.into()),
            Inner::Truncated => return Err(DropReason::Runt.into()),
        }
        let gather = Gather::new(frame.bytes, INNER_TYPE as u16, None, None)
            .map_err(|_| DropReason::Runt)?;
        let by_list = if tag.pointer { BY_LIST } else { 0 };
        let mut copy = |id: VnicId| {
            let port = Account::Vnic(id).port();
            out.push(Outgoing {
                port,
                account: u32::from(port.0) | by_list,
                frame: index,
                gather,
                uncounted: 0,
                edit: packet_io::Edit::NONE,
            });
        };
        match target {
            Target::Vnic(id) => copy(id),
            Target::List(members) => {
                let sender = tag.looped.then_some(tag.svif);
                let before = members
                    .iter()
                    .filter(|&vif| Some(Svif::from(vif)) != sender);
                let mut nobody = true;
                for id in before.filter_map(|vif| self.vnics.enabled(vif)) {
                    nobody = false;
                    copy(id);
                }
                if nobody {
                    return Err(DropReason::NoMember.into());
                }
            }
        }
        Ok(tag)
    }

    /// The list that a tag names and that is not installed, if its number can be one.
    fn unknown_list(&self, tag: &VnTag) -> Option<ListId> {
        let list = ListId::try_from(tag.dvif).ok().filter(|_| tag.pointer)?;
        self.lists.get(list).is_none().then_some(list)
    }

    fn target(&self, tag: &VnTag) -> Result<Target<'_>, DropReason> {
        if tag.pointer {
            let list = ListId::try_from(tag.dvif)
                .ok()
                .and_then(|list| self.lists.get(list));
            return list.map(Target::List).ok_or(DropReason::UnknownList);
        }
        let vif = VifId::try_from(tag.dvif).map_err(|_| DropReason::UnknownVif)?;
        let vnic = self.vnics.enabled(vif).ok_or(DropReason::UnknownVif)?;
        if tag.looped && tag.svif == Svif::from(vif) {
            return Err(DropReason::SelfDelivery);
        }
        Ok(Target::Vnic(vnic))
    }
}

/// The kernel had no room for all of the frame.
fn is_truncated(frame: &RxFrame<'_>) -> bool {
    frame.original_length as usize > frame.bytes.len()
}

/// Who gets a downlink frame.
enum Target<'a> {
    Vnic(VnicId),
    List(&'a VifSet),
}
