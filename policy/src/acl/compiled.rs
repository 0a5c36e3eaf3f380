//! A list made ready for frames.

use super::ask::{Ask, IpKey, Key, MacKey};
use super::list::{AccessList, Sequence};
use super::rule::{Action, Family, Rule, protocol};
use super::tables::Tables;
use super::view::{Network, Unreadable, View};

/// What a list says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What becomes of it.
    pub action: Action,
    /// Who says so.
    pub by: By,
    /// Whether it is to be logged.
    pub log: bool,
}

impl Verdict {
    /// The unwritten last line.
    pub const END: Self = Self {
        action: Action::Deny,
        by: By::End,
        log: false,
    };

    pub(super) const fn unreadable(why: Unreadable) -> Self {
        Self {
            action: Action::Deny,
            by: By::Unreadable(why),
            log: false,
        }
    }
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The rule at this place, from 0, remarks not counted: below [`Compiled::rules`].
    Line(u16),
    /// No line matched.
    End,
    /// The packet cannot be judged.
    Unreadable(Unreadable),
}

/// A list made ready for frames: immutable, shared by all ports it is applied to. Hits are for the caller to count, by
/// [`By`].
///
/// What a frame costs depends neither on what the lines say nor on which one it hits, but for one step more for each
/// 256 lines. Memory is bounded whatever the lines say: in KiB, for up to so many lines,
///
/// | | 128 | 256 | 1,024 |
/// | --- | --- | --- | --- |
/// | IPv4 | 45 | 90 | 360 |
/// | IPv6 | 140 | 285 | 1,140 |
/// | ports, from none to all over the port space | 2 to 280 | 2 to 330 | 8 to 1,320 |
#[derive(Clone, Debug)]
pub struct Compiled {
    tables: Lists,
    effects: Box<[Effect]>,
    sequences: Box<[Sequence]>,
}

#[derive(Clone, Copy, Debug)]
struct Effect {
    action: Action,
    log: bool,
}

#[derive(Clone, Debug)]
enum Lists {
    Ipv4(Pile<4, 3>),
    Ipv6(Pile<16, 3>),
    Mac(Pile<6, 2>),
}

impl Compiled {
    /// Makes `list` ready.
    pub fn new(list: &AccessList) -> Self {
        let mut ipv4 = Vec::new();
        let mut ipv6 = Vec::new();
        let mut mac = Vec::new();
        let mut effects = Vec::new();
        for rule in list.rules() {
            match rule {
                Rule::Ipv4(rule) => ipv4.push(Ask::of_ip(rule, protocol::ICMP)),
                Rule::Ipv6(rule) => ipv6.push(Ask::of_ip(rule, protocol::ICMPV6)),
                Rule::Mac(rule) => mac.push(Ask::of_frame(rule)),
            }
            effects.push(Effect {
                action: rule.action(),
                log: rule.log(),
            });
        }
        Self {
            tables: match list.family() {
                Family::Ipv4 => Lists::Ipv4(Pile::of(&ipv4)),
                Family::Ipv6 => Lists::Ipv6(Pile::of(&ipv6)),
                Family::Mac => Lists::Mac(Pile::of(&mac)),
            },
            effects: effects.into_boxed_slice(),
            sequences: list.sequences().collect(),
        }
    }

    /// Which frames it judges.
    pub const fn family(&self) -> Family {
        match self.tables {
            Lists::Ipv4(_) => Family::Ipv4,
            Lists::Ipv6(_) => Family::Ipv6,
            Lists::Mac(_) => Family::Mac,
        }
    }

    /// How many lines there are that can decide.
    pub const fn rules(&self) -> usize {
        self.effects.len()
    }

    /// The number that the line at place `index` goes by.
    pub fn sequence(&self, index: u16) -> Option<Sequence> {
        self.sequences.get(usize::from(index)).copied()
    }

    /// What the first line that matches says; `None`: the list does not judge such frames.
    #[inline]
    pub fn judge(&self, view: &View) -> Option<Verdict> {
        let found = match (&self.tables, &view.network) {
            (_, Network::Hidden(why))
            | (Lists::Ipv4(_), Network::BadIpv4(why))
            | (Lists::Ipv6(_), Network::BadIpv6(why)) => return Some(Verdict::unreadable(*why)),
            (Lists::Ipv4(pile), Network::Ipv4(packet)) => pile.first(&IpKey::of(packet)),
            (Lists::Ipv6(pile), Network::Ipv6(packet)) => pile.first(&IpKey::of(packet)),
            (Lists::Mac(pile), _) => pile.first(&MacKey::of(view)),
            _ => return None,
        };
        Some(self.verdict(found))
    }

    #[inline]
    fn verdict(&self, found: Option<usize>) -> Verdict {
        let line =
            found.and_then(|index| Some((u16::try_from(index).ok()?, self.effects.get(index)?)));
        match line {
            None => Verdict::END,
            Some((index, effect)) => Verdict {
                action: effect.action,
                by: By::Line(index),
                log: effect.log,
            },
        }
    }

    /// Memory it holds.
    pub fn octets(&self) -> usize {
        let tables = match &self.tables {
            Lists::Ipv4(pile) => pile.octets(),
            Lists::Ipv6(pile) => pile.octets(),
            Lists::Mac(pile) => pile.octets(),
        };
        size_of::<Self>() + tables + size_of_val(&*self.effects) + size_of_val(&*self.sequences)
    }
}

/// The tables of a list of any length.
#[derive(Clone, Debug)]
enum Pile<const N: usize, const R: usize> {
    Short(Box<Tables<N, R, 2>>),
    Long(Box<[Tables<N, R, 4>]>),
}

impl<const N: usize, const R: usize> Pile<N, R> {
    fn of(asks: &[Ask<N, R>]) -> Self {
        if asks.len() <= Tables::<N, R, 2>::ROOM {
            Self::Short(Box::new(Tables::of(asks)))
        } else {
            let parts = asks.chunks(Tables::<N, R, 4>::ROOM);
            Self::Long(parts.map(Tables::of).collect())
        }
    }

    #[inline]
    fn first(&self, key: &Key<N, R>) -> Option<usize> {
        match self {
            Self::Short(tables) => tables.first(key),
            Self::Long(parts) => {
                let mut before = 0;
                for tables in parts {
                    if let Some(index) = tables.first(key) {
                        return Some(before + index);
                    }
                    before += Tables::<N, R, 4>::ROOM;
                }
                None
            }
        }
    }

    fn octets(&self) -> usize {
        match self {
            Self::Short(tables) => tables.octets(),
            Self::Long(parts) => parts.iter().map(Tables::octets).sum(),
        }
    }
}
