//! `show`: what can be asked.

use crate::config::InterfaceId;
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowRequest {
    /// `show conservation`
    Conservation,
    /// `show interface [ethernet N|veth N]`
    Interface {
        /// This one; `None`: all.
        interface: Option<InterfaceId>,
    },
    /// `show mac address-table`
    MacAddressTable,
    /// `show running-config`
    RunningConfig,
    /// `show version`
    Version,
    /// `show vlan`
    Vlan,
}
