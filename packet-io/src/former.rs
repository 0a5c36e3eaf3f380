//! Whose a device is, and what it was like before: what has to be known across processes.
//!
//! The settings a device had are kept in a file for each device, so that a clean exit gives them back even
//! after a kill, whichever socket the next process is given. A claim, which dies with its process, keeps
//! two processes from taking one device.

use crate::device::Former;
use crate::netns::NetNs;
use crate::whole_file;
use rustix::fs::fstat;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A file holds what the kernel said of one device: anything longer is not ours (ours), in octets.
const MAX_FILE: u64 = 4096;

/// The settings cannot be kept, so a kill would leave devices changed for good.
#[derive(Debug, Error)]
#[error("cannot keep the settings of a device in {}: make it a place this user may write to", path.display())]
pub struct FormerError {
    path: PathBuf,
    source: io::Error,
}

/// What the devices of one network namespace were like, on disk.
#[derive(Debug)]
pub struct Formers {
    folder: PathBuf,
    /// The namespace's inode: a device's name means nothing in another one.
    namespace: u64,
}

impl Formers {
    /// The files in `folder`, which is made if it is not there.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn in_folder(folder: &Path, namespace: &NetNs) -> Result<Self, FormerError> {
        let failed = |source| FormerError {
            path: folder.to_owned(),
            source,
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755);
        builder.create(folder).map_err(failed)?;
        let stat = fstat(namespace.as_fd()).map_err(|error| failed(error.into()))?;
        Ok(Self {
            folder: folder.to_owned(),
            namespace: stat.st_ino,
        })
    }

    /// What is kept of a device. A file that cannot be read holds nothing.
    pub fn get(&self, device: &str) -> Option<Former> {
        let mut octets = Vec::new();
        let file = File::open(self.path(device)).ok()?;
        file.take(MAX_FILE).read_to_end(&mut octets).ok()?;
        serde_json::from_slice(&octets).ok()
    }

    /// Keeps a device's settings: on disk when this returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, former: &Former) -> Result<(), FormerError> {
        let path = self.path(former.device());
        let write = || whole_file::replace(&path, &serde_json::to_vec(former)?);
        write().map_err(|source| FormerError { path, source })
    }

    /// Forgets a device whose settings were given back.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(&self, device: &str) -> Result<(), FormerError> {
        let path = self.path(device);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FormerError { path, source })
            }
            _ => Ok(()),
        }
    }

    /// The network namespace, by its inode, that a file of this name is about; `None`: it is none of these files.
    pub fn namespace_of(file: &str) -> Option<u64> {
        let (namespace, _device) = file.strip_suffix(".device")?.split_once('-')?;
        namespace.parse().ok()
    }

    fn path(&self, device: &str) -> PathBuf {
        // The kernel lets no slash into a name.
        let name = format!("{}-{device}.device", self.namespace);
        self.folder.join(name)
    }
}

/// The right to a device of the calling thread's network namespace, for as long as this lives.
///
/// A socket with an abstract name: those belong to a network namespace, as devices do, and go with the
/// process however it ends.
#[derive(Debug)]
pub struct Claim {
    _socket: UnixDatagram,
}

/// A device cannot be had.
#[derive(Debug, Error)]
pub enum ClaimError {
    /// Another process has it.
    #[error(
        "{device} is in use by another `iv` or `vis`: stop that one first (`pgrep -a 'iv|vis'` finds it), or name another device"
    )]
    Taken {
        /// The device.
        device: String,
    },
    /// The system gives no socket.
    #[error("{device} cannot be claimed")]
    System {
        /// The device.
        device: String,
        /// What it said.
        source: io::Error,
    },
}

impl Claim {
    /// Claims a device by its name.
    ///
    /// # Errors
    /// Another process has it.
    pub fn take(device: &str) -> Result<Self, ClaimError> {
        let bind = || {
            let address = SocketAddr::from_abstract_name(format!("niv/device/{device}"))?;
            UnixDatagram::bind_addr(&address)
        };
        match bind() {
            Ok(socket) => Ok(Self { _socket: socket }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ClaimError::Taken {
                device: device.to_owned(),
            }),
            Err(source) => Err(ClaimError::System {
                device: device.to_owned(),
                source,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_belongs_to_one_holder_until_it_lets_go() {
        let device = format!("t-claim{}", std::process::id());
        let first = Claim::take(&device).unwrap();
        let second = Claim::take(&device).unwrap_err();
        assert!(matches!(&second, ClaimError::Taken { device: named } if *named == device));
        drop(first);
        Claim::take(&device).unwrap();
    }
}
