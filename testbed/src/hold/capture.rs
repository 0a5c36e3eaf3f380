//! `cargo lab capture`: what goes over a device of a lab, as lines or as pcapng.
//!
//! What a daemon sends passes no tap of its own device (AF_XDP, and packet sockets past the queueing discipline). So a
//! device with a cable is heard at both ends of it: what arrives at the other end is what it sent.

use super::chosen;
use super::inside::{enter_as_user, host_of, root_of};
use super::state::Process;
use crate::endpoint::frame::describe;
use crate::error::{Doing, LabError, Result, check};
use crate::sandbox::netns_path;
use ::topology::{HostName, Topology};
use packet_io::afpacket::{Heard, Listener};
use packet_io::capture::{Direction, Writer};
use packet_io::netns::NetNs;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use signal_hook::consts::{SIGINT, SIGTERM};
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long to sleep without a frame before it is looked whether to end.
const NAP: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// Frames of one end that are taken up together.
const BURST: usize = 64;

/// What to capture, and until when.
#[derive(Debug, clap::Args)]
pub(crate) struct Capture {
    /// The lab, if several are up.
    #[arg(long, value_name = "NAME", env = "NIV_LAB")]
    lab: Option<HostName>,
    /// The host.
    host: String,
    /// Its device.
    device: String,
    /// A pcapng file to write; `-`: standard output, for `wireshark -k -i -`. Without one, a line for each frame.
    file: Option<String>,
    /// End after so many frames.
    #[arg(long, value_name = "FRAMES")]
    count: Option<u64>,
    /// End after so many seconds.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
}

impl Capture {
    /// Captures until Ctrl-C, or as it was told.
    ///
    /// # Errors
    /// No such lab, host or device; or what is captured cannot be written.
    pub(crate) fn run(&self) -> Result<()> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&stop)).doing("wait for Ctrl-C")?;
        }
        let (folder, state) = chosen(self.lab.as_ref())?;
        let topology = folder.topology()?;
        let host = host_of(&topology, &self.host)?;
        let name = format!("{host}:{}", self.device);
        let mut output = Output::open(self.file.as_deref(), &name)?;
        enter_as_user(state.inside)?;
        let mut ends = self.ends(&topology, &host, state.inside)?;
        let mut left = self.count.unwrap_or(u64::MAX);
        let end = self
            .seconds
            .map(|seconds| Instant::now() + Duration::from_secs(seconds));
        while left > 0
            && !stop.load(Ordering::Relaxed)
            && end.is_none_or(|end| Instant::now() < end)
        {
            let mut frames = Vec::new();
            for end in &mut ends {
                end.hear(&mut frames)?;
            }
            if frames.is_empty() {
                sleep(&ends);
                continue;
            }
            frames.sort_by_key(|frame| frame.time);
            let take = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(frames.len());
            for frame in frames.iter().take(take) {
                match output.write(frame) {
                    // Whoever read it has seen enough.
                    Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                    written => written.doing("write what is captured")?,
                }
            }
            left = left.saturating_sub(take as u64);
            match output.flush() {
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                flushed => flushed.doing("write what is captured")?,
            }
        }
        let missed: u32 = ends.iter().map(End::missed).sum();
        if missed > 0 {
            eprintln!("{missed} frames more went by than could be written down");
        }
        Ok(())
    }

    /// Where to listen.
    fn ends(&self, topology: &Topology, host: &HostName, inside: Process) -> Result<Vec<End>> {
        let open = |host: &str, device: &str, outgoing, far| {
            let path = netns_path(host);
            let path = path.strip_prefix("/").unwrap_or(&path);
            End::open(&root_of(inside).join(path), device, outgoing, far)
        };
        let is_this =
            |end: &&topology::End| end.host == *host && end.device.as_str() == self.device;
        let cables = topology.cables.iter();
        let other = cables.filter_map(|[a, b]| match (is_this(&a), is_this(&b)) {
            (true, _) => Some(b),
            (_, true) => Some(a),
            _ => None,
        });
        let is_trunk = |end: &topology::End| {
            let trunk = topology.hosts.get(&end.host).and_then(|h| h.trunk.as_ref());
            trunk.is_some_and(|trunk| trunk.device == end.device)
        };
        let place = |end: &topology::End| match is_trunk(end) {
            true => format!("{}.nic", end.host),
            false => end.host.to_string(),
        };
        let other = other.map(|end| (place(end), end.device.to_string())).next();
        let device = self
            .device
            .parse()
            .map_err(|error| LabError::Held(format!("{error}")))?;
        let own = topology::End {
            host: host.clone(),
            device,
        };
        let mut ends = vec![open(&place(&own), &self.device, other.is_none(), false)?];
        if let Some((host, device)) = other {
            ends.push(open(&host, &device, false, true)?);
        }
        Ok(ends)
    }
}

/// One device that is listened to.
struct End {
    listener: Listener,
    /// It is the cable's other end: what it receives was sent.
    far: bool,
}

impl End {
    fn open(path: &Path, device: &str, outgoing: bool, far: bool) -> Result<Self> {
        let host = path.file_name().unwrap_or_default().to_string_lossy();
        let doing = || format!("listen to {device} of {host}");
        let netns = NetNs::open(path).doing(doing())?;
        let listener = netns
            .run(|| Listener::open(device, outgoing))
            .doing(doing())?;
        let listener = listener.map_err(|error| LabError::Link {
            doing: doing(),
            source: Box::new(error),
        })?;
        Ok(Self { listener, far })
    }

    fn hear(&mut self, frames: &mut Vec<Frame>) -> Result<()> {
        for _ in 0..BURST {
            let heard = self.listener.hear().map_err(|error| LabError::Link {
                doing: "go on listening".to_owned(),
                source: Box::new(error),
            })?;
            match heard {
                Some(heard) => frames.push(Frame::of(&heard, self.far)),
                None => break,
            }
        }
        Ok(())
    }

    fn missed(&self) -> u32 {
        self.listener.take_missed().unwrap_or_default()
    }
}

/// A frame that went by, its VLAN tag where it belongs.
struct Frame {
    time: u64,
    direction: Direction,
    bytes: Vec<u8>,
    length: u32,
}

impl Frame {
    fn of(heard: &Heard<'_>, far: bool) -> Self {
        let mut bytes = heard.bytes.to_vec();
        let mut length = heard.original_length;
        if let Some(tag) = heard.vlan
            && bytes.len() >= 12
        {
            let [a, b] = tag.tpid.to_be_bytes();
            let [c, d] = tag.tci.to_be_bytes();
            bytes.splice(12..12, [a, b, c, d]);
            length += 4;
        }
        Self {
            time: heard.time,
            direction: match heard.outgoing || far {
                true => Direction::Outbound,
                false => Direction::Inbound,
            },
            bytes,
            length,
        }
    }
}

enum Output {
    Lines(io::Stdout),
    Pcapng(Writer<Box<dyn Write>>),
}

impl Output {
    fn open(file: Option<&str>, name: &str) -> Result<Self> {
        let pcapng = |to: Box<dyn Write>| -> io::Result<Self> {
            let mut writer = Writer::new(to, name)?;
            writer.flush()?;
            Ok(Self::Pcapng(writer))
        };
        match file {
            None => Ok(Self::Lines(io::stdout())),
            Some("-") => pcapng(Box::new(io::stdout())).doing("begin to write"),
            Some(path) => {
                check(
                    Path::new(path).extension().is_some_and(|e| e == "pcapng"),
                    || {
                        format!(
                            "what is captured is pcapng: call the file {path}.pcapng, or `-` for standard output"
                        )
                    },
                )?;
                let doing = || format!("write {path}");
                let file = File::create(path).doing(doing())?;
                pcapng(Box::new(BufWriter::new(file))).doing(doing())
            }
        }
    }

    fn write(&mut self, frame: &Frame) -> io::Result<()> {
        match self {
            Self::Lines(out) => {
                let way = match frame.direction {
                    Direction::Inbound => "in ",
                    Direction::Outbound => "out",
                };
                let (seconds, rest) = (frame.time / 1_000_000_000, frame.time % 1_000_000_000);
                let line = describe(&frame.bytes);
                writeln!(out, "{seconds}.{:06} {way} {line}", rest / 1_000)
            }
            Self::Pcapng(writer) => {
                let parts = [&*frame.bytes];
                let (time, direction) = (frame.time, frame.direction);
                writer.frame(time, direction, parts.into_iter(), frame.length, None)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(out) => out.flush(),
            Self::Pcapng(writer) => writer.flush(),
        }
    }
}

fn sleep(ends: &[End]) {
    let ends = ends.iter().map(|end| end.listener.readiness());
    let mut ready: Vec<_> = ends
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    // Interrupted or refused: the ends are asked again either way.
    let _ = poll(&mut ready, Some(&NAP));
}
