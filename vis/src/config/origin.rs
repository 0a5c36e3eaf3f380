//! Where each line in force on a port stands: on the interface, in a port profile it inherits, or nowhere.
//! What the lines come to is [`super::effective`]'s; nearest wins here as there.

use super::effective::{MAX_LEVELS, Missing};
use super::filters::FilterLines;
use super::guard::{self, AboutGuard, GuardLines};
use super::model::{Allowed, Config, InterfaceId, PortLines, PortMode};
use super::name::ProfileName;
use super::private_vlan::PrivateVlanLines;
use super::rate::{RateLines, RatePart};
use niv::VlanId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// Where a line stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// On the interface itself.
    Interface(InterfaceId),
    /// In a port profile.
    PortProfile {
        /// Which.
        name: ProfileName,
        /// How it is reached: the profiles above it, nearest to the port first.
        inherited_by: Vec<ProfileName>,
    },
    /// Below `vlan N`.
    Vlan(VlanId),
    /// Of the switch as a whole.
    Switch,
    /// Nowhere: it holds because nobody says other.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(interface) => write!(f, "interface {interface}"),
            Self::PortProfile { name, inherited_by } => {
                write!(f, "port-profile {name}")?;
                if let [_, ..] = inherited_by.as_slice() {
                    let names: Vec<&str> = inherited_by.iter().map(ProfileName::as_str).collect();
                    write!(f, ", inherited by {}", names.join(", "))?;
                }
                Ok(())
            }
            Self::Vlan(vlan) => write!(f, "vlan {vlan}"),
            Self::Switch => f.write_str("the switch"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// `switchport mode`
    Mode,
    /// `switchport access vlan`
    AccessVlan,
    /// `switchport trunk native vlan`
    NativeVlan,
    /// `switchport trunk allowed vlan`
    AllowedVlans,
    /// `switchport private-vlan`, or `private-vlan` of a VLAN
    PrivateVlan,
    /// `mtu`
    Mtu,
    /// `ip|ipv6|mac access-group`
    AccessGroup,
    /// `police input`
    PoliceInput,
    /// `police output`
    PoliceOutput,
    /// `qos`
    Qos,
    /// What guards ask.
    Guard(AboutGuard),
    /// `shutdown`
    Shutdown,
    /// `inherit port-profile`
    Inherit,
    /// `bind interface`
    Bind,
}

/// A line in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginatedLine {
    /// What it is about.
    pub about: About,
    /// As it is written.
    pub line: String,
    /// Where it stands.
    pub origin: Origin,
}

impl Config {
    /// The lines in force on an interface; none when there is no such interface.
    pub fn origins(&self, interface: InterfaceId) -> Vec<OriginatedLine> {
        let own = match interface {
            InterfaceId::Ethernet(id) => self.ethernets.get(&id).map(|ethernet| &ethernet.lines),
            InterfaceId::Veth(id) => self.veths.get(&id).map(|veth| &veth.lines),
        };
        own.map(|own| self.expand(Origin::Interface(interface), own))
            .unwrap_or_default()
    }

    /// The lines in force on a port that inherits `profile` and says nothing itself; none when there is no such
    /// profile.
    pub fn profile_origins(&self, profile: &ProfileName) -> Vec<OriginatedLine> {
        let own = Origin::PortProfile {
            name: profile.clone(),
            inherited_by: Vec::new(),
        };
        let lines = self.profiles.get(profile);
        lines
            .map(|lines| self.expand(own, lines))
            .unwrap_or_default()
    }

    /// The lines for which an interface carries nothing: those that name what is not there or not in force.
    pub fn incomplete(&self, interface: InterfaceId) -> Vec<OriginatedLine> {
        let lines = match interface {
            InterfaceId::Ethernet(id) => self.ethernets.get(&id).map(|one| &one.lines),
            InterfaceId::Veth(id) => self.veths.get(&id).map(|one| &one.lines),
        };
        let Some(lines) = lines else {
            return Vec::new();
        };
        let (own, missing) = (self.origins(interface), self.missing(interface));
        let said = |about, text: Option<&str>| {
            let mut own = own.iter().filter(move |line| line.about == about);
            own.find(|line| text.is_none_or(|text| line.line == text))
                .cloned()
        };
        let each = missing.iter().filter_map(|missing| match missing {
            Missing::AccessVlan(_) => said(About::AccessVlan, None),
            Missing::NativeVlan(_) => said(About::NativeVlan, None),
            Missing::AccessList(line, ..) => said(About::AccessGroup, Some(line)),
            Missing::Addresses(_) => said(About::Guard(AboutGuard::Security), None),
            Missing::NotOnLink(about, line) => said(*about, Some(line)),
            Missing::Private(fault) => {
                let mut own = own.iter();
                own.find(|line| line.line.starts_with(fault.line)).cloned()
            }
            Missing::VntagOnVeth => said(About::Mode, None),
            Missing::Profile(_) | Missing::Levels => self.last_inherit(interface, lines),
            Missing::Link(_) | Missing::LinkMode(_) => {
                let InterfaceId::Veth(id) = interface else {
                    return None;
                };
                let bind = self.veths.get(&id)?.bind?;
                Some(OriginatedLine {
                    about: About::Bind,
                    line: format!(
                        "bind interface ethernet {} channel {}",
                        bind.ethernet, bind.channel
                    ),
                    origin: Origin::Interface(interface),
                })
            }
        });
        each.collect()
    }

    /// The `inherit` that leads nowhere, or too far.
    fn last_inherit(&self, interface: InterfaceId, lines: &PortLines) -> Option<OriginatedLine> {
        let above = self.ancestors(lines);
        let names = above.iter().map(|(name, _)| (*name).clone());
        let mut names: Vec<ProfileName> = names.collect();
        let last = above.last().map_or(lines, |(_, lines)| lines);
        let origin = match names.pop() {
            None => Origin::Interface(interface),
            Some(name) => Origin::PortProfile {
                name,
                inherited_by: names,
            },
        };
        Some(OriginatedLine {
            about: About::Inherit,
            line: format!("inherit port-profile {}", last.inherit.as_ref()?),
            origin,
        })
    }

    /// The ancestors of a profile or interface with these lines, the nearest first.
    pub fn ancestors<'a>(&'a self, own: &'a PortLines) -> Vec<(&'a ProfileName, &'a PortLines)> {
        let mut ancestors = Vec::new();
        let mut parent = own.inherit.as_ref();
        while let Some((name, lines)) = parent.and_then(|name| self.profiles.get_key_value(name)) {
            if ancestors.len() == MAX_LEVELS {
                break;
            }
            ancestors.push((name, lines));
            parent = lines.inherit.as_ref();
        }
        ancestors
    }

    fn expand(&self, own: Origin, lines: &PortLines) -> Vec<OriginatedLine> {
        let mut above: Vec<ProfileName> = match &own {
            Origin::PortProfile { name, .. } => vec![name.clone()],
            _ => Vec::new(),
        };
        let mut levels = vec![(own, lines)];
        for (name, lines) in self.ancestors(lines) {
            let origin = Origin::PortProfile {
                name: name.clone(),
                inherited_by: above.clone(),
            };
            above.push(name.clone());
            levels.push((origin, lines));
        }
        let mut found = Found {
            levels,
            lines: Vec::new(),
        };
        found.all();
        found.lines
    }
}

/// Of lines on these levels, the nearest first, those that are obeyed frame by frame: access lists, rates, priority and
/// guards.
pub(super) fn about_frames(levels: &[&PortLines]) -> Vec<OriginatedLine> {
    // Nearly always there is none, and each vEth of a link asks.
    if levels.iter().all(|lines| lines.say_nothing_of_frames()) {
        return Vec::new();
    }
    let levels = levels.iter().map(|&lines| (Origin::Default, lines));
    let mut found = Found {
        levels: levels.collect(),
        lines: Vec::new(),
    };
    found.about_frames();
    found.lines
}

/// The lines found on a walk through the levels, the nearest of which comes first.
pub(super) struct Found<'a> {
    levels: Vec<(Origin, &'a PortLines)>,
    lines: Vec<OriginatedLine>,
}

impl Found<'_> {
    fn all(&mut self) {
        let mode = self.levels.iter().find_map(|(_, lines)| lines.mode);
        self.nearest(About::Mode, Some("switchport mode access"), |all| {
            PortLines {
                mode: all.mode,
                ..PortLines::default()
            }
        });
        // Lines of a mode that is not in force are not in force.
        match mode.unwrap_or(PortMode::Access) {
            PortMode::Access => {
                let default = format!("switchport access vlan {}", VlanId::DEFAULT);
                self.nearest(About::AccessVlan, Some(&default), |all| PortLines {
                    access_vlan: all.access_vlan,
                    ..PortLines::default()
                });
            }
            PortMode::Trunk => {
                let default = format!("switchport trunk native vlan {}", VlanId::DEFAULT);
                self.nearest(About::NativeVlan, Some(&default), |all| PortLines {
                    native_vlan: all.native_vlan,
                    ..PortLines::default()
                });
                self.allowed();
            }
            PortMode::PrivateHost | PortMode::PrivatePromiscuous | PortMode::PrivateTrunk => {
                self.private();
            }
            PortMode::Vntag => {}
        }
        self.nearest(About::Mtu, None, |all| PortLines {
            mtu: all.mtu,
            ..PortLines::default()
        });
        self.about_frames();
        self.nearest(About::Shutdown, Some("no shutdown"), |all| PortLines {
            shutdown: all.shutdown,
            ..PortLines::default()
        });
    }

    fn about_frames(&mut self) {
        for pick in FilterLines::each() {
            self.nearest(About::AccessGroup, None, pick);
        }
        for (part, pick) in RateLines::parts() {
            let about = match part {
                RatePart::Input => About::PoliceInput,
                RatePart::Output => About::PoliceOutput,
                RatePart::Priority => About::Qos,
            };
            self.nearest(about, None, |all| PortLines {
                rates: pick(&all.rates),
                ..PortLines::default()
            });
        }
        guard::origins(self);
    }

    /// Of lines of other modes than the one in force there is no trace.
    fn private(&mut self) {
        let mode = self.levels.iter().find_map(|(_, lines)| lines.mode);
        let mut nearest = |pick: &dyn Fn(&PrivateVlanLines) -> PrivateVlanLines| {
            self.nearest(About::PrivateVlan, None, |all| PortLines {
                private_vlan: pick(&all.private_vlan),
                ..PortLines::default()
            });
        };
        match mode {
            Some(PortMode::PrivateHost) => nearest(&|all| PrivateVlanLines {
                host: all.host,
                ..PrivateVlanLines::default()
            }),
            Some(PortMode::PrivatePromiscuous) => nearest(&|all| PrivateVlanLines {
                mapping: all.mapping.clone(),
                ..PrivateVlanLines::default()
            }),
            _ => self.private_trunk(),
        }
    }

    fn private_trunk(&mut self) {
        let levels = self.levels.iter();
        let primaries = levels.flat_map(|(_, lines)| lines.private_vlan.trunk_mappings.keys());
        let primaries: BTreeSet<VlanId> = primaries.copied().collect();
        let picked = |private_vlan| PortLines {
            private_vlan,
            ..PortLines::default()
        };
        for primary in primaries {
            self.nearest(About::PrivateVlan, None, |all| {
                let mapping = all.private_vlan.trunk_mappings.get_key_value(&primary);
                let mapping = mapping.map(|(&primary, vlans)| (primary, vlans.clone()));
                picked(PrivateVlanLines {
                    trunk_mappings: mapping.into_iter().collect(),
                    ..PrivateVlanLines::default()
                })
            });
        }
        self.nearest(About::PrivateVlan, None, |all| {
            picked(PrivateVlanLines {
                trunk_allowed: all.private_vlan.trunk_allowed.clone(),
                ..PrivateVlanLines::default()
            })
        });
        self.nearest(About::PrivateVlan, None, |all| {
            picked(PrivateVlanLines {
                trunk_native: all.private_vlan.trunk_native,
                ..PrivateVlanLines::default()
            })
        });
    }

    /// The nearest level that has what `pick` picks.
    pub(super) fn nearest(
        &mut self,
        about: About,
        default: Option<&str>,
        pick: impl Fn(&PortLines) -> PortLines,
    ) {
        let empty = PortLines::default();
        let said = self.levels.iter().find_map(|(origin, lines)| {
            let picked = pick(lines);
            (picked != empty).then(|| (origin.clone(), picked.text()))
        });
        match (said, default) {
            (Some((origin, text)), _) => self.push(about, &text, &origin),
            (None, Some(default)) => self.push(about, default, &Origin::Default),
            (None, None) => {}
        }
    }

    /// `add` and `remove` change what is inherited, so several levels may have their part: the farthest first.
    fn allowed(&mut self) {
        let mut parts = Vec::new();
        for (origin, lines) in &self.levels {
            let Some(allowed) = &lines.allowed_vlans else {
                continue;
            };
            let picked = PortLines {
                allowed_vlans: Some(allowed.clone()),
                ..PortLines::default()
            };
            parts.push((origin.clone(), picked.text()));
            if let Allowed::Exactly(_) = allowed {
                break;
            }
        }
        let whole = self
            .levels
            .iter()
            .any(|(_, lines)| matches!(lines.allowed_vlans, Some(Allowed::Exactly(_))));
        if !whole {
            let default = "switchport trunk allowed vlan all";
            self.push(About::AllowedVlans, default, &Origin::Default);
        }
        for (origin, text) in parts.into_iter().rev() {
            self.push(About::AllowedVlans, &text, &origin);
        }
    }

    fn push(&mut self, about: About, text: &str, origin: &Origin) {
        for line in text.lines() {
            self.lines.push(OriginatedLine {
                about,
                line: line.trim().to_owned(),
                origin: origin.clone(),
            });
        }
    }
}

impl PortLines {
    /// No line about frames is said here.
    fn say_nothing_of_frames(&self) -> bool {
        self.filters == FilterLines::default()
            && self.rates == RateLines::default()
            && self.guards == GuardLines::default()
    }

    /// Its lines, indented.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const TEXT: &str = "\
vlan 10,20
port-profile base
  switchport mode trunk
  switchport trunk allowed vlan 10
  mtu 1600
port-profile server
  inherit port-profile base
  switchport trunk allowed vlan add 20
  switchport access vlan 10
port-profile webservers
  inherit port-profile server
  mtu 9000
interface veth 1
  inherit port-profile webservers
  shutdown
interface veth 2
";

    fn said(lines: &[OriginatedLine]) -> Vec<String> {
        let said = lines.iter();
        said.map(|line| format!("{} <- {}", line.line, line.origin))
            .collect()
    }

    #[test]
    fn each_line_in_force_says_where_it_stands() {
        let (config, _) = parse(TEXT, "t").unwrap();
        let veth = |id: u32| InterfaceId::Veth(id.try_into().unwrap());
        assert_eq!(
            said(&config.origins(veth(1))),
            [
                "switchport mode trunk <- port-profile base, inherited by webservers, server",
                "switchport trunk native vlan 1 <- default",
                "switchport trunk allowed vlan 10 <- port-profile base, inherited by webservers, server",
                "switchport trunk allowed vlan add 20 <- port-profile server, inherited by webservers",
                "mtu 9000 <- port-profile webservers",
                "shutdown <- interface Vethernet1",
            ]
        );
        assert_eq!(
            said(&config.origins(veth(2))),
            [
                "switchport mode access <- default",
                "switchport access vlan 1 <- default",
                "no shutdown <- default",
            ]
        );
        assert_eq!(config.origins(veth(3)), []);
    }

    #[test]
    fn a_port_that_is_down_names_the_line_it_is_down_for_and_no_other() {
        let text = "port-profile server\n  inherit port-profile gone\nport-profile web\n  inherit port-profile server\n  \
            ip access-group 500 in\ninterface veth 1\n  inherit port-profile web\n  bind interface ethernet 1 channel 7\n\
            interface veth 2\n  switchport access vlan 77\n  mtu 1400\n";
        let (config, _) = parse(text, "t").unwrap();
        let veth = |id: u32| InterfaceId::Veth(id.try_into().unwrap());
        assert_eq!(
            said(&config.incomplete(veth(1))),
            [
                "inherit port-profile gone <- port-profile server, inherited by web",
                "ip access-group 500 in <- port-profile web",
                "bind interface ethernet 1 channel 7 <- interface Vethernet1",
            ]
        );
        let vlan = ["switchport access vlan 77 <- interface Vethernet2"];
        assert_eq!(said(&config.incomplete(veth(2))), vlan);
    }

    /// Said on one interface without any profile, the lines in force come to what the profiles came to.
    #[test]
    fn the_lines_in_force_are_what_is_in_force() {
        let (config, _) = parse(TEXT, "t").unwrap();
        for id in [1, 2] {
            let veth = InterfaceId::Veth(id.try_into().unwrap());
            let lines: Vec<String> = config.origins(veth).into_iter().map(|l| l.line).collect();
            let flat = format!("vlan 10,20\ninterface veth {id}\n{}\n", lines.join("\n"));
            let (flat, _) = parse(&flat, "t").unwrap();
            let id = id.try_into().unwrap();
            assert_eq!(flat.effective_veth(id), config.effective_veth(id));
        }
    }
}
