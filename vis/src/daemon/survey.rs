//! `show module`, `show port-profile` and `show tech-support`: what is put together from other shows.

use super::run::Daemon;
use super::view::LookError;
use crate::client::{PROGRAM, RELEASE};
use crate::config::{EthernetId, InterfaceId, ProfileName};
use crate::control::guard::{GuardRequest, ShowGuard};
use crate::control::interfaces::InterfaceTable;
use crate::control::niv::{NivLink, NivRequest};
use crate::control::show::{Answer, SCHEMA, ShowRequest};
use crate::control::switch::{
    MAX_ROWS, MacFilter, Module, PortProfile, ShowModule, ShowPortProfile, ShowTechSupport,
    TechPart, VlanFilter,
};

/// The slot of the interface virtualizer behind ethernet 1 is this one and 1: slot 2 stays empty, so that a
/// pair of switches has room.
const BEFORE_VIRTUALIZERS: u16 = 2;

impl Daemon {
    pub(super) async fn modules(&self) -> ShowModule {
        let version = self.version();
        let switch = Module {
            module: 1,
            ports: self.config.ethernets.len(),
            kind: "Virtual Interface Switch".to_owned(),
            model: PROGRAM.to_owned(),
            status: "active *".to_owned(),
            software: Some(RELEASE.to_owned()),
            host: Some(version.hostname),
            identity: None,
            link: None,
        };
        let links = self.niv_links().await.links;
        let virtualizers = links.iter().filter_map(|link| match link.link {
            InterfaceId::Ethernet(id) => Some(virtualizer(id, link)),
            InterfaceId::Veth(_) => None,
        });
        ShowModule {
            schema: SCHEMA,
            modules: std::iter::once(switch).chain(virtualizers).collect(),
        }
    }

    pub(super) fn port_profiles(
        &self,
        one: Option<ProfileName>,
        expand: bool,
    ) -> Result<ShowPortProfile, LookError> {
        let config = &self.config;
        if let Some(name) = &one
            && !config.profiles.contains_key(name)
        {
            return Err(LookError::NoProfile(name.clone()));
        }
        let wanted = config
            .profiles
            .iter()
            .filter(|(name, _)| one.as_ref().is_none_or(|one| one == *name));
        let profiles = wanted.map(|(name, lines)| {
            let ancestors = config.ancestors(lines).into_iter();
            let inherits = |inherit: &Option<ProfileName>| inherit.as_ref() == Some(name);
            let children = config.profiles.iter();
            let children = children.filter(|(_, child)| inherits(&child.inherit));
            let ethernets = config.ethernets.iter();
            let ethernets = ethernets.filter(|(_, one)| inherits(&one.lines.inherit));
            let ethernets = ethernets.map(|(&id, _)| InterfaceId::Ethernet(id));
            let veths = config.veths.iter();
            let veths = veths.filter(|(_, one)| inherits(&one.lines.inherit));
            let veths = veths.map(|(&id, _)| InterfaceId::Veth(id));
            PortProfile {
                name: name.clone(),
                description: lines.description.as_ref().map(ToString::to_string),
                ancestors: ancestors.map(|(name, _)| name.clone()).collect(),
                lines: lines.text().lines().map(|l| l.trim().to_owned()).collect(),
                expanded: expand.then(|| config.profile_origins(name)),
                inherited_by: children.map(|(name, _)| name.clone()).collect(),
                assigned_to: ethernets.chain(veths).collect(),
            }
        });
        Ok(ShowPortProfile {
            schema: SCHEMA,
            profiles: profiles.collect(),
        })
    }

    pub(super) async fn tech_support(&self) -> Result<ShowTechSupport, LookError> {
        let table = ShowRequest::InterfaceTable;
        let shows = [
            ("show version", ShowRequest::Version),
            ("show module", ShowRequest::Module),
            ("show running-config", ShowRequest::RunningConfig),
            ("show interface status", table(InterfaceTable::Status)),
            ("show interface brief", table(InterfaceTable::Brief)),
            ("show interface counters", table(InterfaceTable::Counters)),
            ("show interface", ShowRequest::Interface { interface: None }),
            ("show mac address-table count", ShowRequest::MacCount),
            (
                "show mac address-table",
                ShowRequest::MacAddressTable(MacFilter::All),
            ),
            ("show vlan", ShowRequest::Vlan(VlanFilter::All)),
            ("show access-lists", ShowRequest::AccessLists(None)),
            ("show vlan private-vlan", ShowRequest::PrivateVlan),
            (
                "show port-profile",
                ShowRequest::PortProfile {
                    name: None,
                    expand: false,
                },
            ),
            (
                "show interface status err-disabled",
                ShowRequest::Guard(GuardRequest::Shut),
            ),
            (
                "show port-security",
                ShowRequest::Guard(GuardRequest::Security),
            ),
            (
                "show bridge-guard",
                ShowRequest::Guard(GuardRequest::Bridges),
            ),
            ("show niv link", ShowRequest::Niv(NivRequest::Link)),
            ("show niv vif", ShowRequest::Niv(NivRequest::Vif(None))),
            ("show niv list", ShowRequest::Niv(NivRequest::List(None))),
            ("show policer", ShowRequest::Policer(None)),
            ("show drops", ShowRequest::Drops),
            ("show conservation", ShowRequest::Conservation),
        ];
        let mut parts = Vec::new();
        for (command, request) in shows {
            let mut answer = Box::pin(self.look(request)).await?;
            let left_out = shorten(&mut answer);
            parts.push(TechPart {
                command: command.to_owned(),
                answer,
                left_out,
            });
        }
        Ok(ShowTechSupport {
            schema: SCHEMA,
            parts,
        })
    }
}

fn virtualizer(id: EthernetId, link: &NivLink) -> Module {
    let peer = link.peer.as_ref();
    let said = peer.and_then(|peer| peer.software.as_deref());
    // `iv 0.1.0`
    let mut words = said.unwrap_or_default().split_whitespace();
    let model = words.next().unwrap_or("-").to_owned();
    Module {
        module: id.get() + BEFORE_VIRTUALIZERS,
        ports: link.vifs.used,
        kind: "Interface Virtualizer".to_owned(),
        model,
        status: if link.state == "up" {
            "ok"
        } else {
            "powered-dn"
        }
        .to_owned(),
        software: words.next().map(str::to_owned),
        host: peer.map(|peer| peer.name.clone()),
        identity: peer.map(|peer| peer.identity.clone()),
        link: Some(link.link),
    }
}

/// Cuts what can be long to [`MAX_ROWS`] rows, and says how many it cut. A configuration is left whole: it is
/// bounded, and half of one is of no use.
fn shorten(answer: &mut Answer) -> usize {
    fn cut<T>(rows: &mut Vec<T>) -> usize {
        let left_out = rows.len().saturating_sub(MAX_ROWS);
        rows.truncate(MAX_ROWS);
        left_out
    }
    match answer {
        Answer::AccessLists(answer) => cut(&mut answer.lists),
        Answer::Conservation(answer) => cut(&mut answer.interfaces),
        Answer::Diff(answer) => cut(&mut answer.lines),
        Answer::Drops(answer) => cut(&mut answer.interfaces),
        Answer::Guard(ShowGuard::Addresses(answer)) => cut(&mut answer.addresses),
        Answer::Guard(ShowGuard::Security(answer)) => cut(&mut answer.interfaces),
        Answer::Guard(ShowGuard::Shut(answer)) => cut(&mut answer.interfaces),
        Answer::History(answer) => cut(&mut answer.changes),
        Answer::PrivateVlan(answer) => cut(&mut answer.vlans),
        Answer::Interface(answer) => cut(&mut answer.interfaces),
        Answer::InterfaceBrief(answer) => cut(&mut answer.interfaces),
        Answer::InterfaceCounters(answer) => cut(&mut answer.interfaces),
        Answer::InterfaceStatus(answer) => cut(&mut answer.interfaces),
        Answer::MacAddressTable(answer) => cut(&mut answer.entries),
        Answer::NivVif(answer) => cut(&mut answer.vifs),
        Answer::NivList(answer) => cut(&mut answer.lists),
        Answer::Plan(answer) => cut(&mut answer.interfaces),
        Answer::Policer(answer) => cut(&mut answer.policers),
        Answer::PortProfile(answer) => cut(&mut answer.profiles),
        Answer::Vlan(answer) => cut(&mut answer.vlans),
        // Of 64 links at most, or one value.
        Answer::Explain(_)
        | Answer::Guard(_)
        | Answer::MacCount(_)
        | Answer::Module(_)
        | Answer::NivLink(_)
        | Answer::RunningConfig(_)
        | Answer::TechSupport(_)
        | Answer::Version(_) => 0,
    }
}
