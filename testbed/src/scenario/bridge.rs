//! Labs with a Linux bridge in them: to check our own instruments, and as a neighbour we did not write.

use crate::binaries::Binaries;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::ping::{Pair, Patience, ping_all};
use crate::endpoint::stream;
use crate::endpoint::trunk::Trunk;
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use niv::Mac;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

const PATIENCE: Patience = Patience {
    payload: 1472,
    within: Duration::from_secs(5),
    linger: Duration::from_millis(100),
};

const HOSTS: [&str; 3] = ["a", "b", "c"];

fn v4(number: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, number).into()
}

fn v6(number: u8) -> IpAddr {
    Ipv6Addr::new(0xFD00, 10, 0, 0, 0, 0, 0, number.into()).into()
}

/// Hosts `a`, `b`, `c` with `eth0` each, on ports of those names of the bridge `br` of the host `bridge`.
fn hosts_on_a_bridge(lab: &mut Lab) -> Result<()> {
    lab.add_host("bridge")?;
    for (name, number) in HOSTS.into_iter().zip(1..) {
        lab.add_host(name)?;
        lab.cable((name, "eth0"), ("bridge", name))?;
        let host = lab.host(name)?;
        host.address("eth0", v4(number))?;
        host.address("eth0", v6(number))?;
    }
    lab.host("bridge")?.bridge("br", &HOSTS)?;
    for name in HOSTS {
        lab.host(name)?.wait_for_detection("eth0")?;
    }
    Ok(())
}

/// The lab's tools on a switch that is known to work, and on faults they must find.
pub(super) fn instruments(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    hosts_on_a_bridge(&mut lab)?;
    let [a, b, c] = [lab.host("a")?, lab.host("b")?, lab.host("c")?];

    let netns = [&a.netns, &b.netns, &c.netns];
    let pairs: Vec<_> = (0..3)
        .flat_map(|from| (1..=3).map(move |to| (from, to)))
        .filter(|&(from, to)| from + 1 != usize::from(to))
        .flat_map(|(from, to)| [v4(to), v6(to)].map(|to| Pair { from, to }))
        .collect();
    let outcomes = ping_all(&netns, &pairs, PATIENCE)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("a bridge answered {outcomes:?}")
    })?;
    report.figure(
        "pings through a bridge",
        format!("{} of {}", pairs.len(), pairs.len()),
    );
    let nobody = Pair {
        from: 0,
        to: v4(99),
    };
    let patience = Patience {
        within: Duration::from_millis(500),
        ..PATIENCE
    };
    let outcomes = ping_all(&netns, &[nobody], patience)?;
    check(outcomes.values().all(|o| o.answered == 0), || {
        "a ping to nobody was answered".to_owned()
    })?;

    let tcp = stream::tcp(&a.netns, &b.netns, v6(2), 16 << 20)?;
    stream::udp(&a.netns, &c.netns, v4(3), 1000, 1472)?;
    report.figure(
        "TCP through a bridge",
        format!("{} MiB each way", tcp.octets >> 20),
    );

    // A bridge that sends frames back to where they came from is the fault the broadcast scenario and
    // duplicate-address detection look for.
    let watch = |host: &crate::lab::Host| {
        let interface = host.index("eth0")?.0;
        Watch::open(&host.netns, Choice::Received { interface })
    };
    let copies = |seed: u64| -> Result<[usize; 3]> {
        let watches = [watch(a)?, watch(b)?, watch(c)?];
        let mut source = Source::open(&a.netns, "eth0")?;
        let payload = stream::pattern(seed, 200);
        let frame = ethernet(Mac::BROADCAST, source.mac, EXPERIMENTAL, &payload);
        source.send(&frame)?;
        std::thread::sleep(Duration::from_millis(100));
        let mut counts = [0; 3];
        for (count, watch) in counts.iter_mut().zip(&watches) {
            *count = watch.drain()?.iter().filter(|s| s.bytes == frame).count();
        }
        Ok(counts)
    };
    let straight = copies(0)?;
    check(straight == [0, 1, 1], || {
        format!("a bridge made copies {straight:?}")
    })?;
    lab.host("bridge")?.hairpin("a")?;
    let reflected = copies(1 << 20)?;
    check(reflected == [1, 1, 1], || {
        format!("a bridge in hairpin mode made copies {reflected:?}")
    })?;
    a.address("eth0", v6(0x77))?;
    check(a.wait_for_detection("eth0").is_err(), || {
        "a reflected address question went unnoticed".to_owned()
    })?;
    report.figure(
        "a reflecting bridge",
        "noticed by the watches and by address detection",
    );

    two_trunks(&mut lab, report)?;
    let [a, b] = [lab.host("a")?, lab.host("b")?];

    // A tag where none may be.
    let tagged = Watch::open(&b.netns, Choice::Tagged)?;
    let mut source = Source::open(&a.netns, "eth0")?;
    let types = [0x8926, 0x893F, EXPERIMENTAL];
    for ethertype in types {
        source.send(&ethernet(Mac::BROADCAST, source.mac, ethertype, &[0; 60]))?;
    }
    std::thread::sleep(Duration::from_millis(100));
    let seen = tagged.drain()?.len();
    check(seen == 2, || format!("2 tags were sent, {seen} were seen"))?;
    report.figure("planted tags", "2 of 2 seen");
    Ok(())
}

/// Two neighbours with a device per VLAN, a bridge between them, which carries tagged frames as they are.
fn two_trunks(lab: &mut Lab, report: &Report) -> Result<()> {
    let mut trunks = Vec::new();
    for (name, number) in [("t1", 11), ("t2", 12)] {
        let nic = format!("{name}-nic");
        lab.add_host(name)?;
        lab.add_host(&nic)?;
        lab.cable((&nic, "trunk"), ("bridge", name))?;
        lab.host("bridge")?.join("br", name)?;
        trunks.push(Trunk::start(lab, (&nic, "trunk"), name, &[30, 40])?);
        for vlan in [30, 40] {
            let address = IpAddr::from(Ipv4Addr::new(10, 0, vlan, number));
            lab.host(name)?.address(&format!("vlan{vlan}"), address)?;
        }
    }
    let (near, far) = (lab.host("t1")?, lab.host("t2")?);
    let to = |vlan| IpAddr::from(Ipv4Addr::new(10, 0, vlan, 12));
    let pairs = [30, 40].map(|vlan| Pair {
        from: 0,
        to: to(vlan),
    });
    let outcomes = ping_all(&[&near.netns], &pairs, PATIENCE)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("from trunk to trunk: {outcomes:?}")
    })?;
    stream::tcp(&near.netns, &far.netns, to(40), 4 << 20)?;
    report.figure("two trunks, two VLANs", "pings of full size and TCP pass");
    Ok(())
}

/// A bridge on an access port of the switch, hosts behind it and a vNIC in front.
pub(super) fn behind_the_switch(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    hosts_on_a_bridge(&mut lab)?;
    for name in ["vis", "h1", "guest"] {
        lab.add_host(name)?;
    }
    lab.cable(("h1", "eth1"), ("vis", "niv1"))?;
    lab.cable(("bridge", "wire"), ("vis", "p1"))?;
    lab.host("bridge")?.join("br", "wire")?;
    lab.start(
        "vis",
        "vis",
        "vlan 10\n\
         interface ethernet 1\n  device niv1\n  switchport mode vntag\n\
         interface ethernet 2\n  device p1\n  switchport mode access\n  switchport access vlan 10\n\
         interface veth 1\n  switchport mode access\n  switchport access vlan 10\n  \
         bind interface ethernet 1 channel 1\n",
    )?;
    let iv = format!(
        "uplink = \"eth1\"\n[[vnic]]\nname = \"v1\"\nvif = 1\nnetns = \"{}\"\nifname = \"eth0\"\n",
        crate::sandbox::netns_path("guest").display()
    );
    lab.start("h1", "iv", &iv)?;
    let guest = lab.host("guest")?;
    guest.up("eth0")?;
    guest.address("eth0", v4(9))?;
    guest.address("eth0", v6(9))?;
    guest.wait_for_detection("eth0")?;
    let pairs: Vec<_> = (1..=3)
        .flat_map(|n| [v4(n), v6(n)])
        .map(|to| Pair { from: 0, to })
        .collect();
    let outcomes = ping_all(&[&guest.netns], &pairs, PATIENCE)?;
    check(outcomes.values().all(|o| o.is_clean()), || {
        format!("through the switch and a bridge: {outcomes:?}")
    })?;
    report.figure(
        "a vNIC and hosts behind a bridge",
        format!("{} of {} pings of full size", pairs.len(), pairs.len()),
    );
    let far = lab.host("b")?;
    let tcp = stream::tcp(&guest.netns, &far.netns, v4(2), 16 << 20)?;
    report.figure(
        "TCP between them",
        format!("{} MiB each way", tcp.octets >> 20),
    );
    lab.check_alive()
}
