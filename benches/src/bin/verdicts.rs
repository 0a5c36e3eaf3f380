//! Judges frames while lines are said that change how frames are judged: `verdicts FRAMES`.
//!
//! One configuration lives on from line to line, as the daemon's does, with what it keeps made ready. Another one is read
//! anew from its text after each line. What the first lets become of a frame must be what the second says would: the same
//! copies, octets and counts. Lines, frames and times are drawn at random, and are the same each time.
#![allow(clippy::print_stdout, reason = "it is what the program is for")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a measurement that goes wrong may end loudly"
)]

use niv::{DropReason, Gather, PortId, Weight};
use packet_io::{Edit, Offload, Outgoing, RxFrame};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Instant;
use vis::config::{Config, Context, InterfaceId, parse};
use vis::daemon::topology;
use vis::shell::understand;
use vis::switch::{
    Explanation, ListPlan, PortState, Seed, Slots, Snapshot, Switch, Time, Topology, list_sets,
};

const START: &str = "\
vlan 10,20
vlan 101
  private-vlan isolated
vlan 102
  private-vlan community
vlan 100
  private-vlan primary
  private-vlan association 101,102
ip access-list a
  permit ip any any
ip access-list b
  permit udp any any
ipv6 access-list six
  permit ipv6 any any
mac access-list m
  permit any any
port-profile p
  switchport access vlan 10
port-profile q
  inherit port-profile p
port-profile r
  inherit port-profile q
interface ethernet 1
  switchport mode vntag
  device a
interface ethernet 2
  switchport mode vntag
  device b
interface ethernet 3
  switchport access vlan 10
  device c
interface ethernet 4
  switchport access vlan 10
  device d
interface veth 1
  inherit port-profile r
  bind interface ethernet 1 channel 1
interface veth 2
  inherit port-profile r
  bind interface ethernet 1 channel 2
interface veth 3
  inherit port-profile q
  bind interface ethernet 1 channel 3
interface veth 4
  inherit port-profile r
  bind interface ethernet 2 channel 1
interface veth 5
  inherit port-profile p
  bind interface ethernet 2 channel 2
";

/// Where a line is said, and the line; of `{one|another}` one is drawn, and a word in both is the same in both.
const LINES: &[(&str, &[&str])] = &[
    (
        "{interface veth 1|interface veth 2|interface veth 3|interface veth 4|interface veth 5|interface ethernet 3|\
         interface ethernet 4|port-profile p|port-profile q|port-profile r}",
        &[
            "switchport mode {access|access|trunk}",
            "switchport mode private-vlan {host|host|promiscuous|trunk promiscuous}",
            "no switchport mode",
            "no switchport mode",
            "switchport access vlan {10|10|20}",
            "switchport trunk native vlan {10|20}",
            "switchport private-vlan host-association 100 {101|102}",
            "switchport private-vlan mapping 100 {101|102|101,102}",
            "switchport private-vlan mapping trunk 100 {101|102|101,102}",
            "switchport private-vlan trunk allowed vlan {10,100|10,20,100-102}",
            "switchport private-vlan trunk native vlan {10|100}",
            "switchport trunk allowed vlan {10|10,20|10,20,100-102}",
            "mtu {100|1500}",
            "no mtu",
            "{shutdown|no shutdown|no shutdown|no shutdown}",
            "no shutdown",
            "no shutdown",
            "no shutdown",
            "ip access-group {a|b} {in|out}",
            "no ip access-group {a|b} {in|out}",
            "no ip access-group {a|b} {in|out}",
            "ipv6 access-group six {in|out}",
            "no ipv6 access-group six {in|out}",
            "mac access-group m {in|out}",
            "no mac access-group m {in|out}",
            "police {input|output} rate {8|1000000} kbps burst 2 kbytes",
            "police {input|output} cir 1 mbps bc 10 kbytes be 20 kbytes exceed drop violate drop",
            "no police {input|output}",
            "no police {input|output}",
            "qos trust {cos|dscp}",
            "no qos trust",
            "qos set dscp {af11|0|46}",
            "no qos set dscp",
            "qos set cos {0|5}",
            "no qos set cos",
            "storm-control {broadcast|multicast|unicast} level pps {10|1000}",
            "no storm-control {broadcast|multicast|unicast}",
            "{switchport port-security|no switchport port-security|no switchport port-security|no switchport port-security}",
            "switchport port-security maximum {1|3|8|8}",
            "switchport port-security violation {protect|restrict}",
            "spanning-tree bpduguard {enable|disable|disable|disable}",
        ],
    ),
    (
        "ip access-list {a|b}",
        &[
            "{20|30|40} deny tcp any any eq {80|81}",
            "{20|30|40} permit tcp any any established",
            "{20|30|40} deny udp any host 10.0.0.{1|2} range 50 60",
            "{20|30|40} deny icmp any any",
            "{20|30|40} permit ip any any dscp af11",
            "{10|20|30|40} permit ip any any",
            "no {10|20|30|40}",
            "no {20|30|40}",
        ],
    ),
    (
        "ipv6 access-list six",
        &[
            "20 deny tcp any any eq {80|81}",
            "10 permit ipv6 any any",
            "no {10|20}",
        ],
    ),
    (
        "mac access-list m",
        &[
            "{5|20} deny host 0200.0000.000{1|2} any",
            "10 permit any any",
            "no {5|10|20}",
        ],
    ),
    (
        "interface veth {1|2|3|4|5}",
        &["{inherit port-profile p|inherit port-profile q|inherit port-profile r}"],
    ),
    (
        "port-profile {q|r}",
        &["inherit port-profile p", "no inherit port-profile"],
    ),
    ("vlan 102", &["private-vlan {isolated|community}"]),
    (
        "vlan 100",
        &["private-vlan association {add|add|remove} {101|102}"],
    ),
    (
        "vlan {20|10}",
        &["state {suspend|active|active|active|active}"],
    ),
    (
        "",
        &[
            "{no vlan 20|vlan 20|vlan 20}",
            "{no port-profile q|port-profile q|port-profile q}",
            "{no ip access-list b|ip access-list b|ip access-list b}",
            "{vlan dot1q tag native|no vlan dot1q tag native}",
        ],
    ),
];

/// What brings a port that forwards nothing back: else most frames would soon meet none that does.
const MENDS: &[&str] = &[
    "no shutdown",
    "no switchport mode",
    "no switchport port-security",
    "switchport access vlan 10",
];

/// What must become of at least so many frames of ten thousand: else too little was compared.
const LEAST: &[(&str, u64)] = &[
    ("copies that leave", 3_000),
    ("by a list", 300),
    ("in: acl_in", 50),
    ("out: acl_out", 40),
    ("in: policer_in", 20),
    ("out: policer_out", 50),
    ("in: storm_control", 2),
    ("in: port_security", 30),
    ("in: bpdu_guard", 1),
    ("out: private_vlan", 5),
    ("in: vlan_inactive", 10),
    ("marked otherwise", 100),
];

/// Lines after which everything is said anew: else all ports would end with policies that let little pass.
const ANEW: u64 = 64;
/// Frames between two lines, about.
const BETWEEN: u64 = 500;

/// Numbers that look random and are the same every time: SplitMix64.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// With one of each `{one|another}`.
    fn fill(&mut self, template: &str) -> String {
        let mut text = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (words, after) = after.split_once('}').unwrap();
            let words: Vec<&str> = words.split('|').collect();
            text.push_str(before);
            text.push_str(words[self.below(words.len())]);
            rest = after;
        }
        text + rest
    }

    fn address(&mut self) -> [u8; 6] {
        match self.below(12) {
            0 => [0xFF; 6],
            1 => [0x01, 0, 0x5E, 0, 0, 1],
            2 if self.one_in(8) => [0x01, 0x80, 0xC2, 0, 0, 0],
            _ => self.station(),
        }
    }

    fn station(&mut self) -> [u8; 6] {
        [2, 0, 0, 0, 0, 1 + self.below(8) as u8]
    }

    /// A device and what is received there.
    fn frame(&mut self) -> (u16, Vec<u8>) {
        let device = self.below(4) as u16;
        let mut frame = [self.address(), self.station()].concat();
        if device < 2 {
            let vif = 1 + self.below(if device == 0 { 3 } else { 2 }) as u32;
            frame.extend([0x89, 0x26]);
            frame.extend(vif.to_be_bytes());
        }
        if self.one_in(6) {
            let vid = *self.pick(&[0, 10, 10, 20, 100, 101, 102]);
            frame.extend([0x81, 0]);
            frame.extend((vid | (self.below(8) as u16) << 13).to_be_bytes());
        }
        match self.below(8) {
            0 => frame.extend([0x08, 0x06].into_iter().chain([0; 46])),
            1 | 2 => self.ipv6(&mut frame),
            _ => self.ipv4(&mut frame),
        }
        let longer = if self.one_in(8) { self.below(200) } else { 0 };
        frame.resize(frame.len() + longer, 0);
        (device, frame)
    }

    fn ipv4(&mut self, frame: &mut Vec<u8>) {
        let protocol = *self.pick(&[6, 6, 17, 1]);
        let fragment = if self.one_in(20) { [0, 9] } else { [0, 0] };
        let dscp = *self.pick(&[0, 0, 10 << 2, 46 << 2]);
        frame.extend([0x08, 0x00, 0x45, dscp, 0, 44, 0, 0]);
        frame.extend(fragment);
        frame.extend([64, protocol, 0, 0]);
        frame.extend([
            10,
            0,
            0,
            1 + self.below(3) as u8,
            10,
            0,
            0,
            1 + self.below(3) as u8,
        ]);
        // The header's checksum: over words that sum to less than 32 bits.
        let start = frame.len() - 20;
        let words = frame[start..].chunks(2);
        let sum: u32 = words
            .map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])))
            .sum();
        let sum = !((sum & 0xFFFF) + (sum >> 16)) as u16;
        frame[start + 10..start + 12].copy_from_slice(&sum.to_be_bytes());
        self.upper(frame, protocol);
    }

    fn ipv6(&mut self, frame: &mut Vec<u8>) {
        let protocol = *self.pick(&[6, 17, 58]);
        frame.extend([0x86, 0xDD, 0x60, 0, 0, 0, 0, 24, protocol, 64]);
        for _ in 0..2 {
            frame.extend([0x20, 0x01, 0xD, 0xB8]);
            frame.extend([0; 11]);
            frame.push(1 + self.below(3) as u8);
        }
        self.upper(frame, protocol);
    }

    fn upper(&mut self, frame: &mut Vec<u8>, protocol: u8) {
        let to = *self.pick(&[80, 81, 55, 1000]);
        let mut header = [0; 24];
        match protocol {
            6 | 17 => {
                header[2..4].copy_from_slice(&u16::to_be_bytes(to));
                header[0] = 4;
                header[12] = 0x50;
                header[13] = *self.pick(&[0x02, 0x10, 0x18]);
                if protocol == 17 {
                    header[4..6].copy_from_slice(&[0, 24]);
                }
            }
            _ => header[0] = 8,
        }
        frame.extend(header);
    }
}

/// The configuration that lives on, and what follows from it.
struct Live {
    config: Config,
    slots: Slots<InterfaceId>,
    topology: Topology,
    snapshot: Snapshot,
    /// By the configuration read anew.
    fresh: Snapshot,
}

impl Live {
    fn new() -> Self {
        let (config, _) = parse(START, "start").unwrap_or_else(|faults| panic!("{faults:?}"));
        let mut slots = Slots::new(64);
        let topology = topology(&config, 1, &mut slots, |_| true).unwrap();
        let snapshot = topology.compile().unwrap();
        Self {
            fresh: snapshot.clone(),
            config,
            slots,
            topology,
            snapshot,
        }
    }

    /// Everything is as at first.
    fn begin_anew(&mut self) {
        self.config = parse(START, "start").unwrap().0;
        self.publish();
    }

    /// Says a line. `false`: it was refused.
    fn say(&mut self, place: &str, line: &str) -> bool {
        let context = match place {
            "" => Context::Config,
            place => {
                let enter = understand(Context::Config.mode(), place).unwrap().unwrap();
                self.config.apply(&Context::Config, enter.line).unwrap()
            }
        };
        let said = understand(context.mode(), line);
        let said = said.unwrap_or_else(|fault| panic!("{place}: {line}: {fault:?}"));
        let taken = self.config.apply(&context, said.unwrap().line).is_ok();
        self.publish();
        taken
    }

    /// The port's place gets another holder, as when an interface is taken away and made anew.
    fn replace(&mut self, interface: InterfaceId) {
        if self.slots.release(&interface).is_some() {
            self.publish();
        }
    }

    /// Says something that may bring a port back that forwards nothing. `None`: all do.
    fn mend(&mut self, numbers: &mut Numbers) -> Option<()> {
        let ports = self.topology.ports.iter();
        let idle: Vec<_> = ports
            .filter(|port| port.state != PortState::Forwarding)
            .map(|port| format!("interface {}", port.name))
            .collect();
        let place = idle.get(numbers.below(idle.len().max(1)))?;
        let line = *numbers.pick(MENDS);
        self.say(place, line);
        Some(())
    }

    fn publish(&mut self) {
        let epoch = self.topology.epoch + 1;
        self.topology = topology(&self.config, epoch, &mut self.slots, |_| true).unwrap();
        let lists = (1u16..).zip(list_sets(&self.topology));
        self.topology.lists = lists
            .map(|(id, (device, members))| ListPlan {
                device,
                id: id.try_into().unwrap(),
                members,
            })
            .collect();
        self.snapshot = self.topology.compile().unwrap();
        let text = self.config.running_config();
        let (anew, _) = parse(&text, "anew").unwrap_or_else(|faults| panic!("{text}\n{faults:?}"));
        let mut slots = self.slots.clone();
        let mut anew = topology(&anew, epoch, &mut slots, |_| true).unwrap();
        anew.lists = self.topology.lists.clone();
        self.fresh = anew.compile().unwrap();
    }
}

const fn complete(bytes: &[u8]) -> RxFrame<'_> {
    RxFrame {
        bytes,
        vlan: None,
        offload: Offload::NONE,
        original_length: bytes.len() as u32,
    }
}

/// What a copy comes to, but for its place in the burst.
fn essence<'f>(frame: &RxFrame<'f>, copy: &Outgoing) -> (PortId, u32, Gather, &'f [u8], u8, Edit) {
    let gather = copy.gather;
    let rest = gather.rest(frame.bytes);
    (
        copy.port,
        copy.account,
        gather,
        rest,
        copy.uncounted,
        copy.edit,
    )
}

/// Frames by what became of them.
#[derive(Default)]
struct Met(BTreeMap<String, u64>);

impl Met {
    fn note(&mut self, explained: &Explanation) {
        let dropped = explained.counters.ingress.dropped.iter().next();
        if let Some((reason, _)) = dropped {
            self.count(&format!("in: {reason}"));
        }
        for copy in &explained.copies {
            match copy.fate {
                Ok(left) => {
                    self.count("copies that leave");
                    if left.edit != Edit::NONE {
                        self.count("marked otherwise");
                    }
                }
                Err(reason) => self.count(&format!("out: {reason}")),
            }
            if copy.list.is_some() {
                self.count("by a list");
            }
        }
    }

    fn count(&mut self, what: &str) {
        match self.0.get_mut(what) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(what.to_owned(), 1)),
        }
    }
}

fn main() {
    let frames: u64 = std::env::args()
        .nth(1)
        .map_or(100_000, |n| n.parse().unwrap());
    let begun = Instant::now();
    let mut numbers = Numbers(2026);
    let mut live = Live::new();
    let mut switch = Switch::new(NonZeroU32::new(64).unwrap(), Seed(5, 6));
    let mut now = 10_000_000_000;
    let (mut said, mut refused) = (0u64, 0u64);
    let (mut met, mut out) = (Met::default(), Vec::new());
    for number in 0..frames {
        now += numbers.next() % 2_000_000;
        if number % BETWEEN == BETWEEN - 1 {
            // Most that can be said is said of ports.
            let about = if numbers.one_in(4) {
                LINES
            } else {
                &LINES[..1]
            };
            let (places, lines) = *numbers.pick(about);
            let (place, line) = (numbers.fill(places), numbers.pick(lines));
            let line = numbers.fill(line);
            if said % ANEW == 0 {
                live.begin_anew();
            }
            said += 1;
            refused += u64::from(!live.say(&place, &line));
            live.mend(&mut numbers);
            if numbers.one_in(4) {
                live.say("vlan 10", "state active");
            }
            // Guards shut ports too, and what shuts one is not what is looked for.
            for port in live.topology.ports.iter().filter(|_| numbers.one_in(2)) {
                switch.open(port.slot);
            }
            if numbers.one_in(4) {
                let veth = (1 + numbers.below(5) as u32).try_into().unwrap();
                live.replace(InterfaceId::Veth(veth));
            }
        }
        let time = Time::from_nanos(now);
        let (device, bytes) = numbers.frame();
        let (device, frame) = (PortId(device), complete(&bytes));
        switch.attend(&live.snapshot, time);
        let explained = switch.explain(&live.fresh, time, device, &frame);
        let before = switch.total();
        out.clear();
        switch.receive(&live.snapshot, time, device, 0, &frame, &mut out);
        let mut expected = before;
        expected.merge(&explained.counters);
        assert_eq!(
            switch.total(),
            expected,
            "frame {number}: {bytes:02x?}\n{}",
            live.config.running_config()
        );
        let would_be = explained.copies.iter().flat_map(|copy| &copy.fate);
        let would_be: Vec<_> = would_be.map(|copy| essence(&frame, copy)).collect();
        let is: Vec<_> = out.iter().map(|copy| essence(&frame, copy)).collect();
        assert_eq!(
            is,
            would_be,
            "frame {number}: {bytes:02x?}\n{}",
            live.config.running_config()
        );
        met.note(&explained);
        for copy in &out {
            switch.drop_copy(copy.account, DropReason::TxFull, Weight::one(60));
        }
    }
    println!("{frames} frames judged as by a configuration read anew");
    println!(
        "{said} lines said between them, of which {refused} contradicted others and were refused"
    );
    for (what, count) in &met.0 {
        println!("{count:>10} {what}");
    }
    println!("{:.1} s", begun.elapsed().as_secs_f64());
    for (what, least) in LEAST {
        let count = met.0.get(*what).copied().unwrap_or_default();
        let least = frames / 10_000 * least;
        assert!(
            count >= least,
            "{what}: {count} frames, and {least} at least were to be compared"
        );
    }
}
