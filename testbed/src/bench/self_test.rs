//! Proves, before anything is measured, that generator and sink notice what they are there to notice: a forwarder does
//! wrong on purpose.

use super::bed::Bed;
use super::device::{Fault, Running, turn};
use super::shape::{Shape, Size, Traffic};
use super::trial::Sender;
use crate::binaries::Binaries;
use crate::error::{Result, check};
use crate::report::Report;

/// Frames of one run: every thousandth is done wrong.
const FRAMES: u64 = 20_000;
const WRONG: u64 = FRAMES / 1000;

/// One bed for each fault.
pub(super) fn self_test(binaries: &Binaries, report: &Report) -> Result<()> {
    let shape = Shape {
        size: Size::Imix,
        traffic: Traffic::Ring(1),
        vifs: None,
    };
    // What the comparison finds: lost, repeated, overtaken, altered; and the sink: came, late.
    let cases = [
        (Fault::None, "none", [0, 0, 0, 0], [FRAMES, 0]),
        (
            Fault::Lose,
            "a frame lost",
            [WRONG, 0, 0, 0],
            [FRAMES - WRONG, 0],
        ),
        (
            Fault::Repeat,
            "a frame sent twice",
            [0, WRONG, 0, 0],
            [FRAMES + WRONG, WRONG],
        ),
        (
            Fault::Alter,
            "an octet altered",
            [0, 0, 0, WRONG],
            [FRAMES, 0],
        ),
        (
            Fault::Reorder,
            "two frames exchanged",
            [0, 0, WRONG, 0],
            [FRAMES, WRONG],
        ),
    ];
    for (fault, name, by_comparison, by_sink) in cases {
        let bed = Bed::new(binaries, false)?;
        let (mode, turning) = turn(&bed, fault)?;
        let running = Running::reflector(mode, turning);
        let mut sender = Sender::open(&bed, shape)?;
        let compared = sender.compare(&bed, &running, FRAMES)?;
        let found = compared.faults();
        check(found == by_comparison && compared.foreign == 0, || {
            format!(
                "self-test, {name}: the comparison was to find {by_comparison:?} and found {found:?}"
            )
        })?;
        let mut sender = sender.reshaped(shape);
        let sink = sender.sink(&bed)?;
        let outcome = sender.count(&sink, FRAMES)?;
        let seen = [outcome.seen.frames, outcome.seen.late];
        check(seen == by_sink, || {
            format!("self-test, {name}: the sink was to count {by_sink:?} and counted {seen:?}")
        })?;
        let delayed: u64 = sink.delays()?.iter().map(|(_, count)| count).sum();
        check(delayed == outcome.seen.frames, || {
            format!(
                "self-test: of {} frames {delayed} have a delay",
                outcome.seen.frames
            )
        })?;
        let verdict = if fault == Fault::None {
            "nothing noticed, rightly"
        } else {
            "noticed, each once"
        };
        report.figure(&format!("self-test, fault: {name}"), verdict);
    }
    Ok(())
}
