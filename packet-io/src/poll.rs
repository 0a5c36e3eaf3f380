//! Sleeping until a port has frames, or somebody wants attention.

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// The key of the poller's own wake-up.
const WAKE: u64 = u64::MAX;
/// Ready descriptors one call tells of; what is left over is told at the next.
const EVENTS: usize = 64;

/// Waits for many descriptors at once. Level-triggered: what stays ready is told again.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
    waker: Waker,
}

/// Ends a [`Poller::wait`] from another thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker(Arc<OwnedFd>);

impl Waker {
    /// Ends the current wait, or the next one if there is none.
    pub fn wake(&self) {
        // The counter can only be full, and then the poller is awake already.
        let _ = rustix::io::write(&*self.0, &1u64.to_ne_bytes());
    }
}

impl Poller {
    /// A poller that waits for its [`Waker`] only.
    ///
    /// # Errors
    /// The process or the system has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let waker = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let data = epoll::EventData::new_u64(WAKE);
        epoll::add(&epoll, &waker, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            waker: Waker(Arc::new(waker)),
        })
    }

    /// What wakes this poller.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Tells of `descriptor` by `key` when it is readable, in error, or hung up. Several may share a key.
    ///
    /// # Errors
    /// The descriptor cannot be waited for, or is registered already.
    pub fn add(&self, descriptor: impl AsFd, key: u16) -> io::Result<()> {
        let data = epoll::EventData::new_u64(key.into());
        Ok(epoll::add(
            &self.epoll,
            descriptor,
            data,
            epoll::EventFlags::IN,
        )?)
    }

    /// Forgets a descriptor. Closing it does the same.
    ///
    /// # Errors
    /// The descriptor was not registered.
    pub fn remove(&self, descriptor: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, descriptor)?)
    }

    /// Waits until something is ready, the waker is used, or `timeout` is over (`None`: however long it takes), and
    /// puts the keys of what is ready into `ready`, which is emptied before.
    ///
    /// # Errors
    /// None that a correct program sees; a signal ends the wait early and is no error.
    pub fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<u16>) -> io::Result<()> {
        ready.clear();
        let timeout = match timeout.map(Timespec::try_from) {
            Some(Ok(timeout)) => Some(timeout),
            // Longer than the kernel can count: for ever.
            None | Some(Err(_)) => None,
        };
        let mut space = [const { MaybeUninit::uninit() }; EVENTS];
        let events = match epoll::wait(&self.epoll, &mut space, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events {
            let data = event.data;
            match u16::try_from(data.u64()) {
                Ok(key) => ready.push(key),
                // Its value is of no interest; reading it makes it quiet.
                Err(_) => drop(rustix::io::read(&*self.waker.0, &mut [0u8; 8])),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TxFrame;
    use crate::wire::{Wire, WireOptions};

    fn wait(poller: &mut Poller, timeout: Option<Duration>) -> Vec<u16> {
        let mut ready = Vec::new();
        poller.wait(timeout, &mut ready).unwrap();
        ready
    }

    #[test]
    fn a_port_with_frames_is_ready_until_they_are_taken() {
        let mut poller = Poller::new().unwrap();
        let mut wire = Wire::new(WireOptions::default()).unwrap();
        poller.add(wire.b.rx.readiness().unwrap(), 7).unwrap();
        assert!(wait(&mut poller, Some(Duration::ZERO)).is_empty());
        let frame = TxFrame::whole(&[0; 60]);
        wire.a.tx.send(&[frame], &mut |_, _| panic!("refused"));
        for _ in 0..2 {
            assert_eq!(wait(&mut poller, None), [7]);
        }
        wire.b.rx.receive(&mut arrayvec::ArrayVec::new()).unwrap();
        assert!(wait(&mut poller, Some(Duration::ZERO)).is_empty());
        poller.remove(wire.b.rx.readiness().unwrap()).unwrap();
        wire.a.tx.send(&[frame], &mut |_, _| panic!("refused"));
        assert!(wait(&mut poller, Some(Duration::ZERO)).is_empty());
    }

    #[test]
    fn another_thread_ends_the_wait_once() {
        let mut poller = Poller::new().unwrap();
        let waker = poller.waker();
        let other = std::thread::spawn(move || waker.wake());
        assert!(wait(&mut poller, None).is_empty());
        other.join().unwrap();
        let mut ready = vec![1];
        poller.wait(Some(Duration::ZERO), &mut ready).unwrap();
        assert!(ready.is_empty());
    }
}
