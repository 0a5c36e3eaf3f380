//! The system call bpf(2): memory shared with programs, loading, attaching, running.
#![expect(
    unsafe_code,
    reason = "bpf(2) takes structures with addresses in them, and no crate in use here wraps it"
)]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

// Commands and constants of linux/bpf.h.
const MAP_CREATE: libc::c_int = 0;
const MAP_LOOKUP_ELEM: libc::c_int = 1;
const MAP_UPDATE_ELEM: libc::c_int = 2;
const PROG_LOAD: libc::c_int = 5;
const PROG_TEST_RUN: libc::c_int = 10;
const LINK_CREATE: libc::c_int = 28;
const MAP_TYPE_HASH: u32 = 1;
const MAP_TYPE_ARRAY: u32 = 2;
const PROG_TYPE_XDP: u32 = 6;
const ATTACH_XDP: u32 = 37;
const TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;
/// By the driver, not by the generic path behind it (`linux/if_link.h`).
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;
/// Frames the kernel makes at a time, at most.
const LIVE_BATCH: u32 = 64;
/// Octets of the kernel's words on a program it refuses.
const LOG: usize = 1 << 18;

/// `union bpf_attr`: 64-bit words, as its members lie at multiples of 4.
type Attributes = [u64; 18];

const fn pair(low: u32, high: u32) -> u64 {
    if cfg!(target_endian = "little") {
        low as u64 | (high as u64) << 32
    } else {
        (low as u64) << 32 | high as u64
    }
}

/// # Safety
/// Addresses in `attributes` are valid for what `command` does with them.
unsafe fn bpf(command: libc::c_int, attributes: &mut Attributes) -> io::Result<libc::c_int> {
    // SAFETY: the structure is as long as is said; what it points to is the caller's promise.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            attributes.as_mut_ptr(),
            size_of::<Attributes>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as libc::c_int)
}

fn owned(fd: libc::c_int) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Words that a program and this process share. A word that a program changes is read whole.
#[derive(Debug)]
pub struct Memory {
    map: OwnedFd,
    words: usize,
}

impl Memory {
    /// So many words of 64 bits, all 0.
    ///
    /// # Errors
    /// Needs CAP_BPF, or root.
    pub fn new(words: u32) -> io::Result<Self> {
        let mut attributes = Attributes::default();
        attributes[..2].copy_from_slice(&[pair(MAP_TYPE_ARRAY, 4), pair(words * 8, 1)]);
        // SAFETY: no addresses are involved.
        let map = owned(unsafe { bpf(MAP_CREATE, &mut attributes)? });
        Ok(Self {
            map,
            words: words as usize,
        })
    }

    fn attributes(&self, key: &u32, value: u64) -> Attributes {
        let mut attributes = Attributes::default();
        attributes[..3].copy_from_slice(&[
            pair(self.map.as_raw_fd().cast_unsigned(), 0),
            std::ptr::from_ref(key) as u64,
            value,
        ]);
        attributes
    }

    /// All words.
    ///
    /// # Errors
    /// The kernel has no memory.
    pub fn read(&self) -> io::Result<Vec<u64>> {
        let key = 0;
        let mut words = vec![0u64; self.words];
        let mut attributes = self.attributes(&key, words.as_mut_ptr() as u64);
        // SAFETY: the kernel reads 4 octets of key and writes one value, which is as long as `words`.
        unsafe { bpf(MAP_LOOKUP_ELEM, &mut attributes)? };
        Ok(words)
    }

    /// Sets all words.
    ///
    /// # Errors
    /// Not as many as there are.
    pub fn write(&self, words: &[u64]) -> io::Result<()> {
        if words.len() != self.words {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let key = 0;
        let mut attributes = self.attributes(&key, words.as_ptr() as u64);
        // SAFETY: the kernel reads 4 octets of key and one value, which is as long as `words`.
        unsafe { bpf(MAP_UPDATE_ELEM, &mut attributes)? };
        Ok(())
    }
}

impl AsRawFd for Memory {
    fn as_raw_fd(&self) -> RawFd {
        self.map.as_raw_fd()
    }
}

/// A hash table of the kernel's, from one word to one word.
#[derive(Debug)]
pub struct Table {
    map: OwnedFd,
}

impl Table {
    /// An empty one, with room for so many.
    ///
    /// # Errors
    /// Needs CAP_BPF, or root, and memory.
    pub fn new(capacity: u32) -> io::Result<Self> {
        let mut attributes = Attributes::default();
        attributes[..2].copy_from_slice(&[pair(MAP_TYPE_HASH, 8), pair(8, capacity)]);
        // SAFETY: no addresses are involved.
        let map = owned(unsafe { bpf(MAP_CREATE, &mut attributes)? });
        Ok(Self { map })
    }

    /// Puts `value` at `key`, in place of what was there.
    ///
    /// # Errors
    /// It is full.
    pub fn insert(&self, key: u64, value: u64) -> io::Result<()> {
        let mut attributes = Attributes::default();
        attributes[..3].copy_from_slice(&[
            pair(self.map.as_raw_fd().cast_unsigned(), 0),
            std::ptr::from_ref(&key) as u64,
            std::ptr::from_ref(&value) as u64,
        ]);
        // SAFETY: the kernel reads 8 octets at each address, and both live until it returns.
        unsafe { bpf(MAP_UPDATE_ELEM, &mut attributes)? };
        Ok(())
    }
}

impl AsRawFd for Table {
    fn as_raw_fd(&self) -> RawFd {
        self.map.as_raw_fd()
    }
}

/// A program that the kernel has checked.
#[derive(Debug)]
pub struct Program {
    program: OwnedFd,
}

/// A program on a device, until this is dropped.
#[derive(Debug)]
pub struct Attached {
    _link: OwnedFd,
}

impl Program {
    /// Has the kernel check and take an XDP program; `memory` is what it names.
    ///
    /// # Errors
    /// The kernel's own words on what is wrong with it. Needs CAP_BPF and CAP_NET_ADMIN, or root.
    pub fn load(code: &[[u8; 8]], memory: &Memory) -> io::Result<Self> {
        // The program names the map by its descriptor: it has to be open until here.
        let _named = memory;
        match Self::try_load(code, &mut []) {
            Err(error) if error.raw_os_error() != Some(libc::EPERM) => {
                // Only to hear why: a log that is too short is an error of its own.
                let mut log = vec![0u8; LOG];
                let _refused_again = Self::try_load(code, &mut log);
                let text = String::from_utf8_lossy(&log);
                let text = text.trim_end_matches('\0').trim();
                Err(io::Error::new(error.kind(), format!("{error}: {text}")))
            }
            result => result,
        }
    }

    fn try_load(code: &[[u8; 8]], log: &mut [u8]) -> io::Result<Self> {
        let mut attributes = Attributes::default();
        let (level, place) = if log.is_empty() {
            (0, 0)
        } else {
            (1, log.as_mut_ptr() as u64)
        };
        attributes[..5].copy_from_slice(&[
            pair(PROG_TYPE_XDP, code.len() as u32),
            code.as_ptr() as u64,
            c"GPL".as_ptr() as u64,
            pair(level, log.len() as u32),
            place,
        ]);
        // SAFETY: code, licence and log live until the call returns, and are as long as is said.
        let program = unsafe { bpf(PROG_LOAD, &mut attributes)? };
        Ok(Self {
            program: owned(program),
        })
    }

    /// Puts it on the device with this index, in the namespace of the calling thread, in the driver itself.
    ///
    /// # Errors
    /// No such device, another program is there, or its driver runs none.
    pub fn attach(&self, index: u32) -> io::Result<Attached> {
        let mut attributes = Attributes::default();
        attributes[..2].copy_from_slice(&[
            pair(self.program.as_raw_fd().cast_unsigned(), index),
            pair(ATTACH_XDP, XDP_FLAGS_DRV_MODE),
        ]);
        // SAFETY: no addresses are involved.
        let link = owned(unsafe { bpf(LINK_CREATE, &mut attributes)? });
        Ok(Attached { _link: link })
    }

    /// Runs it `times` over frames that the kernel makes after `frame`, and does with them what it says. A frame is
    /// used again with what was written into it: what changes has to be written each time.
    ///
    /// # Errors
    /// The frame is shorter than 14 octets or longer than a page, or the kernel has no memory.
    pub fn run_live(&self, frame: &[u8], times: u32) -> io::Result<()> {
        let mut attributes = Attributes::default();
        // prog_fd, retval; data_size_in, data_size_out; data_in; data_out; repeat, duration; ctx_size_in,
        // ctx_size_out; ctx_in; ctx_out; flags, cpu; batch_size
        attributes[..10].copy_from_slice(&[
            pair(self.program.as_raw_fd().cast_unsigned(), 0),
            pair(frame.len() as u32, 0),
            frame.as_ptr() as u64,
            0,
            pair(times, 0),
            0,
            0,
            0,
            pair(TEST_XDP_LIVE_FRAMES, 0),
            u64::from(LIVE_BATCH),
        ]);
        if cfg!(target_endian = "big") {
            attributes[9] <<= 32;
        }
        loop {
            // SAFETY: the kernel reads `frame`, which is as long as is said, and writes nowhere.
            match unsafe { bpf(PROG_TEST_RUN, &mut attributes) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(|_| ()),
            }
        }
    }
}
