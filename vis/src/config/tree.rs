//! The command tree: what may follow what, and what a line means that ends somewhere.
//!
//! The tree knows nothing of any command; those are in [`super::grammar`]. It is walked word by word:
//! keywords may be shortened as long as they stay unique, a number may stand right behind its keyword
//! (`veth1`), and `no` in front walks the same tree to a different end.

use super::line::Line;
use super::value::{Kind, Value};
use policy::acl::Problem;
use std::collections::VecDeque;

/// One word of a command, and what may follow it.
#[derive(Debug)]
pub struct Node {
    /// What stands here.
    pub token: Token,
    /// What it is for, in a few words.
    pub help: &'static str,
    /// What may follow.
    pub next: &'static [Node],
    /// What a line that ends here means.
    pub line: Option<Build>,
    /// What it means with `no` in front.
    pub no: Option<Build>,
    /// With `no` in front it takes away what the line says, and nothing else in its place. So it is, too, where a word
    /// before it can be negated by itself.
    pub claims: bool,
}

/// What stands at one place of a command.
#[derive(Clone, Copy, Debug)]
pub enum Token {
    /// This word.
    Word(&'static str),
    /// A value.
    Value(Kind),
}

/// Makes a line of the values met on the way to its end.
pub type Build = fn(&mut Values) -> Option<Line>;

/// The values met so far, first one first.
#[derive(Clone, Debug, Default)]
pub struct Values(VecDeque<Value>);

impl Values {
    /// The next one, which must be a `T`.
    pub fn take<T: TryFrom<Value>>(&mut self) -> Option<T> {
        self.0.pop_front().and_then(|value| value.try_into().ok())
    }
}

/// A keyword.
pub const fn word(word: &'static str, help: &'static str) -> Node {
    node(Token::Word(word), help)
}

/// A value.
pub const fn value(kind: Kind, help: &'static str) -> Node {
    node(Token::Value(kind), help)
}

const fn node(token: Token, help: &'static str) -> Node {
    Node {
        token,
        help,
        next: &[],
        line: None,
        no: None,
        claims: false,
    }
}

impl Node {
    /// With what may follow.
    #[must_use]
    pub const fn then(mut self, next: &'static [Node]) -> Self {
        self.next = next;
        self
    }

    /// A line may end here.
    #[must_use]
    pub const fn line(mut self, build: Build) -> Self {
        self.line = Some(build);
        self
    }

    /// A line with `no` in front may end here.
    #[must_use]
    pub const fn no(mut self, build: Build) -> Self {
        self.no = Some(build);
        self
    }

    /// With `no` in front, only what the line says is taken away.
    #[must_use]
    pub const fn claims(mut self) -> Self {
        self.claims = true;
        self
    }

    /// As help lists it.
    pub const fn label(&self) -> &'static str {
        match self.token {
            Token::Word(word) => word,
            Token::Value(kind) => kind.placeholder(),
        }
    }

    fn asked(&self) -> String {
        match self.token {
            Token::Word(word) => format!("`{word}`"),
            Token::Value(kind) => kind.asked().to_owned(),
        }
    }

    fn end(&self, negated: bool) -> Option<Build> {
        if negated { self.no } else { self.line }
    }

    /// Something can end here or further on.
    fn leads_on(&self, negated: bool) -> bool {
        self.end(negated).is_some() || self.next.iter().any(|node| node.leads_on(negated))
    }
}

/// A line that means nothing, and where it goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Octets from the start of the text to the fault.
    pub at: usize,
    /// Octets of it.
    pub length: usize,
    /// Words that were understood before it.
    pub depth: usize,
    /// What is wrong.
    pub fault: Fault,
    /// What could stand there.
    pub expected: Vec<String>,
    /// The keyword that was probably meant.
    pub nearest: Option<&'static str>,
}

impl Mismatch {
    /// Nothing is known that begins like this.
    pub fn is_of_the_first_word(&self, text: &str) -> bool {
        matches!(self.fault, Fault::Unknown(_) | Fault::TooMuch(_))
            && self.depth <= usize::from(is_negated(text))
    }
}

impl Mismatch {
    /// What is wrong inside of a value of several words.
    fn inside(self: Box<Self>, error: policy::acl::ParseError) -> Box<Self> {
        let quoted = |word: &&str| match *word {
            "<end of line>" => "the end of the line".to_owned(),
            word if word.starts_with('<') => word.to_owned(),
            word => format!("`{word}`"),
        };
        let length = error.found.as_ref().map_or(0, String::len);
        let found = error.found.unwrap_or_default();
        let (fault, expected) = match error.problem {
            Problem::Expected(words) if length == 0 => {
                (Fault::Incomplete, words.iter().map(quoted).collect())
            }
            Problem::Expected(words) => (Fault::Unknown(found), words.iter().map(quoted).collect()),
            Problem::Ambiguous(words) => (Fault::Ambiguous(found, words), Vec::new()),
            Problem::Invalid(why) => (
                Fault::Invalid(found),
                vec![format!("something else, since {why}")],
            ),
            _ => return self,
        };
        Box::new(Self {
            length,
            fault,
            expected,
            nearest: None,
            ..*self
        })
    }
}

/// `no` stands in front.
pub(super) fn is_negated(text: &str) -> bool {
    text.split_whitespace()
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case("no"))
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing like it is known here.
    Unknown(String),
    /// It shortens several keywords.
    Ambiguous(String, Vec<&'static str>),
    /// A value that cannot be.
    Invalid(String),
    /// Words are missing.
    Incomplete,
    /// Words are left over.
    TooMuch(String),
}

/// Walks `text` from `roots` to the line it means.
///
/// # Errors
/// It means none.
pub fn walk(roots: &'static [Node], text: &str) -> Result<Line, Box<Mismatch>> {
    let mut words = Words { text, at: 0 };
    let mut at = Position::start(roots);
    let mut values = Values::default();

    if let Some((_, first)) = words.peek()
        && first.eq_ignore_ascii_case("no")
    {
        words.next();
        at.negated = true;
        at.depth = 1;
    }
    while let Some((offset, word)) = words.peek() {
        match at.step(word) {
            Step::Word(node) => {
                words.next();
                at.enter(node);
            }
            Step::Glued(node, keyword) => {
                words.at = offset + keyword;
                at.enter(node);
            }
            Step::Value(node, kind) => {
                let taken = if kind.takes_the_rest() {
                    words.rest()
                } else {
                    word
                };
                let value = kind.read(taken).map_err(|invalid| {
                    // Of a first word that is no such value others may know what it is.
                    let fault = match at.here {
                        None => Fault::Unknown(word.to_owned()),
                        Some(_) => Fault::Invalid(taken.to_owned()),
                    };
                    let fault_at = offset + invalid.at;
                    let length = taken.len().saturating_sub(invalid.at);
                    let mismatch = at.mismatch(fault_at, length, fault);
                    match invalid.inside {
                        None => mismatch,
                        Some(inside) => mismatch.inside(*inside),
                    }
                })?;
                words.next();
                if kind.takes_the_rest() {
                    words.at = text.len();
                }
                at.enter(node);
                values.0.push_back(value);
            }
            Step::None(fault) => return Err(at.mismatch(offset, word.len(), fault)),
        }
    }
    let incomplete = |at: &Position| at.mismatch(text.trim_end().len(), 0, Fault::Incomplete);
    let (node, build) = at
        .here
        .and_then(|node| Some((node, node.end(at.negated)?)))
        .ok_or_else(|| incomplete(&at))?;
    let said = node
        .line
        .filter(|_| at.negated && (node.claims || at.could_end));
    let said = said.and_then(|build| build(&mut values.clone()));
    let line = build(&mut values).ok_or_else(|| incomplete(&at))?;
    Ok(match said {
        Some(said) => Line::Unsay(Box::new((said, line))),
        None => line,
    })
}

/// What may stand where `text` ends: for `?` and TAB. With a space at its end, what may follow its last
/// word; without, what its last word may become. Empty when `text` goes wrong before that.
pub fn offers(roots: &'static [Node], text: &str) -> Vec<&'static Node> {
    let complete = match text.rfind([' ', '\t']) {
        Some(at) => at + 1,
        None => 0,
    };
    let (before, last) = text.split_at_checked(complete).unwrap_or((text, ""));
    let mut at = Position::start(roots);
    let mut words = Words {
        text: before,
        at: 0,
    };
    while let Some((offset, word)) = words.next() {
        if at.depth == 0 && !at.negated && word.eq_ignore_ascii_case("no") {
            at.negated = true;
            continue;
        }
        match at.step(word) {
            Step::Word(node) => at.enter(node),
            // All that follows is still it.
            Step::Value(node, kind) if kind.takes_the_rest() => return vec![node],
            Step::Value(node, kind) if kind.read(word).is_ok() => at.enter(node),
            Step::Glued(node, keyword) => {
                words.at = offset + keyword;
                at.enter(node);
            }
            _ => return Vec::new(),
        }
    }
    at.open()
        .filter(|node| match node.token {
            Token::Word(word) => begins(word, last),
            Token::Value(_) => true,
        })
        .collect()
}

/// The first word behind `no`, with its place and the keywords of all sets that it is short for; none if it is a whole one.
fn shortened<'a>(
    sets: &[&'static [Node]],
    text: &'a str,
) -> Option<(usize, &'a str, Vec<&'static str>)> {
    let mut words = Words { text, at: 0 };
    let negated = is_negated(text);
    if negated {
        words.next();
    }
    let (at, word) = words.next()?;
    let mut begun = Vec::new();
    for roots in sets {
        let start = Position {
            negated,
            ..Position::start(roots)
        };
        for (_, keyword) in start.keywords() {
            if keyword.eq_ignore_ascii_case(word) {
                return Some((at, word, Vec::new()));
            }
            if begins(keyword, word) && !begun.contains(&keyword) {
                begun.push(keyword);
            }
        }
    }
    Some((at, word, begun))
}

/// Whether the first word of `text`, behind `no`, is short for several.
pub fn is_ambiguous(sets: &[&'static [Node]], text: &str) -> bool {
    shortened(sets, text).is_some_and(|(_, _, keywords)| keywords.len() > 1)
}

/// Walks `text` from the first of several sets of roots that knows its first word.
///
/// # Errors
/// It means nothing to that one; or to none, and then what any of them expected is said. Or its first word is short for
/// several, whichever sets they are of.
pub fn walk_any(sets: &[&'static [Node]], text: &str) -> Result<Line, Box<Mismatch>> {
    if let Some((at, word, keywords)) = shortened(sets, text)
        && keywords.len() > 1
    {
        return Err(Box::new(Mismatch {
            at,
            length: word.len(),
            depth: is_negated(text).into(),
            fault: Fault::Ambiguous(word.to_owned(), keywords),
            expected: Vec::new(),
            nearest: None,
        }));
    }
    let mut unknown: Option<Box<Mismatch>> = None;
    for roots in sets {
        match walk(roots, text) {
            Ok(line) => return Ok(line),
            Err(mismatch) if !mismatch.is_of_the_first_word(text) => return Err(mismatch),
            Err(mismatch) => match &mut unknown {
                None => unknown = Some(mismatch),
                Some(first) => {
                    first.expected.extend(mismatch.expected);
                    first.nearest = first.nearest.or(mismatch.nearest);
                }
            },
        }
    }
    Err(unknown.unwrap_or_else(|| {
        Box::new(Mismatch {
            at: 0,
            length: text.len(),
            depth: 0,
            fault: Fault::Unknown(text.to_owned()),
            expected: Vec::new(),
            nearest: None,
        })
    }))
}

/// [`offers`] of several sets of roots, of which the first that knows the first word has the others'.
pub fn offers_of_any(sets: &[&'static [Node]], text: &str) -> Vec<&'static Node> {
    let mut before: Vec<&str> = text.split(BLANKS).filter(|word| !word.is_empty()).collect();
    if !text.ends_with(BLANKS) {
        before.pop();
    }
    let is_no = |word: &&&str| word.eq_ignore_ascii_case("no");
    let negated = before.first().as_ref().is_some_and(is_no);
    let Some(first) = before.get(usize::from(negated)) else {
        let mut all: Vec<&'static Node> = Vec::new();
        for node in sets.iter().flat_map(|roots| offers(roots, text)) {
            if !all.iter().any(|other| other.label() == node.label()) {
                all.push(node);
            }
        }
        return all;
    };
    if is_ambiguous(sets, &before.join(" ")) {
        return Vec::new();
    }
    let knows = |roots: &&&'static [Node]| {
        let at = Position {
            negated,
            ..Position::start(roots)
        };
        match at.step(first) {
            Step::None(Fault::Unknown(_) | Fault::TooMuch(_)) => false,
            Step::Value(_, kind) => kind.read(first).is_ok(),
            _ => true,
        }
    };
    let known = sets.iter().find(knows);
    known.map_or_else(Vec::new, |roots| offers(roots, text))
}

struct Position {
    nodes: &'static [Node],
    here: Option<&'static Node>,
    negated: bool,
    /// A line could have ended before the last word.
    could_end: bool,
    depth: usize,
}

enum Step {
    Word(&'static Node),
    Value(&'static Node, Kind),
    /// The keyword is the first so many octets of the word; a value follows without a space.
    Glued(&'static Node, usize),
    None(Fault),
}

impl Position {
    const fn start(nodes: &'static [Node]) -> Self {
        Self {
            nodes,
            here: None,
            negated: false,
            could_end: false,
            depth: 0,
        }
    }

    fn enter(&mut self, node: &'static Node) {
        self.could_end |= self
            .here
            .is_some_and(|node| node.end(self.negated).is_some());
        self.nodes = node.next;
        self.here = Some(node);
        self.depth += 1;
    }

    fn open(&self) -> impl Iterator<Item = &'static Node> + use<> {
        let negated = self.negated;
        self.nodes.iter().filter(move |node| node.leads_on(negated))
    }

    fn keywords(&self) -> impl Iterator<Item = (&'static Node, &'static str)> + use<> {
        self.open().filter_map(|node| match node.token {
            Token::Word(word) => Some((node, word)),
            Token::Value(_) => None,
        })
    }

    fn step(&self, word: &str) -> Step {
        if let Some((node, _)) = self
            .keywords()
            .find(|(_, keyword)| keyword.eq_ignore_ascii_case(word))
        {
            return Step::Word(node);
        }
        let begun: Vec<_> = self
            .keywords()
            .filter(|(_, keyword)| begins(keyword, word))
            .collect();
        match begun.as_slice() {
            [] => {}
            [(node, _)] => return Step::Word(node),
            several => {
                let keywords = several.iter().map(|&(_, keyword)| keyword).collect();
                return Step::None(Fault::Ambiguous(word.to_owned(), keywords));
            }
        }
        if let Some(step) = self.glued(word) {
            return step;
        }
        let value = self.open().find_map(|node| match node.token {
            Token::Value(kind) => Some((node, kind)),
            Token::Word(_) => None,
        });
        if let Some((node, kind)) = value {
            return Step::Value(node, kind);
        }
        let word = word.to_owned();
        Step::None(if self.open().next().is_none() {
            Fault::TooMuch(word)
        } else {
            Fault::Unknown(word)
        })
    }

    /// A keyword and its value in one word: `veth1`, `vlan10,20`.
    fn glued(&self, word: &str) -> Option<Step> {
        let digit = word.find(|letter: char| letter.is_ascii_digit())?;
        let (keyword, rest) = word
            .split_at_checked(digit)
            .filter(|(k, _)| !k.is_empty())?;
        let Step::Word(node) = self.step(keyword) else {
            return None;
        };
        let numbered = node
            .next
            .iter()
            .any(|next| matches!(next.token, Token::Value(kind) if kind.is_a_number()));
        (numbered && !rest.is_empty()).then_some(Step::Glued(node, digit))
    }

    fn mismatch(&self, at: usize, length: usize, fault: Fault) -> Box<Mismatch> {
        let mut expected: Vec<String> = self.open().map(Node::asked).collect();
        if self
            .here
            .is_some_and(|node| node.end(self.negated).is_some())
        {
            expected.push("the end of the line".to_owned());
        }
        let nearest = match &fault {
            Fault::Unknown(word) | Fault::Invalid(word) => {
                nearest(word, self.keywords().map(|(_, keyword)| keyword))
            }
            _ => None,
        };
        Box::new(Mismatch {
            at,
            length,
            depth: self.depth,
            fault,
            expected,
            nearest,
        })
    }
}

fn begins(keyword: &str, beginning: &str) -> bool {
    keyword
        .get(..beginning.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(beginning))
}

/// The keyword `word` was probably meant to be: a third of it may be wrong.
pub(super) fn nearest(
    word: &str,
    keywords: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    // The distance costs the product of both lengths.
    if word.len() > 40 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let length = word.chars().count();
    keywords
        // What one is longer than the other is wrong in any case.
        .filter(|keyword| keyword.len().abs_diff(length) * 3 <= keyword.len().max(3))
        .map(|keyword| (strsim::damerau_levenshtein(&word, keyword), keyword))
        .filter(|(distance, keyword)| distance * 3 <= keyword.len().max(3))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, keyword)| keyword)
}

/// The words of a text with their places in it.
#[derive(Clone, Copy)]
struct Words<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<(usize, &'a str)> {
        self.clone().next()
    }

    /// From the next word to the last.
    fn rest(&self) -> &'a str {
        self.text
            .get(self.at..)
            .unwrap_or_default()
            .trim_matches(BLANKS)
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

impl<'a> Iterator for Words<'a> {
    type Item = (usize, &'a str);

    fn next(&mut self) -> Option<(usize, &'a str)> {
        let rest = self.text.get(self.at..)?;
        let start = self.at + (rest.len() - rest.trim_start_matches(BLANKS).len());
        let word = self.text.get(start..)?.split(BLANKS).next()?;
        self.at = start + word.len();
        (!word.is_empty()).then_some((start, word))
    }
}
