//! The machine: rights, kernel, clock, and settings that get in the way.

use super::Verdict;
use crate::Rule;
use crate::facts::{Daemon, Facts, NoTun};

/// The first second of 2024: a clock before it was never set.
const PLAUSIBLE: u64 = 1_704_067_200;
/// Of AF_XDP, for one device.
const LOCKED: u64 = 256 << 10;
/// PACKET_IGNORE_OUTGOING is of this release.
const OLDEST: (u32, u32) = (4, 20);

pub(super) fn judge(facts: &Facts, verdict: &mut Verdict) {
    let host = &facts.host;
    // Of a daemon that runs it is known that it may.
    if !matches!(facts.daemon, Daemon::Running(_) | Daemon::Silent(_)) {
        rights(facts, verdict);
    }
    match version(&host.kernel) {
        Some(kernel) if kernel < OLDEST => verdict.amiss_elsewhere(
            Rule::Kernel,
            "kernel",
            format!("Linux {} is too old: 4.20 or later is needed", host.kernel),
        ),
        Some(_) => verdict.well(Rule::Kernel, "kernel", format!("Linux {}", host.kernel)),
        None => verdict.unseen(
            Rule::Kernel,
            "kernel",
            format!("`{}` is no release that is understood", host.kernel),
        ),
    }
    if host.clock < PLAUSIBLE {
        verdict.amiss(
            Rule::Clock,
            "clock",
            "it was never set: what the log says of times is of no use",
            "timedatectl set-ntp true",
        );
    }
    if host.bridge_filter {
        verdict.amiss(
            Rule::BridgeFilter,
            "br_netfilter",
            "bridges of this host hand their frames to iptables, whose rules may drop what guests behind a bridge send",
            "sysctl -w net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 \
             net.bridge.bridge-nf-call-arptables=0",
        );
    }
    let taps = facts.daemon.running().map(|r| r.taps.as_slice());
    for tap in taps.unwrap_or_default() {
        if host.strict_return_path.contains(tap) {
            verdict.amiss(
                Rule::ReturnPath,
                tap,
                "the host drops what comes in here if its answer would leave by another device (rp_filter)",
                format!("sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{tap}.rp_filter=2"),
            );
        }
    }
}

fn rights(facts: &Facts, verdict: &mut Verdict) {
    let (host, program) = (&facts.host, facts.program);
    let each = [
        (
            Rule::PacketSockets,
            &host.may_open_sockets,
            "it may open no raw sockets: CAP_NET_RAW is missing; run it as root, or once",
        ),
        (
            Rule::DeviceRights,
            &host.may_change_devices,
            "it may not change devices: CAP_NET_ADMIN is missing; run it as root, or once",
        ),
    ];
    for (rule, may, says) in each {
        if verdict.seen(rule, program, may) == Some(&false) {
            verdict.amiss(
                rule,
                program,
                says,
                format!("sudo setcap cap_net_raw,cap_net_admin+ep \"$(command -v {program})\""),
            );
        }
    }
    if let Some(why) = host.tun.filter(|_| facts.makes_taps) {
        let (rule, about) = (Rule::TapDevices, "/dev/net/tun");
        match why {
            NoTun::Missing => verdict.amiss(
                rule,
                about,
                "no TAP devices can be made: the kernel's driver is not there",
                "modprobe tun",
            ),
            NoTun::Forbidden => verdict.amiss(
                rule,
                about,
                "no TAP devices can be made: this user may not open it",
                "sudo chmod 0666 /dev/net/tun",
            ),
            NoTun::Withheld => verdict.amiss_elsewhere(
                rule,
                about,
                "no TAP devices can be made: this container is not given it; where it is started, allow the character \
                 device 10:200",
            ),
        }
    }
    if let Some(most) = host.locked_memory.filter(|&most| most < LOCKED) {
        verdict.amiss(
            Rule::LockedMemory,
            program,
            format!(
                "it may lock {most} octets of memory, and AF_XDP takes {LOCKED} for each device: frames will be sent at \
                 twice the cost (`LimitMEMLOCK=infinity` in its service)"
            ),
            "ulimit -l unlimited",
        );
    }
}

/// `6.18.5-amd64`: (6, 18)
fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
