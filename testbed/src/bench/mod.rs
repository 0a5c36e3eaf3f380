//! `cargo lab bench`: our switch, our peers and the machine's limits, measured side by side, alternating.

mod bed;
mod device;
mod plot;
mod record;
mod self_test;
mod shape;
mod sink;
mod streams;
mod summary;
mod test;
mod threads;
mod trial;

pub(crate) use threads::keep_kernel_threads_on_their_core;

use crate::binaries::{Binaries, workspace};
use crate::error::{Doing, LabError, Result, check};
use crate::report::Report;
use bed::{Bed, Meanwhile, machine};
use device::{DEVICES, Device};
use record::{Header, Key, Log, Record, VERSION, json};
use shape::Size;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use streams::{Guests, PATHS};
use summary::Summary;
use test::{Item, MANY, ORDINARY, Test, Times, VIFS, Values};

/// What `cargo lab bench` is told.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Three sizes, fewer tests, two rounds: under five minutes.
    #[arg(long)]
    quick: bool,
    /// Begin anew; without it a run that was broken off goes on.
    #[arg(long)]
    fresh: bool,
    /// Only prove that generator and sink notice what they are there to notice.
    #[arg(long)]
    self_test: bool,
    /// Print devices and tests.
    #[arg(long)]
    list: bool,
    /// Only this device; may be given several times.
    #[arg(long, value_name = "NAME")]
    device: Vec<String>,
    /// Only this test; may be given several times.
    #[arg(long, value_name = "NAME")]
    test: Vec<String>,
    /// Rounds, in place of 5, or of 2 with --quick.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Where results go, in place of `target/bench`.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Measure nothing: write tables and plots anew from what was measured.
    #[arg(long)]
    report: bool,
}

/// The tests' names, and what each is.
const TESTS: &[(&str, &str)] = &[
    ("content", "every octet of every frame that comes back"),
    (
        "rate",
        "maximum forwarding rate, under overload and from one sender",
    ),
    (
        "loss-free",
        "the highest rate without loss, by binary search (RFC 2544)",
    ),
    ("latency", "delay at 50 and 90 % of that; needs `loss-free`"),
    (
        "congestion",
        "seven stations to one, offered more than anybody takes (after RFC 2889)",
    ),
    ("broadcast", "frames to everybody (RFC 2889)"),
    (
        "table",
        "address caching capacity and learning rate (RFC 2889)",
    ),
    (
        "tcp",
        "iperf3 between two guests of a host, in one stream and in four",
    ),
    (
        "exchange",
        "a datagram there and back between two guests of a host",
    ),
];

impl Arguments {
    /// Whether anything has to run in a lab.
    pub(crate) const fn needs_a_lab(&self) -> bool {
        !(self.list || self.report)
    }

    fn wants_test(&self, name: &str) -> bool {
        self.test.is_empty() || self.test.iter().any(|test| test == name)
    }

    fn wants_device(&self, name: &str) -> bool {
        self.device.is_empty() || self.device.iter().any(|device| device == name)
    }

    /// Names nobody knows are refused before anything is built.
    ///
    /// # Errors
    /// With the names there are.
    pub(crate) fn check_names(&self) -> Result<()> {
        let devices = DEVICES
            .iter()
            .map(|(name, ..)| *name)
            .chain(PATHS.iter().map(|(name, ..)| *name));
        let devices: Vec<_> = devices.collect();
        let tests: Vec<_> = TESTS.iter().map(|(name, _)| *name).collect();
        for (kind, asked, known) in [
            ("device", &self.device, devices),
            ("test", &self.test, tests),
        ] {
            if let Some(name) = asked.iter().find(|name| !known.contains(&name.as_str())) {
                return Err(LabError::Unknown {
                    kind,
                    name: name.clone(),
                    known: known.join(" "),
                });
            }
        }
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.out
            .clone()
            .unwrap_or_else(|| workspace().join("target/bench"))
    }

    fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 2 } else { 5 })
    }

    /// How often it is gone through what is not done yet. A full run took 44 minutes where a sixth of the time was stolen, and is
    /// to end within two hours.
    const fn times(&self) -> u32 {
        if self.quick { 1 } else { 2 }
    }

    fn header(&self) -> Header {
        Header {
            version: VERSION,
            quick: self.quick,
            rounds: self.rounds(),
            machine: machine(),
        }
    }
}

/// The instruments, and our switch between them for a moment: whether it can be measured, not how fast it is.
///
/// # Errors
/// The instruments are wrong, or a frame came back wrong.
pub(crate) fn smoke(binaries: &Binaries, report: &Report) -> Result<()> {
    self_test::self_test(binaries, report)?;
    let times = Times {
        warm: Duration::from_millis(50),
        window: Duration::from_millis(500),
        trial: Duration::from_millis(50),
        steps: 1,
    };
    let mut bed = Bed::new(binaries, false)?;
    let running = Device::Vis { xdp: true }.start(&mut bed, ORDINARY, VIFS)?;
    let size = Size::Octets(64);
    for test in [Test::Content, Test::Overload, Test::Sender] {
        let stations = 2;
        let item = Item {
            test,
            size,
            stations,
        };
        let values = test::run(item, &bed, &running, times, None)?;
        let (name, input) = item.name();
        if let Some(kpps) = values.get("kpps") {
            check(*kpps > 0.0, || format!("{name} {input}: nothing came back"))?;
            report.figure(
                &format!("vis, {name}, {input}, 64 octets"),
                format!("{kpps:.0} kpps"),
            );
        } else {
            report.figure(
                &format!("vis, {name}, 64 octets"),
                "each came back once, whole and in order",
            );
        }
    }
    Ok(())
}

/// What needs no lab: the list, or tables and plots of what was measured before.
///
/// # Errors
/// Nothing was measured.
pub(crate) fn look(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        list();
        return Ok(());
    }
    rewrite(arguments)
}

/// Prints devices and tests, and what is missing.
fn list() {
    println!("devices under test:");
    for (name, about, device) in DEVICES {
        let missing = device
            .missing()
            .map(|why| format!(" [{why}]"))
            .unwrap_or_default();
        println!("  {name:<18} {about}{missing}");
    }
    println!("guests behind a switch:");
    for (name, about, path) in PATHS {
        let missing = path
            .missing()
            .map(|why| format!(" [{why}]"))
            .unwrap_or_default();
        println!("  {name:<18} {about}{missing}");
    }
    println!("tests:");
    for (name, about) in TESTS {
        println!("  {name:<18} {about}");
    }
}

/// Measures, and writes what it comes to. In the sandbox.
///
/// # Errors
/// The machine cannot be measured on, or the instruments are wrong. A device that fails is a result.
pub(crate) fn bench(binaries: &Binaries, arguments: &Arguments) -> Result<()> {
    check(
        rustix::process::geteuid().is_root() && has_two_cores(),
        || {
            "the bench needs root and two cores: it loads XDP programs, and keeps generator and device apart".to_owned()
        },
    )?;
    let report = Report::new();
    self_test::self_test(binaries, &report)?;
    if arguments.self_test {
        return Ok(());
    }
    let folder = arguments.folder();
    let mut log = Log::open(&folder, arguments.header(), arguments.fresh)?;
    let started = Instant::now();
    for time in 1..=arguments.times() {
        if time > 1 {
            match log.disturbed() {
                0 => break,
                n => report.part(&format!(
                    "again, of {}, what the hypervisor disturbed: {n}",
                    log.records.len()
                )),
            }
        }
        for round in 1..=arguments.rounds() {
            report.part(&format!("round {round} of {}", arguments.rounds()));
            measure(binaries, arguments, &mut log, round, &report)?;
        }
    }
    report.part(&format!(
        "measured in {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    write(&folder, arguments, &log)
}

/// What is still to be done in a round.
fn measure(
    binaries: &Binaries,
    arguments: &Arguments,
    log: &mut Log,
    round: u32,
    report: &Report,
) -> Result<()> {
    let mut plan = Plan {
        binaries,
        arguments,
        log,
        round,
        report,
    };
    for (name, _, device) in DEVICES {
        if arguments.wants_device(name) {
            match device.missing() {
                None => plan.measure(name, *device)?,
                Some(why) => report.figure(name, why),
            }
        }
    }
    for (name, _, path) in PATHS {
        if arguments.wants_device(name) {
            match path.missing() {
                None => plan.measure_path(name, *path)?,
                Some(why) => report.figure(name, why),
            }
        }
    }
    Ok(())
}

/// Writes tables and plots from the records of the folder.
///
/// # Errors
/// There are none, or files cannot be written.
fn rewrite(arguments: &Arguments) -> Result<()> {
    let folder = arguments.folder();
    let text = fs::read_to_string(folder.join("results.jsonl"));
    let text = text.doing(format!(
        "read {}: nothing was measured",
        folder.join("results.jsonl").display()
    ))?;
    let header = text
        .lines()
        .next()
        .and_then(|line| serde_json::from_str::<Header>(line).ok());
    let header =
        header.ok_or_else(|| LabError::Check("its first line is of another version".to_owned()))?;
    let log = Log::open(&folder, header, false)?;
    write(&folder, arguments, &log)
}

fn write(folder: &Path, arguments: &Arguments, log: &Log) -> Result<()> {
    let missing = missing(arguments);
    let summary = Summary::new(&log.header, &log.records, &missing);
    let save = |name: &str, text: String| {
        let file = folder.join(name);
        fs::write(&file, text).doing(format!("write {}", file.display()))
    };
    let text = summary.write(false);
    println!("\n{text}");
    save("table.txt", text)?;
    save("table.md", summary.write(true))?;
    save("results.json", json(&summary.whole())? + "\n")?;
    for line in plot::plots(folder, &summary)? {
        println!("{line}");
    }
    println!("all of it is in {}", folder.display());
    Ok(())
}

/// Devices that cannot be measured here.
fn missing(arguments: &Arguments) -> Vec<(String, String)> {
    let devices = DEVICES
        .iter()
        .map(|(name, _, device)| (*name, device.missing()));
    let paths = PATHS.iter().map(|(name, _, path)| (*name, path.missing()));
    let all = devices
        .chain(paths)
        .filter(|(name, _)| arguments.wants_device(name));
    all.filter_map(|(name, why)| Some((name.to_owned(), why?)))
        .collect()
}

fn has_two_cores() -> bool {
    std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2)
}

/// A device's tests that are still to be done in a round.
struct Plan<'a> {
    binaries: &'a Binaries,
    arguments: &'a Arguments,
    log: &'a mut Log,
    round: u32,
    report: &'a Report,
}

impl Plan<'_> {
    const fn times(&self) -> Times {
        if self.arguments.quick {
            Times {
                warm: Duration::from_millis(100),
                window: Duration::from_millis(250),
                trial: Duration::from_millis(100),
                steps: 5,
            }
        } else {
            Times {
                warm: Duration::from_millis(150),
                window: Duration::from_millis(500),
                trial: Duration::from_millis(200),
                steps: 6,
            }
        }
    }

    /// All tests, those with as many stations as the device is started for.
    fn items(&self) -> Vec<Item> {
        let quick = self.arguments.quick;
        let sizes: &[Size] = if quick {
            &[Size::Octets(64), Size::Octets(1518), Size::Imix]
        } else {
            &[
                Size::Octets(64),
                Size::Octets(128),
                Size::Octets(256),
                Size::Octets(512),
                Size::Octets(1024),
                Size::Octets(1280),
                Size::Octets(1518),
                Size::Imix,
            ]
        };
        let item = |test, size, stations| Item {
            test,
            size,
            stations,
        };
        let small = Size::Octets(64);
        let mut items = vec![item(Test::Content, Size::Imix, 2)];
        for &size in sizes {
            items.push(item(Test::Overload, size, 2));
            items.push(item(Test::Sender, size, 2));
            items.push(item(Test::LossFree, size, 2));
            for part in [50, 90] {
                if !quick || size == small {
                    items.push(item(Test::Latency(part), size, 2));
                }
            }
        }
        for test in [Test::Overload, Test::Sender] {
            items.push(item(test, small, ORDINARY));
        }
        items.push(item(Test::Congestion, small, 2));
        items.push(item(Test::Broadcast, small, 2));
        for test in [Test::Overload, Test::Sender] {
            items.push(item(test, small, MANY));
        }
        if !quick || self.round == 1 {
            items.push(item(Test::Table, small, 0));
        }
        items
    }

    fn key(name: &str, item: Item) -> Key {
        let (test, input) = item.name();
        Key {
            device: name.to_owned(),
            test: test.to_owned(),
            input,
            size: item.size.name(),
            stations: item.stations,
        }
    }

    /// What is to be done now of a device.
    fn open_items(&self, name: &str, device: Device) -> Vec<Item> {
        let mut items = self.items();
        items.retain(|item| {
            item.is_for(device)
                && self.arguments.wants_test(item.name().0)
                && !self.log.has(self.round, &Self::key(name, *item))
        });
        items
    }

    fn measure(&mut self, name: &str, device: Device) -> Result<()> {
        let open = self.open_items(name, device);
        let started = Instant::now();
        let (tables, open): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|item| item.test == Test::Table);
        let (many, ordinary): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|item| item.stations == MANY);
        for (items, stations) in [(ordinary, ORDINARY), (many, MANY)] {
            if !items.is_empty() {
                self.measure_items(name, device, &items, stations)?;
            }
        }
        for item in tables {
            let meanwhile = Meanwhile::begin();
            let result = test::table(self.binaries, device, self.times());
            let (result, mode) = match result {
                Ok((values, mode)) => (Ok(values), mode),
                Err(error) => (Err(error), String::new()),
            };
            self.add(Self::key(name, item), result, &mode, meanwhile.end())?;
        }
        self.report
            .figure(name, format!("{:.1} s", started.elapsed().as_secs_f64()));
        Ok(())
    }

    fn measure_items(
        &mut self,
        name: &str,
        device: Device,
        items: &[Item],
        stations: u32,
    ) -> Result<()> {
        let started = Bed::new(self.binaries, device.is_threaded()).and_then(|mut bed| {
            let running = device.start(&mut bed, stations, VIFS)?;
            // The thread that keeps kernel threads on their core looks ten times a second.
            if device.is_threaded() {
                std::thread::sleep(Duration::from_millis(250));
            }
            Ok((running, bed))
        });
        let (running, bed) = match started {
            Ok(started) => started,
            Err(error) => {
                let why = said(&error);
                for &item in items {
                    self.add(
                        Self::key(name, item),
                        Err(LabError::Check(why.clone())),
                        "",
                        (0, 0),
                    )?;
                }
                return Ok(());
            }
        };
        for &item in items {
            let found = Item {
                test: Test::LossFree,
                ..item
            };
            let loss_free = self
                .log
                .value(self.round, &Self::key(name, found), "kpps")
                .map(|kpps| kpps * 1e3);
            let meanwhile = Meanwhile::begin();
            let result = test::run(item, &bed, &running, self.times(), loss_free);
            self.add(
                Self::key(name, item),
                result,
                &running.mode,
                meanwhile.end(),
            )?;
        }
        Ok(())
    }

    fn measure_path(&mut self, name: &str, path: streams::Path) -> Result<()> {
        let key = |test: &str, input: &str| Key {
            device: name.to_owned(),
            test: test.to_owned(),
            input: input.to_owned(),
            size: String::new(),
            stations: 0,
        };
        let keys = [
            key("tcp", "1 stream"),
            key("tcp", "4 streams"),
            key("exchange", ""),
        ];
        let open: Vec<_> = keys
            .into_iter()
            .filter(|key| self.arguments.wants_test(&key.test) && !self.log.has(self.round, key))
            .collect();
        if open.is_empty() {
            return Ok(());
        }
        let started = Instant::now();
        let guests = Guests::start(self.binaries, path);
        for key in open {
            let meanwhile = Meanwhile::begin();
            let seconds = if self.arguments.quick { 2 } else { 4 };
            let (result, mode) = match &guests {
                Err(error) => (Err(LabError::Check(said(error))), ""),
                Ok(guests) => {
                    let result = match (key.test.as_str(), key.input.as_str()) {
                        ("tcp", "1 stream") => guests.tcp(seconds, 1),
                        ("tcp", _) => guests.tcp(seconds, 4),
                        _ => guests.exchange(Duration::from_secs(u64::from(seconds) / 2)),
                    };
                    (result, guests.mode.as_str())
                }
            };
            self.add(key, result, mode, meanwhile.end())?;
        }
        self.report
            .figure(name, format!("{:.1} s", started.elapsed().as_secs_f64()));
        Ok(())
    }

    fn add(
        &mut self,
        key: Key,
        result: Result<Values>,
        mode: &str,
        (took_ms, stolen_ms): (u64, u64),
    ) -> Result<()> {
        let (values, error) = match result {
            Ok(values) => (values, None),
            Err(error) => (Values::new(), Some(said(&error))),
        };
        let line = match (&error, values.get("kpps").or_else(|| values.get("gbps"))) {
            (Some(error), _) => format!("failed: {error}"),
            (None, Some(value)) => format!("{value:.1}"),
            (None, None) => "done".to_owned(),
        };
        let what = format!(
            "{} {} {} {} {}",
            key.device, key.test, key.input, key.size, key.stations
        );
        self.report.figure(&what, line);
        self.log.add(Record {
            round: self.round,
            device: key.device,
            test: key.test,
            input: key.input,
            size: key.size,
            stations: key.stations,
            values,
            mode: mode.to_owned(),
            took_ms,
            stolen_ms,
            error,
        })
    }
}

/// An error with its causes, in one line.
fn said(error: &LabError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(because) = cause {
        text += &format!(": {because}");
        cause = because.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_there_are() {
        for (option, one_of_them) in [("--device", "bridge-one-core"), ("--test", "loss-free")] {
            let line = Line::parse_from(["bench", option, "nonsense"]);
            let error = line.arguments.check_names().unwrap_err().to_string();
            assert!(
                error.contains("nonsense") && error.contains(one_of_them),
                "{error}"
            );
        }
        let line = Line::parse_from([
            "bench", "--device", "vis", "--device", "chain", "--test", "tcp",
        ]);
        line.arguments.check_names().unwrap();
    }
}
