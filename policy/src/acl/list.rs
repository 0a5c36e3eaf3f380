//! A list: numbered lines, of which some decide and some only remark.

use super::rule::{Family, Rule};
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use thiserror::Error;

/// Lines in one list, at most, remarks counted (ours).
pub const MAX_LINES: usize = 1024;

/// Between the numbers of lines that were added without one.
const STEP: u32 = 10;

/// Characters in a name, at most.
const LONGEST_NAME: usize = 63;

/// Characters in a remark, at most.
pub(super) const LONGEST_REMARK: usize = 100;

/// The number a line goes by: lines are asked in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(NonZeroU32);

impl Sequence {
    /// `None` for 0.
    pub const fn new(number: u32) -> Option<Self> {
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// 1 and up.
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The name of a list: 1 to 63 of letters, digits, `-`, `_`, `.` and `:`. A number is a name too.
///
/// ```
/// use policy::acl::ListName;
///
/// assert!("500".parse::<ListName>()?.is_number());
/// assert!("two words".parse::<ListName>().is_err());
/// # Ok::<(), policy::acl::InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub struct ListName(Box<str>);

impl ListName {
    /// What such a text looks like.
    pub const RULE: &'static str = "a name or number of 1 to 63 letters, digits and any of . _ - :";

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a numbered list.
    pub fn is_number(&self) -> bool {
        self.0.bytes().all(|octet| octet.is_ascii_digit())
    }
}

/// Text that names no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a list's name is 1 to 63 letters, digits, '-', '_', '.' or ':'")]
pub struct InvalidName;

impl FromStr for ListName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let allowed = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.:".contains(&octet);
        let fits = (1..=LONGEST_NAME).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName)
        }
    }
}

impl TryFrom<String> for ListName {
    type Error = InvalidName;

    fn try_from(text: String) -> Result<Self, InvalidName> {
        text.parse()
    }
}

impl From<ListName> for String {
    fn from(name: ListName) -> Self {
        name.0.into()
    }
}

impl fmt::Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// For the reader: one to 100 characters without control characters, and without space at either end.
    Remark(Box<str>),
    /// For frames.
    Rule(Rule),
}

/// A line as it is typed: its number may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The number; `None`: 10 more than the last line's.
    pub sequence: Option<Sequence>,
    /// The rest.
    pub entry: Entry,
}

/// A list of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "String", into = "String")
)]
pub struct AccessList {
    name: ListName,
    family: Family,
    lines: BTreeMap<Sequence, Entry>,
}

/// Why a list takes no such line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ListError {
    /// It is full.
    #[error("a list holds {MAX_LINES} lines at most; split it, or remove lines that nothing hits")]
    Full,
    /// Another line has the number.
    #[error("line {0} says something else; remove it with 'no {0}' first, or give another number")]
    Taken(Sequence),
    /// There is no number behind the last line's.
    #[error("no number is left behind line {0}; give one, or renumber with 'resequence'")]
    NoNumberLeft(Sequence),
    /// A rule of another family.
    #[error("a rule of {} lists does not fit into one of {} lists", .0.as_str(), .1.as_str())]
    OtherFamily(Family, Family),
}

impl AccessList {
    /// A list without lines: it denies all it judges.
    pub const fn new(family: Family, name: ListName) -> Self {
        Self {
            name,
            family,
            lines: BTreeMap::new(),
        }
    }

    /// What it is called.
    pub const fn name(&self) -> &ListName {
        &self.name
    }

    /// Which frames it judges.
    pub const fn family(&self) -> Family {
        self.family
    }

    /// How many lines there are, remarks counted.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none: then it denies all it judges.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// What the line of this number says.
    pub fn entry(&self, sequence: Sequence) -> Option<&Entry> {
        self.lines.get(&sequence)
    }

    /// Adds a line; says which number it got. A line that is there already changes nothing.
    ///
    /// # Errors
    /// The list is full, or has a line of that number that says something else, or judges other frames.
    pub fn add(&mut self, line: Line) -> Result<Sequence, ListError> {
        if let Entry::Rule(rule) = &line.entry
            && rule.family() != self.family
        {
            return Err(ListError::OtherFamily(rule.family(), self.family));
        }
        let sequence = match line.sequence {
            Some(sequence) => sequence,
            None => self.next_sequence()?,
        };
        match self.lines.get(&sequence) {
            Some(there) if *there == line.entry => return Ok(sequence),
            Some(_) => return Err(ListError::Taken(sequence)),
            None if self.lines.len() >= MAX_LINES => return Err(ListError::Full),
            None => {}
        }
        self.lines.insert(sequence, line.entry);
        Ok(sequence)
    }

    fn next_sequence(&self) -> Result<Sequence, ListError> {
        let Some((last, _)) = self.lines.last_key_value() else {
            return Sequence::new(STEP).ok_or(ListError::Full);
        };
        let next = last.get().checked_add(STEP).and_then(Sequence::new);
        next.ok_or(ListError::NoNumberLeft(*last))
    }

    /// Takes a line away.
    pub fn remove(&mut self, sequence: Sequence) -> Option<Entry> {
        self.lines.remove(&sequence)
    }

    /// Takes the first line away that says this, as `no permit ip any any` means.
    pub fn remove_entry(&mut self, entry: &Entry) -> Option<Sequence> {
        let (sequence, _) = self.lines.iter().find(|(_, there)| *there == entry)?;
        let sequence = *sequence;
        self.lines.remove(&sequence);
        Some(sequence)
    }

    /// Gives the lines the numbers `first`, `first + step` and so on, in the order they have.
    ///
    /// # Errors
    /// The last number would be too large; nothing has changed.
    pub fn resequence(&mut self, first: Sequence, step: NonZeroU32) -> Result<(), ListError> {
        let steps = u32::try_from(self.lines.len().saturating_sub(1)).ok();
        let last = steps.and_then(|steps| steps.checked_mul(step.get())?.checked_add(first.get()));
        if last.is_none() {
            return Err(ListError::NoNumberLeft(first));
        }
        let numbers = (0..).map_while(|n: u32| {
            Sequence::new(n.checked_mul(step.get())?.checked_add(first.get())?)
        });
        let lines = std::mem::take(&mut self.lines);
        self.lines = numbers.zip(lines.into_values()).collect();
        Ok(())
    }

    /// Every line, in order.
    pub fn lines(&self) -> impl Iterator<Item = (Sequence, &Entry)> {
        self.lines
            .iter()
            .map(|(sequence, entry)| (*sequence, entry))
    }

    /// The lines that decide, in order.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.lines.values().filter_map(|entry| match entry {
            Entry::Rule(rule) => Some(rule),
            Entry::Remark(_) => None,
        })
    }

    /// The numbers of the lines that decide, in order.
    pub fn sequences(&self) -> impl Iterator<Item = Sequence> {
        let rules = self
            .lines()
            .filter(|(_, entry)| matches!(entry, Entry::Rule(_)));
        rules.map(|(sequence, _)| sequence)
    }
}
