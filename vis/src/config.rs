//! The configuration: the language, the model it describes, and what follows for each interface
//! (design.md section 7).
//!
//! One command tree ([`grammar`]) is the parser of the file and of what is typed. A line that matches is
//! a [`Line`]; applied to a [`Config`] it changes it or is refused; [`Config::running_config`] prints
//! lines that lead to the same `Config`; [`Effective`] is what an interface has to do once inheritance is
//! resolved.

mod apply;
mod concerns;
mod diagnostic;
mod doubts;
mod effective;
mod excerpt;
mod filters;
pub mod grammar;
mod guard;
mod guard_grammar;
mod guard_values;
mod line;
mod lists;
mod looking;
mod model;
mod name;
mod origin;
mod police;
mod private_domains;
mod private_vlan;
mod rate;
mod read;
mod refusal;
mod render;
pub mod tree;
mod typed;
mod value;
mod vlan_lines;

pub use apply::{Conflict, Context};
pub use diagnostic::{Diagnostic, Place, Warning};
pub use effective::{Effective, MAX_LEVELS, Membership, State};
pub use filters::{FilterLines, ListNames, line as access_group};
pub use guard::{
    AboutGuard, Errdisable, ErrdisableLine, GuardLine, GuardLines, Guards, RecoveryCause, Secured,
};
pub use guard_values::{
    BridgeGuard, NotInRange, RecoveryInterval, SecureAging, SecureAgingType, SecureMac,
    SecureMaximum, SecureViolation, StormAction, StormBits, StormLevel, StormPackets,
};
pub use line::{Allow, ClearSecurity, FilterLine, Line, ListLine, Pipe, PortLine, Typed, Way};
pub use lists::{AccessLists, MAX_LIST_LINES, MAX_LISTS, Remark, Step};
pub use model::{
    AgingTime, Allowed, Binding, Config, Confirm, Direction, Ethernet, EthernetId, Grace, Grantee,
    Hold, InterfaceId, MAX_GRANTEES, MAX_PROFILES, Mtu, PageLength, PortLines, PortMode, Privilege,
    Retries, Roles, Rte, Steps, Subtype, Veth, VethId, Vic, VicAuthentication, VicPort, Vlan,
};
pub(crate) use name::is_printable;
pub use name::{
    Account, Description, DeviceName, Hostname, InvalidName, KeyFile, Oui, Pattern, ProfileName,
    VlanName,
};
pub use origin::{About, Origin, OriginatedLine};
pub use police::{Exceed, Police, Violate};
pub use private_vlan::{
    HostAssociation, Mapping, PrivateMembership, PrivateVlanLine, PrivateVlanLines,
};
pub use rate::{CosNumber, DscpNumber, RateLine, RateLines, Trust};
pub(crate) use read::MAX_COMMAND;
pub use read::{MAX_DIAGNOSTICS, MAX_FILE, MAX_LINE, parse, parse_bytes, parse_show};
pub(crate) use refusal::{belongs_elsewhere, nearest, sentence};
pub use value::Kind;
pub use vlan_lines::{PrivateVlanType, VlanLine, VlanLines};
