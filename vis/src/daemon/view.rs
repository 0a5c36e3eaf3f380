//! What `show` sees: configuration, devices and the worker's account, put together.

use super::compile::port_id;
use super::forward::Switching;
use super::private_vlan;
use super::run::Daemon;
use crate::client::{PROGRAM, RELEASE};
use crate::config::{
    Config, Context, Effective, EthernetId, InterfaceId, Membership, PortLines, ProfileName, State,
    VethId, Vlan,
};
use crate::control::counts::{Counts, KernelCounts};
use crate::control::explain::InvalidFrame;
use crate::control::interfaces::InterfaceTable;
use crate::control::niv::NivRequest;
use crate::control::show::{
    Account, Answer, Interface, MacEntry, MacKind, SCHEMA, ShowConservation, ShowInterface,
    ShowMacAddressTable, ShowRequest, ShowRunningConfig, ShowVersion, ShowVlan, VlanEntry,
};
use crate::control::switch::{
    Drops, InterfaceDrops, MacFilter, ShowDrops, ShowMacCount, VlanFilter,
};
use crate::switch::Kind;
use niv::{Counters, Dropped, PortId, Slot, VlanId};
use packet_io::supervise::{Balance, Status, SuperviseError};
use packet_io::worker::Worker;
use policy::acl::ListName;
use policy::security::Kind as Secure;
use std::collections::BTreeMap;

/// A question has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LookError {
    /// It is not there to be shown.
    #[error("{0}")]
    Startup(String),
    /// Nothing has that name.
    #[error("there is no {0}; `vis show interface` lists those there are")]
    NoInterface(InterfaceId),
    /// It has vEths of its own, not others behind it.
    #[error(
        "{0} is no NIV port (`switchport mode vntag`); `vis show niv link` lists those there are"
    )]
    NotNiv(InterfaceId),
    /// No profile has that name.
    #[error("there is no port-profile {0}; `vis show port-profile` lists those there are")]
    NoProfile(ProfileName),
    /// No access list has that name.
    #[error("there is no access-list {0}; `vis show access-lists` lists those there are")]
    NoList(ListName),
    /// None of the VLANs exists.
    #[error("there is no VLAN {0}; `vis show vlan` lists those there are")]
    NoVlan(String),
    /// What was typed is no frame.
    #[error(transparent)]
    Frame(#[from] InvalidFrame),
    /// A vEth whose vNIC is nowhere.
    #[error(
        "{0} is on no link now, so no frame can come from it; `vis show niv vif` says where its vNIC is"
    )]
    NoChannel(InterfaceId),
    /// The worker or the kernel does not answer.
    #[error(transparent)]
    Devices(#[from] SuperviseError),
}

impl Daemon {
    /// What is shown.
    pub(super) async fn look(&self, request: ShowRequest) -> Result<Answer, LookError> {
        if let ShowRequest::Interface {
            interface: Some(interface),
        } = request
            && self.effective(interface).is_none()
        {
            return Err(LookError::NoInterface(interface));
        }
        if let ShowRequest::Niv(request) = &request {
            exists(&self.said, *request)?;
        }
        Ok(match request {
            ShowRequest::AccessLists(one) => Answer::AccessLists(self.access_lists(one).await?),
            ShowRequest::Conservation => Answer::Conservation(self.conservation().await?),
            ShowRequest::Explain(request) => {
                Answer::Explain(Box::new(self.explain(&request).await?))
            }
            ShowRequest::Guard(request) => Answer::Guard(self.guard_view(request).await?),
            ShowRequest::Interface { interface } => {
                Answer::Interface(self.interface(interface).await?)
            }
            ShowRequest::InterfaceTable(table) => {
                let all = self.interface(None).await?;
                match table {
                    InterfaceTable::Brief => Answer::InterfaceBrief(all.brief()),
                    InterfaceTable::Counters => Answer::InterfaceCounters(all.counters()),
                    InterfaceTable::Status => Answer::InterfaceStatus(all.status()),
                }
            }
            ShowRequest::Drops => Answer::Drops(drops(&self.accounts().await?.0)),
            ShowRequest::MacAddressTable(filter) => {
                Answer::MacAddressTable(self.addresses(filter).await?)
            }
            ShowRequest::MacCount => Answer::MacCount(self.address_count().await?),
            ShowRequest::Module => Answer::Module(self.modules().await),
            ShowRequest::Niv(request) => self.niv(request).await,
            ShowRequest::Policer(one) => Answer::Policer(self.policers(one).await?),
            ShowRequest::PortProfile { name, expand } => {
                Answer::PortProfile(self.port_profiles(name, expand)?)
            }
            ShowRequest::TechSupport => Answer::TechSupport(Box::pin(self.tech_support()).await?),
            ShowRequest::RunningConfig => Answer::RunningConfig(ShowRunningConfig {
                schema: SCHEMA,
                text: self.said.running_config(),
            }),
            ShowRequest::RunningConfigOf(part) => Answer::RunningConfig(ShowRunningConfig {
                schema: SCHEMA,
                text: self.running_config_of(part)?,
            }),
            ShowRequest::RunningConfigDiff => {
                Answer::Diff(self.running_diff().map_err(LookError::Startup)?)
            }
            ShowRequest::StartupConfig => {
                Answer::RunningConfig(self.startup_config().map_err(LookError::Startup)?)
            }
            ShowRequest::History => Answer::History(self.history()),
            ShowRequest::Version => Answer::Version(self.version()),
            ShowRequest::Vlan(filter) => Answer::Vlan(self.vlans(&filter)?),
            ShowRequest::PrivateVlan => Answer::PrivateVlan(self.private_vlans()),
        })
    }

    /// Every interface, ethernets first, by number.
    pub(super) fn interfaces(&self) -> Vec<InterfaceId> {
        let ethernets = self
            .config
            .ethernets
            .keys()
            .map(|&id| InterfaceId::Ethernet(id));
        ethernets
            .chain(self.config.veths.keys().map(|&id| InterfaceId::Veth(id)))
            .collect()
    }

    pub(super) fn effective(&self, interface: InterfaceId) -> Option<Effective> {
        match interface {
            InterfaceId::Ethernet(id) => self.config.effective_ethernet(id),
            InterfaceId::Veth(id) => self.config.effective_veth(id),
        }
    }

    fn lines(&self, interface: InterfaceId) -> Option<&PortLines> {
        match interface {
            InterfaceId::Ethernet(id) => self.config.ethernets.get(&id).map(|e| &e.lines),
            InterfaceId::Veth(id) => self.config.veths.get(&id).map(|v| &v.lines),
        }
    }

    /// The link a vEth is bound to.
    fn bound_to(&self, veth: VethId) -> Option<EthernetId> {
        Some(self.config.veths.get(&veth)?.bind?.ethernet)
    }

    /// The counters of every interface and the balance of every device, taken between two bursts.
    async fn accounts(&self) -> Result<(Vec<Account>, Counters), SuperviseError> {
        let interfaces = self.interfaces();
        let places: Vec<(Option<PortId>, Option<Slot>)> = interfaces
            .iter()
            .map(|&interface| {
                let device = match interface {
                    InterfaceId::Ethernet(id) => Some(port_id(id)),
                    InterfaceId::Veth(_) => None,
                };
                (device, self.slots.get(&interface))
            })
            .collect();
        let count = move |worker: &mut Worker<Switching>| {
            let switch = &worker.forward.switch;
            let each = places.iter().map(|&(device, slot)| {
                let mut sum = Counters::default();
                let link = device.and_then(|device| switch.link_counters(device));
                for counters in link
                    .copied()
                    .into_iter()
                    .chain(slot.and_then(|slot| switch.counters(slot)))
                {
                    sum.merge(&counters);
                }
                sum
            });
            (each.collect::<Vec<Counters>>(), switch.total())
        };
        let ((counters, total), balances) = self.supervisor.balance(count).await?;
        let balance = |interface| match interface {
            InterfaceId::Ethernet(id) => balances
                .iter()
                .find(|(port, _)| *port == port_id(id))
                .map(|&(_, balance)| balance),
            InterfaceId::Veth(_) => None,
        };
        let accounts = interfaces
            .into_iter()
            .zip(counters)
            .map(|(interface, counters)| {
                let balance: Option<Balance> = balance(interface);
                Account {
                    interface,
                    counters,
                    kernel: balance.as_ref().map(kernel_counts),
                    kernel_received: balance.map_or(0, |balance| balance.unexplained_received),
                    kernel_sent: balance.map_or(0, |balance| balance.unexplained_sent),
                }
            });
        Ok((accounts.collect(), total))
    }

    async fn conservation(&self) -> Result<ShowConservation, SuperviseError> {
        let (accounts, total) = self.accounts().await?;
        Ok(ShowConservation::balance(&accounts, &total))
    }

    async fn interface(&self, one: Option<InterfaceId>) -> Result<ShowInterface, SuperviseError> {
        let (accounts, _) = self.accounts().await?;
        let wanted = accounts
            .iter()
            .filter(|account| one.is_none_or(|one| one == account.interface));
        let interfaces = wanted
            .filter_map(|account| self.one_interface(account, &accounts))
            .collect();
        Ok(ShowInterface {
            schema: SCHEMA,
            interfaces,
        })
    }

    fn one_interface(&self, account: &Account, all: &[Account]) -> Option<Interface> {
        let interface = account.interface;
        let effective = self.effective(interface)?;
        let lines = self.lines(interface)?;
        let (device, binding, link) = match interface {
            InterfaceId::Ethernet(id) => {
                let device = self.config.ethernets.get(&id)?.device.as_ref();
                (device.map(ToString::to_string), None, Some(id))
            }
            InterfaceId::Veth(id) => {
                let bind = self.config.veths.get(&id)?.bind;
                (None, bind, bind.map(|bind| bind.ethernet))
            }
        };
        let status = link.and_then(|id| self.supervisor.status(port_id(id)));
        let mut why_down = match &effective.state {
            State::Forwarding => Vec::new(),
            State::Shut => vec!["shutdown".to_owned()],
            State::ProfileIncomplete { why } => std::iter::once("profile_incomplete".to_owned())
                .chain(why.iter().cloned())
                .collect(),
        };
        if let (InterfaceId::Veth(_), Some(id), State::Forwarding) =
            (interface, link, &effective.state)
            && let Some(port) = self.config.effective_ethernet(id)
            && matches!(port.state, State::ProfileIncomplete { .. })
        {
            let port = InterfaceId::Ethernet(id);
            why_down.extend(["profile_incomplete".to_owned(), format!("that of {port}")]);
        }
        why_down.extend(self.held_by_guards(interface));
        let vnic = match interface {
            InterfaceId::Veth(id) => self.registry.numbered(id),
            InterfaceId::Ethernet(_) => None,
        };
        why_down.extend(vnic.and_then(|(_, record)| record.why_down()));
        match (&status, link) {
            (_, None) if vnic.is_some() => {}
            (_, None) => why_down.push("no_channel".into()),
            (Some(Status::InUse { carrier: true, .. }), _) => {}
            (Some(Status::InUse { carrier: false, .. }), _) => why_down.push("no_link".into()),
            (Some(Status::Refused(why)), _) => why_down.push(why.clone()),
            (Some(Status::Missing), _) => why_down.push("no_device".into()),
            // Not taken, because it is shut or names no device.
            (None, _) if effective.state == State::Shut => {}
            (None, _) => why_down.push("no_device".into()),
        }
        // What passed through a link is its vEths' and what belonged to none of them.
        let mut counters = account.counters;
        if let InterfaceId::Ethernet(id) = interface {
            for other in all {
                if let InterfaceId::Veth(veth) = other.interface
                    && self.bound_to(veth) == Some(id)
                {
                    counters.merge(&other.counters);
                }
            }
            // What its vEths got of lists left in frames that are its own.
            counters.egress.listed = niv::Total::default();
        }
        // A vEth of the control protocol is the same through restarts; all else counts from the daemon's start.
        if let Some((_, record)) = vnic {
            counters = record.earlier.saturating_add(&counters);
        }
        let own = matches!(interface, InterfaceId::Ethernet(_));
        let (io_mode, mac, device_mtu) = match status {
            Some(Status::InUse {
                mac, capabilities, ..
            }) if own => (
                Some(capabilities.mode.to_owned()),
                mac,
                Some(capabilities.mtu),
            ),
            _ => (None, None, None),
        };
        Some(Interface {
            interface,
            name: interface.to_string(),
            description: lines.description.as_ref().map(ToString::to_string),
            admin_up: effective.state != State::Shut,
            oper_up: why_down.is_empty(),
            why_down,
            device,
            io_mode,
            mac,
            binding,
            vnic: vnic.map(|(uuid, record)| super::niv_view::vnic(uuid, record)),
            port_profile: lines.inherit.as_ref().map(ToString::to_string),
            mtu: device_mtu.or(effective.mtu.map(|mtu| u32::from(mtu.get()))),
            membership: effective.membership,
            counts: Counts::from(&counters),
            kernel: account.kernel,
        })
    }

    async fn addresses(&self, filter: MacFilter) -> Result<ShowMacAddressTable, SuperviseError> {
        let ask = |worker: &mut Worker<Switching>| {
            let now = worker.forward.now();
            let switch = &worker.forward.switch;
            (switch.addresses(now), switch.guards().secure_addresses(now))
        };
        let (entries, secure) = self.worker.answer(ask).await?;
        let secure = secure.into_iter().flat_map(|(slot, addresses)| {
            let addresses = addresses.into_iter();
            addresses.map(move |one| ((slot, one.vlan, one.mac), one.kind))
        });
        let secure: BTreeMap<_, Secure> = secure.collect();
        let places: BTreeMap<Slot, InterfaceId> = self
            .interfaces()
            .into_iter()
            .filter_map(|interface| Some((self.slots.get(&interface)?, interface)))
            .collect();
        let entries = entries.into_iter().filter_map(|entry| {
            let interface = places.get(&entry.slot)?;
            let secure = secure.get(&(entry.slot, entry.vlan, entry.mac));
            Some(MacEntry {
                vlan: entry.vlan,
                mac: entry.mac,
                kind: match (entry.kind, secure) {
                    (Kind::Dynamic, Some(Secure::Static | Secure::Sticky)) => MacKind::Static,
                    (Kind::Dynamic, Some(Secure::Dynamic) | None) => MacKind::Dynamic,
                },
                secure: secure.is_some(),
                age: Some(u64::from(entry.age_seconds)),
                interface: *interface,
            })
        });
        let wanted = |entry: &MacEntry| match filter {
            MacFilter::All => true,
            MacFilter::Dynamic => entry.kind == MacKind::Dynamic,
            MacFilter::Static => entry.kind == MacKind::Static,
            MacFilter::Address(mac) => entry.mac == mac,
            MacFilter::Vlan(vlan) => entry.vlan == vlan,
            MacFilter::Interface(interface) => entry.interface == interface,
        };
        Ok(ShowMacAddressTable {
            schema: SCHEMA,
            entries: entries.filter(wanted).collect(),
        })
    }

    /// Of an interface of which nothing is said, the heading: it is there.
    fn running_config_of(&self, part: Context) -> Result<String, LookError> {
        if let Some(text) = self.said.running_config_of(&part) {
            return Ok(text);
        }
        match part {
            Context::Interface(one) if self.effective(one).is_none() => {
                Err(LookError::NoInterface(one))
            }
            Context::Interface(InterfaceId::Ethernet(id)) => {
                Ok(format!("interface ethernet{id}\n"))
            }
            Context::Interface(InterfaceId::Veth(id)) => Ok(format!("interface veth{id}\n")),
            Context::Profile(name) => Err(LookError::NoProfile(name)),
            Context::AccessList(_, name) => Err(LookError::NoList(name)),
            Context::Config | Context::Vlan(_) => Ok(String::new()),
        }
    }

    async fn address_count(&self) -> Result<ShowMacCount, SuperviseError> {
        let all = self.addresses(MacFilter::All).await?.entries;
        let dynamic = all.iter().filter(|entry| entry.kind == MacKind::Dynamic);
        let dynamic = dynamic.count();
        Ok(ShowMacCount {
            schema: SCHEMA,
            dynamic,
            r#static: all.len() - dynamic,
            room: super::run::ADDRESSES.get() as usize,
        })
    }

    /// Ports that are down are listed too, whatever holds them down: it is their place that is asked for, as nxos
    /// answers. `show interface` says whether they forward.
    fn vlans(&self, filter: &VlanFilter) -> Result<ShowVlan, LookError> {
        let members: Vec<(InterfaceId, Membership)> = self
            .interfaces()
            .into_iter()
            .filter_map(|interface| Some((interface, self.effective(interface)?.membership)))
            .collect();
        let wanted = |(vlan, settings): &(&VlanId, &Vlan)| match filter {
            VlanFilter::All => true,
            VlanFilter::Ids(vlans) => vlans.contains(**vlan),
            VlanFilter::Name(name) => settings.called(**vlan) == name.as_str(),
        };
        let entries = self.config.vlans.iter().filter(wanted);
        let entries = entries.map(|(&vlan, settings)| {
            let member = |membership: &Membership| match membership {
                Membership::Vntag => false,
                Membership::Access { vlan: own } => *own == vlan,
                Membership::Trunk { native, allowed } => *native == vlan || allowed.contains(vlan),
                Membership::Private(membership) => private_vlan::is_listed(membership, vlan),
            };
            let ports = members.iter().filter(|(_, membership)| member(membership));
            VlanEntry {
                vlan,
                name: settings.called(vlan),
                status: settings.lines.state().to_owned(),
                ports: ports.map(|&(interface, _)| interface).collect(),
            }
        });
        let vlans: Vec<VlanEntry> = entries.collect();
        match filter {
            VlanFilter::Ids(ids) if vlans.is_empty() => Err(LookError::NoVlan(ids.to_string())),
            VlanFilter::Name(name) if vlans.is_empty() => Err(LookError::NoVlan(name.to_string())),
            _ => Ok(ShowVlan {
                schema: SCHEMA,
                vlans,
            }),
        }
    }

    pub(super) fn version(&self) -> ShowVersion {
        // Both files are the kernel's; without /proc there is nothing to say.
        let read = |path| {
            std::fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        ShowVersion {
            schema: SCHEMA,
            program: PROGRAM.into(),
            release: RELEASE.into(),
            hostname: self.hostname(),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease")),
            pid: std::process::id(),
            uptime: self.started.elapsed().as_secs(),
            kernel_uptime: read("/proc/uptime")
                .split('.')
                .next()
                .and_then(|s| s.parse().ok())
                .unwrap_or(0),
        }
    }
}

/// Whether the link that is asked about is one: an empty table would say that there is nothing on it.
fn exists(said: &Config, request: NivRequest) -> Result<(), LookError> {
    let (NivRequest::Vif(Some(id)) | NivRequest::List(Some(id))) = request else {
        return Ok(());
    };
    let link = InterfaceId::Ethernet(id);
    match said.effective_ethernet(id) {
        None => Err(LookError::NoInterface(link)),
        Some(effective) if effective.membership != Membership::Vntag => {
            Err(LookError::NotNiv(link))
        }
        Some(_) => Ok(()),
    }
}

/// Those that lost something, ethernets first.
fn drops(accounts: &[Account]) -> ShowDrops {
    let of = |direction: &str, dropped: &Dropped| {
        let drops = dropped.iter().map(|(reason, frames)| Drops {
            direction: direction.to_owned(),
            reason: reason.to_string(),
            frames,
            explanation: reason.explain().to_owned(),
        });
        drops.collect::<Vec<_>>()
    };
    let interfaces = accounts.iter().map(|account| InterfaceDrops {
        interface: account.interface,
        drops: [
            of("in", &account.counters.ingress.dropped),
            of("out", &account.counters.egress.dropped),
        ]
        .concat(),
    });
    ShowDrops {
        schema: SCHEMA,
        interfaces: interfaces.filter(|one| !one.drops.is_empty()).collect(),
    }
}

fn kernel_counts(balance: &Balance) -> KernelCounts {
    KernelCounts {
        rx_packets: balance.kernel.rx_packets,
        rx_dropped: balance.kernel.rx_dropped,
        tx_packets: balance.kernel.tx_packets,
        tx_dropped: balance.kernel.tx_dropped,
        taken: balance.passed.taken,
        ring_dropped: balance.passed.queue.dropped,
        handed: balance.passed.handed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    #[test]
    fn there_is_nothing_to_see_on_a_link_that_is_none() {
        let text =
            "interface ethernet 1\n switchport mode vntag\ninterface ethernet 2\n device b\n";
        let said = parse(text, "t").unwrap().0;
        for request in [NivRequest::Vif, NivRequest::List] {
            let of = |id: u32| {
                let answer = exists(&said, request(Some(id.try_into().unwrap())));
                answer.map_err(|error| error.to_string())
            };
            assert_eq!(of(1), Ok(()));
            assert!(of(2).unwrap_err().starts_with("Ethernet2 is no NIV port"));
            assert!(of(9).unwrap_err().starts_with("there is no Ethernet9"));
            assert!(exists(&said, request(None)).is_ok());
        }
    }
}
