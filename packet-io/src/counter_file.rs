//! Counters in a file that is mapped into memory, so that a process that is killed has written them already.
//!
//! The file is a row of blocks, each of a few records of words ([`Layout`], and `layout.rs` for the octets). To
//! store a record is a handful of stores to memory: no system call, no lock, nothing allocated. Whoever reads,
//! here or in another process, at any moment and after any end of the writer, sees a record as it was
//! stored once, never a part of it.
//!
//! One process writes a file: it holds a lock of it (`flock`) as long as it lives. What an earlier one left is
//! read whole or not at all, by ordinary reading; the new file is made beside it and then takes its name, so
//! at any moment the name leads to a whole file, the old one or the new one. What is left in memory needs no
//! syncing: the kernel keeps it until the machine ends, and then the boot id tells that it is of no use.
#![expect(
    unsafe_code,
    reason = "the file is mapped: words are shared with whoever maps it too"
)]

mod layout;
#[cfg(test)]
mod tests;

pub use layout::{Block, Layout, Refused, digest, parse};

use crate::whole_file::create_new;
use layout::WORD;
use rustix::fs::{FlockOperation, fstat, lstat};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use thiserror::Error;

/// Blocks by which a file grows (ours).
const STEP: usize = 64;

/// How often a file may be replaced while it is opened.
const TRIES: usize = 8;

/// There can be no file of counters.
#[derive(Debug, Error)]
pub enum CounterFileError {
    /// Another process has it.
    #[error(
        "the counters in {path} are written by another process: stop that one, or if its state folder is a \
         copy of this one, remove the copy"
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The system refuses.
    #[error("cannot keep counters in {path}: {source}; make it a place this user may write to")]
    System {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// What an earlier process left, and the right to be the next.
#[derive(Debug)]
pub struct Leftover {
    /// Its blocks, none if there was no file; or why they are not read.
    pub blocks: Result<Vec<Block>, Refused>,
    path: PathBuf,
    layout: Layout,
    boot: u128,
    /// Locked until the new file has the name.
    old: Option<File>,
}

/// A file of counters, mapped. Removed only by [`CounterFile::remove`].
#[derive(Debug)]
pub struct CounterFile {
    start: NonNull<AtomicU64>,
    /// Words that are mapped: those of all blocks there may be.
    mapped: usize,
    /// Words that the file has, and that may be touched.
    there: AtomicUsize,
    /// Most blocks, and words of one.
    blocks: usize,
    block: usize,
    /// Of each record of a block: where it begins there, and its words.
    records: Vec<(usize, usize)>,
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

// SAFETY: the mapping belongs to this value alone, and nothing about it is tied to a thread.
unsafe impl Send for CounterFile {}
// SAFETY: all that is shared are atomic words, and a file that is only grown.
unsafe impl Sync for CounterFile {}

impl Leftover {
    /// Reads what the file at `path` says, and locks it if there is one.
    ///
    /// # Errors
    /// Another process has it, or the system refuses. A file that cannot be understood is no error.
    pub fn read(path: &Path, layout: Layout) -> Result<Self, CounterFileError> {
        let failed = |source| system(path, source);
        let boot = boot_id().map_err(failed)?;
        for _ in 0..TRIES {
            let mut options = OpenOptions::new();
            // A pipe that somebody put there would be waited for.
            let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
            let opened = options
                .read(true)
                .write(true)
                .custom_flags(flags)
                .open(path);
            let (old, blocks) = match opened {
                Ok(file) => {
                    lock(&file, path)?;
                    if !has_the_name(&file, path).map_err(failed)? {
                        continue;
                    }
                    let blocks = contents(&file, &layout, boot).map_err(failed)?;
                    (Some(file), blocks)
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => (None, Ok(Vec::new())),
                // A link, a folder, a socket: none of them is read, and `begin` says if it cannot be replaced.
                Err(_) => (None, Err(Refused::NoFile)),
            };
            return Ok(Self {
                blocks,
                path: path.to_owned(),
                layout,
                boot,
                old,
            });
        }
        Err(CounterFileError::InUse {
            path: path.to_owned(),
        })
    }

    /// Makes a new file in place of what there was, without any record. What was read must be kept elsewhere by
    /// now.
    ///
    /// # Errors
    /// The system refuses.
    pub fn begin(self) -> Result<CounterFile, CounterFileError> {
        let failed = |source| system(&self.path, source);
        let new = self.path.with_extension("new");
        let make = || {
            let mut file = create_new(&new)?;
            file.write_all(&self.layout.header_octets(self.boot))?;
            Ok(file)
        };
        let file = make().map_err(failed)?;
        lock(&file, &new)?;
        let made = CounterFile::map(file, &self.path, &self.layout).map_err(failed)?;
        fs::rename(&new, &self.path).map_err(failed)?;
        drop(self.old);
        Ok(made)
    }
}

impl CounterFile {
    fn map(file: File, path: &Path, layout: &Layout) -> io::Result<Self> {
        let mapped = layout.words(layout.blocks.into());
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                mapped * WORD,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                &file,
                0,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            start,
            mapped,
            there: AtomicUsize::new(layout.words(0)),
            blocks: layout.blocks.into(),
            block: layout.block(),
            records: layout.places(),
            path: path.to_owned(),
            file,
        })
    }

    /// Has room for `blocks` blocks, or as many as the layout allows. Grows by 64 at a time; for control, not
    /// for workers.
    ///
    /// # Errors
    /// No memory or disk is left for it.
    pub fn grow(&self, blocks: usize) -> io::Result<()> {
        let blocks = blocks.next_multiple_of(STEP).min(self.blocks);
        let wanted = layout::HEADER + blocks * self.block;
        let there = self.there.load(Ordering::Acquire);
        if wanted <= there {
            return Ok(());
        }
        // Written, not only made longer: to touch a mapped page that the system has no room for would end us.
        let zeros = vec![0; (wanted - there) * WORD];
        self.file.write_all_at(&zeros, (there * WORD) as u64)?;
        self.there.store(wanted, Ordering::Release);
        Ok(())
    }

    /// Stores a record, whole; returns whether it could: the block must have been made room for, and `words`
    /// be as many as the layout says. Of each record there is one thread that stores it.
    #[inline]
    pub fn store<const N: usize>(&self, block: usize, record: usize, words: &[u64; N]) -> bool {
        let Some((times, banks)) = self.record(block, record) else {
            return false;
        };
        if banks.len() != 2 * N {
            return false;
        }
        let next = times.load(Ordering::Relaxed).wrapping_add(1);
        let (even, odd) = banks.split_at(N);
        let bank = if next % 2 == 0 { even } else { odd };
        // Whoever sees one of the words below sees that the bank is not the current one.
        fence(Ordering::Release);
        for (place, &word) in bank.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
        times.store(next, Ordering::Release);
        true
    }

    /// A record as it was stored last, if it was; at any time, by any thread.
    pub fn load(&self, block: usize, record: usize) -> Option<Vec<u64>> {
        let (times, banks) = self.record(block, record)?;
        let (even, odd) = banks.split_at(banks.len() / 2);
        loop {
            let before = times.load(Ordering::Acquire);
            let bank = if before % 2 == 0 { even } else { odd };
            let words = bank.iter().map(|word| word.load(Ordering::Relaxed));
            let words = words.collect();
            fence(Ordering::Acquire);
            if times.load(Ordering::Relaxed) == before {
                return (before > 0).then_some(words);
            }
        }
    }

    /// How often a record was stored, and its two banks.
    #[inline]
    fn record(&self, block: usize, record: usize) -> Option<(&AtomicU64, &[AtomicU64])> {
        let &(at, words) = self.records.get(record)?;
        let start = layout::HEADER + block.checked_mul(self.block)? + at;
        if start + words > self.there.load(Ordering::Acquire) {
            return None;
        }
        // SAFETY: `there` words, of at most `mapped`, lie inside the mapping, which lives as long as `self` and
        // begins on a page, so each is aligned. Every access to them, by whoever maps the file, is atomic. The file
        // has them: it is never made shorter, and nobody else may write to it. (Whoever may all the same, root,
        // can end this process, by that as by any other means, but not make it read what is not its own.)
        let all = unsafe {
            let start = self.start.add(start);
            std::slice::from_raw_parts(start.as_ptr(), words)
        };
        all.split_first()
    }

    /// Removes the file: all that is in it is kept elsewhere.
    ///
    /// # Errors
    /// The system refuses.
    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

impl Drop for CounterFile {
    fn drop(&mut self) {
        // SAFETY: the mapping was made in `map` with this length; no borrow of it outlives `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.mapped * WORD) };
    }
}

fn system(path: &Path, source: io::Error) -> CounterFileError {
    CounterFileError::System {
        path: path.to_owned(),
        source,
    }
}

/// Goes with the process, however it ends.
fn lock(file: &File, path: &Path) -> Result<(), CounterFileError> {
    rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => CounterFileError::InUse {
            path: path.to_owned(),
        },
        other => system(path, other.into()),
    })
}

/// Whether the file that was opened is still the one of that name: its writer may have put another in its place.
fn has_the_name(file: &File, path: &Path) -> io::Result<bool> {
    let ours = fstat(file)?;
    match lstat(path) {
        Ok(named) => Ok((named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn contents(file: &File, layout: &Layout, boot: u128) -> io::Result<Result<Vec<Block>, Refused>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err(Refused::NoFile));
    }
    let own = metadata.uid() == rustix::process::geteuid().as_raw();
    if !own || metadata.mode() & 0o077 != 0 {
        return Ok(Err(Refused::NotPrivate));
    }
    let most = (layout.words(layout.blocks.into()) * WORD) as u64;
    let mut octets = Vec::new();
    file.take(most + 1).read_to_end(&mut octets)?;
    Ok(parse(&octets, layout, boot))
}

/// Which start of the machine this is.
fn boot_id() -> io::Result<u128> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let digits = text.trim().replace('-', "");
    u128::from_str_radix(&digits, 16).map_err(io::Error::other)
}
