//! End to end: TCP by iperf3, and a datagram there and back, between two guests of one host whose frames turn round at
//! a switch.
//!
//! ```text
//!  g1 --.                 .-- hairpin: vis, Linux bridge, Open vSwitch
//!       [ host: iv or macvlan VEPA ] ==== cable ====
//!  g2 --'
//! ```

use super::bed::{DUT, GEN, add_host, in_host};
use super::device::{OvsPort, find_mode, ovs_is_there, start_ovs};
use super::test::Values;
use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::iperf3::Iperf3;
use crate::lab::{Host, Lab};
use crate::need::find_program;
use std::any::Any;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a switch may take until the guests reach each other.
const WITHIN: Duration = Duration::from_secs(15);
const PORT: u16 = 5353;
const GUESTS: [&str; 2] = ["g1", "g2"];

/// What turns the frames round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// vNIC, IV, VIS, IV, vNIC.
    Chain,
    /// macvlan VEPA, Linux bridge.
    Bridge,
    /// macvlan VEPA, Open vSwitch with userspace TSO.
    OvsTso,
    /// macvlan VEPA, Open vSwitch by AF_XDP, which takes no offloads.
    OvsAfXdp,
}

/// All of them.
pub(super) const PATHS: &[(&str, &str, Path)] = &[
    (
        "chain",
        "vNIC, IV, VIS, IV, vNIC: every offload on",
        Path::Chain,
    ),
    (
        "vepa-bridge",
        "macvlan VEPA, Linux bridge with hairpin: every offload on",
        Path::Bridge,
    ),
    (
        "vepa-ovs-tso",
        "macvlan VEPA, Open vSwitch in user space with userspace TSO",
        Path::OvsTso,
    ),
    (
        "vepa-ovs-afxdp",
        "macvlan VEPA, Open vSwitch by AF_XDP, which takes no offloads",
        Path::OvsAfXdp,
    ),
];

impl Path {
    /// What the machine lacks for it.
    pub(super) fn missing(self) -> Option<String> {
        let switch = match self {
            Self::Chain | Self::Bridge => true,
            Self::OvsTso => ovs_is_there(OvsPort::System),
            Self::OvsAfXdp => ovs_is_there(OvsPort::AfXdpGeneric),
        };
        let program = ["iperf3", "ip", "ethtool"]
            .into_iter()
            .find(|name| find_program(name).is_none());
        let missing = program.or_else(|| (!switch).then_some("ovs-vswitchd"));
        missing.map(|name| format!("{name} is missing: `cargo lab setup --bench` gets it"))
    }
}

/// Two guests that reach each other, until this is dropped.
pub(super) struct Guests {
    pub(super) mode: String,
    // The switch before the namespaces it is in.
    _guard: Box<dyn Any>,
    lab: Lab,
}

fn address(n: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, 10, n).into()
}

impl Guests {
    pub(super) fn start(binaries: &Binaries, path: Path) -> Result<Self> {
        let mut lab = Lab::new(binaries);
        for name in [GEN.0, DUT.0].into_iter().chain(GUESTS) {
            add_host(&mut lab, name)?.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        }
        let (mode, guard): (String, Box<dyn Any>) = match path {
            Path::Chain => (chain(&mut lab)?, Box::new(())),
            Path::Bridge => {
                vepa(&lab, true)?;
                let dut = lab.host(DUT.0)?;
                dut.bridge("br0", &[DUT.1])?;
                dut.hairpin(DUT.1)?;
                ("kernel, all offloads".to_owned(), Box::new(()))
            }
            Path::OvsTso | Path::OvsAfXdp => {
                let tso = path == Path::OvsTso;
                vepa(&lab, tso)?;
                let port = if tso {
                    OvsPort::System
                } else {
                    OvsPort::AfXdpGeneric
                };
                let (mode, switch) = start_ovs(lab.host(DUT.0)?, port, 8, tso)?;
                (mode, Box::new(switch))
            }
        };
        for (name, n) in GUESTS.into_iter().zip(1..) {
            lab.host(name)?.up("eth0")?;
            lab.host(name)?.address("eth0", address(n))?;
        }
        if path != Path::Chain {
            for (name, n) in GUESTS.into_iter().zip(1..) {
                let other = 3 - n;
                let mac = niv::Mac([2, 0, 0, 0, 0, other]);
                lab.host(name)?.neighbour("eth0", address(other), mac)?;
            }
        }
        let guests = Self {
            mode,
            _guard: guard,
            lab,
        };
        guests.wait()?;
        Ok(guests)
    }

    fn guest(&self, n: u8) -> Result<&Host> {
        self.lab.host(if n == 1 { "g1" } else { "g2" })
    }

    /// Until a datagram comes back.
    fn wait(&self) -> Result<()> {
        let end = Instant::now() + WITHIN;
        loop {
            match self.exchange(Duration::from_millis(100)) {
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => {}
                Ok(_) => return Ok(()),
            }
        }
    }

    /// TCP for so many seconds, in one stream or several.
    pub(super) fn tcp(&self, seconds: u32, streams: u32) -> Result<Values> {
        let iperf3 = Iperf3 {
            seconds,
            streams,
            omit: 1,
        };
        let (near, far) = (&self.guest(1)?.netns, &self.guest(2)?.netns);
        let measured = iperf3.measure(near, far, address(2))?;
        let mut values = Values::from([("gbps".to_owned(), measured.rate / 1e9)]);
        if let Some(again) = measured.retransmits {
            values.insert("retransmits".to_owned(), again);
        }
        Ok(values)
    }

    /// Datagrams of 64 octets there and back, one at a time.
    pub(super) fn exchange(&self, time: Duration) -> Result<Values> {
        let doing = || "exchange datagrams between the guests".to_owned();
        let open = |n| -> Result<UdpSocket> {
            let socket = self
                .guest(n)?
                .netns
                .run(|| UdpSocket::bind(SocketAddr::new(address(n), PORT)));
            let socket = socket.doing("enter a guest")?.doing(doing())?;
            socket
                .connect(SocketAddr::new(address(3 - n), PORT))
                .doing(doing())?;
            socket
                .set_read_timeout(Some(Duration::from_millis(200)))
                .doing(doing())?;
            Ok(socket)
        };
        let (near, far) = (open(1)?, open(2)?);
        let stop = AtomicBool::new(false);
        let mut delays = Vec::new();
        let mut lost = 0u32;
        thread::scope(|scope| {
            let echo = || {
                let mut datagram = [0; 64];
                while !stop.load(Ordering::Relaxed) {
                    if let Ok(octets) = far.recv(&mut datagram) {
                        let _lost_is_counted_by_who_waits =
                            far.send(datagram.get(..octets).unwrap_or_default());
                    }
                }
            };
            scope.spawn(echo);
            let end = Instant::now() + time;
            let mut number = 0u64;
            while Instant::now() < end {
                number += 1;
                let mut datagram = [0; 64];
                datagram[..8].copy_from_slice(&number.to_ne_bytes());
                let sent = Instant::now();
                if near.send(&datagram).is_err() {
                    lost += 1;
                    continue;
                }
                let mut answer = [0; 64];
                // An answer that came too late is passed over.
                loop {
                    match near.recv(&mut answer) {
                        Ok(_) if answer == datagram => {
                            delays.push(sent.elapsed().as_nanos() as u64);
                            break;
                        }
                        Ok(_) => {}
                        Err(_) => {
                            lost += 1;
                            break;
                        }
                    }
                }
            }
            stop.store(true, Ordering::Relaxed);
        });
        check(!delays.is_empty(), || "no datagram came back".to_owned())?;
        delays.sort_unstable();
        let at = |part: usize| {
            let place = (delays.len() * part / 1000).min(delays.len() - 1);
            delays.get(place).copied().unwrap_or_default() as f64 / 1e3
        };
        Ok(Values::from([
            ("p50_us".to_owned(), at(500)),
            ("p99_us".to_owned(), at(990)),
            ("p999_us".to_owned(), at(999)),
            ("max_us".to_owned(), at(1000)),
            (
                "exchanges_per_second".to_owned(),
                delays.len() as f64 / time.as_secs_f64(),
            ),
            ("lost".to_owned(), f64::from(lost)),
        ]))
    }
}

/// The host's IV and the switch, which agree on long frames.
fn chain(lab: &mut Lab) -> Result<String> {
    lab.cable_for_daemons(GEN, DUT)?;
    let vis = format!(
        "vic authentication none\nvlan 10\nport-profile bench\n  switchport mode access\n  switchport access vlan 10\n\
         interface ethernet 1\n  device {}\n  switchport mode vntag\n",
        DUT.1
    );
    lab.start(DUT.0, "vis", &vis)?;
    let mut iv = format!("uplink = \"{}\"\n", GEN.1);
    for name in GUESTS {
        let netns = crate::sandbox::netns_path(name);
        iv += &format!(
            "\n[[vnic]]\nname = \"{name}\"\nprofile = \"bench\"\nnetns = \"{}\"\nifname = \"eth0\"\n",
            netns.display()
        );
    }
    lab.start(GEN.0, "iv", &iv)?;
    let interface = lab
        .daemon(DUT.0)?
        .show_json(&["interface", "ethernet", "1"])?;
    let mode = find_mode(&interface, "io_mode").unwrap_or_default();
    let end = Instant::now() + WITHIN;
    while GUESTS
        .into_iter()
        .any(|name| lab.host(name).and_then(|host| host.device("eth0")).is_err())
    {
        check(Instant::now() < end, || "the IV made no vNICs".to_owned())?;
        thread::sleep(Duration::from_millis(20));
    }
    Ok(format!("{mode}, oversized frames whole by VIC"))
}

/// A macvlan in VEPA mode for each guest, on the host's end of the cable.
fn vepa(lab: &Lab, offloads: bool) -> Result<()> {
    lab.cable(GEN, DUT)?;
    let host = lab.host(GEN.0)?;
    for (name, n) in GUESTS.into_iter().zip(1..) {
        let guest = lab.host(name)?;
        let device = format!("v{n}");
        host.vepa(&device, GEN.1, guest)?;
        let mac = format!("02:00:00:00:00:{n:02x}");
        in_host(
            guest,
            "ip",
            &["link", "set", &device, "name", "eth0", "address", &mac],
        )?;
    }
    if !offloads {
        // A switch that knows no offloads must not be given work left undone.
        for (host, device) in [GEN, DUT, ("g1", "eth0"), ("g2", "eth0")] {
            let words = [
                "-K", device, "tx", "off", "rx", "off", "sg", "off", "tso", "off", "gso", "off",
                "gro", "off",
            ];
            super::bed::ethtool(lab.host(host)?, &words)?;
        }
    }
    Ok(())
}
