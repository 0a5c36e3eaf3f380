//! Access lists, as the configuration holds them: the lines below `ip access-list NAME` and its like.
//!
//! All families share one space of names, as on nxos: a name is of one list.

use super::apply::{Conflict, Context};
use super::line::{Line, ListLine};
use super::model::Config;
use super::tree::{Build, Node, Values, value, word};
use super::value::Kind;
use policy::acl::{
    AccessList, Action, Compiled, Entry, Family, IpRule, Ipv4Pattern, Ipv6Pattern, ListError,
    ListName, MacRule, Rule, Sequence,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Access lists, at most (ours).
pub const MAX_LISTS: usize = 512;

/// Lines of all access lists together, at most (ours). With [`MAX_LISTS`] it bounds what compiled lists take:
/// about 130 MiB, if all are of IPv6 and ask for ports all over the port space.
pub const MAX_LIST_LINES: usize = 16_384;

/// The access lists there are, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<AccessList>", into = "Vec<AccessList>")]
pub struct AccessLists {
    lists: BTreeMap<ListName, Held>,
    /// Lines of all of them.
    lines: usize,
}

/// A list, and what it was made into by whoever asked for that first.
#[derive(Clone, Debug)]
struct Held {
    list: Arc<AccessList>,
    /// Of this very text: a change of it has another one. Held only as long as a switch holds it.
    ready: Arc<Mutex<Weak<Compiled>>>,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Held {}

impl Held {
    fn new(list: AccessList) -> Self {
        Self {
            list: Arc::new(list),
            ready: Arc::default(),
        }
    }
}

impl AccessLists {
    /// The list of that name.
    pub fn get(&self, name: &ListName) -> Option<&Arc<AccessList>> {
        self.lists.get(name).map(|held| &held.list)
    }

    /// By name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<AccessList>> {
        self.lists.values().map(|held| &held.list)
    }

    /// The list of that name made ready for frames: once, however many ports and configurations ask.
    pub fn compiled(&self, name: &ListName) -> Option<(Arc<AccessList>, Arc<Compiled>)> {
        let held = self.lists.get(name)?;
        let mut ready = held.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let compiled = ready.upgrade().unwrap_or_else(|| {
            let compiled = Arc::new(Compiled::new(&held.list));
            *ready = Arc::downgrade(&compiled);
            compiled
        });
        Some((Arc::clone(&held.list), compiled))
    }

    /// The one list of that name, and no other.
    pub(super) fn only(&self, name: &ListName) -> Self {
        let held = self.lists.get_key_value(name);
        let lists = held.map(|(name, held)| (name.clone(), held.clone()));
        Self {
            lines: held.map_or(0, |(_, held)| held.list.len()),
            lists: lists.into_iter().collect(),
        }
    }

    fn enter(&mut self, family: Family, name: &ListName) -> Result<(), Conflict> {
        match self.get(name) {
            Some(list) if list.family() == family => Ok(()),
            Some(list) => Err(Conflict::OtherFamily {
                name: name.clone(),
                family: list.family().as_str(),
            }),
            None if self.lists.len() >= MAX_LISTS => Err(Conflict::TooManyLists),
            None => {
                let list = AccessList::new(family, name.clone());
                self.lists.insert(name.clone(), Held::new(list));
                Ok(())
            }
        }
    }

    fn remove(&mut self, family: Family, name: &ListName) -> Result<(), Conflict> {
        if let Some(list) = self.get(name) {
            let lines = list.len();
            self.enter(family, name)?;
            self.lines -= lines;
            self.lists.remove(name);
        }
        Ok(())
    }

    /// Changes a list; what was made of it before is not of it any more.
    fn edit<T>(
        &mut self,
        name: &ListName,
        change: impl FnOnce(&mut AccessList) -> Result<T, ListError>,
    ) -> Result<Option<T>, ListError> {
        let Some(held) = self.lists.get_mut(name) else {
            return Ok(None);
        };
        let before = held.list.len();
        let list = Arc::make_mut(&mut held.list);
        let changed = change(list)?;
        self.lines = self.lines + list.len() - before;
        held.ready = Arc::default();
        Ok(Some(changed))
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        self.iter().try_for_each(|list| write!(out, "{list}"))
    }
}

impl From<AccessLists> for Vec<AccessList> {
    fn from(lists: AccessLists) -> Self {
        lists.iter().map(|list| AccessList::clone(list)).collect()
    }
}

impl TryFrom<Vec<AccessList>> for AccessLists {
    type Error = ListError;

    fn try_from(lists: Vec<AccessList>) -> Result<Self, ListError> {
        let lines = lists.iter().map(AccessList::len).sum();
        if lists.len() > MAX_LISTS || lines > MAX_LIST_LINES {
            return Err(ListError::Full);
        }
        let held = lists.into_iter();
        let held = held.map(|list| (list.name().clone(), Held::new(list)));
        Ok(Self {
            lists: held.collect(),
            lines,
        })
    }
}

impl Config {
    pub(super) fn apply_list(
        &mut self,
        context: &Context,
        line: ListLine,
    ) -> Result<Context, Conflict> {
        let (family, name) = match line {
            ListLine::Enter(family, name) => {
                self.lists.enter(family, &name)?;
                return Ok(Context::AccessList(family, name));
            }
            ListLine::Remove(family, name) => {
                self.lists.remove(family, &name)?;
                return Ok(Context::Config);
            }
            ListLine::Resequence(family, ref name, first, step) => {
                if self.lists.get(name).is_none() {
                    return Err(Conflict::NoSuchList(name.clone()));
                }
                self.lists.enter(family, name)?;
                self.lists.edit(name, |list| list.resequence(first, step))?;
                return Ok(context.clone());
            }
            _ => match context {
                Context::AccessList(family, name) => (*family, name),
                _ => return Err(Conflict::NotHere),
            },
        };
        let there = self.lists.get(name);
        let there = there.filter(|list| list.family() == family);
        let gone = || Conflict::Gone(context.clone());
        let there = there.ok_or_else(gone)?;
        // Mostly a line is new; one that is there already needs no room, and changes nothing.
        if let ListLine::Add(line) = &line
            && let Some(sequence) = line.sequence
            && there.entry(sequence) == Some(&line.entry)
        {
            return Ok(context.clone());
        }
        let is_full = self.lists.lines >= MAX_LIST_LINES;
        // Whoever wants a line gone has to know when it is another one that decides.
        let no_line = |line: &dyn fmt::Display| Conflict::NoSuchLine {
            line: line.to_string(),
            list: name.clone(),
        };
        match line {
            ListLine::Add(_) if is_full => return Err(Conflict::TooManyListLines),
            ListLine::Add(line) => {
                self.lists.edit(name, |list| list.add(line).map(drop))?;
            }
            ListLine::Drop(sequence) if there.entry(sequence).is_some() => {
                self.lists.edit(name, |list| Ok(list.remove(sequence)))?;
            }
            ListLine::Drop(sequence) => return Err(no_line(&sequence)),
            ListLine::DropEntry(entry) if there.lines().any(|(_, said)| *said == entry) => {
                self.lists
                    .edit(name, |list| Ok(list.remove_entry(&entry)))?;
            }
            ListLine::DropEntry(entry) => return Err(no_line(&entry)),
            ListLine::Enter(..) | ListLine::Remove(..) | ListLine::Resequence(..) => {}
        }
        Ok(context.clone())
    }
}

/// A remark in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark(Box<str>);

impl Remark {
    /// What such a text looks like.
    pub const RULE: &'static str = "a remark of 1 to 100 characters";
}

impl FromStr for Remark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let line = policy::acl::Line::parse(Family::Mac, &format!("remark {text}"));
        match line.map(|line| line.entry) {
            // It is printed among other lines, and read again.
            Ok(Entry::Remark(text)) if text.chars().all(super::is_printable) => Ok(Self(text)),
            _ => Err(()),
        }
    }
}

const fn list(line: ListLine) -> Option<Line> {
    Some(Line::List(line))
}

fn add(entry: Entry, sequence: Option<Sequence>) -> Option<Line> {
    list(ListLine::Add(policy::acl::Line { sequence, entry }))
}

macro_rules! family {
    ($family:expr, $rule:ty, $kind:expr, $name:ident, $of:ident) => {
        /// What may be said below a list of this family.
        pub(super) mod $name {
            use super::*;

            fn rule(values: &mut Values, action: Action) -> Option<Entry> {
                let rule: $rule = values.take()?;
                Some(Entry::Rule(Rule::$of(rule).with_action(action)))
            }

            const DENY: Build = |values| add(rule(values, Action::Deny)?, None);
            const PERMIT: Build = |values| add(rule(values, Action::Permit)?, None);
            const NO_DENY: Build = |values| list(ListLine::DropEntry(rule(values, Action::Deny)?));
            const NO_PERMIT: Build =
                |values| list(ListLine::DropEntry(rule(values, Action::Permit)?));
            const DENY_AT: Build = |values| {
                let sequence = values.take()?;
                add(rule(values, Action::Deny)?, Some(sequence))
            };
            const PERMIT_AT: Build = |values| {
                let sequence = values.take()?;
                add(rule(values, Action::Permit)?, Some(sequence))
            };

            pub(in crate::config) const LINES: &[Node] = &[
                word("deny", DENIES).then(&[value($kind, WHICH).line(DENY).no(NO_DENY)]),
                word("permit", PERMITS).then(&[value($kind, WHICH).line(PERMIT).no(NO_PERMIT)]),
                word("remark", REMARKS).then(&[value(Kind::Remark, TEXT)
                    .line(|values| add(remark(values)?, None))
                    .no(|values| list(ListLine::DropEntry(remark(values)?)))]),
                value(Kind::Sequence, "The number of a line")
                    .no(DROP)
                    .then(&[
                        word("deny", DENIES).then(&[value($kind, WHICH).line(DENY_AT).no(DROP)]),
                        word("permit", PERMITS)
                            .then(&[value($kind, WHICH).line(PERMIT_AT).no(DROP)]),
                        word("remark", REMARKS).then(&[value(Kind::Remark, TEXT)
                            .line(|values| {
                                let sequence = values.take()?;
                                add(remark(values)?, Some(sequence))
                            })
                            .no(DROP)]),
                    ]),
            ];

            pub(in crate::config) const LIST: Node = word(
                "access-list",
                "A list of what may pass a port",
            )
            .then(&[value(Kind::Acl, "Its name or number")
                .line(|values| list(ListLine::Enter($family, values.take()?)))
                .no(|values| list(ListLine::Remove($family, values.take()?)))]);

            pub(super) const RESEQUENCE: Node =
                word("access-list", "A list").then(&[value(Kind::Acl, "Its name or number").then(
                    &[
                        value(Kind::Sequence, "The number of its first line").then(&[value(
                            Kind::Step,
                            "From one line's number to the next",
                        )
                        .line(|values| {
                            list(ListLine::Resequence(
                                $family,
                                values.take()?,
                                values.take()?,
                                values.take::<Step>()?.0,
                            ))
                        })]),
                    ],
                )]);
        }
    };
}

const DENIES: &str = "What is not let pass";
const PERMITS: &str = "What is let pass";
const REMARKS: &str = "A remark for people";
const WHICH: &str = "Which packets";
const TEXT: &str = "The remark";

const DROP: Build = |values| list(ListLine::Drop(values.take()?));

fn remark(values: &mut Values) -> Option<Entry> {
    let Remark(text) = values.take()?;
    Some(Entry::Remark(text))
}

/// From the number of one line to that of the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step(pub NonZeroU32);

impl TryFrom<u32> for Step {
    type Error = ();

    fn try_from(number: u32) -> Result<Self, ()> {
        NonZeroU32::new(number).map(Self).ok_or(())
    }
}

family!(
    Family::Ipv4,
    IpRule<Ipv4Pattern>,
    Kind::Ipv4Rule,
    ipv4,
    Ipv4
);
family!(
    Family::Ipv6,
    IpRule<Ipv6Pattern>,
    Kind::Ipv6Rule,
    ipv6,
    Ipv6
);
family!(Family::Mac, MacRule, Kind::MacRule, mac, Mac);

pub(super) const RESEQUENCE: Node = word("resequence", "Number the lines of a list anew").then(&[
    word("ip", "Of IPv4").then(&[ipv4::RESEQUENCE]),
    word("ipv6", "Of IPv6").then(&[ipv6::RESEQUENCE]),
    word("mac", "Of frames").then(&[mac::RESEQUENCE]),
]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const TEXT: &str = "\
mac access-list arp
  10 permit any any 0x0806
ip access-list web
  10 remark who may reach it
  20 permit tcp any any eq 80
  30 deny ip any any log
ipv6 access-list web6
  10 permit icmp any any
";

    fn faults(text: &str) -> Vec<String> {
        let faults = parse(text, "t").unwrap_err();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_are_read_as_they_are_printed() {
        let (config, _) = parse(TEXT, "t").unwrap();
        assert_eq!(config.running_config(), TEXT);
        let short = "ip access-list web\nrem who may reach it\nper tcp any any eq www\nde ip any any log\n\
            ipv6 access-list web6\n permit icmp any any\nmac access-list arp\n10 permit any any arp\n";
        assert_eq!(parse(short, "t").unwrap().0, config);
    }

    #[test]
    fn no_takes_a_line_or_a_list_away() {
        let text = format!(
            "{TEXT}ip access-list web\nno 10\nno deny ip any any log\nno 20 permit tcp any any eq 80\n\
            no mac access-list arp\nno ipv6 access-list web6\nno ip access-list none\n"
        );
        let (config, _) = parse(&text, "t").unwrap();
        assert_eq!(config.running_config(), "ip access-list web\n");
        assert_eq!(config.lists.lines, 0);
    }

    #[test]
    fn a_list_of_another_family_is_not_taken_away_nor_its_lines_forgotten() {
        let (mut config, _) = parse(TEXT, "t").unwrap();
        let (list, before) = ("web".parse().unwrap(), config.clone());
        let line = Line::List(ListLine::Remove(Family::Mac, list));
        assert!(config.apply(&Context::Config, line).is_err());
        assert_eq!(config, before);
    }

    #[test]
    fn a_line_that_is_not_there_cannot_be_taken_away() {
        for line in [
            "no 99",
            "no permit icmp any any",
            "no 99 permit icmp any any",
        ] {
            let fault = faults(&format!("{TEXT}ip access-list web\n{line}\n"));
            assert!(fault[0].contains("there is no line `"), "{line}: {fault:?}");
        }
    }

    #[test]
    fn a_line_that_says_something_else_is_not_taken_away() {
        let fault = faults(&format!(
            "{TEXT}ip access-list web\nno 20 permit udp any any\n"
        ));
        assert!(
            fault[0].contains("`20 permit tcp any any eq 80`"),
            "{fault:?}"
        );
    }

    #[test]
    fn a_number_is_of_one_line_until_that_is_taken_away() {
        let fault = faults(&format!(
            "{TEXT}ip access-list web\n20 permit udp any any\n"
        ));
        assert!(
            fault[0].contains("line 20 says something else"),
            "{fault:?}"
        );
        let again = format!("{TEXT}ip access-list web\n20 permit tcp any any eq 80\n");
        assert!(parse(&again, "t").is_ok());
    }

    #[test]
    fn a_name_is_of_one_list_whatever_its_family() {
        for line in ["ipv6 access-list web", "no mac access-list web"] {
            let fault = faults(&format!("{TEXT}{line}\n"));
            assert!(
                fault[0].contains("there is `ip access-list web`"),
                "{fault:?}"
            );
        }
    }

    #[test]
    fn a_fault_in_a_rule_has_its_place_and_says_what_was_expected() {
        for (line, says) in [
            (
                "permit tcp any hots 10.0.0.1",
                "t:2:16: `hots` is not known here: expected ",
            ),
            (
                "20 permit tcp any any eq",
                "t:2:25: the line ends too soon: expected ",
            ),
            ("permit", "t:2:7: the line ends too soon: expected "),
            (
                "permit ip any any fragments est",
                "t:2:29: `est` is not known here: expected ",
            ),
            ("0 permit ip any any", "t:2:1: "),
            (
                "permit udp any lt 0 any",
                "t:2:19: `0` will not do: expected ",
            ),
        ] {
            let fault = faults(&format!("ip access-list web\n{line}\n"));
            assert!(fault[0].starts_with(says), "{line}: {fault:?}");
        }
    }

    #[test]
    fn resequence_numbers_lines_anew() {
        let (config, _) =
            parse(&format!("{TEXT}resequence ip access-list web 5 1\n"), "t").unwrap();
        let text = config.running_config();
        assert!(
            text.contains("  5 remark who may reach it\n  6 permit tcp any any eq 80\n  7 deny"),
            "{text}"
        );
        let fault = faults(&format!("{TEXT}resequence ip access-list none 5 1\n"));
        assert!(
            fault[0].contains("there is no access-list none"),
            "{fault:?}"
        );
    }

    #[test]
    fn a_list_is_made_ready_once_for_all_who_ask() {
        let (config, _) = parse(TEXT, "t").unwrap();
        let name: ListName = "web".parse().unwrap();
        let other = config.clone();
        let (_, one) = config.lists.compiled(&name).unwrap();
        let (_, two) = other.lists.compiled(&name).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        let mut edited = config.clone();
        let context = Context::AccessList(Family::Ipv4, name.clone());
        let drop = Line::List(ListLine::Drop(Sequence::new(20).unwrap()));
        edited.apply(&context, drop).unwrap();
        let (_, three) = edited.lists.compiled(&name).unwrap();
        assert!(!Arc::ptr_eq(&one, &three));
        assert_ne!(edited.lists, config.lists);
        let (_, four) = config.lists.compiled(&name).unwrap();
        assert!(Arc::ptr_eq(&one, &four));
    }

    #[test]
    fn lists_and_their_lines_are_bounded() {
        let many: String = (0..=MAX_LISTS)
            .map(|n| format!("ip access-list l{n}\n"))
            .collect();
        assert!(faults(&many)[0].contains("512 access-lists"));
        let mut text = String::new();
        for list in 0..=16 {
            let _ = writeln!(text, "mac access-list l{list}");
            for line in 1..=1023 {
                let _ = writeln!(text, "  {line} remark r");
            }
        }
        assert!(faults(&text)[0].contains("16384 lines"));
    }
}
