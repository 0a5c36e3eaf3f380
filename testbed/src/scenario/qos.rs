//! Priority that is trusted or rewritten, as tshark reads it.

use super::shell::Typist;
use crate::endpoint::frame::{Source, write_pcap};
use crate::endpoint::stream;
use crate::endpoint::trunk::open;
use crate::endpoint::watch::{Choice, Seen, Watch};
use crate::error::{Doing, LabError, Result, check};
use crate::report::Report;
use crate::sandbox;
use crate::two_boxes::{STATIONS, Station, TwoBoxes, UPLINK};
use arrayvec::ArrayVec;
use packet_io::{BURST, Port, RxFrame};
use rustix::net::sockopt;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// What our datagrams are known by.
const UDP_PORT: u16 = 4_711;
/// How long frames may take.
const WITHIN: Duration = Duration::from_secs(3);
/// The trunk of `p2`, as its own end sees it.
const TRUNK: (&str, &str) = ("p2-nic", "trunk");

/// What tshark says of a frame, each a text; empty where the frame has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Read {
    cos: String,
    dscp: String,
    /// Of the IPv4 header.
    header: String,
    /// Of UDP or TCP.
    transport: String,
}

/// On vEths and plain ports, IPv4 and IPv6, to a trunk and to a guest.
pub(super) fn judged(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let [guest, _, _, far, _, _, plain, trunk, _] = STATIONS;
    let binaries = boxes.lab.binaries.clone();
    let typist = Typist::of(&binaries, boxes.lab.daemon("vis")?.socket());
    let say = |lines: &[&str]| -> Result<()> {
        let said = typist.exec(lines)?;
        check(said.done, || format!("{lines:?}: {said:?}"))
    };
    let set = ["qos set cos 5", "qos set dscp ef"];
    for (enter, from) in [("interface veth 1", guest), ("interface ethernet 3", plain)] {
        say(&["configure", enter, set[0], set[1]])?;
        for version in [4, 6] {
            let seen = to_trunk(boxes, from, trunk, version, 0)?;
            expect(
                &seen,
                ("5", "46"),
                report,
                &format!("{enter}: {}, v{version}, tagged", set.join(", ")),
            )?;
            let seen = to_guest(boxes, from, far, version, 0)?;
            expect(
                &seen,
                ("", "46"),
                report,
                &format!("{enter}: {}, v{version}, untagged", set.join(", ")),
            )?;
        }
        say(&[
            "configure",
            enter,
            "no qos set cos",
            "no qos set dscp",
            "qos trust dscp",
        ])?;
        // AF21, and ECN of whoever sends stays.
        for version in [4, 6] {
            let seen = to_trunk(boxes, from, trunk, version, 18 << 2 | 1)?;
            expect(
                &seen,
                ("2", "18"),
                report,
                &format!("{enter}: qos trust dscp, v{version}, tagged"),
            )?;
        }
        say(&["configure", enter, "qos trust none"])?;
        let seen = to_trunk(boxes, from, trunk, 4, 18 << 2)?;
        expect(
            &seen,
            ("0", "0"),
            report,
            &format!("{enter}: qos trust none, v4, tagged"),
        )?;
        say(&["configure", enter, "no qos trust"])?;
        let seen = to_trunk(boxes, from, trunk, 4, 18 << 2)?;
        expect(
            &seen,
            ("0", "18"),
            report,
            &format!("{enter}: nothing said, v4, tagged"),
        )?;
    }
    say(&["configure", "interface ethernet 4", "qos trust cos"])?;
    let seen = with_cos(boxes, far, 3)?;
    expect(
        &seen,
        ("", "24"),
        report,
        "interface ethernet 4: qos trust cos, a tag with CoS 3, untagged",
    )?;
    say(&["configure", "interface ethernet 4", "no qos trust"])?;

    // Oversized frames: cut by us, and every octet arrives.
    say(&["configure", "interface veth 1", set[1]])?;
    let watch = uplink(boxes)?;
    let (near, there) = (&boxes.host(guest)?.netns, &boxes.host(far)?.netns);
    stream::tcp(near, there, far.v4(), 4_000_000)?;
    let all = read(watch.drain()?)?;
    let is_marked = |one: &&Read| one.dscp == "46" && one.header == "1" && one.transport == "1";
    let marked = all.iter().filter(is_marked).count();
    // What comes back from the other side is not marked, and does not come this way.
    report.figure(
        "TCP marked with ef, checksums right",
        format!("{marked} of {} segments of a sample", all.len()),
    );
    check(marked > 100 && marked == all.len(), || {
        format!("{:?}", all.iter().find(|one| !is_marked(one)))
    })?;
    say(&["configure", "interface veth 1", "no qos set dscp"])
}

fn expect(read: &Read, (cos, dscp): (&str, &str), report: &Report, what: &str) -> Result<()> {
    let right = |status: &str| matches!(status, "" | "1");
    let checksums = right(&read.header) && read.transport == "1";
    report.figure(
        what,
        format!(
            "CoS {}, DSCP {}",
            if read.cos.is_empty() { "-" } else { &read.cos },
            read.dscp
        ),
    );
    check(read.cos == cos && read.dscp == dscp && checksums, || {
        format!("{what}: tshark reads {read:?}")
    })
}

/// Sends one datagram with this traffic class.
fn send(boxes: &TwoBoxes, from: Station, to: Station, version: u8, class: u8) -> Result<()> {
    let (own, there) = match version {
        4 => (from.v4(), to.v4()),
        _ => (from.v6(), to.v6()),
    };
    let socket = boxes
        .host(from)?
        .netns
        .run(|| UdpSocket::bind(SocketAddr::new(own, 0)))
        .doing("enter a namespace to send from")?
        .doing("open a socket")?;
    match version {
        4 => sockopt::set_ip_tos(&socket, class).doing("set the traffic class")?,
        _ => sockopt::set_ipv6_tclass(&socket, class.into()).doing("set the traffic class")?,
    }
    let datagram = [0x5A; 300];
    let there = SocketAddr::new(there, UDP_PORT);
    socket
        .send_to(&datagram, there)
        .doing("send a datagram")
        .map(drop)
}

/// The datagram as it arrives on the trunk. Complete: a kernel may leave its checksum to be finished.
fn to_trunk(boxes: &TwoBoxes, from: Station, to: Station, version: u8, class: u8) -> Result<Read> {
    let (host, device) = TRUNK;
    let mut port = open(boxes.lab.host(host)?, device)?;
    send(boxes, from, to, version, class)?;
    let end = Instant::now() + WITHIN;
    while Instant::now() < end {
        for frame in received(&mut port)?.into_iter().filter(is_ours) {
            let mut all = read(vec![frame])?;
            if let Some(read) = all.pop() {
                return Ok(read);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Err(LabError::Check(
        "the datagram did not reach the trunk".to_owned(),
    ))
}

/// Spares tshark the others.
fn is_ours(frame: &Seen) -> bool {
    frame.bytes.windows(32).any(|octets| octets == [0x5A; 32])
}

/// All frames, the VLAN tag where it belongs.
fn received(port: &mut Port) -> Result<Vec<Seen>> {
    let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
    port.rx
        .receive(&mut burst)
        .map_err(|error| LabError::Link {
            doing: "receive on the trunk".to_owned(),
            source: Box::new(error),
        })?;
    let frames = burst.iter().map(|frame| {
        let mut bytes = frame.bytes.to_vec();
        if let Some(checksum) = frame.offload.checksum {
            finish(&mut bytes, checksum.start.into(), checksum.offset.into());
        }
        if let (Some(tag), true) = (frame.vlan, bytes.len() > 12) {
            bytes.splice(12..12, tag.to_bytes());
        }
        let at = SystemTime::now();
        Seen { at, bytes }
    });
    Ok(frames.collect())
}

/// What a device does with a checksum that was left to it: the sum from `start` on, into its place.
fn finish(bytes: &mut [u8], start: usize, offset: usize) {
    let words = bytes.get(start..).unwrap_or_default().chunks(2);
    let words = words.map(|word| match *word {
        [a, b] => u32::from(a) << 8 | u32::from(b),
        [a] => u32::from(a) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    if let Some(place) = bytes.get_mut(start + offset..start + offset + 2) {
        place.copy_from_slice(&(!(sum as u16)).to_be_bytes());
    }
}

/// What comes down the NIV link of the second host.
fn uplink(boxes: &TwoBoxes) -> Result<Watch> {
    let host = boxes.lab.host("h2")?;
    let interface = host.index(UPLINK)?.0;
    Watch::open(&host.netns, Choice::Received { interface })
}

/// The datagram as it arrives at a host, in its VNTag.
fn to_guest(boxes: &TwoBoxes, from: Station, to: Station, version: u8, class: u8) -> Result<Read> {
    let watch = uplink(boxes)?;
    send(boxes, from, to, version, class)?;
    first(&watch)
}

fn first(watch: &Watch) -> Result<Read> {
    let end = Instant::now() + WITHIN;
    while Instant::now() < end {
        if let Some(frame) = watch.try_next()? {
            if is_ours(&frame)
                && let Some(read) = read(vec![frame])?.pop()
            {
                return Ok(read);
            }
        } else {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Err(LabError::Check(
        "the datagram did not reach its host".to_owned(),
    ))
}

/// A datagram with a tag of this CoS, from the trunk to a guest.
fn with_cos(boxes: &TwoBoxes, to: Station, cos: u8) -> Result<Read> {
    let (host, device) = TRUNK;
    let mut source = Source::open(&boxes.lab.host(host)?.netns, device)?;
    let watch = uplink(boxes)?;
    let mac = [2, 0, 0, 0, 0, to.number];
    let mut frame = Vec::new();
    let (std::net::IpAddr::V4(from), std::net::IpAddr::V4(there)) = (STATIONS[7].v4(), to.v4())
    else {
        return Ok(Read::default());
    };
    let builder = etherparse::PacketBuilder::ethernet2(source.mac.0, mac)
        .ipv4(from.octets(), there.octets(), 64)
        .udp(UDP_PORT, UDP_PORT);
    builder
        .write(&mut frame, &[0x5A; 100])
        .map_err(|error| LabError::Check(format!("cannot build a datagram: {error}")))?;
    frame.splice(12..12, [0x81, 0x00, cos << 5, to.vlan as u8]);
    source.send(&frame)?;
    first(&watch)
}

/// What tshark reads of those frames that are ours: datagrams to our port, and TCP.
fn read(frames: Vec<Seen>) -> Result<Vec<Read>> {
    let file = Path::new(sandbox::FOLDER).join("qos.pcap");
    write_pcap(&file, frames)?;
    let mut command = Command::new("tshark");
    command.arg("-r").arg(&file);
    for protocol in ["ip", "udp", "tcp"] {
        command.args(["-o", &format!("{protocol}.check_checksum:TRUE")]);
    }
    command.args(["-Y", &format!("udp.dstport == {UDP_PORT} || tcp.len > 0")]);
    command.args(["-T", "fields"]);
    for field in [
        "vlan.priority",
        "ip.dsfield.dscp",
        "ipv6.tclass.dscp",
        "ip.checksum.status",
        "udp.checksum.status",
        "tcp.checksum.status",
    ] {
        command.args(["-e", field]);
    }
    command.env("HOME", sandbox::FOLDER);
    let output = command.stdin(Stdio::null()).output().doing("run tshark")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let one = |line: &str| {
        let mut fields = line.split('\t').map(str::to_owned);
        let mut next = || fields.next().unwrap_or_default();
        let (cos, v4, v6, header, udp, tcp) = (next(), next(), next(), next(), next(), next());
        Read {
            cos,
            dscp: v4 + &v6,
            header,
            transport: udp + &tcp,
        }
    };
    Ok(said.lines().map(one).collect())
}
