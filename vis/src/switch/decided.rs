//! What access lists have decided: how often each line did, and frames that a line wants to be told of, a bounded number
//! of them.

use super::filters::{ByFamily, FilterList};
use super::{Snapshot, Time};
use niv::Slot;
use policy::acl::{
    AccessList, Action, By, Decision, Family, Hits, ListName, Sequence, Verdict, View,
};
use std::sync::Arc;

/// Frames told of that wait for control, at most (ours).
const ROOM: usize = 64;
/// Of one line at one bridge port: so many at once, and then one in so many milliseconds (ours).
const OF_A_LINE: (u64, u64) = (5, 1000);
/// Of one bridge port: more than of a line, so that no line hides all others.
const OF_A_PORT: (u64, u64) = (10, 500);
/// Lines told apart at one bridge port; those beyond share with others.
const LINES: usize = 8;
/// Of all together.
const OF_ALL: (u64, u64) = (50, 100);

/// What the lists of a port said of a frame.
pub(super) struct Decided<'a> {
    pub(super) port: Slot,
    pub(super) outward: bool,
    pub(super) decision: &'a Decision,
    pub(super) places: ByFamily,
    pub(super) view: &'a View,
    /// Wire frames.
    pub(super) frames: u64,
}

/// A frame that a line with `log` has decided.
#[derive(Clone, Debug)]
pub struct Told {
    /// When.
    pub at: Time,
    /// Whose lists decided.
    pub port: Slot,
    /// Of a copy to the port; else of a frame from it.
    pub outward: bool,
    /// The list.
    pub list: Arc<AccessList>,
    /// The line.
    pub sequence: Sequence,
    /// What became of the frame.
    pub action: Action,
    /// What it is.
    pub view: View,
}

/// What is told at a time.
#[derive(Clone, Debug, Default)]
pub struct Tale {
    /// Frames, in order.
    pub told: Vec<Told>,
    /// Frames that would have been too many, by bridge port.
    pub left_out: Vec<(Slot, u64)>,
}

impl Tale {
    /// Nothing is told.
    pub const fn is_empty(&self) -> bool {
        self.told.is_empty() && self.left_out.is_empty()
    }
}

/// The worker's account of access lists. Nothing is allocated but when a snapshot is taken up.
#[derive(Clone, Debug, Default)]
pub(super) struct Decisions {
    /// By place in the snapshot taken up last, which is by name.
    lists: Vec<(FilterList, Hits)>,
    told: Vec<Told>,
    all: Allowance,
    /// By slot index.
    ports: Vec<OfPort>,
}

#[derive(Clone, Debug, Default)]
struct OfPort {
    slot: Option<Slot>,
    allowance: Allowance,
    /// Of lines, by place of the list and of the line in it.
    lines: [Allowance; LINES],
    left_out: u64,
}

impl OfPort {
    /// Whether a frame that this line decided may be told of.
    fn may_tell(&mut self, place: u16, index: u16, now: Time) -> bool {
        let line = (usize::from(place) + usize::from(index)) % LINES;
        let line = self.lines.get_mut(line);
        line.is_some_and(|line| line.take(now, OF_A_LINE)) && self.allowance.take(now, OF_A_PORT)
    }
}

impl Decisions {
    /// Makes room for what `snapshot` names. A line keeps its count as long as it has its number and says the same.
    pub(super) fn adopt(&mut self, snapshot: &Snapshot) {
        self.told
            .reserve_exact(ROOM.saturating_sub(self.told.len()));
        let mut before = std::mem::take(&mut self.lists).into_iter().peekable();
        for new in snapshot.filters() {
            let name = new.list.name();
            while before.next_if(|(old, _)| old.list.name() < name).is_some() {}
            let hits = match before.next_if(|(old, _)| old.list.name() == name) {
                Some((old, hits)) if old == *new => hits,
                Some((old, hits)) => hits.after_edit(&old.list, &new.list),
                None => Hits::new(&new.list),
            };
            self.lists.push((new.clone(), hits));
        }
        for port in snapshot.ports() {
            let at = usize::from(port.slot.index);
            if self.ports.len() <= at {
                self.ports.resize_with(at + 1, OfPort::default);
            }
            if let Some(of) = self.ports.get_mut(at)
                && of.slot != Some(port.slot)
            {
                *of = OfPort {
                    slot: Some(port.slot),
                    ..OfPort::default()
                };
            }
        }
    }

    #[inline]
    pub(super) fn count(&mut self, decided: &Decided<'_>, now: Time) {
        if let Some(verdict) = &decided.decision.mac {
            self.count_one(decided, decided.places.mac, verdict, now);
        }
        if let Some((family, verdict)) = &decided.decision.ip {
            let place = match family {
                Family::Ipv6 => decided.places.ipv6,
                Family::Ipv4 | Family::Mac => decided.places.ipv4,
            };
            self.count_one(decided, place, verdict, now);
        }
    }

    #[inline]
    fn count_one(&mut self, decided: &Decided<'_>, place: u16, verdict: &Verdict, now: Time) {
        if let Some((_, hits)) = self.lists.get_mut(usize::from(place)) {
            hits.count(verdict, decided.frames);
            if verdict.log {
                self.tell(decided, place, verdict, now);
            }
        }
    }

    #[cold]
    fn tell(&mut self, decided: &Decided<'_>, place: u16, verdict: &Verdict, now: Time) {
        let By::Line(index) = verdict.by else { return };
        let Some((list, _)) = self.lists.get(usize::from(place)) else {
            return;
        };
        let Some(of) = self.ports.get_mut(usize::from(decided.port.index)) else {
            return;
        };
        let has_room = self.told.len() < ROOM.min(self.told.capacity());
        let may = has_room && of.may_tell(place, index, now) && self.all.take(now, OF_ALL);
        match list.compiled.sequence(index) {
            Some(sequence) if may => self.told.push(Told {
                at: now,
                port: decided.port,
                outward: decided.outward,
                list: Arc::clone(&list.list),
                sequence,
                action: verdict.action,
                view: *decided.view,
            }),
            _ => of.left_out = of.left_out.saturating_add(decided.frames),
        }
    }

    /// What there is to tell, which from now on is told.
    pub(super) fn take(&mut self) -> Tale {
        let ports = self.ports.iter_mut().filter(|of| of.left_out > 0);
        let left_out = ports.filter_map(|of| Some((of.slot?, std::mem::take(&mut of.left_out))));
        Tale {
            left_out: left_out.collect(),
            told: self.told.drain(..).collect(),
        }
    }

    /// The lists that frames are asked by, and what each has decided.
    pub(super) fn hits(&self) -> impl Iterator<Item = (&Arc<AccessList>, &Hits)> {
        self.lists.iter().map(|(list, hits)| (&list.list, hits))
    }

    /// Begins to count anew; `None`: all lists.
    pub(super) fn clear(&mut self, only: Option<&ListName>) {
        for (list, hits) in &mut self.lists {
            if only.is_none_or(|only| only == list.list.name()) {
                *hits = Hits::new(&list.list);
            }
        }
    }
}

/// How much may still be told.
#[derive(Clone, Copy, Debug, Default)]
struct Allowance {
    left: u64,
    /// Milliseconds up to which it has been given.
    at: u64,
}

impl Allowance {
    /// Takes one of `most`, of which one comes in each `millis`.
    fn take(&mut self, now: Time, (most, millis): (u64, u64)) -> bool {
        let come = now.as_millis().saturating_sub(self.at) / millis;
        self.left = most.min(self.left.saturating_add(come));
        self.at = self.at.saturating_add(come.saturating_mul(millis));
        let may = self.left > 0;
        self.left -= u64::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_of_at_once_and_then_one_in_each_turn() {
        let mut allowance = Allowance::default();
        let mut told = |millis: u64, tries: usize| {
            let at = Time::from_millis(millis);
            (0..tries).filter(|_| allowance.take(at, OF_A_LINE)).count()
        };
        assert_eq!(told(100_000, 100), 5);
        assert_eq!(told(100_999, 100), 0);
        assert_eq!(told(101_000, 100), 1);
        assert_eq!(told(103_500, 100), 2);
        assert_eq!(told(500_000, 100), 5);
    }

    #[test]
    fn frames_of_one_line_hide_none_of_another() {
        let mut port = OfPort::default();
        let mut told = [0, 0];
        for millis in 0..60_000 {
            let now = Time::from_millis(100_000 + millis);
            told[0] += u32::from(port.may_tell(0, 3, now));
            if millis % 100 == 50 {
                told[1] += u32::from(port.may_tell(0, 4, now));
            }
        }
        assert_eq!(told, [64, 64]);
    }
}
