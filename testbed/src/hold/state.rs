//! What is written down of labs that stay: a folder for each, with its process ids, its file and its log.
//!
//! The folders are the user's own, and nobody else's to write. One is there while its lab is, and after a lab was killed,
//! until `down` removes it.

use crate::error::{Doing, LabError, Result};
use ::topology::{HostName, Program, Topology};
use rustix::process::geteuid;
use serde::{Deserialize, Serialize};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The files of a lab's folder.
pub(super) const FILE: &str = "lab.toml";
pub(super) const LOG: &str = "log";
const STATE: &str = "state.json";
const ALL: [&str; 3] = [FILE, LOG, STATE];

/// A process, told from a later one with the same number by when it started.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) pid: i32,
    /// Clock ticks since the machine started (`/proc/PID/stat`, field 22).
    started: u64,
}

impl Process {
    pub(super) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in parentheses, may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        // One that has ended and that nobody has asked after does nothing any more.
        if matches!(fields.next(), None | Some("Z" | "X")) {
            return None;
        }
        Some(Self {
            pid: i32::try_from(pid).ok()?,
            started: fields.nth(18)?.parse().ok()?,
        })
    }

    pub(super) fn is_alive(self) -> bool {
        u32::try_from(self.pid)
            .ok()
            .and_then(Self::of)
            .is_some_and(|now| now.started == self.started)
    }
}

/// The processes of a lab.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    /// The process outside the namespaces: killing it ends everything.
    pub(super) keeper: Process,
    /// The first process inside: its namespaces are the lab's.
    pub(super) inside: Process,
    /// Where the programs under test are.
    pub(super) built: PathBuf,
}

impl State {
    pub(super) fn is_alive(&self) -> bool {
        self.keeper.is_alive() && self.inside.is_alive()
    }

    /// Whether anything of it runs.
    pub(super) fn is_dying(&self) -> bool {
        self.keeper.is_alive() || self.inside.is_alive()
    }
}

/// What is written down of one lab.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: HostName,
    pub(super) path: PathBuf,
}

impl Folder {
    /// Where that lab's is, whether it is there or not.
    pub(super) fn of(name: &HostName) -> Self {
        Self {
            name: name.clone(),
            path: base().join(name.as_str()),
        }
    }

    /// Those there are.
    pub(super) fn all() -> Result<Vec<Self>> {
        let base = base();
        let Ok(entries) = fs::read_dir(&base) else {
            return Ok(Vec::new());
        };
        require_ours(&base)?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut names: Vec<HostName> = names
            .filter_map(|name| name.to_str()?.parse().ok())
            .collect();
        names.sort();
        Ok(names.iter().map(Self::of).collect())
    }

    /// Makes it, empty.
    pub(super) fn make(&self) -> Result<()> {
        for path in [&base(), &self.path] {
            match fs::create_dir(path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                made => {
                    made.doing(format!("make {}", path.display()))?;
                    fs::set_permissions(path, Permissions::from_mode(0o700))
                        .doing("keep others out of it")?;
                }
            }
            require_ours(path)?;
        }
        self.clear()
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.file(name);
        fs::write(&file, text).doing(format!("write {}", file.display()))
    }

    pub(super) fn write_state(&self, state: &State) -> Result<()> {
        let text = serde_json::to_string_pretty(state).unwrap_or_default();
        self.write(STATE, &text)
    }

    pub(super) fn remove_state(&self) {
        // A stale one is told by its processes.
        let _ = fs::remove_file(self.file(STATE));
    }

    /// What was written down of the processes, whether they still run or not.
    pub(super) fn state(&self) -> Result<Option<State>> {
        let Ok(text) = fs::read_to_string(self.file(STATE)) else {
            return Ok(None);
        };
        require_ours(&self.path)?;
        Ok(serde_json::from_str(&text).ok())
    }

    /// The same, of a lab that runs.
    pub(super) fn running(&self) -> Result<Option<State>> {
        Ok(self.state()?.filter(State::is_alive))
    }

    pub(super) fn topology(&self) -> Result<Topology> {
        let file = self.file(FILE);
        let text = fs::read_to_string(&file).doing(format!("read {}", file.display()))?;
        crate::topology::parse(&file.display().to_string(), &text)
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.file(LOG)).unwrap_or_default()
    }

    fn clear(&self) -> Result<()> {
        for file in ALL {
            match fs::remove_file(self.file(file)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                removed => removed.doing(format!("remove {file} of {}", self.path.display()))?,
            }
        }
        Ok(())
    }

    /// Removes it with what we put there, and nothing else; and the folder of all labs, if this was the last.
    pub(super) fn remove(&self) -> Result<()> {
        if fs::symlink_metadata(&self.path).is_err() {
            return Ok(());
        }
        require_ours(&self.path)?;
        self.clear()?;
        fs::remove_dir(&self.path).doing(format!("remove {}", self.path.display()))?;
        // Others have theirs in it.
        let _ = fs::remove_dir(base());
        Ok(())
    }
}

/// The folder of all labs' folders.
fn base() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if Path::new(&folder).is_dir() => Path::new(&folder).join("niv-lab"),
        _ => PathBuf::from(format!("/tmp/niv-lab-{}", geteuid().as_raw())),
    }
}

/// Fails if somebody else has a hand in the folder. In /tmp anybody may have been first, with a folder or a
/// link of that name.
fn require_ours(folder: &Path) -> Result<()> {
    let found = fs::symlink_metadata(folder).doing(format!("look at {}", folder.display()))?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(LabError::NotOurs(folder.to_owned()));
    }
    Ok(())
}

/// The hosts of a lab that run a switch.
pub(super) fn switches(topology: &Topology) -> Vec<&HostName> {
    let hosts = topology.hosts.iter();
    let runs_vis = hosts.filter(|(_, host)| matches!(host.program, Some((Program::Vis, _))));
    runs_vis.map(|(name, _)| name).collect()
}
