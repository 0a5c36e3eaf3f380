//! DPDK's testpmd with one port, which exchanges the addresses of each frame and sends it back.

use super::Running;
use super::open_vswitch::dpdk_options;
use crate::bench::bed::{Bed, DUT, GEN_CORE};
use crate::bench::shape::Turn;
use crate::daemon::spawn_in;
use crate::error::{Doing, Result, check};
use crate::need::command;
use crate::sandbox;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(20);

/// By which driver it reaches its port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Driver {
    Packet,
    Xdp,
}

struct TestPmd(Child);

impl Drop for TestPmd {
    fn drop(&mut self) {
        // Ended already, if it cannot be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn start(bed: &Bed, driver: Driver) -> Result<Running> {
    let device = match driver {
        Driver::Packet => format!(
            "net_af_packet0,iface={},blocksz=65536,framesz=2048,framecnt=4096,qdisc_bypass=1",
            DUT.1
        ),
        Driver::Xdp => format!("net_af_xdp0,iface={},start_queue=0,queue_count=1", DUT.1),
    };
    let log = Path::new(sandbox::FOLDER).join("testpmd.log");
    let output = File::create(&log).doing("write testpmd's log")?;
    let mut testpmd = command("dpdk-testpmd");
    testpmd
        .args([
            "--no-pci",
            "--in-memory",
            "--in-memory",
            "--no-telemetry",
            "-m",
            "512",
            "-l",
            "0,1",
            "--main-lcore",
        ])
        .arg(GEN_CORE.to_string())
        .args(dpdk_options())
        .args(["--file-prefix", "bench", "--vdev", &device, "--"])
        .args([
            "--forward-mode=macswap",
            "--nb-cores=1",
            "--port-topology=loop",
            "--auto-start",
        ])
        .args([
            "--total-num-mbufs=65536",
            "--stats-period",
            "0",
            "--burst=64",
        ])
        // It ends when its input does.
        .stdin(Stdio::piped())
        .stdout(output.try_clone().doing("share a log")?)
        .stderr(output);
    let mut testpmd = TestPmd(spawn_in(&bed.device()?.netns, &mut testpmd)?);
    let end = Instant::now() + WITHIN;
    loop {
        let said = fs::read_to_string(&log).unwrap_or_default();
        if said.contains("macswap packet forwarding") {
            break;
        }
        let ended = testpmd.0.try_wait().doing("look after testpmd")?;
        check(ended.is_none() && Instant::now() < end, || {
            let skip = said.lines().count().saturating_sub(8);
            let last: Vec<_> = said.lines().skip(skip).collect();
            format!("testpmd does not forward; it said:\n{}", last.join("\n"))
        })?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Running {
        mode: format!("testpmd macswap {driver:?}, huge pages, spinning"),
        turn: Turn::Exchanges,
        vifs: None,
        _guard: Box::new(testpmd),
    })
}
