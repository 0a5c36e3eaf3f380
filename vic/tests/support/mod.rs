//! Two ends, a fake clock, a bad wire, and embedders that do what real ones would and check what they
//! are told.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "each test program uses its part of this, and fails where it fails"
)]

mod convergence;
mod embedders;
pub mod samples;
pub mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use vic::message::Members;
use vic::session::iv::{IvEvent, IvLimits, IvSession, Vnic};
use vic::session::vis::{VisEvent, VisLimits, VisSession};
use vic::session::{Authentication, Capabilities, EndConfig};
use vic::{Code, ListId, Mac, Parameters, Refusal, Uuid, VifId};

pub const IV_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const VIS_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// State, without the counts of what was dropped.
pub fn state(end: &impl std::fmt::Debug) -> String {
    let text = format!("{end:?}");
    let (before, rest) = text.split_once("statistics: Statistics {").unwrap();
    let (_, after) = rest.split_once('}').unwrap();
    format!("{before}{after}")
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn config(end: &str, mac: Mac, authentication: &Authentication, boot: u8) -> EndConfig {
    EndConfig {
        parameters: Parameters::default(),
        mac,
        identity: Uuid([mac.0[5]; 16]),
        name: end.parse().unwrap(),
        software: Some("lab 1.0".parse().unwrap()),
        mtu: 1600,
        authentication: authentication.clone(),
        capabilities: Capabilities::default(),
        term: 0,
        entropy: [boot, mac.0[5]].repeat(16).try_into().unwrap(),
    }
}

pub fn uuid(n: u8) -> Uuid {
    let mut octets = [0xA0; 16];
    octets[15] = n;
    Uuid(octets)
}

pub fn vnic(n: u8, vif: Option<VifId>) -> Vnic {
    Vnic {
        uuid: uuid(n),
        mac: Mac([2, 0, 0, 1, 0, n]),
        name: format!("tap{n}").parse().unwrap(),
        profile: "default".parse().unwrap(),
        mtu: 1500,
        vif,
        owner_name: None,
        owner_uuid: None,
    }
}

/// Numbers that a seed decides.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// What the wire does to frames, in percent, and how late it can be.
#[derive(Clone, Copy)]
pub struct Faults {
    pub loss: u64,
    pub twice: u64,
    pub flip: u64,
    pub delay: Duration,
}

impl Faults {
    pub const NONE: Self = Self {
        loss: 0,
        twice: 0,
        flip: 0,
        delay: Duration::ZERO,
    };
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum To {
    Iv,
    Vis,
}

/// Who is killed and started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    Iv,
    Vis,
    Both,
    /// Both, and the VIS has lost its store.
    BothAndStore,
}

/// What the data path of an IV has been told.
#[derive(Default)]
pub struct IvWorld {
    pub bound: BTreeMap<Uuid, VifId>,
    pub enabled: BTreeSet<Uuid>,
    pub lists: BTreeMap<ListId, Members>,
    pub refused: Vec<Refusal>,
    pub down: BTreeMap<Uuid, Refusal>,
    pub told: Vec<IvEvent>,
}

/// What the data path of a VIS has been told, and the store.
#[derive(Default)]
pub struct VisWorld {
    pub bound: BTreeMap<VifId, Uuid>,
    pub enabled: BTreeSet<VifId>,
    pub confirmed: BTreeSet<ListId>,
    pub made: BTreeMap<ListId, Members>,
    /// Gone, and when its workers will have come to rest.
    quiescing: Vec<(Duration, VifId)>,
    /// When each id was let go of.
    let_go: BTreeMap<VifId, Duration>,
    lists_let_go: BTreeMap<ListId, Duration>,
    pub refused: Vec<Refusal>,
    pub told: Vec<VisEvent>,
}

pub struct Lab {
    pub now: Duration,
    pub iv: IvSession,
    pub vis: VisSession,
    pub iv_world: IvWorld,
    pub vis_world: VisWorld,
    pub wanted: BTreeSet<u8>,
    pub faults: Faults,
    pub dice: Dice,
    pub carried: u16,
    pub iv_auth: Authentication,
    pub vis_auth: Authentication,
    wire: Vec<(Duration, u64, To, Vec<u8>)>,
    sent: u64,
    /// Frames that were handed to an end by the wire.
    pub delivered: u64,
    /// After so many of them, who is killed and started.
    pub kill: Option<(u64, Killed)>,
    /// So many of the next frames to that end are lost.
    pub lose: Option<(To, u32)>,
    pub record: Vec<(To, Vec<u8>)>,
    boots: u8,
    /// What the embedder says to an IV that wants a session; `None`: yes.
    pub admit: Option<Refusal>,
    pub vis_term: u64,
    pub max_vifs: u16,
    pub max_lists: u16,
    /// Whether lists are made.
    pub lists: bool,
}

impl Lab {
    pub fn new(seed: u64, authentication: &Authentication) -> Self {
        Self::with(seed, authentication, authentication)
    }

    pub fn with(seed: u64, iv_auth: &Authentication, vis_auth: &Authentication) -> Self {
        Self {
            now: Duration::ZERO,
            iv: IvSession::new(config("host1", IV_MAC, iv_auth, 1), IvLimits::default()),
            vis: VisSession::new(config("rack1", VIS_MAC, vis_auth, 2), VisLimits::default()),
            iv_world: IvWorld::default(),
            vis_world: VisWorld::default(),
            wanted: BTreeSet::new(),
            faults: Faults::NONE,
            dice: Dice(seed | 1),
            carried: 1600,
            iv_auth: iv_auth.clone(),
            vis_auth: vis_auth.clone(),
            wire: Vec::new(),
            sent: 0,
            delivered: 0,
            kill: None,
            lose: None,
            record: Vec::new(),
            boots: 2,
            admit: None,
            vis_term: 0,
            max_vifs: 4095,
            max_lists: 4096,
            lists: true,
        }
    }

    pub fn attach(&mut self, n: u8) {
        if self.iv.attach(self.now, vnic(n, None)).is_ok() {
            self.wanted.insert(n);
        }
    }

    pub fn detach(&mut self, n: u8) {
        if self.iv.detach(self.now, uuid(n)).is_ok() {
            self.wanted.remove(&n);
            self.iv_world.enabled.remove(&uuid(n));
            self.iv_world.bound.remove(&uuid(n));
        }
    }

    /// kill -9 and start: what its file says is what it had.
    pub fn restart_iv(&mut self) {
        self.boots += 1;
        let config = config("host1", IV_MAC, &self.iv_auth, self.boots);
        self.iv = IvSession::new(config, IvLimits::default());
        let had = std::mem::take(&mut self.iv_world);
        for &n in &self.wanted {
            let vif = had.bound.get(&uuid(n)).copied();
            self.iv.attach(self.now, vnic(n, vif)).unwrap();
        }
    }

    /// kill -9 and start, with or without what its store says.
    pub fn restart_vis(&mut self, store: bool) {
        self.boots += 1;
        let mut config = config("rack1", VIS_MAC, &self.vis_auth, self.boots);
        config.term = self.vis_term;
        let limits = VisLimits {
            max_vifs: self.max_vifs,
            max_lists: self.max_lists,
        };
        self.vis = VisSession::new(config, limits);
        let had = std::mem::take(&mut self.vis_world);
        if store {
            for (vif, uuid) in had.bound {
                self.vis.restore(uuid, vif).unwrap();
                self.vis_world.bound.insert(vif, uuid);
            }
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, span: Duration) {
        let end = self.now + span;
        let mut spins = 0;
        loop {
            self.settle();
            let wire = self.wire.iter().map(|frame| frame.0).min();
            let quiescing = self.vis_world.quiescing.iter().map(|&(at, _)| at).min();
            let times = [
                self.iv.poll_timeout(),
                self.vis.poll_timeout(),
                wire,
                quiescing,
            ];
            let next = times.into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= end) else {
                self.now = end;
                return;
            };
            spins = if next > self.now { 0 } else { spins + 1 };
            assert!(spins < 100, "it does not stop at {next:?}");
            self.now = self.now.max(next);
            self.deliver();
            let quiet: Vec<_> = self
                .vis_world
                .quiescing
                .extract_if(.., |q| q.0 <= self.now)
                .collect();
            for (_, vif) in quiet {
                self.vis.vif_quiesced(self.now, vif).unwrap();
                self.vis_world.let_go.insert(vif, self.now);
            }
            self.iv.handle_timeout(self.now);
            self.vis.handle_timeout(self.now);
        }
    }

    fn deliver(&mut self) {
        let mut due: Vec<_> = self
            .wire
            .extract_if(.., |frame| frame.0 <= self.now)
            .collect();
        due.sort();
        for (_, _, to, frame) in due {
            self.arrives(to, &frame);
        }
    }

    fn arrives(&mut self, to: To, frame: &[u8]) {
        self.hand(to, frame);
        self.delivered += 1;
        if let Some((_, killed)) = self.kill.take_if(|(at, _)| *at == self.delivered) {
            self.restart(killed);
        }
    }

    pub fn restart(&mut self, killed: Killed) {
        if killed != Killed::Vis {
            self.restart_iv();
        }
        if killed != Killed::Iv {
            self.restart_vis(killed != Killed::BothAndStore);
        }
    }

    /// How many frames are on the wire.
    pub fn in_flight(&self) -> usize {
        self.wire.len()
    }

    /// That one of them arrives next, be it the last that was sent.
    pub fn overtake(&mut self, n: usize) {
        self.now += Duration::from_micros(10);
        let (_, _, to, frame) = self.wire.remove(n);
        self.arrives(to, &frame);
    }

    /// Forgets what is on the wire.
    pub fn drop_wire(&mut self) {
        self.wire.clear();
    }

    /// Hands a frame to an end.
    pub fn hand(&mut self, to: To, frame: &[u8]) {
        match to {
            To::Iv => self.iv.handle_message(self.now, frame),
            To::Vis => self.vis.handle_message(self.now, frame),
        }
        self.settle();
    }

    /// Events into force, then frames onto the wire, at both ends.
    pub fn settle(&mut self) {
        loop {
            let mut busy = false;
            while let Some(event) = self.iv.poll_event() {
                self.iv_event(event);
                busy = true;
            }
            while let Some(event) = self.vis.poll_event() {
                self.vis_event(event);
                busy = true;
            }
            self.make_lists();
            while let Some(frame) = self.iv.poll_transmit(self.now) {
                self.put(To::Vis, frame);
                busy = true;
            }
            while let Some(frame) = self.vis.poll_transmit(self.now) {
                self.put(To::Iv, frame);
                busy = true;
            }
            if !busy {
                return;
            }
        }
    }

    fn put(&mut self, to: To, frame: Vec<u8>) {
        if frame.len() > usize::from(self.carried) + 14 {
            return;
        }
        self.record.push((to, frame.clone()));
        if let Some((end, left)) = &mut self.lose
            && *end == to
            && *left > 0
        {
            *left -= 1;
            return;
        }
        let copies = 1 + u64::from(self.dice.percent(self.faults.twice));
        for _ in 0..copies {
            if self.dice.percent(self.faults.loss) {
                continue;
            }
            let mut frame = frame.clone();
            if self.dice.percent(self.faults.flip) {
                let bit = self.dice.roll(frame.len() as u64 * 8) as usize;
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            let late = self.dice.roll(self.faults.delay.as_micros() as u64 + 1);
            self.sent += 1;
            let at = self.now + Duration::from_micros(50 + late);
            self.wire.push((at, self.sent, to, frame));
        }
    }

    pub fn refusal(code: Code) -> Refusal {
        Refusal::new(code, "the lab says so")
    }
}
