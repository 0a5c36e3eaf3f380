//! Memory that an AF_XDP socket shares with the kernel: the frames' chunks, and rings of descriptors.
//!
//! A ring of `n` places (a power of two) is counted by two words that only grow, and wrap: the producer's,
//! written by who puts in, and the consumer's, written by who takes out. Place `i` is `i mod n`.
#![expect(
    unsafe_code,
    reason = "rings and frames are memory shared with the kernel, handed back and forth by counters"
)]

use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use rustix::net::xdp::{XdpRingOffset, XdpUmemReg, XdpUmemRegFlags};
use std::io;
use std::marker::PhantomData;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

const PROTECTION: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// Mapped memory, given back when dropped.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    octets: usize,
}

// SAFETY: the mapping belongs to this value alone, and nothing about it is tied to a thread.
unsafe impl Send for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and what borrows it is part of the values that own it.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.octets) };
    }
}

/// Room for frames, in chunks of equal size.
#[derive(Debug)]
pub(super) struct Chunks {
    mapping: Mapping,
    size: u32,
    count: u32,
}

impl Chunks {
    /// `count` chunks of `size` octets.
    pub(super) fn new(size: u32, count: u32) -> io::Result<Self> {
        let octets = size as usize * count as usize;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), octets, PROTECTION, MapFlags::PRIVATE)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            mapping: Mapping { start, octets },
            size,
            count,
        })
    }

    /// What the kernel is told of it.
    pub(super) fn registration(&self) -> XdpUmemReg {
        XdpUmemReg {
            addr: self.mapping.start.as_ptr() as u64,
            len: self.mapping.octets as u64,
            chunk_size: self.size,
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        }
    }

    /// Writes `pieces` one after the other into chunk `index`, up to its end; returns how many octets there are.
    #[inline]
    pub(super) fn fill<'a>(&mut self, index: u32, pieces: impl Iterator<Item = &'a [u8]>) -> usize {
        let start = (index % self.count) as usize * self.size as usize;
        // SAFETY: the chunk lies inside the mapping, as its index is below their number. The kernel only
        // reads chunks, and this one is free: no descriptor that the kernel may still look at names it.
        let chunk = unsafe {
            let start = self.mapping.start.add(start);
            std::slice::from_raw_parts_mut(start.as_ptr(), self.size as usize)
        };
        let mut length = 0;
        for piece in pieces {
            let Some(space) = chunk.get_mut(length..length + piece.len()) else {
                break;
            };
            space.copy_from_slice(piece);
            length += piece.len();
        }
        length
    }
}

/// A ring of descriptors, used from one end only: by [`Ring::put`] or by [`Ring::take`].
#[derive(Debug)]
pub(super) struct Ring<T> {
    mapping: Mapping,
    producer: usize,
    consumer: usize,
    places: usize,
    mask: u32,
    /// Our own counter: put in but not published, or taken out.
    own: u32,
    content: PhantomData<T>,
}

impl<T: Copy> Ring<T> {
    /// Maps the ring that `socket` has at `offset`, of `places` places.
    pub(super) fn new(
        socket: BorrowedFd<'_>,
        offset: u64,
        layout: &XdpRingOffset,
        places: u32,
    ) -> io::Result<Self> {
        let octets = layout.desc as usize + places as usize * size_of::<T>();
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory in use.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                octets,
                PROTECTION,
                flags,
                socket,
                offset,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            mapping: Mapping { start, octets },
            producer: layout.producer as usize,
            consumer: layout.consumer as usize,
            places: layout.desc as usize,
            mask: places - 1,
            own: 0,
            content: PhantomData,
        })
    }

    /// Puts one in. There has to be room: fewer put in than taken plus places. The kernel does not see it before
    /// [`Ring::publish`].
    #[inline]
    pub(super) fn put(&mut self, value: T) {
        // SAFETY: see `place`. Without room the kernel would read a descriptor while it is written: a torn one names no
        // memory outside the chunks, as the kernel checks each.
        unsafe { self.place(self.own).write(value) };
        self.own = self.own.wrapping_add(1);
    }

    /// Shows the kernel all that was put in; returns the counter's value.
    #[inline]
    pub(super) fn publish(&self) -> u32 {
        let producer = self.counter(self.producer);
        producer.store(self.own, Ordering::Release);
        self.own
    }

    /// The kernel's counter of what it took.
    #[inline]
    pub(super) fn taken(&self) -> u32 {
        self.counter(self.consumer).load(Ordering::Acquire)
    }

    /// Takes the last `count` back that were published, of which the kernel has seen none: it was not called since, or
    /// refused before it looked.
    pub(super) fn take_back(&mut self, count: u32) -> impl Iterator<Item = T> + '_ {
        let first = self.own.wrapping_sub(count);
        self.own = first;
        self.publish();
        // SAFETY: see `place`; they were put there before.
        (0..count).map(move |n| unsafe { self.place(first.wrapping_add(n)).read() })
    }

    /// Takes one out that the kernel has put in.
    #[inline]
    pub(super) fn take(&mut self) -> Option<T> {
        let put = self.counter(self.producer).load(Ordering::Acquire);
        if put == self.own {
            return None;
        }
        // SAFETY: see `place`; the kernel has put something there, and the load above acquired it.
        let value = unsafe { self.place(self.own).read() };
        self.own = self.own.wrapping_add(1);
        self.counter(self.consumer)
            .store(self.own, Ordering::Release);
        Some(value)
    }

    fn place(&self, index: u32) -> NonNull<T> {
        let offset = self.places + (index & self.mask) as usize * size_of::<T>();
        // SAFETY: `new` mapped as many places as the mask lets through. The kernel aligns them.
        unsafe { self.mapping.start.add(offset).cast() }
    }

    fn counter(&self, offset: usize) -> &AtomicU32 {
        // SAFETY: the kernel says where its counters are; they are aligned, inside the mapping, which lives as long
        // as `self`, and both sides touch them with atomic accesses only.
        unsafe { self.mapping.start.add(offset).cast::<AtomicU32>().as_ref() }
    }
}
