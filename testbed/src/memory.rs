//! What a daemon holds: memory, and descriptors.

use crate::error::{Doing, Result};
use std::fmt;
use std::fs;
use std::path::Path;

/// What an AF_XDP socket to send by takes beside its rings: 128 chunks of 2,048 octets, in KiB.
const CHUNKS: u64 = 256;
/// The rings of such a socket are smaller, and the receive rings of packet sockets are not, in KiB.
const SMALLEST_RECEIVE_RING: u64 = 128;

/// The memory of a process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All that is in memory and belongs to it, its program's text included.
    pub(crate) resident: u64,
    /// Of that, what is shared with the kernel for frames: the rings of packet and AF_XDP sockets, as the kernel
    /// lists them, and the chunks of AF_XDP sockets, which are counted by their sockets.
    pub(crate) rings: u64,
}

impl Memory {
    /// Of the process behind this folder of `/proc`.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn of(process: &Path) -> Result<Self> {
        let path = process.join("smaps");
        let smaps = fs::read_to_string(&path).doing(format!("read {}", path.display()))?;
        Ok(Self::from_smaps(&smaps))
    }

    fn from_smaps(smaps: &str) -> Self {
        let mut memory = Self::default();
        let (mut socket, mut small) = (false, 0);
        for line in smaps.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("Size:") if socket => {
                    small += u64::from(kib(words.next()) < SMALLEST_RECEIVE_RING);
                }
                Some("Rss:") => {
                    let resident = kib(words.next());
                    memory.resident += resident;
                    memory.rings += if socket { resident } else { 0 };
                }
                // Of a mapping: address, rights, offset, device, inode, file.
                Some(first) if !first.ends_with(':') => {
                    socket = words.nth(4).is_some_and(|file| file.starts_with("socket:"));
                }
                _ => {}
            }
        }
        // Each has two: to send, and to take back what was sent.
        memory.rings += small / 2 * CHUNKS;
        memory
    }

    /// What it holds beside its rings.
    pub(crate) const fn beside_rings(self) -> u64 {
        self.resident.saturating_sub(self.rings)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (beside, rings) = (self.beside_rings(), self.rings);
        write!(f, "{beside} KiB, and rings of {rings} KiB")
    }
}

fn kib(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// How many descriptors a process has open.
///
/// # Errors
/// It has ended.
pub(crate) fn descriptors(process: &Path) -> Result<usize> {
    let path = process.join("fd");
    let open = fs::read_dir(&path).doing(format!("read {}", path.display()))?;
    Ok(open.count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_told_from_the_rest() {
        let smaps = "\
55d0-55d1 r-xp 00000000 fe:00 1 /bin/iv
Size:               4096 kB
Rss:                1000 kB
7f00-7f01 rw-s 00000000 00:08 99 socket:[99]
Size:               2048 kB
Rss:                2048 kB
7f02-7f03 rw-s 00000000 00:08 98 socket:[98]
Size:                  4 kB
Rss:                   4 kB
7f04-7f05 rw-s 00000000 00:08 98 socket:[98]
Size:                  4 kB
Rss:                   4 kB
7f06-7f07 rw-p 00000000 00:00 0
Size:                512 kB
Rss:                 300 kB
";
        let memory = Memory::from_smaps(smaps);
        assert_eq!((memory.resident, memory.rings), (3356, 2048 + 8 + 256));
        assert_eq!(memory.beside_rings(), 1044);
    }

    #[test]
    fn this_process_holds_something() {
        let process = Path::new("/proc/self");
        assert!(Memory::of(process).unwrap().beside_rings() > 0);
        assert!(descriptors(process).unwrap() > 2);
    }
}
