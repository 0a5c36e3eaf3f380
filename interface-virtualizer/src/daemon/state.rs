//! What an IV that was killed must find again: its vNICs, their UUIDs and VIFs, in a file of JSON.

use crate::config::VnicSpec;
use niv::VifId;
use packet_io::former::Formers;
use packet_io::{netns, whole_file};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;
use tracing::{debug, info, warn};

/// The version of the file's layout.
const VERSION: u32 = 1;

/// The state cannot be kept, so a restart would lose vNICs.
#[derive(Debug, Error)]
#[error("cannot keep the vNICs in {}: {source}; make it a place this user may write to", path.display())]
pub struct StateError {
    path: PathBuf,
    source: io::Error,
}

/// Why a file of state is not read.
#[derive(Debug, Error)]
pub enum UnreadState {
    /// It is none, or one with something in it that cannot be.
    #[error("{0}")]
    Malformed(#[from] serde_json::Error),
    /// Another release wrote it.
    #[error("it is of version {0}")]
    Version(u32),
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    version: u32,
    /// The highest term of a switch.
    pub(super) term: u64,
    /// vNICs whose VIF the switch assigns.
    pub(super) vnics: Vec<KeptVnic>,
}

impl Kept {
    pub(super) fn new(term: u64, vnics: Vec<KeptVnic>) -> Self {
        Self {
            version: VERSION,
            term,
            vnics,
        }
    }

    /// What a file's octets say.
    ///
    /// # Errors
    /// See [`UnreadState`].
    pub fn parse(octets: &[u8]) -> Result<Self, UnreadState> {
        let kept: Self = serde_json::from_slice(octets)?;
        match kept.version {
            VERSION => Ok(kept),
            other => Err(UnreadState::Version(other)),
        }
    }

    /// As a file says it.
    ///
    /// # Errors
    /// None that is known: all of it can be said in JSON.
    pub fn to_octets(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// How many vNICs there are.
    pub fn count(&self) -> usize {
        self.vnics.len()
    }
}

/// One vNIC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVnic {
    /// What was asked for; its UUID is always there.
    pub(super) spec: VnicSpec,
    /// The VIF it last had.
    pub(super) vif: Option<VifId>,
    /// The configuration names it: `iv attach` did not.
    pub(super) configured: bool,
    /// Its device was made by an IV, which may remove it.
    pub(super) made: bool,
}

/// The file.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Of the IV behind `uplink` in the network namespace with that inode: both, since a device's name
    /// means nothing in another namespace.
    pub(super) fn new(folder: &Path, namespace: u64, uplink: &str) -> Self {
        let path = folder.join(format!("iv-{namespace}-{uplink}.json"));
        Self { path }
    }

    /// What was kept. A file that cannot be read is put aside and said.
    pub(super) fn load(&self) -> Kept {
        let octets = match fs::read(&self.path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Kept::default(),
            Err(error) => {
                self.put_aside(&error.to_string());
                return Kept::default();
            }
        };
        Kept::parse(&octets).unwrap_or_else(|why| {
            self.put_aside(&why.to_string());
            Kept::default()
        })
    }

    fn put_aside(&self, why: &str) {
        let aside = self.path.with_extension("unreadable");
        // If it cannot be moved it will be written over.
        let _ = fs::rename(&self.path, &aside);
        warn!(
            "the vNICs kept in {} cannot be read ({why}): attach them again; what there was is in {}",
            self.path.display(),
            aside.display()
        );
    }

    /// Keeps it: on disk when this returns; after a crash the file is the old one or the new one.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn save(&self, kept: &Kept) -> Result<(), StateError> {
        let write = || whole_file::replace(&self.path, &kept.to_octets()?);
        write().map_err(|source| StateError {
            path: self.path.clone(),
            source,
        })
    }
}

/// Removes what is kept of network namespaces that are gone: nothing of it can come back, and their numbers are given
/// again. Where it cannot be proven that one is gone everything stays.
pub(super) fn sweep(folder: &Path) {
    // Listed first: of a namespace that is made meanwhile nothing is among them.
    let about = files_by_namespace(folder);
    if !about.is_empty()
        && let Some(living) = netns::living()
    {
        remove_all_but(&living, about);
    }
}

fn files_by_namespace(folder: &Path) -> Vec<(u64, PathBuf)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let about = files.filter_map(|file| {
        let name = file.file_name();
        let name = name.to_str()?;
        let namespace = namespace_of(name).or_else(|| Formers::namespace_of(name))?;
        Some((namespace, file.path()))
    });
    about.collect()
}

/// The network namespace that a file of this name is about, if it is one of a [`StateFile`].
fn namespace_of(file: &str) -> Option<u64> {
    let name = file
        .strip_suffix(".json")
        .or_else(|| file.strip_suffix(".unreadable"))?;
    let (namespace, _uplink) = name.strip_prefix("iv-")?.split_once('-')?;
    namespace.parse().ok()
}

fn remove_all_but(living: &BTreeSet<u64>, about: Vec<(u64, PathBuf)>) {
    for (namespace, path) in about {
        if living.contains(&namespace) {
            continue;
        }
        match fs::remove_file(&path) {
            Ok(()) => info!(
                "{} is removed: its network namespace is gone",
                path.display()
            ),
            // Another `iv` may have been quicker.
            Err(error) => debug!("{}: {error}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_of_namespaces_that_are_gone_is_removed() {
        let folder = std::env::temp_dir().join(format!("iv-sweep-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let gone = ["iv-8-eth1.json", "iv-8-eth-1.unreadable", "8-eth1.device"];
        let stay = [
            "iv-7-eth1.json",
            "7-eth1.device",
            "iv-x-eth1.json",
            "vis.redb",
            "iv.sock",
            "8",
            "iv-8",
        ];
        for name in gone.iter().chain(&stay) {
            fs::write(folder.join(name), "{}").unwrap();
        }
        remove_all_but(&BTreeSet::from([7]), files_by_namespace(&folder));
        let left: BTreeSet<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(left, stay.iter().map(|&name| name.to_owned()).collect());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_was_kept_is_found_again_and_what_is_broken_is_put_aside() {
        let folder = std::env::temp_dir().join(format!("iv-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = StateFile::new(&folder, 7, "eth1");
        assert_eq!(file.load(), Kept::default());
        let spec = VnicSpec {
            name: Some("web1".into()),
            profile: Some("web".into()),
            uuid: Some("67e55044-10b1-426f-9247-bb680e5fe0c8".into()),
            ..VnicSpec::default()
        };
        let vnic = KeptVnic {
            spec,
            vif: VifId::try_from(9).ok(),
            configured: false,
            made: true,
        };
        let kept = Kept::new(3, vec![vnic]);
        file.save(&kept).unwrap();
        file.save(&kept).unwrap();
        assert_eq!(file.load(), kept);
        assert_eq!(
            StateFile::new(&folder, 7, "eth2").load(),
            Kept::default(),
            "another uplink's"
        );
        for broken in ["{", "{\"version\":2,\"term\":0,\"vnics\":[]}"] {
            fs::write(&file.path, broken).unwrap();
            assert_eq!(file.load(), Kept::default());
            assert!(!file.path.exists());
        }
        fs::remove_dir_all(&folder).unwrap();
        assert!(file.save(&kept).is_err());
    }
}
