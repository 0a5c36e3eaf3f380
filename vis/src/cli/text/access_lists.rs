//! `show access-lists`, laid out as nxos prints it.

use crate::control::access_lists::{ShowAccessLists, ShownList};
use policy::acl::Family;
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowAccessLists) -> fmt::Result {
    for (i, list) in answer.lists.iter().enumerate() {
        if i > 0 {
            writeln!(out)?;
        }
        write_one(out, list)?;
    }
    Ok(())
}

fn write_one(out: &mut String, list: &ShownList) -> fmt::Result {
    let family = match list.family {
        Family::Ipv4 => "IP",
        Family::Ipv6 => "IPv6",
        Family::Mac => "MAC",
    };
    writeln!(out, "{family} access list {}", list.name)?;
    writeln!(out, "        statistics per-entry")?;
    for line in &list.lines {
        write!(out, "        {} {}", line.sequence, line.line)?;
        match line.matched {
            Some(frames) => writeln!(out, " [match={frames}]")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::access_lists::ShownLine;

    #[test]
    fn a_list_is_printed_with_what_each_line_has_decided() {
        let line = |sequence, line: &str, matched| ShownLine {
            sequence,
            line: line.to_owned(),
            matched,
        };
        let list = |name: &str, family, lines| ShownList {
            name: name.parse().unwrap(),
            family,
            lines,
            matched_none: 3,
            unreadable: 0,
            ports_in: 1,
            ports_out: 0,
        };
        let answer = ShowAccessLists {
            schema: 1,
            lists: vec![
                list(
                    "web",
                    Family::Ipv4,
                    vec![
                        line(10, "remark from outside", None),
                        line(20, "permit tcp any any eq 80", Some(12)),
                    ],
                ),
                list("v6", Family::Ipv6, Vec::new()),
            ],
        };
        let mut out = String::new();
        write(&mut out, &answer).unwrap();
        assert_eq!(
            out,
            "IP access list web\n        statistics per-entry\n        10 remark from outside\n        \
             20 permit tcp any any eq 80 [match=12]\n\nIPv6 access list v6\n        statistics per-entry\n"
        );
    }
}
