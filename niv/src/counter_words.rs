//! Counters as a row of numbers: for memory that outlives a process.

use crate::{Anomaly, Counters, DropReason};

/// What counts frames that pass, in this order: words 0..12 of [`Counters::to_words`].
const TRAFFIC: [(&str, &str); Counters::TRAFFIC_WORDS] = [
    ("ingress", "received_frames"),
    ("ingress", "received_octets"),
    ("ingress", "forwarded"),
    ("ingress", "flooded"),
    ("ingress", "consumed"),
    ("ingress", "copies"),
    ("egress", "originated"),
    ("egress", "sent_frames"),
    ("egress", "sent_octets"),
    ("egress", "listed_frames"),
    ("egress", "listed_octets"),
    ("egress", "queued"),
];

impl Counters {
    /// Of all words, those that change with frames that pass; they come first.
    pub const TRAFFIC_WORDS: usize = 12;

    /// All words: traffic, drops by reason on either way, anomalies.
    pub const WORDS: usize = Self::TRAFFIC_WORDS + 2 * DropReason::COUNT + Anomaly::COUNT;

    /// The words that change with frames that pass.
    ///
    /// ```
    /// # use niv::{Counters, Weight};
    /// let mut counters = Counters::default();
    /// counters.sent(Weight::one(100));
    /// assert_eq!(counters.traffic_words(), counters.to_words()[..Counters::TRAFFIC_WORDS]);
    /// ```
    #[inline]
    pub const fn traffic_words(&self) -> [u64; Self::TRAFFIC_WORDS] {
        let (ingress, egress) = (&self.ingress, &self.egress);
        [
            ingress.received.frames,
            ingress.received.octets,
            ingress.forwarded,
            ingress.flooded,
            ingress.consumed,
            ingress.copies,
            egress.originated,
            egress.sent.frames,
            egress.sent.octets,
            egress.listed.frames,
            egress.listed.octets,
            egress.queued,
        ]
    }

    /// All of it, in the order of [`Counters::word_names`].
    ///
    /// ```
    /// # use niv::{Counters, DropReason, Weight};
    /// let mut counters = Counters::default();
    /// counters.drop_copy(DropReason::TxFull, Weight::one(60));
    /// assert_eq!(Counters::from_words(&counters.to_words()), counters);
    /// ```
    pub fn to_words(&self) -> [u64; Self::WORDS] {
        let parts = self.traffic_words();
        let parts = parts
            .iter()
            .chain(&self.ingress.dropped.0)
            .chain(&self.egress.dropped.0)
            .chain(&self.anomalies.0);
        let mut words = [0; Self::WORDS];
        for (word, part) in words.iter_mut().zip(parts) {
            *word = *part;
        }
        words
    }

    /// What [`Counters::to_words`] was made of.
    ///
    /// ```
    /// # use niv::Counters;
    /// let mut words = [0; Counters::WORDS];
    /// words[0] = 7;
    /// assert_eq!(Counters::from_words(&words).ingress.received.frames, 7);
    /// ```
    pub fn from_words(words: &[u64; Self::WORDS]) -> Self {
        let mut counters = Self::default();
        let (ingress, egress) = (&mut counters.ingress, &mut counters.egress);
        let traffic = [
            &mut ingress.received.frames,
            &mut ingress.received.octets,
            &mut ingress.forwarded,
            &mut ingress.flooded,
            &mut ingress.consumed,
            &mut ingress.copies,
            &mut egress.originated,
            &mut egress.sent.frames,
            &mut egress.sent.octets,
            &mut egress.listed.frames,
            &mut egress.listed.octets,
            &mut egress.queued,
        ];
        let places = traffic
            .into_iter()
            .chain(&mut ingress.dropped.0)
            .chain(&mut egress.dropped.0)
            .chain(&mut counters.anomalies.0);
        for (place, word) in places.zip(words) {
            *place = *word;
        }
        counters
    }

    /// No counter gets beyond: a word that does is no count. Twice as much is still a number.
    pub const MOST: u64 = 1 << 62;

    /// Of two accounts of the same thing the later one, word by word: no counter goes back.
    ///
    /// ```
    /// # use niv::{Counters, Weight};
    /// let mut early = Counters::default();
    /// early.sent(Weight::one(60));
    /// let mut late = early;
    /// late.sent(Weight::one(60));
    /// assert_eq!(early.later(&late), late);
    /// assert_eq!(late.later(&early), late);
    /// ```
    #[must_use]
    pub fn later(&self, other: &Self) -> Self {
        self.word_by_word(other, u64::max)
    }

    /// Both together; a word that would not fit stays at the largest number.
    ///
    /// ```
    /// # use niv::{Counters, Weight};
    /// let mut one = Counters::default();
    /// one.sent(Weight::one(60));
    /// assert_eq!(one.saturating_add(&one).egress.sent.frames, 2);
    /// ```
    #[must_use]
    pub fn saturating_add(&self, other: &Self) -> Self {
        self.word_by_word(other, u64::saturating_add)
    }

    fn word_by_word(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let (mut words, others) = (self.to_words(), other.to_words());
        for (word, other) in words.iter_mut().zip(others) {
            *word = join(*word, other);
        }
        Self::from_words(&words)
    }

    /// What each word counts: a part of the counters, and a name within it. Stable, as the names of drops are;
    /// their order is not.
    ///
    /// ```
    /// # use niv::Counters;
    /// assert_eq!(Counters::word_names().count(), Counters::WORDS);
    /// assert_eq!(Counters::word_names().next(), Some(("ingress", "received_frames")));
    /// ```
    pub fn word_names() -> impl Iterator<Item = (&'static str, &'static str)> {
        let drops = |part| DropReason::ALL.iter().map(move |r| (part, r.as_str()));
        let odd = Anomaly::ALL.iter().map(|odd| ("anomaly", odd.as_str()));
        TRAFFIC
            .into_iter()
            .chain(drops("ingress_dropped"))
            .chain(drops("egress_dropped"))
            .chain(odd)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn every_word_is_a_place_of_its_own_with_a_name_of_its_own() {
        let words: [u64; Counters::WORDS] = core::array::from_fn(|at| at as u64 + 1);
        let counters = Counters::from_words(&words);
        assert_eq!(counters.to_words(), words);
        assert_eq!(counters.ingress.received.frames, 1);
        assert_eq!(counters.egress.queued, Counters::TRAFFIC_WORDS as u64);
        assert_eq!(
            counters.anomalies.0[Anomaly::COUNT - 1],
            Counters::WORDS as u64
        );
        let names: Vec<_> = Counters::word_names().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), Counters::WORDS);
        assert_eq!(names.len(), Counters::WORDS);
    }
}
