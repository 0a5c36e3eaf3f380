//! A box in the middle of a cable, that passes on whatever fits its ports: what no bridge of the kernel's does, since
//! it keeps frames to the nearest bridge's group to itself.

use super::frame::interface;
use crate::error::{Doing, LabError, Result};
use packet_io::netns::NetNs;
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, DataLinkSender};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Octets of the longest frame that may come.
const LONGEST: usize = 70_000;
/// How soon the end is noticed.
const TICK: Duration = Duration::from_millis(20);

/// Two interfaces, each of whose frames leave by the other.
pub(crate) struct Relay {
    enough: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Passes frames on until it is dropped.
    ///
    /// # Errors
    /// No such interfaces, or no raw sockets to be had.
    pub(crate) fn start(netns: &NetNs, ports: [&str; 2]) -> Result<Self> {
        let [(to_a, from_a), (to_b, from_b)] = [open(netns, ports[0])?, open(netns, ports[1])?];
        let enough = Arc::new(AtomicBool::new(false));
        let pass = |from, to| {
            let enough = Arc::clone(&enough);
            std::thread::spawn(move || pass_on(from, to, &enough))
        };
        let threads = vec![pass(from_a, to_b), pass(from_b, to_a)];
        Ok(Self { enough, threads })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
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
    enough: &AtomicBool,
) {
    while !enough.load(Ordering::Relaxed) {
        // No frame for a while, or a port that is down.
        let Ok(frame) = from.next() else { continue };
        // A frame that does not fit, or meets a port that is down, is lost: as in any box.
        let _ = to.send_to(frame, None);
    }
}
