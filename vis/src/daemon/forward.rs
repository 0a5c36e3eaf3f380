//! The worker's side: the switch, and the snapshot it forwards by.

use super::inbox::{Inbox, News};
use crate::store::blocks::Blocks;
use crate::switch::{Explanation, Guards, Recent, Sample, Snapshot, Switch, Time};
use arc_swap::ArcSwap;
use niv::{DropReason, PortId, Weight};
use packet_io::worker::Forward;
use packet_io::{Offload, Outgoing, RxFrame};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One worker's forwarding state.
pub(crate) struct Switching {
    pub(crate) switch: Switch,
    /// Where the vEths' counters outlive the process.
    pub(crate) blocks: Blocks,
    published: Arc<ArcSwap<Snapshot>>,
    /// What the present burst is judged by.
    current: Arc<Snapshot>,
    started: Instant,
    /// Nanoseconds from the machine's start to `started`: time that policy keeps outlives the process.
    before: u64,
    now: Time,
    /// When the counters were kept last.
    kept: Time,
    recent: Sample,
    /// The next frame goes into the sample: the first one of a millisecond does.
    samples: bool,
    /// What guards have to tell goes here: little, at most once in a round.
    inbox: Inbox,
}

/// How often counters are kept while frames pass.
const KEPT_EVERY: Duration = Duration::from_millis(1);

impl Switching {
    /// Forwards with `switch` by whatever `published` holds when a burst starts; the machine started `before`
    /// nanoseconds ago.
    pub(super) fn new(
        switch: Switch,
        blocks: Blocks,
        published: Arc<ArcSwap<Snapshot>>,
        before: u64,
        inbox: Inbox,
    ) -> Self {
        let current = published.load_full();
        Self {
            switch,
            blocks,
            published,
            current,
            started: Instant::now(),
            before,
            now: Time::default(),
            kept: Time::default(),
            recent: Sample::default(),
            samples: false,
            inbox,
        }
    }

    /// What would become of a complete frame that came in on `device` now.
    pub(crate) fn explain(&mut self, device: PortId, bytes: &[u8]) -> Explanation {
        // As before any burst, so that it is judged by what is published now.
        self.begin(Instant::now());
        let frame = complete(bytes);
        self.switch.explain(&self.current, self.now, device, &frame)
    }

    /// Frames that came lately, what guards would know by `other`, and the time.
    pub(crate) fn sample(&self, other: &Snapshot) -> (Vec<Recent>, Guards, Time) {
        let guards = self.switch.guards_by(other, self.now);
        (self.recent.frames().cloned().collect(), guards, self.now)
    }

    /// What would become of frames that came lately, by what is published, and by `other` with its `guards`
    /// ([`Switch::guards_by`]).
    pub(crate) fn compare(
        &mut self,
        frames: &[Recent],
        (other, guards): (&Snapshot, &Guards),
    ) -> Vec<(Explanation, Explanation)> {
        self.begin(Instant::now());
        let (switch, now) = (&self.switch, self.now);
        let mut room = Vec::new();
        let each = frames.iter().map(|frame| {
            let received = frame.frame(&mut room);
            let device = frame.device;
            (
                switch.explain(&self.current, now, device, &received),
                switch.rehearse(guards, other, now, device, &received),
            )
        });
        each.collect()
    }

    /// The time of the present burst.
    pub(crate) const fn now(&self) -> Time {
        self.now
    }
}

/// A frame with nothing left to do and all its octets.
pub(crate) const fn complete(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

impl Forward for Switching {
    fn begin(&mut self, now: Instant) {
        let latest = self.published.load();
        if !Arc::ptr_eq(&latest, &self.current) {
            self.current = Arc::clone(&latest);
        }
        let since = now.saturating_duration_since(self.started);
        let now = Time::from_nanos(self.before.saturating_add(since.as_nanos() as u64));
        self.samples |= now.as_millis() != self.now.as_millis();
        self.now = now;
        self.switch.attend(&self.current, self.now);
    }

    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
        if self.samples {
            self.samples = false;
            let link = self.current.link(port);
            self.recent.take(link, port, frame, self.now);
        }
        self.switch
            .receive(&self.current, self.now, port, index, frame, out);
    }

    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
        match fate {
            Ok(()) => self.switch.sent(copy.account, weight),
            Err(reason) => self.switch.drop_copy(copy.account, reason, weight),
        }
    }

    /// Counters are kept once in a millisecond, not after every burst: a kill loses no more than that.
    fn end(&mut self) -> Duration {
        if let Some(news) = self.switch.guards_mut().take_news() {
            self.inbox.put(News::Guards(news));
        }
        if self.now.as_millis() == self.kept.as_millis() {
            return KEPT_EVERY;
        }
        self.switch.keep(&mut self.blocks);
        self.kept = self.now;
        Duration::MAX
    }
}
