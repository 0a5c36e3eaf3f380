//! `cargo lab demo`: the lab comes up and is proven, a sentence at a time.

use crate::binaries::Binaries;
use crate::error::Result;
use crate::hold::print_ways_to_look;
use crate::report::Report;
use crate::scenario::{SCENARIOS, settle_accounts};
use crate::two_boxes::{Binding, TwoBoxes};

/// Runs it, inside the sandbox.
///
/// # Errors
/// The first thing that does not hold.
pub(crate) fn demo(binaries: &Binaries) -> Result<()> {
    let report = Report::new();
    report.part("Two hosts with an IV and three vNICs each, a VIS between, two plain neighbours");
    let (mut boxes, vigil) = TwoBoxes::start(binaries, Binding::Vic, &mut |line| report.say(line))?;
    for scenario in SCENARIOS.iter().filter(|scenario| scenario.demo) {
        let Some(proof) = scenario.proof() else {
            continue;
        };
        report.part(&format!("{}: {}", scenario.name, scenario.about));
        proof(&mut boxes, &report)?;
    }
    report.part("what both ends say became of every frame, since each was started");
    settle_accounts(&mut boxes, &report)?;
    report.part("tags: every link was watched from the first frame to the last");
    vigil.end(&report)?;
    boxes.lab.check_alive()?;
    report.part("All of it holds. The lab is gone when this ends; to look around in one:");
    print_ways_to_look(&report);
    Ok(())
}
