//! What is said and kept, and people should know of: lines that are not in force, and lines that hardly anybody means.

use super::apply::Context;
use super::diagnostic::{Diagnostic, Place, Warning};
use super::doubts::{Doubt, doubts};
use super::effective::{Membership, Missing};
use super::filters::{NoList, line as access_group};
use super::line::{Line, PortLine};
use super::model::{Config, InterfaceId, PortLines, PortMode};
use super::origin::about_frames;
use super::private_domains::{self, PrivateFault};
use miette::Severity;

/// What a remembered place says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    Inherit,
    AccessVlan,
    NativeVlan,
    Mode,
    PrivateVlan(&'static str),
    Bind,
    /// This line, as it is written: one of those that are about frames.
    Said(String),
}

impl Topic {
    /// Of a line whose place may be asked for.
    pub(super) fn of(line: &Line) -> Option<Self> {
        match line {
            Line::Port(PortLine::Inherit(Some(_))) => Some(Self::Inherit),
            Line::Port(PortLine::AccessVlan(Some(_))) => Some(Self::AccessVlan),
            Line::Port(PortLine::NativeVlan(Some(_))) => Some(Self::NativeVlan),
            Line::Port(line @ (PortLine::Filter(_) | PortLine::Rate(_) | PortLine::Guard(_))) => {
                let mut one = PortLines::default();
                one.apply(line.clone());
                let text = one.text().trim().to_owned();
                Some(Self::Said(text)).filter(|_| one != PortLines::default())
            }
            Line::Bind(Some(_)) => Some(Self::Bind),
            Line::Port(PortLine::Mode(Some(_))) => Some(Self::Mode),
            Line::Port(PortLine::PrivateVlan(line)) => line.words().map(Self::PrivateVlan),
            _ => None,
        }
    }

    fn of_fault(fault: &PrivateFault) -> Self {
        match fault.line {
            private_domains::ACCESS => Self::AccessVlan,
            private_domains::MODE => Self::Mode,
            line => Self::PrivateVlan(line),
        }
    }
}

/// Something people should know of.
pub(super) struct Concern {
    pub(super) context: Context,
    pub(super) topic: Topic,
    what: What,
}

enum What {
    Missing(Missing),
    Doubt(Doubt),
}

impl Concern {
    pub(super) fn warning(&self, place: Option<Place>) -> Warning {
        match &self.what {
            What::Missing(missing) => warning(&self.context, missing, place),
            What::Doubt(doubt) => Diagnostic {
                severity: Severity::Warning,
                message: doubt.message.clone(),
                help: Some(doubt.help.clone()),
                place,
            },
        }
    }
}

impl Config {
    /// What people should know of, without places: of a configuration that no text said.
    pub fn warnings(&self) -> Vec<Warning> {
        let concerns = concerns(self).into_iter();
        concerns.map(|concern| concern.warning(None)).collect()
    }
}

fn warning(context: &Context, missing: &Missing, place: Option<Place>) -> Warning {
    let held = match context {
        Context::Interface(interface) => format!("{interface} stays down until it is"),
        _ => "what uses this stays down until it is".to_owned(),
    };
    let held = match missing {
        Missing::Profile(_)
        | Missing::AccessVlan(_)
        | Missing::NativeVlan(_)
        | Missing::AccessList(.., NoList::Absent)
        | Missing::Link(_) => held.replace("until it is", "until it does"),
        Missing::NotOnLink(..) => held.replace("until it is", "as long as it is said"),
        _ => held,
    };
    Diagnostic {
        severity: Severity::Warning,
        message: format!("{missing}: {held} (profile_incomplete)"),
        help: match missing {
            Missing::Profile(name) => Some(format!("`port-profile {name}` makes it")),
            Missing::AccessVlan(vlan) | Missing::NativeVlan(vlan) => {
                Some(format!("`vlan {vlan}` makes it"))
            }
            Missing::AccessList(_, family, name, NoList::Absent) => {
                let family = family.as_str();
                Some(format!("`{family} access-list {name}` makes it"))
            }
            Missing::NotOnLink(..) => Some(
                "say it in a port-profile that vNICs ask for, or on an interface vethernet"
                    .to_owned(),
            ),
            _ => None,
        },
        place,
    }
}

/// Every line whose meaning is not in force, and every one that is doubtful.
pub(super) fn concerns(config: &Config) -> Vec<Concern> {
    let mut found = Vec::new();
    for (name, lines) in &config.profiles {
        let mut add = adder(&mut found, Context::Profile(name.clone()));
        line_concerns(config, lines, &mut add);
        for fault in config.private_concerns(lines) {
            add(
                Topic::of_fault(&fault),
                What::Missing(Missing::Private(fault)),
            );
        }
        if lines.mode == Some(PortMode::Vntag) {
            for said in about_frames(&[lines]) {
                let topic = Topic::Said(said.line.clone());
                add(
                    topic,
                    What::Missing(Missing::NotOnLink(said.about, said.line)),
                );
            }
        }
    }
    for (&id, ethernet) in &config.ethernets {
        let interface = InterfaceId::Ethernet(id);
        let mut add = adder(&mut found, Context::Interface(interface));
        line_concerns(config, &ethernet.lines, &mut add);
        interface_concerns(config, interface, &mut add);
    }
    for (&id, veth) in &config.veths {
        let interface = InterfaceId::Veth(id);
        let mut add = adder(&mut found, Context::Interface(interface));
        line_concerns(config, &veth.lines, &mut add);
        interface_concerns(config, interface, &mut add);
        if let Some(bind) = veth.bind {
            let link = config.effective_ethernet(bind.ethernet);
            let wrong = match link {
                None => Some(Missing::Link(bind.ethernet)),
                Some(link) if link.membership != Membership::Vntag => {
                    Some(Missing::LinkMode(bind.ethernet))
                }
                Some(_) => None,
            };
            if let Some(wrong) = wrong {
                add(Topic::Bind, What::Missing(wrong));
            }
        }
    }
    found
}

fn adder(found: &mut Vec<Concern>, context: Context) -> impl FnMut(Topic, What) {
    move |topic, what| {
        found.push(Concern {
            context: context.clone(),
            topic,
            what,
        });
    }
}

/// What an interface is not in private VLANs, and what it cannot be asked as the port of an interface virtualizer: of lines
/// from several places.
fn interface_concerns(config: &Config, interface: InterfaceId, add: &mut impl FnMut(Topic, What)) {
    for missing in config.missing(interface) {
        let topic = match &missing {
            Missing::Private(fault) => Topic::of_fault(fault),
            Missing::NotOnLink(_, line) => Topic::Said(line.clone()),
            _ => continue,
        };
        add(topic, What::Missing(missing));
    }
}

fn line_concerns(config: &Config, lines: &PortLines, add: &mut impl FnMut(Topic, What)) {
    if let Some(parent) = &lines.inherit
        && !config.profiles.contains_key(parent)
    {
        let missing = Missing::Profile(parent.clone());
        add(Topic::Inherit, What::Missing(missing));
    }
    for (line, doubt) in doubts(lines) {
        add(Topic::Said(line), What::Doubt(doubt));
    }
    // A line about VLANs says nothing on a port that carries VNTags, and one about frames is wrong there anyway.
    if lines.mode == Some(PortMode::Vntag) {
        return;
    }
    if let Some(vlan) = lines.access_vlan.filter(|&vlan| !config.is_defined(vlan)) {
        add(Topic::AccessVlan, What::Missing(Missing::AccessVlan(vlan)));
    }
    if let Some(vlan) = lines.native_vlan.filter(|&vlan| !config.is_defined(vlan)) {
        add(Topic::NativeVlan, What::Missing(Missing::NativeVlan(vlan)));
    }
    for (family, direction, name) in lines.filters.named() {
        if let Some(wrong) = config.no_list(family, name) {
            let said = access_group(family, direction, name);
            let missing = Missing::AccessList(said.clone(), family, name.clone(), wrong);
            add(Topic::Said(said), What::Missing(missing));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, EthernetId, State, VethId, parse};

    const LINK: &str =
        "interface ethernet 1\n device niv1\n switchport mode vntag\n vic authentication none\n";

    fn read(text: &str) -> (Config, Vec<String>) {
        let (config, warnings) = parse(text, "t").unwrap();
        let told = warnings.iter().map(ToString::to_string).collect();
        (config, told)
    }

    fn link(config: &Config) -> State {
        let id = EthernetId::try_from(1).unwrap();
        config.effective_ethernet(id).unwrap().state
    }

    /// What is accepted and not obeyed is worse than what is refused.
    #[test]
    fn a_port_that_carries_vntags_is_down_as_long_as_a_line_about_frames_is_said_there() {
        for line in [
            "police input rate 10 mbps",
            "police output rate 10 mbps",
            "qos trust cos",
            "qos set dscp ef",
            "storm-control broadcast level pps 10",
            "spanning-tree bpduguard enable",
            "bridge-guard shutdown",
            "switchport port-security",
            "switchport port-security maximum 3",
            "mac access-group none in",
        ] {
            let own = format!("{LINK} {line}\n");
            let inherited = format!(
                "port-profile p\n {line}\nport-profile q\n inherit port-profile p\n{LINK} inherit port-profile q\n"
            );
            for text in [own, inherited] {
                let (config, told) = read(&text);
                let State::ProfileIncomplete { why } = link(&config) else {
                    panic!("{text}");
                };
                assert_eq!(why.len(), 1, "{why:?}");
                assert!(
                    why[0].contains(line) && why[0].contains("VNTags"),
                    "{why:?}"
                );
                let of_it = |told: &&String| {
                    told.contains("Ethernet1 stays down as long as it is said")
                        && told.contains(line)
                };
                assert_eq!(told.iter().filter(of_it).count(), 1, "{told:?}");
                let id = EthernetId::try_from(1).unwrap();
                let effective = config.effective_ethernet(id).unwrap();
                assert!(effective.guards.is_off() && effective.rates == Default::default());
            }
        }
    }

    #[test]
    fn lines_about_the_port_itself_are_obeyed_there() {
        let text = format!(
            "port-profile p\n mtu 1510\n switchport access vlan 1\n{LINK} description up\n inherit port-profile p\n"
        );
        let (config, told) = read(&text);
        assert_eq!((link(&config), told), (State::Forwarding, Vec::new()));
    }

    #[test]
    fn what_is_said_of_a_port_does_not_hold_for_the_veths_behind_it() {
        let text = format!(
            "{LINK} police input rate 10 mbps\ninterface veth 1\n bind interface ethernet 1 channel 1\n"
        );
        let (config, told) = read(&text);
        assert!(told[0].contains("t:5:2"), "{told:?}");
        let veth = config.effective_veth(VethId::try_from(1).unwrap());
        assert_eq!(veth.unwrap().rates, Default::default());
    }

    fn fault(text: &str) -> String {
        parse(text, "t").unwrap_err()[0].to_string()
    }

    #[test]
    fn one_name_is_taken_from_those_that_a_port_allows_and_never_the_last() {
        let allowed = format!("{LINK} vic allowed port-profile a b c\n");
        let (config, _) = read(&format!("{allowed} no vic allowed port-profile b\n"));
        assert!(
            config
                .running_config()
                .contains("vic allowed port-profile a c\n")
        );
        let (config, _) = read(&format!("{allowed} no vic allowed port-profile a b\n"));
        assert!(
            config
                .running_config()
                .contains("vic allowed port-profile c\n")
        );
        let (config, _) = read(&format!("{allowed} no vic allowed port-profile\n"));
        assert!(!config.running_config().contains("allowed"));
        for (names, says) in [
            ("d", "port-profile d is not among those"),
            ("a d", "port-profile d is not among those"),
            ("a b c", "nothing would be left"),
        ] {
            let fault = fault(&format!("{allowed} no vic allowed port-profile {names}\n"));
            assert!(fault.contains(says), "{fault}");
        }
        let fault = fault(&format!("{LINK} no vic allowed port-profile a\n"));
        assert!(fault.contains("every port-profile is allowed"), "{fault}");
    }

    #[test]
    fn a_vlan_is_not_secondary_to_itself_nor_called_as_vlan_1() {
        for line in [
            "private-vlan association add 100",
            "private-vlan association 90-110",
        ] {
            let fault = fault(&format!("vlan 100\n{line}\n"));
            assert!(
                fault.contains("VLAN 100 is the primary VLAN itself"),
                "{fault}"
            );
        }
        assert!(parse("vlan 100\nprivate-vlan association remove 100\n", "t").is_ok());
        assert!(fault("vlan 10\nname default\n").contains("name of VLAN 1"));
        assert!(parse("vlan 1\nname default\n", "t").is_ok());
    }
}
