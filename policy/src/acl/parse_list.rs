//! Reading whole lists, as they are written.

use super::list::{AccessList, InvalidName, Line, ListError};
use super::rule::Family;
use super::words::ParseError;
use std::str::FromStr;
use thiserror::Error;

/// Why text is no list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct ParseListError {
    /// Which line of the text, from 1.
    pub line: usize,
    /// What is wrong with it.
    #[source]
    pub problem: ListParseError,
}

/// What is wrong with a line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListParseError {
    /// The first line.
    #[error(
        "a list begins with 'ip access-list NAME', 'ipv6 access-list NAME' or 'mac access-list NAME'"
    )]
    Head,
    /// The name in it.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A line is no line.
    #[error(transparent)]
    Line(#[from] ParseError),
    /// The list does not take it.
    #[error(transparent)]
    List(#[from] ListError),
}

impl FromStr for AccessList {
    type Err = ParseListError;

    /// Reads what `Display` writes. Empty lines are left out.
    fn from_str(text: &str) -> Result<Self, ParseListError> {
        let mut lines = text
            .lines()
            .zip(1..)
            .filter(|(text, _)| !text.trim().is_empty());
        let at = |line| move |problem| ParseListError { line, problem };
        let (first, number) = lines.next().unwrap_or(("", 1));
        let mut list = head(first).map_err(at(number))?;
        for (text, number) in lines {
            let line = Line::parse(list.family(), text);
            let line = line.map_err(ListParseError::Line).map_err(at(number))?;
            list.add(line)
                .map_err(ListParseError::List)
                .map_err(at(number))?;
        }
        Ok(list)
    }
}

impl TryFrom<String> for AccessList {
    type Error = ParseListError;

    fn try_from(text: String) -> Result<Self, ParseListError> {
        text.parse()
    }
}

impl From<AccessList> for String {
    fn from(list: AccessList) -> Self {
        list.to_string()
    }
}

fn head(text: &str) -> Result<AccessList, ListParseError> {
    let words: Vec<&str> = text.split_whitespace().take(4).collect();
    let [family, "access-list", name] = words[..] else {
        return Err(ListParseError::Head);
    };
    let all = [Family::Ipv4, Family::Ipv6, Family::Mac];
    let family = all.into_iter().find(|known| known.as_str() == family);
    Ok(AccessList::new(
        family.ok_or(ListParseError::Head)?,
        name.parse()?,
    ))
}
