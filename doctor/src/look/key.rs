//! The keys that a configuration names: a daemon does not start without them.

use crate::facts::BadKey;
use link_control::key::{KeyError, load};
use std::io::ErrorKind;
use std::path::Path;

/// What is wrong with these files; nothing is said of those that can be used.
pub fn keys<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Vec<BadKey> {
    let each = files.into_iter().filter_map(|file| {
        let path = file.as_ref();
        load(path).err().map(|error| bad(path, &error))
    });
    each.collect()
}

fn bad(path: &Path, error: &KeyError) -> BadKey {
    let path = path.display().to_string();
    let kind = match error {
        KeyError::Unreadable { source, .. } => Some(source.kind()),
        KeyError::Open { .. } | KeyError::Length { .. } => None,
    };
    let mend = match (error, kind) {
        (KeyError::Open { .. }, _) => Some(format!("chmod 600 {path}")),
        (_, Some(ErrorKind::NotFound)) => {
            Some(format!("(umask 077; head -c 32 /dev/urandom >{path})"))
        }
        _ => None,
    };
    let fault = match kind {
        // The daemon may be somebody else's.
        Some(ErrorKind::PermissionDenied) => Err(format!(
            "this user may not read the key {path}: ask as who starts the daemon"
        )),
        Some(ErrorKind::NotFound) => Ok(format!(
            "{error}, and give the other end of the link the same"
        )),
        _ => Ok(error.to_string()),
    };
    BadKey { path, fault, mend }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_missing_or_open_or_too_short_or_fine() {
        let file = std::env::temp_dir().join(format!("doctor-key-{}", std::process::id()));
        let name = file.display().to_string();
        let one = |says: &str, mend: Option<String>| {
            let all = keys([&file]);
            let [key] = &all[..] else {
                panic!("one: {all:?}");
            };
            assert!(key.fault.as_ref().unwrap().contains(says), "{key:?}");
            assert_eq!(key.mend, mend);
        };
        let make = format!("(umask 077; head -c 32 /dev/urandom >{name})");
        one("cannot read the key", Some(make));
        fs::write(&file, [7; 32]).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        one("mode 644", Some(format!("chmod 600 {name}")));
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(keys([&file]), []);
        fs::write(&file, [7; 3]).unwrap();
        one("32 to 64 octets", None);
        fs::remove_file(&file).unwrap();
    }
}
