//! A box in the middle of a cable, that passes on whatever fits its ports: what no bridge of the kernel's does, since
//! it keeps frames to the nearest bridge's group to itself.

use super::frame::interface;
use crate::error::{Doing, LabError, Result};
use packet_io::netns::NetNs;
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, DataLinkSender};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Octets of the longest frame that may come.
const LONGEST: usize = 70_000;
/// How soon the end is noticed.
const TICK: Duration = Duration::from_millis(20);

/// Of which part of the time frames pass: for so long, once in so long. Others are lost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) open: Duration,
    pub(crate) every: Duration,
}

/// What the threads look at with every frame.
#[derive(Default)]
struct Gate {
    enough: AtomicBool,
    /// Milliseconds of [`Pace`]; `every` 0: all pass.
    open: AtomicU64,
    every: AtomicU64,
}

impl Gate {
    fn lets_pass(&self, since_start: Duration) -> bool {
        let every = self.every.load(Ordering::Relaxed);
        let now = since_start.as_millis() as u64;
        now.checked_rem(every)
            .is_none_or(|part| part < self.open.load(Ordering::Relaxed))
    }
}

/// Two interfaces, each of whose frames leave by the other.
pub(crate) struct Relay {
    gate: Arc<Gate>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Passes frames on until it is dropped.
    ///
    /// # Errors
    /// No such interfaces, or no raw sockets to be had.
    pub(crate) fn start(netns: &NetNs, ports: [&str; 2]) -> Result<Self> {
        let [(to_a, from_a), (to_b, from_b)] = [open(netns, ports[0])?, open(netns, ports[1])?];
        let gate = Arc::new(Gate::default());
        let start = Instant::now();
        let pass = |from, to| {
            let gate = Arc::clone(&gate);
            std::thread::spawn(move || pass_on(from, to, &gate, start))
        };
        let threads = vec![pass(from_a, to_b), pass(from_b, to_a)];
        Ok(Self { gate, threads })
    }

    /// `None`: all frames pass again.
    pub(crate) fn set_pace(&self, pace: Option<Pace>) {
        let milliseconds = |part: fn(&Pace) -> Duration| {
            pace.as_ref()
                .map_or(0, |pace| part(pace).as_millis() as u64)
        };
        let open = milliseconds(|pace| pace.open);
        self.gate.open.store(open, Ordering::Relaxed);
        let every = milliseconds(|pace| pace.every);
        self.gate.every.store(every, Ordering::Relaxed);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.gate.enough.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It cannot panic.
            let _ = thread.join();
        }
    }
}

type Ends = (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>);

fn open(netns: &NetNs, port: &str) -> Result<Ends> {
    let interface = interface(netns, port)?;
    let config = Config {
        read_buffer_size: LONGEST,
        write_buffer_size: LONGEST,
        read_timeout: Some(TICK),
        ..Config::default()
    };
    let channel = netns
        .run(|| datalink::channel(&interface, config))
        .doing("enter a namespace to pass frames on")?
        .doing(format!("open {port}"))?;
    match channel {
        Channel::Ethernet(sender, receiver) => Ok((sender, receiver)),
        _ => Err(LabError::Check(format!("{port} is no Ethernet interface"))),
    }
}

fn pass_on(
    mut from: Box<dyn DataLinkReceiver>,
    mut to: Box<dyn DataLinkSender>,
    gate: &Gate,
    start: Instant,
) {
    while !gate.enough.load(Ordering::Relaxed) {
        // No frame for a while, or a port that is down.
        let Ok(frame) = from.next() else { continue };
        if !gate.lets_pass(start.elapsed()) {
            continue;
        }
        // A frame that does not fit, or meets a port that is down, is lost: as in any box.
        let _ = to.send_to(frame, None);
    }
}
