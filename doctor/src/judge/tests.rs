use super::judge;
use crate::facts::{
    BadKey, ConfigFile, Daemon, Device, Down, Driver, Facts, Found, Holder, Host, Link, NoTun,
    Role, Running, Session, Silent, Wanted,
};
use crate::{Finding, LinkHealth, Report, Rule, Severity, Status};

/// A host on which all is well: the daemon runs, and its switch answers.
fn well() -> Facts {
    let wanted = Wanted {
        device: "eth1".into(),
        role: Role::Uplink,
        mtu: 1510,
    };
    let found = Found {
        ethernet: true,
        kind: None,
        driver: Ok(Driver {
            name: "ixgbe".into(),
            features: [("rx-lro".into(), false)].into(),
        }),
        mtu: 1510,
        max_mtu: Some(9710),
        up: true,
        carrier: true,
        promiscuity: 1,
        arp: false,
        ipv6: false,
        master: None,
        addresses: Ok(Vec::new()),
        isolated: Ok(true),
        holder: Ok(Some(Holder {
            process: Some((7, "iv".into())),
        })),
        network_manager: false,
        networkd: false,
        mode: None,
    };
    let session = Session {
        peer: Some("switch1".into()),
        why: None,
        health: Some(LinkHealth {
            silent_ms: 120,
            mtu_wanted: 1510,
            mtu_proven: 1510,
            mtu_limit: 1510,
            mtu_settled: true,
        }),
    };
    let link = Link {
        device: "eth1".into(),
        mode: Some("af_packet+af_xdp".into()),
        refused: None,
        session: Some(session),
        neighbours: vec![("switch1, port eth1".into(), Some("vis".into()))],
        advice: None,
    };
    Facts {
        program: "iv",
        release: "1.0.0",
        makes_taps: true,
        config: None,
        socket: None,
        daemon: Daemon::Running(Box::new(Running {
            pid: 7,
            release: "1.0.0".into(),
            here: Some(true),
            links: vec![link],
            taps: vec!["tap1".into()],
            ..Running::default()
        })),
        host: Host {
            kernel: "6.18.5".into(),
            clock: 1_800_000_000,
            may_open_sockets: Ok(true),
            may_change_devices: Ok(true),
            tun: None,
            locked_memory: Some(8 << 20),
            bridge_filter: false,
            strict_return_path: Vec::new(),
        },
        devices: vec![Device {
            wanted,
            found: Ok(Some(found)),
            elsewhere: None,
        }],
    }
}

/// The same before the daemon is started.
fn stopped() -> Facts {
    let mut facts = well();
    facts.daemon = Daemon::NotRunning {
        says: "it does not run: nothing answers on /run/niv/iv.sock".into(),
    };
    let found = found(&mut facts);
    found.holder = Ok(None);
    found.isolated = Ok(false);
    found.promiscuity = 0;
    found.mtu = 1500;
    found.mode = Some(Ok("af_packet+af_xdp".into()));
    facts
}

fn found(facts: &mut Facts) -> &mut Found {
    let device = facts.devices.first_mut().unwrap();
    device.found.as_mut().unwrap().as_mut().unwrap()
}

fn running(facts: &mut Facts) -> &mut Running {
    match &mut facts.daemon {
        Daemon::Running(running) => running,
        other => panic!("{other:?}"),
    }
}

fn link(facts: &mut Facts) -> &mut Link {
    running(facts).links.first_mut().unwrap()
}

fn health(facts: &mut Facts) -> &mut LinkHealth {
    let session = link(facts).session.as_mut().unwrap();
    session.health.as_mut().unwrap()
}

fn amiss(report: &Report) -> Vec<&Finding> {
    let all = report.findings.iter();
    all.filter(|f| f.severity != Severity::Ok).collect()
}

/// After `change` exactly one thing is amiss: this rule, with these words and this command.
#[track_caller]
fn only(
    mut facts: Facts,
    change: impl FnOnce(&mut Facts),
    rule: Rule,
    says: &str,
    mend: Option<&str>,
) {
    change(&mut facts);
    let report = judge(&facts);
    let before = match facts.daemon {
        // That it does not run is said of itself.
        Daemon::NotRunning { .. } if rule != Rule::Daemon => 1,
        _ => 0,
    };
    let amiss = amiss(&report);
    assert_eq!(amiss.len(), before + 1, "{report}");
    let finding = amiss.iter().find(|finding| finding.rule == rule);
    let finding = finding.unwrap_or_else(|| panic!("{rule:?} is not found: {report}"));
    assert!(finding.says.contains(says), "{report}");
    assert_eq!(finding.mend.as_deref(), mend, "{report}");
    assert_eq!(finding.severity, rule.severity(), "{report}");
}

#[test]
fn where_all_is_well_nothing_is_amiss() {
    let report = judge(&well());
    assert_eq!(amiss(&report), Vec::<&Finding>::new());
    assert_eq!((report.status, &report.unseen[..]), (Status::Well, &[][..]));
    for rule in [
        Rule::Daemon,
        Rule::Device,
        Rule::Carrier,
        Rule::Session,
        Rule::PathMtu,
        Rule::IoMode,
    ] {
        let ok = report.findings.iter().any(|f| f.rule == rule);
        assert!(ok, "nothing is said of {rule:?}");
    }
}

#[test]
fn a_daemon_that_does_not_run_is_started_with_what_is_known() {
    only(
        stopped(),
        |_| (),
        Rule::Daemon,
        "/run/niv/iv.sock",
        Some("iv run --uplink eth1"),
    );
    let with_file = |facts: &mut Facts| {
        facts.config = Some(ConfigFile {
            path: "/etc/niv/iv.toml".into(),
            faults: Vec::new(),
            check: None,
            keys: Vec::new(),
        });
    };
    let start = Some("iv run --config /etc/niv/iv.toml");
    only(stopped(), with_file, Rule::Daemon, "does not run", start);
    let asked_there = |facts: &mut Facts| facts.socket = Some("/tmp/iv.sock".into());
    let start = Some("iv run --uplink eth1 --socket /tmp/iv.sock");
    only(stopped(), asked_there, Rule::Daemon, "does not run", start);
    // A command with a blank in it would mend nothing.
    let mut unknown = stopped();
    unknown.devices.clear();
    let report = judge(&unknown);
    let mends = amiss(&report).iter().any(|finding| finding.mend.is_some());
    assert!(!mends, "{report}");
}

#[test]
fn a_daemon_that_may_not_be_asked_was_not_looked_at() {
    let mut facts = stopped();
    facts.daemon = Daemon::Unseen("this user may not use /run/niv/iv.sock".into());
    let report = judge(&facts);
    assert_eq!(report.status, Status::Unseen, "{report}");
    assert_eq!(report.unseen[0].rule, Rule::Daemon);
}

#[test]
fn a_daemon_that_hangs_is_broken_and_named_with_what_wakes_it() {
    let silent = |change: fn(&mut Silent)| {
        move |f: &mut Facts| {
            let mut silent = Silent {
                socket: "/run/niv/iv.sock".into(),
                pid: Some(7),
                ..Silent::default()
            };
            change(&mut silent);
            f.daemon = Daemon::Silent(silent);
        }
    };
    let hangs = "does not answer on /run/niv/iv.sock";
    let again = "kill -KILL 7 && sleep 1 && iv run --uplink eth1";
    only(well(), silent(|_| ()), Rule::Daemon, hangs, Some(again));
    let started = silent(|s| s.started_by = Some("iv run --config a".into()));
    let again = "kill -KILL 7 && sleep 1 && iv run --config a";
    only(well(), started, Rule::Daemon, "log", Some(again));
    let service = silent(|s| s.service = Some("iv".into()));
    let again = Some("systemctl restart iv");
    only(well(), service, Rule::Daemon, "journalctl -u iv", again);
    let stopped = silent(|s| s.stopped = true);
    let cont = Some("kill -CONT 7");
    only(well(), stopped, Rule::Daemon, "SIGSTOP", cont);
    let unseen = silent(|s| s.pid = None);
    only(well(), unseen, Rule::Daemon, "pgrep -a iv", None);

    // Its devices are as it has prepared them, and not somebody else's.
    let mut facts = well();
    stopped(&mut facts);
    found(&mut facts).promiscuity = 0;
    let report = judge(&facts);
    let rules: Vec<_> = amiss(&report).iter().map(|f| f.rule).collect();
    assert_eq!(rules, [Rule::Daemon, Rule::Promiscuity], "{report}");
    // It knows them, if nobody else does.
    facts.devices.clear();
    let report = judge(&facts);
    assert_eq!(amiss(&report).len(), 1, "{report}");
    assert_eq!(report.unseen[0].rule, Rule::Devices);
}

#[test]
fn what_the_daemon_says_of_itself_is_judged() {
    let mend = Some("kill 7 && iv run --uplink eth1");
    let older = |f: &mut Facts| running(f).release = "0.9.0".into();
    only(well(), older, Rule::DaemonRelease, "release 0.9.0", mend);
    let mut elsewhere = well();
    running(&mut elsewhere).here = Some(false);
    let report = judge(&elsewhere);
    let finding = amiss(&report)[0];
    assert_eq!(finding.rule, Rule::DaemonNamespace);
    let mend = finding.mend.as_deref();
    assert_eq!(mend, Some("nsenter --net=/proc/7/ns/net iv doctor"));
    let down = |f: &mut Facts| {
        running(f).down = vec![Down {
            name: "web1".into(),
            why: "no such profile".into(),
            mend: None,
        }]
    };
    only(well(), down, Rule::Vnic, "no such profile (`iv show`", None);
    let mendable = |f: &mut Facts| {
        running(f).down = vec![Down {
            name: "web1".into(),
            why: "VLAN 20 does not exist".into(),
            mend: Some("vis exec configure \"vlan 20\"".into()),
        }]
    };
    let mend = Some("vis exec configure \"vlan 20\"");
    only(
        well(),
        mendable,
        Rule::Vnic,
        "frames do not pass: VLAN 20",
        mend,
    );
}

#[test]
fn every_fault_of_a_file_is_said() {
    let faulty = |f: &mut Facts| {
        f.config = Some(ConfigFile {
            path: "vis.conf".into(),
            faults: vec!["vis.conf:2:1: unknown word".into()],
            check: Some("vis check vis.conf".into()),
            keys: Vec::new(),
        });
    };
    let mend = Some("vis check vis.conf");
    only(well(), faulty, Rule::ConfigFile, ":2:1:", mend);
}

#[test]
fn a_key_that_cannot_be_used_is_a_fault_of_the_file_that_names_it() {
    let with = |fault: Result<String, String>| {
        move |f: &mut Facts| {
            f.config = Some(ConfigFile {
                path: "iv.toml".into(),
                faults: Vec::new(),
                check: None,
                keys: vec![BadKey {
                    path: "key".into(),
                    fault: fault.clone(),
                    mend: Some("chmod 600 key".into()),
                }],
            });
        }
    };
    let open = with(Ok("the key in key is no secret".into()));
    let mend = Some("chmod 600 key");
    only(well(), &open, Rule::ConfigFile, "no secret", mend);
    let mut unseen = well();
    with(Err("this user may not".into()))(&mut unseen);
    let report = judge(&unseen);
    assert_eq!(report.status, Status::Unseen, "{report}");
    assert_eq!(report.unseen[0].about, "key");
    let fine = report.findings.iter().any(|f| f.rule == Rule::ConfigFile);
    assert!(!fine, "{report}");
}

#[test]
fn a_device_that_is_not_there_is_looked_for_elsewhere() {
    let gone = |f: &mut Facts| f.devices[0].found = Ok(None);
    only(well(), gone, Rule::Device, "`ip -brief link` lists", None);
    let moved = |f: &mut Facts| {
        f.devices[0].found = Ok(None);
        f.devices[0].elsewhere = Some("blue".into());
    };
    let mend = Some("ip -n blue link set dev eth1 netns $$");
    only(well(), moved, Rule::Device, "namespace blue", mend);
}

#[test]
fn a_device_must_be_free() {
    let v4 = |f: &mut Facts| found(f).addresses = Ok(vec!["192.0.2.1/24".into()]);
    let flush = "ip address flush dev eth1";
    only(well(), v4, Rule::Addresses, "192.0.2.1/24", Some(flush));
    let v6 = |f: &mut Facts| found(f).addresses = Ok(vec!["2001:db8::1/64".into()]);
    let both = format!("{flush} && sysctl -w net.ipv6.conf.eth1.disable_ipv6=1");
    only(well(), v6, Rule::Addresses, "2001:db8::1", Some(&both));
    let bridged = |f: &mut Facts| found(f).master = Some("br0".into());
    let out = Some("ip link set dev eth1 nomaster");
    only(well(), bridged, Rule::Master, "br0", out);
    let managed = |f: &mut Facts| found(f).network_manager = true;
    let mend = Some("nmcli device set eth1 managed no");
    only(
        well(),
        managed,
        Rule::NetworkManager,
        "NetworkManager",
        mend,
    );
    let mut networkd = well();
    found(&mut networkd).networkd = true;
    let report = judge(&networkd);
    let mend = amiss(&report)[0].mend.as_deref().unwrap();
    assert!(
        mend.contains("Name=eth1") && mend.contains("Unmanaged=yes"),
        "{mend}"
    );
}

#[test]
fn a_device_of_another_process_is_said_to_be_its() {
    let other = |f: &mut Facts| {
        found(f).holder = Ok(Some(Holder {
            process: Some((99, "vis".into())),
        }));
    };
    only(
        well(),
        other,
        Rule::Holder,
        "process 99 (vis)",
        Some("kill 99"),
    );
    only(
        stopped(),
        other,
        Rule::Holder,
        "process 99 (vis)",
        Some("kill 99"),
    );
    let unknown = |f: &mut Facts| found(f).holder = Ok(Some(Holder { process: None }));
    only(stopped(), unknown, Rule::Holder, "pgrep -a 'iv|vis'", None);
    // The daemon's own claim, where processes cannot be seen.
    let mut own = well();
    unknown(&mut own);
    assert_eq!(judge(&own).status, Status::Well);
}

#[test]
fn what_the_daemon_did_to_a_device_must_hold() {
    let set = |what: &str| format!("ip link set dev eth1 {what}");
    let down = |f: &mut Facts| found(f).up = false;
    only(well(), down, Rule::Up, "it is down", Some(&set("up")));
    let promiscuity = |f: &mut Facts| found(f).promiscuity = 0;
    let mend = set("promisc on");
    only(
        well(),
        promiscuity,
        Rule::Promiscuity,
        "promiscuous",
        Some(&mend),
    );
    let arp = |f: &mut Facts| found(f).arp = true;
    only(well(), arp, Rule::Arp, "ARP", Some(&set("arp off")));
    let ipv6 = |f: &mut Facts| found(f).ipv6 = true;
    let off = "sysctl -w net.ipv6.conf.eth1.disable_ipv6=1";
    only(well(), ipv6, Rule::Ipv6, "IPv6", Some(off));
    let hook = |f: &mut Facts| found(f).isolated = Ok(false);
    only(well(), hook, Rule::Isolation, "nftables", None);
    // Before it runs, none of that has to be so.
    let mut before = stopped();
    for change in [down as fn(&mut Facts), arp, ipv6] {
        change(&mut before);
    }
    assert_eq!(amiss(&judge(&before)).len(), 1);
}

#[test]
fn a_link_is_plugged_in_at_the_other_end_too() {
    let cut = |f: &mut Facts| found(f).carrier = false;
    only(well(), cut, Rule::Carrier, "at the other end", None);
}

#[test]
fn an_isolation_that_was_left_behind_is_worth_a_note() {
    let left = |f: &mut Facts| found(f).isolated = Ok(true);
    let mend = Some("nft delete table netdev niv-eth1");
    only(stopped(), left, Rule::LeftIsolation, "killed", mend);
}

#[test]
fn an_mtu_has_room_for_tags() {
    let small = |f: &mut Facts| found(f).mtu = 1500;
    let mend = Some("ip link set dev eth1 mtu 1510");
    only(well(), small, Rule::Mtu, "1500, and 1510 is needed", mend);
    let limit = |f: &mut Facts| found(f).max_mtu = Some(1500);
    only(well(), limit, Rule::MtuLimit, "by 10 octets", None);
}

#[test]
fn a_plain_port_takes_ordinary_frames_unless_a_line_says_otherwise() {
    let plain = |mtu, said, most| {
        move |f: &mut Facts| {
            f.devices[0].wanted.role = Role::Plain;
            f.devices[0].wanted.mtu = said;
            found(f).mtu = mtu;
            found(f).max_mtu = Some(most);
            link(f).session = None;
        }
    };
    let mend = Some("ip link set dev eth1 mtu 1500");
    let small = plain(1400, 0, 9000);
    only(well(), small, Rule::PlainMtu, "its MTU is 1400", mend);
    let weak = plain(1400, 0, 1400);
    only(well(), weak, Rule::PlainMtu, "say `mtu 1400`", None);
    for fine in [plain(1500, 0, 9000), plain(1400, 1400, 9000)] {
        let mut facts = well();
        fine(&mut facts);
        assert_eq!(amiss(&judge(&facts)), Vec::<&Finding>::new());
    }
    let mend = Some("ip link set dev eth1 mtu 1500");
    let meant = plain(1400, 1500, 9000);
    only(well(), meant, Rule::Mtu, "1500 is needed", mend);
}

#[test]
fn what_probes_find_is_told_from_what_both_ends_have() {
    let between = |f: &mut Facts| {
        (health(f).mtu_proven, health(f).mtu_limit) = (0, 1499);
    };
    only(
        well(),
        between,
        Rule::PathMtu,
        "something between them",
        None,
    );
    let end = |f: &mut Facts| {
        *health(f) = LinkHealth {
            mtu_wanted: 1500,
            mtu_proven: 1500,
            mtu_limit: 1500,
            ..*health(f)
        };
    };
    only(
        well(),
        end,
        Rule::PathMtu,
        "one end has an MTU of 1500",
        None,
    );
    let mut trying = well();
    (
        health(&mut trying).mtu_proven,
        health(&mut trying).mtu_settled,
    ) = (0, false);
    let report = judge(&trying);
    assert_eq!(report.unseen[0].rule, Rule::PathMtu);
    assert_eq!(report.status, Status::Unseen);
}

#[test]
fn offloads_that_merge_or_take_out_are_named() {
    let on = |feature: &'static str| {
        move |f: &mut Facts| {
            let features = &mut found(f).driver.as_mut().unwrap().features;
            features.insert(feature.to_owned(), true);
        }
    };
    let lro = Some("ethtool -K eth1 lro off");
    only(well(), on("rx-lro"), Rule::Lro, "LRO", lro);
    let gro = Some("ethtool -K eth1 rx-gro-hw off");
    only(
        well(),
        on("rx-gro-hw"),
        Rule::GroHardware,
        "hardware GRO",
        gro,
    );
    let vlan = Some("ethtool -K eth1 rxvlan off txvlan off");
    let stripping = Rule::VlanStripping;
    only(well(), on("rx-vlan-hw-parse"), stripping, "VLAN tags", vlan);
    only(
        well(),
        on("tx-vlan-hw-insert"),
        stripping,
        "VLAN tags",
        vlan,
    );
    let mut soft = well();
    on("rx-vlan-hw-parse")(&mut soft);
    found(&mut soft).kind = Some("veth".into());
    assert_eq!(judge(&soft).status, Status::Well);
    assert!(amiss(&judge(&soft)).is_empty());
}

#[test]
fn a_mode_without_af_xdp_is_worth_a_note() {
    let alone = |f: &mut Facts| link(f).mode = Some("af_packet".into());
    only(well(), alone, Rule::IoMode, "af_packet alone", None);
    let locked = |f: &mut Facts| {
        alone(f);
        f.host.locked_memory = Some(65536);
    };
    let mend = Some("ulimit -l unlimited");
    only(well(), locked, Rule::IoMode, "too little memory", mend);
}

#[test]
fn a_session_that_is_not_there_is_broken_and_says_why() {
    let lost = |f: &mut Facts| {
        link(f).session = Some(Session {
            why: Some("no switch has answered".into()),
            ..Session::default()
        });
    };
    only(well(), lost, Rule::Session, "no switch has answered", None);
    let late = |f: &mut Facts| health(f).silent_ms = 850;
    only(well(), late, Rule::ControlFrames, "850 ms ago", None);
    let refused = |f: &mut Facts| link(f).refused = Some("it belongs to br0".into());
    only(well(), refused, Rule::Refused, "belongs to br0", None);
}

#[test]
fn a_box_in_the_middle_is_told_from_a_wrong_end() {
    let advice = |f: &mut Facts| link(f).advice = Some("both ends are an iv".into());
    only(well(), advice, Rule::FarEnd, "both ends are an iv", None);
    let bridge = |f: &mut Facts| {
        advice(f);
        link(f).neighbours = vec![("sw9, port 4".into(), None)];
    };
    only(well(), bridge, Rule::Middle, "both ends", None);
    let several = |f: &mut Facts| {
        advice(f);
        let one = ("b, port 1".to_owned(), Some("vis".to_owned()));
        link(f).neighbours.push(one);
    };
    only(well(), several, Rule::Middle, "both ends", None);
}

#[test]
fn rights_are_those_of_who_is_to_start_it() {
    let raw = |f: &mut Facts| f.host.may_open_sockets = Ok(false);
    let mend = "sudo setcap cap_net_raw,cap_net_admin+ep \"$(command -v iv)\"";
    only(
        stopped(),
        raw,
        Rule::PacketSockets,
        "CAP_NET_RAW",
        Some(mend),
    );
    let admin = |f: &mut Facts| f.host.may_change_devices = Ok(false);
    only(
        stopped(),
        admin,
        Rule::DeviceRights,
        "CAP_NET_ADMIN",
        Some(mend),
    );
    let tun = |f: &mut Facts| f.host.tun = Some(NoTun::Missing);
    for (why, says, mend) in [
        (NoTun::Missing, "driver is not there", Some("modprobe tun")),
        (
            NoTun::Forbidden,
            "may not open it",
            Some("sudo chmod 0666 /dev/net/tun"),
        ),
        (NoTun::Withheld, "10:200", None),
    ] {
        let tun = |f: &mut Facts| f.host.tun = Some(why);
        only(stopped(), tun, Rule::TapDevices, says, mend);
    }
    let memory = |f: &mut Facts| f.host.locked_memory = Some(65536);
    let mend = Some("ulimit -l unlimited");
    only(stopped(), memory, Rule::LockedMemory, "65536 octets", mend);
    // A daemon that runs has its rights, whatever those of who asks.
    let mut facts = well();
    for change in [raw as fn(&mut Facts), admin, tun, memory] {
        change(&mut facts);
    }
    assert_eq!(judge(&facts).status, Status::Well);
}

#[test]
fn a_machine_that_does_not_fit_is_said_to() {
    let old = |f: &mut Facts| f.host.kernel = "4.19.0-21-amd64".into();
    only(well(), old, Rule::Kernel, "4.20 or later", None);
    let mut just = well();
    just.host.kernel = "4.20.0".into();
    assert_eq!(judge(&just).status, Status::Well);
    let clock = |f: &mut Facts| f.host.clock = 86_400;
    let set = Some("timedatectl set-ntp true");
    only(well(), clock, Rule::Clock, "never set", set);
    let mut filter = well();
    filter.host.bridge_filter = true;
    let report = judge(&filter);
    assert_eq!(amiss(&report)[0].rule, Rule::BridgeFilter);
    let strict = |f: &mut Facts| f.host.strict_return_path = vec!["tap1".into(), "eth9".into()];
    let loose = "sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.tap1.rp_filter=2";
    only(well(), strict, Rule::ReturnPath, "rp_filter", Some(loose));
}

#[test]
fn what_was_not_seen_is_named_and_costs_the_good_status() {
    let mut facts = well();
    found(&mut facts).isolated = Err("needs CAP_NET_ADMIN".into());
    let report = judge(&facts);
    assert_eq!(report.status, Status::Unseen);
    assert_eq!(report.unseen[0].rule, Rule::Isolation);
    facts.devices[0].found = Err("netlink says no".into());
    assert_eq!(judge(&facts).unseen[0].rule, Rule::Device);
}

#[test]
fn where_nobody_names_a_device_that_is_said() {
    let mut facts = stopped();
    facts.devices.clear();
    let report = judge(&facts);
    assert!(amiss(&report).iter().any(|f| f.rule == Rule::Devices));
    assert_eq!(report.status, Status::Broken);
}
