//! The settings devices had, kept in a file so that a clean exit gives them back even after a kill.

use crate::device::Former;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The file holds what the kernel said of a few devices: anything longer is not ours (ours).
const MAX_FILE: u64 = 1 << 20;

/// The file cannot be written, so a kill would leave devices changed for good.
#[derive(Debug, Error)]
#[error("cannot write {}: {source}; name a socket in a directory this user may write to, with --socket PATH", path.display())]
pub struct FormerFileError {
    path: PathBuf,
    source: io::Error,
}

/// What devices were like, on disk.
#[derive(Debug)]
pub struct FormerFile {
    path: PathBuf,
    formers: Vec<Former>,
}

impl FormerFile {
    /// Reads what an earlier run left, if it was killed. A file that cannot be read holds nothing.
    pub fn load(path: &Path) -> Self {
        let read = || {
            let short = fs::metadata(path).ok()?.len() <= MAX_FILE;
            let text = short.then(|| fs::read(path).ok()).flatten()?;
            serde_json::from_slice(&text).ok()
        };
        Self {
            path: path.to_owned(),
            formers: read().unwrap_or_default(),
        }
    }

    /// What is kept of a device.
    pub fn get(&self, device: &str) -> Option<&Former> {
        self.formers.iter().find(|former| former.device() == device)
    }

    /// Keeps a device's settings: on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self, former: Former) -> Result<(), FormerFileError> {
        self.formers
            .retain(|other| other.device() != former.device());
        self.formers.push(former);
        self.write()
    }

    /// Forgets a device whose settings were given back.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn forget(&mut self, device: &str) -> Result<(), FormerFileError> {
        self.formers.retain(|other| other.device() != device);
        self.write()
    }

    fn write(&self) -> Result<(), FormerFileError> {
        let failed = |source| FormerFileError {
            path: self.path.clone(),
            source,
        };
        if self.formers.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
                _ => Ok(()),
            };
        }
        let mut new = self.path.clone().into_os_string();
        new.push(".new");
        let write = || {
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(&self.formers)?)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        };
        write().map_err(failed)
    }
}
