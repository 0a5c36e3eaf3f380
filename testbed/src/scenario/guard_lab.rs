//! A lab for guards: one host with four guests, one of which has two vNICs, and two neighbours on plain ports.

use super::shell::{Said, Typist};
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Result, check};
use crate::lab::Lab;
use niv::Mac;
use serde_json::Value;
use std::fmt::Write as _;
use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take that follows by itself.
pub(super) const WITHIN: Duration = Duration::from_secs(5);

/// The guests' interfaces by VIF: `g3` has two.
pub(super) const VNICS: [(&str, &str); 5] = [
    ("g1", "eth0"),
    ("g2", "eth0"),
    ("g3", "eth0"),
    ("g3", "eth1"),
    ("g4", "eth0"),
];
/// The neighbours, on ethernet 2 and 3.
pub(super) const NEIGHBOURS: [&str; 2] = ["n1", "n2"];

/// What is typed first about the ports: vEths by number, in VLAN 10.
pub(super) fn guard_lab(binaries: &Binaries, profile: &str) -> Result<Lab> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "g1", "g2", "g3", "g4"]
        .into_iter()
        .chain(NEIGHBOURS)
    {
        lab.add_host(name)?;
        lab.host(name)?
            .sysctl("ipv6/conf/default/disable_ipv6", "1")?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    let mut vis = format!(
        "vlan 10\nport-profile guest\n  switchport access vlan 10\n{profile}\
         interface ethernet 1\n  switchport mode vntag\n  device niv1\n"
    );
    let mut iv = "uplink = \"eth1\"\n".to_owned();
    for ((guest, device), vif) in VNICS.into_iter().zip(1..) {
        // Writing to a String cannot fail.
        let _ = write!(
            vis,
            "interface veth {vif}\n  inherit port-profile guest\n  bind interface ethernet 1 channel {vif}\n"
        );
        let netns = crate::sandbox::netns_path(guest);
        let _ = write!(
            iv,
            "\n[[vnic]]\nname = \"vnic{vif}\"\nvif = {vif}\nnetns = \"{}\"\nifname = \"{device}\"\n",
            netns.display()
        );
    }
    for (neighbour, number) in NEIGHBOURS.into_iter().zip(2..) {
        let device = format!("p{number}");
        lab.cable((neighbour, "eth0"), ("vis", &device))?;
        lab.host(neighbour)?.silence("eth0")?;
        let _ = write!(
            vis,
            "interface ethernet {number}\n  switchport access vlan 10\n  device {device}\n"
        );
    }
    lab.start("vis", "vis", &vis)?;
    lab.start("h1", "iv", &iv)?;
    for (guest, device) in VNICS {
        lab.host(guest)?.silence(device)?;
        lab.host(guest)?.up(device)?;
    }
    Ok(lab)
}

/// Somebody who types, and is to be understood.
pub(super) struct Hand(Typist);

impl Hand {
    pub(super) fn of(binaries: &Binaries, lab: &mut Lab) -> Result<Self> {
        Ok(Self(Typist::of(binaries, lab.daemon("vis")?.socket())))
    }

    pub(super) fn types(&self, lines: &[&str]) -> Result<()> {
        self.asks(lines).map(drop)
    }

    /// What is answered.
    pub(super) fn asks(&self, lines: &[&str]) -> Result<String> {
        let said: Said = self.0.exec(lines)?;
        check(said.done, || format!("{lines:?}: {said:?}"))?;
        Ok(said.out)
    }
}

pub(super) fn open_by_hand(hand: &Hand, interface: &str) -> Result<()> {
    let interface = format!("interface {interface}");
    hand.types(&["configure", &interface, "shutdown", "no shutdown"])
}

/// A station's address.
pub(super) const fn station(number: u32) -> Mac {
    let [a, b, c, d] = number.to_be_bytes();
    Mac([0x02, 0xA0, a, b, c, d])
}

pub(super) fn frame(to: Mac, from: Mac, octets: usize) -> Vec<u8> {
    ethernet(
        to,
        from,
        EXPERIMENTAL,
        &vec![0xA5; octets.saturating_sub(14)],
    )
}

/// Sends `frame` so many times a second for so long; how many that were.
pub(super) fn pace(
    source: &mut Source,
    frame: &[u8],
    per_second: u32,
    lasting: Duration,
) -> Result<u64> {
    let begun = Instant::now();
    let mut sent: u64 = 0;
    while begun.elapsed() < lasting {
        let due = (begun.elapsed().as_secs_f64() * f64::from(per_second)) as u64;
        while sent < due {
            source.send(frame)?;
            sent += 1;
        }
        thread::sleep(Duration::from_micros(500));
    }
    Ok(sent)
}

/// What comes to a host of our own frames.
pub(super) fn watch(lab: &Lab, host: &str) -> Result<Watch> {
    Watch::open(&lab.host(host)?.netns, Choice::ReceivedType(EXPERIMENTAL))
}

/// Frames with that source that have come, once nothing is under way any more.
pub(super) fn came(watch: &Watch, from: Mac) -> Result<usize> {
    thread::sleep(Duration::from_millis(100));
    let seen = watch.drain()?;
    Ok(seen
        .iter()
        .filter(|one| source_of(&one.bytes) == Some(from))
        .count())
}

pub(super) fn source_of(frame: &[u8]) -> Option<Mac> {
    let octets: &[u8; 6] = frame.get(6..12)?.try_into().ok()?;
    Some(Mac(*octets))
}

/// Of all ports together, how many frames were dropped for `reason`.
pub(super) fn drops(lab: &mut Lab, reason: &str) -> Result<u64> {
    let answer = lab.daemon("vis")?.show_json(&["conservation"])?;
    let count = answer.pointer(&format!("/sum/dropped/{reason}"));
    Ok(count.and_then(Value::as_u64).unwrap_or_default())
}

/// Why guards have shut which interfaces.
pub(super) fn shut(lab: &mut Lab) -> Result<Vec<String>> {
    let answer = lab
        .daemon("vis")?
        .show_json(&["interface", "status", "err-disabled"])?;
    let interfaces = answer.get("interfaces").and_then(Value::as_array);
    let cause = |one: &Value| Some(one.get("cause")?.as_str()?.to_owned());
    Ok(interfaces.into_iter().flatten().filter_map(cause).collect())
}

/// How long it takes until that is so.
pub(super) fn until(
    what: &str,
    within: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<Duration> {
    let begun = Instant::now();
    while !holds()? {
        check(begun.elapsed() < within, || format!("never: {what}"))?;
        thread::sleep(Duration::from_millis(5));
    }
    Ok(begun.elapsed())
}

pub(super) fn milliseconds(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}
