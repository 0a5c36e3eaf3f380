//! What each stage costs a frame, in instructions: the difference between two lengths of the same run.
//!
//! ```text
//! cargo build --release -p policy --example cost
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/cost STAGE 1000
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/cost STAGE 101000
//! ```
//!
//! What the second collected and the first did not is of 100,000 frames; STAGE `nothing` is what the loop costs.

use niv::{Mac, VlanId, VlanTag, Weight};
use policy::bridge_guard::Bpdu;
use policy::marking::Marking;
use policy::private_vlan::{Domain, PrivatePort, PrivateVlans};
use policy::rate::{
    Algorithm, Awareness, BitRate, Burst, Color, Limit, LimitState, Meter, MeterState, Train,
};
use policy::security::{PortSecurity, SecureTable};
use policy::storm::{Action, Class, Level, StormControl, StormState};
use policy::{Seed, Time};
use std::hint::black_box;
use std::sync::Arc;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let stage = arguments.next().unwrap_or_default();
    let frames: u64 = arguments.next().unwrap_or_default().parse()?;
    let bytes = frame();
    let rate = BitRate::new(1_000_000_000)?;
    let burst = Burst::default_for(rate);
    let single = Train::whole(Weight::one(1514));
    let train = Train::of(
        Weight {
            frames: 45,
            octets: 44 * 1514 + 600,
        },
        1514,
    );
    let tag = Some(VlanTag {
        tpid: 0x8100,
        tci: 0xA00A,
    });
    // At the rate, so that most pass and some do not.
    let time = |n: u64| Time::from_nanos(1_000_000_000_000 + n * 12_000);
    let sum = match stage.as_str() {
        "nothing" => run(frames, |n| black_box(time(n)).as_nanos()),
        "limit" | "limit-oversized" => {
            let limit = Limit::of_bits(rate, burst);
            let mut state = LimitState::default();
            let train = if stage == "limit" { single } else { train };
            run(frames, |n| {
                limit.pass(&mut state, time(n), black_box(train)).into()
            })
        }
        "srtcm" | "trtcm" | "trtcm-oversized" => {
            let algorithm = if stage == "srtcm" {
                Algorithm::SingleRate {
                    committed: rate,
                    burst: Some(burst),
                    excess: Some(burst),
                }
            } else {
                Algorithm::TwoRate {
                    committed: rate,
                    burst,
                    peak: rate,
                    peak_burst: burst,
                }
            };
            let meter = Meter::new(algorithm, Awareness::Aware)?;
            let mut state = MeterState::default();
            let train = if stage == "trtcm-oversized" {
                train
            } else {
                single
            };
            run(frames, |n| {
                let metered = meter.meter(&mut state, time(n), black_box(train), Color::Green);
                metered.green.into()
            })
        }
        "mark-cos" | "mark-dscp" => {
            let marking = if stage == "mark-cos" {
                Marking::default()
            } else {
                Marking::trusting_cos()
            };
            run(frames, |_| {
                let marked = marking.mark(black_box(tag), black_box(&bytes), 12, Color::Green);
                marked.tag_bits().into()
            })
        }
        "storm" => {
            let control = StormControl::new(Action::Drop).with(Class::Broadcast, Level::Bits(rate));
            let mut state = StormState::default();
            run(frames, |n| {
                let judged = control.judge(&mut state, time(n), Class::Broadcast, single);
                judged.pass.into()
            })
        }
        "bpdu" => run(frames, |_| {
            let found = Bpdu::find(Mac(black_box([2, 0, 0, 0, 0, 1])), &bytes, 12, false);
            found.is_some().into()
        }),
        "security" => {
            let mut table = SecureTable::new(1_000, Seed(1, 2));
            table.configure(3, Some(PortSecurity::default()))?;
            let mac = Mac([2, 0, 0, 0, 0, 1]);
            run(frames, |n| {
                let admission = table.admit(3, VlanId::DEFAULT, black_box(mac), time(n), || None);
                u64::from(admission == policy::security::Admission::Known)
            })
        }
        "private-vlan" => {
            let (primary, isolated) = (VlanId::try_from(100)?, VlanId::try_from(101)?);
            let vlans = PrivateVlans::new(&[Domain {
                primary,
                isolated: Some(isolated),
                communities: vec![],
            }])?;
            let (from, to) = (
                PrivatePort::Host(isolated),
                PrivatePort::Promiscuous {
                    primary,
                    mapped: Arc::new(isolated.into()),
                },
            );
            run(frames, |_| {
                let travels = vlans.classify(black_box(&from), None, &niv::VlanSet::ALL);
                let leave = travels.map(|vlan| vlans.leave(black_box(&to), vlan));
                leave.is_ok().into()
            })
        }
        other => return Err(format!("no stage {other}: see the source").into()),
    };
    println!("{sum}");
    Ok(())
}

fn run(frames: u64, mut stage: impl FnMut(u64) -> u64) -> u64 {
    (0..frames).fold(0, |sum, n| sum.wrapping_add(stage(n)))
}

/// IPv4 over Ethernet, 1,514 octets.
fn frame() -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x08, 0x00, 0x45, 0x00]);
    frame.resize(1514, 0);
    frame
}
