//! What is typed: lines, `?` and TAB, in any mode.

use crate::marks::{is_looking, mark, variant};
use vis::config::grammar::Mode;
use policy::acl::Family;
use vis::config::Line;
use vis::shell::{complete, help, understand};

const MODES: [Mode; 6] = [
    Mode::Exec,
    Mode::Config,
    Mode::Vlan,
    Mode::Profile,
    Mode::Ethernet,
    Mode::Veth,
];

/// The first octet of each line of `data` says the mode, and the place where what is offered is looked into; the rest is
/// typed.
///
/// # Panics
/// A fault has no place in the line; a word that TAB proposes is not accepted; or `?` knows nothing where something is.
pub fn command_line(data: &[u8]) {
    for line in data.split(|&octet| octet == b'\n').take(16) {
        let Some((first, rest)) = line.split_first() else {
            continue;
        };
        let (mode, place) = match usize::from(*first) {
            list @ 0xF0..=0xF4 => (Mode::AccessList(Family::Ipv4), list - 0xF0),
            list @ 0xF5..=0xF9 => (Mode::AccessList(Family::Ipv6), list - 0xF5),
            list @ 0xFA.. => (Mode::AccessList(Family::Mac), list - 0xFA),
            other => {
                let mode = MODES.get(other % MODES.len()).unwrap_or(&Mode::Exec);
                (*mode, other / MODES.len())
            }
        };
        let text = String::from_utf8_lossy(rest);
        typed(mode, &text, place);
    }
}

/// What is offered is looked into at one `place` of many, and at the end: at each it would cost as much as the line and its
/// offers are long, and a fuzzer has lines enough.
fn typed(mode: Mode, text: &str, place: usize) {
    match understand(mode, text) {
        Ok(Some(understood)) => {
            if is_looking() {
                accepted(&understood.line, understood.pipes.len());
            }
            what_is_accepted_is_offered(mode, text, place);
        }
        Ok(None) => mark("remark", "or blank"),
        Err(fault) => {
            mark("fault with help", fault.help.is_some());
            assert!(fault.message.contains("expected "), "{}", fault.message);
            let start = fault.start.unwrap_or(0);
            assert!(start <= text.len(), "{text:?}: {fault:?}");
            let shown = fault.diagnostic("t", 3, text).to_string();
            assert!(shown.starts_with("t:3:"), "{shown}");
        }
    }
    // A remark is no command, whatever it looks like.
    let (start, words) = complete(mode, text);
    let before = text.get(..start);
    assert!(before.is_some(), "{text:?}: {start}");
    if let Some(word) = nth(&words, place) {
        let completed = format!("{}{word} ", before.unwrap_or_default());
        let goes_on = !help(mode, &completed).is_empty();
        assert!(goes_on, "{mode:?}: TAB proposes {completed:?}, and nothing may follow");
    }
}

/// The one at `place`, counted around.
fn nth<T>(all: &[T], place: usize) -> Option<&T> {
    all.get(place.checked_rem(all.len())?)
}

/// At the start of one of its words, and at its end.
fn what_is_accepted_is_offered(mode: Mode, text: &str, place: usize) {
    let starts = text.match_indices([' ', '\t']).map(|(at, _)| at + 1);
    let starts: Vec<usize> = [0].into_iter().chain(starts).collect();
    for at in nth(&starts, place).into_iter().copied().chain([text.len()]) {
        let before = text.get(..at).unwrap_or_default();
        if at == text.len() && !before.ends_with([' ', '\t']) {
            let offered = help(mode, &format!("{before} "));
            // What takes the rest of the line ends nowhere else; a number may stand right behind its word.
            assert!(
                offered.iter().any(|offer| offer.label == "<cr>"),
                "{mode:?}: {text:?} is accepted, and `?` behind it says {offered:?}"
            );
        } else if understand(mode, before).is_err() {
            let in_a_rest = help(mode, before).is_empty();
            assert!(!in_a_rest, "{mode:?}: `?` knows nothing after {before:?} of {text:?}");
        }
    }
}

fn accepted(line: &Line, pipes: usize) {
    match line {
        Line::Typed(typed) => mark("typed", variant(typed)),
        Line::Show(request) => mark("shown", variant(request)),
        line => mark("said", variant(line)),
    }
    mark("piped", pipes > 0);
}
