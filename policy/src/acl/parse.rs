//! Reading lines, as people type them.

use super::list::{Entry, LONGEST_REMARK, Line, Sequence};
use super::names;
use super::parse_address::mac_pattern;
use super::parse_ip::{IPV4, IPV6, ip_rule};
use super::rule::{Action, Family, MacRule, Rule};
use super::words::{END, LONGEST_LINE, ParseError, Problem, Words};
use vntag::ethertype;

const TEXT: &str = "<text>";

/// A word that stands for nothing.
const NO_WORD: &str = "\u{2400}";

impl Line {
    /// Reads `[NUMBER] remark TEXT` or `[NUMBER] permit|deny ...`; words may be cut short as long as they are unambiguous.
    ///
    /// ```
    /// use policy::acl::{Family, Line};
    ///
    /// let line = Line::parse(Family::Ipv4, "10 permit tcp any host 10.0.0.1 range 80 90 est log")?;
    /// assert_eq!(line.to_string(), "10 permit tcp any host 10.0.0.1 range 80 90 established log");
    ///
    /// let error = Line::parse(Family::Ipv4, "permit tcp any hots 10.0.0.1").unwrap_err();
    /// assert_eq!(error.column, 15);
    /// # Ok::<(), policy::acl::ParseError>(())
    /// ```
    ///
    /// # Errors
    /// Where it is not such a line, and what should stand there.
    pub fn parse(family: Family, text: &str) -> Result<Self, ParseError> {
        let mut words = Words::new(text);
        if text.len() > LONGEST_LINE {
            return Err(words.error(Problem::Invalid("a line has 512 characters at most")));
        }
        let sequence = match words.peek() {
            Some(word) if word.starts_with(|first: char| first.is_ascii_digit()) => {
                Some(sequence(&mut words)?)
            }
            _ => None,
        };
        let entry = entry(family, &mut words, sequence.is_some())?;
        Ok(Self { sequence, entry })
    }

    /// What may stand behind the whole words of `text`: words, and in angle brackets what kind of value. If the line may
    /// end there, `<end of line>` is among them.
    ///
    /// # Errors
    /// `text` is not the beginning of a line.
    pub fn what_follows(family: Family, text: &str) -> Result<Vec<&'static str>, ParseError> {
        let marked = format!("{} {NO_WORD}", text.trim_end());
        match Self::parse(family, &marked) {
            Err(ParseError {
                found: Some(found),
                problem: Problem::Expected(words),
                ..
            }) if found == NO_WORD => Ok(words),
            Err(error) => Err(error),
            // Only a remark takes any word.
            Ok(_) => Ok(vec![TEXT]),
        }
    }
}

fn sequence(words: &mut Words<'_>) -> Result<Sequence, ParseError> {
    let number = words.try_read(|word| Sequence::new(word.parse().ok()?));
    number.ok_or_else(|| words.expected(["<line number 1-4294967295>"]))
}

#[derive(Clone, Copy)]
enum Kind {
    Remark,
    Rule(Action),
}

const KINDS: &[(&str, Kind)] = &[
    ("permit", Kind::Rule(Action::Permit)),
    ("deny", Kind::Rule(Action::Deny)),
    ("remark", Kind::Remark),
];

fn entry(family: Family, words: &mut Words<'_>, numbered: bool) -> Result<Entry, ParseError> {
    let Some(kind) = words.keyword(KINDS)? else {
        let number = (!numbered).then_some("<line number 1-4294967295>");
        return Err(words.expected(["permit", "deny", "remark"].into_iter().chain(number)));
    };
    let action = match kind {
        Kind::Remark => return remark(words),
        Kind::Rule(action) => action,
    };
    let rule = match family {
        Family::Ipv4 => Rule::Ipv4(ip_rule(words, action, &IPV4)?),
        Family::Ipv6 => Rule::Ipv6(ip_rule(words, action, &IPV6)?),
        Family::Mac => Rule::Mac(mac_rule(words, action)?),
    };
    if words.peek().is_some() {
        return Err(words.expected([END]));
    }
    Ok(Entry::Rule(rule))
}

fn remark(words: &Words<'_>) -> Result<Entry, ParseError> {
    let text = words.rest();
    if text.is_empty() {
        Err(words.expected([TEXT]))
    } else if text.chars().count() > LONGEST_REMARK {
        Err(words.error(Problem::Invalid("a remark has 100 characters at most")))
    } else if text.chars().any(char::is_control) {
        Err(words.error(Problem::Invalid("a remark has no control characters")))
    } else {
        Ok(Entry::Remark(text.into()))
    }
}

fn mac_rule(words: &mut Words<'_>, action: Action) -> Result<MacRule, ParseError> {
    let source = mac_pattern(words)?;
    let destination = mac_pattern(words)?;
    let log = [("log", true)];
    let number = |word: &str| {
        let digits = word
            .strip_prefix("0x")
            .or_else(|| word.strip_prefix("0X"))?;
        let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u16::from_str_radix(digits, 16).ok().filter(|_| all);
        // What is asked is what stands behind all tags.
        number.filter(|number| !matches!(*number, ethertype::VLAN | ethertype::SERVICE_VLAN))
    };
    let mut ethertype = words.try_read(number);
    let mut logged = false;
    if ethertype.is_none() && words.peek().is_some() {
        logged = words
            .try_read(|word| word.eq_ignore_ascii_case("log").then_some(()))
            .is_some();
        if !logged {
            ethertype = words.keyword(names::ETHERTYPES)?;
            if ethertype.is_none() {
                let names = names::ETHERTYPES.iter().map(|(name, _)| *name);
                let more = ["<EtherType 0x0000-0xffff, no VLAN tag>", "log", END];
                return Err(words.expected(names.chain(more)));
            }
        }
    }
    logged = logged || words.keyword(&log)?.is_some();
    Ok(MacRule {
        action,
        source,
        destination,
        ethertype,
        log: logged,
    })
}
