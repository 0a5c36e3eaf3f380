//! Catalogues of more than one session.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use std::time::Duration;
use support::{Lab, ms};
use vic::Profile;
use vic::session::Authentication;

fn profiles(name: &str, many: usize) -> Vec<Profile> {
    let profile = |n| Profile {
        name: format!("{name}{n}").parse().unwrap(),
        description: "x".repeat(200).parse().unwrap(),
    };
    (0..many).map(profile).collect()
}

/// Every process of a VIS counts its catalogues from 1, so the generation does not tell them apart.
#[test]
fn a_new_session_begins_a_new_catalogue() {
    let wanted = profiles("new", 40);
    for moment in 0..120 {
        let mut lab = Lab::new(1, &Authentication::Open);
        lab.vis.push_catalogue(lab.now, profiles("old", 200));
        lab.run(Duration::from_micros(50 * moment));
        lab.restart_vis(true);
        lab.vis.push_catalogue(lab.now, wanted.clone());
        lab.run(ms(6000));
        let names = |profiles: &[Profile]| -> Vec<String> {
            let names = profiles.iter().map(|profile| profile.name.to_string());
            names.collect()
        };
        let got = names(lab.iv.catalogue());
        assert_eq!(got, names(&wanted), "killed at {moment}");
    }
}
