//! What the stage of access lists may cost: however long the list, and whichever line decides.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A list of 256 lines, hit at each of them in turn, of one line.
const LONG: f64 = 2.0;
/// The frame that costs most, of the mean: of those that hit the last line, and of those that are dearest to read.
const WORST: f64 = 3.0;

/// A table of the stage's own instructions, for each family, from those of whole frames; and whether all keep the bounds.
pub(crate) fn judged(measured: &BTreeMap<String, f64>) -> (String, bool) {
    let mut text = String::from("instructions of the access list stage\n");
    let mut holds = true;
    for (family, list) in [
        ("IPv4", "an access list"),
        ("IPv6", "an IPv6 access list"),
        ("MAC", "a MAC access list"),
    ] {
        let Some(Stage {
            one,
            mean,
            last,
            dearest,
        }) = Stage::of(measured, list)
        else {
            let _ = writeln!(text, "{family}: NOT MEASURED");
            holds = false;
            continue;
        };
        let (long, far, dear) = (mean / one, last / mean, dearest / mean);
        let keeps = long <= LONG && far <= WORST && dear <= WORST;
        holds &= keeps;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{family}: 1 line {one:.1}; 256 lines {mean:.1}, {long:.2} of 1 line, {LONG} at most; the last of them \
             {last:.1}, {far:.2} of the mean, and the dearest frame {dearest:.1}, {dear:.2} of it, {WORST} at most{}",
            if keeps { "" } else { "  TOO DEAR" }
        );
    }
    (text, holds)
}

/// Instructions of the stage alone.
struct Stage {
    one: f64,
    /// Of 256 lines, each hit in turn.
    mean: f64,
    /// Of 256 lines, by a frame that hits the last one.
    last: f64,
    /// Of 256 lines, by a frame that takes longest to read, hits the last one, and is told of.
    dearest: f64,
}

impl Stage {
    /// Without the list the same frames cost what the rest of the way does.
    fn of(measured: &BTreeMap<String, f64>, list: &str) -> Option<Self> {
        let more = |with: &str, without: &str| Some(measured.get(with)? - measured.get(without)?);
        let of = |what: &str| {
            let with = format!("vis/hairpin with {list} of {what}");
            more(&with, "vis/hairpin")
        };
        let dearest = |how: &str| format!("vis/hairpin of the dearest frames{how} {list}");
        Some(Self {
            one: of("1 line")?,
            mean: of("256 lines")?,
            last: of("256 lines, by its last")?,
            dearest: more(&dearest(", with"), &dearest(" for"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(long: f64, last: f64, dearest: f64) -> BTreeMap<String, f64> {
        let lists = ["an access list", "an IPv6 access list", "a MAC access list"];
        let dear = |how: &str, list: &str| format!("vis/hairpin of the dearest frames{how} {list}");
        let of = |list: &str, what: &str| format!("vis/hairpin with {list} of {what}");
        let cases = lists.iter().flat_map(|list| {
            [
                (of(list, "1 line"), 1100.0),
                (of(list, "256 lines"), long),
                (of(list, "256 lines, by its last"), last),
                (dear(" for", list), 2000.0),
                (dear(", with", list), dearest),
            ]
        });
        cases.chain([("vis/hairpin".to_owned(), 1000.0)]).collect()
    }

    #[test]
    fn many_lines_cost_at_most_twice_one_line() {
        assert!(judged(&measured(1200.0, 1200.0, 2200.0)).1);
        assert!(!judged(&measured(1201.0, 1201.0, 2201.0)).1);
    }

    #[test]
    fn the_worst_frame_costs_at_most_three_times_the_mean() {
        assert!(judged(&measured(1100.0, 1300.0, 2300.0)).1);
        assert!(!judged(&measured(1100.0, 1301.0, 2300.0)).1);
        assert!(!judged(&measured(1100.0, 1300.0, 2301.0)).1);
    }

    #[test]
    fn a_family_that_is_not_measured_fails() {
        for lost in [
            "vis/hairpin with a MAC access list of 1 line",
            "vis/hairpin of the dearest frames for a MAC access list",
        ] {
            let mut measured = measured(1100.0, 1100.0, 2100.0);
            measured.remove(lost).unwrap();
            assert!(!judged(&measured).1);
        }
    }
}
