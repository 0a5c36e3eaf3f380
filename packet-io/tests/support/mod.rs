//! Namespaces for tests: each is a thread that lives in a network namespace of its own, which goes with it.
#![allow(dead_code, reason = "each test binary uses what it needs of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test ends where something is not as it must be"
)]

use arrayvec::ArrayVec;
use packet_io::{Offload, Port, PortError, RxFrame, TxFrame};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace nobody else sees.
pub(crate) struct Namespace {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<thread::JoinHandle<()>>,
    id: i32,
}

impl Namespace {
    /// `None`, having said why, where the machine does not allow it.
    pub(crate) fn new() -> Option<Self> {
        let (jobs, todo) = mpsc::channel::<Job>();
        let (answer, made) = mpsc::channel();
        let thread = thread::spawn(move || {
            // SAFETY: only the namespace of this thread changes, and no file descriptor is involved.
            #[expect(unsafe_code, reason = "a thread enters a namespace of its own")]
            let result =
                unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
            let _ = answer.send(result.map(|()| rustix::thread::gettid()));
            for job in todo {
                job();
            }
        });
        match made.recv().unwrap() {
            Ok(id) => {
                let namespace = Self {
                    jobs: Some(jobs),
                    thread: Some(thread),
                    id: id.as_raw_nonzero().get(),
                };
                namespace.run(|| {
                    let off = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
                    let _ = std::fs::write(off, "1");
                });
                Some(namespace)
            }
            Err(error) => {
                println!("skipped: a network namespace needs root ({error})");
                None
            }
        }
    }

    /// For `ip link ... netns ID`.
    pub(crate) fn id(&self) -> String {
        self.id.to_string()
    }

    /// Runs `job` inside and returns what it returns.
    pub(crate) fn run<R: Send + 'static>(&self, job: impl FnOnce() -> R + Send + 'static) -> R {
        let (answer, result) = mpsc::channel();
        let job = Box::new(move || {
            let _ = answer.send(job());
        });
        self.jobs.as_ref().unwrap().send(job).unwrap();
        result.recv().expect("the job panicked")
    }

    /// Runs `ip ARGUMENTS` inside.
    pub(crate) fn ip(&self, arguments: &str) {
        let arguments = arguments.to_owned();
        self.run(move || {
            let output = Command::new("ip")
                .args(arguments.split_whitespace())
                .output()
                .unwrap();
            assert!(output.status.success(), "ip {arguments}: {output:?}");
        });
    }

    /// A thread that starts inside.
    pub(crate) fn spawn<R: Send + 'static>(
        &self,
        job: impl FnOnce() -> R + Send + 'static,
    ) -> thread::JoinHandle<R> {
        self.run(move || thread::spawn(job))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A frame as it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) bytes: Vec<u8>,
    pub(crate) vlan: Option<niv::VlanTag>,
    pub(crate) offload: Offload,
    pub(crate) original_length: u32,
}

impl From<&RxFrame<'_>> for Seen {
    fn from(frame: &RxFrame<'_>) -> Self {
        Self {
            bytes: frame.bytes.to_vec(),
            vlan: frame.vlan,
            offload: frame.offload,
            original_length: frame.original_length,
        }
    }
}

/// One burst.
pub(crate) fn receive(port: &mut Port) -> Result<Vec<Seen>, PortError> {
    let mut burst = ArrayVec::new();
    port.rx.receive(&mut burst)?;
    Ok(burst.iter().map(Seen::from).collect())
}

/// Receives until `count` frames are there, or fails.
pub(crate) fn receive_exactly(port: &mut Port, count: usize) -> Vec<Seen> {
    let mut seen = Vec::new();
    wait_for("frames", || {
        seen.extend(receive(port).unwrap());
        seen.len() >= count
    });
    assert_eq!(seen.len(), count);
    seen
}

/// Sends one whole frame.
pub(crate) fn send(port: &mut Port, bytes: &[u8]) -> Result<(), packet_io::Refusal> {
    let frame = TxFrame::whole(bytes);
    let mut result = Ok(());
    port.tx.send(&[frame], &mut |_, why| result = Err(why));
    result
}

/// A test frame: broadcast, an experimental EtherType, `fill` behind it.
pub(crate) fn frame(length: usize, fill: u8) -> Vec<u8> {
    let mut bytes = vec![fill; length];
    bytes[..14].copy_from_slice(&[255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 0x88, 0xB5]);
    bytes
}

/// Asks until the answer is yes.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::yield_now();
    }
}
