//! A way between two guests of a host that does not lead through the switch: the host's own routing.
//!
//! Each guest has a second address, and sends what is for the other's to the host's end of its own device.
//! The host has a route to each, knows both by heart, and forwards IPv4 and IPv6; its own address is on its
//! loopback device. So it would answer and route as soon as its stack got one of these frames.

use crate::endpoint::ping::Pair;
use crate::error::{LabError, Result};
use crate::lab::Lab;
use crate::two_boxes::{STATIONS, Station, TwoBoxes};
use packet_io::isolation::{Admit, IsolationError, isolate, release};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The host both guests are on.
const HOST: &str = "h1";
/// The last part of a guest's address on this way, and of the host's on the same subnet.
const GUEST: u8 = 1;
const GATEWAY: u8 = 254;
/// The subnet of the host's own address.
const LOOPBACK: u8 = 255;

/// 10.9.SUBNET.NUMBER and fd09:SUBNET::NUMBER.
fn addresses(subnet: u8, number: u8) -> [IpAddr; 2] {
    [
        Ipv4Addr::new(10, 9, subnet, number).into(),
        Ipv6Addr::new(0xFD09, subnet.into(), 0, 0, 0, 0, 0, number.into()).into(),
    ]
}

/// A guest and the host's end of its device.
struct End {
    guest: Station,
    device: String,
}

/// The way, of the first two guests of h1.
pub(super) struct HostPath {
    ends: [End; 2],
}

impl HostPath {
    /// Gives guests and host their addresses, and the guests their routes.
    ///
    /// # Errors
    /// The host's `iv` does not say which devices it has; or the kernel refuses.
    pub(super) fn lay(boxes: &mut TwoBoxes) -> Result<Self> {
        let shown = boxes.lab.daemon(HOST)?.show_json(&[])?;
        let end = |guest: Station, vnic: &str| {
            let device = host_end(&shown, vnic).ok_or_else(|| LabError::Answer {
                program: format!("`iv show` of {HOST}"),
                detail: format!("no device of the vNIC {vnic} in {shown}"),
            })?;
            Ok::<_, LabError>(End { guest, device })
        };
        let [a, b, ..] = STATIONS;
        let path = Self {
            ends: [end(a, "v1")?, end(b, "v2")?],
        };
        let host = boxes.lab.host(HOST)?;
        for (address, whole) in addresses(LOOPBACK, GUEST).into_iter().zip([32, 128]) {
            host.address_unasked("lo", address, whole)?;
        }
        host.sysctl("ipv4/ip_forward", "1")?;
        host.sysctl("ipv6/conf/all/forwarding", "1")?;
        for End { guest, device } in &path.ends {
            let to = boxes.host(*guest)?;
            let own = addresses(guest.number, GUEST).into_iter();
            let gateways = addresses(guest.number, GATEWAY).into_iter();
            let everything = addresses(0, 0).into_iter();
            for ((own, bits), (gateway, all)) in own.zip([24, 64]).zip(gateways.zip(everything)) {
                to.address_unasked(guest.device, own, bits)?;
                to.neighbour(guest.device, gateway, host.mac(device)?)?;
                to.route_by(all, 16, gateway)?;
            }
        }
        Ok(path)
    }

    /// Lets the host do its part: again after its devices were down, or IPv6 was off, which takes routes
    /// away. By itself it sends nothing: the account of a running `iv` goes on to balance.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn open(&self, lab: &Lab) -> Result<()> {
        let host = lab.host(HOST)?;
        for End { guest, device } in &self.ends {
            host.listen_to_ipv6(device)?;
            host.up(device)?;
            let mac = lab.host(guest.host)?.mac(guest.device)?;
            for address in addresses(guest.number, GUEST) {
                host.neighbour(device, address, mac)?;
                host.route_onto(device, address)?;
            }
        }
        Ok(())
    }

    /// Lets the host's stack have the guests' frames. While an `iv` runs it would see and mend that.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn lift_isolation(&self, lab: &Lab) -> Result<()> {
        let netns = &lab.host(HOST)?.netns;
        let mut devices = self.ends.iter().map(|end| &end.device);
        devices.try_for_each(|device| release(netns, device).map_err(refused))
    }

    /// Keeps them from it again, as `iv` does.
    ///
    /// # Errors
    /// The kernel refuses.
    pub(super) fn put_isolation_back(&self, lab: &Lab) -> Result<()> {
        let netns = &lab.host(HOST)?.netns;
        let mut devices = self.ends.iter().map(|end| &end.device);
        devices.try_for_each(|device| isolate(netns, device, Admit::Nothing).map_err(refused))
    }

    /// Who asks whom along this way: each guest the other, and the host. The askers are the first two
    /// guests, in their order.
    pub(super) fn pairs() -> Vec<Pair> {
        let [a, b, ..] = STATIONS;
        [(0, b.number), (1, a.number), (0, LOOPBACK), (1, LOOPBACK)]
            .into_iter()
            .flat_map(|(from, subnet)| addresses(subnet, GUEST).map(|to| Pair { from, to }))
            .collect()
    }
}

/// The host's end of a vNIC's device, as `iv show` has it.
fn host_end(shown: &Value, vnic: &str) -> Option<String> {
    let vnics = shown.get("vnics")?.as_array()?;
    let is_it = |v: &&Value| v.get("name").and_then(Value::as_str) == Some(vnic);
    let device = vnics.iter().find(is_it)?.get("device")?;
    device.get("name")?.as_str().map(str::to_owned)
}

fn refused(error: IsolationError) -> LabError {
    LabError::Link {
        doing: "change the isolation of a vNIC".to_owned(),
        source: Box::new(error),
    }
}
