//! The lab of the demo: two hosts with an IV and three vNICs each, a VIS between them, a plain neighbour
//! on an access port and one on a trunk.
//!
//! ```text
//!  h1-v1 h1-v2 h1-v3                 h2-v1 h2-v2 h2-v3      guests, each a namespace
//!    10    10    20                    10    10    20       VLAN by port profile
//!     \    |    /                       \    |    /
//!      [ iv: h1 ]                        [ iv: h2 ]
//!       eth1 |                            eth1 |            NIV links: every frame has a VNTag
//!       niv1 |                            niv2 |
//!         [              vis                      ]
//!       p1 |                              p2 |
//!     [ p1: access, VLAN 10 ]      [ p2: trunk, VLANs 10 and 20 ]
//! ```

use crate::binaries::Binaries;
use crate::endpoint::trunk::Trunk;
use crate::error::{LabError, Result, check};
use crate::lab::{Host, Lab};
use crate::vigil::Vigil;
use serde_json::Value;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

/// An address and where it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Station {
    /// The host, a namespace.
    pub(crate) host: &'static str,
    /// Its device.
    pub(crate) device: &'static str,
    /// The VLAN it ends up in.
    pub(crate) vlan: u16,
    /// The last part of its addresses.
    pub(crate) number: u8,
}

impl Station {
    const fn new(host: &'static str, device: &'static str, vlan: u16, number: u8) -> Self {
        Self {
            host,
            device,
            vlan,
            number,
        }
    }

    /// 10.0.VLAN.NUMBER
    pub(crate) fn v4(self) -> IpAddr {
        Ipv4Addr::new(10, 0, self.vlan as u8, self.number).into()
    }

    /// fd00:VLAN::NUMBER
    pub(crate) fn v6(self) -> IpAddr {
        Ipv6Addr::new(0xFD00, self.vlan, 0, 0, 0, 0, 0, self.number.into()).into()
    }

    /// A second address, of the other VLAN's subnet: a ping from there must get no answer, and would, if
    /// the switch let one frame through.
    pub(crate) fn foreign(self) -> [IpAddr; 2] {
        let number = 100 + self.number;
        let other = Self {
            vlan: 30 - self.vlan,
            number,
            ..self
        };
        [other.v4(), other.v6()]
    }
}

/// Everybody with an IP address, in the order they are shown in.
pub(crate) const STATIONS: [Station; 9] = [
    Station::new("h1-v1", "eth0", 10, 1),
    Station::new("h1-v2", "eth0", 10, 2),
    Station::new("h1-v3", "eth0", 20, 3),
    Station::new("h2-v1", "eth0", 10, 4),
    Station::new("h2-v2", "eth0", 10, 5),
    Station::new("h2-v3", "eth0", 20, 6),
    Station::new("p1", "eth0", 10, 7),
    Station::new("p2", "vlan10", 10, 8),
    Station::new("p2", "vlan20", 20, 9),
];

/// The NIV links: the host's name, the switch's port.
pub(crate) const NIV_LINKS: [(&str, &str); 2] = [("h1", "niv1"), ("h2", "niv2")];
/// A host's end of its NIV link.
pub(crate) const UPLINK: &str = "eth1";

/// Who gives the vNICs their VIFs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Binding {
    /// VIC: a vNIC asks for a profile by name.
    Vic,
    /// A person: both files say it.
    ByHand,
}

/// How long vNICs may take until the switch has taken them all.
const TAKEN_WITHIN: Duration = Duration::from_secs(10);

/// The lab, up.
pub(crate) struct TwoBoxes {
    /// Its hosts and daemons.
    pub(crate) lab: Lab,
    _trunk: Trunk,
}

impl TwoBoxes {
    /// Brings it up, saying what it does, until every address is usable. The vigil has been there from
    /// before the first frame.
    ///
    /// # Errors
    /// Anything that is refused on the way, with the daemons' own words.
    pub(crate) fn start(
        binaries: &Binaries,
        binding: Binding,
        say: &mut dyn FnMut(&str),
    ) -> Result<(Self, Vigil)> {
        let mut lab = Lab::new(binaries);
        say(
            "makes 11 namespaces: the switch, two hosts, six guests, two neighbours; and lays 4 cables",
        );
        for name in ["vis", "h1", "h2", "p1", "p2", "p2-nic"] {
            lab.add_host(name)?;
        }
        for guest in guests() {
            lab.add_host(guest.host)?;
        }
        for (host, port) in NIV_LINKS {
            lab.cable_for_daemons((host, UPLINK), ("vis", port))?;
        }
        // Nothing has been sent yet: the other cables are not there, and these are down.
        let vigil = Vigil::begin(&lab)?;
        lab.cable(("p1", "eth0"), ("vis", "p1"))?;
        lab.cable(("p2-nic", "trunk"), ("vis", "p2"))?;
        say(
            "gives the neighbour on the trunk a device per VLAN: this program adds and takes off its tags",
        );
        let trunk = Trunk::start(&lab, ("p2-nic", "trunk"), "p2", &[10, 20])?;

        say("starts `vis`: ports 1 and 2 are NIV links, 3 is access in VLAN 10, 4 is a trunk");
        lab.start("vis", "vis", &vis_configuration(binding))?;
        for (host, _) in NIV_LINKS {
            say(&match binding {
                Binding::Vic => format!(
                    "starts `iv` on {host}: uplink {UPLINK}, three vNICs that ask the switch for profiles"
                ),
                Binding::ByHand => format!(
                    "starts `iv` on {host}: uplink {UPLINK}, three vNICs with VIFs bound by hand"
                ),
            });
            lab.start(host, "iv", &iv_configuration(host, binding))?;
        }
        for (host, _) in NIV_LINKS {
            wait_until_taken(&mut lab, host)?;
        }
        say("gives everybody IPv4 and IPv6 addresses, duplicate-address detection on");
        for station in STATIONS {
            let host = lab.host(station.host)?;
            host.up(station.device)?;
            host.address(station.device, station.v4())?;
            host.address(station.device, station.v6())?;
            if station.vlan == 20 && station.host != "p2" {
                for address in station.foreign() {
                    host.address(station.device, address)?;
                }
            }
        }
        for station in STATIONS {
            lab.host(station.host)?.wait_for_detection(station.device)?;
        }
        Ok((Self { lab, _trunk: trunk }, vigil))
    }

    /// The VIF that a host's vNIC has, whoever gave it.
    ///
    /// # Errors
    /// It has none, or there is no such vNIC.
    pub(crate) fn vif(&mut self, host: &str, vnic: &str) -> Result<u16> {
        let shown = self.lab.daemon(host)?.show_json(&[])?;
        let vnics = shown.get("vnics").and_then(Value::as_array);
        let named = |v: &&Value| v.get("name").is_some_and(|name| name == vnic);
        vnics
            .and_then(|vnics| vnics.iter().find(named)?.get("vif")?.as_u64())
            .and_then(|vif| u16::try_from(vif).ok())
            .ok_or_else(|| LabError::Check(format!("{vnic} of {host} has no VIF: {shown}")))
    }

    /// The host of a station.
    pub(crate) fn host(&self, station: Station) -> Result<&Host> {
        self.lab.host(station.host)
    }
}

/// The stations behind an IV.
pub(crate) fn guests() -> impl Iterator<Item = Station> {
    STATIONS.into_iter().filter(|s| s.host.contains('-'))
}

/// The stations of one host's IV, with the VIF id of each.
pub(crate) fn guests_of(host: &str) -> impl Iterator<Item = (u16, Station)> {
    let prefix = format!("{host}-");
    (1..).zip(guests().filter(move |s| s.host.starts_with(&prefix)))
}

/// Waits until all vNICs of a host may send.
fn wait_until_taken(lab: &mut Lab, host: &str) -> Result<()> {
    let end = Instant::now() + TAKEN_WITHIN;
    loop {
        let shown = lab.daemon(host)?.show_json(&[])?;
        let vnics = shown.get("vnics").and_then(Value::as_array);
        let is_enabled = |vnic: &Value| vnic.get("enabled").and_then(Value::as_bool) == Some(true);
        if vnics.is_some_and(|vnics| vnics.iter().all(is_enabled)) {
            return Ok(());
        }
        check(Instant::now() < end, || {
            format!("the switch did not take all vNICs of {host}: {shown}")
        })?;
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The switch's configuration, as a person would write it.
pub(crate) fn vis_configuration(binding: Binding) -> String {
    let mut text = "\
vlan 10
vlan 20
port-profile web
  switchport mode access
  switchport access vlan 10
port-profile database
  switchport mode access
  switchport access vlan 20
interface ethernet 1
  device niv1
  switchport mode vntag
interface ethernet 2
  device niv2
  switchport mode vntag
interface ethernet 3
  device p1
  switchport mode access
  switchport access vlan 10
interface ethernet 4
  device p2
  switchport mode trunk
  switchport trunk allowed vlan 10,20
"
    .to_owned();
    if binding == Binding::Vic {
        return format!("vic authentication none\n{text}");
    }
    let mut veth = 0;
    for (port, (host, _)) in (1..).zip(NIV_LINKS) {
        for (vif, guest) in guests_of(host) {
            veth += 1;
            let profile = profile(guest);
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "interface veth {veth}\n  inherit port-profile {profile}\n  \
                 bind interface ethernet {port} channel {vif}\n"
            );
        }
    }
    text
}

/// The port profile of a guest.
fn profile(guest: Station) -> &'static str {
    if guest.vlan == 10 { "web" } else { "database" }
}

/// A host's configuration.
pub(crate) fn iv_configuration(host: &str, binding: Binding) -> String {
    let mut text = format!("uplink = \"{UPLINK}\"\n");
    for (vif, guest) in guests_of(host) {
        let netns = crate::sandbox::netns_path(guest.host);
        let bound = match binding {
            Binding::Vic => format!("profile = \"{}\"", profile(guest)),
            Binding::ByHand => format!("vif = {vif}"),
        };
        let _ = write!(
            text,
            "\n[[vnic]]\nname = \"v{vif}\"\n{bound}\nnetns = \"{}\"\nifname = \"{}\"\n\
             mac = \"02:00:00:00:00:{:02x}\"\n",
            netns.display(),
            guest.device,
            guest.number,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Source;

    #[test]
    fn the_lab_of_the_demo_is_the_one_that_up_brings_up() {
        let lab = Source::find(crate::DEFAULT_LAB, None).unwrap().topology;
        let host = |name: &str| &lab.hosts[&name.parse().unwrap()];
        let (_, vis) = host("vis").program.as_ref().unwrap();
        assert_eq!(*vis, vis_configuration(Binding::Vic));
        for station in STATIONS {
            let host = host(station.host);
            let has = &host.addresses[&station.device.parse().unwrap()];
            for own in [station.v4(), station.v6()] {
                assert!(has.iter().any(|address| address.ip == own), "{own}");
            }
            if station.host.contains('-') {
                let vnic = &host.vnics[0];
                let mac = vnic.mac.unwrap().to_string();
                assert_eq!(vnic.profile, profile(station));
                assert_eq!(mac, format!("02:00:00:00:00:{:02x}", station.number));
            }
        }
        let niv = lab
            .cables
            .iter()
            .filter(|[a, _]| a.device.as_str() == UPLINK);
        assert_eq!(niv.count(), NIV_LINKS.len());
    }
}
