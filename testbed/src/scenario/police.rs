//! Policers between real endpoints: what passes lies between 99 percent of the rate and the rate and a burst, and TCP is
//! not ruined by it.

use super::accounts::nothing_unexplained;
use super::shell::Typist;
use crate::error::{Doing, LabError, Result, check};
use crate::iperf3::Iperf3;
use crate::report::Report;
use crate::two_boxes::{STATIONS, Station, TwoBoxes};
use packet_io::netns::NetNs;
use serde_json::Value;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Octets of a frame: addresses, EtherType, IPv4, UDP, and what is sent.
const FRAME: usize = 1_000;
const PAYLOAD: usize = FRAME - 14 - 20 - 8;
/// Offered, in bits per second: twice what passes.
const OFFERED: f64 = 20e6;
/// What is committed, in octets per second.
const COMMITTED: f64 = 10e6 / 8.0;
/// How long each is measured.
const FOR: Duration = Duration::from_secs(2);
/// The plain port of `p1`.
const PLAIN: &str = "ethernet 3";
/// As the lines say, and CBS. Frames that are not green do not pass, so that what passes is what CIR and CBS bound.
const POLICERS: [(&str, &str, f64); 3] = [
    ("plain rate", "rate 10 mbps", 312_500.0),
    (
        "srTCM",
        "cir 10 mbps bc 100 kbytes be 50 kbytes exceed drop",
        100_000.0,
    ),
    (
        "trTCM",
        "cir 10 mbps bc 100 kbytes pir 15 mbps be 100 kbytes exceed drop",
        100_000.0,
    ),
];
/// Of a rate, what one TCP stream is to reach.
const GOAL: f64 = 0.9;
const TCP_RATES: [(&str, f64); 3] = [("10 mbps", 10e6), ("100 mbps", 100e6), ("1 gbps", 1e9)];
/// How long a TCP stream is measured.
const TCP_SECONDS: u32 = 5;

/// A port with a policer: its interface, who is behind it, and somebody else.
struct Port {
    kind: &'static str,
    interface: String,
    own: Station,
    other: Station,
}

/// Each algorithm, each way, on a vEth and on a plain port; then TCP.
pub(super) fn police(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    let [guest, _, _, _, _, _, plain, ..] = STATIONS;
    let ports = [
        Port {
            kind: "vEth",
            interface: format!("veth {}", veth_of(boxes, guest)?),
            own: guest,
            other: plain,
        },
        Port {
            kind: "plain port",
            interface: PLAIN.to_owned(),
            own: plain,
            other: guest,
        },
    ];
    let binaries = boxes.lab.binaries.clone();
    let typist = Typist::of(&binaries, boxes.lab.daemon("vis")?.socket());
    report.part("UDP in frames of 1,000 octets at 20 Mb/s through 10 Mb/s, for 2 s each");
    for port in &ports {
        for direction in ["input", "output"] {
            for policer in POLICERS {
                udp(boxes, &typist, port, direction, policer, report)?;
            }
        }
    }
    report.part("one TCP stream, with the default burst, for 5 s each");
    for port in &ports {
        for direction in ["input", "output"] {
            for rate in TCP_RATES {
                tcp(boxes, &typist, port, direction, rate, report)?;
            }
        }
    }
    // What a port's policers have counted stays while they are away.
    let [port, _] = &ports;
    let enter = format!("interface {}", port.interface);
    say(&typist, &["configure", &enter, "police input rate 10 mbps"])?;
    report.block(&boxes.lab.daemon("vis")?.show(&["policer"])?);
    say(&typist, &["configure", &enter, "no police input"])?;
    nothing_unexplained(&mut boxes.lab, "vis", report).map(drop)
}

/// The number of a guest's vEth.
pub(super) fn veth_of(boxes: &mut TwoBoxes, guest: Station) -> Result<u64> {
    let shown = boxes.lab.daemon("vis")?.show_json(&["niv", "vif"])?;
    let mac = format!("02:00:00:00:00:{:02x}", guest.number);
    let vifs = shown.get("vifs").and_then(Value::as_array);
    let is_its = |vif: &&Value| vif.pointer("/vnic/mac").is_some_and(|own| *own == *mac);
    vifs.and_then(|vifs| vifs.iter().find(is_its)?.pointer("/veth/veth")?.as_u64())
        .ok_or_else(|| LabError::Check(format!("{mac} has no vEth: {shown}")))
}

fn say(typist: &Typist, lines: &[&str]) -> Result<()> {
    let said = typist.exec(lines)?;
    check(said.done, || format!("{lines:?}: {said:?}"))
}

/// Frames and octets by what became of them.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    conformed: (u64, u64),
    dropped: (u64, u64),
}

fn counted(boxes: &mut TwoBoxes, port: &Port, direction: &str) -> Result<Counted> {
    let mut words = vec!["policer", "interface"];
    words.extend(port.interface.split(' '));
    let shown = boxes.lab.daemon("vis")?.show_json(&words)?;
    let policers = shown.get("policers").and_then(Value::as_array);
    let is_it = |one: &&Value| one.get("direction").is_some_and(|own| own == direction);
    let one = policers.and_then(|all| all.iter().find(is_it));
    let one = one.ok_or_else(|| LabError::Check(format!("no policer {direction}: {shown}")))?;
    let number = |place: &str| one.pointer(place).and_then(Value::as_u64).unwrap_or(0);
    Ok(Counted {
        conformed: (number("/conformed/frames"), number("/conformed/octets")),
        dropped: (number("/dropped/frames"), number("/dropped/octets")),
    })
}

fn udp(
    boxes: &mut TwoBoxes,
    typist: &Typist,
    port: &Port,
    direction: &str,
    (name, line, burst): (&str, &str, f64),
    report: &Report,
) -> Result<()> {
    let enter = format!("interface {}", port.interface);
    let police = format!("police {direction} {line}");
    say(typist, &["configure", &enter, &police])?;
    let before = counted(boxes, port, direction)?;
    let (from, to) = match direction {
        "input" => (port.own, port.other),
        _ => (port.other, port.own),
    };
    let (near, far) = (&boxes.host(from)?.netns, &boxes.host(to)?.netns);
    let flooded = flood(near, far, to.v4())?;
    let after = counted(boxes, port, direction)?;
    say(
        typist,
        &["configure", &enter, &format!("no police {direction}")],
    )?;

    let octets = (after.conformed.1 - before.conformed.1) as f64;
    let passed = after.conformed.0 - before.conformed.0;
    let dropped = after.dropped.0 - before.dropped.0;
    let seconds = flooded.took.as_secs_f64();
    let (least, most) = (0.99 * COMMITTED * seconds, COMMITTED * seconds + burst);
    report.figure(
        &format!("{} {direction}, {name}", port.kind),
        format!("{octets:.0} octets, of {least:.0} to {most:.0}; {dropped} frames dropped"),
    );
    check((least..=most).contains(&octets), || {
        format!("{octets} octets passed in {seconds:.3} s: not {least:.0} to {most:.0}")
    })?;
    // Nobody else speaks loudly in this lab; what passes besides is ARP and the like.
    let got = flooded.received;
    check(got <= passed && got + 20 >= passed, || {
        format!("{passed} frames passed, and {got} datagrams arrived")
    })
}

struct Flooded {
    took: Duration,
    received: u64,
}

/// Datagrams at a steady rate from one namespace to another.
fn flood(near: &NetNs, far: &NetNs, at: IpAddr) -> Result<Flooded> {
    let receiver = far
        .run(|| UdpSocket::bind(SocketAddr::new(at, 0)))
        .doing("enter a namespace to receive in")?
        .doing(format!("receive on {at}"))?;
    let pause = Some(Duration::from_millis(50));
    receiver.set_read_timeout(pause).doing("set a timeout")?;
    let there = receiver.local_addr().doing("learn the port")?;
    let sender = near
        .run(|| UdpSocket::bind("0.0.0.0:0"))
        .doing("enter a namespace to send from")?
        .doing("open a socket")?;
    sender.connect(there).doing("name the peer")?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            let (mut received, mut room) = (0, [0; 2048]);
            loop {
                match receiver.recv(&mut room) {
                    Ok(_) => received += 1,
                    Err(_) if over.load(Ordering::Relaxed) => return received,
                    Err(_) => {}
                }
            }
        });
        let began = Instant::now();
        let sent = steadily(&sender, began);
        let took = began.elapsed();
        thread::sleep(Duration::from_millis(100));
        over.store(true, Ordering::Relaxed);
        let received = receiving
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        sent.map(|()| Flooded { took, received })
    })
}

fn steadily(sender: &UdpSocket, began: Instant) -> Result<()> {
    let (datagram, mut sent) = ([0x5A; PAYLOAD], 0u64);
    while began.elapsed() < FOR {
        let due = began.elapsed().as_secs_f64() * OFFERED / 8.0 / FRAME as f64;
        while sent < due as u64 {
            sender.send(&datagram).doing("send a datagram")?;
            sent += 1;
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

fn tcp(
    boxes: &mut TwoBoxes,
    typist: &Typist,
    port: &Port,
    direction: &str,
    (rate, bits): (&str, f64),
    report: &Report,
) -> Result<()> {
    let enter = format!("interface {}", port.interface);
    let police = format!("police {direction} rate {rate}");
    say(typist, &["configure", &enter, &police])?;
    let (from, to) = match direction {
        "input" => (port.own, port.other),
        _ => (port.other, port.own),
    };
    let (near, far) = (&boxes.host(from)?.netns, &boxes.host(to)?.netns);
    let iperf3 = Iperf3 {
        seconds: TCP_SECONDS,
        streams: 1,
        omit: 0,
    };
    let measured = iperf3.measure(near, far, to.v4())?;
    say(
        typist,
        &["configure", &enter, &format!("no police {direction}")],
    )?;
    let share = measured.rate / bits;
    report.figure(
        &format!("{} {direction}, {rate}: iperf3 received", port.kind),
        format!(
            "{:.1} Mb/s, {:.0} % of the rate",
            measured.rate / 1e6,
            share * 100.0
        ),
    );
    check(share >= GOAL, || {
        format!(
            "{} {direction}: TCP reached {:.0} % of {rate}, {} segments sent again",
            port.kind,
            share * 100.0,
            measured.retransmits.unwrap_or(0.0)
        )
    })
}
