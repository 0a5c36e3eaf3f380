//! The real `iv` in a network namespace, its vNICs on real devices, against a switch that is nothing but a session.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "functions of a test fail it as its body does"
)]

mod support;

use support::{Lab, in_a_lab};
use vic::{Code, Refusal};

#[test]
fn a_killed_iv_comes_back_with_its_vnics_their_devices_and_their_vifs() {
    in_a_lab(|lab: &mut Lab| {
        lab.start(&[]);
        assert!(
            lab.iv(&["attach", "t-web1", "--profile", "web"])
                .contains("enabled")
        );
        let netns = lab.guest_namespace();
        let words = ["attach", "db1", "--profile", "web", "--netns", &netns];
        assert!(lab.iv(&words).contains("enabled"));
        let before = lab.show();
        let indices = [lab.index("t-web1"), lab.index(&before.vnics[1].device.name)];
        assert!(
            before
                .vnics
                .iter()
                .all(|vnic| vnic.carrier && vnic.vif.is_some())
        );
        lab.frames_pass("t-web1", before.vnics[0].vif.unwrap());

        let changes = lab.guest_carrier_changes("eth0");
        lab.kill();
        lab.start(&[]);
        lab.until("all are enabled", |show| {
            show.vnics.len() == 2 && show.vnics.iter().all(|vnic| vnic.state == "enabled")
        });
        let after = lab.show();
        for (old, new) in before.vnics.iter().zip(&after.vnics) {
            assert_eq!(
                (&old.name, old.vif, &old.uuid),
                (&new.name, new.vif, &new.uuid)
            );
        }
        let adopted = [lab.index("t-web1"), lab.index(&after.vnics[1].device.name)];
        assert_eq!(adopted, indices);
        let after_start = lab.guest_carrier_changes("eth0");
        assert_eq!(after_start, changes, "the guest does not see the restart");
        lab.frames_pass("t-web1", after.vnics[0].vif.unwrap());

        let said = lab.iv(&["detach", "t-web1"]);
        let uuid = after.vnics[0].uuid.as_deref().unwrap();
        let again = format!("`iv attach t-web1 --uuid {uuid} ...`");
        assert!(
            said.contains("is detached") && said.contains(&again),
            "{said}"
        );
        assert_eq!(lab.index("t-web1"), None, "its TAP goes with it");
        assert_eq!(lab.vis.vifs(), 1);
        lab.iv(&["detach", "db1"]);
        assert_eq!(lab.index(&after.vnics[1].device.name), None);
        lab.stop();
        assert_eq!(lab.vis.last_loss(), Some(Code::GOING_AWAY));
    });
}

#[test]
fn a_refusal_is_told_and_carrier_follows_the_veth_and_the_grace() {
    in_a_lab(|lab: &mut Lab| {
        lab.start(&["grace = 3"]);
        let (status, said) = lab.iv_status(&["attach", "t-web1", "--profile", "nope"]);
        assert_eq!(status, Some(3), "{said}");
        for part in [
            "there is no port-profile `nope`",
            "`iv profiles`",
            "`iv detach t-web1`",
        ] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!lab.carrier("t-web1"));
        assert!(lab.iv(&["profiles"]).contains("web"));
        lab.iv(&["detach", "t-web1"]);

        let (status, said) = lab.iv_status(&["attach", "t-web1", "--profile", "web"]);
        assert_eq!(status, Some(0), "{said}");
        assert!(lab.carrier("t-web1"));
        let vif = lab.show().vnics[0].vif.unwrap();
        let why = Refusal::new(Code::SHUT, "an administrator shut veth1");
        lab.vis.status(vif, false, Some(why));
        lab.until("the vEth is down", |show| show.vnics[0].state == "down");
        assert!(!lab.carrier("t-web1"));
        let table = lab.iv(&["show"]);
        assert!(table.contains("an administrator shut veth1"), "{table}");
        lab.vis.status(vif, true, None);
        lab.until("the vEth is up", |show| show.vnics[0].carrier);
        assert!(lab.carrier("t-web1"));

        lab.vis.fall_silent();
        lab.until("the session is lost", |show| {
            show.session
                .as_ref()
                .is_some_and(|session| session.state == "lost")
        });
        assert!(lab.carrier("t-web1"), "within the grace");
        let table = lab.iv(&["show"]);
        assert!(table.contains("guests keep their link for"), "{table}");
        assert!(!table.contains("lost: the session was lost"), "{table}");
        lab.frames_go_up("t-web1", vif);
        lab.until("the grace is over", |show| !show.vnics[0].carrier);
        assert!(!lab.carrier("t-web1"));
        assert_eq!(lab.show().vnics[0].state, "down");
        let words = ["attach", "t-late", "--profile", "web"];
        let (status, said) = lab.iv_status(&words);
        assert_eq!(status, Some(4), "{said}");
        assert!(said.contains("the grace is over"), "{said}");
        let words = ["attach", "t-later", "--profile", "web", "--no-wait"];
        assert_eq!(lab.iv_status(&words).0, Some(0));
        lab.iv(&["detach", "t-late"]);
        lab.iv(&["detach", "t-later"]);
        lab.vis.speak();
        lab.until("the session is back", |show| show.vnics[0].carrier);
        assert_eq!(lab.show().vnics[0].vif, Some(vif));
        // By a wrong name, or twice, is no harm.
        assert!(
            lab.iv(&["detach", "nobody"])
                .contains("there is no vNIC nobody")
        );
        let twice = lab.iv(&["attach", "t-web1", "--profile", "web"]);
        assert!(twice.contains("belongs to vNIC t-web1 already"), "{twice}");
        // The advice names the vNIC that is in the way, not the one that was asked for.
        let uuid = lab.show().vnics[0].uuid.clone().unwrap();
        let words = ["attach", "t-other", "--profile", "web", "--uuid", &uuid];
        let twice = lab.iv(&words);
        assert!(
            twice.contains(&uuid) && twice.contains("`iv detach t-web1`"),
            "{twice}"
        );
        let missing = lab.iv(&["attach", "x", "--profile", "web", "--device", "t-none"]);
        assert!(missing.contains("there is no device t-none"), "{missing}");
        assert_eq!(lab.show().vnics.len(), 1);
        lab.stop();
    });
}

#[test]
fn a_tap_that_was_detached_can_be_attached_again_at_once() {
    in_a_lab(|lab: &mut Lab| {
        lab.start(&[]);
        for round in 0..30 {
            let said = lab.iv(&["attach", "t-web1", "--profile", "web"]);
            assert!(said.contains("enabled"), "round {round}: {said}");
            assert!(lab.index("t-web1").is_some(), "round {round}: {said}");
            let said = lab.iv(&["detach", "t-web1"]);
            assert!(said.contains("is detached"), "round {round}: {said}");
            assert_eq!(lab.index("t-web1"), None, "round {round}");
        }
        lab.stop();
    });
}

#[test]
fn an_iv_with_a_key_takes_no_switch_without() {
    in_a_lab(|lab: &mut Lab| {
        let key = lab.key_file();
        lab.launch(&[&format!("key-file = {key:?}")]);
        lab.until("it was refused", |show| {
            let session = show.session.as_ref();
            session.is_some_and(|session| {
                let why = session.why.as_deref().unwrap_or_default();
                session.state == "opening" && why.contains("refused")
            })
        });
        let (status, said) = lab.iv_status(&["attach", "t-web1", "--profile", "web"]);
        assert_eq!(status, Some(3), "{said}");
        assert!(
            said.contains("waiting: refused") && said.contains("`key-file` here"),
            "{said}"
        );
        assert!(!lab.iv(&["show"]).contains("has answered"));
        assert!(!lab.carrier("t-web1"));
        // What the switch does not know is gone at once.
        assert!(lab.iv(&["detach", "t-web1"]).contains("is detached"));
        lab.stop();
    });
}

#[test]
fn an_uplink_that_was_lost_comes_back_with_its_session() {
    in_a_lab(|lab: &mut Lab| {
        lab.start(&[]);
        lab.iv(&["attach", "t-web1", "--profile", "web"]);
        let vif = lab.show().vnics[0].vif.unwrap();
        lab.delete("t-up");
        lab.until("the guest has no link", |show| !show.vnics[0].carrier);
        let show = lab.show();
        assert_eq!(show.vnics[0].state, "down");
        assert_eq!(show.uplink.device.carrier, None);
        lab.cable();
        lab.vis.speak();
        lab.until("the session is back", |show| show.vnics[0].carrier);
        assert_eq!(lab.show().vnics[0].vif, Some(vif));
        lab.frames_pass("t-web1", vif);
        lab.stop();
    });
}

#[test]
fn many_are_attached_at_once_and_gone_without_a_trace() {
    in_a_lab(|lab: &mut Lab| {
        lab.start(&[]);
        let descriptors = lab.descriptors();
        for round in 0..2 {
            let names: Vec<String> = (0..24).map(|n| format!("t-v{n}")).collect();
            for name in &names {
                lab.veth(name);
            }
            let attached = lab.iv_each(&names, |name| {
                ["attach", name, "--profile", "web", "--device", name]
                    .map(str::to_owned)
                    .into()
            });
            assert!(
                attached.iter().all(|said| said.contains("enabled")),
                "{attached:?}"
            );
            assert_eq!(lab.vis.vifs(), 24);
            let detached = lab.iv_each(&names, |name| ["detach", name].map(str::to_owned).into());
            assert!(
                detached.iter().all(|said| said.contains("is detached")),
                "{detached:?}"
            );
            assert_eq!(
                (lab.vis.vifs(), lab.show().vnics.len()),
                (0, 0),
                "round {round}"
            );
            names.iter().for_each(|name| lab.delete(name));
        }
        lab.settle("descriptors are closed", |lab| {
            lab.descriptors() <= descriptors
        });
        lab.stop();
    });
}
