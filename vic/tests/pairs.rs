//! Both ends on a fake clock, over a wire that does what wires do at their worst.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use proptest::prelude::*;
use support::{Faults, Lab, ms};
use vic::Key;
use vic::session::Authentication;

fn keyed() -> Authentication {
    Authentication::Key(Key::new(b"0123456789abcdef").unwrap())
}

#[test]
fn a_vnic_gets_its_port_over_a_good_wire() {
    for authentication in [Authentication::Open, keyed()] {
        let mut lab = Lab::new(1, &authentication);
        lab.attach(1);
        lab.attach(2);
        let took = lab.converge(ms(100));
        println!("two vNICs forward after {took:?}");
        lab.detach(1);
        lab.converge(ms(100));
        lab.run(ms(60_000));
        assert_eq!(lab.faults_left(), Vec::<String>::new());
        let statistics = lab.iv.statistics();
        assert_eq!(
            statistics.unauthentic + statistics.foreign + statistics.malformed,
            0
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn both_ends_converge_after_any_faults_and_restarts(seed: u64, key: bool) {
        let authentication = if key { keyed() } else { Authentication::Open };
        let mut lab = Lab::new(seed, &authentication);
        lab.faults = Faults { loss: 30, twice: 10, flip: 10, delay: ms(40) };
        for _ in 0..40 {
            match lab.dice.roll(12) {
                0..=3 => {
                    let n = lab.dice.roll(12) as u8;
                    lab.attach(n);
                }
                4..=6 => {
                    let n = lab.dice.roll(12) as u8;
                    lab.detach(n);
                }
                7 => lab.restart_iv(),
                8 => {
                    let store = lab.dice.roll(2) == 0;
                    lab.restart_vis(store);
                }
                9 => lab.run(ms(1200)),
                _ => {}
            }
            let wait = lab.dice.roll(150);
            lab.run(ms(wait));
        }
        lab.faults = Faults::NONE;
        let took = lab.converge(ms(3000));
        println!("converged after {took:?}");
    }
}
