//! Attaches vNICs on in-memory devices and detaches them again, very often, and says what is left of it: `churn CYCLES`.
//!
//! Both ends are the real ones, on a fake clock and without a kernel: the IV's forwarding state, its worker's ports, the
//! sessions of both ends, and the registry of the switch. What is left is counted exactly: octets and pieces of memory,
//! descriptors, ids, lists, records.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement that goes wrong may end loudly"
)]

use allocation_counter::measure;
use interface_virtualizer::core::{Account, Virtualizer, VnicId};
use niv::{DropReason, PortId, Weight};
use packet_io::wire::{Wire, WireOptions};
use packet_io::worker::{Forward, PortUse, Worker};
use packet_io::{Outgoing, RxFrame};
use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vic::session::iv::{IvEvent, IvLimits, IvSession, Vnic, VnicState};
use vic::session::vis::{VisLimits, VisSession};
use vic::session::{Authentication, Capabilities, EndConfig};
use vic::{Mac, Parameters, Uuid, VifId};
use vis::config::{Config, EthernetId, VethId, parse};
use vis::veth::{Registry, Verdict};

const CONFIG: &str = "vlan 10\nport-profile web\n  switchport access vlan 10\n\
    interface ethernet 1\n  device a\n  switchport mode vntag\n";

/// vNICs that are attached at the same time.
const TOGETHER: u32 = 50;
/// A wire, an embedder that gathers, a worker that loads: in one step.
const STEP: Duration = Duration::from_millis(5);
/// Ids are given again after a second.
const DRAIN: Duration = Duration::from_secs(3);
/// Pieces of memory there may be more at the end than after a quarter: nothing grows with the cycles, but what is
/// sorted and hashed does not fill its places in the same way each time.
const PIECES: i64 = 64;
/// Octets for each cycle that what there is may have grown by, for the same reason: less than the least that
/// a cycle could leave behind.
const OCTETS_EACH: i64 = 1;

struct Link(Virtualizer);

impl Forward for Link {
    fn begin(&mut self, _now: Instant) {}
    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        self.0.receive(port, index, frame, out);
    }
    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        self.0.fate(copy, weight, fate);
    }
}

struct Pair {
    now: Duration,
    worker: Worker<Link>,
    ids: BTreeMap<Uuid, VnicId>,
    iv: IvSession,
    vis: VisSession,
    said: Arc<Config>,
    registry: Registry,
    wire: VecDeque<(bool, Vec<u8>)>,
    next: u64,
}

/// What is held for vNICs that are there, and must be held for none when there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    free_vifs: usize,
    free_lists: usize,
    lists: usize,
    vnics: usize,
    descriptors: usize,
}

fn end(number: u8) -> EndConfig {
    EndConfig {
        parameters: Parameters::default(),
        mac: Mac([2, 0, 0, 0, 0, number]),
        identity: Uuid([number; 16]),
        name: "box".parse().unwrap(),
        software: None,
        mtu: 1510,
        authentication: Authentication::Open,
        capabilities: Capabilities::default(),
        term: 0,
        entropy: [number; 32],
    }
}

fn link() -> EthernetId {
    1.try_into().unwrap()
}

impl Pair {
    fn new() -> Self {
        let said = Arc::new(parse(CONFIG, "churn").unwrap().0);
        let mut registry = Registry::new(said.clone(), [], Duration::ZERO);
        let mut vis = VisSession::new(end(2), VisLimits::default());
        registry.furnish(link(), &mut vis);
        registry.open(Duration::ZERO, link());
        let mut pair = Self {
            now: Duration::ZERO,
            worker: Worker::new(Link(Virtualizer::default())).unwrap(),
            ids: BTreeMap::new(),
            iv: IvSession::new(end(1), IvLimits::default()),
            vis,
            said,
            registry,
            wire: VecDeque::new(),
            next: 0,
        };
        pair.until("the session is up", |pair| pair.iv.is_up());
        pair
    }

    /// So many vNICs come, are enabled, and go.
    fn cycles(&mut self, count: u32) {
        for _ in 0..count / TOGETHER {
            let uuids: Vec<Uuid> = (0..TOGETHER).map(|_| self.attach()).collect();
            self.until("all are enabled", |pair| {
                let states = pair.iv.vnics().map(|(_, _, state)| state);
                states.filter(|s| matches!(s, VnicState::Enabled)).count() == TOGETHER as usize
            });
            for uuid in uuids {
                let id = self.ids[&uuid];
                assert!(self.worker.forward.0.vnic(id).unwrap().enabled);
                self.worker.forward.0.enable(id, false);
                self.iv.detach(self.now, uuid).unwrap();
            }
            self.until("all are gone", |pair| pair.ids.is_empty());
        }
    }

    fn attach(&mut self) -> Uuid {
        self.next += 1;
        let mut octets = [0xA0; 16];
        octets[8..].copy_from_slice(&self.next.to_be_bytes());
        let uuid = Uuid(octets);
        let id = self.worker.forward.0.add_unbound().unwrap();
        self.ids.insert(uuid, id);
        // The guest has the other end, and lets go of it at once.
        let port = Wire::new(WireOptions::default()).unwrap().a;
        let usage = PortUse {
            pad: false,
            offload: true,
        };
        let attached = self.worker.attach(Account::Vnic(id).port(), port, usage);
        attached.unwrap();
        let [.., a, b, c, d] = self.next.to_be_bytes();
        let vnic = Vnic {
            uuid,
            mac: Mac([2, 1, a, b, c, d]),
            name: "vnic".parse().unwrap(),
            profile: "web".parse().unwrap(),
            mtu: 1500,
            vif: None,
            owner_name: None,
            owner_uuid: None,
        };
        self.iv.attach(self.now, vnic).unwrap();
        uuid
    }

    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(20);
        while !done(self) {
            assert!(self.now < end, "it never came to this: {what}");
            self.step();
        }
    }

    /// Waits until all ids are free again, and what is attached is nothing.
    fn drained(&mut self) -> Held {
        let end = self.now + DRAIN;
        while self.now < end {
            self.step();
        }
        let (free_vifs, free_lists) = self.vis.free_ids();
        Held {
            free_vifs,
            free_lists,
            lists: self.registry.lists().usable().count(),
            vnics: self.iv.vnics().count(),
            descriptors: std::fs::read_dir("/proc/self/fd").unwrap().count(),
        }
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        self.iv.handle_timeout(now);
        self.vis.handle_timeout(now);
        self.registry.handle_timeout(now);
        loop {
            self.events();
            while let Some(frame) = self.iv.poll_transmit(now) {
                self.wire.push_back((false, frame));
            }
            while let Some(frame) = self.vis.poll_transmit(now) {
                self.wire.push_back((true, frame));
            }
            if self.wire.is_empty() {
                break;
            }
            while let Some((to_iv, frame)) = self.wire.pop_front() {
                match to_iv {
                    true => self.iv.handle_message(now, &frame),
                    false => self.vis.handle_message(now, &frame),
                }
            }
        }
        if self.registry.is_unsettled() {
            self.settle();
        }
        // They would go to the store, and to people.
        drop(self.registry.take_changes());
        while self.registry.poll_notice().is_some() {}
    }

    fn events(&mut self) {
        let now = self.now;
        while let Some(event) = self.vis.poll_event() {
            self.registry.handle(now, link(), event);
        }
        while let Some((link, command)) = self.registry.poll_command() {
            if let Some(report) = command.run(&mut self.vis, now) {
                self.registry.report(now, link, report);
            }
        }
        while let Some(event) = self.iv.poll_event() {
            self.apply(event);
        }
    }

    /// As the IV's daemon does.
    fn apply(&mut self, event: IvEvent) {
        let iv = &mut self.worker.forward.0;
        match event {
            IvEvent::Created { uuid, vif, .. } => iv.bind(self.ids[&uuid], vif).unwrap(),
            IvEvent::Enabled { uuid, .. } => iv.enable(self.ids[&uuid], true),
            IvEvent::Down { uuid, vif, .. } => match (self.ids.get(&uuid), vif) {
                (Some(&id), Some(_)) => iv.enable(id, false),
                (Some(&id), None) => iv.unbind(id),
                (None, _) => {}
            },
            IvEvent::VifForgotten(vif) => iv.forget(vif),
            IvEvent::ListSet { list, members } => iv.set_list(list, members.iter()),
            IvEvent::ListDeleted(list) => iv.delete_list(list),
            IvEvent::Detached { uuid } => {
                let id = self.ids.remove(&uuid).unwrap();
                iv.unbind(id);
                iv.remove(id);
                drop(self.worker.detach(Account::Vnic(id).port()));
            }
            _ => {}
        }
    }

    /// As the switch's daemon does, less the switch itself.
    fn settle(&mut self) {
        let mut members: Vec<VifId> = self.members(|number| self.registry.is_coming(number));
        members.sort_unstable();
        let sets = [(link(), members)];
        let sets = sets.into_iter().filter(|(_, vifs)| vifs.len() > 1);
        let numbers = self.registry.records().map(|(_, record)| record.number);
        let verdicts: BTreeMap<VethId, Verdict> = numbers.map(|number| (number, Ok(()))).collect();
        self.registry.take_forgotten();
        self.registry.settle(self.now, sets.collect(), &verdicts);
        let departures = self.registry.departures();
        self.registry.departed(departures);
    }

    fn members(&self, takes_part: impl Fn(VethId) -> bool) -> Vec<VifId> {
        let config = self.registry.overlay(&self.said);
        let veths = config.veths.iter().filter(|(id, _)| takes_part(**id));
        veths
            .filter_map(|(_, veth)| Some(veth.bind?.channel))
            .collect()
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let cycles = match words.as_slice() {
        [cycles] => cycles.parse::<u32>().ok().filter(|c| *c >= 8 * 1024),
        _ => None,
    };
    let Some(cycles) = cycles else {
        eprintln!("usage: churn CYCLES, of which there are 8192 or more");
        return ExitCode::FAILURE;
    };
    let begun = Instant::now();
    let mut pair = Pair::new();
    let before = pair.drained();
    let quarter = cycles / 4 / TOGETHER * TOGETHER;
    let mut at_quarter = before;
    let first = measure(|| {
        pair.cycles(quarter);
        at_quarter = pair.drained();
    });
    let mut at_end = before;
    let rest = measure(|| {
        pair.cycles(cycles - quarter);
        at_end = pair.drained();
    });
    let took = begun.elapsed();
    let each = took.as_secs_f64() * 1e6 / f64::from(cycles);
    println!(
        "{cycles} cycles in {:.1} s, {each:.0} us each",
        took.as_secs_f64()
    );
    println!("before:        {before:?}");
    println!("after a quarter: {at_quarter:?}");
    println!("at the end:      {at_end:?}");
    println!(
        "memory: {:+} octets in {:+} pieces by the first quarter, {:+} octets in {:+} pieces by the rest",
        first.bytes_current, first.count_current, rest.bytes_current, rest.count_current
    );
    let clean = before == at_quarter
        && before == at_end
        && rest.count_current <= PIECES
        && rest.bytes_current < OCTETS_EACH * i64::from(cycles - quarter);
    if !clean {
        eprintln!("something is left behind");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
