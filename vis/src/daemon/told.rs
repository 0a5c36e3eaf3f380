//! Lines of access lists that say `log`: a line in the log for each frame that the worker has kept to be told of, and
//! how many it has not. The worker bounds them (`switch/decided.rs`).

use super::plan::what;
use super::run::Daemon;
use crate::cli::text::counted;
use crate::config::InterfaceId;
use crate::switch::{Snapshot, Tale, Told};
use niv::Slot;
use packet_io::mailbox::WorkerGone;
use policy::acl::{Action, Rule};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tracing::info;

/// How often the worker is asked (ours).
const ASK_EVERY: Duration = Duration::from_millis(250);
/// How often it is said how many frames are left out (ours).
const SUM_EVERY: Duration = Duration::from_secs(5);
/// Interfaces named of those (ours).
const NAMED: usize = 3;

/// What is to be told, and when.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// Some list has a line with `log`.
    wanted: bool,
    next: Option<Instant>,
    left_out: BTreeMap<InterfaceId, u64>,
    summed: Option<Instant>,
}

impl Telling {
    /// By the lists of a switch that is published.
    pub(super) fn follow(&mut self, snapshot: &Snapshot) {
        let mut lists = snapshot.filters().iter();
        self.wanted = lists.any(|list| list.list.rules().any(Rule::log));
        if self.wanted && self.next.is_none() {
            self.next = Some(Instant::now() + ASK_EVERY);
        }
    }

    /// When the worker is to be asked.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.next
    }

    /// The lines that are to be logged now.
    fn lines(
        &mut self,
        now: Instant,
        tale: Tale,
        holders: &BTreeMap<Slot, InterfaceId>,
    ) -> Vec<String> {
        let told = tale.told.iter();
        let mut lines: Vec<String> = told
            .filter_map(|told| Some(line(told, *holders.get(&told.port)?)))
            .collect();
        for (port, frames) in tale.left_out {
            if let Some(&holder) = holders.get(&port) {
                *self.left_out.entry(holder).or_default() += frames;
            }
        }
        let is_time = self.summed.is_none_or(|summed| now >= summed + SUM_EVERY);
        if is_time && !self.left_out.is_empty() {
            self.summed = Some(now);
            lines.push(sum(&std::mem::take(&mut self.left_out)));
        }
        lines
    }
}

fn line(told: &Told, port: InterfaceId) -> String {
    let (way, does) = (
        if told.outward { "out" } else { "in" },
        match told.action {
            Action::Permit => "permits",
            Action::Deny => "denies",
        },
    );
    format!(
        "{port} {way}: access-list {} line {} {does} {}",
        told.list.name(),
        told.sequence,
        what(&told.view)
    )
}

fn sum(left_out: &BTreeMap<InterfaceId, u64>) -> String {
    let all = left_out.values().sum::<u64>();
    let named = left_out.iter().take(NAMED);
    let named: Vec<String> = named.map(|(port, n)| format!("{port} {n}")).collect();
    let more = match left_out.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} that lines with `log` decided not logged, since there were too many ({}{more}); `show access-lists` counts all",
        counted(all, "frame"),
        named.join(", ")
    )
}

impl Daemon {
    /// Asks the worker, when it is time, and logs what it has to tell.
    pub(super) async fn tell_of_frames(&mut self) -> Result<(), WorkerGone> {
        let now = Instant::now();
        if self.telling.next.is_none_or(|next| next > now) {
            return Ok(());
        }
        let tale = self
            .worker
            .answer(|worker| worker.forward.switch.take_told())
            .await?;
        // Once more after the last such line is gone, and as long as there is a sum to say.
        let goes_on = self.telling.wanted || !tale.is_empty() || !self.telling.left_out.is_empty();
        self.telling.next = goes_on.then(|| now + ASK_EVERY);
        let holders = self.slots.iter().map(|(&one, slot)| (slot, one)).collect();
        for line in self.telling.lines(now, tale, &holders) {
            info!("{line}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::acl::{AccessList, Subject, View};
    use std::sync::Arc;

    #[test]
    fn a_frame_is_told_with_port_list_line_and_what_it_is_and_those_left_out_are_summed() {
        let port = InterfaceId::Veth(3.try_into().unwrap());
        let slot = Slot {
            index: 7,
            generation: 1,
        };
        let holders = BTreeMap::from([(slot, port)]);
        let list: AccessList = "mac access-list odd\n  10 deny any any log\n"
            .parse()
            .unwrap();
        let bytes = [2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x88, 0xB5, 0, 0];
        let mac = |at: usize| niv::Mac(bytes[at..at + 6].try_into().unwrap());
        let view = View::of(&Subject {
            destination: mac(0),
            source: mac(6),
            bytes: &bytes,
            ethertype_at: 12,
        });
        let sequence = list.sequences().next().unwrap();
        let told = Told {
            at: crate::switch::Time::default(),
            port: slot,
            outward: false,
            sequence,
            list: Arc::new(list),
            action: Action::Deny,
            view,
        };
        let tale = |told, left_out| Tale {
            told,
            left_out: vec![(slot, left_out)],
        };
        let mut telling = Telling::default();
        let now = Instant::now();
        let lines = telling.lines(now, tale(vec![told], 5), &holders);
        assert!(
            lines[0]
                .starts_with("Vethernet3 in: access-list odd line 10 denies EtherType 0x88b5 from"),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("5 frames that lines with `log`"),
            "{lines:?}"
        );
        assert_eq!(telling.lines(now, tale(Vec::new(), 2), &holders).len(), 0);
        let later = telling.lines(now + SUM_EVERY, tale(Vec::new(), 1), &holders);
        assert!(later[0].starts_with("3 frames"), "{later:?}");
    }
}
