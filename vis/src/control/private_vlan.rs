//! `show vlan private-vlan`

use crate::config::{InterfaceId, PrivateVlanType};
use niv::VlanId;
use serde::{Deserialize, Serialize};

/// `show vlan private-vlan`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowPrivateVlan {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Each VLAN that is said to have a part: by primary VLAN those that are whole, then the rest.
    pub vlans: Vec<PrivateVlanEntry>,
}

/// One VLAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateVlanEntry {
    /// The primary VLAN; `None`: it is in no private VLAN that is whole.
    pub primary: Option<VlanId>,
    /// The secondary VLAN; `None`: this is about the primary VLAN, which has none.
    pub secondary: Option<VlanId>,
    /// Its part.
    pub r#type: PrivateVlanType,
    /// Whether its frames are carried.
    pub operational: bool,
    /// Its hosts, and the promiscuous ports they reach.
    pub ports: Vec<InterfaceId>,
}
