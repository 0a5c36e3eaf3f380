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
    /// Time the hypervisor took meanwhile, in milliseconds.
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

impl Record {
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
                let records: Vec<Record> = whole
                    .lines()
                    .filter_map(|line| serde_json::from_str(line).ok())
                    .collect();
                (text.clone(), records)
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
        let done = records
            .iter()
            .map(|record| (record.round, record.key()))
            .collect();
        Ok(Self {
            path,
            file,
            header,
            records,
            done,
        })
    }

    /// Whether this was measured in that round.
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
        self.done.insert((record.round, record.key()));
        self.records.push(record);
        Ok(())
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
            stolen_ms: 0,
            error: None,
        }
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
