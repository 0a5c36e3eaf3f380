//! One trial: so many frames, or so much time, at a rate or as fast as it goes; and what came back of it.

use super::bed::{Bed, DUT_CORE, GEN_CORE, busy, pin, pinned, stolen};
use super::device::Running;
use super::shape::Shape;
use super::sink::{self, Seen, Sink};
use crate::error::{Doing, LabError, Result, check};
use arrayvec::ArrayVec;
use packet_io::bpf::Memory;
use packet_io::{BURST, Port, RxFrame, TxFrame};
use rustix::time::{ClockId, clock_gettime};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Frames of one call that has the kernel make them.
const LIVE: u32 = 1 << 17;
/// Frames sent at once at a rate, at most: a device's ring holds 256.
const PACED_BURST: usize = 32;
/// Frames that are sent in step, at a time.
const STEP: usize = 32;
/// Nothing came back for so long, of frames sent in step: something else runs on this core, or one is lost.
const LONG_SILENCE: Duration = Duration::from_millis(60);
/// Nothing came back for so long: nothing more will.
const SILENCE: Duration = Duration::from_millis(4);

/// What a trial came to.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    /// Frames offered; with overload, those that were made.
    pub(super) offered: u64,
    /// Of ours, since the trial began.
    pub(super) seen: Seen,
    /// How long it took, in seconds.
    pub(super) seconds: f64,
    /// Core time of the device's core, and of all, in nanoseconds.
    pub(super) busy: (u64, u64),
    /// Time the hypervisor took, in milliseconds.
    pub(super) stolen: u64,
}

impl Outcome {
    /// Frames a second that came back.
    pub(super) fn rate(&self) -> f64 {
        self.seen.frames as f64 / self.seconds
    }

    /// Frames offered that did not come back.
    pub(super) fn lost(&self) -> u64 {
        self.offered.saturating_sub(self.seen.frames)
    }
}

/// What there is to look at before and after.
struct Before {
    seen: Seen,
    busy: Vec<u64>,
    stolen: u64,
    at: Instant,
}

impl Before {
    fn look(sink: &Sink) -> Result<Self> {
        Ok(Self {
            seen: sink.seen()?,
            busy: busy().0,
            stolen: stolen(),
            at: Instant::now(),
        })
    }

    fn until_now(&self, sink: &Sink, offered: u64, seconds: Option<f64>) -> Result<Outcome> {
        let now = Self::look(sink)?;
        let spent = now.busy.iter().zip(&self.busy);
        let spent: Vec<_> = spent.map(|(now, then)| now - then).collect();
        let (a, b) = (&now.seen, &self.seen);
        let mut sources = a.sources;
        for (now, then) in sources.iter_mut().zip(b.sources) {
            *now -= then;
        }
        let seen = Seen {
            frames: a.frames - b.frames,
            octets: a.octets - b.octets,
            late: a.late - b.late,
            foreign: a.foreign - b.foreign,
            longest: a.longest,
            listed: a.listed - b.listed,
            sources,
        };
        Ok(Outcome {
            offered,
            seen,
            seconds: seconds.unwrap_or_else(|| (now.at - self.at).as_secs_f64()),
            busy: (
                spent.get(DUT_CORE).copied().unwrap_or_default(),
                spent.iter().sum(),
            ),
            stolen: now.stolen - self.stolen,
        })
    }
}

/// Far more than any device takes: the kernel makes frames and puts them into the cable, from the generator's core.
pub(super) fn overload(
    bed: &Bed,
    shape: Shape,
    warm: Duration,
    window: Duration,
) -> Result<Outcome> {
    let index = bed.generator_index()?;
    let netns = &bed.generator()?.netns;
    let sink = Sink::attach(netns, index, shape)?;
    let memory = Memory::new(1).doing("make the generator's memory")?;
    let program = shape.overload(&memory, index)?;
    let template = shape.template();
    let stop = AtomicBool::new(false);
    let numbered = || {
        Ok::<_, LabError>(
            memory
                .read()
                .doing("read the generator")?
                .first()
                .copied()
                .unwrap_or_default(),
        )
    };
    thread::scope(|scope| {
        let generating = scope.spawn(|| {
            netns
                .run(|| {
                    pin(GEN_CORE)?;
                    while !stop.load(Ordering::Relaxed) {
                        program.run_live(&template, LIVE).doing("make frames")?;
                    }
                    Ok::<_, LabError>(())
                })
                .doing("enter the generator's namespace")?
        });
        thread::sleep(warm);
        let measured = Before::look(&sink).and_then(|before| {
            let first = numbered()?;
            thread::sleep(window);
            let offered = numbered()? - first;
            before.until_now(&sink, offered, None)
        });
        stop.store(true, Ordering::Relaxed);
        generating
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        measured
    })
}

/// The sender: one thread, AF_XDP, on the generator's core.
pub(super) struct Sender {
    port: Port,
    shape: Shape,
    frames: Vec<Vec<u8>>,
    next: u64,
}

/// How long a sender sends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Time(Duration),
    Frames(u64),
}

impl Sender {
    pub(super) fn open(bed: &Bed, shape: Shape) -> Result<Self> {
        Ok(Self::with(bed.open_generator()?, shape))
    }

    fn with(port: Port, shape: Shape) -> Self {
        Self {
            port,
            shape,
            frames: vec![shape.template(); BURST],
            next: 0,
        }
    }

    /// The same port for other frames, which are numbered from 0.
    pub(super) fn reshaped(self, shape: Shape) -> Self {
        Self::with(self.port, shape)
    }

    /// Sends one burst of the next frames; returns how many the device refused.
    fn burst(&mut self, count: usize, stamp: bool) -> u64 {
        let time = if stamp { nanoseconds() } else { 0 };
        let mut burst = ArrayVec::<TxFrame<'_>, BURST>::new();
        for (frame, number) in self.frames.iter_mut().zip(self.next..).take(count) {
            self.shape.number(frame, number, time);
            let whole = frame.get(..self.shape.length(number)).unwrap_or_default();
            burst.push(TxFrame::whole(whole));
        }
        self.next += count as u64;
        let mut refused = 0;
        self.port.tx.send(&burst, &mut |_, _| refused += 1);
        refused
    }

    /// Sends, `rate` frames a second, or as fast as it goes. Returns frames offered, refused ones included, and the
    /// seconds it took.
    fn send(&mut self, rate: Option<f64>, until: Until, stamp: bool) -> (u64, f64) {
        let start = Instant::now();
        let mut offered = 0u64;
        loop {
            let passed = start.elapsed();
            let left = match until {
                Until::Time(time) if passed >= time => break,
                Until::Time(_) => BURST as u64,
                Until::Frames(frames) if offered >= frames => break,
                Until::Frames(frames) => frames - offered,
            };
            let due = rate.map_or(BURST as u64, |rate| {
                ((passed.as_secs_f64() * rate) as u64 + 1)
                    .saturating_sub(offered)
                    .min(PACED_BURST as u64)
            });
            let count = due.min(left) as usize;
            if count > 0 {
                self.burst(count, stamp);
                offered += count as u64;
            } else {
                std::hint::spin_loop();
            }
        }
        (offered, start.elapsed().as_secs_f64())
    }

    /// One trial with the sink in place. What was sent before it does not count.
    pub(super) fn trial(
        &mut self,
        sink: &Sink,
        rate: Option<f64>,
        until: Until,
        stamp: bool,
    ) -> Result<Outcome> {
        pinned(GEN_CORE, || {
            let before = Before::look(sink)?;
            let (offered, seconds) = self.send(rate, until, stamp);
            // What is not answered for so long is lost; the time it takes to find out is not the trial's.
            let mut frames = sink.seen()?.frames;
            loop {
                thread::sleep(SILENCE);
                let now = sink.seen()?.frames;
                if now == frames {
                    break;
                }
                frames = now;
            }
            before.until_now(sink, offered, Some(seconds))
        })
    }

    /// Puts the sink in place for these frames.
    pub(super) fn sink(&self, bed: &Bed) -> Result<Sink> {
        Sink::attach(&bed.generator()?.netns, bed.generator_index()?, self.shape)
    }

    /// Sends so many frames, a few at a time: the next ones when those have come back, or nothing has for a while. So
    /// nothing is lost for want of room, however busy the machine is. `came` says how many have come since it was
    /// asked last.
    fn in_step(
        &mut self,
        frames: u64,
        stamp: bool,
        mut came: impl FnMut(&mut Port) -> Result<u64>,
    ) -> Result<()> {
        let mut left = frames;
        while left > 0 {
            let count = left.min(STEP as u64);
            self.burst(count as usize, stamp);
            left -= count;
            let mut missing = count;
            let mut heard = Instant::now();
            while missing > 0 && heard.elapsed() < LONG_SILENCE {
                let now = came(&mut self.port)?;
                if now > 0 {
                    heard = Instant::now();
                }
                missing = missing.saturating_sub(now);
            }
        }
        let mut heard = Instant::now();
        while heard.elapsed() < LONG_SILENCE {
            if came(&mut self.port)? > 0 {
                heard = Instant::now();
            }
        }
        Ok(())
    }

    /// Sends so many frames in step and has the sink count them.
    pub(super) fn count(&mut self, sink: &Sink, frames: u64) -> Result<Outcome> {
        pinned(GEN_CORE, || {
            let before = Before::look(sink)?;
            let mut seen = before.seen.frames;
            self.in_step(frames, true, |_| {
                let now = sink.seen()?.frames;
                let more = now - seen;
                seen = now;
                Ok(more)
            })?;
            before.until_now(sink, frames, None)
        })
    }

    /// Sends so many frames in step and looks at every octet of every frame that comes back.
    pub(super) fn compare(
        &mut self,
        bed: &Bed,
        running: &Running,
        frames: u64,
    ) -> Result<Compared> {
        let (netns, device) = (&bed.generator()?.netns, bed.generator_index()?);
        pinned(GEN_CORE, || {
            let shape = self.shape;
            // A frame that an XDP program sends back reaches a veth only if a program takes it there.
            let _passes = sink::pass(netns, device)?;
            let mut expected = shape.template();
            let mut compared = Compared::new(self.next, frames, shape.sources());
            self.in_step(frames, false, |port| {
                let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
                if port.rx.receive(&mut burst).is_err() {
                    return Ok(0);
                }
                for frame in &burst {
                    let number = shape.number_of(frame.bytes);
                    let whole = number.is_some_and(|number| {
                        frame.vlan.is_none()
                            && shape.is_whole(frame.bytes, number, running.turn, &mut expected)
                    });
                    compared.take(number, whole);
                }
                Ok(burst.len() as u64)
            })?;
            Ok(compared)
        })
    }
}

fn nanoseconds() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What a look at every frame found.
#[derive(Clone, Debug)]
pub(super) struct Compared {
    first: u64,
    /// Sources, up to 8.
    flows: u32,
    come: Vec<bool>,
    /// By the lowest three bits of the number, which are those of the source.
    next: [u64; 8],
    /// Whole frames, each number once.
    pub(super) whole: u64,
    /// With a number that was there before.
    pub(super) repeated: u64,
    /// After a higher number of the same source, for the first time.
    pub(super) overtaken: u64,
    /// Ours, but with other octets than were sent, or for another station.
    pub(super) altered: u64,
    /// Not ours.
    pub(super) foreign: u64,
}

impl Compared {
    fn new(first: u64, frames: u64, flows: u32) -> Self {
        Self {
            first,
            flows,
            come: vec![false; frames as usize],
            next: [0; 8],
            whole: 0,
            repeated: 0,
            overtaken: 0,
            altered: 0,
            foreign: 0,
        }
    }

    fn take(&mut self, number: Option<u64>, whole: bool) {
        let place = number.and_then(|number| {
            let at = number.checked_sub(self.first)?;
            self.come.get_mut(at as usize)
        });
        let (Some(number), Some(place)) = (number, place) else {
            self.foreign += 1;
            return;
        };
        let flow = number % u64::from(self.flows);
        let next = self.next.get_mut(flow as usize);
        if !whole {
            self.altered += 1;
        } else if *place {
            self.repeated += 1;
        } else {
            self.whole += 1;
            self.overtaken += u64::from(next.as_ref().is_some_and(|next| number < **next));
        }
        *place = true;
        if let Some(next) = next {
            *next = (*next).max(number + 1);
        }
    }

    /// Numbers that never came, whole or not.
    pub(super) fn lost(&self) -> u64 {
        self.come.iter().filter(|come| !**come).count() as u64
    }

    /// Lost, repeated, overtaken, altered.
    pub(super) fn faults(&self) -> [u64; 4] {
        [self.lost(), self.repeated, self.overtaken, self.altered]
    }

    /// Fails unless all came, each once, in order and whole.
    pub(super) fn is_clean(&self) -> Result<()> {
        check(self.faults() == [0; 4], || {
            let [lost, repeated, overtaken, altered] = self.faults();
            format!(
                "of {} frames {lost} were lost, {repeated} came twice, {overtaken} were overtaken, {altered} were altered",
                self.come.len()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(came: &[(u64, bool)]) -> [u64; 4] {
        let mut compared = Compared::new(10, 4, 1);
        for &(number, whole) in came {
            compared.take(Some(number), whole);
        }
        compared.faults()
    }

    #[test]
    fn every_fault_is_counted_as_what_it_is() {
        let w = true;
        assert_eq!(
            compared(&[(10, w), (11, w), (12, w), (13, w)]),
            [0, 0, 0, 0]
        );
        assert_eq!(compared(&[(10, w), (11, w), (13, w)]), [1, 0, 0, 0]);
        assert_eq!(
            compared(&[(10, w), (11, w), (11, w), (12, w), (13, w)]),
            [0, 1, 0, 0]
        );
        assert_eq!(
            compared(&[(10, w), (12, w), (11, w), (13, w)]),
            [0, 0, 1, 0]
        );
        assert_eq!(
            compared(&[(10, w), (11, false), (12, w), (13, w)]),
            [0, 0, 0, 1]
        );
    }
}
