//! What a shell understands, offers and completes.

use super::*;
use crate::config::{Context, InterfaceId, Kind, Line, Pipe, PortLine, Typed, Way};
use crate::control::show::ShowRequest;
use crate::control::switch::VlanFilter;

fn line(mode: Mode, text: &str) -> Line {
    match understand(mode, text) {
        Ok(Some(understood)) => understood.line,
        other => unreachable!("{text}: {other:?}"),
    }
}

fn labels(mode: Mode, text: &str) -> Vec<&'static str> {
    help(mode, text).iter().map(|offer| offer.label).collect()
}

#[test]
fn the_prompt_says_where_somebody_is() {
    let at = |context: Context| At {
        context: Some(context),
        ..At::default()
    };
    let veth = Context::Interface(InterfaceId::Veth(3.try_into().unwrap()));
    let profile = Context::Profile("web".parse().unwrap());
    let vlan = Context::Vlan(Box::new("10".parse().unwrap()));
    for (at, prompted) in [
        (At::default(), "vis-1# "),
        (at(Context::Config), "vis-1(config)# "),
        (at(profile), "vis-1(config-port-prof)# "),
        (at(veth.clone()), "vis-1(config-if)# "),
        (at(vlan), "vis-1(config-vlan)# "),
    ] {
        assert_eq!(prompt("vis-1", &at), prompted);
    }
    let candidate = At {
        candidate: Some(1),
        ..at(veth)
    };
    assert_eq!(prompt("vis-1", &candidate), "vis-1(config-if)*# ");
}

#[test]
fn words_may_be_shortened_while_they_are_unique() {
    let as_typed = Line::Typed(Typed::Configure(Way::AsTyped));
    assert_eq!(line(Mode::Exec, "conf t"), as_typed);
    assert_eq!(line(Mode::Exec, "configure"), as_typed);
    assert_eq!(line(Mode::Exec, "wr"), Line::Typed(Typed::Save));
    assert_eq!(line(Mode::Veth, "do copy r s"), Line::Typed(Typed::Save));
    assert_eq!(
        line(Mode::Veth, "do sh vl"),
        Line::Show(ShowRequest::Vlan(VlanFilter::All))
    );
    assert_eq!(
        line(Mode::Profile, "show vlan"),
        Line::Show(ShowRequest::Vlan(VlanFilter::All))
    );
    let fault = understand(Mode::Exec, "co").unwrap_err();
    assert!(
        fault.message.contains("`commit`, `configure` or `copy`"),
        "{fault:?}"
    );
}

#[test]
fn a_word_is_not_unique_if_it_is_short_for_one_that_is_understood_everywhere() {
    for mode in [Mode::Veth, Mode::Ethernet, Mode::Profile] {
        let fault = understand(mode, "sh").unwrap_err();
        assert!(fault.message.contains("`shutdown` or `show`"), "{fault:?}");
        assert!(help(mode, "sh ").is_empty());
        let offered = help(mode, "sh");
        let offered: Vec<_> = offered.iter().map(|offer| offer.label).collect();
        assert_eq!(offered, ["shutdown", "show"]);
        assert_eq!(line(mode, "no sh"), Line::Port(PortLine::Shutdown(false)));
        assert_eq!(line(mode, "shut"), Line::Port(PortLine::Shutdown(true)));
    }
}

#[test]
fn only_what_shows_something_has_pipes() {
    let pipes = understand(Mode::Exec, "show vlan | include a|b | count")
        .unwrap()
        .unwrap()
        .pipes;
    assert_eq!(pipes, [Pipe::Include("a|b".parse().unwrap()), Pipe::Count]);
    assert!(understand(Mode::Exec, "show vlan | include a|").is_ok());
    let remark = line(Mode::Veth, "description a | count");
    assert!(format!("{remark:?}").contains("a | count"), "{remark:?}");
    for (text, start, expected) in [
        ("show vlan | ", 11, "`include`"),
        ("show vlan | cuont", 12, "`count`"),
        ("show vlan | count 3", 18, "the end of the line"),
        ("show vlan | include (", 20, "a regular expression"),
        ("show vlan | json | exclude", 26, "a regular expression"),
        ("show vlan | include a |", 23, "`include`"),
    ] {
        let fault = understand(Mode::Exec, text).unwrap_err();
        assert_eq!(fault.start, Some(start), "{text}: {fault:?}");
        assert!(fault.message.contains(expected), "{text}: {fault:?}");
    }
}

#[test]
fn a_line_in_the_wrong_place_is_told_where_it_belongs() {
    let fault = understand(Mode::Exec, "vlan 10").unwrap_err();
    assert_eq!(fault.help.as_deref(), Some("`configure` leads there"));
    let fault = understand(Mode::Vlan, "device eth0").unwrap_err();
    assert!(fault.help.unwrap().contains("`interface ethernet N`"));
}

#[test]
fn a_question_mark_lists_what_may_stand_there() {
    assert_eq!(
        labels(Mode::Exec, "configure "),
        ["candidate", "terminal", "<cr>"]
    );
    assert_eq!(labels(Mode::Exec, "co"), ["commit", "configure", "copy"]);
    assert_eq!(labels(Mode::Exec, "show version "), ["|", "<cr>"]);
    assert_eq!(
        labels(Mode::Exec, "show version | "),
        ["begin", "count", "exclude", "include", "json"]
    );
    assert_eq!(labels(Mode::Config, "vlan "), ["dot1q", "LIST"]);
    assert_eq!(
        labels(Mode::Veth, "no switchport access vlan "),
        ["<1-4094>", "<cr>"]
    );
    assert_eq!(labels(Mode::Veth, "sh"), ["shutdown", "show"]);
    assert_eq!(labels(Mode::Exec, "nonsense "), [""; 0]);
    let printed = offer::print(&help(Mode::Exec, "configure "));
    let expected = "  candidate  A copy, which `commit` puts in force\n  \
        terminal   Every line is in force as soon as it is typed\n  <cr>       The line may end here\n";
    assert_eq!(printed, expected);
}

#[test]
fn a_question_mark_inside_a_value_of_several_words_lists_that_value() {
    assert_eq!(
        labels(Mode::Exec, "show vlan | include a "),
        ["PATTERN", "<cr>"]
    );
    assert_eq!(labels(Mode::Exec, "show vlan | include [a "), ["PATTERN"]);
}

#[test]
fn a_question_mark_inside_a_rule_lists_what_may_stand_there() {
    let mode = Mode::AccessList(policy::acl::Family::Ipv4);
    assert_eq!(
        labels(mode, "permit tcp any any eq 80 est"),
        ["established"]
    );
    let from = labels(mode, "no 20 deny icmp ");
    assert!(from.contains(&"any") && from.contains(&"host"), "{from:?}");
    assert_eq!(labels(mode, "10 "), ["deny", "permit", "remark"]);
    assert!(labels(mode, "permit ip any any ").contains(&"<cr>"));
    assert_eq!(complete(mode, "permit tc"), (7, vec!["tcp"]));
    assert_eq!(complete(mode, "perm"), (0, vec!["permit"]));
    assert_eq!(labels(mode, "permit nonsense "), [""; 0]);
    // No line has that number.
    assert_eq!(labels(mode, "0 deny ip any "), [""; 0]);
    assert_eq!(labels(mode, "+5 deny ip any "), [""; 0]);
    // It is short for `do`, too.
    assert_eq!(labels(mode, "d ip any "), [""; 0]);
    assert!(offer::is_text(mode, "remark what"));
}

#[test]
fn tab_completes_a_word_where_it_stands() {
    assert_eq!(complete(Mode::Exec, "conf"), (0, vec!["configure"]));
    assert_eq!(
        complete(Mode::Exec, "show run"),
        (5, vec!["running-config"])
    );
    assert_eq!(complete(Mode::Exec, "show vlan | i"), (12, vec!["include"]));
    assert_eq!(complete(Mode::Veth, "no sw"), (3, vec!["switchport"]));
    assert_eq!(complete(Mode::Config, "vlan "), (5, vec!["dot1q"]));
    // Words of their own are `|` but the first.
    assert_eq!(complete(Mode::Exec, "show vlan |").1.len(), 5);
    assert_eq!(complete(Mode::Exec, "show vlan | json |"), (18, vec![]));
    assert_eq!(complete(Mode::Exec, "show vlan | json | c").1, ["count"]);
    // Behind what cannot be read stands nothing.
    let odd = "show port-profile d\u{1d} ";
    assert_eq!(complete(Mode::Exec, odd), (odd.len(), vec![]));
    let odd = "show vlan | include \u{1} | c";
    assert_eq!(complete(Mode::Exec, odd), (odd.len() - 1, vec![]));
    let odd = "show vlan | nonsense | c";
    assert_eq!(complete(Mode::Exec, odd), (odd.len() - 1, vec![]));
}

#[test]
fn a_question_mark_inside_a_text_is_a_character() {
    assert!(offer::is_text(Mode::Veth, "description what"));
    assert!(offer::is_text(Mode::Veth, "description what is "));
    assert!(offer::is_text(Mode::Exec, "show vlan | include a"));
    for text in ["", "description ", "show vlan ", "inherit port-profile web"] {
        assert!(!offer::is_text(Mode::Veth, text), "{text}");
    }
}

#[test]
fn tab_knows_where_a_name_stands() {
    for (mode, text, kind) in [
        (Mode::Exec, "show port-profile w", Kind::Profile),
        (Mode::Exec, "attach int veth ", Kind::Veth),
        (Mode::Veth, "inherit port-profile ", Kind::Profile),
        (Mode::Config, "interface ethernet 1", Kind::Ethernet),
        (Mode::Profile, "switchport access vlan ", Kind::Vlan),
    ] {
        assert_eq!(offer::kinds(mode, text), [kind], "{text}");
    }
    assert_eq!(offer::kinds(Mode::Exec, "show "), []);
}

#[test]
fn remarks_and_empty_lines_say_nothing() {
    for text in ["", "  ", "! a remark", "# so is this"] {
        assert_eq!(understand(Mode::Exec, text), Ok(None));
    }
}
