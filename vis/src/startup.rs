//! The startup configuration: the file the switch starts with, and how the running one is saved there.

use crate::config::MAX_FILE;
use packet_io::whole_file::{self, ReplaceError};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What is in a configuration file: no more than shows that it is too long for one.
///
/// # Errors
/// The system refuses.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path)?
        .take(MAX_FILE as u64 + 1)
        .read_to_end(&mut octets)?;
    Ok(octets)
}

/// The same for somebody who must not wait: a pipe or a device may never end.
///
/// # Errors
/// As [`read`], and it is no file.
pub(crate) fn read_at_once(path: &Path) -> io::Result<Vec<u8>> {
    if path.metadata()?.is_file() {
        read(path)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"))
    }
}

/// The running configuration is not saved. The file is whole, and forwarding goes on.
#[derive(Debug, thiserror::Error)]
#[error("{path} {what}: {why}")]
pub struct SaveError {
    path: PathBuf,
    what: &'static str,
    why: String,
    source: io::Error,
}

/// A configuration to be saved.
#[derive(Debug)]
pub struct ToSave {
    /// Into this file.
    pub path: PathBuf,
    /// What it was.
    pub text: String,
    /// The how many-th copy it is: of two, the later one has the larger number.
    pub number: u64,
}

/// The number of the last copy that is in the file.
#[derive(Debug, Default)]
pub struct Saved(u64);

impl Saved {
    /// Puts the text into the file, whole or not at all; the value says so for people. A copy that comes when a later one is
    /// in the file changes nothing.
    ///
    /// # Errors
    /// The system refuses.
    pub fn save(&mut self, copy: &ToSave) -> Result<String, SaveError> {
        // The file a link points to is the one to be written.
        let path = copy.path.canonicalize();
        let path = path.unwrap_or_else(|_| copy.path.clone());
        if copy.number < self.0 {
            return Ok(format!(
                "saved in {}, with what somebody changed since",
                path.display()
            ));
        }
        match whole_file::replace_keeping_access(&path, copy.text.as_bytes()) {
            Ok(()) => {
                self.0 = copy.number;
                Ok(format!("saved in {}", path.display()))
            }
            Err(error) => {
                let what = match error {
                    ReplaceError::Old(_) => "is not written, and is as it was",
                    // The last step, which makes the name durable, is the only one after which it is there.
                    ReplaceError::New(_) => "is written, and may be the old one after a power cut",
                };
                let source = error.into();
                Err(SaveError {
                    what,
                    why: why(&source),
                    path,
                    source,
                })
            }
        }
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room there, and say it again".to_owned()
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "its file system is read-only: mount it writable, and say it again".to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "the switch may not write there: give its user the right to write that folder"
                .to_owned()
        }
        io::ErrorKind::NotFound => "its folder is gone: make it, and say it again".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::ErrorKind;
    use std::path::Path;

    #[test]
    fn what_the_system_says_is_said_with_what_mends_it() {
        for (kind, words) in [
            (ErrorKind::StorageFull, "make room"),
            (ErrorKind::ReadOnlyFilesystem, "mount it writable"),
            (ErrorKind::PermissionDenied, "the right to write"),
            (ErrorKind::NotFound, "make it"),
        ] {
            let error = SaveError {
                path: "/etc/vis.conf".into(),
                what: "is as it was",
                why: why(&kind.into()),
                source: kind.into(),
            };
            let said = error.to_string();
            assert!(said.contains(words) && said.contains("as it was"), "{said}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_a_link_is_followed_and_the_last_copy_stays() {
        let mut saved = Saved::default();
        let copy = |path: &Path, text: &str, number| ToSave {
            path: path.to_owned(),
            text: text.to_owned(),
            number,
        };
        let nowhere = copy(Path::new("/nonexistent/vis.conf"), "vlan 10\n", 1);
        let refused = saved.save(&nowhere).unwrap_err();
        assert!(
            refused.to_string().contains("its folder is gone"),
            "{refused}"
        );
        let folder = std::env::temp_dir().join(format!("vis-startup-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("real.conf"), folder.join("vis.conf"));
        std::fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let told = saved.save(&copy(&link, "vlan 10\n", 3)).unwrap();
        assert!(told.contains("real.conf"), "{told}");
        assert_eq!(std::fs::read(&file).unwrap(), b"vlan 10\n");
        // It was taken before the one that is there, and came later.
        let told = saved.save(&copy(&link, "vlan 9\n", 2)).unwrap();
        assert!(told.contains("since"), "{told}");
        assert_eq!(std::fs::read(&file).unwrap(), b"vlan 10\n");
        assert!(link.is_symlink());
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
