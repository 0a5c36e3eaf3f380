//! The loop that moves frames: one thread, the queues it owns, and the forwarding state it drives.
//!
//! Each round waits for ready ports, and for each of them receives one burst, decides, and sends what
//! was decided before the next port is looked at. Control speaks to the worker between rounds, through
//! its [`Mailbox`].

use crate::dispatch::{Dispatcher, Outgoing};
use crate::long::{self, LongFrames};
use crate::mailbox::{Handle, Mailbox, mailbox};
use crate::poll::Poller;
use crate::port::{
    BURST, Capabilities, Port, PortError, Receive, Refusal, RxFrame, RxStats, Transmit, TxFrame,
};
use arrayvec::ArrayVec;
use niv::{DropReason, PortId, Weight};
use std::io;
use std::time::{Duration, Instant};

/// Copies are sent when so many have gathered, so that a flood to many members needs little memory.
const FLUSH_AT: usize = 1024;

/// The longest sleep; forwarding state that ages wakes at least this often.
const IDLE: Duration = Duration::from_millis(500);

/// What a daemon does with frames. All calls come from the worker's thread.
pub trait Forward {
    /// A burst follows; `now` is the time of all its frames.
    fn begin(&mut self, now: Instant);

    /// Counts one frame and appends its copies.
    fn frame(&mut self, port: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>);

    /// What became of a copy, or of some of its segments.
    fn fate(&mut self, copy: &Outgoing, weight: Weight, fate: Result<(), DropReason>);

    /// The round is over: every copy has met its fate. How long the worker may sleep if nothing else wakes it.
    fn end(&mut self) -> Duration {
        IDLE
    }
}

/// How a port is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortUse {
    /// Short frames are filled up with zeros to the 60 octets a wire wants.
    pub pad: bool,
    /// The other end takes frames with work left undone, where the device does.
    pub offload: bool,
}

/// Buffers that passed between a port's device and the worker, to be held against the kernel's own
/// counts. An oversized frame is one buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Taken from the device.
    pub taken: u64,
    /// Handed to it.
    pub handed: u64,
    /// What the kernel says of the receiving queue.
    pub queue: RxStats,
}

struct Receiver {
    rx: Box<dyn Receive>,
    taken: u64,
    /// The other end is no guest and no host: only a trailer says that a frame stands for several.
    is_link: bool,
}

struct Sender {
    tx: Counted,
    capabilities: Capabilities,
    pad: bool,
}

/// Counts the buffers a device took.
struct Counted {
    tx: Box<dyn Transmit>,
    handed: u64,
}

impl Transmit for Counted {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        let mut left = frames.len() as u64;
        self.tx.send(frames, &mut |index, refusal| {
            left -= 1;
            refused(index, refusal);
        });
        self.handed += left;
    }
}

/// Ports let go of. To drop them closes them, and the kernel makes whoever does that wait until nobody
/// looks at their rings any more (50 ms for an AF_PACKET port): not for the thread that moves frames.
#[must_use = "dropped by the worker it would hold up all other ports"]
#[derive(Default)]
pub struct Retired(Vec<(Option<Receiver>, Option<Sender>)>);

/// One worker thread's own state.
pub struct Worker<F> {
    /// The forwarding state.
    pub forward: F,
    receivers: Vec<Option<Receiver>>,
    senders: Vec<Option<Sender>>,
    /// What was agreed for the ports that carry long frames; it outlives their devices.
    long: Vec<(PortId, LongFrames)>,
    poller: Poller,
    dispatcher: Dispatcher,
    out: Vec<Outgoing>,
    /// Until control takes them.
    retired: Retired,
    stopping: bool,
}

impl<F: Forward + Send + 'static> Worker<F> {
    /// Starts a worker without ports on a thread of its own.
    ///
    /// # Errors
    /// The system gives no more descriptors, or no thread.
    pub fn spawn(name: &str, forward: F) -> io::Result<Handle<Self>> {
        let mut worker = Self::new(forward)?;
        let (handle, inbox) = mailbox(worker.poller.waker());
        std::thread::Builder::new()
            .name(name.into())
            .spawn(move || {
                if let Err(error) = worker.run(&inbox) {
                    tracing::error!("forwarding has ended: {error}");
                }
            })?;
        Ok(handle)
    }
}

impl<F: Forward> Worker<F> {
    /// A worker without ports.
    ///
    /// # Errors
    /// The kernel gives no more descriptors.
    pub fn new(forward: F) -> io::Result<Self> {
        Ok(Self {
            forward,
            receivers: Vec::new(),
            senders: Vec::new(),
            long: Vec::new(),
            poller: Poller::new()?,
            dispatcher: Dispatcher::new(),
            out: Vec::with_capacity(2 * FLUSH_AT),
            retired: Retired::default(),
            stopping: false,
        })
    }

    /// Takes over a port under a number of the caller's choice. What had that number goes with the next
    /// [`Worker::detach`].
    ///
    /// # Errors
    /// The kernel cannot watch its descriptor.
    pub fn attach(&mut self, id: PortId, port: Port, usage: PortUse) -> io::Result<()> {
        self.retire(id);
        let index = usize::from(id.0);
        if self.receivers.len() <= index {
            self.receivers.resize_with(index + 1, || None);
            self.senders.resize_with(index + 1, || None);
        }
        if let Some(descriptor) = port.rx.readiness() {
            self.poller.add(descriptor, id.0)?;
        }
        let offload = port.capabilities.offload && usage.offload;
        let capabilities = Capabilities {
            offload,
            long: self.long_frames(id).longest,
            ..port.capabilities
        };
        let tx = Counted {
            tx: port.tx,
            handed: 0,
        };
        let sender = Sender {
            tx,
            capabilities,
            pad: usage.pad,
        };
        if let (Some(rx), Some(tx)) = (self.receivers.get_mut(index), self.senders.get_mut(index)) {
            *rx = Some(Receiver {
                rx: port.rx,
                taken: 0,
                is_link: !usage.offload,
            });
            *tx = Some(sender);
        }
        Ok(())
    }

    /// Lets go of a port. Copies bound for it are dropped from now on, as `port_down`. To be dropped by
    /// the thread that asked, with what else the worker has let go of meanwhile.
    pub fn detach(&mut self, id: PortId) -> Retired {
        self.retire(id);
        std::mem::take(&mut self.retired)
    }

    fn retire(&mut self, id: PortId) {
        let index = usize::from(id.0);
        let receiver = self.receivers.get_mut(index).and_then(Option::take);
        if let Some(descriptor) = receiver.as_ref().and_then(|r| r.rx.readiness()) {
            // Dropping the port takes the descriptor out of the poller if this did not.
            let _ = self.poller.remove(descriptor);
        }
        let sender = self.senders.get_mut(index).and_then(Option::take);
        if receiver.is_some() || sender.is_some() {
            self.retired.0.push((receiver, sender));
        }
    }

    /// What passed through a port since it was attached, if it is. A system call.
    pub fn passed(&mut self, id: PortId) -> Option<Passed> {
        let index = usize::from(id.0);
        let receiver = self.receivers.get_mut(index)?.as_mut()?;
        let sender = self.senders.get(index)?.as_ref()?;
        let queue = receiver.rx.stats();
        Some(Passed {
            taken: receiver.taken,
            handed: sender.tx.handed,
            queue,
        })
    }

    /// What was obtained from a port's device, if the port is attached.
    pub fn capabilities(&self, id: PortId) -> Option<Capabilities> {
        Some(self.senders.get(usize::from(id.0))?.as_ref()?.capabilities)
    }

    /// Says what both ends of a port's link have agreed on for long frames. It holds for the device that has the port's
    /// number, and for those that will have it.
    pub fn set_long_frames(&mut self, id: PortId, agreed: LongFrames) {
        self.long.retain(|(port, _)| *port != id);
        if agreed != LongFrames::default() {
            self.long.push((id, agreed));
        }
        if let Some(Some(sender)) = self.senders.get_mut(usize::from(id.0)) {
            sender.capabilities.long = agreed.longest;
        }
    }

    /// What [`Worker::set_long_frames`] was told.
    pub fn long_frames(&self, id: PortId) -> LongFrames {
        agreed(&self.long, id)
    }

    /// Says that a port's device takes longer frames than when it was attached.
    pub fn raise_mtu(&mut self, id: PortId, mtu: u32) {
        if let Some(Some(sender)) = self.senders.get_mut(usize::from(id.0)) {
            sender.capabilities.mtu = sender.capabilities.mtu.max(mtu);
        }
    }

    /// Ends [`Worker::run`] after the present round.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    /// Moves frames until [`Worker::stop`] is called through the mailbox.
    ///
    /// # Errors
    /// The kernel refuses to wait: nothing a worker could mend.
    pub fn run(&mut self, mailbox: &Mailbox<Self>) -> io::Result<()> {
        let mut ready = Vec::with_capacity(BURST);
        let mut sleep = IDLE;
        while !self.stopping {
            sleep = self.round(sleep, &mut ready, |worker| mailbox.run_pending(worker))?;
        }
        Ok(())
    }
}

impl<F: Forward> Worker<F> {
    /// One round of [`Self::run`]: sleeps for at most `sleep` until ports are ready, has control do what it wants, and
    /// moves a burst of each of them. Returns how long to sleep next. `ready` is room for their numbers, to be handed
    /// over each time.
    ///
    /// # Errors
    /// The kernel refuses to wait: nothing a worker could mend.
    pub fn round(
        &mut self,
        sleep: Duration,
        ready: &mut Vec<u16>,
        control: impl FnOnce(&mut Self),
    ) -> io::Result<Duration> {
        self.poller.wait(Some(sleep), ready)?;
        control(self);
        self.forward.begin(Instant::now());
        for &id in ready.iter() {
            self.burst(PortId(id));
        }
        Ok(self.forward.end().min(IDLE))
    }

    /// Receives one burst from a port, and sends all that comes of it.
    fn burst(&mut self, id: PortId) {
        let Self {
            forward,
            receivers,
            senders,
            dispatcher,
            out,
            long,
            ..
        } = self;
        let Some(Some(receiver)) = receivers.get_mut(usize::from(id.0)) else {
            return;
        };
        let mut frames = ArrayVec::<RxFrame<'_>, BURST>::new();
        match receiver.rx.receive(&mut frames) {
            Ok(()) => {}
            // It may come up again, or answer again.
            Err(PortError::Down | PortError::Io(_)) => return,
            // It stays ready for ever and never has a frame; control hands over another when there is one.
            Err(PortError::Gone) => {
                drop(frames);
                return self.retire(id);
            }
        }
        receiver.taken += frames.len() as u64;
        if receiver.is_link {
            let accepted = agreed(long, id).accepted;
            frames
                .iter_mut()
                .for_each(|frame| long::admit(frame, accepted));
        }
        for (index, frame) in (0u16..).zip(&frames) {
            forward.frame(id, index, frame, out);
            if out.len() >= FLUSH_AT {
                flush(forward, senders, dispatcher, &frames, out);
            }
        }
        flush(forward, senders, dispatcher, &frames, out);
    }
}

/// Few ports are links, so they are looked for one by one.
fn agreed(long: &[(PortId, LongFrames)], id: PortId) -> LongFrames {
    let found = long.iter().find(|(port, _)| *port == id);
    found.map(|(_, agreed)| *agreed).unwrap_or_default()
}

/// Sends the copies gathered so far, device by device, each device's in the order of the frames.
fn flush<F: Forward>(
    forward: &mut F,
    senders: &mut [Option<Sender>],
    dispatcher: &mut Dispatcher,
    frames: &[RxFrame<'_>],
    out: &mut Vec<Outgoing>,
) {
    // In place, so nothing is allocated; the frame's index keeps flows in order.
    out.sort_unstable_by_key(|copy| (copy.port, copy.frame));
    for copies in out.chunk_by(|a, b| a.port == b.port) {
        let port = copies.first().map_or(0, |copy| usize::from(copy.port.0));
        let mut fate = |copy: &Outgoing, weight, fate| forward.fate(copy, weight, fate);
        let (tx, capabilities, pad): (&mut dyn Transmit, _, _) = match senders.get_mut(port) {
            Some(Some(sender)) => (&mut sender.tx, sender.capabilities, sender.pad),
            _ => (&mut Detached, Detached::CAPABILITIES, false),
        };
        dispatcher.send(tx, &capabilities, pad, frames, copies, &mut fate);
    }
    out.clear();
}

/// Where copies for a port go that is not there.
struct Detached;

impl Detached {
    /// Whole, whatever they are: they go nowhere.
    const CAPABILITIES: Capabilities = Capabilities {
        mode: "none",
        mtu: u32::MAX,
        offload: true,
        long: 0,
    };
}

impl Transmit for Detached {
    fn send(&mut self, frames: &[TxFrame<'_>], refused: &mut dyn FnMut(usize, Refusal)) {
        for index in 0..frames.len() {
            refused(index, Refusal::Down);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Wire, WireOptions};
    use niv::{Counters, Gather};

    /// Sends every frame out of every port in `to`.
    struct Repeater {
        to: Vec<PortId>,
        counters: Counters,
    }

    impl Forward for Repeater {
        fn begin(&mut self, _now: Instant) {}

        fn frame(&mut self, _: PortId, index: u16, frame: &RxFrame<'_>, out: &mut Vec<Outgoing>) {
            let weight = Weight::one(frame.bytes.len());
            self.counters.flood(weight, self.to.len() as u64);
            let gather = Gather::new(frame.bytes, 12, None, None).unwrap();
            for &port in &self.to {
                let (account, uncounted) = (port.0.into(), 0);
                out.push(Outgoing {
                    port,
                    account,
                    frame: index,
                    gather,
                    uncounted,
                    edit: crate::Edit::NONE,
                });
            }
        }

        fn fate(&mut self, _: &Outgoing, weight: Weight, fate: Result<(), DropReason>) {
            match fate {
                Ok(()) => self.counters.sent(weight),
                Err(reason) => self.counters.drop_copy(reason, weight),
            }
        }
    }

    const USE: PortUse = PortUse {
        pad: false,
        offload: true,
    };

    fn send(tx: &mut dyn Transmit, frames: &[[u8; 60]]) {
        for frame in frames {
            let frame = TxFrame::whole(frame);
            tx.send(&[frame], &mut |_, refusal| panic!("{refusal:?}"));
        }
    }

    /// The first octet of each frame that arrives until there are `count`.
    fn arrivals(rx: &mut dyn Receive, count: usize) -> Vec<u8> {
        let mut seen = Vec::new();
        while seen.len() < count {
            let mut burst = ArrayVec::new();
            rx.receive(&mut burst).unwrap();
            seen.extend(burst.iter().map(|frame| frame.bytes[0]));
        }
        seen
    }

    /// Says at which thread it was closed.
    struct Slow(crossbeam::channel::Sender<std::thread::ThreadId>);

    impl Receive for Slow {
        fn receive<'a>(
            &'a mut self,
            _: &mut ArrayVec<RxFrame<'a>, BURST>,
        ) -> Result<(), PortError> {
            Err(PortError::Gone)
        }
        fn readiness(&self) -> Option<std::os::fd::BorrowedFd<'_>> {
            None
        }
        fn stats(&mut self) -> RxStats {
            RxStats::default()
        }
    }

    impl Drop for Slow {
        fn drop(&mut self) {
            self.0.send(std::thread::current().id()).unwrap();
        }
    }

    #[test]
    fn no_port_is_closed_by_the_thread_that_moves_frames() {
        let repeater = Repeater {
            to: Vec::new(),
            counters: Counters::default(),
        };
        let worker = Worker::spawn("t", repeater).unwrap();
        let (closed, closings) = crossbeam::channel::unbounded();
        for replaced_gone_and_detached in 0..3 {
            let rx = Box::new(Slow(closed.clone()));
            let tx = Box::new(Detached);
            let capabilities = Detached::CAPABILITIES;
            let port = Port {
                rx,
                tx,
                capabilities,
            };
            let attached = worker.ask(move |w| {
                w.attach(PortId(0), port, USE).unwrap();
                if replaced_gone_and_detached == 1 {
                    w.burst(PortId(0));
                }
                w.capabilities(PortId(0)).is_some()
            });
            assert_eq!(attached.unwrap(), replaced_gone_and_detached != 1);
        }
        drop(worker.ask(|w| w.detach(PortId(0))).unwrap());
        let here = std::thread::current().id();
        assert_eq!(closings.try_iter().collect::<Vec<_>>(), [here; 3]);
        worker.ask(Worker::stop).unwrap();
    }

    #[test]
    fn frames_leave_in_order_by_each_port_and_every_copy_has_a_fate() {
        let in_wire = Wire::new(WireOptions::default()).unwrap();
        let out_wire = Wire::new(WireOptions::default()).unwrap();
        let to = vec![PortId(2), PortId(1), PortId(0)];
        let worker = Worker::spawn(
            "t",
            Repeater {
                to,
                counters: Counters::default(),
            },
        )
        .unwrap();
        let (mut near, mut far) = (in_wire.a, out_wire.a);
        let (b, d) = (in_wire.b, out_wire.b);
        worker
            .ask(move |w| w.attach(PortId(0), b, USE))
            .unwrap()
            .unwrap();
        worker
            .ask(move |w| w.attach(PortId(1), d, USE))
            .unwrap()
            .unwrap();
        let frames: Vec<[u8; 60]> = (0..200).map(|n| [n; 60]).collect();
        send(near.tx.as_mut(), &frames);
        let expected: Vec<u8> = (0..200).collect();
        assert_eq!(arrivals(far.rx.as_mut(), 200), expected);
        assert_eq!(arrivals(near.rx.as_mut(), 200), expected);
        let (counters, passed) = worker
            .ask(|w| (w.forward.counters, w.passed(PortId(0)).unwrap()))
            .unwrap();
        assert_eq!(counters.egress.dropped.get(DropReason::PortDown), 200);
        assert_eq!(counters.egress.sent.frames, 400);
        assert_eq!(counters.imbalance(), Default::default());
        assert_eq!((passed.taken, passed.handed), (200, 200));
        worker.ask(Worker::stop).unwrap();
    }
}
