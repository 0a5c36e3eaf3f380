//! iperf3 between two namespaces.

use crate::daemon::spawn_in;
use crate::error::{Doing, LabError, Result};
use packet_io::netns::NetNs;
use serde_json::Value;
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long its server may take until it listens.
const WITHIN: Duration = Duration::from_secs(10);

/// TCP from one namespace to an address of another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Iperf3 {
    pub(crate) seconds: u32,
    /// Streams at the same time.
    pub(crate) streams: u32,
    /// Seconds at the beginning that do not count.
    pub(crate) omit: u32,
}

/// What it measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// What the receiver saw, of all streams together, in bits per second.
    pub(crate) rate: f64,
    /// Segments sent again, where it says so.
    pub(crate) retransmits: Option<f64>,
}

impl Iperf3 {
    /// Starts a server in `far`, and measures from `near`.
    ///
    /// # Errors
    /// No iperf3, or it answers with something else than expected.
    pub(crate) fn measure(self, near: &NetNs, far: &NetNs, at: IpAddr) -> Result<Measured> {
        // Each run its own: what is left of the last one's connections may keep a port.
        let port = (5200 + self.streams).to_string();
        let mut server = Command::new("iperf3");
        server
            .args(["--server", "--port", &port])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut server = spawn_in(far, &mut server)?;
        // A client that calls before the server listens is refused, and may end with 0 all the same: it calls again.
        let end = Instant::now() + WITHIN;
        let measured = loop {
            let measured = self.ask(near, at, &port);
            if measured.is_ok() || Instant::now() > end {
                break measured;
            }
            thread::sleep(Duration::from_millis(50));
        };
        // It may have ended by itself.
        let _ = server.kill();
        server.wait().doing("wait for the iperf3 server")?;
        measured
    }

    fn ask(self, near: &NetNs, at: IpAddr, port: &str) -> Result<Measured> {
        let mut client = Command::new("iperf3");
        client
            .args(["--client", &at.to_string(), "--port", port, "--json"])
            .args(["--time", &self.seconds.to_string()])
            .args(["--omit", &self.omit.to_string()])
            .args(["--parallel", &self.streams.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let output = spawn_in(near, &mut client)?
            .wait_with_output()
            .doing("read what iperf3 says")?;
        let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let number = |place: &str| said.pointer(place).and_then(Value::as_f64);
        let rate = number("/end/sum_received/bits_per_second").ok_or_else(|| LabError::Answer {
            program: "iperf3".to_owned(),
            detail: said.to_string(),
        })?;
        Ok(Measured {
            rate,
            retransmits: number("/end/sum_sent/retransmits"),
        })
    }
}
