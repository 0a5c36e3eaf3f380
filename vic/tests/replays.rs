//! Frames of a session that somebody plays again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

mod support;

use support::{Lab, To, ms};
use vic::session::Authentication;
use vic::{Key, Parameters};

/// A lab with a session, and a PDU of it that is acknowledged.
fn lab() -> (Lab, Vec<u8>) {
    let key = Key::new(b"0123456789abcdef").unwrap();
    let mut lab = Lab::new(1, &Authentication::Key(key));
    lab.attach(1);
    lab.run(ms(300));
    let subtype = Parameters::default().subtype.to_be_bytes();
    let acknowledged =
        |frame: &[u8]| frame.len() > 60 && (frame[14] & 3, frame[15]) == (subtype[0], subtype[1]);
    let mut frames = lab.record.iter().rev();
    let frame = frames.find(|(to, frame)| *to == To::Vis && acknowledged(frame));
    let frame = frame.unwrap().1.clone();
    (lab, frame)
}

/// How many acknowledgements the VIS sends when a frame comes so often.
fn replay(lab: &mut Lab, frame: &[u8], times: u32) -> usize {
    let mut sent = Vec::new();
    for _ in 0..times {
        lab.vis.handle_message(lab.now, frame);
        while let Some(frame) = lab.vis.poll_transmit(lab.now) {
            sent.push(frame);
        }
    }
    sent.iter().filter(|frame| frame.len() <= 60).count()
}

#[test]
fn frames_that_are_played_again_are_bounded_like_new_ones() {
    let (mut lab, frame) = lab();
    let rate = Parameters::default().rate;
    let before = lab.vis.statistics();
    assert_eq!(replay(&mut lab, &frame, 5 * rate), rate as usize);
    let after = lab.vis.statistics();
    assert_eq!(after.repeated - before.repeated, u64::from(rate));
    assert_eq!(after.excess - before.excess, u64::from(4 * rate));
    lab.now += ms(100);
    assert_eq!(replay(&mut lab, &frame, rate), rate as usize / 10);
}

/// What is over the bound is not worth an authenticator: one that is wrong goes by unseen.
#[test]
fn what_is_over_the_bound_is_dropped_before_its_authenticator_is_computed() {
    let (mut lab, frame) = lab();
    let mut forged = frame.clone();
    forged[60] ^= 1;
    let unauthentic = |lab: &Lab| lab.vis.statistics().unauthentic;
    let before = unauthentic(&lab);
    replay(&mut lab, &forged, 10_000);
    assert_eq!(
        unauthentic(&lab),
        before + 10_000,
        "no forged frame is paid for"
    );
    replay(&mut lab, &frame, Parameters::default().rate);
    replay(&mut lab, &forged, 10_000);
    assert_eq!(unauthentic(&lab), before + 10_000);
}

#[test]
fn a_flood_of_old_frames_keeps_no_new_one_out() {
    let (mut lab, frame) = lab();
    replay(&mut lab, &frame, 10_000);
    let before = lab.vis.statistics();
    lab.attach(2);
    let new = lab.iv.poll_transmit(lab.now).unwrap();
    lab.vis.handle_message(lab.now, &new);
    let after = lab.vis.statistics();
    assert_eq!(
        (after.taken, after.excess),
        (before.taken + 1, before.excess)
    );
    lab.run(ms(100));
    assert_eq!(lab.iv_world.enabled.len(), 2);
}
