//! Access lists of bridge ports: what a frame's lists say of it. A frame of a port without lists costs one branch.

use super::decided::Decided;
use super::pipeline::Frame;
use super::snapshot::BridgePort;
use super::trail::{Step, Trail};
use niv::DropReason;
use policy::acl::{AccessList, Compiled, Decision, Family, Filter, ListName, Subject, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A list, and what it was made into. Shared by all ports it is applied to, and by all snapshots until it is edited.
#[derive(Clone, Debug)]
pub struct FilterList {
    /// As people wrote it.
    pub list: Arc<AccessList>,
    /// Made of it.
    pub compiled: Arc<Compiled>,
}

impl FilterList {
    /// Makes `list` ready.
    pub fn new(list: AccessList) -> Self {
        let compiled = Arc::new(Compiled::new(&list));
        Self {
            list: Arc::new(list),
            compiled,
        }
    }
}

/// One that says the same is the same.
impl PartialEq for FilterList {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for FilterList {}

/// The lists of a bridge port, in both directions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    inward: Option<Arc<Lists>>,
    outward: Option<Arc<Lists>>,
}

impl Filters {
    /// Lists for frames from the port, and for frames to it; of each family one at most, of several the last.
    pub fn new(
        inward: impl IntoIterator<Item = FilterList>,
        outward: impl IntoIterator<Item = FilterList>,
    ) -> Self {
        Self {
            inward: Lists::new(inward),
            outward: Lists::new(outward),
        }
    }

    /// Whether frames to the port are asked about, so that they are not the same for it as for others.
    #[inline]
    pub const fn has_outward(&self) -> bool {
        self.outward.is_some()
    }

    /// The same, with each list's place in a snapshot.
    pub(super) fn placed(&self, places: &Places<'_>) -> Self {
        let placed = |lists: &Option<Arc<Lists>>| {
            let lists = lists.as_ref()?;
            Some(Arc::new(lists.placed(places)))
        };
        Self {
            inward: placed(&self.inward),
            outward: placed(&self.outward),
        }
    }

    fn lists(&self) -> impl Iterator<Item = &FilterList> {
        let both = self.inward.iter().chain(&self.outward);
        both.flat_map(|lists| &lists.own)
    }
}

/// The lists of one direction.
#[derive(Clone, Debug)]
struct Lists {
    own: Vec<FilterList>,
    filter: Filter,
    places: ByFamily,
}

impl PartialEq for Lists {
    fn eq(&self, other: &Self) -> bool {
        self.own == other.own
    }
}

impl Eq for Lists {}

/// Where in a snapshot the lists are that were asked; [`NOWHERE`] where none was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ByFamily {
    pub(super) ipv4: u16,
    pub(super) ipv6: u16,
    pub(super) mac: u16,
}

const NOWHERE: u16 = u16::MAX;

impl Lists {
    fn new(lists: impl IntoIterator<Item = FilterList>) -> Option<Arc<Self>> {
        let mut by_family: BTreeMap<Family, FilterList> = BTreeMap::new();
        for list in lists {
            by_family.insert(list.compiled.family(), list);
        }
        if by_family.is_empty() {
            return None;
        }
        let of = |family| {
            let list = by_family.get(&family)?;
            Some(Arc::clone(&list.compiled))
        };
        let filter = Filter {
            mac: of(Family::Mac),
            ipv4: of(Family::Ipv4),
            ipv6: of(Family::Ipv6),
        };
        Some(Arc::new(Self {
            own: by_family.into_values().collect(),
            filter,
            places: ByFamily {
                ipv4: NOWHERE,
                ipv6: NOWHERE,
                mac: NOWHERE,
            },
        }))
    }

    fn placed(&self, places: &Places<'_>) -> Self {
        let of = |family| {
            let mut own = self.own.iter();
            let list = own.find(|list| list.compiled.family() == family);
            list.and_then(|list| places.0.get(list.list.name()))
                .map_or(NOWHERE, |(place, _)| *place)
        };
        Self {
            places: ByFamily {
                ipv4: of(Family::Ipv4),
                ipv6: of(Family::Ipv6),
                mac: of(Family::Mac),
            },
            ..self.clone()
        }
    }

    fn ask(
        &self,
        trail: &mut impl Trail,
        port: &BridgePort,
        frame: &Frame<'_>,
        outward: bool,
    ) -> bool {
        let view = View::of(&Subject {
            destination: frame.destination,
            source: frame.source,
            bytes: frame.bytes,
            ethertype_at: frame.skip.into(),
        });
        // Marking stands before the lists for the way out: they judge what leaves.
        let view = match frame.edit.rewrite {
            None => view,
            Some(rewrite) => view.rewritten(rewrite),
        };
        let decision = self.filter.judge_view(&view);
        trail.step(Step::Filter(FilterStep { outward, decision }));
        trail.decided(&Decided {
            port: port.slot,
            outward,
            decision: &decision,
            places: self.places,
            view: &view,
            frames: frame.weight.frames.into(),
        });
        decision.permits()
    }
}

/// The lists that ports are asked by, by name; each with its place.
pub(super) struct Places<'a>(BTreeMap<&'a ListName, (u16, &'a FilterList)>);

impl<'a> Places<'a> {
    pub(super) fn new(ports: impl Iterator<Item = &'a Filters>) -> Self {
        let mut all = BTreeMap::new();
        for list in ports.flat_map(Filters::lists) {
            all.entry(list.list.name()).or_insert((NOWHERE, list));
        }
        for (place, (number, _)) in (0..NOWHERE).zip(all.values_mut()) {
            *number = place;
        }
        Self(all)
    }

    /// In the order of their places.
    pub(super) fn lists(&self) -> impl Iterator<Item = FilterList> {
        let lists = self.0.values().map(|(_, list)| (*list).clone());
        lists.take(NOWHERE.into())
    }
}

/// What the lists of a port said of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterStep {
    /// Of a copy to the port; else of a frame from it.
    pub outward: bool,
    /// What they said.
    pub decision: Decision,
}

/// Whether the lists for frames from `from` let `frame` pass.
#[inline(always)]
pub(super) fn inward(
    trail: &mut impl Trail,
    from: &BridgePort,
    frame: &Frame<'_>,
) -> Result<(), DropReason> {
    match &from.policy.filters.inward {
        Some(lists) if !lists.ask(trail, from, frame, false) => Err(DropReason::AclIn),
        _ => Ok(()),
    }
}

/// Whether the lists for frames to `to` let a copy of `frame` pass.
#[inline(always)]
pub(super) fn outward(
    trail: &mut impl Trail,
    to: &BridgePort,
    frame: &Frame<'_>,
) -> Result<(), DropReason> {
    match &to.policy.filters.outward {
        Some(lists) if !lists.ask(trail, to, frame, true) => Err(DropReason::AclOut),
        _ => Ok(()),
    }
}
