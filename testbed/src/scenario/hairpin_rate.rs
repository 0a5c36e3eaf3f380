//! Ten million frames from vNIC to vNIC of one host, every one of them looked at.

use super::accounts::nothing_unexplained;
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, ethernet};
use crate::endpoint::trunk::open;
use crate::error::{LabError, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use arrayvec::ArrayVec;
use niv::Mac;
use packet_io::link::LinkStats;
use packet_io::{BURST, Port, RxFrame, TxFrame};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Timespec;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Numbered frames in all, half of them each way.
const FRAMES: u64 = 10_000_000;
/// Frames of one direction on their way at the same time: fewer than a veth's ring of 256 holds.
const WINDOW: u64 = 128;
/// Octets of a frame, without FCS.
const LENGTH: usize = 60;
/// What is to be reached, in frames per second.
const GOAL: f64 = 150_000.0;
/// Nothing arrives for so long: something was lost.
const STALLED: Duration = Duration::from_secs(5);

const GUESTS: [&str; 2] = ["g1", "g2"];

/// One guest: sends its own numbered frames, receives the other's.
struct Guest {
    port: Port,
    mac: Mac,
    sent: u64,
    received: u64,
    frames: [[u8; LENGTH]; BURST],
}

impl Guest {
    fn new(port: Port, mac: Mac, other: Mac) -> Self {
        let mut frame = [0; LENGTH];
        let header = ethernet(other, mac, EXPERIMENTAL, &[]);
        for (octet, header) in frame.iter_mut().zip(header) {
            *octet = header;
        }
        Self {
            port,
            mac,
            sent: 0,
            received: 0,
            frames: [frame; BURST],
        }
    }

    /// Sends as many as the window allows; `confirmed` is what the other has received.
    fn send(&mut self, confirmed: u64, limit: u64) -> Result<()> {
        let room = (WINDOW - (self.sent - confirmed)).min(limit - self.sent);
        let count = usize::try_from(room).unwrap_or(BURST).min(BURST);
        for (frame, number) in self.frames.iter_mut().zip(self.sent..).take(count) {
            if let Some(place) = frame.get_mut(14..22) {
                place.copy_from_slice(&number.to_be_bytes());
            }
        }
        let burst: ArrayVec<TxFrame<'_>, BURST> = self
            .frames
            .iter()
            .take(count)
            .map(|frame| TxFrame::whole(frame))
            .collect();
        let mut refusal = None;
        if !burst.is_empty() {
            self.port.tx.send(&burst, &mut |_, why| refusal = Some(why));
        }
        self.sent += count as u64;
        check(refusal.is_none(), || {
            format!("the guest's own kernel refused a frame: {refusal:?}")
        })
    }

    /// Takes what has arrived: each must be the next of the other's.
    fn receive(&mut self, from: Mac) -> Result<usize> {
        let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
        self.port
            .rx
            .receive(&mut burst)
            .map_err(|error| LabError::Link {
                doing: "receive in a guest".to_owned(),
                source: Box::new(error),
            })?;
        for frame in &burst {
            let number = number_of(frame, self.mac, from);
            check(number == Some(self.received), || {
                let octets: Vec<_> = frame.bytes.iter().take(32).copied().collect();
                format!(
                    "expected was frame {} from {from} to {}; this came: {octets:02x?}",
                    self.received, self.mac
                )
            })?;
            self.received += 1;
        }
        Ok(burst.len())
    }
}

/// The number of a frame that is whole, for `to`, and from `from`: else it has none.
fn number_of(frame: &RxFrame<'_>, to: Mac, from: Mac) -> Option<u64> {
    let bytes: &[u8; LENGTH] = frame.bytes.try_into().ok()?;
    let header = ethernet(to, from, EXPERIMENTAL, &[]);
    let rest = bytes.strip_prefix(header.as_slice())?;
    let (number, zeros) = rest.split_first_chunk::<8>()?;
    let whole = frame.vlan.is_none() && zeros.iter().all(|&octet| octet == 0);
    whole.then(|| u64::from_be_bytes(*number))
}

/// Both directions at once, from one thread.
pub(super) fn hairpin_rate(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = lab(binaries)?;
    let [one, other] = [
        open(lab.host("g1")?, "eth0")?,
        open(lab.host("g2")?, "eth0")?,
    ];
    let [mac_1, mac_2] = [lab.host("g1")?.mac("eth0")?, lab.host("g2")?.mac("eth0")?];
    let mut a = Guest::new(one, mac_1, mac_2);
    let mut b = Guest::new(other, mac_2, mac_1);

    introduce(&mut a, &mut b)?;
    let before = counts(&mut lab)?;
    let started = Instant::now();
    let mut heard = started;
    let each = FRAMES / 2;
    while a.received < each || b.received < each {
        a.send(b.received, each)?;
        b.send(a.received, each)?;
        let moved = a.receive(mac_2)? + b.receive(mac_1)?;
        if moved > 0 {
            heard = Instant::now();
            continue;
        }
        check(heard.elapsed() < STALLED, || {
            format!(
                "frames were lost: {} of {} and {} of {} arrived",
                b.received, a.sent, a.received, b.sent
            )
        })?;
        wait(&a, &b);
    }
    let took = started.elapsed();
    // A second copy of anything would fail the comparison of numbers.
    std::thread::sleep(Duration::from_millis(300));
    let extra = a.receive(mac_2)? + b.receive(mac_1)?;
    check(extra == 0, || format!("{extra} frames came twice"))?;

    let rate = FRAMES as f64 / took.as_secs_f64();
    report.figure(
        "numbered frames, each once, in order",
        format!("{FRAMES} of {FRAMES}, none to its sender"),
    );
    report.figure("frames per second", format!("{rate:.0}"));
    compare(&before, &counts(&mut lab)?, report)?;
    for host in ["vis", "h1"] {
        nothing_unexplained(&mut lab, host, report)?;
    }
    report.goal(rate, GOAL, "frames per second")
}

/// Two guests on one host, the switch behind it. Nothing in there sends by itself.
fn lab(binaries: &Binaries) -> Result<Lab> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1"].into_iter().chain(GUESTS) {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    let mut vis =
        "vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n".to_owned();
    let mut iv = "uplink = \"eth1\"\n".to_owned();
    for (guest, vif) in GUESTS.into_iter().zip(1..) {
        vis += &format!(
            "interface veth {vif}\n  switchport mode access\n  switchport access vlan 10\n  \
             bind interface ethernet 1 channel {vif}\n"
        );
        let netns = crate::sandbox::netns_path(guest);
        iv += &format!(
            "\n[[vnic]]\nname = \"{guest}\"\nvif = {vif}\nnetns = \"{}\"\nifname = \"eth0\"\n",
            netns.display()
        );
        let guest = lab.host(guest)?;
        guest.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
    }
    lab.start("vis", "vis", &vis)?;
    lab.start("h1", "iv", &iv)?;
    for guest in GUESTS {
        let guest = lab.host(guest)?;
        guest.silence("eth0")?;
        guest.up("eth0")?;
    }
    Ok(lab)
}

/// Lets the switch learn both guests, so that no numbered frame is flooded.
fn introduce(a: &mut Guest, b: &mut Guest) -> Result<()> {
    for guest in [&mut *a, &mut *b] {
        let frame = ethernet(Mac::BROADCAST, guest.mac, EXPERIMENTAL, &[0xFF; 46]);
        let hello = TxFrame::whole(&frame);
        guest.port.tx.send(&[hello], &mut |_, _| ());
    }
    let end = Instant::now() + Duration::from_secs(2);
    let mut heard = [false; 2];
    while heard != [true; 2] && Instant::now() < end {
        for (guest, heard) in [&mut *a, &mut *b].into_iter().zip(&mut heard) {
            let mut burst = ArrayVec::<RxFrame<'_>, BURST>::new();
            if guest.port.rx.receive(&mut burst).is_ok() {
                *heard |= !burst.is_empty();
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    check(heard == [true; 2], || {
        format!("a broadcast between the guests did not arrive: {heard:?}")
    })
}

/// Sleeps until a frame is there, or for a moment.
fn wait(a: &Guest, b: &Guest) {
    let ready = [a, b].map(|guest| guest.port.rx.readiness());
    let mut ready: ArrayVec<_, 2> = ready
        .into_iter()
        .flatten()
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let moment = Timespec {
        tv_sec: 0,
        tv_nsec: 10_000_000,
    };
    // Interrupted or refused: the caller looks again either way.
    let _ = poll(&mut ready, Some(&moment));
}

/// The kernel's counts of every device the frames pass, and how many of the frames that h1 received are the switch's
/// announcements of itself.
fn counts(lab: &mut Lab) -> Result<(Vec<(&'static str, LinkStats)>, u64)> {
    let answer = lab.daemon("h1")?.show_json(&[])?;
    let consumed = answer
        .pointer("/conservation/total/consumed")
        .and_then(Value::as_u64);
    let announcements = consumed.ok_or_else(|| LabError::Answer {
        program: "iv show".to_owned(),
        detail: "it does not say what it has consumed".to_owned(),
    })?;
    let counts: Result<Vec<_>> = [
        ("g1", "eth0"),
        ("g2", "eth0"),
        ("h1", "eth1"),
        ("vis", "niv1"),
    ]
    .into_iter()
    .map(|(host, device)| Ok((host, lab.host(host)?.stats(device)?)))
    .collect();
    Ok((counts?, announcements))
}

fn compare(
    (before, announced_before): &(Vec<(&str, LinkStats)>, u64),
    (after, announced): &(Vec<(&str, LinkStats)>, u64),
    report: &Report,
) -> Result<()> {
    let announcements = announced - announced_before;
    for ((name, before), (_, after)) in before.iter().zip(after) {
        let expected = if GUESTS.contains(name) {
            FRAMES / 2
        } else {
            FRAMES
        };
        let others = |host| if *name == host { announcements } else { 0 };
        let [received, sent] = [
            after.rx_packets - before.rx_packets - others("h1"),
            after.tx_packets - before.tx_packets - others("vis"),
        ];
        check(received == expected && sent == expected, || {
            format!(
                "the kernel counts {received} received and {sent} sent at {name}, not {expected}"
            )
        })?;
        report.figure(
            &format!("the kernel's counts at {name}"),
            format!("{received} received, {sent} sent"),
        );
    }
    Ok(())
}
