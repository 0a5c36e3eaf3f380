//! The values a line can hold: how each is read, and how it is asked for.

use super::guard_values::{
    RecoveryInterval, SecureAging, SecureMaximum, StationMac, StormBits, StormPackets,
};
use super::lists::{Remark, Step};
use super::model::{
    AgingTime, Confirm, EthernetId, Grace, Hold, Mtu, PageLength, Retries, Rte, Steps, Subtype,
    VethId,
};
use super::name::{
    Account, Description, DeviceName, Hostname, KeyFile, Oui, Pattern, ProfileName, VlanName,
};
use super::police::{InvalidPolice, Police, PoliceIn, PoliceOut, PoliceRate};
use super::rate::{CosNumber, DscpNumber};
use niv::{Mac, VifId, VlanId, VlanSet};
use policy::acl::{
    Entry, Family, IpRule, Ipv4Pattern, Ipv6Pattern, Line, ListName, MacRule, ParseError, Rule,
    Sequence,
};
use std::collections::BTreeSet;

/// Text that is not the value asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    /// Octets from the start of the text to the fault.
    pub at: usize,
    /// Of a value of several words: what is wrong there.
    pub inside: Option<Box<ParseError>>,
}

impl InvalidValue {
    pub(super) const fn at(at: usize) -> Self {
        Self { at, inside: None }
    }
}

macro_rules! values {
    ($($(#[$doc:meta])* $kind:ident($type:ty), $placeholder:literal, $asked:expr, $read:expr;)+) => {
        /// What kind of value a place in a line holds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        /// A value.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Value {
            $($(#[$doc])* $kind($type),)+
        }

        impl Kind {
            /// As help lists it.
            pub const fn placeholder(self) -> &'static str {
                match self {
                    $(Self::$kind => $placeholder,)+
                }
            }

            /// As a refusal asks for it.
            pub const fn asked(self) -> &'static str {
                match self {
                    $(Self::$kind => $asked,)+
                }
            }

            /// Reads it.
            ///
            /// # Errors
            /// The text is something else.
            pub fn read(self, text: &str) -> Result<Value, InvalidValue> {
                match self {
                    $(Self::$kind => {
                        let read: fn(&str) -> Result<$type, InvalidValue> = $read;
                        read(text).map(Value::$kind)
                    })+
                }
            }
        }

        $(impl TryFrom<Value> for $type {
            type Error = Value;

            fn try_from(value: Value) -> Result<Self, Value> {
                match value {
                    Value::$kind(inner) => Ok(inner),
                    other => Err(other),
                }
            }
        })+
    };
}

values! {
    /// One VLAN.
    Vlan(VlanId), "<1-4094>", "a VLAN from 1 to 4094", number16;
    /// A list of VLANs.
    Vlans(Box<VlanSet>), "LIST", "a list of VLANs such as 10,20-30", vlans;
    /// An ethernet interface.
    Ethernet(EthernetId), "<1-64>", "the number of an ethernet interface from 1 to 64", number32;
    /// A vEth.
    Veth(VethId), "<1-4096>", "the number of a vEth from 1 to 4096", number32;
    /// A VIF id.
    Channel(VifId), "<1-4095>", "a channel (VIF id) from 1 to 4095", number16;
    /// An MTU.
    Mtu(Mtu), "<68-9216>", "an MTU from 68 to 9216", number32;
    /// An aging time.
    Aging(AgingTime), "<0,10-1000000>", "seconds: 10 to 1000000, or 0 for never", number32;
    /// A grace time.
    Grace(Grace), "<1-86400>", "seconds from 1 to 86400", number32;
    /// A hold time.
    Hold(Hold), "<100-60000>", "milliseconds from 100 to 60000", number32;
    /// A subtype of ECP.
    Subtype(Subtype), "<3-1023>", "a subtype from 3 to 1023", number32;
    /// The exponent of ECP's timer.
    Rte(Rte), "<0-20>", "an exponent from 0 to 20", number32;
    /// A number of repetitions.
    Retries(Retries), "<0-255>", "a number from 0 to 255", number32;
    /// Three octets.
    Oui(Oui), "XX:XX:XX", Oui::RULE, name;
    /// Seconds to confirm a commit.
    Confirm(Confirm), "<1-86400>", "seconds from 1 to 86400", number32;
    /// Changes to take back.
    Steps(Steps), "<1-50>", "a number of changes from 1 to 50", number32;
    /// Lines of a page.
    Length(PageLength), "<0-511>", "a number of lines from 0 to 511", number32;
    /// A user or group of the machine.
    Account(Account), "NAME", Account::RULE, name;
    /// A regular expression, to the end of the line.
    Pattern(Pattern), "PATTERN", Pattern::RULE, name;
    /// A file with a key.
    KeyFile(KeyFile), "PATH", KeyFile::RULE, name;
    /// Port profiles, to the end of the line.
    Profiles(BTreeSet<ProfileName>), "NAME...", "names of 1 to 80 letters, digits and any of . _ - : / @ +", names;
    /// A port profile.
    Profile(ProfileName), "NAME", ProfileName::RULE, name;
    /// A VLAN's name.
    VlanName(VlanName), "NAME", VlanName::RULE, name;
    /// An access list.
    Acl(ListName), "NAME", ListName::RULE, name;
    /// The number of a line in an access list.
    Sequence(Sequence), "<1-4294967295>", "a line's number from 1 to 4294967295", sequence;
    /// From one line's number to the next.
    Step(Step), "<1-4294967295>", "a line's number from 1 to 4294967295", number32;
    /// What a line of an IPv4 list asks, to the end of the line.
    Ipv4Rule(IpRule<Ipv4Pattern>), "PROTOCOL FROM TO ...", "a protocol (`ip` for all), whose packets, to whom, and more that is asked", |text| match rule(Family::Ipv4, text)? {
        Rule::Ipv4(rule) => Ok(rule),
        _ => Err(InvalidValue::at(0)),
    };
    /// What a line of an IPv6 list asks, to the end of the line.
    Ipv6Rule(IpRule<Ipv6Pattern>), "PROTOCOL6 FROM TO ...", "a protocol (`ipv6` for all), whose packets, to whom, and more that is asked", |text| match rule(Family::Ipv6, text)? {
        Rule::Ipv6(rule) => Ok(rule),
        _ => Err(InvalidValue::at(0)),
    };
    /// What a line of a MAC list asks, to the end of the line.
    MacRule(MacRule), "FROM TO ...", "whose frames, to whom, and more that is asked", |text| match rule(Family::Mac, text)? {
        Rule::Mac(rule) => Ok(rule),
        _ => Err(InvalidValue::at(0)),
    };
    /// A remark in a list.
    Remark(Remark), "TEXT", Remark::RULE, name;
    /// The switch's name.
    Hostname(Hostname), "NAME", Hostname::RULE, name;
    /// A device of the machine.
    Device(DeviceName), "DEVICE", DeviceName::RULE, name;
    /// A station's address.
    Address(Mac), "HHHH.HHHH.HHHH", "an address such as 0200.0000.0001 or 02:00:00:00:00:01", name;
    /// The address of one station.
    Station(StationMac), "HHHH.HHHH.HHHH", StationMac::RULE, name;
    /// A plain policer.
    PoliceRate(PoliceRate), "N [bps|kbps|mbps|gbps] [burst N [bytes|kbytes|mbytes|ms]]", Police::RATE, policer;
    /// A metering policer of frames that come in.
    PoliceIn(PoliceIn), "N [UNIT] [bc N [UNIT]] [pir N [UNIT]] [be N [UNIT]] [ACTIONS]", Police::INPUT, policer;
    /// A metering policer of frames that go out.
    PoliceOut(PoliceOut), "N [UNIT] [bc N [UNIT]] [pir N [UNIT]] [be N [UNIT]] [ACTIONS]", Police::OUTPUT, policer;
    /// A priority of VLAN tags.
    Cos(CosNumber), "<0-7>", "a CoS from 0 to 7", priority;
    /// A priority of IP packets.
    Dscp(DscpNumber), "<0-63>", "a DSCP from 0 to 63, or its name: default, cs1 to cs7, af11 to af43, ef", priority;
    /// Frames per second.
    StormPackets(StormPackets), "<0-100000000>", "frames per second from 0 to 100000000", number32;
    /// Bits per second.
    StormBits(StormBits), "N[k|m|g]", StormBits::RULE, name;
    /// A number of secure addresses.
    SecureMaximum(SecureMaximum), "<1-1025>", "a number of addresses from 1 to 1025", number32;
    /// Minutes that a secure address is kept.
    SecureAging(SecureAging), "<0-1440>", "minutes from 0 (never) to 1440", number32;
    /// Seconds that a port stays shut.
    RecoveryInterval(RecoveryInterval), "<1-65535>", "seconds from 1 to 65535", number32;
    /// The octets of a frame. What is wrong with them is said by digit, by who reads them.
    Frame(String), "HEX", "the octets of a frame as hex digits", |text| Ok(text.to_owned());
    /// The rest of the line.
    Description(Description), "TEXT", Description::RULE, name;
}

impl Kind {
    /// The value may stand right behind its keyword: `veth1`.
    pub const fn is_a_number(self) -> bool {
        matches!(
            self,
            Self::Vlan | Self::Vlans | Self::Ethernet | Self::Veth | Self::Channel
        )
    }

    /// The value is the rest of the line, spaces and all.
    pub const fn takes_the_rest(self) -> bool {
        matches!(
            self,
            Self::Description
                | Self::Profiles
                | Self::Pattern
                | Self::Remark
                | Self::PoliceRate
                | Self::PoliceIn
                | Self::PoliceOut
        ) || self.rules_of().is_some()
    }

    /// The family of the rule it is.
    pub const fn rules_of(self) -> Option<Family> {
        match self {
            Self::Ipv4Rule => Some(Family::Ipv4),
            Self::Ipv6Rule => Some(Family::Ipv6),
            Self::MacRule => Some(Family::Mac),
            _ => None,
        }
    }
}

fn number32<T: TryFrom<u32>>(text: &str) -> Result<T, InvalidValue> {
    // `u32::from_str` takes a sign; nothing here has one.
    Some(text)
        .filter(|text| text.bytes().all(|octet| octet.is_ascii_digit()))
        .and_then(|text| text.parse::<u32>().ok())
        .and_then(|number| T::try_from(number).ok())
        .ok_or(InvalidValue::at(0))
}

fn sequence(text: &str) -> Result<Sequence, InvalidValue> {
    let Step(number) = number32(text)?;
    Sequence::new(number.get()).ok_or(InvalidValue::at(0))
}

/// A rule without its first word. What it does is said by that.
fn rule(family: Family, text: &str) -> Result<Rule, InvalidValue> {
    const FIRST: &str = "permit ";
    match Line::parse(family, &format!("{FIRST}{text}")) {
        Ok(Line {
            entry: Entry::Rule(rule),
            ..
        }) => Ok(rule),
        Ok(_) => Err(InvalidValue::at(0)),
        Err(error) => {
            let characters = error.column.saturating_sub(FIRST.len());
            let before = text.chars().take(characters);
            Err(InvalidValue {
                at: before.map(char::len_utf8).sum(),
                inside: Some(Box::new(error)),
            })
        }
    }
}

fn number16<T: TryFrom<u16>>(text: &str) -> Result<T, InvalidValue> {
    struct Narrow<T>(T);
    impl<T: TryFrom<u16>> TryFrom<u32> for Narrow<T> {
        type Error = ();
        fn try_from(number: u32) -> Result<Self, ()> {
            let number = u16::try_from(number).map_err(|_| ())?;
            T::try_from(number).map(Self).map_err(|_| ())
        }
    }
    number32::<Narrow<T>>(text).map(|narrow| narrow.0)
}

fn policer<T: std::str::FromStr<Err = InvalidPolice>>(text: &str) -> Result<T, InvalidValue> {
    text.parse().map_err(InvalidValue::from)
}

fn priority<T: std::str::FromStr<Err = InvalidValue>>(text: &str) -> Result<T, InvalidValue> {
    text.parse()
}

fn vlans(text: &str) -> Result<Box<VlanSet>, InvalidValue> {
    // `none` and `all` are keywords where they are allowed.
    if text.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return Err(InvalidValue::at(0));
    }
    text.parse()
        .map(Box::new)
        .map_err(|error: niv::InvalidVlanList| InvalidValue::at(error.at()))
}

fn name<T: std::str::FromStr>(text: &str) -> Result<T, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::at(0))
}

/// Words with blanks between them.
fn names(text: &str) -> Result<BTreeSet<ProfileName>, InvalidValue> {
    let mut names = BTreeSet::new();
    for word in text.split([' ', '\t']).filter(|word| !word.is_empty()) {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        names.insert(word.parse().map_err(|_| InvalidValue::at(at))?);
    }
    Ok(names)
}
