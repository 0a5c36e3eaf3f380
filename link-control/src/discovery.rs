//! LLDP on one link: its socket, and who was heard there.

use lldp::{
    Agent, Announcement, Capability, ChassisId, Event, KeyPolicy, Neighbour, NivEnd, PortName,
    Role, Station,
};
use niv::PortId;
use packet_io::link_socket::LinkSocket;
use std::time::Duration;
use tracing::{debug, info, warn};
use vic::session::{Authentication, EndConfig};

/// What tells the socket of LLDP from that of the session, where the poller names what is ready: ports are fewer.
const MARK: u16 = 1 << 15;

/// The poller's key of a link's LLDP socket.
pub(crate) const fn key(link: PortId) -> u16 {
    link.0 | MARK
}

/// The link whose LLDP socket has this key; `None`: it is a session's.
pub(crate) const fn link_of(key: u16) -> Option<PortId> {
    match key & MARK {
        0 => None,
        _ => Some(PortId(key & !MARK)),
    }
}

/// What an end of VIC says of itself by LLDP. `description` tells people which port `device` is.
pub fn announcement(role: Role, end: &EndConfig, device: &str, description: &str) -> Announcement {
    let key = match end.authentication {
        Authentication::Key(_) => KeyPolicy::Key,
        Authentication::Open => KeyPolicy::Open,
        Authentication::Unset => KeyPolicy::Unset,
    };
    let program = end
        .software
        .as_ref()
        .map_or("", |software| software.as_str());
    Announcement {
        mac: end.mac,
        station: Station {
            chassis: ChassisId::identity(end.identity),
            port: PortName::interface(device),
        },
        port_description: description.to_owned(),
        system_name: end.name.to_string(),
        system_description: format!("{program} (Network Interface Virtualization)"),
        capability: match role {
            Role::Iv => Capability::OTHER,
            Role::Vis => Capability::BRIDGE,
        },
        frame_size: frame_size(end.mtu),
        niv: NivEnd::new(role, key, &end.parameters),
        oui: end.parameters.oui,
    }
}

/// The longest frame of a port, in octets with header and FCS (IEEE 802.3, 79.3.4), by its MTU.
pub const fn frame_size(mtu: u16) -> u16 {
    mtu.saturating_add(14 + 4)
}

/// What LLDP knows of a link.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Who is there, longest known first.
    pub neighbours: Vec<Neighbour>,
    /// What people should know, in a sentence.
    pub advice: Option<String>,
    /// The time now, on the clock that neighbours' times are of.
    pub now: Duration,
}

/// An announced link. Dropped, it says goodbye.
pub(crate) struct Discovery {
    socket: LinkSocket,
    agent: Agent,
    device: String,
}

impl Discovery {
    pub(crate) fn new(
        now: Duration,
        socket: LinkSocket,
        device: String,
        says: Announcement,
    ) -> Self {
        Self {
            socket,
            agent: Agent::new(now, says),
            device,
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.agent.poll_timeout()
    }

    pub(crate) fn tell_time(&mut self, now: Duration) {
        if self.agent.poll_timeout().is_some_and(|due| due <= now) {
            self.agent.handle_timeout(now);
        }
        self.settle(now);
    }

    /// Takes what came in, up to a burst.
    pub(crate) fn receive(&mut self, now: Duration, burst: usize, room: &mut [u8]) {
        for _ in 0..burst {
            match self.socket.receive(room) {
                Ok(Some(length)) => {
                    let frame = room.get(..length).unwrap_or_default();
                    self.agent.handle_frame(now, frame);
                }
                // A device that is down says so once; it may come up again.
                Ok(None) | Err(_) => break,
            }
        }
        self.settle(now);
    }

    pub(crate) fn set_link(&mut self, now: Duration, up: bool) {
        self.agent.set_link(now, up);
        self.settle(now);
    }

    pub(crate) fn set_frame_size(&mut self, now: Duration, octets: u16) {
        self.agent.set_frame_size(now, octets);
        self.settle(now);
    }

    pub(crate) fn set_system_name(&mut self, now: Duration, name: &str) {
        self.agent.set_system_name(now, name);
        self.settle(now);
    }

    pub(crate) fn heard(&self, now: Duration) -> Heard {
        Heard {
            neighbours: self.agent.neighbours().to_vec(),
            advice: self.agent.advice().map(str::to_owned),
            now,
        }
    }

    fn settle(&mut self, now: Duration) {
        while let Some(event) = self.agent.poll_event() {
            log(&self.device, &event);
        }
        while let Some(frame) = self.agent.poll_transmit(now) {
            // What a device does not take is said again after a while.
            if let Err(error) = self.socket.send(&frame) {
                debug!("LLDP on {}: {error}", self.device);
            }
        }
    }
}

fn log(device: &str, event: &Event) {
    match event {
        Event::Appeared(neighbour) => match &neighbour.said.niv {
            Some(niv) => info!(
                "{device}: the neighbour is {neighbour}, and speaks VIC as {}",
                niv.role
            ),
            None => info!("{device}: the neighbour is {neighbour}, without VIC"),
        },
        Event::Changed(neighbour) => debug!("{device}: {neighbour} says something new"),
        Event::Left(neighbour, why) => info!("{device}: {neighbour} is gone: {why}"),
        Event::Advice(Some(advice)) => warn!("{device}: {advice}"),
        Event::Advice(None) => info!("{device}: nothing is odd about the neighbour any more"),
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        // The time is not looked at.
        self.agent.close();
        self.settle(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_sockets_of_a_link_are_told_apart() {
        for link in [0, 1, 4160].map(PortId) {
            assert_eq!(link_of(key(link)), Some(link));
            assert_eq!(link_of(link.0), None);
        }
    }
}
