//! Requests that wait for their answers, and requests that came and were answered.
//!
//! Each end numbers what it asks 1, 2, 3 and has at most [`WINDOW`] questions open. The other end executes
//! them in that order, each once, and keeps the last [`WINDOW`] answers: a request that comes again gets
//! its answer again. Who asks transaction n has all answers up to n - [`WINDOW`], so no older is needed.

use crate::message::Kind;
use crate::timers::ANSWER;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// How many requests of an end may wait for their answers.
pub(crate) const WINDOW: u32 = 64;

/// What this end asks. `C` is what it needs to know when the answer comes.
#[derive(Clone, Debug)]
pub(crate) struct Outbox<C> {
    /// Number of the first of `open`.
    first: u32,
    open: VecDeque<Open<C>>,
}

#[derive(Clone, Debug)]
struct Open<C> {
    kind: Kind,
    octets: Vec<u8>,
    /// `None`: answered.
    context: Option<C>,
    due: Duration,
    tries: u8,
}

impl<C> Outbox<C> {
    pub(crate) const fn new() -> Self {
        Self {
            first: 1,
            open: VecDeque::new(),
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.open.len() < WINDOW as usize
    }

    /// The number that the next request has to carry.
    pub(crate) fn next(&self) -> u32 {
        self.first.wrapping_add(self.open.len() as u32)
    }

    /// Takes a request that carries [`Self::next`].
    pub(crate) fn ask(&mut self, kind: Kind, octets: Vec<u8>, context: C) {
        self.open.push_back(Open {
            kind,
            octets,
            context: Some(context),
            due: Duration::ZERO,
            tries: 0,
        });
    }

    /// An answer came. `None` when it answers nothing that is open.
    pub(crate) fn answered(&mut self, transaction: u32, kind: u8) -> Option<C> {
        let at = transaction.wrapping_sub(self.first) as usize;
        let open = self
            .open
            .get_mut(at)
            .filter(|open| open.kind as u8 == kind)?;
        let context = open.context.take();
        while self.open.front().is_some_and(|open| open.context.is_none()) {
            self.open.pop_front();
            self.first = self.first.wrapping_add(1);
        }
        context
    }

    /// Moves what is due into a batch, as far as it fits into `room` octets.
    pub(crate) fn collect(&mut self, now: Duration, room: usize, batch: &mut Vec<u8>) {
        let waiting = self.open.iter_mut();
        for open in waiting.filter(|open| open.context.is_some() && open.due <= now) {
            if batch.len() + open.octets.len() > room {
                return;
            }
            batch.extend_from_slice(&open.octets);
            open.due = now + ANSWER * (1 << open.tries.min(2));
            open.tries = open.tries.saturating_add(1);
        }
    }

    /// When the next one is due.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let waiting = self.open.iter().filter(|open| open.context.is_some());
        waiting.map(|open| open.due).min()
    }
}

/// A request as it came, its fields not yet read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    pub(crate) kind: u8,
    pub(crate) transaction: u32,
    pub(crate) fields: Vec<u8>,
}

/// What the other end asks.
#[derive(Clone, Debug)]
pub(crate) struct Inbox {
    /// The next to be executed.
    next: u32,
    /// Came too early.
    early: BTreeMap<u32, Came>,
    /// Executed, the last [`WINDOW`] of them up to `next`.
    done: VecDeque<Done>,
}

#[derive(Clone, Debug)]
struct Done {
    transaction: u32,
    /// `None`: not yet.
    answer: Option<Vec<u8>>,
    send: bool,
}

impl Inbox {
    pub(crate) const fn new() -> Self {
        Self {
            next: 1,
            early: BTreeMap::new(),
            done: VecDeque::new(),
        }
    }

    /// A request came. [`Self::ready`] gives what can be executed now.
    pub(crate) fn take(&mut self, came: Came) {
        let ahead = came.transaction.wrapping_sub(self.next);
        if ahead < WINDOW {
            self.early.entry(came.transaction).or_insert(came);
            return;
        }
        let transaction = came.transaction;
        if let Some(done) = self.find(transaction) {
            done.send = true;
        }
    }

    /// The next request in order, if it has come.
    pub(crate) fn ready(&mut self) -> Option<Came> {
        let full = self.done.len() == WINDOW as usize;
        if full && self.done.front().is_some_and(|done| done.answer.is_none()) {
            // Only who asks more than a window at once gets here.
            return None;
        }
        let came = self.early.remove(&self.next)?;
        self.next = self.next.wrapping_add(1);
        if full {
            self.done.pop_front();
        }
        self.done.push_back(Done {
            transaction: came.transaction,
            answer: None,
            send: false,
        });
        Some(came)
    }

    /// Keeps the answer to an executed request, and sends it. `false` when there is no such request, or
    /// it was answered.
    pub(crate) fn answer(&mut self, transaction: u32, octets: Vec<u8>) -> bool {
        match self.find(transaction) {
            Some(done) if done.answer.is_none() => {
                done.answer = Some(octets);
                done.send = true;
                true
            }
            _ => false,
        }
    }

    fn find(&mut self, transaction: u32) -> Option<&mut Done> {
        let mut done = self.done.iter_mut();
        done.find(|done| done.transaction == transaction)
    }

    /// Moves answers into a batch, as far as they fit into `room` octets.
    pub(crate) fn collect(&mut self, room: usize, batch: &mut Vec<u8>) {
        for done in self.done.iter_mut().filter(|done| done.send) {
            let Some(answer) = &done.answer else {
                done.send = false;
                continue;
            };
            if batch.len() + answer.len() > room {
                return;
            }
            batch.extend_from_slice(answer);
            done.send = false;
        }
    }

    /// Whether an answer is to be sent.
    pub(crate) fn has_answers(&self) -> bool {
        let mut done = self.done.iter();
        done.any(|done| done.send && done.answer.is_some())
    }
}

/// Whether messages of this kind belong to a transaction.
pub(crate) fn is_transaction(kind: u8) -> bool {
    !matches!(
        Kind::from_number(kind),
        Some(Kind::Open | Kind::Keepalive | Kind::Probe | Kind::Close)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(transaction: u32) -> Came {
        Came {
            kind: 16,
            transaction,
            fields: Vec::new(),
        }
    }

    #[test]
    fn requests_are_executed_once_and_in_their_order() {
        let mut inbox = Inbox::new();
        for transaction in [3, 2, 2, 0, 65, 1000, u32::MAX] {
            inbox.take(came(transaction));
            assert_eq!(inbox.ready(), None, "{transaction}");
        }
        inbox.take(came(1));
        for transaction in 1..=3 {
            assert_eq!(inbox.ready(), Some(came(transaction)));
        }
        for transaction in 0..=3 {
            inbox.take(came(transaction));
            assert_eq!(inbox.ready(), None, "again");
        }
    }

    #[test]
    fn a_request_that_comes_again_gets_its_answer_again() {
        let mut inbox = Inbox::new();
        inbox.take(came(1));
        assert!(inbox.ready().is_some());
        inbox.take(came(1));
        assert!(!inbox.has_answers(), "there is none yet");
        assert!(inbox.answer(1, vec![7]));
        assert!(!inbox.answer(1, vec![8]), "and only one");
        for _ in 0..2 {
            let mut batch = Vec::new();
            inbox.collect(10, &mut batch);
            assert_eq!(batch, [7]);
            assert!(!inbox.has_answers());
            inbox.take(came(1));
        }
    }

    #[test]
    fn a_window_of_answers_is_kept_and_no_more() {
        let mut inbox = Inbox::new();
        for transaction in 1..1000 {
            inbox.take(came(transaction));
            assert!(inbox.ready().is_some());
            assert!(inbox.answer(transaction, vec![0]));
            assert!(inbox.done.len() <= WINDOW as usize);
        }
        assert!(inbox.early.is_empty());
    }

    #[test]
    fn only_an_open_question_of_that_kind_can_be_answered() {
        let mut outbox = Outbox::new();
        for context in 1..=WINDOW {
            assert!(outbox.has_room());
            assert_eq!(outbox.next(), context);
            outbox.ask(Kind::VifCreate, vec![0], context);
        }
        assert!(!outbox.has_room());
        assert_eq!(outbox.answered(2, Kind::VifCreate as u8), Some(2));
        assert_eq!(outbox.answered(2, Kind::VifCreate as u8), None);
        assert_eq!(outbox.answered(1, Kind::VifEnable as u8), None);
        assert_eq!(outbox.answered(0, Kind::VifCreate as u8), None);
        assert_eq!(outbox.answered(WINDOW + 1, Kind::VifCreate as u8), None);
        assert!(!outbox.has_room(), "the oldest is still open");
        assert_eq!(outbox.answered(1, Kind::VifCreate as u8), Some(1));
        assert_eq!(outbox.next(), WINDOW + 1);
        assert!(outbox.has_room());
    }

    #[test]
    fn a_question_is_asked_again_until_it_is_answered() {
        let mut outbox = Outbox::new();
        outbox.ask(Kind::VifCreate, vec![7], ());
        let mut asked = Vec::new();
        for ms in 0..2000 {
            let mut batch = Vec::new();
            outbox.collect(Duration::from_millis(ms), 10, &mut batch);
            if !batch.is_empty() {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [0, 100, 300, 700, 1100, 1500, 1900]);
        assert!(outbox.answered(1, Kind::VifCreate as u8).is_some());
        assert_eq!(outbox.timeout(), None);
    }
}
