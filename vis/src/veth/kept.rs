//! What of a vEth outlives the process: one versioned value (design.md section 4.11).

use super::record::{Place, Record, Stage};
use crate::config::{Binding, ProfileName, VethId};
use niv::{Counters, Mac};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use vic::{Code, Refusal, Uuid, VifCounters};

/// One vEth, as it stands in the store, by the UUID of its vNIC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
pub enum Kept {
    /// The first layout.
    #[serde(rename = "1")]
    V1(KeptVeth),
}

/// The first layout of [`Kept`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptVeth {
    number: VethId,
    profile: ProfileName,
    name: String,
    owner_name: Option<String>,
    owner_uuid: Option<KeptUuid>,
    mac: Mac,
    mtu: u16,
    place: Option<Binding>,
    detached: bool,
    /// Over all lives.
    #[serde(default)]
    counters: KeptCounters,
}

/// Counters, by the names of their words; those that are 0 or unknown are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct KeptCounters(BTreeMap<String, u64>);

impl From<&Counters> for KeptCounters {
    fn from(counters: &Counters) -> Self {
        let words = Counters::word_names().zip(counters.to_words());
        let some = words.filter(|&(_, word)| word > 0);
        Self(some.map(|(name, word)| (spelt(name), word)).collect())
    }
}

impl From<&KeptCounters> for Counters {
    fn from(kept: &KeptCounters) -> Self {
        let mut words = [0; Self::WORDS];
        for (word, name) in words.iter_mut().zip(Self::word_names()) {
            *word = kept
                .0
                .get(&spelt(name))
                .map_or(0, |&word| word.min(Self::MOST));
        }
        Self::from_words(&words)
    }
}

fn spelt((part, name): (&str, &str)) -> String {
    format!("{part}.{name}")
}

/// A UUID in its usual spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeptUuid(pub Uuid);

impl TryFrom<String> for KeptUuid {
    type Error = vic::InvalidUuid;

    fn try_from(text: String) -> Result<Self, vic::InvalidUuid> {
        text.parse().map(Self)
    }
}

impl From<KeptUuid> for String {
    fn from(uuid: KeptUuid) -> Self {
        uuid.0.to_string()
    }
}

impl Kept {
    /// The number of the vEth.
    pub const fn number(&self) -> VethId {
        let Self::V1(kept) = self;
        kept.number
    }

    pub(super) fn of(record: &Record) -> Self {
        Self::V1(KeptVeth {
            number: record.number,
            profile: record.profile.clone(),
            name: record.name.to_string(),
            owner_name: record.owner_name.as_ref().map(ToString::to_string),
            owner_uuid: record.owner_uuid.map(KeptUuid),
            mac: record.mac,
            mtu: record.mtu,
            place: record.place.map(Place::binding),
            detached: record.stage == Stage::Detached,
            counters: KeptCounters::from(&record.counted()),
        })
    }

    /// The vEth of another life: it waits for its IV until `deadline`.
    pub(super) fn record(self, now: Duration, deadline: Duration) -> Record {
        let Self::V1(kept) = self;
        let place = kept.place.map(|bind| Place {
            link: bind.ethernet,
            vif: bind.channel,
        });
        let stage = match (place, kept.detached) {
            (_, true) => Stage::Detached,
            (Some(_), false) => Stage::Absent { deadline },
            (None, false) => Stage::Away(Refusal::new(
                Code::HOLD_TIME,
                "its interface virtualizer did not come back in time",
            )),
        };
        Record {
            number: kept.number,
            profile: kept.profile,
            name: vic::Text::clipped(&kept.name),
            owner_name: kept.owner_name.as_deref().map(vic::Text::clipped),
            owner_uuid: kept.owner_uuid.map(|uuid| uuid.0),
            mac: kept.mac,
            mtu: kept.mtu,
            place: place.filter(|_| !kept.detached),
            last: place,
            stage,
            since: now,
            counters: VifCounters::default(),
            earlier: Counters::from(&kept.counters),
            live: Counters::default(),
            carried: false,
            moving: None,
            told: None,
        }
    }
}
