//! Access lists of a port: `ip|ipv6|mac access-group NAME in|out`. One list of each family and direction; each line is
//! inherited by itself, the nearest wins.

use super::grammar::ADDRESS_TABLE;
use super::line::{FilterLine, Line, PortLine};
use super::lists::{ipv4, ipv6, mac};
use super::model::{Config, Direction, PortLines};
use super::tree::{Node, Values, value, word};
use super::value::Kind;
use policy::acl::{Family, ListName};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// The lists that lines of one profile or interface name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterLines {
    /// Of frames that come from the port.
    pub inward: ListNames,
    /// Of frames that go to it.
    pub outward: ListNames,
}

/// A list of each family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListNames {
    /// `ip access-group NAME`
    pub ipv4: Option<ListName>,
    /// `ipv6 access-group NAME`
    pub ipv6: Option<ListName>,
    /// `mac access-group NAME`
    pub mac: Option<ListName>,
}

impl ListNames {
    /// That of one family.
    pub const fn get(&self, family: Family) -> Option<&ListName> {
        match family {
            Family::Ipv4 => self.ipv4.as_ref(),
            Family::Ipv6 => self.ipv6.as_ref(),
            Family::Mac => self.mac.as_ref(),
        }
    }

    const fn get_mut(&mut self, family: Family) -> &mut Option<ListName> {
        match family {
            Family::Ipv4 => &mut self.ipv4,
            Family::Ipv6 => &mut self.ipv6,
            Family::Mac => &mut self.mac,
        }
    }
}

/// Every line there can be.
const EACH: [(Family, Direction); 6] = [
    (Family::Ipv4, Direction::In),
    (Family::Ipv4, Direction::Out),
    (Family::Ipv6, Direction::In),
    (Family::Ipv6, Direction::Out),
    (Family::Mac, Direction::In),
    (Family::Mac, Direction::Out),
];

impl FilterLines {
    /// Those of one direction.
    pub const fn of(&self, direction: Direction) -> &ListNames {
        match direction {
            Direction::In => &self.inward,
            Direction::Out => &self.outward,
        }
    }

    /// The lists named, each with the line that names it.
    pub fn named(&self) -> impl Iterator<Item = (Family, Direction, &ListName)> {
        let each = EACH.into_iter();
        each.filter_map(|(family, way)| Some((family, way, self.of(way).get(family)?)))
    }

    pub(super) fn apply(&mut self, line: FilterLine) {
        let FilterLine::Group(family, direction, name) = line;
        let names = match direction {
            Direction::In => &mut self.inward,
            Direction::Out => &mut self.outward,
        };
        *names.get_mut(family) = name;
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        self.named().try_for_each(|(family, direction, name)| {
            writeln!(out, "  {}", line(family, direction, name))
        })
    }

    /// The nearest line of each family and direction.
    pub(super) fn nearest(levels: &[&PortLines]) -> Self {
        let mut found = Self::default();
        for (family, direction) in EACH {
            let mut each = levels.iter();
            let name = each.find_map(|lines| lines.filters.of(direction).get(family));
            found.apply(FilterLine::Group(family, direction, name.cloned()));
        }
        found
    }

    /// Each line by itself, of lines that have it.
    pub(super) fn each() -> impl Iterator<Item = impl Fn(&PortLines) -> PortLines> {
        EACH.into_iter().map(|(family, direction)| {
            move |all: &PortLines| {
                let mut one = PortLines::default();
                let name = all.filters.of(direction).get(family).cloned();
                one.filters
                    .apply(FilterLine::Group(family, direction, name));
                one
            }
        })
    }
}

/// As it is written.
pub fn line(family: Family, direction: Direction, name: &ListName) -> String {
    let (family, direction) = (family.as_str(), direction.as_str());
    format!("{family} access-group {name} {direction}")
}

/// A list that a line names, and that cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum NoList {
    /// There is none.
    Absent,
    /// It is of this family.
    Other(Family),
}

impl Config {
    /// What is wrong with the list that a line names; `None`: nothing.
    pub(super) fn no_list(&self, family: Family, name: &ListName) -> Option<NoList> {
        match self.lists.get(name) {
            None => Some(NoList::Absent),
            Some(list) if list.family() != family => Some(NoList::Other(list.family())),
            Some(_) => None,
        }
    }
}

macro_rules! group {
    ($name:ident, $family:expr) => {
        const $name: Node =
            word("access-group", "Apply an access list").then(&[value(Kind::Acl, "Which list")
                .then(&[
                    word("in", "To frames from the port")
                        .line(|values| group($family, Direction::In, values))
                        .no(|_| no_group($family, Direction::In))
                        .claims(),
                    word("out", "To frames towards the port")
                        .line(|values| group($family, Direction::Out, values))
                        .no(|_| no_group($family, Direction::Out))
                        .claims(),
                ])]);
    };
}

group!(IP_GROUP, Family::Ipv4);
group!(IPV6_GROUP, Family::Ipv6);
group!(MAC_GROUP, Family::Mac);

fn group(family: Family, direction: Direction, values: &mut Values) -> Option<Line> {
    let name = Some(values.take()?);
    Some(Line::Port(PortLine::Filter(FilterLine::Group(
        family, direction, name,
    ))))
}

const fn no_group(family: Family, direction: Direction) -> Option<Line> {
    Some(Line::Port(PortLine::Filter(FilterLine::Group(
        family, direction, None,
    ))))
}

const ABOUT_IP: &str = "Policy by IPv4 address";
const ABOUT_IPV6: &str = "Policy by IPv6 address";
const ABOUT_MAC: &str = "Addresses, and policy by them";

pub(super) const IP: Node = word("ip", ABOUT_IP).then(&[ipv4::LIST]);
pub(super) const IPV6: Node = word("ipv6", ABOUT_IPV6).then(&[ipv6::LIST]);
pub(super) const MAC: Node = word("mac", ABOUT_MAC).then(&[mac::LIST, ADDRESS_TABLE]);

/// What is about the switch as a whole is understood below an interface too.
pub(super) const IP_PORT: Node = word("ip", ABOUT_IP).then(&[IP_GROUP, ipv4::LIST]);
pub(super) const IPV6_PORT: Node = word("ipv6", ABOUT_IPV6).then(&[IPV6_GROUP, ipv6::LIST]);
pub(super) const MAC_PORT: Node =
    word("mac", ABOUT_MAC).then(&[MAC_GROUP, mac::LIST, ADDRESS_TABLE]);
