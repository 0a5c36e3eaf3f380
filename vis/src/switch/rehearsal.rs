//! `vis explain`: the way of a frame through the switch as it would be now, with every step kept and nothing
//! changed. What is walked is the data path's own code ([`super::worker::pass`]); what differs is that
//! nothing is learned and nothing counted, so the table is asked what learning would have done.

use super::account::Account;
use super::decided::Decided;
use super::guard::Noticed;
use super::guarded::Guards;
use super::kept::Kept;
use super::pipeline::Frame;
use super::snapshot::Snapshot;
use super::table::Foresight;
use super::trail::{Step, Trail};
use super::worker::pass;
use super::{Learned, Table, Time};
use crate::edge::{self, Content};
use niv::{Counters, DropReason, ListId, Mac, PortId, Slot, VlanId, VlanTag, Weight};
use packet_io::{Outgoing, RxFrame};
use policy::security::Admission;
use std::collections::BTreeMap;

/// What would become of a frame, and why.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// What was asked about the frame, in order; the last answer decided.
    pub steps: Vec<Step>,
    /// Its VLAN tag, wherever it was found; `None` also where the frame was not read so far.
    pub tag: Option<VlanTag>,
    /// What would be counted where it came in, and for copies that are dropped.
    pub counters: Counters,
    /// Its copies, in order.
    pub copies: Vec<Copy>,
}

/// A copy that would be made.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Slot indices of the bridge ports it is for, ascending: one, or those of a list without the frame's sender.
    pub to: Vec<u16>,
    /// Of several: the device they share, and the list's number there.
    pub list: Option<(PortId, ListId)>,
    /// What was asked about it, in order.
    pub steps: Vec<Step>,
    /// How it would leave, or why it does not.
    pub fate: Result<Outgoing, DropReason>,
}

/// Keeps every step, and changes nothing.
struct Rehearsal<'a> {
    table: &'a Table,
    kept: &'a Kept,
    guards: &'a Guards,
    /// What policy would keep by now, of the bridge ports it was asked about.
    changed: BTreeMap<u16, policy::PortState>,
    /// What the table would know by now.
    learned: Option<(VlanId, Mac, Foresight)>,
    counters: Counters,
    steps: Vec<Step>,
    /// By copy, in order: why it is dropped.
    dropped: Vec<(Account, DropReason)>,
}

impl Trail for Rehearsal<'_> {
    fn learn(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        let foresight = self.table.foresee(vlan, mac, slot, now);
        self.learned = Some((vlan, mac, foresight));
        foresight.learned
    }

    fn claim(&mut self, vlan: VlanId, mac: Mac, slot: Slot, now: Time) -> Learned {
        let mut foresight = self.table.foresee(vlan, mac, slot, now);
        if foresight.learned == Learned::Held {
            foresight.learned = Learned::Moved;
            foresight.holder = Some(slot);
        }
        self.learned = Some((vlan, mac, foresight));
        foresight.learned
    }

    fn lookup(&self, vlan: VlanId, mac: Mac, now: Time) -> Option<Slot> {
        if let Some((learned_in, learned, foresight)) = self.learned {
            if (learned_in, learned) == (vlan, mac) {
                return foresight.holder;
            }
            if foresight.given_up == Some((vlan, mac)) {
                return None;
            }
        }
        self.table.lookup(vlan, mac, now)
    }

    fn passing(&mut self, _index: u16) -> &mut Counters {
        &mut self.counters
    }

    fn troubled(&mut self, _index: u16) -> &mut Counters {
        &mut self.counters
    }

    fn link(&mut self, _device: PortId) -> &mut Counters {
        &mut self.counters
    }

    fn drop_copy(&mut self, account: Account, reason: DropReason, weight: Weight) {
        self.counters.drop_copy(reason, weight);
        self.dropped.push((account, reason));
    }

    fn secures(&self) -> bool {
        self.guards.secures()
    }

    fn admit(&mut self, index: u16, vlan: VlanId, mac: Mac, now: Time) -> Admission {
        self.guards.foresee(index, vlan, mac, now, self.table)
    }

    fn notice(&mut self, _noticed: Noticed, _now: Time) {}

    fn kept(&mut self, index: u16) -> &mut policy::PortState {
        let kept = self.kept;
        self.changed
            .entry(index)
            .or_insert_with(|| kept.copy(index))
    }

    fn decided(&mut self, _decided: &Decided<'_>) {}

    fn step(&mut self, step: Step) {
        self.steps.push(step);
    }
}

/// Walks `frame` from `device` through the switch as it is at `now`.
pub(super) fn rehearse(
    table: &Table,
    (kept, guards): (&Kept, &Guards),
    snapshot: &Snapshot,
    now: Time,
    device: PortId,
    frame: &RxFrame<'_>,
) -> Explanation {
    let mut rehearsal = Rehearsal {
        table,
        kept,
        guards,
        changed: BTreeMap::new(),
        learned: None,
        counters: Counters::default(),
        steps: Vec::new(),
        dropped: Vec::new(),
    };
    let mut out = Vec::new();
    pass(&mut rehearsal, snapshot, now, device, 0, frame, &mut out);
    let Rehearsal {
        counters,
        steps,
        dropped,
        ..
    } = rehearsal;
    let is_copy = |step: &Step| {
        matches!(
            step,
            Step::CopyFor(_) | Step::CopyForList(..) | Step::ListTooSmall(_)
        )
    };
    let first = steps.iter().position(is_copy).unwrap_or(steps.len());
    let (frame_steps, copy_steps) = steps.split_at_checked(first).unwrap_or((&steps, &[]));
    let mut left = out.iter().peekable();
    let mut lost = dropped.iter().peekable();
    let mut copies = Vec::new();
    for group in copy_steps.chunk_by(|_, next| !is_copy(next)) {
        let Some((account, to, list)) = group.first().and_then(|step| receivers(snapshot, *step))
        else {
            continue;
        };
        // Both are in the order of the copies, and no account is there twice.
        let fate = match left.next_if(|outgoing| outgoing.account == u32::from(account)) {
            Some(outgoing) => {
                // Of an oversized frame the end may be dropped all the same.
                let _ = lost.next_if(|(of, _)| *of == account);
                Ok(*outgoing)
            }
            None => match lost.next_if(|(of, _)| *of == account) {
                Some(&(_, reason)) => Err(reason),
                None => continue,
            },
        };
        copies.push(Copy {
            to,
            list,
            steps: group.get(1..).unwrap_or_default().to_vec(),
            fate,
        });
    }
    let tag = match edge::arrive(snapshot.link(device), frame).content {
        Content::Frame(Frame { tag, .. }) => tag,
        Content::Control | Content::Refused(_) => None,
    };
    Explanation {
        steps: frame_steps.to_vec(),
        tag,
        counters,
        copies,
    }
}

type Receivers = (Account, Vec<u16>, Option<(PortId, ListId)>);

fn receivers(snapshot: &Snapshot, step: Step) -> Option<Receivers> {
    match step {
        Step::CopyFor(index) => Some((Account::Port(index), vec![index], None)),
        Step::CopyForList(place, left_out) => {
            let list = snapshot.list(place)?;
            let members = list.members.iter().copied();
            let to = members.filter(|&member| Some(member) != left_out).collect();
            let account = Account::List { place, left_out };
            Some((account, to, Some((list.device, list.id))))
        }
        _ => None,
    }
}
