//! The configuration: the language, the model it describes, and what follows for each interface
//! (design.md section 7).
//!
//! One command tree ([`grammar`]) is the parser of the file and of what is typed. A line that matches is
//! a [`Line`]; applied to a [`Config`] it changes it or is refused; [`Config::running_config`] prints
//! lines that lead to the same `Config`; [`Effective`] is what an interface has to do once inheritance is
//! resolved.

mod apply;
mod diagnostic;
mod effective;
pub mod grammar;
mod line;
mod looking;
mod model;
mod name;
mod origin;
mod read;
mod render;
pub mod tree;
mod value;

pub use apply::{Conflict, Context};
pub use diagnostic::{Diagnostic, Place, Warning};
pub use effective::{Effective, MAX_LEVELS, Membership, State};
pub use line::{Allow, Line, PortLine};
pub use model::{
    AgingTime, Allowed, Binding, Config, Direction, Ethernet, EthernetId, Grace, Hold, InterfaceId,
    MAX_PROFILES, Mtu, PortLines, PortMode, Retries, Rte, Subtype, Veth, VethId, Vic,
    VicAuthentication, VicPort, Vlan,
};
pub use name::{
    AclName, Description, DeviceName, Hostname, InvalidName, KeyFile, Oui, ProfileName, VlanName,
};
pub use origin::{About, Origin, OriginatedLine};
pub use read::{MAX_DIAGNOSTICS, MAX_FILE, MAX_LINE, parse, parse_bytes, parse_show};
