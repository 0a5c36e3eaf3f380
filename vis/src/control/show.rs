//! `show`: what can be asked, and what is answered. The answers are what `--json` prints; text is made of
//! them and of nothing else (`crate::cli::text`).

use super::access_lists::ShowAccessLists;
use super::counts::{Counts, KernelCounts, Unexplained};
use super::explain::{ExplainRequest, ShowExplain};
use super::guard::{GuardRequest, ShowGuard};
use super::interfaces::{
    InterfaceTable, ShowInterfaceBrief, ShowInterfaceCounters, ShowInterfaceStatus,
};
use super::niv::{NivRequest, ShowNivLink, ShowNivList, ShowNivVif, Vnic};
use super::plan::ShowPlan;
use super::private_vlan::ShowPrivateVlan;
use super::rates::ShowPolicer;
use super::switch::{
    MacFilter, ShowDrops, ShowMacCount, ShowModule, ShowPortProfile, ShowTechSupport, VlanFilter,
};
use crate::config::{Binding, Context, InterfaceId, Membership, ProfileName};
use niv::{Counters, Mac, VlanId};
use policy::acl::ListName;
use serde::{Deserialize, Serialize};

/// The version of every answer's layout. It grows when a field goes or changes its meaning; a new field
/// leaves it as it is.
pub const SCHEMA: u32 = 1;

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShowRequest {
    /// `show access-lists [NAME]`
    AccessLists(Option<ListName>),
    /// `show conservation`
    Conservation,
    /// `explain frame HEX from INTERFACE`
    Explain(ExplainRequest),
    /// `show port-security` and the like
    Guard(GuardRequest),
    /// `show interface [ethernet N|veth N]`
    Interface {
        /// This one; `None`: all.
        interface: Option<InterfaceId>,
    },
    /// `show drops`
    Drops,
    /// `show interface brief|counters|status`
    InterfaceTable(InterfaceTable),
    /// `show mac address-table`
    MacAddressTable(MacFilter),
    /// `show mac address-table count`
    MacCount,
    /// `show module`
    Module,
    /// `show niv link|vif|list`
    Niv(NivRequest),
    /// `show policer [interface ethernet N|veth N]`
    Policer(Option<InterfaceId>),
    /// `show port-profile [NAME [expand]]`
    PortProfile {
        /// This one; `None`: all.
        name: Option<ProfileName>,
        /// Where each line in force stands.
        expand: bool,
    },
    /// `show running-config`
    RunningConfig,
    /// `show running-config interface ethernet N|veth N`, `show running-config port-profile NAME`
    RunningConfigOf(Context),
    /// `show tech-support`
    TechSupport,
    /// `show running-config diff`
    RunningConfigDiff,
    /// `show startup-config`
    StartupConfig,
    /// `show configuration history`
    History,
    /// `show version`
    Version,
    /// `show vlan`
    Vlan(VlanFilter),
    /// `show vlan private-vlan`
    PrivateVlan,
}

/// What is answered. As JSON an answer is the value inside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To [`ShowRequest::AccessLists`].
    AccessLists(ShowAccessLists),
    /// To [`ShowRequest::Conservation`].
    Conservation(ShowConservation),
    /// To [`ShowRequest::Explain`].
    Explain(Box<ShowExplain>),
    /// To [`ShowRequest::Guard`].
    Guard(ShowGuard),
    /// To [`ShowRequest::Interface`].
    Interface(ShowInterface),
    /// To [`ShowRequest::Drops`].
    Drops(ShowDrops),
    /// To [`ShowRequest::InterfaceTable`].
    InterfaceBrief(ShowInterfaceBrief),
    /// To [`ShowRequest::InterfaceTable`].
    InterfaceCounters(ShowInterfaceCounters),
    /// To [`ShowRequest::InterfaceTable`].
    InterfaceStatus(ShowInterfaceStatus),
    /// To [`ShowRequest::MacCount`].
    MacCount(ShowMacCount),
    /// To [`ShowRequest::Module`].
    Module(ShowModule),
    /// To [`ShowRequest::Policer`].
    Policer(ShowPolicer),
    /// To [`ShowRequest::PortProfile`].
    PortProfile(ShowPortProfile),
    /// To [`ShowRequest::TechSupport`].
    TechSupport(ShowTechSupport),
    /// To [`ShowRequest::MacAddressTable`].
    MacAddressTable(ShowMacAddressTable),
    /// To [`ShowRequest::Niv`].
    NivLink(ShowNivLink),
    /// To [`ShowRequest::Niv`].
    NivVif(ShowNivVif),
    /// To [`ShowRequest::Niv`].
    NivList(ShowNivList),
    /// To [`ShowRequest::RunningConfig`] and [`ShowRequest::StartupConfig`].
    RunningConfig(ShowRunningConfig),
    /// To [`ShowRequest::RunningConfigDiff`], and to `show diff`.
    Diff(ShowDiff),
    /// To [`ShowRequest::History`].
    History(ShowHistory),
    /// To `plan`.
    Plan(ShowPlan),
    /// To [`ShowRequest::Version`].
    Version(ShowVersion),
    /// To [`ShowRequest::Vlan`].
    Vlan(ShowVlan),
    /// To [`ShowRequest::PrivateVlan`].
    PrivateVlan(ShowPrivateVlan),
}

/// `show interface`
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShowInterface {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Ethernets first, then vEths, by number.
    pub interfaces: Vec<Interface>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    /// Which.
    pub interface: InterfaceId,
    /// `Ethernet1`, `Vethernet3`.
    pub name: String,
    /// `description`.
    pub description: Option<String>,
    /// Not shut by configuration.
    pub admin_up: bool,
    /// Carries frames.
    pub oper_up: bool,
    /// Why it does not; each a sentence. The first may be a stable word: `profile_incomplete`,
    /// `no_device`, `no_link`, `no_channel`.
    pub why_down: Vec<String>,
    /// The device of the machine behind it.
    pub device: Option<String>,
    /// How its frames are moved: the mode obtained, not the one wished for.
    pub io_mode: Option<String>,
    /// Its own address.
    pub mac: Option<Mac>,
    /// Of a vEth: where its vNIC is.
    pub binding: Option<Binding>,
    /// Of a vEth of the control protocol: its vNIC.
    pub vnic: Option<Vnic>,
    /// The port profile it inherits.
    pub port_profile: Option<String>,
    /// The most octets behind the Ethernet header.
    pub mtu: Option<u32>,
    /// Its mode and VLANs.
    pub membership: Membership,
    /// Its counters.
    pub counts: Counts,
    /// The kernel's, where it has a device.
    pub kernel: Option<KernelCounts>,
}

/// `show mac address-table`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowMacAddressTable {
    /// [`SCHEMA`].
    pub schema: u32,
    /// By VLAN, then address.
    pub entries: Vec<MacEntry>,
}

/// One address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MacEntry {
    /// Where it was learned.
    pub vlan: VlanId,
    /// The address.
    pub mac: Mac,
    /// How it is known.
    pub kind: MacKind,
    /// Seconds since it was last heard from; `None` where it does not age.
    pub age: Option<u64>,
    /// It is a secure address of its interface.
    #[serde(default)]
    pub secure: bool,
    /// Where it is.
    pub interface: InterfaceId,
}

/// How an address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MacKind {
    /// Learned from frames.
    Dynamic,
    /// Said by configuration, or sticky.
    Static,
}

/// `show vlan`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowVlan {
    /// [`SCHEMA`].
    pub schema: u32,
    /// By number.
    pub vlans: Vec<VlanEntry>,
}

/// One VLAN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VlanEntry {
    /// Its number.
    pub vlan: VlanId,
    /// Its name; of a VLAN that was given none `default` or `VLAN0010`.
    pub name: String,
    /// `active`, `suspended` or `act/lshut`.
    pub status: String,
    /// The ports in it, forwarding or not.
    pub ports: Vec<InterfaceId>,
}

/// `show version`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowVersion {
    /// [`SCHEMA`].
    pub schema: u32,
    /// `vis`.
    pub program: String,
    /// Its release.
    pub release: String,
    /// `hostname`, or the machine's.
    pub hostname: String,
    /// The machine's kernel.
    pub kernel: String,
    /// The daemon's process.
    pub pid: u32,
    /// Seconds it has been running.
    pub uptime: u64,
    /// Seconds the machine has been running.
    pub kernel_uptime: u64,
}

/// `show running-config`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowRunningConfig {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The configuration, in its language.
    pub text: String,
}

/// `show running-config diff`, and `show diff` of a candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowDiff {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Lines with `+`, `-` or a blank in front; none when there is no difference.
    pub lines: Vec<String>,
}

/// `show configuration history`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowHistory {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The last change first.
    pub changes: Vec<HistoryEntry>,
}

/// One change of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// What `rollback` takes to go back before this one.
    pub number: usize,
    /// Seconds since 1970.
    pub at: u64,
    /// Who made it.
    pub who: String,
    /// How it was made: `typed`, `commit`, `rollback`, `not confirmed`, `aborted`.
    pub how: String,
    /// What it changed, as [`ShowDiff::lines`].
    pub lines: Vec<String>,
}

/// `show conservation`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowConservation {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Each interface.
    pub interfaces: Vec<Balance>,
    /// All of them together.
    pub sum: Counts,
    /// What is left over.
    pub unexplained: Unexplained,
}

/// One interface's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// `Ethernet1`, `Vethernet3`.
    pub name: String,
    /// Its counters.
    pub counts: Counts,
    /// The kernel's, where it has a device.
    pub kernel: Option<KernelCounts>,
    /// Frames of this interface that are left over; `egress` means nothing for one interface and is 0.
    pub unexplained: Unexplained,
}

/// What the daemon knows of one interface when conservation is asked for.
#[derive(Clone, Debug)]
pub struct Account {
    /// Which.
    pub interface: InterfaceId,
    /// Its counters.
    pub counters: Counters,
    /// The kernel's, where it has a device.
    pub kernel: Option<KernelCounts>,
    /// What the driver received and we did not take.
    pub kernel_received: i64,
    /// What we handed over and the driver did not send.
    pub kernel_sent: i64,
}

impl ShowConservation {
    /// Balances the accounts of a whole daemon. `sum` is over all of them and those of interfaces that are
    /// gone.
    pub fn balance(accounts: &[Account], sum: &Counters) -> Self {
        let interfaces: Vec<Balance> = accounts
            .iter()
            .map(|account| Balance {
                name: account.interface.to_string(),
                counts: Counts::from(&account.counters),
                kernel: account.kernel,
                unexplained: Unexplained {
                    ingress: account.counters.imbalance().ingress,
                    egress: 0,
                    kernel_received: account.kernel_received,
                    kernel_sent: account.kernel_sent,
                },
            })
            .collect();
        Self {
            schema: SCHEMA,
            sum: Counts::from(sum),
            unexplained: Unexplained {
                // Not of the sum: one interface's surplus must not hide another's loss.
                ingress: signed(interfaces.iter().map(|one| one.unexplained.ingress)),
                egress: sum.imbalance().egress,
                kernel_received: signed(
                    interfaces.iter().map(|one| one.unexplained.kernel_received),
                ),
                kernel_sent: signed(interfaces.iter().map(|one| one.unexplained.kernel_sent)),
            },
            interfaces,
        }
    }
}

/// The sum of the magnitudes.
fn signed(values: impl Iterator<Item = i64>) -> i64 {
    values.map(i64::abs).sum()
}
