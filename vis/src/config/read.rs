//! From text to configuration: line by line, every fault with its place, nothing taken when one is found.

use super::apply::Context;
use super::concerns::{Topic, concerns};
use super::diagnostic::{Diagnostic, Source, Warning};
use super::effective::MAX_LEVELS;
use super::grammar::Mode;
use super::line::Line;
use super::model::Config;
use super::name::{ProfileName, is_printable};
use super::refusal::{belongs_elsewhere, nearest, sentence};
use super::tree::{Mismatch, walk, walk_any};
use crate::control::explain::FrameOctets;
use crate::control::show::ShowRequest;
use miette::Severity;
use std::collections::{HashMap, HashSet};

/// Octets of a file, at most: 4,096 vEths with every line they can have (six of them name access lists, in 512 octets), and
/// 16,384 lines of access lists, which have 200 octets at most, a remark in other than Latin letters left out.
pub const MAX_FILE: usize = 12 * 1024 * 1024;

/// Octets of a line, at most.
pub const MAX_LINE: usize = 512;

/// Faults reported of one text, at most: the first ones matter.
pub const MAX_DIAGNOSTICS: usize = 50;

/// Reads a configuration. `filename` is what places are named after.
///
/// # Errors
/// Every fault found, at least one; then there is no configuration.
pub fn parse(text: &str, filename: &str) -> Result<(Config, Vec<Warning>), Vec<Diagnostic>> {
    let mut reader = Reader::new(text, filename);
    if text.len() > MAX_FILE {
        reader.report(0, 0, too_long(), None);
        return Err(reader.diagnostics);
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        reader.line(line.trim_end_matches(['\n', '\r']), start);
        start += line.len();
        if reader.diagnostics.len() >= MAX_DIAGNOSTICS {
            break;
        }
    }
    if reader.diagnostics.is_empty() {
        reader.check_inheritance();
    }
    if reader.diagnostics.is_empty() {
        let warnings = reader.warnings();
        Ok((reader.config, warnings))
    } else {
        Err(reader.diagnostics)
    }
}

/// Reads a configuration as it stands in a file.
///
/// # Errors
/// Every fault found, at least one; octets that are no UTF-8 are one.
pub fn parse_bytes(
    octets: &[u8],
    filename: &str,
) -> Result<(Config, Vec<Warning>), Vec<Diagnostic>> {
    if octets.len() > MAX_FILE {
        let mut reader = Reader::new("", filename);
        reader.report(0, 0, too_long(), None);
        return Err(reader.diagnostics);
    }
    match std::str::from_utf8(octets) {
        Ok(text) => parse(text, filename),
        Err(error) => {
            let good = octets.get(..error.valid_up_to()).unwrap_or_default();
            let mut reader = Reader::new(&String::from_utf8_lossy(good), filename);
            let message = "this octet is no part of any character: expected UTF-8 text".to_owned();
            reader.report(good.len(), 0, message, None);
            Err(reader.diagnostics)
        }
    }
}

/// Of a file of which no more was read than shows that it is too long.
fn too_long() -> String {
    format!("the file is too long: expected {MAX_FILE} octets at most")
}

/// Octets of a command, at most: the longest frame, with a separator behind each octet, and some words.
pub(crate) const MAX_COMMAND: usize = FrameOctets::LONGEST * 3 + 100;

/// Reads a `show` or `explain` command, as `vis show` and the shell take it: with or without the word `show`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_show(words: &str) -> Result<ShowRequest, Diagnostic> {
    let begins =
        |first: &str, word: &str| first.len() > 1 && word.starts_with(&first.to_ascii_lowercase());
    let text = match words.split_whitespace().next() {
        Some(first) if begins(first, "show") || begins(first, "explain") => words.to_owned(),
        _ => format!("show {words}"),
    };
    let mut reader = Reader::new(&text, "command");
    if text.len() > MAX_COMMAND {
        let message = format!(
            "the command has {} octets: expected {MAX_COMMAND} at most",
            text.len()
        );
        reader.report(MAX_COMMAND, 0, message, None);
    } else {
        match walk(Mode::Exec.commands(), &text) {
            Ok(Line::Show(request)) => return Ok(request),
            Ok(_) => reader.report(0, text.len(), "expected a `show` command".to_owned(), None),
            Err(mismatch) => reader.mismatch(&text, 0, &mismatch, None),
        }
    }
    reader
        .diagnostics
        .pop()
        .ok_or_else(|| Diagnostic {
            severity: Severity::Error,
            message: "expected a `show` command".to_owned(),
            help: None,
            place: None,
        })
        .and_then(Err)
}

struct Reader {
    source: Source,
    config: Config,
    context: Context,
    /// The block could not be entered: its lines would be misread.
    skipping: bool,
    ended: bool,
    diagnostics: Vec<Diagnostic>,
    places: HashMap<(Context, Topic), (usize, usize)>,
}

impl Reader {
    fn new(text: &str, filename: &str) -> Self {
        Self {
            source: Source::new(text, filename),
            config: Config::empty(),
            context: Context::Config,
            skipping: false,
            ended: false,
            diagnostics: Vec::new(),
            places: HashMap::new(),
        }
    }

    fn line(&mut self, raw: &str, start: usize) {
        let text = if start == 0 {
            raw.trim_start_matches('\u{FEFF}')
        } else {
            raw
        };
        let start = start + (raw.len() - text.len());
        let content = text.trim_matches([' ', '\t']);
        if content.is_empty() || content.starts_with(['!', '#']) {
            return;
        }
        if text.len() > MAX_LINE {
            return self.too_long(text.len(), start);
        }
        if let Some((at, character)) = text
            .char_indices()
            .find(|&(_, character)| character != '\t' && !is_printable(character))
        {
            let message = format!(
                "the character {} cannot be in a configuration: expected printable text",
                character.escape_unicode()
            );
            return self.report(start + at, character.len_utf8(), message, None);
        }
        let indented = text.starts_with([' ', '\t']);
        if self.skipping && indented {
            return;
        }
        self.skipping = false;
        if self.ended {
            let message = "text after `end`: expected the end of the file".to_owned();
            self.skipping = true;
            return self.report(start, text.trim_end().len(), message, None);
        }
        match self.read(text) {
            Ok(line) => self.apply(line, text, start),
            Err((mismatch, help)) => {
                self.skipping = !indented;
                self.mismatch(text, start, &mismatch, help);
            }
        }
    }

    /// In the mode the text is in, else as a line about the whole switch.
    fn read(&self, text: &str) -> Result<Line, (Box<Mismatch>, Option<String>)> {
        let mode = self.context.mode();
        let sets = [mode.commands(), Mode::Config.commands()];
        let sets = if mode == Mode::Config {
            &sets[1..]
        } else {
            &sets
        };
        walk_any(sets, text).map_err(|mismatch| {
            let help = mismatch
                .is_of_the_first_word(text)
                .then(|| belongs_elsewhere(mode, text));
            (mismatch, help.flatten())
        })
    }

    fn apply(&mut self, line: Line, text: &str, start: usize) {
        let topic = Topic::of(&line);
        self.ended = line == Line::End;
        let indent = text.len() - text.trim_start().len();
        let place = (start + indent, text.trim().len());
        match self.config.apply(&self.context, line) {
            Ok(context) => {
                if let Some(topic) = topic {
                    self.places.insert((self.context.clone(), topic), place);
                }
                self.context = context;
            }
            Err(conflict) => self.report(place.0, place.1, conflict.to_string(), None),
        }
    }

    fn check_inheritance(&mut self) {
        for (name, message) in self.config.inheritance_faults() {
            let (start, length) = self
                .places
                .get(&(Context::Profile(name), Topic::Inherit))
                .copied()
                .unwrap_or_default();
            self.report(start, length, message, None);
        }
    }

    fn warnings(&self) -> Vec<Warning> {
        let concerns = concerns(&self.config).into_iter();
        let mut warnings: Vec<_> = concerns
            .map(|concern| {
                let place = |topic: &Topic| {
                    let key = (concern.context.clone(), topic.clone());
                    self.places.get(&key)
                };
                // What is not its own comes from there.
                let place = place(&concern.topic).or_else(|| place(&Topic::Inherit));
                let place = place.map(|&(start, length)| self.source.place(start, length));
                concern.warning(place)
            })
            .collect();
        warnings.sort_by_key(|warning| warning.place.as_ref().map_or(0, |place| place.line));
        warnings
    }

    fn mismatch(&mut self, text: &str, start: usize, mismatch: &Mismatch, help: Option<String>) {
        let message = sentence(text, mismatch);
        let help = nearest(mismatch).or(help);
        self.report(start + mismatch.at, mismatch.length, message, help);
    }

    fn too_long(&mut self, length: usize, start: usize) {
        let message = format!("the line has {length} octets: expected {MAX_LINE} at most");
        self.report(start + MAX_LINE, 0, message, None);
    }

    fn report(&mut self, start: usize, length: usize, message: String, help: Option<String>) {
        self.diagnostics.push(Diagnostic {
            severity: Severity::Error,
            message,
            help,
            place: Some(self.source.place(start, length)),
        });
    }
}

impl Config {
    /// Loops, and too many levels: what no single line can show. Each with the profile it is said of.
    pub fn inheritance_faults(&self) -> Vec<(ProfileName, String)> {
        let mut faults = Vec::new();
        let mut in_a_loop = HashSet::new();
        for name in self.profiles.keys() {
            let chain = chain(self, name);
            if chain.looped {
                // One report per loop, at its first member by name; what leads into it is no fault.
                let first = chain.names.iter().all(|member| !in_a_loop.contains(member));
                let closed = chain.names.last().and_then(|last| parent(self, last));
                if first && closed == Some(name) {
                    let path: Vec<&str> = chain.names.iter().map(|name| name.as_str()).collect();
                    let message = format!(
                        "port-profile {name} inherits from itself: {} -> {name}: expected profiles without a \
                         loop",
                        path.join(" -> ")
                    );
                    faults.push((name.clone(), message));
                    in_a_loop.extend(chain.names);
                }
            } else if chain.names.len() == MAX_LEVELS + 1 {
                let message = format!(
                    "port-profile {name} would be level {} of inheritance: expected {MAX_LEVELS} levels at \
                     most",
                    MAX_LEVELS + 1
                );
                faults.push((name.clone(), message));
            }
        }
        faults
    }
}

struct Chain<'a> {
    /// From a profile to its last ancestor, each once.
    names: Vec<&'a ProfileName>,
    looped: bool,
}

/// Far enough up to know whether there are too many levels or a loop.
fn chain<'a>(config: &'a Config, from: &'a ProfileName) -> Chain<'a> {
    let mut names = vec![from];
    let mut seen = HashSet::from([from]);
    let mut at = from;
    while let Some(next) = parent(config, at).filter(|next| config.profiles.contains_key(*next)) {
        if !seen.insert(next) {
            return Chain {
                names,
                looped: true,
            };
        }
        names.push(next);
        at = next;
    }
    Chain {
        names,
        looped: false,
    }
}

fn parent<'a>(config: &'a Config, name: &ProfileName) -> Option<&'a ProfileName> {
    config.profiles.get(name)?.inherit.as_ref()
}
