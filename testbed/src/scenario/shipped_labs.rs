//! The labs that come with this program: each does what its file says.

use crate::binaries::Binaries;
use crate::error::{Result, check};
use crate::memory::Memory;
use crate::report::Report;
use crate::topology::{Built, Kept, SHIPPED, Source};
use std::time::Instant;

/// What all daemons of the largest lab may hold together beside their rings, in MiB: seventeen processes.
const MOST: f64 = 256.0;
/// The lab that is held to it.
const LARGEST: &str = "end-of-row";

/// Brings up one after the other, asks everybody for everybody, and takes it down.
pub(super) fn shipped_labs(binaries: &Binaries, report: &Report) -> Result<()> {
    for (name, _) in SHIPPED {
        let source = Source::find(name, None)?;
        report.part(&format!("{name}: {}", source.topology.about));
        let started = Instant::now();
        let mut built = Built::start(binaries, &source.topology, &mut |line| report.say(line))?;
        let took = started.elapsed();
        check(built.not_taken.is_empty(), || built.not_taken.join("\n"))?;
        let kept = Kept::by(&built.lab, &source.topology)?;
        report.figure("up in", format!("{:.1} s", took.as_secs_f64()));
        report.figure("answers that must come, and did", kept.answered);
        report.figure("answers that must not come, and did not", kept.unanswered);
        let promises = !source.topology.reach.is_empty();
        check(
            !promises || (kept.answered > 0 && kept.unanswered > 0),
            || format!("{name} proves nothing: {kept:?}"),
        )?;
        if *name == LARGEST {
            memory(&mut built, report)?;
        }
        built.lab.check_alive()?;
        built.end(&source.topology)?;
    }
    Ok(())
}

fn memory(built: &mut Built, report: &Report) -> Result<()> {
    let mut all = Memory::default();
    let mut daemons = 0;
    for (_, daemon) in built.lab.daemons() {
        let memory = Memory::of(&daemon.process())?;
        all.resident += memory.resident;
        all.rings += memory.rings;
        daemons += 1;
    }
    report.figure(&format!("memory of {daemons} daemons"), all);
    report.limit(all.beside_rings() as f64 / 1024.0, MOST, "MiB")
}
