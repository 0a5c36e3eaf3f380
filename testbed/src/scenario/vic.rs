//! VIC between the real daemons: two boxes find each other, and vNICs get their ports.

use super::accounts::{nothing_unexplained, numbers};
use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use crate::sandbox::netns_path;
use niv::Mac;
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The guests, with the UUID of each one's vNIC.
pub(super) const GUESTS: [(&str, &str); 2] = [
    ("g1", "6ba7b810-9dad-41d1-80b4-00c04fd430c1"),
    ("g2", "6ba7b810-9dad-41d1-80b4-00c04fd430c2"),
];
pub(super) const DEVICE: &str = "eth0";

/// How often a guest that speaks all the time is attached.
const EAGERLY: usize = 10;

/// How long anything may take that the protocol does.
const WITHIN: Duration = Duration::from_secs(5);

const PATIENCE: Patience = Patience {
    payload: 56,
    within: Duration::from_secs(5),
    linger: Duration::from_millis(50),
};

/// What a person would write: the rest comes by itself.
const VIS: &str = "vic authentication none\nvlan 10\nport-profile web\n  switchport mode access\n  \
    switchport access vlan 10\ninterface ethernet 1\n  device niv1\n  switchport mode vntag\n";
const IV: &str = "uplink = \"eth1\"\n";

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, number).into()
}

/// Two boxes, a cable, two guests; nothing attached.
pub(super) fn two_boxes(binaries: &Binaries) -> Result<Lab> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "g1", "g2"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.start("vis", "vis", VIS)?;
    lab.start("h1", "iv", IV)?;
    Ok(lab)
}

pub(super) fn attach_guest(lab: &mut Lab, (guest, uuid): (&str, &str)) -> Result<()> {
    attach_as(lab, "h1", (guest, uuid), "web")
}

/// Attaches a guest's vNIC at a host, with a profile.
pub(super) fn attach_as(
    lab: &mut Lab,
    host: &str,
    (guest, uuid): (&str, &str),
    profile: &str,
) -> Result<()> {
    let path = netns_path(guest).display().to_string();
    let words = [
        "attach",
        guest,
        "--profile",
        profile,
        "--uuid",
        uuid,
        "--owner",
        guest,
        "--netns",
        &path,
    ];
    lab.daemon(host)?.ask(&words).map(drop)
}

/// What `iv show` says of a guest's vNIC, if it has it.
fn vnic(lab: &mut Lab, host: &str, guest: &str) -> Result<Option<Value>> {
    let show = lab.daemon(host)?.show_json(&[])?;
    let vnics = show.get("vnics").and_then(Value::as_array);
    let of_guest = |vnic: &&Value| vnic.get("name").is_some_and(|name| name == guest);
    Ok(vnics.and_then(|vnics| vnics.iter().find(of_guest).cloned()))
}

/// Waits until a guest's vNIC is enabled; its VIF, the number of its vEth, and how long it took.
pub(super) fn taken(lab: &mut Lab, guest: &str) -> Result<(u64, u64, Duration)> {
    taken_at(lab, "h1", guest)
}

/// The same at another host.
pub(super) fn taken_at(lab: &mut Lab, host: &str, guest: &str) -> Result<(u64, u64, Duration)> {
    let begun = Instant::now();
    loop {
        let vnic = vnic(lab, host, guest)?.unwrap_or_default();
        let number = |field: &str| vnic.get(field).and_then(Value::as_u64);
        if vnic.get("enabled").and_then(Value::as_bool) == Some(true)
            && let (Some(vif), Some(veth)) = (number("vif"), number("veth"))
        {
            return Ok((vif, veth, begun.elapsed()));
        }
        check(begun.elapsed() < WITHIN, || {
            format!("the switch did not take {guest}: {vnic}")
        })?;
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn settle_in(lab: &Lab, guest: &str, number: u8) -> Result<()> {
    let host = lab.host(guest)?;
    host.up(DEVICE)?;
    host.address(DEVICE, v4(number))
}

/// A guest that speaks all the time, and so as soon as it may.
struct Eager {
    enough: Arc<AtomicBool>,
    speaker: JoinHandle<()>,
}

impl Eager {
    fn start(lab: &Lab, guest: &str) -> Result<Self> {
        let mut source = Source::open(&lab.host(guest)?.netns, DEVICE)?;
        let frame = ethernet(Mac::BROADCAST, source.mac, EXPERIMENTAL, &[0x5A; 100]);
        let enough = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&enough);
        let speaker = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // Without a carrier nothing goes out, and that is as it should be.
                let _ = source.send(&frame);
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        Ok(Self { enough, speaker })
    }

    fn stop(self) {
        self.enough.store(true, Ordering::Relaxed);
        // It cannot panic.
        let _ = self.speaker.join();
    }
}

/// The guests ping each other through the switch.
pub(super) fn they_talk(lab: &Lab) -> Result<()> {
    let netns = [&lab.host("g1")?.netns, &lab.host("g2")?.netns];
    let pairs = [(0, 2), (1, 1)].map(|(from, to)| Pair { from, to: v4(to) });
    let outcomes = ping_all(&netns, &pairs, PATIENCE)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("the guests do not reach each other: {outcomes:?}")
    })
}

fn milliseconds(took: Duration) -> String {
    format!("{} ms", took.as_millis())
}

/// A guest on somebody else's interface, whose carrier nobody holds back: its first frame comes as soon as its IV may
/// let it pass, and the switch takes it.
fn none_comes_too_early(lab: &mut Lab, report: &Report) -> Result<()> {
    let (guest, device) = ("vm1", "tap1");
    lab.add_host(guest)?;
    lab.cable((guest, DEVICE), ("h1", device))?;
    let eager = Eager::start(lab, guest)?;
    for _ in 0..EAGERLY {
        let words = ["attach", guest, "--profile", "web", "--device", device];
        lab.daemon("h1")?.ask(&words)?;
        taken(lab, guest)?;
        std::thread::sleep(Duration::from_millis(20));
        lab.daemon("h1")?.ask(&["detach", guest])?;
        detached(lab, guest)?;
    }
    eager.stop();
    let answer = lab.daemon("vis")?.show_json(&["conservation"])?;
    let [early, came] = ["vif_not_owned", "flooded"].map(|name| {
        let found = answer.get("sum").map(|sum| numbers(sum, name));
        found.iter().flatten().sum::<i64>()
    });
    report.figure(
        &format!("frames of a guest attached {EAGERLY} times while it speaks"),
        format!("{came} flooded, {early} came too early for the switch"),
    );
    check(early == 0 && came > 0, || {
        format!("{early} frames were dropped as vif_not_owned: {answer}")
    })
}

/// Waits until a guest's vNIC is gone.
fn detached(lab: &mut Lab, guest: &str) -> Result<()> {
    let end = Instant::now() + WITHIN;
    while vnic(lab, "h1", guest)?.is_some() {
        check(Instant::now() < end, || {
            format!("{guest} was detached and is still there")
        })?;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Attach, ping, detach, attach again; refusals.
pub(super) fn attach(binaries: &Binaries, report: &Report) -> Result<()> {
    let begun = Instant::now();
    let mut lab = two_boxes(binaries)?;
    let profiles = loop {
        let profiles = lab.daemon("h1")?.ask(&["profiles"]).unwrap_or_default();
        if profiles.contains("web") {
            break profiles;
        }
        check(begun.elapsed() < 2 * WITHIN, || {
            format!("the switch never told its profiles: {profiles}")
        })?;
        std::thread::sleep(Duration::from_millis(10));
    };
    report.block(&profiles);
    let mut first = Vec::new();
    for (guest, number) in GUESTS.into_iter().zip(1..) {
        attach_guest(&mut lab, guest)?;
        let (vif, veth, took) = taken(&mut lab, guest.0)?;
        report.figure(
            &format!("{} attached and forwarding after", guest.0),
            format!("{}, VIF {vif}, Veth{veth}", milliseconds(took)),
        );
        settle_in(&lab, guest.0, number)?;
        first.push((vif, veth));
    }
    they_talk(&lab)?;
    report.figure("the two guests", "reach each other");
    let vifs = lab.daemon("vis")?.show_json(&["niv", "vif"])?;
    for (index, (guest, _)) in GUESTS.into_iter().enumerate() {
        let owner = vifs.pointer(&format!("/vifs/{index}/vnic/owner"));
        check(owner.is_some_and(|owner| owner == guest), || {
            format!("the switch does not say whose the vNIC of {guest} is: {vifs}")
        })?;
    }

    none_comes_too_early(&mut lab, report)?;

    // What cannot be is said, on both sides, and disturbs nobody.
    let path = netns_path("g1").display().to_string();
    let words = [
        "attach",
        "g3",
        "--profile",
        "no-such",
        "--netns",
        &path,
        "--ifname",
        "eth9",
    ];
    // Its exit status says that it was refused.
    check(lab.daemon("h1")?.ask(&words).is_err(), || {
        "`iv attach` ends well though its profile is not there".to_owned()
    })?;
    let end = Instant::now() + WITHIN;
    let why = loop {
        let why =
            vnic(&mut lab, "h1", "g3")?.and_then(|v| v.get("why")?.as_str().map(str::to_owned));
        match why {
            Some(why) if why.contains("no-such") => break why,
            other => check(Instant::now() < end, || {
                format!("an unknown profile is not refused by name: {other:?}")
            })?,
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    report.figure("an unknown profile is refused", why);
    lab.daemon("h1")?.ask(&["detach", "g3"])?;
    they_talk(&lab)?;

    lab.daemon("h1")?.ask(&["detach", "g2"])?;
    detached(&mut lab, "g2")?;
    let end = Instant::now() + WITHIN;
    while lab.host("g2")?.device(DEVICE).is_ok() {
        check(Instant::now() < end, || {
            "the guest keeps the interface of a vNIC that was detached".to_owned()
        })?;
        std::thread::sleep(Duration::from_millis(10));
    }
    let [_, second] = GUESTS;
    attach_guest(&mut lab, second)?;
    let (_, veth, _) = taken(&mut lab, "g2")?;
    let before = first.get(1).map(|(_, veth)| *veth);
    check(Some(veth) == before, || {
        format!("g2 came back as Veth{veth} and was {before:?}")
    })?;
    settle_in(&lab, "g2", 2)?;
    they_talk(&lab)?;
    report.figure(
        "detached and attached again",
        format!("Veth{veth} as before"),
    );
    for host in ["vis", "h1"] {
        nothing_unexplained(&mut lab, host, report)?;
    }
    lab.check_alive()
}

/// kill -9 of either end.
pub(super) fn restart(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = two_boxes(binaries)?;
    let mut before = Vec::new();
    for (guest, number) in GUESTS.into_iter().zip(1..) {
        attach_guest(&mut lab, guest)?;
        let (vif, veth, _) = taken(&mut lab, guest.0)?;
        before.push((vif, veth));
        settle_in(&lab, guest.0, number)?;
    }
    they_talk(&lab)?;
    let changes = |lab: &Lab| -> Result<Vec<u32>> {
        let change = |(guest, _)| Ok(lab.host(guest)?.device(DEVICE)?.carrier_changes);
        GUESTS.into_iter().map(change).collect()
    };
    let carriers = changes(&lab)?;
    for (name, what) in [("vis", "VIS"), ("h1", "IV")] {
        lab.daemon(name)?.kill()?;
        // Long enough for the other end to notice.
        std::thread::sleep(Duration::from_millis(1500));
        lab.daemon(name)?.restart()?;
        let begun = Instant::now();
        let mut after = Vec::new();
        for (guest, _) in GUESTS {
            let (vif, veth, _) = taken(&mut lab, guest)?;
            after.push((vif, veth));
        }
        they_talk(&lab)?;
        check(after == before, || {
            format!("the {what} started again: VIFs and vEths were {before:?} and are {after:?}")
        })?;
        report.figure(
            &format!("{what} killed and started again"),
            format!(
                "same ids, pings answered after {}",
                milliseconds(begun.elapsed())
            ),
        );
        if name == "vis" {
            let now = changes(&lab)?;
            check(now == carriers, || {
                format!(
                    "carrier changes were {carriers:?} and are {now:?}: a guest lost its carrier"
                )
            })?;
            report.figure("carriers lost by the guests meanwhile", 0);
        }
    }
    lab.check_alive()
}
