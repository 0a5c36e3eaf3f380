//! What the records come to: medians over rounds, ratios within rounds, tables.

use super::record::{Header, Key, Record, VERSION};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Several rounds of one value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) rounds: usize,
}

impl Spread {
    /// `None`: there are none.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let half = values.len() / 2;
        let above = *values.get(half)?;
        let median = if values.len() % 2 == 1 {
            above
        } else {
            f64::midpoint(*values.get(half - 1)?, above)
        };
        Some(Self {
            median,
            least,
            most,
            rounds: values.len(),
        })
    }

    fn cell(self, digits: usize) -> String {
        if self.rounds == 1 {
            return format!("{:.digits$}", self.median);
        }
        format!(
            "{:.digits$} ({:.digits$}-{:.digits$})",
            self.median, self.least, self.most
        )
    }
}

/// All results, as `results.json` has them.
#[derive(Serialize)]
pub(super) struct Whole<'a> {
    version: u32,
    header: &'a Header,
    /// Device, and why there is nothing of it.
    missing: &'a [(String, String)],
    summary: Vec<Line>,
    records: &'a [Record],
}

#[derive(Serialize)]
struct Line {
    device: String,
    test: String,
    input: String,
    size: String,
    stations: u32,
    value: String,
    #[serde(flatten)]
    spread: Spread,
    /// `vis` divided by this device, within rounds.
    ours_to_this: Option<Spread>,
}

/// All records of a run.
pub(super) struct Summary<'a> {
    header: &'a Header,
    records: &'a [Record],
    missing: &'a [(String, String)],
}

/// A table, to be written as text or as Markdown.
pub(super) struct Table {
    title: String,
    head: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    fn new(title: &str, head: impl IntoIterator<Item = String>) -> Self {
        Self {
            title: title.to_owned(),
            head: head.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Lines of equal width, or of Markdown. Nothing, if there are no rows.
    fn write(&self, text: &mut String, markdown: bool) {
        if self.rows.is_empty() {
            return;
        }
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| {
            all()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
        };
        let widths: Vec<usize> = (0..self.head.len())
            .map(|column| width(column).unwrap_or(0))
            .collect();
        let (edge, between) = if markdown { ("| ", " | ") } else { ("", "  ") };
        let line = |row: &[String]| {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| {
                    if column == 0 {
                        format!("{cell:<width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                });
            let cells: Vec<_> = cells.collect();
            format!(
                "{edge}{}{}",
                cells.join(between),
                if markdown { " |" } else { "" }
            )
        };
        let mark = if markdown { "### " } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{mark}{}\n", self.title);
        let _ = writeln!(text, "{}", line(&self.head));
        if markdown {
            let rule: Vec<_> = (0..widths.len())
                .map(|column| if column == 0 { "---" } else { "---:" })
                .collect();
            let _ = writeln!(text, "| {} |", rule.join(" | "));
        }
        for row in &self.rows {
            let _ = writeln!(text, "{}", line(row));
        }
        text.push('\n');
    }
}

/// A column of a table: its head, and test, input, size and stations.
type Column<'a> = (String, &'a str, &'a str, String, u32);

impl<'a> Summary<'a> {
    pub(super) fn new(
        header: &'a Header,
        records: &'a [Record],
        missing: &'a [(String, String)],
    ) -> Self {
        Self {
            header,
            records,
            missing,
        }
    }

    /// Devices with any record, in the order of the first.
    pub(super) fn devices(&self) -> Vec<&'a str> {
        let mut devices: Vec<&str> = Vec::new();
        for record in self.records {
            if !devices.contains(&record.device.as_str()) {
                devices.push(&record.device);
            }
        }
        devices
    }

    /// One value of one key, by round.
    fn by_round(&self, key: &Key, value: &str) -> BTreeMap<u32, f64> {
        let of_key = self.records.iter().filter(|record| record.key() == *key);
        of_key
            .filter_map(|record| Some((record.round, *record.values.get(value)?)))
            .collect()
    }

    /// The same, over rounds.
    pub(super) fn spread(&self, key: &Key, value: &str) -> Option<Spread> {
        Spread::of(self.by_round(key, value).into_values())
    }

    /// `ours` divided by the other, within each round that has both.
    fn ratio(&self, ours: &Key, other: &Key, value: &str) -> Option<Spread> {
        let theirs = self.by_round(other, value);
        let ours = self.by_round(ours, value);
        let both = ours.into_iter().filter_map(|(round, ours)| {
            let theirs = *theirs.get(&round)?;
            (theirs > 0.0).then(|| ours / theirs)
        });
        Spread::of(both)
    }

    /// The sizes, with 2 stations, then 64 octets with more, as far as anything has them.
    pub(super) fn columns(&self, test: &'a str, input: &'a str) -> Vec<Column<'a>> {
        let mut columns: Vec<Column<'a>> = Vec::new();
        let of_test = self
            .records
            .iter()
            .filter(|r| r.test == test && r.input == input);
        for record in of_test {
            let name = if record.stations > 2 {
                format!("{} x {}", record.size, record.stations)
            } else {
                record.size.clone()
            };
            if columns.iter().all(|(known, ..)| *known != name) {
                columns.push((name, test, input, record.size.clone(), record.stations));
            }
        }
        columns
            .sort_by_key(|(_, _, _, size, stations)| (*stations, size.parse().unwrap_or(u32::MAX)));
        columns
    }

    fn key(device: &str, (_, test, input, size, stations): &Column<'_>) -> Key {
        Key {
            device: device.to_owned(),
            test: (*test).to_owned(),
            input: (*input).to_owned(),
            size: size.clone(),
            stations: *stations,
        }
    }

    fn table(&self, title: &str, columns: &[Column<'_>], value: &str, digits: usize) -> Table {
        let head = columns.iter().map(|(name, ..)| name.clone());
        let mut table = Table::new(title, std::iter::once("device".to_owned()).chain(head));
        for device in self.devices() {
            let cells = columns.iter().map(|column| {
                let key = Self::key(device, column);
                self.spread(&key, value).map(|spread| spread.cell(digits))
            });
            let cells: Vec<_> = cells.collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
                table
                    .rows
                    .push(std::iter::once(device.to_owned()).chain(cells).collect());
            }
        }
        table
    }

    /// Several values of one key in a row.
    fn values(&self, title: &str, column: &Column<'_>, values: &[(&str, &str, usize)]) -> Table {
        let head = values.iter().map(|(name, ..)| (*name).to_owned());
        let mut table = Table::new(title, std::iter::once("device".to_owned()).chain(head));
        for device in self.devices() {
            let key = Self::key(device, column);
            let cells: Vec<_> = values
                .iter()
                .map(|(_, value, digits)| {
                    self.spread(&key, value).map(|spread| spread.cell(*digits))
                })
                .collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.unwrap_or_else(|| "-".to_owned()));
                table
                    .rows
                    .push(std::iter::once(device.to_owned()).chain(cells).collect());
            }
        }
        table
    }

    fn ratios(&self, title: &str, ours: &str, columns: &[Column<'_>], value: &str) -> Table {
        let head = columns.iter().map(|(name, ..)| name.clone());
        let mut table = Table::new(title, std::iter::once("peer".to_owned()).chain(head));
        for device in self.devices().into_iter().filter(|device| *device != ours) {
            let cells: Vec<_> = columns
                .iter()
                .map(|column| {
                    self.ratio(&Self::key(ours, column), &Self::key(device, column), value)
                })
                .collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells
                    .into_iter()
                    .map(|cell| cell.map_or_else(|| "-".to_owned(), |ratio| ratio.cell(2)));
                table
                    .rows
                    .push(std::iter::once(device.to_owned()).chain(cells).collect());
            }
        }
        table
    }

    /// All tables, as text or as Markdown.
    pub(super) fn write(&self, markdown: bool) -> String {
        let mut text = String::new();
        let mut machine = Table::new("Machine and run", ["what", "value"].map(str::to_owned));
        let kind = if self.header.quick { "quick" } else { "full" };
        let rounds = format!(
            "{kind}, rounds: {} of {}",
            self.rounds(),
            self.header.rounds
        );
        machine.rows.push(vec!["run".to_owned(), rounds]);
        for (name, value) in &self.header.machine {
            machine.rows.push(vec![name.clone(), value.clone()]);
        }
        let stolen: u64 = self.records.iter().map(|record| record.stolen_ms).sum();
        machine.rows.push(vec![
            "stolen by the hypervisor".to_owned(),
            format!("{stolen} ms in all"),
        ]);
        let disturbed = self.records.iter().filter(|record| record.is_disturbed());
        machine.rows.push(vec![
            "results disturbed by that".to_owned(),
            format!("{} of {}", disturbed.count(), self.records.len()),
        ]);
        for table in std::iter::once(machine).chain(self.tables()) {
            table.write(&mut text, markdown);
        }
        text
    }

    fn rounds(&self) -> usize {
        let mut rounds: Vec<u32> = self.records.iter().map(|record| record.round).collect();
        rounds.sort_unstable();
        rounds.dedup();
        rounds.len()
    }

    fn tables(&self) -> Vec<Table> {
        let overload = self.columns("rate", "overload");
        let two: Vec<_> = overload
            .iter()
            .filter(|(_, _, _, _, stations)| *stations == 2)
            .cloned()
            .collect();
        let sender = self.columns("rate", "sender");
        let loss_free = self.columns("loss-free", "sender");
        let median = "median (least-most of the rounds)";
        let mut tables = vec![
            self.table(
                &format!("Forwarding rate under overload, kpps, {median}"),
                &overload,
                "kpps",
                0,
            ),
            self.table(
                &format!("The same, in Gb/s of frames, {median}"),
                &overload,
                "gbps",
                2,
            ),
            self.table(
                &format!("Forwarding rate from one sender, kpps, {median}"),
                &sender,
                "kpps",
                0,
            ),
            self.table(
                &format!("Loss from one sender at full speed, percent, {median}"),
                &sender,
                "loss_percent",
                2,
            ),
            self.table(
                &format!("Loss-free rate (RFC 2544), kpps, {median}"),
                &loss_free,
                "kpps",
                0,
            ),
            self.table(
                &format!("Time of the device's core for a frame under overload, ns, {median}"),
                &overload,
                "device_core_ns_per_frame",
                0,
            ),
            self.table(
                &format!("Time of all cores for a frame under overload, ns, {median}"),
                &overload,
                "all_cores_ns_per_frame",
                0,
            ),
            self.table(
                "Frames out of order within a source, or twice, under overload",
                &two,
                "reordered_or_repeated",
                0,
            ),
        ];
        for part in ["50 %", "90 %"] {
            for column in self.columns("latency", part) {
                let title = format!(
                    "Delay at {part} of the loss-free rate, {} octets, {median}",
                    column.0
                );
                let values = [
                    ("kpps", "kpps", 0),
                    ("p50 us", "p50_us", 1),
                    ("p99 us", "p99_us", 1),
                    ("p99.9 us", "p999_us", 1),
                    ("max us", "max_us", 0),
                    ("lost", "lost", 0),
                ];
                tables.push(self.values(&title, &column, &values));
            }
        }
        let one = |test: &'static str, input: &'static str| {
            self.columns(test, input)
                .into_iter()
                .next()
                .unwrap_or_default()
        };
        let congestion = [
            ("kpps", "kpps", 0),
            ("offered kpps", "offered_kpps", 0),
            ("least share / most", "least_share_of_most", 3),
        ];
        let title = format!("Congestion: seven stations to one, 64 octets, overload, {median}");
        tables.push(self.values(&title, &one("congestion", "overload"), &congestion));
        let broadcast = [
            ("kpps back", "kpps", 0),
            ("offered kpps", "offered_kpps", 0),
            ("copies of each at 10 kpps", "copies_of_each", 2),
        ];
        let title = format!("Broadcast, 64 octets, overload, {median}");
        tables.push(self.values(&title, &one("broadcast", "overload"), &broadcast));
        let table = [
            ("addresses", "capacity", 0),
            ("learned without a miss, kpps", "learning_kpps", 0),
            ("fastest offered, kpps", "fastest_offered_kpps", 0),
        ];
        let title = format!("Address caching capacity and learning rate (RFC 2889), {median}");
        tables.push(self.values(&title, &one("table", "sender"), &table));
        for streams in ["1 stream", "4 streams"] {
            let title = format!("TCP between two guests, {streams}, {median}");
            let tcp = [("Gb/s", "gbps", 2), ("retransmits", "retransmits", 0)];
            tables.push(self.values(&title, &one("tcp", streams), &tcp));
        }
        let exchange = [
            ("exchanges/s", "exchanges_per_second", 0),
            ("p50 us", "p50_us", 1),
            ("p99 us", "p99_us", 1),
            ("p99.9 us", "p999_us", 1),
            ("max us", "max_us", 0),
        ];
        let title = format!("A datagram there and back between two guests, {median}");
        tables.push(self.values(&title, &one("exchange", ""), &exchange));
        let within = "median (least-most) of the ratios within rounds";
        let ratio = |title: &str, ours, columns: &[Column<'_>], value| {
            self.ratios(&format!("{title}, {within}"), ours, columns, value)
        };
        tables.push(ratio(
            "vis / peer, rate under overload",
            "vis",
            &overload,
            "kpps",
        ));
        tables.push(ratio(
            "vis / peer, rate from one sender",
            "vis",
            &sender,
            "kpps",
        ));
        tables.push(ratio(
            "vis / peer, loss-free rate",
            "vis",
            &loss_free,
            "kpps",
        ));
        tables.push(ratio(
            "chain / peer, TCP, 1 stream",
            "chain",
            &self.columns("tcp", "1 stream"),
            "gbps",
        ));
        let mut modes = Table::new(
            "Devices and how they moved frames",
            ["device", "mode"].map(str::to_owned),
        );
        for device in self.devices() {
            let mode = self
                .records
                .iter()
                .rev()
                .find(|r| r.device == device && !r.mode.is_empty());
            let mode = mode.map_or_else(|| "-".to_owned(), |record| record.mode.clone());
            modes.rows.push(vec![device.to_owned(), mode]);
        }
        tables.push(modes);
        let mut nothing = Table::new(
            "Missing and failed",
            ["device", "test", "why"].map(str::to_owned),
        );
        for (device, why) in self.missing {
            nothing
                .rows
                .push(vec![device.clone(), "all".to_owned(), why.clone()]);
        }
        for record in self.records {
            if let Some(error) = &record.error {
                let test = format!(
                    "{} {} {} round {}",
                    record.test, record.input, record.size, record.round
                );
                let error = error.replace('\n', " ").replace('|', "/");
                nothing.rows.push(vec![record.device.clone(), test, error]);
            }
        }
        if nothing.rows.is_empty() {
            nothing
                .rows
                .push(["none", "", ""].map(str::to_owned).into());
        }
        tables.push(nothing);
        tables
    }

    /// As `results.json`.
    pub(super) fn whole(&self) -> Whole<'a> {
        let mut keys: Vec<(Key, String)> = Vec::new();
        for record in self.records {
            for name in record.values.keys() {
                keys.push((record.key(), name.clone()));
            }
        }
        keys.sort();
        keys.dedup();
        let line = |(key, value): (Key, String)| {
            let ours = Key {
                device: "vis".to_owned(),
                ..key.clone()
            };
            Some(Line {
                spread: self.spread(&key, &value)?,
                ours_to_this: (key.device != ours.device)
                    .then(|| self.ratio(&ours, &key, &value))
                    .flatten(),
                device: key.device,
                test: key.test,
                input: key.input,
                size: key.size,
                stations: key.stations,
                value,
            })
        };
        Whole {
            version: VERSION,
            header: self.header,
            missing: self.missing,
            summary: keys.into_iter().filter_map(line).collect(),
            records: self.records,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([9.0, 1.0, 3.0]).unwrap().median, 3.0);
        assert!(Spread::of([]).is_none());
    }

    fn record(round: u32, device: &str, kpps: f64) -> Record {
        Record {
            round,
            device: device.to_owned(),
            test: "rate".to_owned(),
            input: "overload".to_owned(),
            size: "64".to_owned(),
            stations: 2,
            values: BTreeMap::from([("kpps".to_owned(), kpps)]),
            mode: "m".to_owned(),
            took_ms: 500,
            stolen_ms: 3,
            error: None,
        }
    }

    #[test]
    fn ratios_are_taken_within_rounds_and_what_is_missing_is_named() {
        let header = Header {
            version: VERSION,
            quick: true,
            rounds: 3,
            machine: Vec::new(),
        };
        // The machine was twice as fast in the second round.
        let records = [
            record(1, "vis", 100.0),
            record(1, "bridge", 50.0),
            record(2, "vis", 200.0),
            record(2, "bridge", 100.0),
        ];
        let missing = [(
            "testpmd-xdp".to_owned(),
            "dpdk-testpmd is missing".to_owned(),
        )];
        let summary = Summary::new(&header, &records, &missing);
        let text = summary.write(true);
        assert!(text.contains("| bridge | 2.00 (2.00-2.00) |"), "{text}");
        assert!(text.contains("| testpmd-xdp |"), "{text}");
        assert!(text.contains("dpdk-testpmd is missing"), "{text}");
        assert!(text.contains("12 ms in all"), "{text}");
    }
}
