//! One port's end of LLDP: when it speaks, and what it makes of what it hears (IEEE 802.1AB, clause 9).

use crate::advice::advice;
use crate::niv_end::NivEnd;
use crate::station::Station;
use crate::table::{Departure, Heard, Neighbour, Table};
use crate::unit::{Capability, Lldpdu};
use core::time::Duration;
use niv::Mac;
use std::collections::VecDeque;

/// Between two LLDPDUs (msgTxInterval).
const INTERVAL: Duration = Duration::from_secs(30);
/// Between two of a fast start (msgFastTx). Never are two sent within less, but for the last one.
const FAST: Duration = Duration::from_secs(1);
/// LLDPDUs of a fast start (txFastInit).
const FAST_COUNT: u8 = 4;
/// Seconds for which what is said holds: four intervals may pass in silence (txTTL).
const TTL: u16 = 121;

/// A link that is away for less keeps its neighbours (ours; IEEE 802.1AB, 9.2.7.7 forgets them at once): a cable that was
/// put back, or a NIC that was set anew, is no news. As long as nothing comes in nobody is misled.
const BLIP: Duration = Duration::from_secs(5);

/// LLDPDUs that are looked at: ten a second on average, twenty at once. A neighbour sends two a minute.
const LOOK: Rate = Rate {
    each: Duration::from_millis(100),
    burst: 20,
};
/// Events that are told: one a second on average, sixteen at once, whatever a neighbour does.
const TELL: Rate = Rate {
    each: Duration::from_secs(1),
    burst: 16,
};

/// What a port says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The port's own address.
    pub mac: Mac,
    /// The box and its port.
    pub station: Station,
    /// What the port is, for people.
    pub port_description: String,
    /// What the box is called.
    pub system_name: String,
    /// Program and version.
    pub system_description: String,
    /// What the box is.
    pub capability: Capability,
    /// The longest frame the port takes, in octets with header and FCS.
    pub frame_size: u16,
    /// The end of a NIV link it is.
    pub niv: NivEnd,
    /// VIC's OUI.
    pub oui: [u8; 3],
}

/// What people may want to read in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A neighbour that was not known.
    Appeared(Neighbour),
    /// One says something else than before.
    Changed(Neighbour),
    /// One is no longer known.
    Left(Neighbour, Departure),
    /// What [`Agent::advice`] gives is something else now.
    Advice(Option<String>),
}

/// What became of frames, since the agent was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// LLDPDUs sent.
    pub sent: u64,
    /// LLDPDUs taken.
    pub taken: u64,
    /// Dropped: cannot be read, or not for the nearest bridge.
    pub malformed: u64,
    /// Dropped: too many a second.
    pub excess: u64,
    /// Dropped: more neighbours than are kept.
    pub no_room: u64,
    /// Own ones that came back.
    pub own: u64,
}

/// The state of one port.
#[derive(Debug)]
pub struct Agent {
    says: Announcement,
    table: Table,
    /// Until when it holds that own LLDPDUs come back.
    hears_itself: Option<Duration>,
    up: bool,
    /// When those who were there are forgotten, while the link is down.
    forget: Option<Duration>,
    closed: bool,
    next: Duration,
    last: Option<Duration>,
    fast_left: u8,
    out: Option<Vec<u8>>,
    events: VecDeque<Event>,
    advised: Option<String>,
    look: Bucket,
    tell: Bucket,
    statistics: Statistics,
}

impl Agent {
    /// A port that has a link, and begins to speak at once.
    pub fn new(now: Duration, says: Announcement) -> Self {
        Self {
            says,
            table: Table::default(),
            hears_itself: None,
            up: true,
            forget: None,
            closed: false,
            next: now,
            last: None,
            fast_left: FAST_COUNT,
            out: None,
            events: VecDeque::new(),
            advised: None,
            look: Bucket::new(LOOK),
            tell: Bucket::new(TELL),
            statistics: Statistics::default(),
        }
    }

    /// A frame came in: from its destination address on, without FCS, whatever it is.
    pub fn handle_frame(&mut self, now: Duration, frame: &[u8]) {
        if self.closed {
            return;
        }
        if !self.look.take(now) {
            self.statistics.excess += 1;
            return;
        }
        let Ok((mac, said)) = Lldpdu::read(frame, self.says.oui) else {
            self.statistics.malformed += 1;
            return;
        };
        if said.station == self.says.station {
            self.statistics.own += 1;
            let holds = Duration::from_secs(said.ttl.into());
            self.hears_itself = (said.ttl > 0).then_some(now + holds);
            return self.advise(now);
        }
        self.statistics.taken += 1;
        match self.table.hear(now, mac, said) {
            Heard::New(neighbour) => {
                self.tell(now, Event::Appeared(neighbour));
                self.hurry(now);
            }
            Heard::Changed(neighbour) => self.tell(now, Event::Changed(neighbour)),
            Heard::Gone(neighbour) => self.tell(now, Event::Left(neighbour, Departure::Goodbye)),
            Heard::Full => self.statistics.no_room += 1,
            Heard::Again | Heard::Unknown => {}
        }
        self.advise(now);
    }

    /// The time that [`Agent::poll_timeout`] named is reached.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.closed {
            return;
        }
        while let Some(neighbour) = self.table.age(now) {
            self.tell(now, Event::Left(neighbour, Departure::Silence));
        }
        if self.forget.is_some_and(|due| due <= now) {
            self.forget = None;
            self.hears_itself = None;
            for neighbour in self.table.take_all() {
                self.tell(now, Event::Left(neighbour, Departure::LinkDown));
            }
        }
        self.hears_itself = self.hears_itself.filter(|&until| until > now);
        self.advise(now);
        if self.up && self.next <= now {
            self.out = Some(self.full().to_frame(self.says.mac, self.says.oui));
            self.last = Some(now);
            self.fast_left = self.fast_left.saturating_sub(1);
            self.next = now + if self.fast_left > 0 { FAST } else { INTERVAL };
        }
    }

    /// The device has a link, or has none. Neighbours are forgotten when it has had none for some seconds.
    pub fn set_link(&mut self, now: Duration, up: bool) {
        if self.closed || self.up == up {
            return;
        }
        self.up = up;
        match up {
            true => {
                self.forget = None;
                self.hurry(now);
            }
            false => {
                self.out = None;
                self.forget = Some(now + BLIP);
            }
        }
    }

    /// The longest frame the port takes is another one now, in octets with header and FCS.
    pub fn set_frame_size(&mut self, now: Duration, octets: u16) {
        if self.says.frame_size != octets {
            self.says.frame_size = octets;
            self.soon(now);
        }
    }

    /// The box is called otherwise now.
    pub fn set_system_name(&mut self, now: Duration, name: &str) {
        if self.says.system_name != name {
            name.clone_into(&mut self.says.system_name);
            self.soon(now);
        }
    }

    /// The program ends: neighbours forget this port at once. Nothing is said or heard after that.
    pub fn close(&mut self) {
        if !self.closed {
            let goodbye = Lldpdu::new(self.says.station.clone(), 0);
            self.out = self
                .up
                .then(|| goodbye.to_frame(self.says.mac, self.says.oui));
            self.closed = true;
        }
    }

    /// What is to be logged, until there is no more.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// A frame to be sent, without FCS, until there is no more.
    pub fn poll_transmit(&mut self, _now: Duration) -> Option<Vec<u8>> {
        let frame = self.out.take();
        self.statistics.sent += u64::from(frame.is_some());
        frame
    }

    /// When time has to be told next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.closed {
            return None;
        }
        let speak = self.up.then_some(self.next);
        let hear = self.table.next_expiry();
        [speak, hear, self.hears_itself, self.forget]
            .into_iter()
            .flatten()
            .min()
    }

    /// Who is there, longest known first; at most [`crate::MOST_NEIGHBOURS`].
    pub fn neighbours(&self) -> &[Neighbour] {
        self.table.neighbours()
    }

    /// What people should know of the link, in a sentence.
    pub fn advice(&self) -> Option<&str> {
        self.advised.as_deref()
    }

    /// What became of frames.
    pub const fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn full(&self) -> Lldpdu {
        let says = &self.says;
        let words = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Lldpdu {
            port_description: words(&says.port_description),
            system_name: words(&says.system_name),
            system_description: words(&says.system_description),
            capabilities: Some((says.capability, says.capability)),
            frame_size: Some(says.frame_size),
            niv: Some(says.niv),
            ..Lldpdu::new(says.station.clone(), TTL)
        }
    }

    /// A fast start: somebody new is to know this port soon.
    fn hurry(&mut self, now: Duration) {
        self.fast_left = FAST_COUNT;
        self.soon(now);
    }

    /// Speaks as soon as it may.
    fn soon(&mut self, now: Duration) {
        let may = self.last.map_or(now, |last| last + FAST);
        self.next = self.next.min(may).max(now);
    }

    fn advise(&mut self, now: Duration) {
        let advice = advice(
            &self.says.niv,
            self.hears_itself.is_some(),
            self.table.neighbours(),
        );
        if advice != self.advised {
            self.advised.clone_from(&advice);
            self.tell(now, Event::Advice(advice));
        }
    }

    fn tell(&mut self, now: Duration, event: Event) {
        if self.tell.take(now) {
            self.events.push_back(event);
        }
    }
}

/// How many a second.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// In how long one more may pass.
    each: Duration,
    /// How many may pass at once.
    burst: u32,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// When all that was taken will have come back.
    full_at: Duration,
}

impl Bucket {
    const fn new(rate: Rate) -> Self {
        Self {
            rate,
            full_at: Duration::ZERO,
        }
    }

    fn take(&mut self, now: Duration) -> bool {
        let owed = self.full_at.saturating_sub(now);
        let there = owed + self.rate.each <= self.rate.each * self.rate.burst;
        if there {
            self.full_at = now + owed + self.rate.each;
        }
        there
    }
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
