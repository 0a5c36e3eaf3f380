//! A line changes the configuration, or is refused because of what the configuration already says.

use super::grammar::Mode;
use super::guard::GuardLine;
use super::line::{Allow, Line, PortLine};
use super::lists::{MAX_LIST_LINES, MAX_LISTS};
use super::model::{
    Allowed, Binding, Config, EthernetId, Grantee, InterfaceId, MAX_GRANTEES, MAX_PROFILES,
    PortLines, Privilege, Subtype, VethId, Vic, VicAuthentication, Vlan,
};
use super::name::{DeviceName, ProfileName, VlanName};
use super::vlan_lines;
use niv::{Mac, VlanId, VlanSet};
use policy::acl::{Family, ListError, ListName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use vic::Parameters;

/// What the lines that follow are about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// The switch as a whole.
    #[default]
    Config,
    /// These VLANs.
    Vlan(Box<VlanSet>),
    /// This access list.
    AccessList(Family, ListName),
    /// This profile.
    Profile(ProfileName),
    /// This interface.
    Interface(InterfaceId),
}

impl Context {
    /// The commands that are understood here, besides those of [`Mode::Config`].
    pub const fn mode(&self) -> Mode {
        match self {
            Self::Config => Mode::Config,
            Self::Vlan(_) => Mode::Vlan,
            Self::AccessList(family, _) => Mode::AccessList(*family),
            Self::Profile(_) => Mode::Profile,
            Self::Interface(InterfaceId::Ethernet(_)) => Mode::Ethernet,
            Self::Interface(InterfaceId::Veth(_)) => Mode::Veth,
        }
    }
}

/// The line that enters it.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("configure"),
            Self::Vlan(vlans) => write!(f, "vlan {vlans}"),
            Self::AccessList(family, name) => {
                write!(f, "{} access-list {name}", family.as_str())
            }
            Self::Profile(name) => write!(f, "port-profile {name}"),
            Self::Interface(InterfaceId::Ethernet(id)) => write!(f, "interface ethernet {id}"),
            Self::Interface(InterfaceId::Veth(id)) => write!(f, "interface vethernet {id}"),
        }
    }
}

/// A line that contradicts what is there. The configuration is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// It is what ports are in when nothing else is said.
    #[error("VLAN 1 always exists and cannot be taken away: expected other VLANs")]
    Vlan1,
    /// It is what ports are in when nothing else is said.
    #[error("VLAN 1 is always active and is no private VLAN: expected other VLANs")]
    OrdinaryVlan1,
    /// A secondary VLAN is of one primary one.
    #[error(
        "secondary VLANs belong to one VLAN and `vlan {0}` is several: expected `vlan N` with one number before it"
    )]
    OneAssociationForSeveral(Box<VlanSet>),
    /// A name names one.
    #[error(
        "a name belongs to one VLAN and `vlan {0}` is several: expected `vlan N` with one number before it"
    )]
    OneNameForSeveral(Box<VlanSet>),
    /// A name says which VLAN is meant.
    #[error("VLAN {owner} is called {name} already: expected a name that no other VLAN has")]
    NameTaken {
        /// The name.
        name: VlanName,
        /// Whose it is.
        owner: VlanId,
    },
    /// One reader per device.
    #[error("device {device} already belongs to {owner}: expected a device that no interface has")]
    DeviceTaken {
        /// The device.
        device: DeviceName,
        /// Whose it is.
        owner: InterfaceId,
    },
    /// One vNIC per channel.
    #[error(
        "channel {} of {} already belongs to {owner}: expected a channel that no vEth has",
        binding.channel,
        InterfaceId::Ethernet(binding.ethernet)
    )]
    ChannelTaken {
        /// The place.
        binding: Binding,
        /// Whose it is.
        owner: InterfaceId,
    },
    /// An address is behind one port.
    #[error(
        "{} is already a secure address of {owner}: expected an address that no other interface has",
        mac.dotted()
    )]
    SecureTaken {
        /// The address.
        mac: Mac,
        /// Whose it is.
        owner: InterfaceId,
    },
    /// No more fit.
    #[error("there are {MAX_PROFILES} port profiles, which is the limit: expected one of those")]
    TooManyProfiles,
    /// A name is of one list.
    #[error(
        "there is `{family} access-list {name}`, and a name is of one list: expected another name, or `no {family} \
        access-list {name}` first"
    )]
    OtherFamily {
        /// The name.
        name: ListName,
        /// As the list's first line begins.
        family: &'static str,
    },
    /// Nothing to change.
    #[error("there is no access-list {0}: expected one that is there")]
    NoSuchList(ListName),
    /// Nothing to take away.
    #[error(
        "there is no line `{line}` in access-list {list}: expected one that is there (`show access-lists {list}` lists them)"
    )]
    NoSuchLine {
        /// Its number, or what it says.
        line: String,
        /// Of which list.
        list: ListName,
    },
    /// A private VLAN is made of several.
    #[error("VLAN {0} is the primary VLAN itself: expected VLANs to be secondary to it")]
    AssociatedWithItself(VlanId),
    /// As another VLAN is listed that was given no name.
    #[error("`{name}` is the name of VLAN {owner} where that is given none: expected another one")]
    DefaultName {
        /// The name.
        name: VlanName,
        /// Whose it is.
        owner: VlanId,
    },
    /// Nothing to take away.
    #[error("port-profile {0} is not among those allowed here: expected one of them")]
    NotAllowed(ProfileName),
    /// All are allowed, but for none.
    #[error(
        "every port-profile is allowed here: expected `vic allowed port-profile` with those that are to be"
    )]
    AllAllowed,
    /// Without a name, the line allows all.
    #[error(
        "nothing would be left of `vic allowed port-profile`, and without it every one is allowed: expected others to \
         be allowed first, or `no vic allowed port-profile` alone"
    )]
    LastAllowed,
    /// The list does not take it.
    #[error("{0}: expected a line that the list takes")]
    List(#[from] ListError),
    /// No more fit.
    #[error("there are {MAX_LISTS} access-lists, which is the limit: expected one of those")]
    TooManyLists,
    /// No more fit.
    #[error(
        "all access-lists together have {MAX_LIST_LINES} lines, which is the limit: expected lines to be taken away first"
    )]
    TooManyListLines,
    /// What is acknowledged must be told from what is not.
    #[error(
        "VIC would send everything under subtype {0}: expected another one, as the two subtypes must differ \
        (change the one that is in the way first)"
    )]
    SameSubtypes(u16),
    /// The other subtype has it unless something is said.
    #[error("1008 is the subtype of what is acknowledged: expected another one")]
    AcknowledgedSubtype,
    /// No more fit.
    #[error(
        "{MAX_GRANTEES} users and groups have that role, which is the limit: expected a group that many are in"
    )]
    TooManyGrantees,
    /// What the line is about was taken away since its mode was entered. Made anew by this line alone, it would come back
    /// without what it said before, and against the will of whoever took it away.
    #[error("{0} is no more: `{0}` makes it anew")]
    Gone(Context),
    /// A line with `no` names another value than the one there is.
    #[error(
        "what is said here is `{0}`: expected that with `no` in front, or nothing behind the words"
    )]
    OtherSaid(String),
    /// The line is not about anything in this context.
    #[error(
        "this line does not belong to the configuration: expected one that configures something"
    )]
    NotHere,
}

impl Config {
    /// Applies one line said in `context`; the value is the context of the next one.
    ///
    /// # Errors
    /// The line contradicts what is there; nothing has changed.
    pub fn apply(&mut self, context: &Context, line: Line) -> Result<Context, Conflict> {
        match line {
            Line::Hostname(name) => self.hostname = name,
            Line::AgingTime(seconds) => self.aging_time = seconds,
            Line::Errdisable(line) => self.errdisable.apply(line),
            Line::TagNative(tag) => self.tag_native = tag,
            Line::Vlan(vlans) => {
                for vlan in vlans.iter() {
                    self.vlans.entry(vlan).or_default();
                }
                return Ok(Context::Vlan(vlans));
            }
            Line::NoVlan(vlans) => {
                if vlans.contains(VlanId::DEFAULT) {
                    return Err(Conflict::Vlan1);
                }
                self.vlans.retain(|&vlan, _| !vlans.contains(vlan));
                return Ok(Context::Config);
            }
            Line::Profile(name) => {
                if self.profiles.len() >= MAX_PROFILES && !self.profiles.contains_key(&name) {
                    return Err(Conflict::TooManyProfiles);
                }
                self.profiles.entry(name.clone()).or_default();
                return Ok(Context::Profile(name));
            }
            Line::NoProfile(name) => {
                self.profiles.remove(&name);
                return Ok(Context::Config);
            }
            Line::Ethernet(id) => {
                self.ethernets.entry(id).or_default();
                return Ok(Context::Interface(InterfaceId::Ethernet(id)));
            }
            Line::NoEthernet(id) => {
                self.ethernets.remove(&id);
                return Ok(Context::Config);
            }
            Line::Veth(id) => {
                self.veths.entry(id).or_default();
                return Ok(Context::Interface(InterfaceId::Veth(id)));
            }
            Line::NoVeth(id) => {
                self.veths.remove(&id);
                return Ok(Context::Config);
            }
            Line::List(line) => return self.apply_list(context, line),
            Line::VicAuthentication(authentication) => {
                self.authenticate(context, authentication)?;
            }
            Line::VicGrace(grace) => self.vic.grace = grace,
            Line::VicHold(hold) => self.vic.hold = hold,
            Line::VicSubtype(subtype) => {
                self.subtypes(subtype, self.vic.unacknowledged_subtype)?;
            }
            Line::VicUnacknowledgedSubtype(subtype) => self.subtypes(self.vic.subtype, subtype)?,
            Line::VicOui(oui) => self.vic.oui = oui,
            Line::VicRte(rte) => self.vic.rte = rte,
            Line::VicRetries(retries) => self.vic.retries = retries,
            Line::Exit | Line::End => return Ok(Context::Config),
            Line::VlanName(_)
            | Line::OfVlan(_)
            | Line::Device(_)
            | Line::Bind(_)
            | Line::Port(_)
            | Line::VicAllowed(_)
            | Line::VicNotAllowed(_) => {
                self.apply_within(context, line)?;
            }
            Line::Role(privilege, grantee, granted) => self.grant(privilege, grantee, granted)?,
            Line::Unsay(lines) => {
                let (said, line) = *lines;
                self.part(context).check_unsaid(context, said, &line)?;
                return self.apply(context, line);
            }
            Line::Show(_) | Line::Typed(_) | Line::Pipe(_) => return Err(Conflict::NotHere),
        }
        Ok(context.clone())
    }

    /// What is said in `context`, and of the switch as a whole in single lines.
    pub(super) fn part(&self, context: &Context) -> Self {
        let mut part = Self {
            aging_time: self.aging_time,
            tag_native: self.tag_native,
            vic: self.vic.clone(),
            errdisable: self.errdisable.clone(),
            ..Self::empty()
        };
        match context {
            Context::Config => {}
            Context::Vlan(vlans) => {
                let said = self.vlans.iter().filter(|(vlan, _)| vlans.contains(**vlan));
                part.vlans = said.map(|(&vlan, said)| (vlan, said.clone())).collect();
            }
            Context::AccessList(_, name) => part.lists = self.lists.only(name),
            Context::Profile(name) => {
                let said = self.profiles.get_key_value(name);
                part.profiles = said
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .into_iter()
                    .collect();
            }
            Context::Interface(InterfaceId::Ethernet(id)) => {
                let said = self.ethernets.get_key_value(id);
                part.ethernets = said.map(|(k, v)| (*k, v.clone())).into_iter().collect();
            }
            Context::Interface(InterfaceId::Veth(id)) => {
                let said = self.veths.get_key_value(id);
                part.veths = said.map(|(k, v)| (*k, v.clone())).into_iter().collect();
            }
        }
        part
    }

    /// Whether what `line` takes away is what `said` says, or nothing. Another line of its kind was not meant.
    fn check_unsaid(&self, context: &Context, said: Line, line: &Line) -> Result<(), Conflict> {
        let mut without = self.clone();
        without.apply(context, line.clone())?;
        let mut with = self.clone();
        let is_said = with.apply(context, said).is_ok() && with == *self;
        if is_said || without == *self {
            return Ok(());
        }
        let (here, left) = (self.running_config(), without.running_config());
        let mut gone = here
            .lines()
            .filter(|line| !left.lines().any(|other| other == *line));
        let gone = gone.next().unwrap_or_default().trim();
        Err(Conflict::OtherSaid(gone.to_owned()))
    }

    fn apply_within(&mut self, context: &Context, line: Line) -> Result<(), Conflict> {
        let gone = || Conflict::Gone(context.clone());
        match (context, line) {
            (Context::Vlan(vlans), Line::VlanName(name)) => {
                if name.is_some() && vlans.len() > 1 {
                    return Err(Conflict::OneNameForSeveral(vlans.clone()));
                }
                if let Some(name) = &name
                    && let Some(owner) = Vlan::named_by_default(name.as_str())
                    && !vlans.contains(owner)
                {
                    let name = name.clone();
                    return Err(Conflict::DefaultName { name, owner });
                }
                if !vlans.iter().all(|vlan| self.vlans.contains_key(&vlan)) {
                    return Err(gone());
                }
                if let Some(name) = &name {
                    let others = self
                        .vlans
                        .iter()
                        .filter(|(vlan, _)| !vlans.contains(**vlan));
                    let mut taken = others.filter(|(_, vlan)| vlan.name.as_ref() == Some(name));
                    if let Some((&owner, _)) = taken.next() {
                        let name = name.clone();
                        return Err(Conflict::NameTaken { name, owner });
                    }
                }
                for (_, Vlan { name: place, .. }) in
                    (self.vlans.iter_mut()).filter(|(vlan, _)| vlans.contains(**vlan))
                {
                    place.clone_from(&name);
                }
            }
            (Context::Vlan(vlans), Line::OfVlan(line)) => {
                vlan_lines::check(vlans, &line)?;
                if !vlans.iter().all(|vlan| self.vlans.contains_key(&vlan)) {
                    return Err(gone());
                }
                let said = self.vlans.iter_mut();
                let said = said.filter(|(vlan, _)| vlans.contains(**vlan));
                vlan_lines::apply(said.map(|(_, vlan)| vlan), &line);
            }
            (Context::Interface(InterfaceId::Ethernet(id)), Line::Device(device)) => {
                self.check_device(*id, device.as_ref())?;
                self.ethernets.get_mut(id).ok_or_else(gone)?.device = device;
            }
            (Context::Interface(InterfaceId::Veth(id)), Line::Bind(binding)) => {
                self.check_binding(*id, binding)?;
                self.veths.get_mut(id).ok_or_else(gone)?.bind = binding;
            }
            (Context::Interface(InterfaceId::Ethernet(id)), Line::VicAllowed(names)) => {
                let ethernet = self.ethernets.get_mut(id).ok_or_else(gone)?;
                let allowed = &mut ethernet.vic.allowed;
                match names {
                    Some(names) => allowed.get_or_insert_default().extend(names),
                    None => *allowed = None,
                }
            }
            (Context::Interface(InterfaceId::Ethernet(id)), Line::VicNotAllowed(names)) => {
                let ethernet = self.ethernets.get_mut(id).ok_or_else(gone)?;
                disallow(ethernet.vic.allowed.as_mut(), names)?;
            }
            (Context::Interface(InterfaceId::Ethernet(id)), Line::Port(line)) => {
                self.check_secure(InterfaceId::Ethernet(*id), &line)?;
                let ethernet = self.ethernets.get_mut(id).ok_or_else(gone)?;
                ethernet.lines.apply(line);
            }
            (Context::Interface(InterfaceId::Veth(id)), Line::Port(line)) => {
                self.check_secure(InterfaceId::Veth(*id), &line)?;
                let veth = self.veths.get_mut(id).ok_or_else(gone)?;
                veth.lines.apply(line);
            }
            (Context::Profile(name), Line::Port(line)) => {
                let profile = self.profiles.get_mut(name).ok_or_else(gone)?;
                profile.apply(line);
            }
            _ => return Err(Conflict::NotHere),
        }
        Ok(())
    }

    fn grant(
        &mut self,
        privilege: Privilege,
        grantee: Grantee,
        granted: bool,
    ) -> Result<(), Conflict> {
        let roles = match privilege {
            Privilege::Network => &mut self.roles.network,
            Privilege::Operator => &mut self.roles.operator,
        };
        if !granted {
            roles.remove(&grantee);
        } else if roles.len() >= MAX_GRANTEES && !roles.contains(&grantee) {
            return Err(Conflict::TooManyGrantees);
        } else {
            roles.insert(grantee);
        }
        Ok(())
    }

    /// Below an ethernet interface the line is about that port, anywhere else about all of them.
    fn authenticate(
        &mut self,
        context: &Context,
        authentication: Option<VicAuthentication>,
    ) -> Result<(), Conflict> {
        match context {
            Context::Interface(InterfaceId::Ethernet(id)) => {
                let ethernet = self.ethernets.get_mut(id);
                let ethernet = ethernet.ok_or_else(|| Conflict::Gone(context.clone()))?;
                ethernet.vic.authentication = authentication;
            }
            _ => self.vic.authentication = authentication,
        }
        Ok(())
    }

    /// Each line is judged with what the others say by then, and so must any text be that says the outcome. For the two
    /// defaults swapped there is no such text, whichever line comes first: that is refused.
    fn subtypes(
        &mut self,
        acknowledged: Option<Subtype>,
        other: Option<Subtype>,
    ) -> Result<(), Conflict> {
        let vic = Vic {
            subtype: acknowledged,
            unacknowledged_subtype: other,
            ..self.vic.clone()
        };
        let numbers = vic.parameters();
        if numbers.subtype == numbers.unacknowledged_subtype {
            return Err(Conflict::SameSubtypes(numbers.subtype));
        }
        if numbers.unacknowledged_subtype == Parameters::default().subtype {
            return Err(Conflict::AcknowledgedSubtype);
        }
        self.vic = vic;
        Ok(())
    }

    fn check_device(&self, id: EthernetId, device: Option<&DeviceName>) -> Result<(), Conflict> {
        let Some(device) = device else { return Ok(()) };
        let owner = self
            .ethernets
            .iter()
            .find(|(other, ethernet)| **other != id && ethernet.device.as_ref() == Some(device));
        match owner {
            None => Ok(()),
            Some((&owner, _)) => Err(Conflict::DeviceTaken {
                device: device.clone(),
                owner: InterfaceId::Ethernet(owner),
            }),
        }
    }

    fn check_secure(&self, interface: InterfaceId, line: &PortLine) -> Result<(), Conflict> {
        let PortLine::Guard(GuardLine::Address(address, true)) = line else {
            return Ok(());
        };
        let ethernets = self.ethernets.iter();
        let ethernets = ethernets.map(|(&id, one)| (InterfaceId::Ethernet(id), &one.lines));
        let veths = self.veths.iter();
        let veths = veths.map(|(&id, one)| (InterfaceId::Veth(id), &one.lines));
        let mut others = ethernets.chain(veths).filter(|(id, _)| *id != interface);
        match others.find(|(_, lines)| lines.guards.has(address)) {
            None => Ok(()),
            Some((owner, _)) => Err(Conflict::SecureTaken {
                mac: address.mac,
                owner,
            }),
        }
    }

    fn check_binding(&self, id: VethId, binding: Option<Binding>) -> Result<(), Conflict> {
        let taken = binding.and_then(|binding| Some((binding, self.bound_to(binding)?)));
        match taken {
            Some((binding, owner)) if owner != id => Err(Conflict::ChannelTaken {
                binding,
                owner: InterfaceId::Veth(owner),
            }),
            _ => Ok(()),
        }
    }
}

impl PortLines {
    pub(super) fn apply(&mut self, line: PortLine) {
        match line {
            PortLine::Description(text) => self.description = text,
            PortLine::Inherit(profile) => self.inherit = profile,
            PortLine::Mode(mode) => self.mode = mode,
            PortLine::AccessVlan(vlan) => self.access_vlan = vlan,
            PortLine::NativeVlan(vlan) => self.native_vlan = vlan,
            PortLine::AllowedVlans(None) => self.allowed_vlans = None,
            PortLine::AllowedVlans(Some(allow)) => {
                self.allowed_vlans = Some(merged(self.allowed_vlans.take(), allow));
            }
            PortLine::PrivateVlan(line) => self.private_vlan.apply(line),
            PortLine::Mtu(mtu) => self.mtu = mtu,
            PortLine::Filter(line) => self.filters.apply(line),
            PortLine::Rate(line) => self.rates.apply(line),
            PortLine::Guard(line) => self.guards.apply(line),
            PortLine::Shutdown(shut) => self.shutdown = Some(shut),
        }
    }
}

/// Fail closed: what is left allows something, or the line is not taken.
fn disallow(
    allowed: Option<&mut BTreeSet<ProfileName>>,
    names: BTreeSet<ProfileName>,
) -> Result<(), Conflict> {
    let allowed = allowed.ok_or(Conflict::AllAllowed)?;
    if let Some(name) = names.iter().find(|name| !allowed.contains(*name)) {
        return Err(Conflict::NotAllowed(name.clone()));
    }
    if names.len() == allowed.len() {
        return Err(Conflict::LastAllowed);
    }
    allowed.retain(|name| !names.contains(name));
    Ok(())
}

/// `add` and `remove` change what the same profile or interface said before; where it said nothing they
/// change what it inherits.
fn merged(before: Option<Allowed>, allow: Allow) -> Allowed {
    let before = before.unwrap_or(Allowed::Changed {
        add: Box::default(),
        remove: Box::default(),
    });
    match (before, allow) {
        (_, Allow::Exactly(vlans)) => Allowed::Exactly(vlans),
        (Allowed::Exactly(before), Allow::Add(vlans)) => {
            Allowed::Exactly(Box::new(before.union(&vlans)))
        }
        (Allowed::Exactly(before), Allow::Remove(vlans)) => {
            Allowed::Exactly(Box::new(before.difference(&vlans)))
        }
        (Allowed::Changed { add, remove }, Allow::Add(vlans)) => Allowed::Changed {
            add: Box::new(add.union(&vlans)),
            remove: Box::new(remove.difference(&vlans)),
        },
        (Allowed::Changed { add, remove }, Allow::Remove(vlans)) => Allowed::Changed {
            add: Box::new(add.difference(&vlans)),
            remove: Box::new(remove.union(&vlans)),
        },
    }
}
