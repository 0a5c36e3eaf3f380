//! What the stage of access lists may cost: however long the list, and whichever line decides.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A list of 256 lines, hit at each of them in turn, of one line.
const LONG: f64 = 2.0;
/// The frame that costs most, of the mean.
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
        let stage = |what: &str| {
            let with = measured.get(&format!("vis/hairpin with {list} of {what}"))?;
            Some(with - measured.get("vis/hairpin")?)
        };
        let all = stage("1 line")
            .zip(stage("256 lines"))
            .zip(stage("256 lines, by its last"));
        let Some(((one, mean), worst)) = all else {
            let _ = writeln!(text, "{family}: NOT MEASURED");
            holds = false;
            continue;
        };
        let (long, far) = (mean / one, worst / mean);
        let keeps = long <= LONG && far <= WORST;
        holds &= keeps;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{family}: 1 line {one:.1}; 256 lines {mean:.1}, {long:.2} of 1 line, {LONG} at most; the last of them \
             {worst:.1}, {far:.2} of the mean, {WORST} at most{}",
            if keeps { "" } else { "  TOO DEAR" }
        );
    }
    (text, holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(long: f64, last: f64) -> BTreeMap<String, f64> {
        let lists = ["an access list", "an IPv6 access list", "a MAC access list"];
        let of = |list: &str, what: &str| format!("vis/hairpin with {list} of {what}");
        let cases = lists.iter().flat_map(|list| {
            [
                (of(list, "1 line"), 1100.0),
                (of(list, "256 lines"), long),
                (of(list, "256 lines, by its last"), last),
            ]
        });
        cases.chain([("vis/hairpin".to_owned(), 1000.0)]).collect()
    }

    #[test]
    fn many_lines_cost_at_most_twice_one_line() {
        assert!(judged(&measured(1200.0, 1200.0)).1);
        assert!(!judged(&measured(1201.0, 1201.0)).1);
    }

    #[test]
    fn the_worst_frame_costs_at_most_three_times_the_mean() {
        assert!(judged(&measured(1100.0, 1300.0)).1);
        assert!(!judged(&measured(1100.0, 1301.0)).1);
    }

    #[test]
    fn a_family_that_is_not_measured_fails() {
        let mut measured = measured(1100.0, 1100.0);
        measured.remove("vis/hairpin with a MAC access list of 1 line");
        assert!(!judged(&measured).1);
    }
}
