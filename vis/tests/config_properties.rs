//! What holds for every configuration, and for every text that is none.
#![expect(
    clippy::unwrap_used,
    reason = "what the tests stand on may fail loudly"
)]

use niv::{VlanId, VlanSet};
use policy::acl::{Family, Line as RuleLine, Sequence};
use policy::storm::Class;
use proptest::prelude::*;
use std::num::NonZeroU32;
use vis::config::{
    Allow, Binding, BridgeGuard, Config, Context, Direction, ErrdisableLine, FilterLine, Grantee,
    GuardLine, HostAssociation, Line, ListLine, PortLine, PortMode, PrivateVlanLine,
    PrivateVlanType, Privilege, RateLine, RecoveryCause, SecureAgingType, SecureViolation,
    StormAction, StormLevel, Trust, VicAuthentication, VlanLine,
};
use vis::config::{parse, parse_bytes, parse_show};

fn vlans() -> impl Strategy<Value = Box<VlanSet>> {
    prop_oneof![
        proptest::collection::vec(1u16..=4094, 1..6),
        (1u16..=4000, 1u16..90).prop_map(|(first, n)| (first..first + n).collect()),
        // Long lists have to be printed in several lines.
        Just((1u16..=4094).step_by(2).collect::<Vec<_>>()),
    ]
    .prop_map(|vids| Box::new(vids.into_iter().map(|v| v.try_into().unwrap()).collect()))
}

fn maybe<T: std::fmt::Debug + Clone>(
    of: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<T>> {
    proptest::option::weighted(0.8, of)
}

fn number<T>(range: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = T>
where
    T: TryFrom<u32, Error: std::fmt::Debug> + std::fmt::Debug,
{
    range.prop_map(|n| T::try_from(n).unwrap())
}

fn text<T: std::str::FromStr + std::fmt::Debug>(pattern: &'static str) -> impl Strategy<Value = T> {
    pattern.prop_filter_map("not valid", |text| text.parse().ok())
}

fn port_mode() -> impl Strategy<Value = PortMode> {
    prop_oneof![
        2 => Just(PortMode::Access),
        2 => Just(PortMode::Trunk),
        1 => Just(PortMode::PrivateHost),
        1 => Just(PortMode::PrivatePromiscuous),
        1 => Just(PortMode::PrivateTrunk),
    ]
}

/// Few, so that lines meet.
fn few() -> impl Strategy<Value = VlanId> {
    (2u16..=6).prop_map(|vid| vid.try_into().unwrap())
}

fn few_allowed() -> impl Strategy<Value = Allow> {
    let few = || prop::collection::vec(few(), 0..4);
    let set = || {
        prop_oneof![
            few().prop_map(|all| Box::new(all.into_iter().collect())),
            vlans()
        ]
    };
    prop_oneof![
        set().prop_map(Allow::Exactly),
        set().prop_map(Allow::Add),
        set().prop_map(Allow::Remove),
    ]
}

fn private_vlan_line() -> impl Strategy<Value = PrivateVlanLine> {
    prop_oneof![
        maybe(
            (few(), few()).prop_map(|(primary, secondary)| HostAssociation { primary, secondary })
        )
        .prop_map(PrivateVlanLine::Host),
        maybe((few(), few_allowed())).prop_map(PrivateVlanLine::Mapping),
        (few(), maybe(few_allowed()))
            .prop_map(|(primary, allow)| PrivateVlanLine::TrunkMapping(primary, allow)),
        Just(PrivateVlanLine::NoTrunkMapping),
        maybe(few_allowed()).prop_map(PrivateVlanLine::TrunkAllowed),
        maybe(few()).prop_map(PrivateVlanLine::TrunkNative),
    ]
}

fn vlan_line() -> impl Strategy<Value = VlanLine> {
    prop_oneof![
        any::<bool>().prop_map(VlanLine::Suspend),
        any::<bool>().prop_map(VlanLine::Shutdown),
        maybe(prop_oneof![
            Just(PrivateVlanType::Primary),
            Just(PrivateVlanType::Isolated),
            Just(PrivateVlanType::Community),
        ])
        .prop_map(VlanLine::Private),
        maybe(few_allowed()).prop_map(VlanLine::Association),
    ]
}

fn port_line() -> impl Strategy<Value = PortLine> {
    prop_oneof![
        maybe(text("[ -~é€]{1,40}")).prop_map(PortLine::Description),
        maybe(port_mode()).prop_map(PortLine::Mode),
        private_vlan_line().prop_map(PortLine::PrivateVlan),
        maybe((1u16..=4094).prop_map(|v| v.try_into().unwrap())).prop_map(PortLine::AccessVlan),
        maybe((1u16..=4094).prop_map(|v| v.try_into().unwrap())).prop_map(PortLine::NativeVlan),
        maybe(prop_oneof![
            vlans().prop_map(Allow::Exactly),
            Just(Allow::Exactly(Box::new(VlanSet::ALL))),
            Just(Allow::Exactly(Box::default())),
            vlans().prop_map(Allow::Add),
            vlans().prop_map(Allow::Remove),
        ])
        .prop_map(PortLine::AllowedVlans),
        maybe(number(68..=9216)).prop_map(PortLine::Mtu),
        (
            family(),
            prop_oneof![Just(Direction::In), Just(Direction::Out)],
            maybe(text("[a-f]"))
        )
            .prop_map(|(family, direction, acl)| {
                PortLine::Filter(FilterLine::Group(family, direction, acl))
            }),
        rate_line().prop_map(PortLine::Rate),
        guard_line().prop_map(PortLine::Guard),
        maybe(text("[a-h]")).prop_map(PortLine::Inherit),
        any::<bool>().prop_map(PortLine::Shutdown),
    ]
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6), Just(Family::Mac)]
}

/// Lists of few names, so that those of ports are often there.
fn list_line() -> impl Strategy<Value = Line> {
    let number = || (1u32..40).prop_map(|n| Sequence::new(n).unwrap());
    let entry = || {
        let rules = [
            (Family::Ipv4, "permit tcp any host 10.0.0.1 eq 80 log"),
            (Family::Ipv4, "deny ip any any"),
            (Family::Ipv6, "permit icmp 2001:db8::/32 any echo-request"),
            (Family::Mac, "deny host 0200.0000.0001 any 0x0806"),
            (Family::Mac, "remark who is it | for ? # !"),
        ];
        let rules = rules.map(|(family, text)| RuleLine::parse(family, text).unwrap().entry);
        proptest::sample::select(rules.to_vec())
    };
    let line = prop_oneof![
        3 => (family(), text("[a-f]")).prop_map(|(family, name)| ListLine::Enter(family, name)),
        1 => (family(), text("[a-f]")).prop_map(|(family, name)| ListLine::Remove(family, name)),
        6 => (maybe(number()), entry())
            .prop_map(|(sequence, entry)| ListLine::Add(RuleLine { sequence, entry })),
        1 => number().prop_map(ListLine::Drop),
        1 => entry().prop_map(ListLine::DropEntry),
        1 => (family(), text("[a-f]"), number(), (1u32..9)).prop_map(|(family, name, first, step)| {
            ListLine::Resequence(family, name, first, NonZeroU32::new(step).unwrap())
        }),
    ];
    line.prop_map(Line::List)
}

/// Of policers some that are said in other words than they are printed in.
fn rate_line() -> impl Strategy<Value = RateLine> {
    let way = || prop_oneof![Just(Direction::In), Just(Direction::Out)];
    let plain = text("rate [1-9][0-9]{0,9} (bps|kbps|)( burst [1-9][0-9]{0,5} (bytes|kbytes|ms))?");
    let metered = text(
        "cir [1-9][0-9]{0,3} mbps( bc [1-9][0-9]{0,8})?( pir [1-9][0-9]{4} mbps)?( be [1-9]00 ms)?\
         ( color-aware)?( exceed (drop|transmit))?( violate (drop|transmit))?",
    );
    let marking = text("cir [1-9][0-9]{0,3} mbps exceed (markdown|set dscp [1-5]?[0-9])");
    let trust = prop_oneof![Just(Trust::Cos), Just(Trust::Dscp), Just(Trust::None)];
    prop_oneof![
        (way(), maybe(prop_oneof![plain, metered]))
            .prop_map(|(way, police)| RateLine::Police(way, police)),
        maybe(marking).prop_map(|police| RateLine::Police(Direction::In, police)),
        maybe(trust).prop_map(RateLine::Trust),
        maybe((0u8..8).prop_map(|cos| cos.try_into().unwrap())).prop_map(RateLine::PortCos),
        maybe((0u8..8).prop_map(|cos| cos.try_into().unwrap())).prop_map(RateLine::SetCos),
        maybe((0u8..64).prop_map(|dscp| dscp.try_into().unwrap())).prop_map(RateLine::SetDscp),
    ]
}

fn guard_line() -> impl Strategy<Value = GuardLine> {
    let class = proptest::sample::select(Class::ALL.to_vec());
    let level = prop_oneof![
        number(0..=100_000_000).prop_map(StormLevel::Packets),
        text("[1-9][0-9]{0,6}[kmg]?").prop_map(StormLevel::Bits),
        Just(StormLevel::Off),
    ];
    let violations = vec![
        SecureViolation::Protect,
        SecureViolation::Restrict,
        SecureViolation::Shutdown,
    ];
    prop_oneof![
        (class, maybe(level)).prop_map(|(class, level)| GuardLine::Storm(class, level)),
        maybe(Just(StormAction::Shutdown)).prop_map(GuardLine::StormAction),
        maybe(any::<bool>()).prop_map(GuardLine::BpduGuard),
        maybe(any::<bool>()).prop_map(GuardLine::BpduFilter),
        maybe(Just(BridgeGuard::Alarm)).prop_map(GuardLine::BridgeGuard),
        any::<Option<bool>>().prop_map(GuardLine::Security),
        maybe(number(1..=1025)).prop_map(GuardLine::Maximum),
        maybe(proptest::sample::select(violations)).prop_map(GuardLine::Violation),
        maybe(number(0..=1440)).prop_map(GuardLine::AgingTime),
        maybe(Just(SecureAgingType::Inactivity)).prop_map(GuardLine::AgingType),
        any::<Option<bool>>().prop_map(GuardLine::Sticky),
    ]
}

fn errdisable_line() -> impl Strategy<Value = ErrdisableLine> {
    let causes = proptest::sample::select(RecoveryCause::ALL.to_vec());
    prop_oneof![
        (maybe(causes), any::<bool>()).prop_map(|(cause, on)| ErrdisableLine::Cause(cause, on)),
        maybe(number(1..=65_535)).prop_map(ErrdisableLine::Interval),
    ]
}

fn authentication() -> impl Strategy<Value = VicAuthentication> {
    prop_oneof![
        Just(VicAuthentication::None),
        text("/[a-z./]{1,20}").prop_map(VicAuthentication::KeyFile),
    ]
}

/// Around the two subtypes' defaults, where they can be in each other's way.
fn vic_number() -> impl Strategy<Value = Line> {
    prop_oneof![
        maybe(number(1007..=1010)).prop_map(Line::VicSubtype),
        maybe(number(1007..=1010)).prop_map(Line::VicUnacknowledgedSubtype),
        maybe(text("[0-9a-fA-F]{2}(:[0-9a-f]{2}){2}")).prop_map(Line::VicOui),
        maybe(number(0..=20)).prop_map(Line::VicRte),
        maybe(number(0..=255)).prop_map(Line::VicRetries),
    ]
}

/// Lines in the order and places in which people might say them.
fn line() -> impl Strategy<Value = Line> {
    let port = || port_line().prop_map(Line::Port);
    prop_oneof![
        1 => maybe(text("[a-z0-9-]{1,12}")).prop_map(Line::Hostname),
        1 => maybe(number(10..=1_000_000)).prop_map(Line::AgingTime),
        1 => errdisable_line().prop_map(Line::Errdisable),
        2 => vlans().prop_map(Line::Vlan),
        1 => vlans().prop_map(Line::NoVlan),
        2 => maybe(text("[A-Za-z0-9._-]{1,8}")).prop_map(Line::VlanName),
        2 => few().prop_map(|vlan| Line::Vlan(Box::new(vlan.into()))),
        3 => vlan_line().prop_map(Line::OfVlan),
        1 => any::<bool>().prop_map(Line::TagNative),
        3 => text("[a-f]").prop_map(Line::Profile),
        3 => number(1..=4).prop_map(Line::Ethernet),
        3 => number(1..=9).prop_map(Line::Veth),
        1 => number(1..=9).prop_map(Line::NoVeth),
        2 => maybe(text("[a-z]{1,3}[0-9]")).prop_map(Line::Device),
        2 => maybe((number(1..=4), (1u16..=4095).prop_map(|v| v.try_into().unwrap())))
            .prop_map(|b| Line::Bind(b.map(|(ethernet, channel)| Binding { ethernet, channel }))),
        1 => maybe(authentication()).prop_map(Line::VicAuthentication),
        1 => maybe(number(1..=86_400)).prop_map(Line::VicGrace),
        1 => maybe(number(100..=60_000)).prop_map(Line::VicHold),
        3 => vic_number(),
        2 => maybe(proptest::collection::btree_set(text("[a-f]{1,60}"), 1..9)).prop_map(Line::VicAllowed),
        1 => (any::<bool>(), any::<bool>(), text::<vis::config::Account>("[a-z]{1,4}"), any::<bool>()).prop_map(
            |(network, group, name, granted)| {
                let privilege = if network { Privilege::Network } else { Privilege::Operator };
                let grantee = if group { Grantee::Group(name) } else { Grantee::User(name) };
                Line::Role(privilege, grantee, granted)
            }
        ),
        6 => list_line(),
        12 => port(),
        1 => Just(Line::Exit),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    proptest::collection::vec(line(), 0..60).prop_map(|lines| {
        let mut config = Config::empty();
        let mut context = Context::Config;
        for line in lines {
            // A line that does not belong there, or contradicts, changes nothing.
            if let Ok(next) = config.apply(&context, line) {
                context = next;
            }
        }
        // Profiles inherit from those further down the alphabet, so that there is no loop; some of those
        // do not exist.
        for (name, lines) in &mut config.profiles {
            lines.inherit = lines.inherit.take().filter(|parent| parent > name);
        }
        config
    })
}

/// A text that uses the whole language.
const WHOLE: &str = "\
! all of it
hostname vis-1
mac address-table aging-time 600
vic authentication key-file /etc/niv/key
vic grace 60
vic hold 500
vic unacknowledged-subtype 1010
vic subtype 1009
vic oui 00:1b:2c
vic rte 12
vic retries 8
role network user ana
role operator group 2000
vlan 10,20-30
vlan 40
  name web
ip access-list 500
  remark from outside
  permit tcp any 10.0.0.0/8 range 80 90 established log
  30 deny udp any any eq domain
  no 10
ipv6 access-list six
  permit icmp any any
mac access-list frames
  30 permit any 0200.0000.0000 0000.ffff.ffff 0x0806
resequence mac access-list frames 5 5
port-profile server
  ipv6 access-group six out
  mac access-group frames in
  switchport mode trunk
  switchport trunk native vlan 20
  switchport trunk allowed vlan 10,20
  switchport trunk allowed vlan add 30
  switchport trunk allowed vlan remove 10
  mtu 1500
  no shutdown
port-profile webservers
  switchport access vlan 10
  ip access-group 500 in
  police input rate 10 mbps burst 200 ms
  police output cir 64 kbps bc 3028 pir 1 gbps be 4 mbytes color-aware exceed drop violate drop
  qos trust dscp
  qos cos 2
  qos set cos 5
  qos set dscp af31
  inherit port-profile server
interface ethernet 1
  device eth1
  description to host a
  switchport mode vntag
  vic authentication none
  vic allowed port-profile server webservers
interface veth1
  inherit port-profile webservers
  bind interface ethernet 1 channel 17
  switchport trunk allowed vlan except 5
  shutdown
end
";

fn told_where_and_what(
    text: &str,
    result: &Result<(Config, Vec<vis::config::Warning>), Vec<vis::config::Diagnostic>>,
) {
    let Err(faults) = result else { return };
    assert!(!faults.is_empty() && faults.len() <= vis::config::MAX_DIAGNOSTICS);
    for fault in faults {
        let place = fault.place.as_ref().unwrap();
        assert!(place.line >= 1 && place.column >= 1);
        assert!(place.line <= text.split('\n').count(), "{fault}");
        assert!(fault.message.contains("expected "), "{fault}");
        assert!(
            fault
                .to_string()
                .starts_with(&format!("t:{}:{}: ", place.line, place.column))
        );
        // It can be shown with its line.
        let mut shown = String::new();
        miette::GraphicalReportHandler::new()
            .render_report(&mut shown, fault)
            .unwrap();
    }
}

#[test]
fn the_whole_language_is_taken() {
    assert!(parse(WHOLE, "t").is_ok());
}

proptest! {
    #[test]
    fn loading_what_is_printed_changes_nothing(config in config()) {
        let printed = config.running_config();
        let (read, warnings) = parse(&printed, "t").map_err(|faults| {
            TestCaseError::fail(format!("{}\n{printed}", faults[0]))
        })?;
        prop_assert_eq!(&read, &config);
        prop_assert_eq!(read.running_config(), printed);
        prop_assert_eq!(warnings.len(), config.warnings().len());
        prop_assert!(warnings.iter().all(|warning| warning.place.is_some()));
        let json = serde_json::to_string(&config).unwrap();
        prop_assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
    }

    #[test]
    fn a_port_is_never_held_down_without_a_warning(config in config()) {
        use vis::config::State;
        let warned = !config.warnings().is_empty();
        for &id in config.veths.keys() {
            let effective = config.effective_veth(id).unwrap();
            if let State::ProfileIncomplete { why } = effective.state {
                prop_assert!(warned && !why.is_empty());
            }
        }
    }

    /// Said on the interface itself, the lines that `origins` finds come to what inheritance came to.
    #[test]
    fn the_lines_said_to_be_in_force_are(config in config()) {
        use vis::config::InterfaceId;
        for &id in config.veths.keys() {
            let effective = config.effective_veth(id).unwrap();
            let lines = config.origins(InterfaceId::Veth(id)).into_iter();
            let lines: String = lines.map(|line| format!("  {}\n", line.line)).collect();
            // A vEth never has VNTags, and is refused the line.
            let lines = lines.replace("  switchport mode vntag\n", "");
            let (flat, _) = parse(&format!("interface veth {id}\n{lines}"), "t").map_err(|faults| {
                TestCaseError::fail(format!("{}\n{lines}", faults[0]))
            })?;
            let flat = flat.effective_veth(id).unwrap();
            if effective.membership != vis::config::Membership::Vntag {
                prop_assert_eq!(flat.membership, effective.membership, "{}", lines);
            }
            prop_assert_eq!(flat.mtu, effective.mtu, "{}", lines);
            let is_shut = |state: &vis::config::State| *state == vis::config::State::Shut;
            prop_assert_eq!(is_shut(&flat.state), is_shut(&effective.state), "{}", lines);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn a_mutated_text_is_taken_or_refused_with_place_and_expectation(
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), 0u8..5, any::<char>()), 1..6),
    ) {
        let mut text: Vec<char> = WHOLE.chars().collect();
        for (index, kind, character) in edits {
            let at = index.index(text.len());
            match kind {
                0 => text[at] = character,
                1 => text.insert(at, character),
                2 => { text.remove(at); }
                3 => text.insert(at, ' '),
                _ => { let other = text[text.len() - 1 - at]; text[at] = other; }
            }
        }
        let text: String = text.into_iter().collect();
        told_where_and_what(&text, &parse(&text, "t"));
    }
}

proptest! {
    #[test]
    fn shuffled_words_are_taken_or_refused_with_place_and_expectation(
        picks in proptest::collection::vec((any::<proptest::sample::Index>(), any::<bool>()), 0..60),
    ) {
        let words: Vec<&str> = WHOLE.split_whitespace().chain(["no", "0", "4095", "-", ","]).collect();
        let mut text = String::new();
        for (index, end) in picks {
            text.push_str(words[index.index(words.len())]);
            text.push(if end { '\n' } else { ' ' });
        }
        told_where_and_what(&text, &parse(&text, "t"));
    }

    #[test]
    fn reading_is_total(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&octets).into_owned();
        told_where_and_what(&text, &parse(&text, "t"));
        if let Err(faults) = parse_bytes(&octets, "t") {
            prop_assert!(faults[0].message.contains("expected "));
        }
        let _ = parse_show(&text);
    }
}
