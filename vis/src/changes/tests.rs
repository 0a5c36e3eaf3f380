//! What people may rely on when they change a configuration, and when two do so at the same time.

use super::*;
use crate::config::grammar::Mode;
use crate::config::{Allowed, PortLines, parse};
use crate::shell::{mode, understand};
use niv::VlanId;

struct Switch {
    changes: Changes,
    seconds: u64,
    log: Vec<String>,
}

impl Switch {
    fn new(text: &str) -> Self {
        Self {
            changes: Changes::new(Arc::new(parse(text, "t").unwrap().0), 1),
            seconds: 0,
            log: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now {
            since_start: Duration::from_secs(self.seconds),
            clock: SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds),
        }
    }

    fn say(&mut self, shell: &mut Shell, text: &str) -> Result<Vec<String>, Refused> {
        let line = understand(mode(&shell.at), text).unwrap().unwrap().line;
        let said = self
            .changes
            .say(&shell.at, line, text, &shell.who, self.now())?;
        shell.at = said.at;
        self.log.extend(said.log);
        if let Some(proposed) = said.proposed {
            let log = self.changes.accept(proposed, self.now());
            self.log.push(log);
        }
        self.wait(0);
        Ok(said.told)
    }

    fn wait(&mut self, seconds: u64) {
        self.seconds += seconds;
        if let Some(proposed) = self.changes.handle_timeout(self.now().since_start) {
            let log = self.changes.accept(proposed, self.now());
            self.log.push(log);
        }
    }

    fn text(&self) -> String {
        self.changes.running().running_config()
    }
}

struct Shell {
    at: At,
    who: Who,
}

fn shell(uid: u32) -> Shell {
    Shell {
        at: At::default(),
        who: Who {
            uid,
            name: Some(format!("user{uid}")),
            pid: Some(1),
        },
    }
}

fn all(switch: &mut Switch, shell: &mut Shell, lines: &[&str]) {
    for line in lines {
        if let Err(refused) = switch.say(shell, line) {
            unreachable!("{line}: {refused}");
        }
    }
}

#[test]
fn a_typed_line_is_in_force_at_once_and_logged_with_who_and_what() {
    let mut switch = Switch::new("");
    let mut ana = shell(1);
    all(
        &mut switch,
        &mut ana,
        &["configure", "interface veth3", "shutdown"],
    );
    assert_eq!(switch.text(), "interface veth3\n  shutdown\n");
    assert_eq!(mode(&ana.at), Mode::Veth);
    let last = switch.log.last().unwrap();
    for part in [
        "user1 (uid 1, process 1)",
        "`shutdown`",
        " interface veth3 | +  shutdown",
    ] {
        assert!(last.contains(part), "{last}");
    }
}

#[test]
fn exit_goes_up_one_mode_and_end_leaves() {
    let mut switch = Switch::new("");
    let mut ana = shell(1);
    all(&mut switch, &mut ana, &["configure", "vlan 10", "exit"]);
    assert_eq!(mode(&ana.at), Mode::Config);
    all(&mut switch, &mut ana, &["port-profile a", "end"]);
    assert_eq!(ana.at, At::default());
    assert_eq!(
        switch.say(&mut ana, "commit"),
        Err(Refused::NothingToCommit)
    );
}

#[test]
fn a_candidate_is_in_force_when_it_is_committed_and_not_before() {
    let mut switch = Switch::new("");
    let mut ana = shell(1);
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "vlan 10", "name web"],
    );
    assert_eq!(switch.text(), "");
    let diff = switch.changes.candidate_diff(&ana.at, &ana.who).unwrap();
    assert_eq!(diff, ["+vlan 10", "+  name web"]);
    assert_eq!(switch.say(&mut ana, "end"), Err(Refused::NotCommitted(2)));
    all(&mut switch, &mut ana, &["commit", "end"]);
    assert_eq!(switch.text(), "vlan 10\n  name web\n");
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "no vlan 10", "abort"],
    );
    assert_eq!(switch.text(), "vlan 10\n  name web\n");
}

#[test]
fn an_update_of_somebody_else_is_never_lost() {
    let mut switch = Switch::new("vlan 10,20\n");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "interface veth1", "mtu 1400"],
    );
    all(
        &mut switch,
        &mut ben,
        &["configure", "interface veth1", "switchport access vlan 20"],
    );
    let refused = switch.say(&mut ana, "commit").unwrap_err().to_string();
    assert!(
        refused.contains("user2") && refused.contains("show diff"),
        "{refused}"
    );
    assert!(!switch.text().contains("mtu"), "nothing is changed");
    let diff = switch.changes.candidate_diff(&ana.at, &ana.who).unwrap();
    assert_eq!(diff, [" interface veth1", "+  mtu 1400"]);
    all(&mut switch, &mut ana, &["commit"]);
    assert!(
        switch.text().contains("access vlan 20\n  mtu 1400"),
        "{}",
        switch.text()
    );
}

#[test]
fn a_candidate_that_does_not_fit_any_more_is_refused_with_its_line() {
    let mut switch = Switch::new("");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "interface ethernet 1", "device a"],
    );
    all(
        &mut switch,
        &mut ben,
        &["configure", "interface ethernet 2", "device a"],
    );
    let refused = switch.say(&mut ana, "commit").unwrap_err().to_string();
    assert!(
        refused.contains("`device a`") && refused.contains("Ethernet2"),
        "{refused}"
    );
}

#[test]
fn a_commit_that_is_not_confirmed_takes_itself_back_and_says_so() {
    let mut switch = Switch::new("vlan 10\n");
    let mut ana = shell(1);
    let lines = [
        "configure candidate",
        "no vlan 10",
        "commit confirmed 60",
        "end",
    ];
    all(&mut switch, &mut ana, &lines);
    assert_eq!(switch.text(), "");
    assert_eq!(switch.changes.poll_timeout(), Some(Duration::from_secs(60)));
    switch.wait(59);
    assert_eq!(switch.text(), "");
    switch.wait(1);
    assert_eq!(switch.text(), "vlan 10\n");
    assert!(switch.log.last().unwrap().contains("not confirmed"));
    let now = switch.now().since_start;
    let mut next = shell(2);
    let notes = switch.changes.notes(&mut next.at, now);
    assert!(notes.len() == 1 && notes[0].contains("user1"), "{notes:?}");
    assert!(switch.changes.notes(&mut next.at, now).is_empty(), "once");
    let late = now + Duration::from_secs(600);
    assert!(switch.changes.notes(&mut ana.at, late).is_empty(), "old");
}

#[test]
fn a_confirmed_commit_stays() {
    for confirm in [&["commit"][..], &["end", "commit"]] {
        let mut switch = Switch::new("");
        let mut ana = shell(1);
        all(
            &mut switch,
            &mut ana,
            &["configure candidate", "vlan 10", "commit confirmed 60"],
        );
        all(&mut switch, &mut ana, confirm);
        switch.wait(3600);
        assert_eq!(switch.text(), "vlan 10\n");
    }
}

#[test]
fn nothing_else_is_changed_while_a_commit_waits() {
    let mut switch = Switch::new("");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(&mut switch, &mut ben, &["configure"]);
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "vlan 10", "commit confirmed 60"],
    );
    let refused = switch.say(&mut ben, "vlan 20").unwrap_err().to_string();
    assert!(refused.contains("user1"), "{refused}");
    assert!(switch.say(&mut ben, "rollback 1").is_err());
    all(&mut switch, &mut ana, &["end", "abort"]);
    assert_eq!(switch.text(), "", "taken back at once");
    all(&mut switch, &mut ben, &["vlan 20"]);
}

#[test]
fn rollback_goes_back_over_what_was_one_change() {
    let mut switch = Switch::new("vlan 2\n");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(
        &mut switch,
        &mut ana,
        &["configure", "vlan 10", "vlan 11", "end"],
    );
    all(&mut switch, &mut ben, &["configure", "vlan 12", "end"]);
    all(&mut switch, &mut ana, &["configure", "vlan 13", "end"]);
    assert_eq!(switch.changes.history().count(), 3);
    all(&mut switch, &mut ben, &["rollback 2"]);
    assert_eq!(switch.text(), "vlan 2,10-11\n");
    all(&mut switch, &mut ben, &["rollback 1"]);
    assert_eq!(switch.text(), "vlan 2,10-13\n");
    all(&mut switch, &mut ben, &["rollback 5"]);
    assert_eq!(switch.text(), "vlan 2\n");
    assert_eq!(
        switch.say(&mut ben, "rollback 50"),
        Err(Refused::NotKept(6))
    );
}

#[test]
fn candidates_are_bounded_belong_to_their_user_and_do_not_stay_for_ever() {
    let mut switch = Switch::new("");
    let mut shells: Vec<Shell> = (0..MAX_CANDIDATES as u32).map(shell).collect();
    for shell in &mut shells {
        switch.say(shell, "configure candidate").unwrap();
        switch.say(shell, "vlan 10").unwrap();
    }
    let mut late = shell(99);
    let refused = switch.say(&mut late, "configure candidate").unwrap_err();
    assert!(refused.to_string().contains("user3"), "{refused}");
    late.at = shells[0].at.clone();
    assert_eq!(
        switch.say(&mut late, "vlan 20"),
        Err(Refused::NoSuchCandidate)
    );
    assert_eq!(
        switch.say(&mut late, "commit"),
        Err(Refused::NoSuchCandidate)
    );
    late.at = At::default();
    switch.seconds += CANDIDATE_IDLE.as_secs();
    assert!(switch.say(&mut late, "configure candidate").is_ok());
    assert_eq!(
        switch.say(&mut shells[0], "commit"),
        Err(Refused::NoSuchCandidate)
    );
}

#[test]
fn a_loop_of_profiles_is_refused_when_it_would_close() {
    for way in ["configure", "configure candidate"] {
        let mut switch = Switch::new("port-profile a\n  inherit port-profile b\nport-profile b\n");
        let before = switch.text();
        let mut ana = shell(1);
        all(&mut switch, &mut ana, &[way, "port-profile b"]);
        let refused = switch.say(&mut ana, "inherit port-profile a").unwrap_err();
        assert!(refused.to_string().contains("a -> b -> a"), "{refused}");
        assert_eq!(switch.text(), before);
    }
}

#[test]
fn history_is_bounded() {
    let mut switch = Switch::new("");
    let mut ana = shell(1);
    for vlan in 2..(MAX_HISTORY + 20) {
        all(
            &mut switch,
            &mut ana,
            &["configure", &format!("vlan {vlan}"), "end"],
        );
    }
    assert_eq!(switch.changes.history().count(), MAX_HISTORY);
}

#[test]
fn a_profile_is_attached_without_configure_and_is_one_change_to_take_back() {
    let mut switch = Switch::new("port-profile web\nport-profile db\ninterface vethernet 3\n");
    let before = switch.text();
    let mut ana = shell(1);
    all(
        &mut switch,
        &mut ana,
        &["attach interface veth 3 port-profile web"],
    );
    assert_eq!(ana.at, At::default());
    // Nothing was ever said of this one: its host asked for it.
    all(
        &mut switch,
        &mut ana,
        &["att int veth9 port web", "rollback 1"],
    );
    assert!(
        switch.text().contains("inherit port-profile web"),
        "{}",
        switch.text()
    );
    let of_web = switch.text();
    all(&mut switch, &mut ana, &["att int veth3 port db"]);
    assert!(switch.text().contains("inherit port-profile db"));
    all(&mut switch, &mut ana, &["rollback 1"]);
    assert_eq!(switch.text(), of_web);
    all(&mut switch, &mut ana, &["rollback 5"]);
    assert_eq!(switch.text(), before);
}

#[test]
fn a_profile_that_is_not_there_is_not_attached() {
    let mut switch = Switch::new("port-profile web\ninterface vethernet 3\n");
    let mut ana = shell(1);
    let refused = switch
        .say(&mut ana, "attach interface veth 3 port-profile wbe")
        .unwrap_err();
    assert!(refused.to_string().contains("no port-profile `wbe`"));
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "vlan 10", "commit confirmed 30"],
    );
    let refused = switch
        .say(&mut shell(2), "attach interface veth 3 port-profile web")
        .unwrap_err();
    assert!(matches!(refused, Refused::Awaiting { .. }), "{refused}");
}

#[test]
fn a_commit_that_cannot_be_taken_back_waits_on_and_says_so() {
    let mut switch = Switch::new("vlan 10\n");
    let mut ana = shell(1);
    let lines = ["configure candidate", "vlan 20", "commit confirmed 30"];
    all(&mut switch, &mut ana, &lines);
    switch.seconds += 31;
    let now = switch.now().since_start;
    assert!(switch.changes.handle_timeout(now).is_some());
    switch.changes.cannot_take_back("the key file is gone", now);
    let mut other = shell(2);
    let notes = switch.changes.notes(&mut other.at, now);
    assert!(
        notes.len() == 1 && notes[0].contains("the key file is gone"),
        "{notes:?}"
    );
    assert!(switch.changes.notes(&mut other.at, now).is_empty());
    assert!(switch.changes.awaiting(now).is_some());
    // It is tried again, and another shell hears of both.
    assert!(switch.changes.handle_timeout(now).is_none());
    switch.wait(10);
    assert!(!switch.text().contains("20"), "{}", switch.text());
    let notes = switch.changes.notes(&mut ana.at, switch.now().since_start);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[1].contains("the one before it again"));
}

#[test]
fn a_shell_of_an_earlier_process_finds_its_candidate_gone() {
    let mut before = Switch::new("vlan 10\n");
    let mut ana = shell(1);
    all(&mut before, &mut ana, &["configure candidate", "vlan 20"]);
    let mut switch = Switch::new("vlan 10\n");
    switch.changes = Changes::new(switch.changes.running().clone(), 2);
    let mut second = shell(1);
    all(
        &mut switch,
        &mut second,
        &["configure candidate", "vlan 55"],
    );
    let refused = switch.say(&mut ana, "commit").unwrap_err();
    assert!(matches!(refused, Refused::NoSuchCandidate), "{refused}");
    assert!(!switch.text().contains("55"));
}

#[test]
fn candidates_of_those_who_are_gone_make_room() {
    let mut switch = Switch::new("");
    for uid in 0..MAX_CANDIDATES as u32 {
        all(&mut switch, &mut shell(uid), &["configure candidate"]);
    }
    let refused = switch.say(&mut shell(99), "configure candidate");
    assert!(matches!(refused, Err(Refused::TooManyCandidates(_))));
    switch.changes.give_up(|who| who.uid == 3);
    all(&mut switch, &mut shell(99), &["configure candidate"]);
}

#[test]
fn lines_of_a_commit_that_is_taken_back_are_in_the_candidate_again() {
    let mut switch = Switch::new("vlan 10\n");
    let mut ana = shell(1);
    let lines = ["configure candidate", "vlan 81", "commit confirmed 2"];
    all(&mut switch, &mut ana, &lines);
    let diff = |switch: &Switch, ana: &Shell| switch.changes.candidate_diff(&ana.at, &ana.who);
    assert_eq!(diff(&switch, &ana).unwrap().len(), 0, "it is in force");
    all(&mut switch, &mut ana, &["vlan 82"]);
    assert_eq!(diff(&switch, &ana).unwrap().len(), 2, "vlan 82 alone");
    switch.wait(2);
    assert_eq!(switch.text(), "vlan 10\n");
    let notes = switch.changes.notes(&mut ana.at, switch.now().since_start);
    assert!(notes[0].contains("in its candidate again"), "{notes:?}");
    assert_eq!(diff(&switch, &ana).unwrap(), ["-vlan 10", "+vlan 10,81-82"]);
    assert_eq!(switch.say(&mut ana, "end"), Err(Refused::NotCommitted(2)));
    all(
        &mut switch,
        &mut ana,
        &["commit confirmed 30", "commit", "end"],
    );
    switch.wait(60);
    assert_eq!(switch.text(), "vlan 10,81-82\n");
}

#[test]
fn a_commit_of_the_one_that_waits_confirms_that_first() {
    let mut switch = Switch::new("");
    let (mut ana, mut ben) = (shell(1), shell(2));
    let lines = [
        "configure candidate",
        "vlan 77",
        "commit confirmed 60",
        "vlan 78",
    ];
    all(&mut switch, &mut ana, &lines);
    all(&mut switch, &mut ben, &["configure candidate", "vlan 90"]);
    let refused = switch.say(&mut ben, "commit").unwrap_err().to_string();
    assert!(
        refused.contains("user1") && refused.contains("61 s") && refused.contains("is kept"),
        "{refused}"
    );
    let told = switch.say(&mut ana, "commit").unwrap();
    assert_eq!(
        told,
        [
            "the commit before is confirmed",
            "1 line since then: committed"
        ]
    );
    assert!(switch.log.last().unwrap().contains("is confirmed by user1"));
    all(&mut switch, &mut ana, &["end"]);
    switch.wait(120);
    assert_eq!(switch.text(), "vlan 77-78\n");
    assert!(matches!(
        switch.say(&mut ben, "commit"),
        Err(Refused::Rebased(_))
    ));
    all(&mut switch, &mut ben, &["commit"]);
    assert_eq!(switch.text(), "vlan 77-78,90\n");
}

#[test]
fn what_follows_a_commit_that_waits_is_confirmed_by_itself() {
    let mut switch = Switch::new("");
    let mut ana = shell(1);
    let lines = [
        "configure candidate",
        "vlan 77",
        "commit confirmed 60",
        "vlan 78",
        "commit confirmed 60",
    ];
    all(&mut switch, &mut ana, &lines);
    switch.wait(60);
    assert_eq!(switch.text(), "vlan 77\n", "the first one stays");
    let diff = switch.changes.candidate_diff(&ana.at, &ana.who).unwrap();
    assert_eq!(diff, ["-vlan 77", "+vlan 77-78"]);
}

#[test]
fn abort_takes_back_what_waits_when_there_is_nothing_else_to_give_up() {
    let mut switch = Switch::new("");
    let mut ana = shell(1);
    let lines = [
        "configure candidate",
        "vlan 10",
        "commit confirmed 60",
        "vlan 11",
    ];
    all(&mut switch, &mut ana, &lines);
    let told = switch.say(&mut ana, "abort").unwrap();
    assert!(told[0].ends_with("with 1 line"), "{told:?}");
    assert!(told[1].contains("61 s to be confirmed"), "{told:?}");
    assert_eq!(switch.text(), "vlan 10\n");
    let told = switch.say(&mut ana, "commit").unwrap();
    assert_eq!(told, ["confirmed"]);
    let lines = ["configure candidate", "vlan 12", "commit confirmed 60"];
    all(&mut switch, &mut ana, &lines);
    let told = switch.say(&mut ana, "abort").unwrap();
    assert!(told[0].contains("is taken back"), "{told:?}");
    assert_eq!(switch.text(), "vlan 10\n");
    let told = switch.say(&mut ana, "abort").unwrap();
    assert!(told[0].ends_with("with 1 line"), "{told:?}");
    assert_eq!(ana.at, At::default());
}

#[test]
fn whoever_aborts_and_whoever_confirms_is_named() {
    let mut switch = Switch::new("");
    let (mut ana, mut ben) = (shell(1), shell(2));
    let lines = [
        "configure candidate",
        "vlan 10",
        "commit confirmed 60",
        "end",
    ];
    all(&mut switch, &mut ana, &lines);
    all(&mut switch, &mut ben, &["abort"]);
    let last = switch.changes.history().next().unwrap();
    assert_eq!((last.how, &last.who), (How::Aborted, &ben.who));
    let log = switch.log.last().unwrap();
    let notes = switch.changes.notes(&mut ana.at, switch.now().since_start);
    for text in [log, &notes[0]] {
        assert!(
            text.contains("commit by user1") && text.contains("aborted by user2"),
            "{text}"
        );
        assert!(!text.contains("not confirmed"), "{text}");
    }
    all(&mut switch, &mut ana, &lines);
    let told = switch.say(&mut ben, "commit").unwrap();
    assert!(told[0].contains("the commit by user1"), "{told:?}");
    let log = switch.log.last().unwrap();
    assert!(
        log.contains("commit by user1") && log.contains("confirmed by user2"),
        "{log}"
    );
}

#[test]
fn a_candidate_without_lines_confirms_nothing_of_others() {
    let mut switch = Switch::new("");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(&mut switch, &mut ben, &["configure candidate"]);
    assert_eq!(switch.say(&mut ben, "commit"), Err(Refused::NoLines));
    let lines = ["configure candidate", "vlan 10", "commit confirmed 60"];
    all(&mut switch, &mut ana, &lines);
    let refused = switch.say(&mut ben, "commit").unwrap_err();
    assert!(
        matches!(refused, Refused::AwaitingOthers { .. }),
        "{refused}"
    );
    switch.wait(60);
    assert_eq!(switch.text(), "");
    assert_eq!(
        Refused::NotCommitted(1).to_string().split(':').next(),
        Some("1 line is not committed")
    );
}

#[test]
fn show_diff_is_what_commit_would_change() {
    let mut switch = Switch::new("interface veth1\n");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "interface veth1", "mtu 1400"],
    );
    all(
        &mut switch,
        &mut ben,
        &["configure", "vlan 20", "interface ethernet 2", "device a"],
    );
    let diff = switch.changes.candidate_diff(&ana.at, &ana.who).unwrap();
    assert_eq!(diff, [" interface veth1", "+  mtu 1400"]);
    all(&mut switch, &mut ana, &["interface ethernet 1"]);
    // Each fits what it was said to, and not the other.
    all(&mut switch, &mut ana, &["device a"]);
    let refused = switch
        .changes
        .candidate_diff(&ana.at, &ana.who)
        .unwrap_err();
    assert!(matches!(refused, Refused::DoesNotFit { .. }), "{refused}");
}

#[test]
fn what_somebody_else_took_away_does_not_come_back_by_a_line_said_in_its_mode() {
    for (heading, line) in [
        ("vlan 10,20", "no name"),
        ("port-profile zz", "switchport access vlan 90"),
        ("interface ethernet 1", "device a"),
        ("interface ethernet 1", "switchport mode trunk"),
        ("interface ethernet 1", "vic authentication none"),
        ("interface ethernet 1", "vic allowed port-profile a"),
        ("interface vethernet 3", "mtu 1400"),
        (
            "interface vethernet 3",
            "bind interface ethernet 1 channel 5",
        ),
    ] {
        let mut switch = Switch::new("");
        let (mut ana, mut ben) = (shell(1), shell(2));
        all(&mut switch, &mut ben, &["configure", heading]);
        all(
            &mut switch,
            &mut ana,
            &["configure", &format!("no {heading}")],
        );
        let refused = switch.say(&mut ben, line).unwrap_err();
        assert!(refused.leads_back());
        let refused = refused.to_string();
        let words = format!("{heading} is no more: `{heading}` makes it anew");
        assert_eq!(refused, words);
        assert_eq!(switch.text(), "");
        all(&mut switch, &mut ben, &[heading, line]);
    }
}

#[test]
fn a_candidate_does_not_bring_back_what_somebody_else_took_away() {
    let mut switch = Switch::new("port-profile zz\n  mtu 1400\n");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(
        &mut switch,
        &mut ben,
        &[
            "configure candidate",
            "port-profile zz",
            "switchport access vlan 90",
        ],
    );
    all(&mut switch, &mut ana, &["configure", "no port-profile zz"]);
    let refused = switch.say(&mut ben, "commit").unwrap_err().to_string();
    assert!(
        refused.contains("`switchport access vlan 90`") && refused.contains("is no more"),
        "{refused}"
    );
    assert_eq!(switch.text(), "");
}

#[test]
fn going_into_a_mode_that_is_there_is_nothing_to_commit() {
    let mut switch = Switch::new("port-profile zz\n");
    let mut ana = shell(1);
    all(
        &mut switch,
        &mut ana,
        &["configure candidate", "port-profile zz", "exit", "end"],
    );
    assert_eq!(ana.at, At::default());
}

#[test]
fn what_changes_nothing_is_not_in_the_history() {
    let mut switch = Switch::new("");
    let (mut ana, mut ben) = (shell(1), shell(2));
    all(&mut switch, &mut ana, &["configure", "vlan 10", "end"]);
    all(
        &mut switch,
        &mut ben,
        &["configure", "vlan 20", "no vlan 20", "end"],
    );
    assert_eq!(switch.changes.history().count(), 1);
    all(&mut switch, &mut ben, &["configure", "no vlan 10", "end"]);
    let told = switch.say(&mut ana, "rollback 2").unwrap();
    assert_eq!(told, ["there is nothing to change"]);
    assert_eq!(switch.changes.history().count(), 2);
}

#[test]
fn what_no_file_can_hold_is_not_put_in_force() {
    let even = (1..2047).map(|vlan| VlanId::try_from(2 * vlan).unwrap());
    let lines = PortLines {
        allowed_vlans: Some(Allowed::Exactly(Box::new(even.collect()))),
        ..PortLines::default()
    };
    let mut config = Config::empty();
    for id in 1..=1800 {
        let veth = config.veths.entry(VethId::try_from(id).unwrap());
        veth.or_default().lines = lines.clone();
    }
    let mut switch = Switch::new("");
    switch.changes = Changes::new(Arc::new(config), 1);
    let mut ana = shell(1);
    for way in ["terminal", "candidate"] {
        all(&mut switch, &mut ana, &["end", &format!("configure {way}")]);
        let typed = switch.say(&mut ana, "vlan 20");
        let refused = match way {
            "terminal" => typed.unwrap_err(),
            _ => switch.say(&mut ana, "commit").unwrap_err(),
        };
        assert!(matches!(refused, Refused::TooLong(_)), "{refused}");
    }
    assert!(switch.log.is_empty());
}
