//! `?` and TAB: what may stand where the cursor is.

use super::understand::{MAX_PIPES, split_pipes, understand, untypable};
use crate::config::grammar::{Mode, PIPES};
use crate::config::tree::{Node, Token, is_ambiguous, offers, offers_of_any, walk};
use crate::config::{Kind, Line, ListLine, MAX_COMMAND, Pipe, PortLine};
use policy::acl::Entry;

/// Something that may stand where the cursor is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The word, or what kind of value: `<1-4094>`, `NAME`. `<cr>`: the line may end.
    pub label: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// It is a word to be typed as it stands.
    pub word: bool,
}

/// What may stand where `text` ends, typed in `mode`: with a blank at its end, after its last word; without, in place
/// of it.
pub fn help(mode: Mode, text: &str) -> Vec<Offer> {
    if text.len() > MAX_COMMAND {
        return Vec::new();
    }
    let mut found: Vec<Offer> = match of_a_rule(mode, text) {
        Some(words) => words.into_iter().map(rule_offer).collect(),
        None => nodes(mode, text).into_iter().map(offer).collect(),
    };
    let starts_a_word = text.is_empty() || text.ends_with([' ', '\t']);
    if starts_a_word && let Ok(Some(understood)) = understand(mode, text) {
        if understood.line.shows() && split_pipes(mode, text).is_none() {
            found.push(Offer {
                label: "|",
                help: "Pick out of the answer",
                word: true,
            });
        }
        found.push(Offer {
            label: "<cr>",
            help: "The line may end here",
            word: false,
        });
    }
    found
}

/// Whether `text` ends inside a value that may be any text, so that a `?` there is one of its characters.
pub fn is_text(mode: Mode, text: &str) -> bool {
    let Ok(Some(understood)) = understand(mode, text) else {
        return false;
    };
    let is_pattern =
        |pipe: &Pipe| matches!(pipe, Pipe::Include(_) | Pipe::Exclude(_) | Pipe::Begin(_));
    let is_remark = match &understood.line {
        Line::Port(PortLine::Description(text)) => text.is_some(),
        Line::List(ListLine::Add(line)) => matches!(line.entry, Entry::Remark(_)),
        _ => false,
    };
    is_remark || understood.pipes.last().is_some_and(is_pattern)
}

/// The kinds of values that the last word of `text` may be.
pub fn kinds(mode: Mode, text: &str) -> Vec<Kind> {
    if text.len() > MAX_COMMAND {
        return Vec::new();
    }
    let kinds = nodes(mode, text)
        .into_iter()
        .filter_map(|node| match node.token {
            Token::Value(kind) => Some(kind),
            Token::Word(_) => None,
        });
    kinds.collect()
}

/// The words that the last word of `text` may become, and where it starts. Of one, the whole; of several, each.
pub fn complete(mode: Mode, text: &str) -> (usize, Vec<&'static str>) {
    let start = text.rfind([' ', '\t', '|']).map_or(0, |at| at + 1);
    // Behind any `|` but the first stands a blank, or it is part of a pattern.
    let is_glued = || split_pipes(mode, text).is_some_and(|(_, pipes)| pipes.len() > 1);
    if text.len() > MAX_COMMAND || (text.ends_with('|') && is_glued()) {
        return (start, Vec::new());
    }
    let words = nodes(mode, text)
        .into_iter()
        .filter_map(|node| match node.token {
            Token::Word(word) => Some(word),
            Token::Value(_) => None,
        });
    let mut words: Vec<&'static str> = match of_a_rule(mode, text) {
        Some(words) => words.into_iter().filter(|word| is_word(word)).collect(),
        None => words.collect(),
    };
    words.sort_unstable();
    words.dedup();
    (start, words)
}

fn nodes(mode: Mode, text: &str) -> Vec<&'static Node> {
    if untypable(text).is_some() {
        return Vec::new();
    }
    match split_pipes(mode, text) {
        Some((_, pipes)) => match pipes.split_last() {
            Some(((_, last), before)) if are_pipes(before) => offers(PIPES, last),
            _ => Vec::new(),
        },
        None => offers_of_any(mode.typed(), text),
    }
}

/// Another may stand behind them.
fn are_pipes(pipes: &[(usize, &str)]) -> bool {
    pipes.len() < MAX_PIPES && pipes.iter().all(|(_, pipe)| walk(PIPES, pipe).is_ok())
}

/// What the last word of a rule in an access list may become; `None`: there is no rule yet.
fn of_a_rule(mode: Mode, text: &str) -> Option<Vec<&'static str>> {
    let Mode::AccessList(family) = mode else {
        return None;
    };
    if untypable(text).is_some() {
        return None;
    }
    let start = text.rfind([' ', '\t']).map_or(0, |at| at + 1);
    let (mut rule, last) = text.split_at_checked(start)?;
    if is_ambiguous(mode.typed(), rule) {
        return None;
    }
    rule = rule.trim_start();
    let skip = |rule: &mut &str, is_it: fn(&str) -> bool| {
        let first = rule.split([' ', '\t']).next().unwrap_or_default();
        if is_it(first) {
            *rule = rule.get(first.len()..).unwrap_or_default().trim_start();
        }
    };
    skip(&mut rule, |word| word.eq_ignore_ascii_case("no"));
    skip(&mut rule, |word| Kind::Sequence.read(word).is_ok());
    let first = rule.split([' ', '\t']).next().unwrap_or_default();
    let decides = |word: &str| {
        let beginning = word.get(..first.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(first))
    };
    if first.is_empty() || !(decides("permit") || decides("deny")) {
        return None;
    }
    let mut words = policy::acl::Line::what_follows(family, rule).unwrap_or_default();
    let begins = |word: &str| {
        let beginning = word.get(..last.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(last))
    };
    words.retain(|word| *word != END && (!is_word(word) || begins(word)));
    Some(words)
}

/// As access lists say that a line may end, which is said here of every line.
const END: &str = "<end of line>";

fn is_word(label: &str) -> bool {
    !label.starts_with('<')
}

fn rule_offer(label: &'static str) -> Offer {
    Offer {
        label,
        help: "",
        word: is_word(label),
    }
}

fn offer(node: &'static Node) -> Offer {
    Offer {
        label: node.label(),
        help: node.help,
        word: matches!(node.token, Token::Word(_)),
    }
}

/// The offers as `?` prints them.
pub fn print(offers: &[Offer]) -> String {
    let width = offers.iter().map(|o| o.label.len()).max().unwrap_or(0);
    offers
        .iter()
        .map(|offer| {
            let line = format!("  {:<width$}  {}", offer.label, offer.help);
            format!("{}\n", line.trim_end())
        })
        .collect()
}
