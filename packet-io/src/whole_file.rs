//! Files that are replaced whole: after a power cut or a kill, at any moment, a file is the old one or the new
//! one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// What replacing a file does to a folder, one step each, so that a test can cut the power after any of them.
pub trait Files {
    /// A file that is being written.
    type File;

    /// A new, empty file, in place of what a killed process may have left there.
    ///
    /// # Errors
    /// The system refuses, as in all of these.
    fn create(&self, path: &Path, access: Access) -> io::Result<Self::File>;
    /// Writes all of `octets`.
    ///
    /// # Errors
    /// As above.
    fn write(&self, file: &mut Self::File, octets: &[u8]) -> io::Result<()>;
    /// What was written is on disk.
    ///
    /// # Errors
    /// As above.
    fn sync(&self, file: &Self::File) -> io::Result<()>;
    /// One file takes the name of another, in one step.
    ///
    /// # Errors
    /// As above.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// The names of a folder are on disk.
    ///
    /// # Errors
    /// As above.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Takes a file away.
    ///
    /// # Errors
    /// As above.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Its permissions, of 0o777.
    pub mode: u32,
    /// Its user and group; `None`: whoever makes it.
    pub owner: Option<(u32, u32)>,
}

impl Access {
    /// Of a file that is this user's alone.
    pub const OWN: Self = Self {
        mode: 0o600,
        owner: None,
    };

    /// As a file has it; of one that is not there, [`Access::OWN`].
    fn of(path: &Path) -> Self {
        fs::metadata(path).map_or(Self::OWN, |found| Self {
            mode: found.mode() & 0o777,
            owner: Some((found.uid(), found.gid())),
        })
    }
}

/// Those of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    type File = File;

    fn create(&self, path: &Path, access: Access) -> io::Result<File> {
        let file = create_new(path)?;
        let Some((user, group)) = access.owner else {
            return Ok(file);
        };
        let given = fchown(&file, Some(user), Some(group)).is_ok();
        // Only root may give a file away. One that stays ours is not opened to a group it was not opened to.
        let mode = if given {
            access.mode
        } else {
            access.mode & 0o707
        };
        file.set_permissions(Permissions::from_mode(mode))?;
        Ok(file)
    }

    fn write(&self, file: &mut File, octets: &[u8]) -> io::Result<()> {
        file.write_all(octets)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// A file is not replaced for certain.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// It is as it was.
    #[error(transparent)]
    Old(io::Error),
    /// It is the new one, and after a power cut may be the old one again: only its name was not synced.
    #[error(transparent)]
    New(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Old(error) | ReplaceError::New(error) => error,
        }
    }
}

/// Puts `octets` into the file at `path` and makes it this user's alone: on disk, under that name, when this
/// returns.
///
/// The new file is written beside it, under the name `.NAME.new`, and synced; then it takes the
/// name, in one step of the file system, and the folder is synced.
///
/// # Errors
/// The system refuses. Then the file is the old one, or, if only the last syncing failed, the new one.
pub fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    Ok(replace_among(&Disk, path, octets, Access::OWN)?)
}

/// The same for a file that others may be allowed to read: it keeps its mode, and its owner where this user may give
/// files away. One that was not there is this user's alone.
///
/// # Errors
/// As [`replace`], and which of the two it is.
pub fn replace_keeping_access(path: &Path, octets: &[u8]) -> Result<(), ReplaceError> {
    replace_among(&Disk, path, octets, Access::of(path))
}

/// A name that nobody else gives a file, and that is never the file's own.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// [`replace`], among any files.
///
/// # Errors
/// As [`replace_keeping_access`].
pub fn replace_among<F: Files>(
    files: &F,
    path: &Path,
    octets: &[u8],
    access: Access,
) -> Result<(), ReplaceError> {
    let new = beside(path);
    let mut file = files.create(&new, access).map_err(ReplaceError::Old)?;
    let written = files
        .write(&mut file, octets)
        .and_then(|()| files.sync(&file))
        .and_then(|()| files.rename(&new, path));
    if let Err(error) = written {
        // What is left of it would only take up room; the error is what counts.
        let _ = files.remove(&new);
        return Err(ReplaceError::Old(error));
    }
    // A bare name is in the working folder.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    files.sync_folder(folder).map_err(ReplaceError::New)
}

/// A new, empty file for this user alone, in place of what a killed process may have left there. A link planted
/// there is removed, not followed.
pub(crate) fn create_new(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};
    use std::collections::BTreeMap;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicBool, Ordering};

    fn folder(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("whole-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn whoever_looks_sees_the_old_file_or_the_new_one() {
        let folder = folder("seen");
        let path = folder.join("state.json");
        let version = |n: u8| vec![n; 10_000];
        replace(&path, &version(0)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let seen = fs::read(&path).unwrap();
                    assert_eq!(seen, version(seen[0]));
                }
            });
            for n in 1..=50 {
                replace(&path, &version(n)).unwrap();
                assert_eq!(fs::read(&path).unwrap(), version(n));
            }
            done.store(true, Ordering::Release);
        });
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_cut_off_before_leaves_the_old_file_and_is_cleared_away() {
        let folder = folder("cut");
        let path = folder.join("state.json");
        let elsewhere = folder.join("elsewhere");
        fs::write(&elsewhere, "of somebody").unwrap();
        replace(&path, b"old").unwrap();
        for half in ["", "n", "new"] {
            fs::write(beside(&path), half).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        fs::remove_file(beside(&path)).unwrap();
        symlink(&elsewhere, beside(&path)).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&elsewhere).unwrap(), b"of somebody");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!beside(&path).exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_the_old_one() {
        let folder = folder("refused");
        let path = folder.join("state");
        replace(&path, b"old").unwrap();
        fs::create_dir(beside(&path)).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::remove_dir_all(folder).unwrap();
    }

    /// A disk that keeps what was synced and may drop the rest, and stops after so many steps: the power is cut, or
    /// the step fails.
    struct Fragile {
        state: RefCell<State>,
        steps: Cell<usize>,
        cut: bool,
    }

    #[derive(Clone, Default)]
    struct State {
        /// By inode: what is in memory, and what of it is on disk.
        contents: Vec<(Vec<u8>, Vec<u8>)>,
        names: BTreeMap<PathBuf, usize>,
        names_on_disk: BTreeMap<PathBuf, usize>,
    }

    impl Fragile {
        fn with(path: &Path, octets: &[u8], steps: usize, cut: bool) -> Self {
            let names = BTreeMap::from([(path.to_owned(), 0)]);
            let state = State {
                contents: vec![(octets.to_vec(), octets.to_vec())],
                names: names.clone(),
                names_on_disk: names,
            };
            Self {
                state: RefCell::new(state),
                steps: Cell::new(steps),
                cut,
            }
        }

        fn step(&self) -> io::Result<()> {
            let left = self.steps.get().checked_sub(1).ok_or_else(|| {
                // Once the power is cut nothing works any more.
                io::Error::from(io::ErrorKind::StorageFull)
            });
            if left.is_err() && !self.cut {
                self.steps.set(usize::MAX / 2);
            }
            left.map(|left| self.steps.set(left))
        }

        /// What may be found after a cut: names and contents that were not synced are each there or not.
        fn found(&self, path: &Path) -> Vec<Vec<u8>> {
            let state = self.state.borrow();
            let mut found = Vec::new();
            for names in [&state.names, &state.names_on_disk] {
                if let Some(&inode) = names.get(path) {
                    let (memory, disk) = &state.contents[inode];
                    found.push(disk.clone());
                    found.push(memory.clone());
                    found.push(memory[..memory.len() / 2].to_vec());
                    if memory == disk {
                        found.pop();
                    }
                } else {
                    found.push(b"nothing".to_vec());
                }
            }
            found
        }
    }

    impl Files for Fragile {
        type File = usize;

        fn create(&self, path: &Path, _: Access) -> io::Result<usize> {
            self.step()?;
            let mut state = self.state.borrow_mut();
            state.contents.push((Vec::new(), Vec::new()));
            let inode = state.contents.len() - 1;
            state.names.insert(path.to_owned(), inode);
            Ok(inode)
        }

        fn write(&self, file: &mut usize, octets: &[u8]) -> io::Result<()> {
            // A part of it may be written when it fails.
            let done = self.step();
            let part = if done.is_ok() {
                octets
            } else {
                &octets[..octets.len() / 2]
            };
            self.state.borrow_mut().contents[*file]
                .0
                .extend_from_slice(part);
            done
        }

        fn sync(&self, file: &usize) -> io::Result<()> {
            self.step()?;
            let (memory, disk) = &mut self.state.borrow_mut().contents[*file];
            disk.clone_from(memory);
            Ok(())
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step()?;
            let mut state = self.state.borrow_mut();
            let inode = state.names.remove(from).unwrap();
            state.names.insert(to.to_owned(), inode);
            Ok(())
        }

        fn sync_folder(&self, _: &Path) -> io::Result<()> {
            self.step()?;
            let mut state = self.state.borrow_mut();
            state.names_on_disk = state.names.clone();
            Ok(())
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            self.step()?;
            self.state.borrow_mut().names.remove(path);
            Ok(())
        }
    }

    const STEPS: usize = 5;

    #[test]
    fn after_a_cut_at_any_step_the_file_is_the_old_one_or_the_new_one() {
        let path = Path::new("/etc/vis.conf");
        for steps in 0..=STEPS {
            let disk = Fragile::with(path, b"the old one", steps, true);
            let done = replace_among(&disk, path, b"the new one, longer", Access::OWN);
            assert_eq!(done.is_ok(), steps == STEPS);
            for found in disk.found(path) {
                let whole = [&b"the old one"[..], b"the new one, longer"].contains(&&*found);
                assert!(
                    whole,
                    "cut after step {steps}: {}",
                    String::from_utf8_lossy(&found)
                );
                if steps == STEPS {
                    assert_eq!(
                        found, b"the new one, longer",
                        "what is said to be done is done"
                    );
                }
            }
        }
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_that_is_said_and_nothing_else() {
        let path = Path::new("/etc/vis.conf");
        for steps in 0..STEPS {
            let disk = Fragile::with(path, b"the old one", steps, false);
            let error = replace_among(&disk, path, b"new", Access::OWN).unwrap_err();
            let state = disk.state.borrow();
            assert_eq!(state.names.keys().collect::<Vec<_>>(), [path]);
            let there: &[u8] = match error {
                ReplaceError::Old(_) => b"the old one",
                ReplaceError::New(_) => b"new",
            };
            assert_eq!(state.contents[state.names[path]].0, there, "step {steps}");
        }
    }

    #[test]
    fn a_file_keeps_its_mode_and_its_owner() {
        let folder = folder("mode");
        let path = folder.join("vis.conf");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        // Where this user may not, it is this user's already.
        let _ = std::os::unix::fs::chown(&path, Some(12345), Some(54321));
        let before = Access::of(&path);
        assert_eq!(before.mode, 0o644);
        replace_keeping_access(&path, b"new").unwrap();
        assert_eq!(Access::of(&path), before);
        assert_eq!(fs::read(&path).unwrap(), b"new");
        fs::remove_dir_all(folder).unwrap();
    }
}
