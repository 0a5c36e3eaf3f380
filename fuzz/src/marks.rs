//! What a target reached: kinds that were accepted, states, verdicts. So that inputs that are refused early do not
//! count as fuzzing.
//!
//! A fuzzer does not pay for it: marks are kept while somebody looks, which is when a corpus is replayed.

use niv::Counters;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::path::{Path, PathBuf};

thread_local! {
    static LOOKING: Cell<bool> = const { Cell::new(false) };
    static SEEN: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
}

/// Somebody looks: what it costs to find a mark out is paid.
pub(crate) fn is_looking() -> bool {
    LOOKING.get()
}

/// `what` of this `group` was reached.
pub(crate) fn mark(group: &str, what: impl Display) {
    if is_looking() {
        let mark = format!("{group} {what}");
        SEEN.with_borrow_mut(|seen| seen.insert(mark));
    }
}

/// The variant of this value was reached: the first word of what it is for people who debug.
pub(crate) fn mark_variant(group: &str, value: &impl Debug) {
    if is_looking() {
        mark(group, variant(value));
    }
}

/// The name of a value's variant.
pub(crate) fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let name = text.split(|c: char| !c.is_alphanumeric()).next();
    name.unwrap_or_default().to_owned()
}

/// Which drops, oddities and fates a data path has counted.
pub(crate) fn mark_counters(counters: &Counters) {
    let [ingress, egress] = [&counters.ingress.dropped, &counters.egress.dropped];
    for (reason, _) in ingress
        .iter()
        .chain(egress.iter())
        .filter(|(_, count)| *count > 0)
    {
        mark("drop", reason);
    }
    for (odd, _) in counters.anomalies.iter().filter(|(_, count)| *count > 0) {
        mark("anomaly", odd);
    }
    let fates = [
        ("forwarded", counters.ingress.forwarded),
        ("flooded", counters.ingress.flooded),
        ("consumed", counters.ingress.consumed),
        ("sent", counters.egress.sent.frames),
        ("sent by list", counters.egress.listed.frames),
    ];
    for (fate, _) in fates.iter().filter(|(_, count)| *count > 0) {
        mark("fate", fate);
    }
}

/// What `run` reached.
pub fn marks(run: impl FnOnce()) -> BTreeSet<String> {
    LOOKING.set(true);
    run();
    LOOKING.set(false);
    SEEN.take()
}

/// What a target's corpus is to reach, and what it cannot: `floors/<target>`. A line is a mark, or a mark behind `- `
/// and, behind a colon, why no input reaches it.
#[derive(Debug, Default)]
pub struct Floor {
    /// To be reached.
    pub reached: BTreeSet<String>,
    /// Out of reach, with the reason.
    pub out_of_reach: Vec<(String, String)>,
}

impl Floor {
    /// The file of `target`.
    pub fn file(target: &str) -> PathBuf {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        package.join("floors").join(target)
    }

    /// What such a file says.
    pub fn parse(text: &str) -> Self {
        let mut floor = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            match line.strip_prefix("- ") {
                Some(rest) => {
                    let (mark, why) = rest.split_once(": ").unwrap_or((rest, ""));
                    floor.out_of_reach.push((mark.to_owned(), why.to_owned()));
                }
                None => {
                    floor.reached.insert(line.to_owned());
                }
            }
        }
        floor
    }

    /// As the file says it.
    pub fn to_text(&self) -> String {
        let reached = self.reached.iter().map(|mark| format!("{mark}\n"));
        let out = self.out_of_reach.iter();
        let out = out.map(|(mark, why)| format!("- {mark}: {why}\n"));
        reached.chain(out).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_while_somebody_looks() {
        mark("drop", "shut");
        let seen = marks(|| {
            mark("drop", "runt");
            mark_variant("answer", &Some(1));
        });
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            ["answer Some", "drop runt"]
        );
        assert!(marks(|| ()).is_empty());
    }

    #[test]
    fn a_floor_is_what_its_file_says() {
        let text = "drop runt\ndrop shut\n- drop tx_error: the device is never broken\n";
        assert_eq!(Floor::parse(text).to_text(), text);
    }
}
