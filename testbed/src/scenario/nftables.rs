//! Access lists beside nftables: the same lists and frames, and what each lets pass and counts.
//!
//! A port of the switch has a list; a device elsewhere has the same list as a chain of nftables at its ingress
//! (`nftables_words.rs`). Every frame goes to both. Which frames get through must be the same ones, and each line must
//! have decided as many.
//!
//! Lists have lines of all kinds: protocols, addresses with any wildcard, ports (`eq`, `neq`, `lt`, `gt`, `range`), TCP
//! flags and `established`, ICMP types and codes, DSCP, `fragments`, EtherTypes. What a later fragment does not say denies
//! it with us; that is said to nftables in so many words, in a chain of its own. What is left out, since nftables says or
//! reads it otherwise:
//!
//! - packets that are unreadable to us, and headers cut short in a first fragment: a `deny` of ours matches them, and
//!   nothing in nftables asks for what is not there;
//! - VLAN tags and RFC 1042 headers, behind which it looks only if told how many there are;
//! - IPv6 authentication headers, which it takes for what is carried; mobility, host identity and shim headers, which
//!   are none to it; and later fragments that carry an extension header;
//! - `lt 0` and `gt 65535`, which it refuses. It is not told of `log`, which decides nothing.

use super::nftables_drawn::{FAMILIES, draw, view, with_a_fault};
use super::nftables_words::{NONE, OTHERS, TABLE, counter, table};
use super::shell::Typist;
use crate::binaries::Binaries;
use crate::daemon::spawn_in;
use crate::endpoint::frame::{EXPERIMENTAL, Source, ethernet};
use crate::endpoint::watch::{Choice, Watch};
use crate::error::{Doing, LabError, Result, check};
use crate::lab::Lab;
use crate::need::command;
use crate::report::Report;
use niv::Mac;
use policy::acl::{AccessList, Action, Family, Sequence, first_match};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Rule sets of each family, half of them for frames that come in, half for frames that go out.
const SETS: u64 = 12;
/// As many as surely wait in a queue.
const BATCH: usize = 64;
/// Octets of a frame, without its checksum.
const SHORTEST: usize = 60;
/// Behind each frame's packet: what ours are known by, and a number.
const OURS: [u8; 4] = *b"judg";
const WITHIN: Duration = Duration::from_secs(10);

const VIS: &str = "vlan 10\ninterface ethernet 1\n  device p1\n  switchport access vlan 10\n\
                   interface ethernet 2\n  device p2\n  switchport access vlan 10\n";

/// One way from sender to receiver: by the switch, or by nftables.
struct Way {
    /// Which one.
    by: &'static str,
    source: Source,
    watch: Watch,
}

impl Way {
    /// As long as the shortest frame on a cable, so that nobody makes it longer.
    fn send(&mut self, frame: &[u8], number: u32) -> Result<()> {
        let mut numbered = frame.to_vec();
        numbered.resize(frame.len().max(SHORTEST - 8), 0);
        numbered.extend(OURS.into_iter().chain(number.to_be_bytes()));
        self.source.send(&numbered)
    }

    /// The numbers of our frames, until that of `last`.
    fn gather(&self, last: u32, into: &mut Vec<u32>) -> Result<()> {
        let end = Instant::now() + WITHIN;
        loop {
            match self.watch.try_next()? {
                Some(seen) => {
                    let number = number_of(&seen.bytes);
                    into.extend(number.filter(|&number| number != last));
                    if number == Some(last) {
                        return Ok(());
                    }
                }
                None => {
                    check(Instant::now() < end, || {
                        format!("what ends a batch is lost by {}", self.by)
                    })?;
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        }
    }

    /// So many in all, each once. What overtook the end of its batch was gathered with the next; what did in the last
    /// is gathered here.
    fn gather_all(&self, expected: usize, into: &mut Vec<u32>) -> Result<()> {
        let missing = expected.saturating_sub(into.len());
        let late = self.watch.gather(WITHIN, |seen| {
            let ours = seen.iter().filter_map(|seen| number_of(&seen.bytes));
            ours.count() >= missing
        })?;
        into.extend(late.iter().filter_map(|seen| number_of(&seen.bytes)));
        into.sort_unstable();
        check(into.len() == expected, || {
            let (arrived, by) = (into.len(), self.by);
            format!("{expected} frames were let through by {by}, and {arrived} arrived")
        })?;
        let twice = into.windows(2).any(|two| two.first() == two.last());
        check(!twice, || format!("a frame arrives twice by {}", self.by))
    }
}

fn number_of(frame: &[u8]) -> Option<u32> {
    let (rest, number) = frame.split_last_chunk::<4>()?;
    rest.ends_with(&OURS).then_some(u32::from_be_bytes(*number))
}

/// How often each line has decided, by its number, and how many frames none has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counted {
    lines: BTreeMap<u32, u64>,
    none: u64,
}

impl Counted {
    fn sum(&self) -> u64 {
        self.lines.values().sum::<u64>() + self.none
    }
}

/// What came of one rule set.
struct Outcome {
    /// Frames that one lets through and the other does not.
    differing: Vec<usize>,
    passed: usize,
    counted: [Counted; 2],
}

struct Judged {
    lab: Lab,
    typist: Typist,
    /// By the switch, and by nftables.
    ways: [Way; 2],
}

impl Judged {
    /// `near` sends by two cables: one leads through `vis`, one through `filter`, and both to `far`.
    fn start(binaries: &Binaries) -> Result<Self> {
        let mut lab = Lab::new(binaries);
        for host in ["near", "vis", "filter", "far"] {
            lab.add_host(host)?;
        }
        for (near, by, far) in [
            (("near", "eth0"), ("vis", ["p1", "p2"]), ("far", "eth0")),
            (("near", "eth1"), ("filter", ["in", "out"]), ("far", "eth1")),
        ] {
            let (host, [from, to]) = by;
            lab.cable_for_daemons(near, (host, from))?;
            lab.cable_for_daemons((host, to), far)?;
            for (host, device) in [near, (host, from), (host, to), far] {
                lab.host(host)?.silence(device)?;
                lab.host(host)?.up(device)?;
            }
        }
        lab.start("vis", "vis", VIS)?;
        let typist = Typist::of(binaries, lab.daemon("vis")?.socket());
        let way = |by: &'static str, device: &str| -> Result<Way> {
            let far = lab.host("far")?;
            let interface = far.index(device)?.0;
            Ok(Way {
                by,
                source: Source::open(&lab.host("near")?.netns, device)?,
                watch: Watch::open(&far.netns, Choice::Received { interface })?,
            })
        };
        let ways = [way("the switch", "eth0")?, way("nftables", "eth1")?];
        Ok(Self { lab, typist, ways })
    }

    fn say(&self, lines: &str) -> Result<()> {
        let said = self.typist.shell(lines)?;
        check(said.done, || format!("{lines}{said:?}"))
    }

    /// Has nftables read a script; what it says.
    fn nft(&self, words: &[&str], script: &str) -> Result<String> {
        let mut nft = command("nft");
        nft.args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = spawn_in(&self.lab.host("filter")?.netns, &mut nft)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(script.as_bytes()).doing("tell nft")?;
        }
        let output = child.wait_with_output().doing("wait for nft")?;
        check(output.status.success(), || {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("{script}nft {words:?}: {said}")
        })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Puts frames to one list, and to another as nftables' own: the same, unless a fault is planted.
    fn judge(
        &mut self,
        ours: &AccessList,
        theirs: &AccessList,
        place: Place,
        frames: &[Vec<u8>],
    ) -> Result<Outcome> {
        let (group, name) = (ours.family().as_str(), ours.name());
        let Place { port, direction } = place;
        let apply = format!("interface ethernet {port}\n{group} access-group {name} {direction}\n");
        self.say(&format!("configure candidate\n{ours}{apply}commit\n"))?;
        self.nft(&["-f", "-"], &table(theirs, "in", "out"))?;
        let mut passed = [Vec::new(), Vec::new()];
        let end_of_batch = ethernet(Mac::BROADCAST, Mac([2, 0, 0, 0, 0, 9]), EXPERIMENTAL, &[]);
        for (batch, first) in frames.chunks(BATCH).zip((0..).step_by(BATCH)) {
            let last = u32::MAX - first;
            for way in &mut self.ways {
                for (frame, number) in batch.iter().zip(first..) {
                    way.send(frame, number)?;
                }
                way.send(&end_of_batch, last)?;
            }
            for (way, passed) in self.ways.iter().zip(&mut passed) {
                way.gather(last, passed)?;
            }
        }
        let batches = frames.chunks(BATCH).len() as u64;
        let judged = frames.iter().filter(|frame| judges(ours.family(), frame));
        let mut judged = judged.count() as u64;
        if ours.family() == Family::Mac {
            judged += batches;
        }
        let counted = self.counted(ours, judged)?;
        // What is permitted and lost on the way would look like what is dropped.
        let both = [ours, theirs].into_iter().zip(&counted);
        for (way, ((list, counted), passed)) in self.ways.iter().zip(both.zip(&mut passed)) {
            let lines = list.rules().zip(counted.lines.values());
            let permitted = lines.filter(|(rule, _)| rule.action() == Action::Permit);
            let permitted: u64 = permitted.map(|(_, count)| count).sum();
            let all = frames.len() as u64 + batches;
            let expected = (permitted + all - counted.sum() - batches) as usize;
            way.gather_all(expected, passed)?;
        }
        self.say(&format!(
            "configure candidate\ninterface ethernet {port}\nno {group} access-group {name} {direction}\n\
             no {group} access-list {name}\ncommit\n"
        ))?;
        self.nft(&["delete", "table", "netdev", TABLE], "")?;
        let [by_us, by_them] = &passed;
        let differs = |index: &usize| {
            let number = *index as u32;
            by_us.binary_search(&number).is_ok() != by_them.binary_search(&number).is_ok()
        };
        Ok(Outcome {
            differing: (0..frames.len()).filter(differs).collect(),
            passed: by_us.len(),
            counted,
        })
    }

    /// Waits until both have counted so many frames.
    fn counted(&mut self, list: &AccessList, judged: u64) -> Result<[Counted; 2]> {
        let end = Instant::now() + WITHIN;
        loop {
            let counted = [self.by_us(list)?, self.by_them(list)?];
            if counted.iter().all(|counted| counted.sum() == judged) {
                return Ok(counted);
            }
            check(Instant::now() < end, || {
                let [us, them] = counted.map(|counted| counted.sum());
                format!("of {judged} frames we have judged {us}, and nftables {them}")
            })?;
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn by_us(&mut self, list: &AccessList) -> Result<Counted> {
        let words = ["access-lists", list.name().as_str()];
        let shown = self.lab.daemon("vis")?.show_json(&words)?;
        let number = |at: &str| shown.pointer(at).and_then(Value::as_u64);
        let lines = shown.pointer("/lists/0/lines").and_then(Value::as_array);
        let lines = lines.into_iter().flatten().filter_map(|line| {
            let sequence = line.get("sequence")?.as_u64()?;
            Some((sequence as u32, line.get("matched")?.as_u64()?))
        });
        check(number("/lists/0/unreadable") == Some(0), || {
            format!("frames that everybody reads are unreadable: {shown}")
        })?;
        Ok(Counted {
            lines: lines.collect(),
            none: number("/lists/0/matched_none").unwrap_or_default(),
        })
    }

    fn by_them(&self, list: &AccessList) -> Result<Counted> {
        let said = self.nft(&["-j", "list", "counters", "table", "netdev", TABLE], "")?;
        let answer = |detail: String| LabError::Answer {
            program: "nft".to_owned(),
            detail,
        };
        let shown: Value = serde_json::from_str(&said).map_err(|why| answer(why.to_string()))?;
        let all = shown.pointer("/nftables").and_then(Value::as_array);
        let counters = all.into_iter().flatten().filter_map(|one| {
            let counter = one.get("counter")?;
            let name = counter.get("name")?.as_str()?;
            Some((name, counter.get("packets")?.as_u64()?))
        });
        let counters: BTreeMap<&str, u64> = counters.collect();
        let packets = |name: &str| counters.get(name).copied();
        let lines = list.sequences().map(|sequence| {
            let packets = packets(&counter(sequence.get()))?;
            Some((sequence.get(), packets))
        });
        let counted = lines.collect::<Option<_>>().zip(packets(NONE));
        let (lines, none) = counted
            .filter(|_| packets(OTHERS).is_some())
            .ok_or_else(|| answer(said.clone()))?;
        Ok(Counted { lines, none })
    }
}

/// Where a list is asked.
#[derive(Clone, Copy)]
struct Place {
    port: u8,
    direction: &'static str,
}

const INWARD: Place = Place {
    port: 1,
    direction: "in",
};
const OUTWARD: Place = Place {
    port: 2,
    direction: "out",
};

/// Whether a list of the family is asked about a frame.
fn judges(family: Family, frame: &[u8]) -> bool {
    let kind: &[u8] = match family {
        Family::Mac => return true,
        Family::Ipv4 => &[0x08, 0x00],
        Family::Ipv6 => &[0x86, 0xDD],
    };
    frame.get(12..14) == Some(kind)
}

/// Rule sets drawn at random, of all families, in and out.
pub(super) fn judged(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut judged = Judged::start(binaries)?;
    report.part("rule sets drawn at random");
    let (mut lines, mut hit, mut frames, mut differing, mut miscounted) = (0, 0, 0, 0, 0);
    for seed in 0..SETS * FAMILIES.len() as u64 {
        let family = *FAMILIES
            .get(seed as usize % FAMILIES.len())
            .unwrap_or(&Family::Mac);
        let place = if seed / 3 % 2 == 0 { INWARD } else { OUTWARD };
        let (list, all) = draw(seed, family)?;
        let outcome = judged.judge(&list, &list, place, &all)?;
        let [us, them] = &outcome.counted;
        let here = us.lines.values().filter(|&&count| count > 0).count();
        report.say(&format!(
            "seed {seed:>2}: {:<4} {:<3}  {:>3} lines, {here:>3} hit; {} frames, {:>4} let through, {} differing",
            family.as_str(),
            place.direction,
            list.len(),
            all.len(),
            outcome.passed,
            outcome.differing.len(),
        ));
        for &index in outcome.differing.iter().take(3) {
            let frame = all.get(index).map(Vec::as_slice).unwrap_or_default();
            report.say(&format!("differs: {frame:02x?}"));
            report.say(&format!("ours says {:?}", first_match(&list, &view(frame))));
        }
        let both = us.lines.iter().zip(&them.lines);
        for ((sequence, us), (_, them)) in both.filter(|(us, them)| us != them) {
            miscounted += 1;
            report.say(&format!(
                "line {sequence}: {us} frames, nftables {them}: {}",
                Sequence::new(*sequence)
                    .and_then(|sequence| list.entry(sequence))
                    .map(ToString::to_string)
                    .unwrap_or_default()
            ));
        }
        miscounted += usize::from(us.none != them.none);
        lines += list.len();
        hit += here;
        frames += all.len();
        differing += outcome.differing.len();
    }
    report.part("in sum");
    report.figure("rule sets", SETS * FAMILIES.len() as u64);
    report.figure(
        "lines, and how many of them decided",
        format!("{lines}, {hit}"),
    );
    report.figure("frames through the switch and through nftables", frames);
    report.figure("frames with different fates", differing);
    report.figure("lines with different counts", miscounted);
    check(differing == 0 && miscounted == 0, || {
        format!("{differing} frames and {miscounted} counts differ")
    })?;

    report.part("a fault that is planted");
    planted(&mut judged, report)?;
    judged.lab.check_alive()
}

/// What turns one line round is seen.
fn planted(judged: &mut Judged, report: &Report) -> Result<()> {
    let (list, frames) = draw(4, Family::Ipv4)?;
    let outcome = judged.judge(&list, &list, INWARD, &frames)?;
    let [us, _] = &outcome.counted;
    let most = us.lines.iter().max_by_key(|(_, count)| **count);
    let (&sequence, &decided) =
        most.ok_or_else(|| LabError::Check("a list without lines".to_owned()))?;
    let place = Sequence::new(sequence)
        .ok_or_else(|| LabError::Check("a line without a number".to_owned()))?;
    let faulty = with_a_fault(&list, place)?;
    let outcome = judged.judge(&list, &faulty, INWARD, &frames)?;
    report.figure(
        &format!("frames of line {sequence}, turned round in nftables"),
        decided,
    );
    report.figure("frames with different fates", outcome.differing.len());
    check(outcome.differing.len() as u64 == decided, || {
        "a line turned round changes other frames, or fewer".to_owned()
    })
}
