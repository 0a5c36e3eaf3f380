//! Lines about rate and priority: `police ...` and `qos ...`. How they are read and written, and which of several holds.

use super::grammar::port;
use super::line::{Line, PortLine};
use super::model::{Direction, PortLines};
use super::police::{InvalidPolice, Police, PoliceIn, PoliceOut, PoliceRate};
use super::tree::{Build, Node, Values, value, word};
use super::value::{InvalidValue, Kind};
use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};
use std::str::FromStr;

/// What is said about the rate and the priority of a port's frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLines {
    /// `police input ...`
    pub police_in: Option<Police>,
    /// `police output ...`
    pub police_out: Option<Police>,
    /// `qos trust ...`
    pub trust: Option<Trust>,
    /// `qos cos N`
    pub port_cos: Option<CosNumber>,
    /// `qos set cos N`
    pub set_cos: Option<CosNumber>,
    /// `qos set dscp N`
    pub set_dscp: Option<DscpNumber>,
}

/// A line about rate or priority; `None` is the line with `no` in front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RateLine {
    /// `police input|output ...`
    Police(Direction, Option<Police>),
    /// `qos trust ...`
    Trust(Option<Trust>),
    /// `qos cos N`
    PortCos(Option<CosNumber>),
    /// `qos set cos N`
    SetCos(Option<CosNumber>),
    /// `qos set dscp N`
    SetDscp(Option<DscpNumber>),
}

/// What is believed of the priority that frames come with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// The tag's CoS; DSCP follows it.
    Cos,
    /// The DSCP; CoS follows it.
    Dscp,
    /// Nothing: both are 0.
    None,
}

impl Trust {
    /// As it is typed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cos => "cos",
            Self::Dscp => "dscp",
            Self::None => "none",
        }
    }
}

/// A CoS, 0 to 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct CosNumber(policy::Cos);

/// A DSCP, 0 to 63. Reads and writes the names of RFC 2474, RFC 2597 and RFC 3246: `cs1`, `af11`, `ef`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct DscpNumber(policy::Dscp);

impl CosNumber {
    /// The value itself.
    pub const fn get(self) -> policy::Cos {
        self.0
    }
}

impl DscpNumber {
    /// The value itself.
    pub const fn get(self) -> policy::Dscp {
        self.0
    }
}

impl TryFrom<u8> for CosNumber {
    type Error = policy::InvalidPriority;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        policy::Cos::try_from(number).map(Self)
    }
}

impl From<CosNumber> for u8 {
    fn from(cos: CosNumber) -> Self {
        cos.0.get()
    }
}

impl TryFrom<u8> for DscpNumber {
    type Error = policy::InvalidPriority;

    fn try_from(number: u8) -> Result<Self, Self::Error> {
        policy::Dscp::try_from(number).map(Self)
    }
}

impl From<DscpNumber> for u8 {
    fn from(dscp: DscpNumber) -> Self {
        dscp.0.get()
    }
}

/// Digits and nothing else.
fn octet(text: &str) -> Option<u8> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

impl FromStr for CosNumber {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let cos = octet(text).and_then(|cos| cos.try_into().ok());
        cos.ok_or(InvalidValue::at(0))
    }
}

impl FromStr for DscpNumber {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let number = match text.to_ascii_lowercase().as_str() {
            "default" => Some(0),
            "ef" => Some(46),
            lower => match *lower.as_bytes() {
                [b'c', b's', class @ b'1'..=b'7'] => Some((class - b'0') * 8),
                [b'a', b'f', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => {
                    Some((class - b'0') * 8 + (drop - b'0') * 2)
                }
                _ => octet(lower),
            },
        };
        let dscp = number.and_then(|number| number.try_into().ok());
        dscp.ok_or(InvalidValue::at(0))
    }
}

impl fmt::Display for CosNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

impl fmt::Display for DscpNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get() {
            0 => f.write_str("default"),
            46 => f.write_str("ef"),
            class if class.is_multiple_of(8) => write!(f, "cs{}", class / 8),
            assured if matches!((assured / 8, assured % 8), (1..=4, 2 | 4 | 6)) => {
                write!(f, "af{}{}", assured / 8, assured % 8 / 2)
            }
            other => other.fmt(f),
        }
    }
}

impl RateLines {
    /// Applies one line.
    pub(super) fn apply(&mut self, line: RateLine) {
        match line {
            RateLine::Police(Direction::In, police) => self.police_in = police,
            RateLine::Police(Direction::Out, police) => self.police_out = police,
            RateLine::Trust(trust) => self.trust = trust,
            RateLine::PortCos(cos) => self.port_cos = cos,
            RateLine::SetCos(cos) => self.set_cos = cos,
            RateLine::SetDscp(dscp) => self.set_dscp = dscp,
        }
    }

    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        if let Some(police) = &self.police_in {
            writeln!(out, "  police input {police}")?;
        }
        if let Some(police) = &self.police_out {
            writeln!(out, "  police output {police}")?;
        }
        if let Some(trust) = self.trust {
            writeln!(out, "  qos trust {}", trust.as_str())?;
        }
        if let Some(cos) = self.port_cos {
            writeln!(out, "  qos cos {cos}")?;
        }
        if let Some(cos) = self.set_cos {
            writeln!(out, "  qos set cos {cos}")?;
        }
        if let Some(dscp) = self.set_dscp {
            writeln!(out, "  qos set dscp {dscp}")?;
        }
        Ok(())
    }

    /// What holds, line by line, of several levels, the nearest of which comes first.
    pub(super) fn nearest(levels: &[&PortLines]) -> Self {
        fn one<T: Clone>(
            levels: &[&PortLines],
            line: impl Fn(&RateLines) -> &Option<T>,
        ) -> Option<T> {
            levels.iter().find_map(|lines| line(&lines.rates).clone())
        }
        Self {
            police_in: one(levels, |lines| &lines.police_in),
            police_out: one(levels, |lines| &lines.police_out),
            trust: one(levels, |lines| &lines.trust),
            port_cos: one(levels, |lines| &lines.port_cos),
            set_cos: one(levels, |lines| &lines.set_cos),
            set_dscp: one(levels, |lines| &lines.set_dscp),
        }
    }

    /// Each line by itself, with whether it is about a policer on the way in, on the way out, or about priority.
    pub(super) fn parts() -> [Part; 6] {
        [
            (RatePart::Input, |all| Self {
                police_in: all.police_in,
                ..Self::default()
            }),
            (RatePart::Output, |all| Self {
                police_out: all.police_out,
                ..Self::default()
            }),
            (RatePart::Priority, |all| Self {
                trust: all.trust,
                ..Self::default()
            }),
            (RatePart::Priority, |all| Self {
                port_cos: all.port_cos,
                ..Self::default()
            }),
            (RatePart::Priority, |all| Self {
                set_cos: all.set_cos,
                ..Self::default()
            }),
            (RatePart::Priority, |all| Self {
                set_dscp: all.set_dscp,
                ..Self::default()
            }),
        ]
    }
}

/// What a line is about, and how it is picked out of all lines.
type Part = (RatePart, fn(&RateLines) -> RateLines);

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RatePart {
    Input,
    Output,
    Priority,
}

impl From<InvalidPolice> for InvalidValue {
    fn from(invalid: InvalidPolice) -> Self {
        Self::at(invalid.at)
    }
}

const fn rate(line: RateLine) -> Option<Line> {
    port(PortLine::Rate(line))
}

const NO_INPUT: Build = |_| rate(RateLine::Police(Direction::In, None));
const NO_OUTPUT: Build = |_| rate(RateLine::Police(Direction::Out, None));

fn police_rate(direction: Direction, values: &mut Values) -> Option<Line> {
    let PoliceRate(police) = values.take()?;
    rate(RateLine::Police(direction, Some(police)))
}

/// `police input|output rate|cir ...`
pub(super) const POLICE: Node = word("police", "Bound the rate of frames").then(&[
    word("input", "Of frames the port sends")
        .no(NO_INPUT)
        .then(&[
            word("cir", "srTCM (RFC 2697); with pir trTCM (RFC 2698)").then(&[value(
                Kind::PoliceIn,
                "The rates, the bursts, and what becomes of what exceeds or violates them",
            )
            .line(|values| {
                let PoliceIn(police) = values.take()?;
                rate(RateLine::Police(Direction::In, Some(police)))
            })
            .no(NO_INPUT)]),
            word("rate", "One rate; what is beyond it is dropped").then(&[value(
                Kind::PoliceRate,
                "The rate, and how much may come at once",
            )
            .line(|values| police_rate(Direction::In, values))
            .no(NO_INPUT)]),
        ]),
    word("output", "Of frames the port gets")
        .no(NO_OUTPUT)
        .then(&[
            word("cir", "srTCM (RFC 2697); with pir trTCM (RFC 2698)").then(&[value(
                Kind::PoliceOut,
                "The rates, the bursts, and what becomes of what exceeds or violates them",
            )
            .line(|values| {
                let PoliceOut(police) = values.take()?;
                rate(RateLine::Police(Direction::Out, Some(police)))
            })
            .no(NO_OUTPUT)]),
            word("rate", "One rate; what is beyond it is dropped").then(&[value(
                Kind::PoliceRate,
                "The rate, and how much may come at once",
            )
            .line(|values| police_rate(Direction::Out, values))
            .no(NO_OUTPUT)]),
        ]),
]);

const NO_COS: Build = |_| rate(RateLine::PortCos(None));
const NO_TRUST: Build = |_| rate(RateLine::Trust(None));
const NO_SET_COS: Build = |_| rate(RateLine::SetCos(None));
const NO_SET_DSCP: Build = |_| rate(RateLine::SetDscp(None));

/// `qos cos|set|trust ...`
pub(super) const QOS: Node = word("qos", "Priority of frames the port sends").then(&[
    word("cos", "The CoS of frames that have none")
        .no(NO_COS)
        .then(&[value(Kind::Cos, "The CoS")
            .line(|values| rate(RateLine::PortCos(Some(values.take()?))))
            .no(NO_COS)]),
    word("set", "Whatever they came with").then(&[
        word("cos", "The CoS of all of them")
            .no(NO_SET_COS)
            .then(&[value(Kind::Cos, "The CoS")
                .line(|values| rate(RateLine::SetCos(Some(values.take()?))))
                .no(NO_SET_COS)]),
        word("dscp", "The DSCP of all IP packets")
            .no(NO_SET_DSCP)
            .then(&[value(Kind::Dscp, "The DSCP")
                .line(|values| rate(RateLine::SetDscp(Some(values.take()?))))
                .no(NO_SET_DSCP)]),
    ]),
    word("trust", "What is believed of what they came with")
        .no(NO_TRUST)
        .then(&[
            word("cos", "The tag's CoS; DSCP follows it")
                .line(|_| rate(RateLine::Trust(Some(Trust::Cos))))
                .no(NO_TRUST),
            word("dscp", "The DSCP; CoS follows it")
                .line(|_| rate(RateLine::Trust(Some(Trust::Dscp))))
                .no(NO_TRUST),
            word("none", "Nothing: CoS and DSCP become 0")
                .line(|_| rate(RateLine::Trust(Some(Trust::None))))
                .no(NO_TRUST),
        ]),
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dscp_has_a_name_or_a_number_and_reads_as_it_is_written() {
        for number in 0u8..64 {
            let dscp = DscpNumber::try_from(number).unwrap();
            assert_eq!(dscp.to_string().parse(), Ok(dscp), "{dscp}");
            assert_eq!(number.to_string().parse(), Ok(dscp));
        }
        for (name, number) in [("ef", 46), ("AF11", 10), ("af43", 38), ("cs7", 56)] {
            assert_eq!(name.parse::<DscpNumber>().map(u8::from), Ok(number));
        }
        for bad in ["64", "af14", "af50", "cs0", "cs8", "+1", "", "e"] {
            assert!(bad.parse::<DscpNumber>().is_err(), "{bad}");
        }
    }
}
