//! What a frame leaves behind on its way through the switch: what is learned, counted, and said about it.
//! The way itself ([`super::worker`], [`super::pipeline`]) is written once, over [`Trail`]: on the data path
//! it is the [`Switch`](super::Switch), its bare table and counters; when people ask why, it is `Rehearsal`
//! (`switch::rehearsal`), which changes nothing and keeps every step.

use super::account::Account;
use super::decided::Decided;
use super::filters::FilterStep;
use super::guard::{GuardStep, Noticed};
use super::rate::RateStep;
use super::{Learned, Membership, Time};
use niv::{Anomaly, Counters, DropReason, Mac, PortId, Slot, VlanId, Weight};
use policy::security::Admission;

/// One thing that was asked about a frame or a copy of it, and the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Whose frame is it, by its link: the slot index; and may it go on.
    Arrival(Option<u16>, Result<(), DropReason>),
    /// It is link control's.
    Control,
    /// Odd but harmless.
    Odd(Anomaly),
    /// Does its bridge port take part.
    Standing(Result<(), DropReason>),
    /// Is its source address one that can be.
    Addresses(Result<(), DropReason>),
    /// Is it for this link alone (IEEE 802.1Q table 8-1).
    LinkLocal(bool),
    /// Which VLAN is it in.
    Classify(Result<VlanId, DropReason>),
    /// What do the access lists of a port say.
    Filter(FilterStep),
    /// Its source address is learned.
    Learn(Learned),
    /// Its destination is of a group.
    Group,
    /// Who has its destination address: the slot index.
    Lookup(Option<u16>),
    /// It came from where it is to go.
    SamePort,
    /// A copy for the bridge port at this slot index.
    CopyFor(u16),
    /// One copy for all members of the list at this place, but its sender's slot index.
    CopyForList(u16, Option<u16>),
    /// A list cannot be used: its members do not take the frame as it is, for its length or for the tag inside.
    ListTooSmall(u16),
    /// Does the bridge port it is for take part.
    Reachable(Result<(), DropReason>),
    /// Is that one in the VLAN, and with a tag or without.
    Member(Result<Membership, DropReason>),
    /// Is the frame short enough for it.
    Fits(Result<(), DropReason>),
    /// What its rate and its priority are.
    Rate(RateStep),
    /// What guards say.
    Guard(GuardStep),
}

/// Where what a frame causes goes.
pub(super) trait Trail {
    /// `mac` has just sent from `slot`.
    fn learn(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned;
    /// The same, of a slot whose the address is, wherever it was learned and held before.
    fn claim(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned;
    /// The bridge port behind which `mac` is.
    fn lookup(&self, vlan: VlanId, mac: Mac, now: Time) -> Option<Slot>;
    /// A bridge port's counters, for frames that pass.
    fn passing(&mut self, index: u16) -> &mut Counters;
    /// A bridge port's counters, for anything.
    fn troubled(&mut self, index: u16) -> &mut Counters;
    /// A device's counters, for frames that did not say whose they are.
    fn link(&mut self, device: PortId) -> &mut Counters;
    /// A copy went no further.
    fn drop_copy(&mut self, account: Account, reason: DropReason, weight: Weight);
    /// Whether any port is secured, so that sources are asked about.
    fn secures(&self) -> bool;
    /// Whether `mac` may send from the bridge port at place `index`, by port security.
    fn admit(&mut self, index: u16, vlan: VlanId, mac: Mac, now: Time) -> Admission;
    /// Something that guards are to know, or to tell.
    fn notice(&mut self, noticed: Noticed, now: Time);
    /// What policy keeps of a bridge port.
    fn kept(&mut self, index: u16) -> &mut policy::PortState;
    /// Access lists said this of a frame.
    fn decided(&mut self, decided: &Decided<'_>);
    /// This was asked, and answered so.
    fn step(&mut self, step: Step);
}
