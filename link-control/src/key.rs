//! The key that an interface virtualizer and its switch share, read from a file.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use thiserror::Error;
use vic::{InvalidKey, Key};

/// More is no key: 64 octets as hexadecimal digits with a line's end fit (ours).
const MAX_FILE: u64 = 256;
/// Octets of a key, at least (ours): as many as HMAC-SHA-256 gives.
const LEAST: usize = 32;

/// A key that cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key in {}: {source}; make one: `umask 077; head -c 32 /dev/urandom >{}`", path.display(), path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Others than its owner can read or write it.
    #[error(
        "the key in {0} is no secret: others than its owner may use the file (mode {mode:03o}); \
         `chmod 600 {0}`, and better make a new key",
        path.display()
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Too short or too long.
    #[error("the key in {} will not do: it must have 32 to 64 octets, as they are or as hexadecimal digits", path.display())]
    Length {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: InvalidKey,
    },
}

/// Reads a key: 32 to 64 octets as they are, or as hexadecimal digits with or without an end of line.
///
/// # Errors
/// See [`KeyError`]. A file that others may read or write holds no key.
pub fn load(path: &Path) -> Result<Key, KeyError> {
    let unreadable = |source| KeyError::Unreadable {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    // Of the open file: nobody can put another one in its place now.
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Open {
            path: path.into(),
            mode,
        });
    }
    let mut octets = Vec::new();
    let mut file = file.take(MAX_FILE);
    file.read_to_end(&mut octets).map_err(unreadable)?;
    parse(&octets).map_err(|source| KeyError::Length {
        path: path.into(),
        source,
    })
}

fn parse(octets: &[u8]) -> Result<Key, InvalidKey> {
    let digits = hexadecimal(octets.trim_ascii());
    let octets = match &digits {
        Some(key) if key.len() >= LEAST => key,
        _ => octets,
    };
    match octets.len() {
        ..LEAST => Err(InvalidKey(octets.len())),
        _ => Key::new(octets),
    }
}

fn hexadecimal(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((digit(*high)? << 4 | digit(*low)?) as u8),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_the_same_as_octets_and_as_digits() {
        let octets: Vec<u8> = (0..32).map(|n| n * 7).collect();
        let digits: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        let key = Key::new(&octets).unwrap();
        assert_eq!(parse(&octets), Ok(key.clone()));
        assert_eq!(parse(digits.as_bytes()), Ok(key.clone()));
        assert_eq!(parse(format!("{digits}\n").as_bytes()), Ok(key));
    }

    #[test]
    fn a_short_key_is_refused() {
        assert_eq!(parse(&[7; 31]), Err(InvalidKey(31)));
        // Digits of too short a key are a key of so many octets, as they stand.
        assert!(parse(&[b'a'; 62]).is_ok());
        assert_eq!(parse(&[1; 65]), Err(InvalidKey(65)));
        assert_eq!(parse(b""), Err(InvalidKey(0)));
    }

    #[test]
    fn a_key_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("link-key-{}", std::process::id()));
        std::fs::write(&path, [9; 32]).unwrap();
        for (mode, fine) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let loaded = load(&path);
            assert_eq!(loaded.is_ok(), fine, "{mode:o}");
            if let Err(error) = loaded {
                assert!(error.to_string().contains("chmod 600"), "{error}");
            }
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(load(&path), Err(KeyError::Unreadable { .. })));
    }
}
