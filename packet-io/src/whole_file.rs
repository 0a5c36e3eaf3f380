//! Files that are replaced whole: after a power cut or a kill, at any moment, a file is the old one or the new
//! one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `octets` into the file at `path` and makes it this user's alone: on disk, under that name, when this
/// returns.
///
/// The new file is written beside it, under the same name with the extension `new`, and synced; then it takes the
/// name, in one step of the file system, and the folder is synced.
///
/// # Errors
/// The system refuses. Then the file is the old one, or, if only the last syncing failed, the new one.
pub fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = create_new(&new)?;
    file.write_all(octets)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    // A bare name is in the working folder.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
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
    use std::os::unix::fs::{PermissionsExt, symlink};
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
            fs::write(path.with_extension("new"), half).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
        fs::remove_file(path.with_extension("new")).unwrap();
        symlink(&elsewhere, path.with_extension("new")).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&elsewhere).unwrap(), b"of somebody");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!path.with_extension("new").exists());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_the_old_one() {
        let folder = folder("refused");
        let path = folder.join("state");
        replace(&path, b"old").unwrap();
        fs::create_dir(path.with_extension("new")).unwrap();
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read(&path).unwrap(), b"old");
        fs::remove_dir_all(folder).unwrap();
    }
}
