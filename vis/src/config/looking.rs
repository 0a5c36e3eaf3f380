//! The commands that look and change nothing: `show` and `explain`.

use super::apply::Context;
use super::line::Line;
use super::model::InterfaceId;
use super::tree::{Node, Values, value, word};
use super::value::Kind;
use crate::control::explain::ExplainRequest;
use crate::control::guard::GuardRequest;
use crate::control::interfaces::InterfaceTable;
use crate::control::niv::NivRequest;
use crate::control::show::ShowRequest;
use crate::control::switch::{MacFilter, VlanFilter};

const fn show(request: ShowRequest) -> Option<Line> {
    Some(Line::Show(request))
}

const ETHERNET: &str = "One with a device of the machine";
const VETHERNET: &str = "The port of one vNIC";
const NUMBER: &str = "Its number";

pub(super) const RUNNING_CONFIG: Node = word("running-config", "The configuration in force")
    .line(|_| show(ShowRequest::RunningConfig))
    .then(&[
        word("diff", "What differs from the startup configuration")
            .line(|_| show(ShowRequest::RunningConfigDiff)),
        word("interface", "What is said of one interface").then(&[
            word("ethernet", ETHERNET).then(&[value(Kind::Ethernet, NUMBER).line(|values| {
                running_config_of(Context::Interface(InterfaceId::Ethernet(values.take()?)))
            })]),
            word("vethernet", VETHERNET).then(&[value(Kind::Veth, NUMBER).line(|values| {
                running_config_of(Context::Interface(InterfaceId::Veth(values.take()?)))
            })]),
        ]),
        word("port-profile", "What is said of one port profile").then(&[value(
            Kind::Profile,
            "Which",
        )
        .line(|values| running_config_of(Context::Profile(values.take()?)))]),
    ]);

const fn running_config_of(part: Context) -> Option<Line> {
    show(ShowRequest::RunningConfigOf(part))
}

pub(super) const EXPLAIN: Node =
    word("explain", "What would become of a frame, and why").then(&[word("frame", "The frame")
        .then(
            &[value(Kind::Frame, "Its octets as hex digits").then(&[word(
                "from",
                "Where it comes in",
            )
            .then(&[
                word("ethernet", "As it is received there, VNTag and all").then(&[value(
                    Kind::Ethernet,
                    NUMBER,
                )
                .line(|values| {
                    explain(values, |values| Some(InterfaceId::Ethernet(values.take()?)))
                })]),
                word("vethernet", "As its guest sends it").then(&[value(Kind::Veth, NUMBER).line(
                    |values| explain(values, |values| Some(InterfaceId::Veth(values.take()?))),
                )]),
            ])])],
        )]);

fn explain(values: &mut Values, from: impl Fn(&mut Values) -> Option<InterfaceId>) -> Option<Line> {
    let frame = values.take()?;
    let from = from(values)?;
    show(ShowRequest::Explain(ExplainRequest { frame, from }))
}

pub(super) const ACCESS_LISTS: Node = word(
    "access-lists",
    "Access lists, and how often each line has decided",
)
.line(|_| show(ShowRequest::AccessLists(None)))
.then(&[value(Kind::Acl, "One of them")
    .line(|values| show(ShowRequest::AccessLists(Some(values.take()?))))]);

pub(super) const CONSERVATION: Node = word(
    "conservation",
    "Account for every frame: received, sent, dropped",
)
.line(|_| show(ShowRequest::Conservation));

pub(super) const BRIDGE_GUARD: Node =
    word("bridge-guard", "Guests found to bridge two ports").line(|_| guard(GuardRequest::Bridges));

pub(super) const ERRDISABLE: Node = word("errdisable", "Ports that a guard has shut")
    .then(&[word("recovery", "When they come back by themselves")
        .line(|_| guard(GuardRequest::Recovery))]);

pub(super) const PORT_SECURITY: Node = word("port-security", "Which addresses ports may send from")
    .line(|_| guard(GuardRequest::Security))
    .then(&[
        word("address", "Every address, and where it may be")
            .line(|_| guard(GuardRequest::Addresses)),
        word("interface", "One interface").then(&[
            word("ethernet", ETHERNET).then(&[value(Kind::Ethernet, NUMBER).line(|values| {
                guard(GuardRequest::SecurityOf(InterfaceId::Ethernet(
                    values.take()?,
                )))
            })]),
            word("vethernet", VETHERNET).then(&[value(Kind::Veth, NUMBER).line(|values| {
                guard(GuardRequest::SecurityOf(InterfaceId::Veth(values.take()?)))
            })]),
        ]),
    ]);

const fn guard(request: GuardRequest) -> Option<Line> {
    show(ShowRequest::Guard(request))
}

pub(super) const DROPS: Node =
    word("drops", "What was dropped where, and why").line(|_| show(ShowRequest::Drops));

pub(super) const INTERFACE: Node = word("interface", "Interfaces: state and counters")
    .line(|_| show(ShowRequest::Interface { interface: None }))
    .then(&[
        word("brief", "Mode, state and why it is down, a line each")
            .line(|_| show(ShowRequest::InterfaceTable(InterfaceTable::Brief))),
        word("counters", "Frames and octets, a line each")
            .line(|_| show(ShowRequest::InterfaceTable(InterfaceTable::Counters))),
        word("ethernet", ETHERNET).then(&[value(Kind::Ethernet, NUMBER)
            .line(|values| show_interface(InterfaceId::Ethernet(values.take()?)))]),
        word("status", "State and VLAN, a line each")
            .line(|_| show(ShowRequest::InterfaceTable(InterfaceTable::Status)))
            .then(
                &[word("err-disabled", "Those that a guard has shut, and why")
                    .line(|_| guard(GuardRequest::Shut))],
            ),
        word("vethernet", VETHERNET).then(&[value(Kind::Veth, NUMBER)
            .line(|values| show_interface(InterfaceId::Veth(values.take()?)))]),
    ]);

const fn show_interface(interface: InterfaceId) -> Option<Line> {
    let interface = Some(interface);
    show(ShowRequest::Interface { interface })
}

pub(super) const MAC: Node =
    word("mac", "Addresses").then(&[word("address-table", "Addresses learned, and where")
        .line(|_| addresses(MacFilter::All))
        .then(&[
            word("address", "One address").then(&[value(Kind::Address, "Which")
                .line(|values| addresses(MacFilter::Address(values.take()?)))]),
            word("count", "How many there are").line(|_| show(ShowRequest::MacCount)),
            word("dynamic", "Those learned from frames").line(|_| addresses(MacFilter::Dynamic)),
            word("interface", "Those behind one interface").then(&[
                word("ethernet", ETHERNET).then(&[value(Kind::Ethernet, NUMBER).line(|values| {
                    addresses(MacFilter::Interface(InterfaceId::Ethernet(values.take()?)))
                })]),
                word("vethernet", VETHERNET).then(&[value(Kind::Veth, NUMBER).line(|values| {
                    addresses(MacFilter::Interface(InterfaceId::Veth(values.take()?)))
                })]),
            ]),
            word("static", "Those said by configuration").line(|_| addresses(MacFilter::Static)),
            word("vlan", "Those in one VLAN").then(&[value(Kind::Vlan, "Which")
                .line(|values| addresses(MacFilter::Vlan(values.take()?)))]),
        ])]);

const fn addresses(filter: MacFilter) -> Option<Line> {
    show(ShowRequest::MacAddressTable(filter))
}

pub(super) const MODULE: Node =
    word("module", "The switch and its interface virtualizers").line(|_| show(ShowRequest::Module));

pub(super) const NIV: Node = word("niv", "Interface virtualizers").then(&[
    word("link", "NIV ports and the sessions on them")
        .line(|_| Some(Line::Show(ShowRequest::Niv(NivRequest::Link)))),
    word("list", "Lists that hosts hold for floods")
        .line(|_| Some(Line::Show(ShowRequest::Niv(NivRequest::List(None)))))
        .then(&[word("interface", "Of one link").then(&[word(
            "ethernet",
            "A port with an interface virtualizer behind it",
        )
        .then(&[value(Kind::Ethernet, "Its number").line(|values| {
            let list = NivRequest::List(Some(values.take()?));
            Some(Line::Show(ShowRequest::Niv(list)))
        })])])]),
    word("vif", "VIFs, their vEths and vNICs")
        .line(|_| Some(Line::Show(ShowRequest::Niv(NivRequest::Vif(None)))))
        .then(&[word("interface", "Of one link").then(&[word(
            "ethernet",
            "A port with an interface virtualizer behind it",
        )
        .then(&[value(Kind::Ethernet, "Its number").line(|values| {
            let vif = NivRequest::Vif(Some(values.take()?));
            Some(Line::Show(ShowRequest::Niv(vif)))
        })])])]),
]);

pub(super) const POLICER: Node = word("policer", "Rates in force, and what they let pass")
    .line(|_| show(ShowRequest::Policer(None)))
    .then(&[word("interface", "Of one interface").then(&[
        word("ethernet", ETHERNET).then(&[value(Kind::Ethernet, NUMBER)
            .line(|values| policer(InterfaceId::Ethernet(values.take()?)))]),
        word("vethernet", VETHERNET).then(&[
            value(Kind::Veth, NUMBER).line(|values| policer(InterfaceId::Veth(values.take()?)))
        ]),
    ])]);

const fn policer(interface: InterfaceId) -> Option<Line> {
    show(ShowRequest::Policer(Some(interface)))
}

pub(super) const PORT_PROFILE: Node = word("port-profile", "Port profiles, and who inherits them")
    .line(|_| profile(None, false))
    .then(&[value(Kind::Profile, "One of them")
        .line(|values| profile(Some(values), false))
        .then(&[word("expand", "Every line in force, and where it stands")
            .line(|values| profile(Some(values), true))])]);

fn profile(values: Option<&mut Values>, expand: bool) -> Option<Line> {
    let name = match values {
        Some(values) => Some(values.take()?),
        None => None,
    };
    show(ShowRequest::PortProfile { name, expand })
}

pub(super) const TECH_SUPPORT: Node =
    word("tech-support", "Every show, one after another").line(|_| show(ShowRequest::TechSupport));

pub(super) const VERSION: Node =
    word("version", "Release, platform and uptime").line(|_| show(ShowRequest::Version));

pub(super) const VLAN: Node = word("vlan", "VLANs and their ports")
    .line(|_| show(ShowRequest::Vlan(VlanFilter::All)))
    .then(&[
        word("brief", "All of them").line(|_| show(ShowRequest::Vlan(VlanFilter::All))),
        word("id", "By number").then(&[value(Kind::Vlans, "Which")
            .line(|values| show(ShowRequest::Vlan(VlanFilter::Ids(values.take()?))))]),
        word("name", "By name").then(&[value(Kind::VlanName, "Which")
            .line(|values| show(ShowRequest::Vlan(VlanFilter::Name(values.take()?))))]),
        word("private-vlan", "Private VLANs and their ports")
            .line(|_| show(ShowRequest::PrivateVlan)),
    ]);
