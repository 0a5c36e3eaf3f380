//! LLDP (IEEE Std 802.1AB), as far as both ends of a NIV link announce themselves and know each other (design.md
//! section 6; `docs/vic.md`, section 12, lists the TLVs).
//!
//! It tells people what is cabled to what, and why a session does not come up. It never decides anything: VIC works
//! the same where LLDP is blocked.
//!
//! Nothing here opens a socket, reads a clock or starts a thread: time and frames are arguments.
//!
//! ```text
//! Agent::new(now, Announcement) -> Agent
//!   handle_frame(now, frame)    handle_timeout(now)
//!   poll_event() -> Option<Event>    poll_transmit(now) -> Option<Vec<u8>>    poll_timeout() -> Option<Duration>
//!   set_link(now, up)                      the device has a link, or has lost it
//!   set_frame_size(now, u16)               the device's MTU changed
//!   set_system_name(now, &str)             the box is called otherwise
//!   close()                                the program ends: then poll_transmit
//!   neighbours()  advice()  statistics()
//! ```
//!
//! Own code, because no maintained library reads and writes LLDPDUs: those on crates.io are unfinished, or parts of a
//! program.
#![forbid(unsafe_code)]

mod advice;
mod agent;
mod niv_end;
mod station;
mod table;
mod text;
mod tlv;
mod unit;

pub use agent::{Agent, Announcement, Event, Statistics};
pub use niv_end::{Dialects, KeyPolicy, NivEnd, Role};
pub use station::{ChassisId, PortName, Station};
pub use table::{Departure, MOST_NEIGHBOURS, Neighbour};
pub use unit::{Capability, Lldpdu, Malformed};

/// The EtherType of LLDP.
pub const ETHERTYPE: u16 = 0x88CC;

/// The nearest bridge's group: no bridge that keeps to IEEE 802.1Q forwards it, so who hears it is at the other end of
/// the cable.
pub const NEAREST_BRIDGE: niv::Mac = niv::Mac([0x01, 0x80, 0xC2, 0x00, 0x00, 0x0E]);
