//! Results as they come: one line of JSON for each, appended, so that a run that was broken off goes on.

use crate::error::{Doing, LabError, Result, check};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of both formats: lines and `results.json`. A reader takes its own and no other.
pub(super) const VERSION: u32 = 1;

/// One test of one device in one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// Counted from 1.
    pub(super) round: u32,
    /// Which device.
    pub(super) device: String,
    /// Which test: `rate`, `loss-free`, `latency`, `congestion`, `broadcast`, `table`, `content`, `tcp`, `exchange`.
    pub(super) test: String,
    /// `overload`, `sender`, or empty.
    pub(super) input: String,
    /// Octets with FCS and without VNTag, `IMIX`, or empty.
    pub(super) size: String,
    /// Stations that send and receive; 0 where it does not matter.
    pub(super) stations: u32,
    /// What was measured; units are part of the names.
    pub(super) values: BTreeMap<String, f64>,
    /// How the device moves frames, in its own words.
    pub(super) mode: String,
    /// How long the test took, in milliseconds.
    #[serde(default)]
    pub(super) took_ms: u64,
    /// Time the hypervisor took from all cores meanwhile, in milliseconds.
    pub(super) stolen_ms: u64,
    /// Why there is nothing, if there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// What tells results of one record from those of another, in every round.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) device: String,
    pub(super) test: String,
    pub(super) input: String,
    pub(super) size: String,
    pub(super) stations: u32,
}

/// The hypervisor may take one part in so many of the two cores' time; a result it took more of says more about it than about
/// the device (ours).
const STOLEN: u64 = 50;

impl Record {
    /// The hypervisor took too much meanwhile.
    pub(super) const fn is_disturbed(&self) -> bool {
        self.stolen_ms * STOLEN > self.took_ms * 2
    }

    /// Whether this says more of the device than another one of the same round.
    fn is_better(&self, than: &Self) -> bool {
        let share = |record: &Self| record.stolen_ms as f64 / record.took_ms.max(1) as f64;
        (self.error.is_some(), share(self)) < (than.error.is_some(), share(than))
    }

    pub(super) fn key(&self) -> Key {
        Key {
            device: self.device.clone(),
            test: self.test.clone(),
            input: self.input.clone(),
            size: self.size.clone(),
            stations: self.stations,
        }
    }
}

/// The first line of the file: what all others belong to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) quick: bool,
    pub(super) rounds: u32,
    /// Name and value.
    pub(super) machine: Vec<(String, String)>,
}

/// The file.
pub(super) struct Log {
    path: PathBuf,
    file: File,
    pub(super) header: Header,
    pub(super) records: Vec<Record>,
    done: BTreeSet<(u32, Key)>,
}

impl Log {
    /// Opens the file of the folder, or begins it. `fresh`: what was there goes.
    ///
    /// # Errors
    /// It belongs to another kind of run, or another machine.
    pub(super) fn open(folder: &Path, header: Header, fresh: bool) -> Result<Self> {
        fs::create_dir_all(folder).doing(format!("make {}", folder.display()))?;
        let path = folder.join("results.jsonl");
        let doing = || format!("write {}", path.display());
        let text = if fresh {
            String::new()
        } else {
            fs::read_to_string(&path).unwrap_or_default()
        };
        let (text, records) = match text.split_once('\n') {
            None => (String::new(), Vec::new()),
            Some((first, rest)) => {
                let before: Option<Header> = serde_json::from_str(first).ok();
                check(before.as_ref() == Some(&header), || {
                    format!(
                        "{} has results of another kind of run, or of another machine or version: go on as it was \
                         begun, or begin anew with `--fresh`",
                        path.display()
                    )
                })?;
                // A line that was broken off was not measured.
                let whole = rest.rsplit_once('\n').map_or("", |(whole, _)| whole);
                let records = whole
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok());
                let mut best = Vec::new();
                records.for_each(|record| keep(&mut best, record));
                (text.clone(), best)
            }
        };
        let mut kept = json(&header)? + "\n";
        if !text.is_empty() {
            for record in &records {
                kept += &(json(record)? + "\n");
            }
        }
        fs::write(&path, kept).doing(doing())?;
        let file = File::options().append(true).open(&path).doing(doing())?;
        let whole = records.iter().filter(|record| !record.is_disturbed());
        let done = whole.map(|record| (record.round, record.key())).collect();
        Ok(Self {
            path,
            file,
            header,
            records,
            done,
        })
    }

    /// Results that the hypervisor disturbed: to be measured again.
    pub(super) fn disturbed(&self) -> usize {
        let disturbed = self.records.iter().filter(|record| record.is_disturbed());
        disturbed.count()
    }

    /// Whether this was measured in that round, undisturbed.
    pub(super) fn has(&self, round: u32, key: &Key) -> bool {
        self.done.contains(&(round, key.clone()))
    }

    /// A value measured in that round.
    pub(super) fn value(&self, round: u32, key: &Key, name: &str) -> Option<f64> {
        let mut found = self
            .records
            .iter()
            .filter(|r| r.round == round && r.key() == *key);
        found.next()?.values.get(name).copied()
    }

    /// Writes one down, for good.
    pub(super) fn add(&mut self, record: Record) -> Result<()> {
        let line = json(&record)? + "\n";
        let doing = || format!("write {}", self.path.display());
        self.file.write_all(line.as_bytes()).doing(doing())?;
        self.file.flush().doing(doing())?;
        if !record.is_disturbed() {
            self.done.insert((record.round, record.key()));
        }
        keep(&mut self.records, record);
        Ok(())
    }
}

/// In place of one of the same round that says less, or as a new one.
fn keep(records: &mut Vec<Record>, record: Record) {
    let same = |known: &&mut Record| known.round == record.round && known.key() == record.key();
    match records.iter_mut().find(same) {
        Some(known) if record.is_better(known) => *known = record,
        Some(_) => {}
        None => records.push(record),
    }
}

/// As JSON, in one line.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| LabError::Answer {
        program: "the bench".to_owned(),
        detail: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(quick: bool) -> Header {
        Header {
            version: VERSION,
            quick,
            rounds: 5,
            machine: vec![("kernel".to_owned(), "6".to_owned())],
        }
    }

    fn record(round: u32) -> Record {
        Record {
            round,
            device: "vis".to_owned(),
            test: "rate".to_owned(),
            input: "sender".to_owned(),
            size: "64".to_owned(),
            stations: 2,
            values: BTreeMap::from([("kpps".to_owned(), 1.5)]),
            mode: "af_packet".to_owned(),
            took_ms: 500,
            stolen_ms: 0,
            error: None,
        }
    }

    #[test]
    fn what_the_hypervisor_disturbed_is_measured_again_and_the_better_one_stays() {
        let folder = std::env::temp_dir().join(format!("bench-stolen-{}", std::process::id()));
        let mut log = Log::open(&folder, header(false), true).unwrap();
        let key = record(1).key();
        let with = |stolen_ms, kpps| Record {
            stolen_ms,
            values: BTreeMap::from([("kpps".to_owned(), kpps)]),
            ..record(1)
        };
        log.add(with(400, 1.0)).unwrap();
        assert!(!log.has(1, &key));
        log.add(with(100, 2.0)).unwrap();
        log.add(with(300, 3.0)).unwrap();
        assert_eq!(
            (log.value(1, &key, "kpps"), log.disturbed()),
            (Some(2.0), 1)
        );
        drop(log);
        let mut log = Log::open(&folder, header(false), false).unwrap();
        assert_eq!(
            (log.value(1, &key, "kpps"), log.disturbed()),
            (Some(2.0), 1)
        );
        log.add(with(20, 4.0)).unwrap();
        assert!(log.has(1, &key));
        assert_eq!(
            (log.value(1, &key, "kpps"), log.disturbed()),
            (Some(4.0), 0)
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_run_that_was_broken_off_in_a_line_goes_on_after_the_last_whole_one() {
        let folder = std::env::temp_dir().join(format!("bench-log-{}", std::process::id()));
        let mut log = Log::open(&folder, header(false), true).unwrap();
        log.add(record(1)).unwrap();
        log.file.write_all(b"{\"round\":2,\"dev").unwrap();
        drop(log);
        let mut log = Log::open(&folder, header(false), false).unwrap();
        let key = record(1).key();
        assert!(log.has(1, &key) && !log.has(2, &key));
        assert_eq!(log.value(1, &key, "kpps"), Some(1.5));
        log.add(record(2)).unwrap();
        drop(log);
        let log = Log::open(&folder, header(false), false).unwrap();
        assert_eq!(log.records.len(), 2);
        drop(log);
        let error = Log::open(&folder, header(true), false).err().unwrap();
        assert!(error.to_string().contains("--fresh"), "{error}");
        let log = Log::open(&folder, header(true), true).unwrap();
        assert!(log.records.is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }
}
