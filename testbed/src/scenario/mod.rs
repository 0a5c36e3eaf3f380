//! The scenarios: each brings up a lab, proves something about it, and prints its figures.

mod access_lists;
mod accounts;
mod bridge;
mod bridging;
mod churn;
mod control_survives;
mod doctor;
mod explain;
mod forwarding;
mod guard_lab;
mod guards;
mod hairpin_rate;
mod held_lab;
mod host_path;
mod isolation;
mod judges;
mod live_change;
mod lldp;
mod lldpd;
mod lost_interfaces;
mod nftables;
mod nftables_drawn;
mod nftables_words;
mod packages;
mod plain_user;
mod police;
mod port_security;
mod private_vlan;
mod profile_examples;
mod qos;
mod roles;
mod scale;
mod secure_away;
mod shell;
mod shipped_labs;
mod side_by_side;
mod svif_space;
mod templates;
mod terminal;
mod tiny_iv;
mod verdicts;
mod veth_counters;
mod vic;
mod vic_numbers;
mod vic_reconfigured;
mod vlan_hygiene;
mod walk;

pub(crate) use accounts::settle_accounts;

use crate::binaries::Binaries;
use crate::error::{LabError, Result};
use crate::need::Need;
use crate::report::Report;
use crate::two_boxes::{Binding, TwoBoxes};

/// A proof on the lab of the demo. What it proves stands in its `about`.
pub(crate) type Proof = fn(&mut TwoBoxes, &Report) -> Result<()>;

/// How a scenario runs.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// On the lab of the demo, which is brought up for it; what must never happen there is watched for
    /// all the time.
    TwoBoxes(Proof),
    /// The same, with VIFs bound by hand in place of VIC.
    BoundByHand(Proof),
    /// On a lab of its own making.
    Own(fn(&Binaries, &Report) -> Result<()>),
}

/// One scenario.
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it proves, in a line.
    pub(crate) about: &'static str,
    /// What the machine must have.
    pub(crate) needs: &'static [Need],
    /// Whether it is part of the demo.
    pub(crate) demo: bool,
    run: Run,
}

/// All of them, in the order they run in.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "instruments",
        about: "the lab's own senders, receivers and watchers agree with a Linux bridge",
        needs: &[],
        demo: false,
        run: Run::Own(bridge::instruments),
    },
    Scenario {
        name: "ping-matrix",
        about: "everybody of a VLAN reaches everybody: hairpin, host to host, plain neighbours",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(forwarding::ping_matrix),
    },
    Scenario {
        name: "vlan-isolation",
        about: "nobody of one VLAN reaches anybody of the other, same subnet or not",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(isolation::vlan_isolation),
    },
    Scenario {
        name: "duplicate-addresses",
        about: "IPv6 duplicate-address detection passes for all, and finds a real duplicate",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(isolation::duplicate_addresses),
    },
    Scenario {
        name: "streams",
        about: "TCP and UDP streams, hairpin and across, every byte checked",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(forwarding::streams),
    },
    Scenario {
        name: "full-size",
        about: "frames of the full 1514 octets pass whole everywhere",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(forwarding::full_size),
    },
    Scenario {
        name: "broadcast-once",
        about: "a broadcast reaches everybody of its VLAN once, its sender and the others never",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(forwarding::broadcast_once),
    },
    Scenario {
        name: "cable-cut",
        about: "without the switch vNICs of one host are silent, even if the host has routes to both",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(isolation::cable_cut),
    },
    Scenario {
        name: "hairpin-decoded",
        about: "one ping from vNIC to vNIC of a host, as it goes up and comes down",
        needs: &[],
        demo: true,
        run: Run::TwoBoxes(forwarding::hairpin_decoded),
    },
    Scenario {
        name: "conservation",
        about: "after traffic of every kind, both ends explain every frame",
        needs: &[],
        // The demo ends with the same accounts, after more traffic.
        demo: false,
        run: Run::TwoBoxes(accounts::conservation),
    },
    Scenario {
        name: "daemons-killed",
        about: "a daemon killed means silence, whatever routes the host has, and started again carries on",
        needs: &[],
        demo: false,
        run: Run::TwoBoxes(isolation::daemons_killed),
    },
    Scenario {
        name: "explain",
        about: "what `vis explain` says of a frame is what is seen on the link",
        needs: &[],
        demo: false,
        run: Run::TwoBoxes(explain::agrees),
    },
    Scenario {
        name: "access-lists",
        about: "access lists of every kind decide what passes, alike on vEths and plain ports; hits, log, edits",
        needs: &[],
        demo: false,
        run: Run::Own(access_lists::access_lists),
    },
    Scenario {
        name: "access-lists-naive",
        about: "10,000,000 frames judged by compiled access lists: each as line after line says",
        needs: &[],
        demo: false,
        run: Run::Own(verdicts::access_lists),
    },
    Scenario {
        name: "bench-smoke",
        about: "the bench's generator and sink notice every fault, and our switch commits none between them",
        needs: &[Need::Root, Need::Tool("ethtool")],
        demo: false,
        run: Run::Own(crate::bench::smoke),
    },
    Scenario {
        name: "hand-binding",
        about: "VIFs bound by hand on both ends do what VIC does: everybody reaches everybody",
        needs: &[],
        demo: false,
        run: Run::BoundByHand(accounts::conservation),
    },
    Scenario {
        name: "vic-attach",
        about: "two boxes find each other; vNICs are attached by profile, detached, and come back as who they were",
        needs: &[],
        demo: false,
        run: Run::Own(vic::attach),
    },
    Scenario {
        name: "vic-numbers",
        about: "ends with the same subtypes, OUI and timers of their own meet, and others do not",
        needs: &[],
        demo: false,
        run: Run::Own(vic_numbers::numbers),
    },
    Scenario {
        name: "vic-reconfigured",
        about: "profiles, keys and catalogues change under live sessions: no id and no carrier does",
        needs: &[],
        demo: false,
        run: Run::Own(vic_reconfigured::reconfigured),
    },
    Scenario {
        name: "private-vlan",
        about: "the textbook matrix of private VLANs, hairpin and across, known and flooded, by lists; and live changes",
        needs: &[],
        demo: false,
        run: Run::Own(private_vlan::matrix),
    },
    Scenario {
        name: "vlan-hygiene",
        about: "nobody gets into another VLAN by two tags, and what is suspended or untagged against the rule stays out",
        needs: &[],
        demo: false,
        run: Run::Own(vlan_hygiene::hygiene),
    },
    Scenario {
        name: "roles",
        about: "operators look and choose from the catalogue, and each NIV port has a catalogue of its own",
        needs: &[Need::Root],
        demo: false,
        run: Run::Own(roles::roles),
    },
    Scenario {
        name: "vic-restart",
        about: "either end killed and started again: same ids, and no guest loses its carrier",
        needs: &[],
        demo: false,
        run: Run::Own(vic::restart),
    },
    Scenario {
        name: "doctor",
        about: "each thing that is broken is named by `doctor`, with the command that mends it, which does",
        needs: &[Need::Tool("ip"), Need::Tool("nft"), Need::Tool("sysctl")],
        demo: false,
        run: Run::Own(doctor::doctor),
    },
    Scenario {
        name: "shell",
        about: "what is typed into a running switch is in force, taken back unconfirmed, saved, and not for everybody",
        needs: &[Need::Root],
        demo: false,
        run: Run::Own(shell::shell),
    },
    Scenario {
        name: "terminal",
        about: "`vis shell` on a terminal: TAB, `?`, history, pastes, pages, Ctrl-C, and keys typed ahead",
        needs: &[],
        demo: false,
        run: Run::Own(terminal::terminal),
    },
    Scenario {
        name: "scale-links",
        about: "64 links with 16 vNICs each: up in 10 s, and within their memory",
        needs: &[],
        demo: false,
        run: Run::Own(scale::links),
    },
    Scenario {
        name: "profile-examples",
        about: "every example of docs/profiles, typed into a running switch as it stands there",
        needs: &[],
        demo: false,
        run: Run::Own(profile_examples::profile_examples),
    },
    Scenario {
        name: "verdicts",
        about: "10,000,000 frames judged while policy changes in between: each as by a configuration read anew",
        needs: &[],
        demo: false,
        run: Run::Own(verdicts::verdicts),
    },
    Scenario {
        name: "scale-vifs",
        about: "one link with 4,000 VIFs: how long they take, and what they hold",
        needs: &[],
        demo: false,
        run: Run::Own(scale::vifs),
    },
    Scenario {
        name: "attach-churn",
        about: "vNICs come and go 100,000 times in memory and 1,000 times on veth, and nothing is left of it",
        needs: &[],
        demo: false,
        run: Run::Own(churn::churn),
    },
    Scenario {
        name: "control-survives",
        about: "twice the data that the switch can forward costs no session, and every frame lost is counted",
        needs: &[],
        demo: false,
        run: Run::Own(control_survives::control_survives),
    },
    Scenario {
        name: "veth-counters",
        about: "what a vEth has counted stays: through kill -9, restart, detach, and attach behind another IV",
        needs: &[],
        demo: false,
        run: Run::Own(veth_counters::veth_counters),
    },
    Scenario {
        name: "lost-interfaces",
        about: "a guest's interface that was deleted comes back, at a bounded rate",
        needs: &[],
        demo: false,
        run: Run::Own(lost_interfaces::lost_interfaces),
    },
    Scenario {
        name: "hairpin-rate",
        about: "10 million frames from vNIC to vNIC: each once, in order, accounted for, fast",
        needs: &[],
        demo: false,
        run: Run::Own(hairpin_rate::hairpin_rate),
    },
    Scenario {
        name: "guards",
        about: "storms held per class or shut, BPDU guard, and a guest that bridges: named within a second, no harm to others",
        needs: &[],
        demo: false,
        run: Run::Own(guards::guards),
    },
    Scenario {
        name: "port-security",
        about: "how many addresses a port may have, which, and for how long; a million sources push nobody out",
        needs: &[],
        demo: false,
        run: Run::Own(port_security::port_security),
    },
    Scenario {
        name: "port-security-away",
        about: "the secure addresses of a vNIC that is detached stay its own, over a restart, too",
        needs: &[],
        demo: false,
        run: Run::Own(secure_away::secure_away),
    },
    Scenario {
        name: "live-change",
        about: "a line of a profile reaches 1,024 vEths within 100 ms, and all of them at one instant",
        needs: &[],
        demo: false,
        run: Run::Own(live_change::live_change),
    },
    Scenario {
        name: "police",
        about: "policers of three kinds, each way, on vEths and plain ports: octets within bounds, and TCP at nine tenths of its rate",
        needs: &[Need::Tool("iperf3")],
        demo: false,
        run: Run::TwoBoxes(police::police),
    },
    Scenario {
        name: "plain-user",
        about: "the demo runs for a user without anything, and leaves nothing behind",
        needs: &[Need::Root],
        demo: false,
        run: Run::Own(plain_user::plain_user),
    },
    Scenario {
        name: "held-lab",
        about: "a lab that stays says which daemon died and how it is started again",
        needs: &[],
        demo: false,
        run: Run::Own(held_lab::held_lab),
    },
    Scenario {
        name: "labs-side-by-side",
        about: "labs of a file: two at a time, looked at in every way, one of them killed",
        needs: &[],
        demo: false,
        run: Run::Own(side_by_side::side_by_side),
    },
    Scenario {
        name: "readme",
        about: "the README's two boxes are up in a minute, with two commands per box, as they stand there",
        needs: &[Need::Tool("ip")],
        demo: false,
        run: Run::Own(walk::readme),
    },
    Scenario {
        name: "deployment",
        about: "the steps of docs/deployment.md, each as it stands there on the box it names",
        needs: &[Need::Root, Need::Tool("ip")],
        demo: false,
        run: Run::Own(walk::deployment),
    },
    Scenario {
        name: "packages",
        about: "the Debian packages, judged by Debian and systemd, run from a root of their own as their units say",
        needs: &[
            Need::Root,
            Need::Tool("dpkg-deb"),
            Need::Tool("systemd-analyze"),
            Need::Tool("setpriv"),
        ],
        demo: false,
        run: Run::Own(packages::packages),
    },
    Scenario {
        name: "shipped-labs",
        about: "each lab that is shipped comes up, who should reach each other does, and nobody else",
        needs: &[],
        demo: false,
        run: Run::Own(shipped_labs::shipped_labs),
    },
    Scenario {
        name: "svif-space",
        about: "of all 4,096 source VIFs on a link that owns 16, those 16 pass and no other",
        needs: &[],
        demo: false,
        run: Run::Own(svif_space::svif_space),
    },
    Scenario {
        name: "judge-tshark",
        about: "tshark reads the frames of the NIV link as we meant them",
        needs: &[Need::Tool("tshark")],
        demo: false,
        run: Run::BoundByHand(judges::tshark),
    },
    Scenario {
        name: "judge-qos",
        about: "tshark reads CoS and DSCP as they were trusted or rewritten, and every checksum as right",
        needs: &[Need::Tool("tshark")],
        demo: false,
        run: Run::BoundByHand(qos::judged),
    },
    Scenario {
        name: "judge-nftables",
        about: "nftables lets pass and counts what our access lists do, on rule sets and frames drawn at random",
        needs: &[Need::Tool("nft")],
        demo: false,
        run: Run::Own(nftables::judged),
    },
    Scenario {
        name: "judge-lldp",
        about: "tshark and lldpd read what both ends announce, and both ends read lldpd",
        needs: &[
            Need::Root,
            Need::Tool("tshark"),
            Need::Tool("lldpd"),
            Need::Tool("lldpcli"),
        ],
        demo: false,
        run: Run::Own(lldp::lldp),
    },
    Scenario {
        name: "judge-iperf3",
        about: "TCP through hairpin with the guests' offloads on, beside a Linux bridge",
        needs: &[Need::Tool("iperf3"), Need::Tool("ethtool")],
        demo: false,
        run: Run::TwoBoxes(judges::iperf3),
    },
    Scenario {
        name: "judge-iperf3-cut",
        about: "the same where the link carries no long frames",
        needs: &[Need::Tool("iperf3"), Need::Tool("ethtool")],
        demo: false,
        run: Run::BoundByHand(judges::iperf3_cut),
    },
    Scenario {
        name: "judge-tiny-iv",
        about: "a second virtualizer, written from docs/vic.md alone, joins with a key and survives the switch's restarts",
        needs: &[Need::Tool("python3")],
        demo: false,
        run: Run::Own(tiny_iv::joins),
    },
    Scenario {
        name: "judge-ntc-templates",
        about: "the public templates for such switches read every show as its JSON has it",
        needs: &[Need::Tool("python3"), Need::Tool("textfsm")],
        demo: false,
        run: Run::TwoBoxes(templates::agree),
    },
    Scenario {
        name: "judge-bridge",
        about: "a Linux bridge as plain neighbour, hosts behind it",
        needs: &[],
        demo: false,
        run: Run::Own(bridge::behind_the_switch),
    },
];

/// Prints all of them.
pub(crate) fn list() {
    for scenario in SCENARIOS {
        let unmet = scenario.unmet().map(|need| format!("  ({need})"));
        println!(
            "{:<22} {}{}",
            scenario.name,
            scenario.about,
            unmet.unwrap_or_default()
        );
    }
}

impl Scenario {
    /// The scenario of that name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn named(name: &str) -> Result<&'static Self> {
        SCENARIOS
            .iter()
            .find(|scenario| scenario.name == name)
            .ok_or_else(|| LabError::Unknown {
                kind: "scenario",
                name: name.to_owned(),
                known: SCENARIOS
                    .iter()
                    .map(|s| s.name)
                    .collect::<Vec<_>>()
                    .join(" "),
            })
    }

    /// The first thing it needs that is not there.
    pub(crate) fn unmet(&self) -> Option<Need> {
        self.needs.iter().copied().find(|need| !need.is_met())
    }

    /// Its proof on the demo's lab, if that is where it runs.
    pub(crate) fn proof(&self) -> Option<Proof> {
        match self.run {
            Run::TwoBoxes(proof) => Some(proof),
            Run::BoundByHand(_) | Run::Own(_) => None,
        }
    }

    /// Runs it, inside the sandbox.
    ///
    /// # Errors
    /// What it found wrong, or what it needs and is not there.
    pub(crate) fn run(&self, binaries: &Binaries, report: &Report) -> Result<()> {
        if let Some(need) = self.unmet() {
            return Err(LabError::Skip(need));
        }
        let (binding, proof) = match self.run {
            Run::Own(run) => return run(binaries, report),
            Run::TwoBoxes(proof) => (Binding::Vic, proof),
            Run::BoundByHand(proof) => (Binding::ByHand, proof),
        };
        let (mut boxes, vigil) = TwoBoxes::start(binaries, binding, &mut |_| ())?;
        proof(&mut boxes, report)?;
        vigil.end(report)?;
        boxes.lab.check_alive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for (i, scenario) in SCENARIOS.iter().enumerate() {
            assert!(
                SCENARIOS
                    .iter()
                    .skip(i + 1)
                    .all(|s| s.name != scenario.name)
            );
        }
    }
}
