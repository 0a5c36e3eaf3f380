//! The tests, after RFC 2544 and RFC 2889, of one device that is at work.

use super::bed::Bed;
use super::device::{Device, Learning, Running};
use super::shape::{GROUP, Shape, Size, Traffic};
use super::sink::quantile;
use super::trial::{Outcome, Sender, Until, overload};
use crate::binaries::Binaries;
use crate::error::{LabError, Result};
use std::collections::BTreeMap;
use std::time::Duration;

/// Stations behind the ordinary tests: those the devices are told of when they start.
pub(super) const ORDINARY: u32 = 1024;
/// Stations of the large test.
pub(super) const MANY: u32 = 65_536;
/// VIFs in use, where there are such.
pub(super) const VIFS: u32 = 8;

/// One test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    /// Maximum forwarding rate under overload (RFC 2889, section 5.3).
    Overload,
    /// The same of what one sender sends as fast as it can.
    Sender,
    /// Throughput: the highest rate without loss (RFC 2544, section 26.1).
    LossFree,
    /// Delay at a part of that, in percent (RFC 2544, section 26.2).
    Latency(u32),
    /// Seven to one (after RFC 2889, section 5.4).
    Congestion,
    /// Broadcast (RFC 2889, section 5.6).
    Broadcast,
    /// Every octet of every frame.
    Content,
    /// Address caching capacity and learning rate (RFC 2889, sections 5.7 and 5.8).
    Table,
}

/// One line of the plan: a test with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) test: Test,
    pub(super) size: Size,
    pub(super) stations: u32,
}

impl Item {
    /// As the records have it: test and input.
    pub(super) fn name(self) -> (&'static str, String) {
        match self.test {
            Test::Overload => ("rate", "overload".to_owned()),
            Test::Sender => ("rate", "sender".to_owned()),
            Test::LossFree => ("loss-free", "sender".to_owned()),
            Test::Latency(part) => ("latency", format!("{part} %")),
            Test::Congestion => ("congestion", "overload".to_owned()),
            Test::Broadcast => ("broadcast", "overload".to_owned()),
            Test::Content => ("content", "sender".to_owned()),
            Test::Table => ("table", "sender".to_owned()),
        }
    }

    /// Whether a device of that kind has it at all.
    pub(super) const fn is_for(self, device: Device) -> bool {
        match self.test {
            Test::Table => device.learns(),
            Test::Broadcast => device.floods(),
            _ => true,
        }
    }
}

/// How long things take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) warm: Duration,
    pub(super) window: Duration,
    /// One trial of a search.
    pub(super) trial: Duration,
    /// Steps of a search.
    pub(super) steps: u32,
}

/// What was measured, by name.
pub(super) type Values = BTreeMap<String, f64>;

fn values<const N: usize>(values: [(&str, f64); N]) -> Values {
    values.map(|(name, value)| (name.to_owned(), value)).into()
}

fn of_outcome(outcome: &Outcome) -> Values {
    let frames = outcome.seen.frames.max(1) as f64;
    values([
        ("kpps", outcome.rate() / 1e3),
        (
            "gbps",
            outcome.seen.octets as f64 * 8.0 / outcome.seconds / 1e9,
        ),
        (
            "offered_kpps",
            outcome.offered as f64 / outcome.seconds / 1e3,
        ),
        ("device_core_ns_per_frame", outcome.busy.0 as f64 / frames),
        ("all_cores_ns_per_frame", outcome.busy.1 as f64 / frames),
        ("reordered_or_repeated", outcome.seen.late as f64),
        ("foreign", outcome.seen.foreign as f64),
        ("stolen_ms", outcome.stolen as f64),
    ])
}

/// Runs one on a device at work. `loss_free` is what the search found for the same size, in frames a second.
pub(super) fn run(
    item: Item,
    bed: &Bed,
    running: &Running,
    times: Times,
    loss_free: Option<f64>,
) -> Result<Values> {
    let shape = Shape {
        size: item.size,
        traffic: Traffic::Ring(item.stations),
        vifs: running.vifs,
    };
    // Learning 65,536 stations takes a moment.
    let warm = if item.stations > ORDINARY {
        times.warm.max(Duration::from_millis(800))
    } else {
        times.warm
    };
    match item.test {
        Test::Overload => Ok(of_outcome(&overload(bed, shape, warm, times.window)?)),
        Test::Sender => {
            let mut sender = Sender::open(bed, shape)?;
            let sink = sender.sink(bed)?;
            sender.trial(&sink, None, Until::Time(warm), false)?;
            let outcome = sender.trial(&sink, None, Until::Time(times.window), false)?;
            let mut values = of_outcome(&outcome);
            let loss = outcome.lost() as f64 / outcome.offered.max(1) as f64;
            values.insert("loss_percent".to_owned(), loss * 100.0);
            Ok(values)
        }
        Test::LossFree => search(bed, shape, times),
        Test::Latency(part) => {
            let rate = loss_free.ok_or_else(|| {
                LabError::Check("there is no loss-free rate to measure delays at".to_owned())
            })?;
            latency(bed, shape, rate * f64::from(part) / 100.0, times)
        }
        Test::Congestion => {
            let shape = Shape {
                traffic: Traffic::ManyToOne,
                ..shape
            };
            let outcome = overload(bed, shape, times.warm, times.window)?;
            let shares = outcome
                .seen
                .sources
                .get(..GROUP as usize - 1)
                .unwrap_or_default();
            let (least, most) = (shares.iter().min(), shares.iter().max());
            let fairness = least
                .zip(most)
                .map_or(0.0, |(least, most)| *least as f64 / (*most).max(1) as f64);
            let mut values = of_outcome(&outcome);
            values.insert("least_share_of_most".to_owned(), fairness);
            Ok(values)
        }
        Test::Broadcast => {
            let shape = Shape {
                traffic: Traffic::Broadcast,
                ..shape
            };
            let outcome = overload(bed, shape, times.warm, times.window)?;
            let mut values = of_outcome(&outcome);
            let mut sender = Sender::open(bed, shape)?;
            let sink = sender.sink(bed)?;
            let few = sender.trial(&sink, Some(10_000.0), Until::Frames(1000), false)?;
            values.insert(
                "copies_of_each".to_owned(),
                few.seen.frames as f64 / few.offered.max(1) as f64,
            );
            values.insert("listed".to_owned(), few.seen.listed as f64);
            Ok(values)
        }
        Test::Content => {
            let mut sender = Sender::open(bed, shape)?;
            // The switch learns from the first few, which it floods.
            sender.compare(bed, running, 64)?;
            let compared = sender.compare(bed, running, 20_000)?;
            compared.is_clean()?;
            Ok(values([
                ("compared", compared.whole as f64),
                ("foreign", compared.foreign as f64),
            ]))
        }
        Test::Table => Err(LabError::Check("the table has a bed of its own".to_owned())),
    }
}

/// Halves what lies between a rate without loss and one with, until the steps are used up. A loss counts when it
/// happens twice: on a machine with two cores anything else that runs costs frames.
fn search(bed: &Bed, shape: Shape, times: Times) -> Result<Values> {
    let mut sender = Sender::open(bed, shape)?;
    let sink = sender.sink(bed)?;
    sender.trial(&sink, None, Until::Time(times.warm), false)?;
    let fastest = sender.trial(&sink, None, Until::Time(times.trial), false)?;
    let offered = fastest.offered as f64 / fastest.seconds;
    let (mut good, mut bad) = (0.0, fastest.rate() * 1.02);
    let mut steps = 0;
    if fastest.lost() == 0 {
        good = offered;
        bad = offered;
    }
    let mut late = 0;
    while steps < times.steps && bad - good > offered * 0.02 {
        let rate = f64::midpoint(good, bad);
        let mut is_good = false;
        for _ in 0..2 {
            let outcome = sender.trial(&sink, Some(rate), Until::Time(times.trial), false)?;
            if outcome.lost() == 0 {
                // What was really offered: a sender may fall behind.
                good = (outcome.offered as f64 / outcome.seconds).min(rate);
                late += outcome.seen.late;
                is_good = true;
                break;
            }
        }
        if !is_good {
            bad = rate;
        }
        steps += 1;
    }
    Ok(values([
        ("kpps", good / 1e3),
        ("fastest_offered_kpps", offered / 1e3),
        ("fastest_returned_kpps", fastest.rate() / 1e3),
        ("reordered_or_repeated", late as f64),
        ("trials", f64::from(steps)),
    ]))
}

/// The delay from just before a burst is handed to the generator's kernel until a frame of it reaches the sink.
fn latency(bed: &Bed, shape: Shape, rate: f64, times: Times) -> Result<Values> {
    let mut sender = Sender::open(bed, shape)?;
    let warm = sender.sink(bed)?;
    sender.trial(&warm, Some(rate), Until::Time(times.warm), false)?;
    drop(warm);
    let mut sender = sender.reshaped(shape);
    let sink = sender.sink(bed)?;
    let outcome = sender.trial(&sink, Some(rate), Until::Time(times.window), true)?;
    let delays = sink.delays()?;
    let us = |of_thousand| quantile(&delays, of_thousand) as f64 / 1e3;
    let mut values = values([
        ("kpps", outcome.rate() / 1e3),
        ("p50_us", us(500)),
        ("p99_us", us(990)),
        ("p999_us", us(999)),
        ("max_us", outcome.seen.longest as f64 / 1e3),
        ("lost", outcome.lost() as f64),
        ("reordered_or_repeated", outcome.seen.late as f64),
    ]);
    // For the plot: the histogram, in as many steps as one can see.
    for part in [10, 100, 250, 750, 900, 950, 995] {
        values.insert(format!("q{part:03}_us"), us(part));
    }
    Ok(values)
}

/// Capacity and learning rate. Each trial begins with a device that knows nobody.
pub(super) fn table(binaries: &Binaries, device: Device, times: Times) -> Result<(Values, String)> {
    let mut mode = String::new();
    let mut learned = |stations: u32, rate: Option<f64>| -> Result<(u64, f64)> {
        let mut bed = Bed::new(binaries, device.is_threaded())?;
        let running = device.start(&mut bed, ORDINARY, VIFS)?;
        mode.clone_from(&running.mode);
        learned_of(&bed, device, &running, stations, rate)
    };
    // Offered slowly, how many stay. Devices without a limit are stopped at a quarter of a million.
    let slow = Some(150_000.0);
    let mut capacity = 0;
    for stations in [1 << 12, 1 << 14, 1 << 16, (1 << 16) + 1024, 1 << 18] {
        let (known, _) = learned(stations, slow)?;
        capacity = capacity.max(known);
        if known < u64::from(stations) {
            break;
        }
    }
    // A quarter of that, faster and faster.
    let stations = (capacity / 4).clamp(1, 16_384) as u32;
    let (known, fastest) = learned(stations, None)?;
    let (mut good, mut bad) = (0.0, fastest);
    if known >= u64::from(stations) {
        good = fastest;
    }
    for _ in 0..times.steps.min(5) {
        if bad - good < fastest * 0.05 {
            break;
        }
        let rate = f64::midpoint(good, bad);
        let (known, offered) = learned(stations, Some(rate))?;
        if known >= u64::from(stations) {
            good = offered.min(rate);
        } else {
            bad = rate;
        }
    }
    let values = values([
        ("capacity", capacity as f64),
        ("learning_kpps", good / 1e3),
        ("fastest_offered_kpps", fastest / 1e3),
    ]);
    Ok((values, mode))
}

/// Lets so many stations introduce themselves, then asks for each: whom it knows, the device does not flood for.
/// Returns how many it knows, and the rate at which they came.
fn learned_of(
    bed: &Bed,
    device: Device,
    running: &Running,
    stations: u32,
    rate: Option<f64>,
) -> Result<(u64, f64)> {
    /// Low enough to lose none.
    const ASKING: f64 = 100_000.0;
    // Station 0 is somebody else; the first that introduces itself is behind the same VIF.
    let first = VIFS;
    let shape = |traffic| Shape {
        size: Size::Octets(64),
        traffic,
        vifs: running.vifs,
    };
    let witness = match device {
        Device::Bridge { .. } => Some(Learning::start(bed)?),
        _ => None,
    };
    let all = Until::Frames(u64::from(stations));
    let mut asker = Sender::open(bed, shape(Traffic::AskFor(first)))?;
    let sink = asker.sink(bed)?;
    asker.trial(&sink, Some(ASKING), Until::Frames(1), false)?;
    drop(sink);
    let mut introducer = asker.reshaped(shape(Traffic::Introduce(first)));
    let sink = introducer.sink(bed)?;
    let came = introducer.trial(&sink, rate, all, false)?;
    drop(sink);
    // Learning may be done by another thread a moment later.
    std::thread::sleep(Duration::from_millis(50));
    let flooded = witness.as_ref().map_or(Ok(0), Learning::flooded)?;
    let mut asker = introducer.reshaped(shape(Traffic::AskFor(first)));
    let sink = asker.sink(bed)?;
    let asked = asker.trial(&sink, Some(ASKING), all, false)?;
    let unknown = match (&witness, running.vifs) {
        (Some(witness), _) => witness.flooded()? - flooded,
        (None, Some(vifs)) => {
            // One copy for a station known behind another VIF, none behind the asker's own; of a flood one for each
            // other VIF, or one frame that names a list.
            let (all, vifs) = (u64::from(stations), u64::from(vifs));
            let known = all - all.div_ceil(vifs);
            if asked.seen.listed > 0 {
                asked.seen.listed
            } else {
                let more = asked.seen.frames.saturating_sub(known);
                (more * vifs).div_ceil((vifs - 1) * (vifs - 1)).min(all)
            }
        }
        (None, None) => 0,
    };
    let offered = came.offered as f64 / came.seconds;
    Ok((u64::from(stations).saturating_sub(unknown), offered))
}
