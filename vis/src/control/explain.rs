//! `explain frame HEX from INTERFACE`: what the switch would do with a frame now, and why.

use crate::config::{InterfaceId, OriginatedLine};
use niv::{ListId, Mac, VlanId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is to be explained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// The frame as text, as it was typed: [`FrameOctets`] reads it.
    pub frame: String,
    /// Where it comes in. Of a vEth: what its guest sends, and the VNTag of its VIF is put in front.
    pub from: InterfaceId,
}

/// A frame that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameOctets(pub Vec<u8>);

impl FrameOctets {
    /// Two addresses and an EtherType.
    pub const SHORTEST: usize = 14;
    /// Of the largest MTU that can be configured (9,216), with a VNTag and as many VLAN tags as are looked behind
    /// (design.md section 5.2).
    pub const LONGEST: usize = 14 + 6 + 4 * 4 + 9216;
}

/// Text that is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFrame {
    /// Something else than a digit.
    #[error(
        "`{found}` stands where digit {digit} of the frame should: expected 0 to 9 or a to f, two digits for each \
        octet; `:`, `-` and `.` may stand between octets"
    )]
    NoDigit {
        /// Which digit, from 1.
        digit: usize,
        /// What is there.
        found: char,
    },
    /// A separator inside an octet.
    #[error(
        "`{found}` stands behind digit {digit} of the frame, in the middle of an octet: it may stand between octets"
    )]
    Split {
        /// The digit before it, from 1.
        digit: usize,
        /// What is there.
        found: char,
    },
    /// Half an octet at the end.
    #[error("half of octet {} of the frame is missing: two digits make an octet, and there are {digits} in all", digits / 2 + 1)]
    Half {
        /// Digits in all.
        digits: usize,
    },
    /// No header.
    #[error(
        "the frame is too short: expected {} octets at least, which are both addresses and the EtherType, and it has {octets}",
        FrameOctets::SHORTEST
    )]
    TooShort {
        /// Octets in all.
        octets: usize,
    },
    /// No frame is so long.
    #[error(
        "the frame goes on behind digit {}: no frame has more than {} octets",
        FrameOctets::LONGEST * 2,
        FrameOctets::LONGEST
    )]
    TooLong,
}

impl FromStr for FrameOctets {
    type Err = InvalidFrame;

    fn from_str(text: &str) -> Result<Self, InvalidFrame> {
        let mut octets = Vec::new();
        let mut digits = 0;
        let mut high = None;
        for found in text.chars() {
            if let ':' | '-' | '.' = found {
                if high.is_some() {
                    return Err(InvalidFrame::Split {
                        digit: digits,
                        found,
                    });
                }
                continue;
            }
            digits += 1;
            let digit = found.to_digit(16).ok_or(InvalidFrame::NoDigit {
                digit: digits,
                found,
            })?;
            match high.take() {
                None if octets.len() == Self::LONGEST => return Err(InvalidFrame::TooLong),
                None => high = Some(digit),
                Some(high) => octets.push((high << 4 | digit) as u8),
            }
        }
        if high.is_some() {
            return Err(InvalidFrame::Half { digits });
        }
        if octets.len() < Self::SHORTEST {
            return Err(InvalidFrame::TooShort {
                octets: octets.len(),
            });
        }
        Ok(Self(octets))
    }
}

/// Octets as lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hex(pub String);

impl From<&[u8]> for Hex {
    fn from(octets: &[u8]) -> Self {
        use fmt::Write;
        let mut text = String::with_capacity(octets.len() * 2);
        for octet in octets {
            // Writing to a string does not fail.
            let _ = write!(text, "{octet:02x}");
        }
        Self(text)
    }
}

/// What would become of the frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowExplain {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// Where it comes in.
    pub from: InterfaceId,
    /// The device it is received on.
    pub received_on: InterfaceId,
    /// Its octets there.
    pub received: Hex,
    /// To whom.
    pub destination: Mac,
    /// From whom.
    pub source: Mac,
    /// Its VNTag.
    pub vntag: Option<ExplainedVnTag>,
    /// Its outer VLAN tag, if the frame was read so far.
    pub vlan_tag: Option<ExplainedVlanTag>,
    /// Whose it is.
    pub owner: Option<InterfaceId>,
    /// What was asked about it, in order.
    pub stages: Vec<Stage>,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why it is dropped.
    pub reason: Option<Reason>,
    /// Its copies, the first [`MAX_COPIES`] of them.
    pub copies: Vec<ExplainedCopy>,
    /// How many there are besides.
    pub more_copies: usize,
}

/// Copies that are explained, at most: a flood can have thousands, of 9 KB each.
pub const MAX_COPIES: usize = 64;

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// To one interface.
    Forwarded,
    /// To all others in its VLAN.
    Flooded,
    /// It ends in the switch.
    Consumed,
    /// It ends here.
    Dropped,
}

impl Verdict {
    /// As JSON names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::Flooded => "flooded",
            Self::Consumed => "consumed",
            Self::Dropped => "dropped",
        }
    }
}

/// A VNTag, field by field (design.md section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedVnTag {
    /// d: true from the switch.
    pub from_bridge: bool,
    /// p: `dvif` is a list.
    pub pointer: bool,
    /// dvif.
    pub dvif: u16,
    /// l.
    pub looped: bool,
    /// r.
    pub reserved: bool,
    /// ver.
    pub version: u8,
    /// svif.
    pub svif: u16,
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedVlanTag {
    /// Its EtherType.
    pub tpid: u16,
    /// Its VLAN id, 0..=4095.
    pub vid: u16,
    /// Its priority.
    pub priority: u8,
}

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stage {
    /// Its name: `tag`, `state`, `addresses`, `link_local`, `vlan`, `learn`, `lookup`, `member`, `mtu`, `list`.
    pub stage: String,
    /// The frame, or the copy, goes on.
    pub passes: bool,
    /// The answer, as a sentence.
    pub says: String,
    /// The lines that decided it, and where they stand.
    pub lines: Vec<OriginatedLine>,
}

/// Why something was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The stable name.
    pub name: String,
    /// What it means.
    pub explanation: String,
}

impl From<niv::DropReason> for Reason {
    fn from(reason: niv::DropReason) -> Self {
        Self {
            name: reason.to_string(),
            explanation: reason.explain().to_owned(),
        }
    }
}

/// One copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplainedCopy {
    /// Whom it is for.
    pub to: Vec<InterfaceId>,
    /// Of several: the list.
    pub list: Option<ListId>,
    /// The VLAN it is in.
    pub vlan: Option<VlanId>,
    /// What was asked about it, in order.
    pub stages: Vec<Stage>,
    /// The device it leaves by, unless it is dropped.
    pub sent_on: Option<InterfaceId>,
    /// The octets written there.
    pub octets: Option<Hex>,
    /// Why it is dropped, or what keeps the device from taking it.
    pub reason: Option<Reason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_hex_digits_and_what_is_wrong_is_told_by_digit() {
        let good = "ffffffffffff0200000000010800";
        assert_eq!(good.parse::<FrameOctets>().unwrap().0.len(), 14);
        let apart = "FF:FF:FF:FF:FF:FF:02:00:00:00:00:01-08.00".parse();
        assert_eq!(apart, good.parse::<FrameOctets>());
        let long = "ab".repeat(FrameOctets::LONGEST);
        assert!(long.parse::<FrameOctets>().is_ok());
        for (bad, error) in [
            ("fffgff".to_owned(), "`g` stands where digit 4 "),
            ("ff:f:ff".to_owned(), "behind digit 3 "),
            (
                format!("{good}a"),
                "half of octet 15 of the frame is missing",
            ),
            (
                good[2..].to_owned(),
                "expected 14 octets at least, which are both addresses and the EtherType, and it has 13",
            ),
            (String::new(), "and it has 0"),
            (format!("{long}0"), "behind digit 18504"),
            ("é".to_owned(), "`é` stands where digit 1 "),
        ] {
            let found = bad.parse::<FrameOctets>().unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
    }
}
