//! The commands: what may be said where. The trees below are the whole language.

use super::filters::{IP, IP_PORT, IPV6, IPV6_PORT, MAC, MAC_PORT};
use super::guard_grammar as guard;
use super::line::{Allow, Line, PortLine};
use super::lists;
use super::looking;
use super::model::{Binding, PortMode, VicAuthentication};
use super::private_vlan;
use super::rate::{POLICE, QOS};
use super::tree::{Build, Node, Values, value, word};
use super::typed;
pub use super::typed::PIPES;
use super::value::Kind;
use super::vlan_lines;
use crate::control::show::ShowRequest;
use niv::VlanSet;
use policy::acl::Family;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Looking on: `show`.
    Exec,
    /// The switch as a whole.
    Config,
    /// After `vlan LIST`.
    Vlan,
    /// After `ip|ipv6|mac access-list NAME`.
    AccessList(Family),
    /// After `port-profile NAME`.
    Profile,
    /// After `interface ethernet N`.
    Ethernet,
    /// After `interface veth N`.
    Veth,
}

impl Mode {
    /// Those of the configuration, for a reader that looks for a line's proper place.
    pub const CONFIGURATION: [Self; 8] = [
        Self::Config,
        Self::AccessList(Family::Ipv4),
        Self::AccessList(Family::Ipv6),
        Self::AccessList(Family::Mac),
        Self::Profile,
        Self::Ethernet,
        Self::Veth,
        Self::Vlan,
    ];

    /// The commands of this mode alone; those of [`Mode::Config`] are understood in every mode below it.
    pub const fn commands(self) -> &'static [Node] {
        match self {
            Self::Exec => typed::EXEC,
            Self::Config => CONFIG,
            Self::Vlan => VLAN,
            Self::AccessList(Family::Ipv4) => lists::ipv4::LINES,
            Self::AccessList(Family::Ipv6) => lists::ipv6::LINES,
            Self::AccessList(Family::Mac) => lists::mac::LINES,
            Self::Profile => PROFILE,
            Self::Ethernet => ETHERNET,
            Self::Veth => VETH,
        }
    }

    /// What may be typed here: this mode's own commands, those about the whole switch, and those that never stand in
    /// a file. The first set that knows a line's first word has the line.
    pub const fn typed(self) -> &'static [&'static [Node]] {
        match self {
            Self::Exec => &[typed::EXEC],
            Self::Config => &[CONFIG, typed::WITHIN],
            Self::Vlan => &[VLAN, CONFIG, typed::WITHIN],
            Self::AccessList(Family::Ipv4) => &[lists::ipv4::LINES, CONFIG, typed::WITHIN],
            Self::AccessList(Family::Ipv6) => &[lists::ipv6::LINES, CONFIG, typed::WITHIN],
            Self::AccessList(Family::Mac) => &[lists::mac::LINES, CONFIG, typed::WITHIN],
            Self::Profile => &[PROFILE, CONFIG, typed::WITHIN],
            Self::Ethernet => &[ETHERNET, CONFIG, typed::WITHIN],
            Self::Veth => &[VETH, CONFIG, typed::WITHIN],
        }
    }

    /// The line that leads here.
    pub const fn entered_by(self) -> &'static str {
        match self {
            Self::Exec => "end",
            Self::Config => "exit",
            Self::Vlan => "vlan LIST",
            Self::AccessList(Family::Ipv4) => "ip access-list NAME",
            Self::AccessList(Family::Ipv6) => "ipv6 access-list NAME",
            Self::AccessList(Family::Mac) => "mac access-list NAME",
            Self::Profile => "port-profile NAME",
            Self::Ethernet => "interface ethernet N",
            Self::Veth => "interface veth N",
        }
    }

    /// What stands before `>` or `#` in a prompt, after the host name.
    pub const fn prompt(self) -> &'static str {
        match self {
            Self::Exec => "",
            Self::Config => "(config)",
            Self::Vlan => "(config-vlan)",
            Self::AccessList(Family::Ipv4) => "(config-acl)",
            Self::AccessList(Family::Ipv6) => "(config-ipv6-acl)",
            Self::AccessList(Family::Mac) => "(config-mac-acl)",
            Self::Profile => "(config-port-prof)",
            Self::Ethernet | Self::Veth => "(config-if)",
        }
    }
}

pub(super) const SHOW: Node = word("show", "Show what the switch knows and does").then(&[
    looking::ACCESS_LISTS,
    typed::SHOW_CONFIGURATION,
    looking::BRIDGE_GUARD,
    looking::CONSERVATION,
    typed::SHOW_DIFF,
    looking::DROPS,
    looking::ERRDISABLE,
    looking::INTERFACE,
    looking::MAC,
    looking::MODULE,
    looking::NIV,
    looking::POLICER,
    looking::PORT_PROFILE,
    looking::PORT_SECURITY,
    looking::RUNNING_CONFIG,
    word("startup-config", "The configuration the switch starts with")
        .line(|_| Some(Line::Show(ShowRequest::StartupConfig))),
    looking::TECH_SUPPORT,
    looking::VERSION,
    looking::VLAN,
]);

const CONFIG: &[Node] = &[
    word("end", "Leave configuration").line(|_| Some(Line::End)),
    guard::ERRDISABLE,
    word("exit", "Leave this mode").line(|_| Some(Line::Exit)),
    word("hostname", "Name the switch")
        .no(|_| Some(Line::Hostname(None)))
        .then(&[value(Kind::Hostname, "The name")
            .line(|values| Some(Line::Hostname(Some(values.take()?))))]),
    word("interface", "Configure an interface").then(&[
        word("ethernet", "One with a device of the machine").then(&[value(
            Kind::Ethernet,
            "Its number",
        )
        .line(|values| Some(Line::Ethernet(values.take()?)))
        .no(|values| Some(Line::NoEthernet(values.take()?)))]),
        word("vethernet", "The port of one vNIC").then(&[value(Kind::Veth, "Its number")
            .line(|values| Some(Line::Veth(values.take()?)))
            .no(|values| Some(Line::NoVeth(values.take()?)))]),
    ]),
    IP,
    IPV6,
    MAC,
    word("port-profile", "Configure a port profile").then(&[value(Kind::Profile, "Its name")
        .line(|values| Some(Line::Profile(values.take()?)))
        .no(|values| Some(Line::NoProfile(values.take()?)))]),
    lists::RESEQUENCE,
    typed::ROLE,
    VIC,
    word("vlan", "Define VLANs").then(&[
        vlan_lines::DOT1Q,
        value(Kind::Vlans, "Which")
            .line(|values| Some(Line::Vlan(values.take()?)))
            .no(|values| Some(Line::NoVlan(values.take()?))),
    ]),
];

pub(super) const ADDRESS_TABLE: Node =
    word("address-table", "The table of addresses").then(&[word(
        "aging-time",
        "How long an address not heard from is kept",
    )
    .no(|_| Some(Line::AgingTime(None)))
    .then(&[value(Kind::Aging, "Seconds; 0 for never")
        .line(|values| Some(Line::AgingTime(Some(values.take()?))))
        .no(|_| Some(Line::AgingTime(None)))])]);

const VLAN: &[Node] = &[
    word("name", "Name the VLAN")
        .no(|_| Some(Line::VlanName(None)))
        .then(&[value(Kind::VlanName, "The name")
            .line(|values| Some(Line::VlanName(Some(values.take()?))))]),
    vlan_lines::PRIVATE_VLAN,
    vlan_lines::SHUTDOWN,
    vlan_lines::STATE,
];

const PROFILE: &[Node] = &[
    guard::BRIDGE_GUARD,
    DESCRIPTION,
    INHERIT,
    IP_PORT,
    IPV6_PORT,
    MAC_PORT,
    MTU,
    POLICE,
    QOS,
    SHUTDOWN,
    guard::SPANNING_TREE,
    guard::STORM_CONTROL,
    SWITCHPORT_PROFILE,
];

const ETHERNET: &[Node] = &[
    guard::BRIDGE_GUARD,
    DESCRIPTION,
    word("device", "The device of the machine behind this interface")
        .no(|_| Some(Line::Device(None)))
        .then(&[value(Kind::Device, "Its name, as `ip link` prints it")
            .line(|values| Some(Line::Device(Some(values.take()?))))]),
    INHERIT,
    IP_PORT,
    IPV6_PORT,
    MAC_PORT,
    MTU,
    POLICE,
    QOS,
    SHUTDOWN,
    guard::SPANNING_TREE,
    guard::STORM_CONTROL,
    SWITCHPORT_ETHERNET,
    VIC_ETHERNET,
];

const VETH: &[Node] = &[
    word("bind", "Say by hand where the vNIC is")
        .no(|_| Some(Line::Bind(None)))
        .then(&[word("interface", "The link").then(&[word(
            "ethernet",
            "A port with an interface virtualizer behind it",
        )
        .then(&[value(Kind::Ethernet, "Its number").then(&[word(
            "channel",
            "The VIF id on that link",
        )
        .then(&[value(Kind::Channel, "The id").line(bind)])])])])]),
    guard::BRIDGE_GUARD,
    DESCRIPTION,
    INHERIT,
    IP_PORT,
    IPV6_PORT,
    MAC_PORT,
    MTU,
    POLICE,
    QOS,
    SHUTDOWN,
    guard::SPANNING_TREE,
    guard::STORM_CONTROL,
    SWITCHPORT,
];

fn bind(values: &mut Values) -> Option<Line> {
    Some(Line::Bind(Some(Binding {
        ethernet: values.take()?,
        channel: values.take()?,
    })))
}

/// About the switch as a whole is understood below an interface too, as every other such line is.
const VIC: Node = word(
    "vic",
    "The control protocol between switch and interface virtualizers",
)
.then(&[
    VIC_AUTHENTICATION,
    VIC_GRACE,
    VIC_HOLD,
    VIC_OUI,
    VIC_RETRIES,
    VIC_RTE,
    VIC_SUBTYPE,
    VIC_UNACKNOWLEDGED_SUBTYPE,
]);
const VIC_ETHERNET: Node = word("vic", "The control protocol on this port").then(&[
    VIC_ALLOWED,
    VIC_AUTHENTICATION,
    VIC_GRACE,
    VIC_HOLD,
    VIC_OUI,
    VIC_RETRIES,
    VIC_RTE,
    VIC_SUBTYPE,
    VIC_UNACKNOWLEDGED_SUBTYPE,
]);

const NO_ALLOWED: Build = |_| Some(Line::VicAllowed(None));
const VIC_ALLOWED: Node = word("allowed", "What vNICs may ask for here").then(&[word(
    "port-profile",
    "These port profiles, beside those that are allowed; without the line all are",
)
.no(NO_ALLOWED)
.then(&[value(Kind::Profiles, "Their names")
    .line(|values| Some(Line::VicAllowed(Some(values.take()?))))
    .no(|values| Some(Line::VicNotAllowed(values.take()?)))])]);

const NO_AUTHENTICATION: Build = |_| Some(Line::VicAuthentication(None));
const VIC_AUTHENTICATION: Node = word(
    "authentication",
    "How interface virtualizers prove who they are",
)
.no(NO_AUTHENTICATION)
.then(&[
    word("key-file", "They have the same key").then(&[value(Kind::KeyFile, "The file it is in")
        .line(|values| {
            let file = VicAuthentication::KeyFile(values.take()?);
            Some(Line::VicAuthentication(Some(file)))
        })]),
    word("none", "Not at all: who is on the cable is taken in")
        .line(|_| Some(Line::VicAuthentication(Some(VicAuthentication::None)))),
]);

const NO_GRACE: Build = |_| Some(Line::VicGrace(None));
const VIC_GRACE: Node = word("grace", "How long vEths are kept while their host is away")
    .no(NO_GRACE)
    .then(&[value(Kind::Grace, "Seconds")
        .line(|values| Some(Line::VicGrace(Some(values.take()?))))
        .no(NO_GRACE)]);

const NO_HOLD: Build = |_| Some(Line::VicHold(None));
const VIC_HOLD: Node = word("hold", "After what silence a host is taken for gone")
    .no(NO_HOLD)
    .then(&[value(Kind::Hold, "Milliseconds")
        .line(|values| Some(Line::VicHold(Some(values.take()?))))
        .no(NO_HOLD)]);

const NO_SUBTYPE: Build = |_| Some(Line::VicSubtype(None));
const VIC_SUBTYPE: Node = word("subtype", "ECP's subtype of what is acknowledged")
    .no(NO_SUBTYPE)
    .then(&[value(Kind::Subtype, "The subtype")
        .line(|values| Some(Line::VicSubtype(Some(values.take()?))))
        .no(NO_SUBTYPE)]);

const NO_UNACKNOWLEDGED_SUBTYPE: Build = |_| Some(Line::VicUnacknowledgedSubtype(None));
const VIC_UNACKNOWLEDGED_SUBTYPE: Node = word(
    "unacknowledged-subtype",
    "ECP's subtype of what is not acknowledged",
)
.no(NO_UNACKNOWLEDGED_SUBTYPE)
.then(&[value(Kind::Subtype, "The subtype")
    .line(|values| Some(Line::VicUnacknowledgedSubtype(Some(values.take()?))))
    .no(NO_UNACKNOWLEDGED_SUBTYPE)]);

const NO_OUI: Build = |_| Some(Line::VicOui(None));
const VIC_OUI: Node = word("oui", "What a payload starts with")
    .no(NO_OUI)
    .then(&[value(Kind::Oui, "Three octets")
        .line(|values| Some(Line::VicOui(Some(values.take()?))))
        .no(NO_OUI)]);

const NO_RTE: Build = |_| Some(Line::VicRte(None));
const VIC_RTE: Node = word("rte", "ECP waits 10 us * 2^N for an acknowledgement")
    .no(NO_RTE)
    .then(&[value(Kind::Rte, "N")
        .line(|values| Some(Line::VicRte(Some(values.take()?))))
        .no(NO_RTE)]);

const NO_RETRIES: Build = |_| Some(Line::VicRetries(None));
const VIC_RETRIES: Node = word("retries", "How often ECP repeats what is not acknowledged")
    .no(NO_RETRIES)
    .then(&[value(Kind::Retries, "How often")
        .line(|values| Some(Line::VicRetries(Some(values.take()?))))
        .no(NO_RETRIES)]);

pub(super) const fn port(line: PortLine) -> Option<Line> {
    Some(Line::Port(line))
}

const DESCRIPTION: Node = word("description", "A remark for people")
    .no(|_| port(PortLine::Description(None)))
    .then(&[value(Kind::Description, "The remark")
        .line(|values| port(PortLine::Description(Some(values.take()?))))]);

const NO_INHERIT: Build = |_| port(PortLine::Inherit(None));
const INHERIT: Node =
    word("inherit", "Take over the lines of a port profile").then(&[word("port-profile", "Which")
        .no(NO_INHERIT)
        .then(&[value(Kind::Profile, "Its name")
            .line(|values| port(PortLine::Inherit(Some(values.take()?))))
            .no(NO_INHERIT)])]);

const NO_MTU: Build = |_| port(PortLine::Mtu(None));
const MTU: Node = word("mtu", "The most octets behind the Ethernet header")
    .no(NO_MTU)
    .then(&[value(Kind::Mtu, "Octets")
        .line(|values| port(PortLine::Mtu(Some(values.take()?))))
        .no(NO_MTU)]);

const SHUTDOWN: Node = word("shutdown", "Carry nothing")
    .line(|_| port(PortLine::Shutdown(true)))
    .no(|_| port(PortLine::Shutdown(false)));

const SWITCHPORT_PROFILE: Node = switchport(&[
    ACCESS,
    MODE,
    guard::SECURITY,
    private_vlan::SWITCHPORT,
    TRUNK,
]);
const SWITCHPORT: Node = switchport(&[
    ACCESS,
    MODE,
    guard::SECURITY_INTERFACE,
    private_vlan::SWITCHPORT,
    TRUNK,
]);
const SWITCHPORT_ETHERNET: Node = switchport(&[
    ACCESS,
    MODE_ETHERNET,
    guard::SECURITY_INTERFACE,
    private_vlan::SWITCHPORT,
    TRUNK,
]);

const fn switchport(next: &'static [Node]) -> Node {
    word("switchport", "VLANs and tags").then(next)
}

const NO_ACCESS_VLAN: Build = |_| port(PortLine::AccessVlan(None));
const ACCESS: Node = word("access", "A port in one VLAN, untagged").then(&[word("vlan", "Which")
    .no(NO_ACCESS_VLAN)
    .then(&[value(Kind::Vlan, "The VLAN")
        .line(|values| port(PortLine::AccessVlan(Some(values.take()?))))
        .no(NO_ACCESS_VLAN)])]);

const NO_MODE: Build = |_| port(PortLine::Mode(None));
const MODE_ACCESS: Node = word("access", "One VLAN, untagged")
    .line(|_| port(PortLine::Mode(Some(PortMode::Access))))
    .no(NO_MODE);
const MODE_TRUNK: Node = word("trunk", "Many VLANs, tagged")
    .line(|_| port(PortLine::Mode(Some(PortMode::Trunk))))
    .no(NO_MODE);
const MODE_VNTAG: Node = word("vntag", "VNTags: an interface virtualizer is behind it")
    .line(|_| port(PortLine::Mode(Some(PortMode::Vntag))))
    .no(NO_MODE);

const MODE: Node = mode(&[MODE_ACCESS, private_vlan::MODE, MODE_TRUNK]);
const MODE_ETHERNET: Node = mode(&[MODE_ACCESS, private_vlan::MODE, MODE_TRUNK, MODE_VNTAG]);

const fn mode(next: &'static [Node]) -> Node {
    word("mode", "What the port carries").no(NO_MODE).then(next)
}

const NO_NATIVE: Build = |_| port(PortLine::NativeVlan(None));
const TRUNK: Node = word("trunk", "A port in many VLANs, tagged").then(&[
    word("allowed", "The VLANs it carries").then(&[word("vlan", "Which")
        .no(|_| port(PortLine::AllowedVlans(None)))
        .then(&[
            word("add", "These too")
                .then(&[value(Kind::Vlans, "Which").line(|values| allow(Allow::Add, values))]),
            word("all", "Every one that is defined").line(|_| {
                port(PortLine::AllowedVlans(Some(Allow::Exactly(Box::new(
                    VlanSet::ALL,
                )))))
            }),
            word("except", "All but these").then(&[value(Kind::Vlans, "Which").line(|values| {
                let except =
                    |vlans: Box<VlanSet>| Allow::Exactly(Box::new(VlanSet::ALL.difference(&vlans)));
                allow(except, values)
            })]),
            word("none", "None but the native one").line(|_| {
                port(PortLine::AllowedVlans(Some(Allow::Exactly(Box::new(
                    VlanSet::EMPTY,
                )))))
            }),
            word("remove", "Not these")
                .then(&[value(Kind::Vlans, "Which").line(|values| allow(Allow::Remove, values))]),
            value(Kind::Vlans, "Exactly these").line(|values| allow(Allow::Exactly, values)),
        ])]),
    word("native", "The VLAN of untagged frames").then(&[word("vlan", "Which")
        .no(NO_NATIVE)
        .then(&[value(Kind::Vlan, "The VLAN")
            .line(|values| port(PortLine::NativeVlan(Some(values.take()?))))
            .no(NO_NATIVE)])]),
]);

fn allow(kind: impl Fn(Box<VlanSet>) -> Allow, values: &mut Values) -> Option<Line> {
    port(PortLine::AllowedVlans(Some(kind(values.take()?))))
}
