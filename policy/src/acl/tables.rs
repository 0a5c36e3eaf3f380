//! Up to `64 * W` rules as tables: for each octet of a key and each value of it a row, whose bit *i* says whether
//! rule *i* takes that value there. The rows that a key picks are intersected; the first bit left is the first rule that
//! matches.
//!
//! So what a frame costs is set by the family and by `W`, whatever the rules say and wherever the frame hits. An address with
//! a wildcard is exact, since each octet is asked by itself. A range of ports is not such a product: ports are classed first, by
//! two steps of an octet each, and a row belongs to a class.
//!
//! Decision trees and tuple spaces need less for most lists. Here the lists and the frames may both be the
//! attacker's choice (a tenant's list, a guest's frames), and a bound counts for more.

use super::ask::{Ask, Key, OctetSet};
use super::rule::Ports;
use std::collections::BTreeMap;

/// One bit for each rule. Aligned so that a row is intersected straight from memory, 16 octets at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(align(16))]
struct Row<const W: usize>([u64; W]);

/// The rows of one octet.
type Octet<const W: usize> = [Row<W>; 256];

/// At most `64 * W` rules.
#[derive(Clone, Debug)]
pub(super) struct Tables<const N: usize, const R: usize, const W: usize> {
    source: Box<[Octet<W>; N]>,
    destination: Box<[Octet<W>; N]>,
    rest: Box<[Octet<W>; R]>,
    ports: [PortClasses<W>; 2],
}

impl<const N: usize, const R: usize, const W: usize> Tables<N, R, W> {
    /// How many rules there is room for.
    pub(super) const ROOM: usize = 64 * W;

    /// Rules behind [`Self::ROOM`] are not there.
    pub(super) fn of(asks: &[Ask<N, R>]) -> Self {
        let mut source = Filling::default();
        let mut destination = Filling::default();
        let mut rest = Filling::default();
        for (index, ask) in asks.iter().enumerate() {
            let Some(rule) = place::<W>(index) else {
                break;
            };
            source.enter(rule, ask.source.bits().map(Values::of_bits));
            destination.enter(rule, ask.destination.bits().map(Values::of_bits));
            rest.enter(rule, ask.rest.iter().map(|set| Values::Set(*set)));
        }
        let [from, to]: [Vec<Ports>; 2] = [
            asks.iter().map(|ask| ask.ports[0]).collect(),
            asks.iter().map(|ask| ask.ports[1]).collect(),
        ];
        Self {
            source: source.finish(),
            destination: destination.finish(),
            rest: rest.finish(),
            ports: [PortClasses::of(&from), PortClasses::of(&to)],
        }
    }

    /// The first rule that takes `key`.
    #[inline]
    pub(super) fn first(&self, key: &Key<N, R>) -> Option<usize> {
        let mut left = Row([u64::MAX; W]);
        pick(&self.source, &key.source, &mut left);
        pick(&self.destination, &key.destination, &mut left);
        pick(&self.rest, &key.rest, &mut left);
        if let Some(ports) = key.ports {
            for (classes, port) in self.ports.iter().zip(ports) {
                intersect(&mut left, classes.row(port));
            }
        }
        let found = left.0.iter().zip(0_usize..).find(|(word, _)| **word != 0)?;
        Some(found.1 * 64 + found.0.trailing_zeros() as usize)
    }

    /// Memory it holds.
    pub(super) fn octets(&self) -> usize {
        let rows = (2 * N + R) * size_of::<Octet<W>>();
        let ports = self.ports.iter().map(PortClasses::octets);
        size_of::<Self>() + rows + ports.sum::<usize>()
    }
}

#[inline]
fn pick<const N: usize, const W: usize>(tables: &[Octet<W>; N], key: &[u8; N], left: &mut Row<W>) {
    for (rows, octet) in tables.iter().zip(key) {
        intersect(left, rows.get(usize::from(*octet)));
    }
}

/// No row, which cannot be, is no rule.
#[inline]
fn intersect<const W: usize>(left: &mut Row<W>, row: Option<&Row<W>>) {
    match row {
        Some(row) => {
            for (word, with) in left.0.iter_mut().zip(row.0) {
                *word &= with;
            }
        }
        None => left.0 = [0; W],
    }
}

/// Values of an octet that a rule takes.
enum Values {
    All,
    /// Those that have the bits of `value` where `mask` is set.
    Masked {
        value: u8,
        mask: u8,
    },
    Set(OctetSet),
}

impl Values {
    const fn of_bits((value, mask): (u8, u8)) -> Self {
        match mask {
            0 => Self::All,
            _ => Self::Masked { value, mask },
        }
    }
}

/// Tables that are being filled.
struct Filling<const COUNT: usize, const W: usize> {
    octets: Box<[Octet<W>; COUNT]>,
    /// Rules that take every value.
    always: [Row<W>; COUNT],
}

impl<const COUNT: usize, const W: usize> Default for Filling<COUNT, W> {
    fn default() -> Self {
        Self {
            octets: zeroed(),
            always: [Row([0; W]); COUNT],
        }
    }
}

impl<const COUNT: usize, const W: usize> Filling<COUNT, W> {
    /// Enters what a rule takes, octet by octet.
    fn enter(&mut self, rule: Place, takes: impl Iterator<Item = Values>) {
        for ((rows, always), values) in self.octets.iter_mut().zip(&mut self.always).zip(takes) {
            let mut take = |octet: u8| {
                if let Some(row) = rows.get_mut(usize::from(octet)) {
                    row.set(rule);
                }
            };
            match values {
                Values::All => always.set(rule),
                Values::Masked { value, mask } => {
                    // From all bits that do not matter down to none of them.
                    let mut other = !mask;
                    loop {
                        take(value | other);
                        if other == 0 {
                            break;
                        }
                        other = (other - 1) & !mask;
                    }
                }
                Values::Set(set) => {
                    for octet in (0..=u8::MAX).filter(|octet| set.contains(*octet)) {
                        take(octet);
                    }
                }
            }
        }
    }

    fn finish(mut self) -> Box<[Octet<W>; COUNT]> {
        for (rows, always) in self.octets.iter_mut().zip(self.always) {
            for row in rows {
                for (word, more) in row.0.iter_mut().zip(always.0) {
                    *word |= more;
                }
            }
        }
        self.octets
    }
}

/// The word of a row and the bit in it that stand for a rule.
type Place = (usize, u64);

impl<const W: usize> Row<W> {
    fn set(&mut self, (word, bit): Place) {
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }
}

/// Where rule `index` is, if there is room for it.
const fn place<const W: usize>(index: usize) -> Option<Place> {
    if index < 64 * W {
        Some((index / 64, 1 << (index % 64)))
    } else {
        None
    }
}

/// Made on the heap: too large for a stack.
fn zeroed<const COUNT: usize, const W: usize>() -> Box<[Octet<W>; COUNT]> {
    let rows: Box<[Octet<W>]> = vec![[Row([0; W]); 256]; COUNT].into_boxed_slice();
    match rows.try_into() {
        Ok(rows) => rows,
        Err(_) => Box::new([[Row([0; W]); 256]; COUNT]),
    }
}

/// Ports that all rules treat alike are of one class.
#[derive(Clone, Debug)]
struct PortClasses<const W: usize> {
    /// By the high octet of a port, which of `nodes`.
    high: Box<[u16; 256]>,
    /// By its low octet, which of `rows`.
    nodes: Box<[[u16; 256]]>,
    /// At most one more than twice the rules.
    rows: Box<[Row<W>]>,
}

impl<const W: usize> PortClasses<W> {
    fn of(asked: &[Ports]) -> Self {
        // Where some rule's answer may change.
        let mut starts = vec![0_u16];
        for ports in asked {
            starts.extend(edges(*ports).into_iter().flatten());
        }
        starts.sort_unstable();
        starts.dedup();

        let mut rows = Vec::new();
        let mut known = BTreeMap::new();
        let mut nodes = Vec::new();
        let mut known_nodes = BTreeMap::new();
        let mut high = Box::new([0; 256]);
        let mut starts = starts.into_iter().peekable();
        let mut class = 0;
        for (node, octet) in high.iter_mut().zip(0..=u8::MAX) {
            let mut classes = [class; 256];
            let is_here = |port: &u16| port >> 8 == u16::from(octet);
            while let Some(port) = starts.next_if(is_here) {
                class = *known.entry(row(asked, port)).or_insert_with_key(|row| {
                    rows.push(*row);
                    rows.len() as u16 - 1
                });
                for here in classes.iter_mut().skip(usize::from(port & 0xFF)) {
                    *here = class;
                }
            }
            *node = *known_nodes.entry(classes).or_insert_with_key(|classes| {
                nodes.push(*classes);
                nodes.len() as u16 - 1
            });
        }
        Self {
            high,
            nodes: nodes.into_boxed_slice(),
            rows: rows.into_boxed_slice(),
        }
    }

    #[inline]
    fn row(&self, port: u16) -> Option<&Row<W>> {
        let [high, low] = port.to_be_bytes();
        let node = self.high.get(usize::from(high))?;
        let class = self.nodes.get(usize::from(*node))?.get(usize::from(low))?;
        self.rows.get(usize::from(*class))
    }

    fn octets(&self) -> usize {
        size_of_val(&*self.high) + size_of_val(&*self.nodes) + size_of_val(&*self.rows)
    }
}

/// The rules that take `port`.
fn row<const W: usize>(asked: &[Ports], port: u16) -> Row<W> {
    let mut row = Row([0; W]);
    for (index, ports) in asked.iter().enumerate() {
        if let Some(rule) = place::<W>(index).filter(|_| ports.contains(port)) {
            row.set(rule);
        }
    }
    row
}

/// Where what `ports` says changes: at most two ports.
const fn edges(ports: Ports) -> [Option<u16>; 2] {
    match ports {
        Ports::Any => [None, None],
        Ports::Eq(one) | Ports::Neq(one) => [Some(one), one.checked_add(1)],
        Ports::Lt(end) => [Some(end), None],
        Ports::Gt(end) => [end.checked_add(1), None],
        Ports::Range(range) => [Some(range.first()), range.last().checked_add(1)],
    }
}
