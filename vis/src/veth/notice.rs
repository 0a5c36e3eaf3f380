//! What people should know of.

use super::link::Subject;
use crate::cli::text::counted;
use crate::config::{EthernetId, InterfaceId, VethId};
use std::fmt;
use vic::session::{Peer, SessionRefused};
use vic::{Name, Refusal, Uuid};

/// Something to be told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// An IV has a session.
    SessionUp(EthernetId, Box<Peer>),
    /// An IV has none any more.
    SessionLost(EthernetId, Refusal),
    /// An IV did not get one, or did not want it.
    SessionRefused(EthernetId, SessionRefused),
    /// The grace is over.
    GraceOver(EthernetId),
    /// A vNIC has its vEth.
    Attached {
        /// Its vEth.
        number: VethId,
        /// Where.
        link: EthernetId,
        /// What the IV calls it.
        name: Name,
        /// Who it is.
        uuid: Uuid,
    },
    /// A vEth has no vNIC any more.
    Gone(VethId, Refusal),
    /// A vNIC gets no vEth.
    VnicRefused {
        /// Where it asked.
        link: EthernetId,
        /// What the IV calls it.
        name: Name,
        /// Who it is.
        uuid: Uuid,
        /// Why.
        why: Refusal,
    },
    /// An IV does not let frames of a vNIC pass.
    NotEnabled(VethId, Refusal),
    /// Floods go as one copy for each member.
    NoList(EthernetId, Refusal),
    /// The link carries less than both ends announced.
    SmallMtu {
        /// Which link.
        link: EthernetId,
        /// What gets through.
        octets: u16,
        /// What should.
        wanted: u16,
    },
    /// It goes on, and happened so often since this was said last.
    Again(Box<Notice>, u64),
    /// It has not happened for a while, and did so often in all.
    Over(EthernetId, Subject, u64),
    /// More goes wrong on a link than is told one by one.
    Others(EthernetId, u64),
    /// The number that a vEth had is another's now, by configuration.
    Renumbered {
        /// What it was.
        was: VethId,
        /// What it is.
        is: VethId,
        /// Who it is.
        uuid: Uuid,
    },
}

impl Notice {
    /// It calls for somebody to do something.
    pub fn is_alarm(&self) -> bool {
        if let Self::Again(notice, _) = self {
            return notice.is_alarm();
        }
        matches!(
            self,
            Self::SessionRefused(..)
                | Self::Others(..)
                | Self::VnicRefused { .. }
                | Self::NotEnabled(..)
                | Self::NoList(..)
                | Self::SmallMtu { .. }
                | Self::Renumbered { .. }
                | Self::GraceOver(..)
        )
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = |id: &EthernetId| InterfaceId::Ethernet(*id);
        let veth = |id: &VethId| InterfaceId::Veth(*id);
        match self {
            Self::SessionUp(id, peer) => {
                let proof = match peer.authenticated {
                    true => "it has the key",
                    false => "without a key: `vic authentication none`",
                };
                let (name, mac, mtu) = (&peer.name, peer.mac, peer.mtu);
                let link = link(id);
                write!(
                    f,
                    "{link}: session with `{name}` ({mac}), MTU {mtu}, {proof}"
                )
            }
            Self::SessionLost(id, why) => write!(
                f,
                "{}: the session is lost ({why}); its vEths are kept for the grace time",
                link(id)
            ),
            Self::SessionRefused(id, said) => {
                let who = match said.by {
                    vic::frame::Direction::Up => "refuses a session with us",
                    vic::frame::Direction::Down => "is refused a session",
                };
                write!(f, "{}: {} {who}: {}", link(id), said.mac, said.refusal)
            }
            Self::GraceOver(id) => write!(
                f,
                "{}: the grace time is over and its host did not come back: its vEths are away",
                link(id)
            ),
            Self::Attached {
                number,
                link: id,
                name,
                uuid,
            } => write!(
                f,
                "{} is vNIC `{name}` ({uuid}) on {}",
                veth(number),
                link(id)
            ),
            Self::Gone(id, why) => write!(f, "{} has no vNIC any more: {why}", veth(id)),
            Self::VnicRefused {
                link: id,
                name,
                uuid,
                why,
            } => write!(f, "{}: vNIC `{name}` ({uuid}) is refused: {why}", link(id)),
            Self::NotEnabled(id, why) => {
                write!(
                    f,
                    "{}: its host lets none of its frames pass: {why}",
                    veth(id)
                )
            }
            Self::NoList(id, why) => write!(
                f,
                "{}: floods go out once for each member, because a list cannot be had: {why}",
                link(id)
            ),
            Self::SmallMtu {
                link: id,
                octets,
                wanted,
            } => write!(
                f,
                "{}: only {octets} of {wanted} octets get through: is there a switch in between, or \
                 an MTU too small?",
                link(id)
            ),
            Self::Again(notice, 1) => write!(f, "{notice} (once more since this was said last)"),
            Self::Again(notice, times) => {
                write!(f, "{notice} ({times} times since this was said last)")
            }
            Self::Over(id, subject, times) => {
                let times = counted(*times, "time");
                match subject {
                    Subject::Session(mac, code) => write!(
                        f,
                        "{}: {mac} is not refused a session any more ({code}; {times} in all)",
                        link(id)
                    ),
                    Subject::Vnic(uuid, name, code) => write!(
                        f,
                        "{}: vNIC `{name}` ({uuid}) is not refused any more ({code}; {times} in all)",
                        link(id)
                    ),
                    Subject::NotEnabled(number, code) => write!(
                        f,
                        "{}: nothing more is said against its frames ({code}; {times} in all)",
                        veth(number)
                    ),
                    Subject::List(code) => write!(
                        f,
                        "{}: no more lists are refused ({code}; {times} in all)",
                        link(id)
                    ),
                    Subject::Mtu(octets) => write!(
                        f,
                        "{}: no more is heard of only {octets} octets that get through ({times} in all)",
                        link(id)
                    ),
                }
            }
            Self::Others(id, times) => write!(
                f,
                "{}: more is refused than is told one by one, {}; `vis show niv link` counts it",
                link(id),
                counted(*times, "time")
            ),
            Self::Renumbered { was, is, uuid } => write!(
                f,
                "vNIC {uuid} is {} now, because the configuration binds {} by hand",
                veth(is),
                veth(was)
            ),
        }
    }
}
