//! `explain frame`: the worker's own switch is asked, and its steps are put into words, with the lines that
//! decided them.

mod filters;
mod guard;
mod rate;

pub(super) use rate::dscp;

use super::compile::port_id;
use super::forward::complete;
use super::private_vlan;
use super::run::Daemon;
use super::view::LookError;
use crate::config::{self, About, InterfaceId, OriginatedLine, PrivateMembership, State};
use crate::control::explain::{
    ExplainRequest, ExplainedCopy, ExplainedVlanTag, ExplainedVnTag, FrameOctets, Hex, MAX_COPIES,
    Reason, ShowExplain, Stage, Verdict,
};
use crate::control::show::SCHEMA;
use crate::switch::{Copy, Explanation, GuardStep, Learned, Membership, Step};
use niv::{DropReason, Gather, Mac, PortId, VifId, VlanId};
use packet_io::dispatch::Dispatcher;
use packet_io::supervise::{Status, SuperviseError};
use packet_io::{Capabilities, Outgoing, Refusal, Transmit, TxFrame};
use std::collections::BTreeMap;
use std::sync::Arc;
use vntag::{Direction, Dvif, Frame, Svif, Version, VnTag};

impl Daemon {
    pub(super) async fn explain(&self, request: &ExplainRequest) -> Result<ShowExplain, LookError> {
        let FrameOctets(typed) = request.frame.parse()?;
        let from = request.from;
        if self.effective(from).is_none() {
            return Err(LookError::NoInterface(from));
        }
        let (link, octets) = match from {
            InterfaceId::Ethernet(id) => (id, typed),
            InterfaceId::Veth(id) => {
                let bind = self.config.veths.get(&id).and_then(|veth| veth.bind);
                let bind = bind.ok_or(LookError::NoChannel(from))?;
                (bind.ethernet, tagged(&typed, bind.channel))
            }
        };
        let device = port_id(link);
        let octets: Arc<[u8]> = octets.into();
        let asked = Arc::clone(&octets);
        let explanation = self
            .worker
            .answer(move |worker| worker.forward.explain(device, &asked))
            .await
            .map_err(SuperviseError::from)?;
        let mut words = Words {
            daemon: self,
            interfaces: self.by_slot(),
            octets: &octets,
            vlan: None,
            owner: None,
            vid: explanation.tag.map_or(0, |tag| tag.tci & 0x0FFF),
        };
        let link = InterfaceId::Ethernet(link);
        Ok(words.explain(from, link, &explanation))
    }

    fn by_slot(&self) -> BTreeMap<u16, InterfaceId> {
        let interfaces = self.interfaces().into_iter();
        let placed = interfaces.filter_map(|one| Some((self.slots.get(&one)?.index, one)));
        placed.collect()
    }
}

/// What a guest sends, as its interface virtualizer sends it on.
fn tagged(frame: &[u8], vif: VifId) -> Vec<u8> {
    let tag = VnTag {
        direction: Direction::ToBridge,
        pointer: false,
        dvif: Dvif::ZERO,
        looped: false,
        reserved: false,
        version: Version::ZERO,
        svif: Svif::from(vif),
    };
    // A frame without a whole header has no place for a tag; the switch says so.
    Gather::new(frame, vntag::ETHERTYPE_AT as u16, Some(tag), None).map_or_else(
        |_| frame.to_vec(),
        |gather| [gather.head.as_bytes(), gather.rest(frame)].concat(),
    )
}

/// Steps in words.
struct Words<'a> {
    daemon: &'a Daemon,
    interfaces: BTreeMap<u16, InterfaceId>,
    octets: &'a [u8],
    /// The frame's, once that is known.
    vlan: Option<VlanId>,
    /// Whose it is, once that is known.
    owner: Option<InterfaceId>,
    /// Of its outer VLAN tag; 0: it has none.
    vid: u16,
}

impl Words<'_> {
    fn explain(
        &mut self,
        from: InterfaceId,
        link: InterfaceId,
        explanation: &Explanation,
    ) -> ShowExplain {
        let mut stages: Vec<Stage> = Vec::new();
        for step in &explanation.steps {
            stages.extend(self.stage(*step, None));
        }
        let counts = &explanation.counters.ingress;
        let (verdict, reason) = match counts.dropped.iter().next() {
            Some((reason, _)) => (Verdict::Dropped, Some(reason)),
            None if counts.consumed > 0 => (Verdict::Consumed, None),
            None if counts.flooded > 0 => (Verdict::Flooded, None),
            None => (Verdict::Forwarded, None),
        };
        if reason == Some(DropReason::NoMember) {
            stages.push(stage("members", false, DropReason::NoMember.explain()));
        }
        let explained = explanation.copies.iter().take(MAX_COPIES);
        let copies: Vec<ExplainedCopy> = explained.map(|copy| self.copy(copy)).collect();
        let (destination, source) = addresses(self.octets);
        ShowExplain {
            schema: SCHEMA,
            from,
            received_on: link,
            received: self.octets.into(),
            destination,
            source,
            vntag: vntag_of(self.octets),
            vlan_tag: explanation.tag.map(|tag| ExplainedVlanTag {
                tpid: tag.tpid,
                vid: tag.tci & 0x0FFF,
                priority: (tag.tci >> 13) as u8,
            }),
            owner: self.owner,
            stages,
            verdict,
            reason: reason.map(Reason::from),
            more_copies: explanation.copies.len() - copies.len(),
            copies,
        }
    }

    fn copy(&mut self, copy: &Copy) -> ExplainedCopy {
        let only = copy.to.first().filter(|_| copy.list.is_none());
        let only = only.and_then(|&index| self.interfaces.get(&index)).copied();
        let mut stages = Vec::new();
        if let Some((_, list)) = copy.list {
            let says = format!(
                "one copy for all members of list {}, who get the same octets",
                list.get()
            );
            stages.push(stage("list", true, says));
        }
        for step in &copy.steps {
            stages.extend(self.stage(*step, only));
        }
        let to = copy
            .to
            .iter()
            .filter_map(|index| self.interfaces.get(index));
        let (sent_on, octets, reason) = match &copy.fate {
            Ok(outgoing) => (
                self.device(outgoing.port),
                Some(Hex::from(&*written(self.octets, outgoing))),
                self.not_taken(outgoing.port),
            ),
            Err(reason) => (None, None, Some(Reason::from(*reason))),
        };
        ExplainedCopy {
            to: to.copied().collect(),
            list: copy.list.map(|(_, list)| list),
            vlan: self.vlan,
            stages,
            sent_on,
            octets,
            reason,
        }
    }

    fn device(&self, port: PortId) -> Option<InterfaceId> {
        let mut ethernets = self.daemon.config.ethernets.keys();
        let id = ethernets.find(|&&id| port_id(id) == port)?;
        Some(InterfaceId::Ethernet(*id))
    }

    /// What keeps a device from sending anything now.
    fn not_taken(&self, port: PortId) -> Option<Reason> {
        match self.daemon.supervisor.status(port) {
            Some(Status::InUse { carrier: true, .. }) => None,
            _ => Some(DropReason::PortDown.into()),
        }
    }

    /// A step about the frame, or about a copy for `to`.
    fn stage(&mut self, step: Step, to: Option<InterfaceId>) -> Option<Stage> {
        Some(match step {
            Step::Arrival(owner, result) => {
                self.owner = owner.and_then(|owner| self.interfaces.get(&owner).copied());
                match (result, self.owner) {
                    (Err(reason), _) => refused("tag", reason, Vec::new()),
                    (Ok(()), Some(owner @ InterfaceId::Veth(_))) => {
                        let says = format!("the VNTag names a VIF of this link, which is {owner}");
                        let mut stage = stage("tag", true, says);
                        stage.lines = Vec::new();
                        stage
                    }
                    (Ok(()), Some(owner)) => {
                        let says = format!("no VNTag, as it should be on a plain port: {owner}");
                        stage("tag", true, says)
                    }
                    (Ok(()), None) => stage("tag", true, "it belongs to an interface"),
                }
            }
            Step::Control => stage("tag", true, "it is link control's, and ends there"),
            Step::Odd(anomaly) => stage("odd", true, anomaly.explain()),
            Step::Standing(Err(reason @ DropReason::ErrDisabled)) => {
                self.guard(GuardStep::Standing(Err(reason)))
            }
            Step::Standing(result) => self.state(result, self.owner),
            Step::Reachable(result) => self.state(result, to),
            Step::Addresses(Ok(())) => stage("addresses", true, "the source is one station's"),
            Step::Addresses(Err(reason)) => refused("addresses", reason, Vec::new()),
            Step::LinkLocal(false) => stage(
                "link_local",
                true,
                "the destination is not for this link alone",
            ),
            Step::LinkLocal(true) => {
                let says = "the destination is for this link alone: no switch passes it on";
                stage("link_local", true, says)
            }
            Step::Classify(result) => {
                self.vlan = result.ok();
                let config = &self.daemon.config;
                let mut lines = self.vlan_lines(self.owner);
                match result {
                    Ok(vlan) => {
                        lines.extend(config.vlan_origins(vlan));
                        let says = format!("it is in {}", private_vlan::vlan_words(config, vlan));
                        with(stage("vlan", true, says), lines)
                    }
                    Err(reason) => {
                        let membership = self.membership(self.owner);
                        let vlan = membership.and_then(|one| private_vlan::vlan_of(&one, self.vid));
                        let inactive = vlan.filter(|_| reason == DropReason::VlanInactive);
                        lines.extend(
                            inactive
                                .map(|vlan| config.vlan_origins(vlan))
                                .into_iter()
                                .flatten(),
                        );
                        refused("vlan", reason, lines)
                    }
                }
            }
            Step::Filter(step) => self.filtered(step, if step.outward { to } else { self.owner }),
            Step::Learn(learned) => stage("learn", true, learning(learned)),
            Step::Group => stage("lookup", true, "a group: to all others in the VLAN"),
            Step::Lookup(Some(at)) => match self.interfaces.get(&at) {
                Some(at) => stage("lookup", true, format!("the destination is at {at}")),
                None => stage("lookup", true, "the destination is known"),
            },
            Step::Lookup(None) => {
                let says = "the destination is not known: to all others in the VLAN";
                stage("lookup", true, says)
            }
            Step::SamePort => refused("lookup", DropReason::SamePort, Vec::new()),
            Step::Member(result) => {
                let mut lines = self.vlan_lines(to);
                let role = self
                    .membership(to)
                    .and_then(|one| private_vlan::role_words(&one));
                match result {
                    Ok(membership) => {
                        let how = match membership {
                            Membership::Tagged => "with a VLAN tag".to_owned(),
                            Membership::TaggedAs(vlan) => format!("with a tag of VLAN {vlan}"),
                            Membership::Untagged | Membership::No => {
                                "without a VLAN tag".to_owned()
                            }
                        };
                        let vlan = self.vlan.map_or(0, VlanId::get);
                        let is = role.unwrap_or_else(|| format!("in VLAN {vlan}"));
                        let says = format!("{} is {is}, {how}", name(to));
                        with(stage("member", true, says), lines)
                    }
                    Err(reason) => {
                        let mut words = Vec::new();
                        if reason == DropReason::PrivateVlan {
                            let config = &self.daemon.config;
                            words = self
                                .vlan
                                .map(|vlan| private_vlan::vlan_words(config, vlan))
                                .into_iter()
                                .collect();
                            lines.extend(
                                self.vlan
                                    .map(|vlan| config.vlan_origins(vlan))
                                    .into_iter()
                                    .flatten(),
                            );
                        }
                        let mut stage = refused("member", reason, lines);
                        if let (Some(vlan), Some(role)) = (words.first(), role) {
                            stage.says =
                                format!("{} It is in {vlan}; {} is {role}.", stage.says, name(to));
                        }
                        stage
                    }
                }
            }
            Step::Fits(result) => {
                let lines = self.lines(to, &[About::Mtu]);
                match result {
                    Ok(()) => with(stage("mtu", true, "it is short enough"), lines),
                    Err(reason) => refused("mtu", reason, lines),
                }
            }
            Step::Rate(step) => self.rate(step, to),
            Step::Guard(step) => self.guard(step),
            Step::CopyFor(_) | Step::CopyForList(..) | Step::ListTooSmall(_) => return None,
        })
    }

    /// Whether an interface takes part.
    fn state(&self, result: Result<(), DropReason>, of: Option<InterfaceId>) -> Stage {
        let Err(reason) = result else {
            let says = format!("{} takes part", name(of));
            return with(
                stage("state", true, says),
                self.lines(of, &[About::Shutdown]),
            );
        };
        let effective = of.and_then(|of| self.daemon.effective(of));
        let (why, lines) = match (effective.map(|effective| effective.state), of) {
            (Some(State::ProfileIncomplete { why }), Some(of)) => {
                (why.join("; "), self.daemon.config.incomplete(of))
            }
            _ => (String::new(), self.lines(of, &[About::Shutdown])),
        };
        let mut stage = refused("state", reason, lines);
        if !why.is_empty() {
            stage.says = format!("{} {why}.", stage.says);
        }
        stage
    }

    fn membership(&self, of: Option<InterfaceId>) -> Option<config::Membership> {
        Some(self.daemon.effective(of?)?.membership)
    }

    /// What says which VLANs a port is in.
    fn vlan_lines(&self, of: Option<InterfaceId>) -> Vec<OriginatedLine> {
        let mut lines = self.lines(of, VLANS);
        let config = &self.daemon.config;
        let is_trunk = match self.membership(of) {
            Some(config::Membership::Trunk { .. }) => true,
            Some(config::Membership::Private(private)) => {
                matches!(private, PrivateMembership::Trunk { .. })
            }
            _ => false,
        };
        lines.extend(config.tag_native_origin().filter(|_| is_trunk));
        lines
    }

    fn lines(&self, of: Option<InterfaceId>, about: &[About]) -> Vec<OriginatedLine> {
        let Some(of) = of else {
            return Vec::new();
        };
        let mut lines = self.daemon.config.origins(of);
        lines.retain(|line| about.contains(&line.about));
        lines
    }
}

/// What says which VLANs a port is in.
const VLANS: &[About] = &[
    About::Mode,
    About::AccessVlan,
    About::NativeVlan,
    About::AllowedVlans,
    About::PrivateVlan,
];

fn stage(stage: &str, passes: bool, says: impl Into<String>) -> Stage {
    Stage {
        stage: stage.into(),
        passes,
        says: says.into(),
        lines: Vec::new(),
    }
}

fn with(mut stage: Stage, lines: Vec<OriginatedLine>) -> Stage {
    stage.lines = lines;
    stage
}

fn refused(name: &str, reason: DropReason, lines: Vec<OriginatedLine>) -> Stage {
    with(stage(name, false, reason.explain()), lines)
}

fn name(of: Option<InterfaceId>) -> String {
    of.map_or_else(|| "the interface".to_owned(), |of| of.to_string())
}

const fn learning(learned: Learned) -> &'static str {
    match learned {
        Learned::Known => "the source is known here",
        Learned::New => "the source is new, and would be learned here",
        Learned::NewForAnother => {
            "the source is new, and would be learned in place of another: the table is full"
        }
        Learned::Moved => "the source was elsewhere, and would move here",
        Learned::AtPromiscuous => {
            "the source stays elsewhere: it is an address of a promiscuous port of this private VLAN"
        }
        Learned::Held => "the source stays elsewhere: it moved too often",
        Learned::NotOpen => "the source would not be learned: the interface is not open",
    }
}

fn addresses(octets: &[u8]) -> (Mac, Mac) {
    Frame::new(octets).map_or((Mac([0; 6]), Mac([0; 6])), |frame| {
        (Mac(frame.destination()), Mac(frame.source()))
    })
}

fn vntag_of(octets: &[u8]) -> Option<ExplainedVnTag> {
    let tag = Frame::new(octets).ok()?.vntag()?.ok()?.tag();
    Some(ExplainedVnTag {
        from_bridge: tag.direction == Direction::FromBridge,
        pointer: tag.pointer,
        dvif: tag.dvif.get(),
        looped: tag.looped,
        reserved: tag.reserved,
        version: tag.version.get(),
        svif: tag.svif.get(),
    })
}

/// A device that keeps what it is handed.
#[derive(Default)]
struct Written(Vec<u8>);

impl Transmit for Written {
    fn send(&mut self, frames: &[TxFrame<'_>], _refused: &mut dyn FnMut(usize, Refusal)) {
        for frame in frames {
            self.0.extend(frame.pieces().flatten());
        }
    }
}

/// The octets that are handed to the device, by the same code as on the data path.
fn written(octets: &[u8], copy: &Outgoing) -> Vec<u8> {
    let mut device = Written::default();
    let takes_all = Capabilities {
        mode: "memory",
        mtu: u32::MAX,
        offload: false,
        long: 0,
    };
    Dispatcher::new().send(
        &mut device,
        &takes_all,
        // Every port pads (`super::compile::wanted`).
        true,
        &[complete(octets)],
        std::slice::from_ref(copy),
        &mut |_, _, _| {},
    );
    device.0
}
