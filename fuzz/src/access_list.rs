//! An access list as people write it, and frames that it judges.

use crate::marks::mark;
use niv::Mac;
use policy::acl::{
    AccessList, Action, By, Compiled, Entry, Line, ListParseError, Network, Subject, View,
    first_match,
};

/// `data` is the list, an octet 0, and frames, each behind an octet that says how long it is.
///
/// # Panics
/// What is read is not written so that it is read again; a fault has no place; tables and lines judge a frame differently;
/// a packet that cannot be read is permitted.
pub fn access_list(data: &[u8]) {
    let mut parts = data.splitn(2, |octet| *octet == 0);
    let text = parts.next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let list = match text.parse::<AccessList>() {
        Ok(list) => list,
        Err(error) => {
            let lines = text.lines().count().max(1);
            assert!((1..=lines).contains(&error.line), "{error}");
            match &error.problem {
                ListParseError::Head => mark("fault", "head"),
                ListParseError::Name(_) => mark("fault", "name"),
                ListParseError::List(_) => mark("fault", "list"),
                ListParseError::Line(problem) => {
                    mark("fault", "line");
                    let line = text.lines().nth(error.line - 1).unwrap_or_default();
                    assert!(problem.column <= line.chars().count(), "{problem}");
                }
            }
            return;
        }
    };
    mark("list", list.family().as_str());
    assert_eq!(list.to_string().parse(), Ok(list.clone()));
    for (sequence, entry) in list.lines() {
        mark("entry", if matches!(entry, Entry::Rule(_)) { "rule" } else { "remark" });
        let line = Line {
            sequence: Some(sequence),
            entry: entry.clone(),
        };
        assert_eq!(Line::parse(list.family(), &line.to_string()), Ok(line));
    }
    judge(&list, parts.next().unwrap_or_default());
}

fn judge(list: &AccessList, mut frames: &[u8]) {
    let compiled = Compiled::new(list);
    assert_eq!(compiled.rules(), list.rules().count());
    while let Some((length, rest)) = frames.split_first() {
        let (frame, behind) = rest.split_at(usize::from(*length).min(rest.len()));
        frames = behind;
        let mac = |at: usize| match frame.get(at..at + 6) {
            Some(&[a, b, c, d, e, f]) => Mac([a, b, c, d, e, f]),
            _ => Mac::default(),
        };
        let view = View::of(&Subject {
            destination: mac(0),
            source: mac(6),
            bytes: frame,
            ethertype_at: 12,
        });
        let verdict = compiled.judge(&view);
        assert_eq!(verdict, first_match(list, &view), "{view:?}");
        let Some(verdict) = verdict else {
            mark("verdict", "not judged");
            continue;
        };
        match verdict.by {
            By::End => mark("verdict", "end"),
            By::Unreadable(why) => {
                mark("unreadable", why.explain());
                assert_eq!(verdict.action, Action::Deny);
            }
            By::Line(index) => {
                mark("verdict", verdict.action);
                assert!(compiled.sequence(index).is_some());
            }
        }
        match view.network {
            Network::Ipv4(packet) if packet.later_fragment => mark("fragment", "ipv4"),
            Network::Ipv6(packet) if packet.later_fragment => mark("fragment", "ipv6"),
            _ => {}
        }
    }
}
