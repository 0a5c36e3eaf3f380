//! A policer as it is typed: rates and bursts with their units, and what becomes of frames beyond them. The words are those
//! of nxos where it has any.

use super::rate::DscpNumber;
use policy::rate::{AskedBurst, Awareness, BitRate, Burst, Configured, PerColor, Policer};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A policer, as somebody said it. What exists can be put in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Police {
    policer: Policer,
    exceed: Exceed,
    violate: Violate,
}

/// `rate N [UNIT] [burst N [UNIT]]`, behind `rate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoliceRate(pub Police);

/// What follows `police input cir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoliceIn(pub Police);

/// What follows `police output cir`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoliceOut(pub Police);

/// What becomes of yellow frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exceed {
    /// They pass.
    #[default]
    Transmit,
    /// They are dropped.
    Drop,
    /// They pass with the next drop precedence (RFC 2597), and drop eligible.
    Markdown,
    /// They pass with this DSCP, and drop eligible.
    SetDscp(DscpNumber),
}

/// What becomes of red frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Violate {
    /// They are dropped.
    #[default]
    Drop,
    /// They pass, with the DSCP of yellow ones where those get another.
    Transmit,
}

/// Text that is no policer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPolice {
    /// Octets from the start of the text to the fault.
    pub at: usize,
}

impl fmt::Display for InvalidPolice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no policer, from octet {} on", self.at)
    }
}

impl std::error::Error for InvalidPolice {}

impl Police {
    /// What a place for one after `rate` asks for.
    pub const RATE: &'static str =
        "a rate such as `10 mbps`, and perhaps `burst` with one such as `50 kbytes` or `200 ms`";
    /// What a place for one after `input cir` asks for.
    pub const INPUT: &'static str = "`N [bps|kbps|mbps|gbps] [bc N [bytes|kbytes|mbytes|ms]] [pir N [UNIT]] [be N [UNIT]] \
         [color-aware] [conform transmit] [exceed transmit|drop|markdown|set dscp N] [violate drop|transmit]`, \
         pir not less than cir";
    /// What a place for one after `output cir` asks for.
    pub const OUTPUT: &'static str = "`N [bps|kbps|mbps|gbps] [bc N [bytes|kbytes|mbytes|ms]] [pir N [UNIT]] [be N [UNIT]] \
         [color-aware] [conform transmit] [exceed transmit|drop] [violate drop|transmit]`, pir not less than cir";

    /// It, in force.
    pub const fn policer(&self) -> Policer {
        self.policer
    }

    /// What becomes of yellow frames.
    pub const fn exceed(&self) -> Exceed {
        self.exceed
    }

    fn plain(words: &mut Words<'_>) -> Result<Self, InvalidPolice> {
        let rate = words.rate()?;
        let burst = words.burst_after("burst", rate)?;
        words.end()?;
        let configured = Configured::Plain { rate, burst };
        let actions = (Exceed::default(), Violate::default());
        Self::new(words, configured, Awareness::Blind, actions)
    }

    /// Behind `cir`.
    fn metered(words: &mut Words<'_>, may_mark: bool) -> Result<Self, InvalidPolice> {
        let committed = words.rate()?;
        let (bc_at, burst) = words.burst_or_zero("bc", committed)?;
        let peak = if words.take("pir") {
            Some(words.rate()?)
        } else {
            None
        };
        let (be_at, second) = words.burst_or_zero("be", peak.unwrap_or(committed))?;
        let awareness = if words.take("color-aware") {
            Awareness::Aware
        } else {
            Awareness::Blind
        };
        if words.take("conform") {
            words.expect("transmit")?;
        }
        let mut exceed = Exceed::default();
        if words.take("exceed") {
            exceed = words.exceed(may_mark)?;
        }
        let mut violate = Violate::default();
        if words.take("violate") {
            if words.take("transmit") {
                violate = Violate::Transmit;
            } else {
                words.expect("drop")?;
            }
        }
        words.end()?;
        if burst == AskedBurst::Zero && second == AskedBurst::Zero {
            return Words::fault(be_at);
        }
        let configured = match peak {
            Some(peak) => Configured::TwoRate {
                committed,
                burst: not_zero(bc_at, burst)?,
                peak,
                peak_burst: not_zero(be_at, second)?,
            },
            None => Configured::SingleRate {
                committed,
                burst,
                excess: second,
            },
        };
        Self::new(words, configured, awareness, (exceed, violate))
    }

    fn new(
        words: &Words<'_>,
        configured: Configured,
        awareness: Awareness,
        (exceed, violate): (Exceed, Violate),
    ) -> Result<Self, InvalidPolice> {
        let may_pass = PerColor {
            green: true,
            yellow: exceed != Exceed::Drop,
            red: violate == Violate::Transmit,
        };
        let policer = Policer::new(configured, awareness, may_pass);
        let policer = policer.map_err(|_| InvalidPolice { at: words.peak_at })?;
        Ok(Self {
            policer,
            exceed,
            violate,
        })
    }
}

/// As it is typed behind `police input` or `police output`.
impl fmt::Display for Police {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let burst = |f: &mut fmt::Formatter<'_>, word, burst: AskedBurst| match burst {
            AskedBurst::Of(burst) => write!(f, " {word} {}", Octets(burst)),
            AskedBurst::Zero => write!(f, " {word} 0"),
            AskedBurst::Default => Ok(()),
        };
        match self.policer.configured() {
            Configured::Plain { rate, burst: most } => {
                write!(f, "rate {}", Rate(rate))?;
                return burst(f, "burst", most.into());
            }
            Configured::SingleRate {
                committed,
                burst: most,
                excess,
            } => {
                write!(f, "cir {}", Rate(committed))?;
                burst(f, "bc", most)?;
                burst(f, "be", excess)?;
            }
            Configured::TwoRate {
                committed,
                burst: most,
                peak,
                peak_burst,
            } => {
                write!(f, "cir {}", Rate(committed))?;
                burst(f, "bc", most.into())?;
                write!(f, " pir {}", Rate(peak))?;
                burst(f, "be", peak_burst.into())?;
            }
        }
        if self.policer.is_color_aware() {
            f.write_str(" color-aware")?;
        }
        match self.exceed {
            Exceed::Transmit => {}
            Exceed::Drop => f.write_str(" exceed drop")?,
            Exceed::Markdown => f.write_str(" exceed markdown")?,
            Exceed::SetDscp(dscp) => write!(f, " exceed set dscp {dscp}")?,
        }
        match self.violate {
            Violate::Drop => Ok(()),
            Violate::Transmit => f.write_str(" violate transmit"),
        }
    }
}

/// As [`Police`] prints it.
impl FromStr for Police {
    type Err = InvalidPolice;

    fn from_str(text: &str) -> Result<Self, InvalidPolice> {
        let mut words = Words::new(text);
        if words.take("rate") {
            return Self::plain(&mut words);
        }
        words.expect("cir")?;
        Self::metered(&mut words, true)
    }
}

impl TryFrom<String> for Police {
    type Error = InvalidPolice;

    fn try_from(text: String) -> Result<Self, InvalidPolice> {
        text.parse()
    }
}

impl From<Police> for String {
    fn from(police: Police) -> Self {
        police.to_string()
    }
}

impl FromStr for PoliceRate {
    type Err = InvalidPolice;

    fn from_str(text: &str) -> Result<Self, InvalidPolice> {
        Police::plain(&mut Words::new(text)).map(Self)
    }
}

impl FromStr for PoliceIn {
    type Err = InvalidPolice;

    fn from_str(text: &str) -> Result<Self, InvalidPolice> {
        Police::metered(&mut Words::new(text), true).map(Self)
    }
}

impl FromStr for PoliceOut {
    type Err = InvalidPolice;

    fn from_str(text: &str) -> Result<Self, InvalidPolice> {
        Police::metered(&mut Words::new(text), false).map(Self)
    }
}

const RATES: [(&str, u64); 4] = [
    ("gbps", 1_000_000_000),
    ("mbps", 1_000_000),
    ("kbps", 1_000),
    ("bps", 1),
];
const BURSTS: [(&str, u64); 3] = [("mbytes", 1_000_000), ("kbytes", 1_000), ("bytes", 1)];

/// A rate in the largest unit of which it is a whole number.
struct Rate(BitRate);

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_units(f, self.0.bits_per_second(), &RATES)
    }
}

/// A burst likewise.
struct Octets(Burst);

impl fmt::Display for Octets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        in_units(f, self.0.octets().into(), &BURSTS)
    }
}

fn in_units(f: &mut fmt::Formatter<'_>, number: u64, units: &[(&str, u64)]) -> fmt::Result {
    for &(unit, size) in units {
        if number.is_multiple_of(size) {
            return write!(f, "{} {unit}", number / size);
        }
    }
    write!(f, "{number}")
}

/// RFC 2698 section 1 has no bursts of 0.
const fn not_zero(at: usize, burst: AskedBurst) -> Result<Option<Burst>, InvalidPolice> {
    match burst {
        AskedBurst::Default => Ok(None),
        AskedBurst::Of(burst) => Ok(Some(burst)),
        AskedBurst::Zero => Err(InvalidPolice { at }),
    }
}

/// The words of a text, taken one by one.
struct Words<'a> {
    text: &'a str,
    at: usize,
    /// Where the last rate stood: what is said when the rates do not go together.
    peak_at: usize,
}

impl<'a> Words<'a> {
    const fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            peak_at: 0,
        }
    }

    /// The next word and where it stands; an empty one at the end.
    fn peek(&self) -> (usize, &'a str) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = rest.trim_start_matches([' ', '\t']);
        let start = self.at + rest.len() - word.len();
        let word = word.split([' ', '\t']).next().unwrap_or_default();
        (start, word)
    }

    const fn fault<T>(at: usize) -> Result<T, InvalidPolice> {
        Err(InvalidPolice { at })
    }

    fn next(&mut self) -> (usize, &'a str) {
        let (start, word) = self.peek();
        self.at = start + word.len();
        (start, word)
    }

    /// Takes the next word if it is `wanted`.
    fn take(&mut self, wanted: &str) -> bool {
        let is = self.peek().1.eq_ignore_ascii_case(wanted);
        if is {
            self.next();
        }
        is
    }

    fn expect(&mut self, wanted: &str) -> Result<(), InvalidPolice> {
        if self.take(wanted) {
            Ok(())
        } else {
            Self::fault(self.peek().0)
        }
    }

    fn end(&self) -> Result<(), InvalidPolice> {
        match self.peek() {
            (_, "") => Ok(()),
            (at, _) => Self::fault(at),
        }
    }

    fn number(&mut self) -> Result<(usize, u64), InvalidPolice> {
        let (at, word) = self.next();
        let digits = word.bytes().all(|octet| octet.is_ascii_digit());
        match word.parse().ok().filter(|_| digits) {
            Some(number) => Ok((at, number)),
            None => Self::fault(at),
        }
    }

    fn unit(&mut self, units: &[(&str, u64)]) -> u64 {
        let named = units.iter().find(|(unit, _)| self.take(unit));
        named.map_or(1, |&(_, size)| size)
    }

    fn rate(&mut self) -> Result<BitRate, InvalidPolice> {
        let (at, number) = self.number()?;
        self.peak_at = at;
        let bits = number.checked_mul(self.unit(&RATES));
        bits.and_then(|bits| BitRate::new(bits).ok())
            .ok_or(InvalidPolice { at })
    }

    /// The burst that follows `word`, if it is there.
    fn burst_after(&mut self, word: &str, rate: BitRate) -> Result<Option<Burst>, InvalidPolice> {
        if self.take(word) {
            self.burst(rate).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The same where it may be 0, and where its number stands.
    fn burst_or_zero(
        &mut self,
        word: &str,
        rate: BitRate,
    ) -> Result<(usize, AskedBurst), InvalidPolice> {
        if !self.take(word) {
            return Ok((self.at, AskedBurst::Default));
        }
        let (at, number) = self.peek();
        if !number.is_empty() && number.bytes().all(|octet| octet == b'0') {
            self.next();
            if !self.take("ms") {
                let _ = self.unit(&BURSTS);
            }
            return Ok((at, AskedBurst::Zero));
        }
        Ok((at, AskedBurst::Of(self.burst(rate)?)))
    }

    /// In octets, or as the time in which `rate` brings it.
    fn burst(&mut self, rate: BitRate) -> Result<Burst, InvalidPolice> {
        let (at, number) = self.number()?;
        let octets = if self.take("ms") {
            let bits = u128::from(rate.bits_per_second()) * u128::from(number);
            u64::try_from(bits / 8_000).ok()
        } else {
            number.checked_mul(self.unit(&BURSTS))
        };
        octets
            .and_then(|octets| u32::try_from(octets).ok())
            .and_then(|octets| Burst::new(octets).ok())
            .ok_or(InvalidPolice { at })
    }

    fn exceed(&mut self, may_mark: bool) -> Result<Exceed, InvalidPolice> {
        if self.take("transmit") {
            return Ok(Exceed::Transmit);
        }
        if self.take("drop") {
            return Ok(Exceed::Drop);
        }
        if may_mark && self.take("markdown") {
            return Ok(Exceed::Markdown);
        }
        if may_mark && self.take("set") {
            self.expect("dscp")?;
            let (at, word) = self.next();
            let dscp = word.parse().map_err(|_| InvalidPolice { at })?;
            return Ok(Exceed::SetDscp(dscp));
        }
        Self::fault(self.peek().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<String, usize> {
        let police: Result<Police, _> = text.parse();
        police.map(|police| police.to_string()).map_err(|no| no.at)
    }

    #[test]
    fn a_policer_is_written_in_the_largest_unit_it_is_a_whole_number_of() {
        for (typed, written) in [
            ("rate 10000000", "rate 10 mbps"),
            (
                "rate 1500 kbps burst 50000",
                "rate 1500 kbps burst 50 kbytes",
            ),
            (
                "RATE 1 Gbps  burst 250 ms",
                "rate 1 gbps burst 31250 kbytes",
            ),
            ("rate 64001 bps", "rate 64001 bps"),
            ("cir 10 mbps conform transmit", "cir 10 mbps"),
            (
                "cir 10 mbps bc 3028 bytes be 4 kbytes exceed transmit violate drop",
                "cir 10 mbps bc 3028 bytes be 4 kbytes",
            ),
            (
                "cir 10 mbps pir 20 mbps be 1 mbytes color-aware exceed markdown violate transmit",
                "cir 10 mbps pir 20 mbps be 1 mbytes color-aware exceed markdown violate transmit",
            ),
            ("cir 10 mbps be 0", "cir 10 mbps be 0"),
            ("cir 10 mbps be 0 ms", "cir 10 mbps be 0"),
            (
                "cir 10 mbps bc 3028 bytes be 0 kbytes exceed drop",
                "cir 10 mbps bc 3028 bytes be 0 exceed drop",
            ),
            ("cir 10 mbps bc 0 be 1514", "cir 10 mbps bc 0 be 1514 bytes"),
            (
                "cir 1 mbps exceed set dscp 8",
                "cir 1 mbps exceed set dscp cs1",
            ),
        ] {
            assert_eq!(read(typed).as_deref(), Ok(written));
            assert_eq!(read(written).as_deref(), Ok(written));
        }
    }

    #[test]
    fn what_is_no_policer_says_where_it_goes_wrong() {
        for (typed, at) in [
            ("", 0),
            ("rate", 4),
            ("rate x", 5),
            ("rate 0", 5),
            ("rate 10 mbps fast", 13),
            ("rate 10 mbps burst", 18),
            ("rate 10 mbps burst 0", 19),
            ("rate 9999999999 gbps", 5),
            ("rate 1 mbps burst 9999 mbytes", 18),
            ("cir 10 mbps pir 9 mbps", 16),
            ("cir 10 mbps be 1 kbytes bc 1 kbytes", 24),
            // RFC 2697: one of them is larger than 0; RFC 2698: both are.
            ("cir 10 mbps bc 0 be 0", 20),
            ("cir 10 mbps be +0", 15),
            ("cir 10 mbps bc 0 pir 20 mbps", 15),
            ("cir 10 mbps pir 20 mbps be 0", 27),
            ("cir 10 mbps exceed", 18),
            ("cir 10 mbps exceed set dscp 64", 28),
            ("cir 10 mbps violate", 19),
            ("cir 10 mbps conform drop", 20),
        ] {
            assert_eq!(read(typed), Err(at), "{typed}");
        }
        assert!("1 mbps exceed markdown".parse::<PoliceIn>().is_ok());
        assert!("1 mbps exceed markdown".parse::<PoliceOut>().is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(rate|cir|pir|bc|be|burst|exceed|violate|drop|ms|mbps|[0-9]{1,12}| |\\PC){0,12}") {
            if let Ok(police) = text.parse::<Police>() {
                prop_assert_eq!(police.to_string().parse(), Ok(police));
            }
        }
    }
}
