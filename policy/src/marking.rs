//! Trust and rewriting of priority: CoS (PCP and DEI of the 802.1Q tag, IEEE 802.1Q clause 9.6) and DSCP (RFC 2474) of
//! IPv4 and IPv6.
//!
//! CoS goes into the tag that a departure writes anyway. DSCP is a [`Rewrite`]: at most four octets of the IP header,
//! which whoever sends the frame writes into the headers it copies, so that a frame's payload is not. No
//! checksum behind the IP header covers the DSCP, so partial checksums and oversized frames stay as they are; the
//! IPv4 header checksum, which is complete in those too, follows by RFC 1624 and is not made right if it was wrong.

use crate::rate::Color;
use crate::{Cos, Dscp, llc};
pub use niv::Rewrite;
use niv::VlanTag;
use vntag::{Inner, hidden_tag};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86DD;

/// What DSCP each CoS becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CosToDscp([Dscp; 8]);

impl Default for CosToDscp {
    /// The class selector with the same number (RFC 2474 section 4.2.2): CoS times 8.
    fn default() -> Self {
        let mut table = [Dscp(0); 8];
        for (cos, dscp) in (0..).zip(&mut table) {
            *dscp = Dscp(cos << 3);
        }
        Self(table)
    }
}

impl CosToDscp {
    /// `cos` becomes `dscp`.
    pub fn set(&mut self, cos: Cos, dscp: Dscp) {
        if let Some(place) = self.0.get_mut(usize::from(cos.0)) {
            *place = dscp;
        }
    }

    /// What `cos` becomes.
    #[inline]
    pub fn of(&self, cos: Cos) -> Dscp {
        self.0.get(usize::from(cos.0)).copied().unwrap_or_default()
    }
}

/// What CoS each DSCP becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DscpToCos([Cos; 64]);

impl Default for DscpToCos {
    /// The number of its class selector (RFC 2474 section 4.2.2): DSCP divided by 8.
    fn default() -> Self {
        let mut table = [Cos(0); 64];
        for (dscp, cos) in (0u8..).zip(&mut table) {
            *cos = Cos(dscp >> 3);
        }
        Self(table)
    }
}

impl DscpToCos {
    /// `dscp` becomes `cos`.
    pub fn set(&mut self, dscp: Dscp, cos: Cos) {
        if let Some(place) = self.0.get_mut(usize::from(dscp.0)) {
            *place = cos;
        }
    }

    /// What `dscp` becomes.
    #[inline]
    pub fn of(&self, dscp: Dscp) -> Cos {
        self.0.get(usize::from(dscp.0)).copied().unwrap_or_default()
    }
}

/// What DSCP a frame gets that its meter calls yellow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Markdown([Dscp; 64]);

impl Default for Markdown {
    /// The next drop precedence of its assured forwarding class (RFC 2597 section 6: AF11 becomes AF12); all others stay.
    fn default() -> Self {
        let mut table = [Dscp(0); 64];
        for (value, place) in (0u8..).zip(&mut table) {
            let dscp = Dscp(value);
            *place = match dscp.assured() {
                Some((_, 1 | 2)) => Dscp(value + 2),
                _ => dscp,
            };
        }
        Self(table)
    }
}

impl Markdown {
    /// `from` becomes `to`.
    pub fn set(&mut self, from: Dscp, to: Dscp) {
        if let Some(place) = self.0.get_mut(usize::from(from.0)) {
            *place = to;
        }
    }

    #[inline]
    fn of(&self, dscp: Dscp) -> Dscp {
        self.0.get(usize::from(dscp.0)).copied().unwrap_or(dscp)
    }
}

/// Where a frame's CoS comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CosRule {
    /// From its tag, drop eligibility too; a frame without a tag has the port's.
    Trust,
    /// From its DSCP, by the table; what is no IP has the port's.
    FromDscp,
    /// This one, whatever it says.
    Set(Cos),
}

/// Where an IP packet's DSCP comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DscpRule {
    /// It stays as it is.
    Trust,
    /// From the CoS its frame came with, or else the port's, by the table.
    FromCos,
    /// This one, whatever it says.
    Set(Dscp),
}

/// The marking of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marking {
    /// Where CoS comes from.
    pub cos: CosRule,
    /// Where DSCP comes from.
    pub dscp: DscpRule,
    /// The CoS of frames that have none.
    pub port_cos: Cos,
    /// For [`DscpRule::FromCos`].
    pub cos_to_dscp: CosToDscp,
    /// For [`CosRule::FromDscp`].
    pub dscp_to_cos: DscpToCos,
    /// What yellow frames get, after the rules; they become drop eligible too. `None`: what green ones do.
    pub markdown: Option<Markdown>,
}

impl Default for Marking {
    /// No CoS is trusted, and no DSCP is touched (design.md section 5.6: PCP survives only where trusted).
    fn default() -> Self {
        Self {
            cos: CosRule::Set(Cos(0)),
            dscp: DscpRule::Trust,
            port_cos: Cos(0),
            cos_to_dscp: CosToDscp::default(),
            dscp_to_cos: DscpToCos::default(),
            markdown: None,
        }
    }
}

/// What a frame is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// For the tag, if it gets one.
    pub cos: Cos,
    /// For the tag, if it gets one.
    pub drop_eligible: bool,
    /// For the IP header; `None`: it stays as it is.
    pub rewrite: Option<Rewrite>,
}

impl Marked {
    /// The upper four bits of a tag's control information.
    ///
    /// ```
    /// use policy::{Cos, marking::Marked};
    ///
    /// let marked = Marked { cos: Cos::try_from(5)?, drop_eligible: true, rewrite: None };
    /// assert_eq!(marked.tag_bits(), 0xB000);
    /// # Ok::<(), policy::InvalidPriority>(())
    /// ```
    pub const fn tag_bits(&self) -> u16 {
        (self.cos.0 as u16) << 13 | (self.drop_eligible as u16) << 12
    }
}

impl Marking {
    /// Trust CoS, and let DSCP follow it.
    pub fn trusting_cos() -> Self {
        Self {
            cos: CosRule::Trust,
            dscp: DscpRule::FromCos,
            ..Self::default()
        }
    }

    /// Trust DSCP, and let CoS follow it.
    pub fn trusting_dscp() -> Self {
        Self {
            cos: CosRule::FromDscp,
            dscp: DscpRule::Trust,
            ..Self::default()
        }
    }

    /// Trust neither: both are 0.
    pub fn untrusted() -> Self {
        Self {
            cos: CosRule::Set(Cos(0)),
            dscp: DscpRule::Set(Dscp(0)),
            ..Self::default()
        }
    }

    /// What a frame is sent with that came with `tag` outermost, wherever that was found, and whose EtherType behind
    /// it stands at `skip` of `bytes`.
    #[inline]
    pub fn mark(&self, tag: Option<VlanTag>, bytes: &[u8], skip: u16, color: Color) -> Marked {
        let came = tag.map_or(self.port_cos, |tag| Cos::truncate(tag.pcp()));
        let markdown = match color {
            Color::Green => None,
            Color::Yellow | Color::Red => self.markdown.as_ref(),
        };
        let needs_ip = markdown.is_some()
            || !matches!(self.dscp, DscpRule::Trust)
            || matches!(self.cos, CosRule::FromDscp);
        let ip = if needs_ip {
            IpHeader::find(bytes, skip, tag.is_some())
        } else {
            None
        };
        let (cos, eligible) = match self.cos {
            CosRule::Trust => (came, tag.is_some_and(VlanTag::drop_eligible)),
            CosRule::FromDscp => {
                let dscp = ip.map(|ip| ip.dscp());
                let cos = dscp.map_or(self.port_cos, |dscp| self.dscp_to_cos.of(dscp));
                (cos, false)
            }
            CosRule::Set(cos) => (cos, false),
        };
        let rewrite = ip.and_then(|ip| {
            let dscp = match self.dscp {
                DscpRule::Trust => ip.dscp(),
                DscpRule::FromCos => self.cos_to_dscp.of(came),
                DscpRule::Set(dscp) => dscp,
            };
            ip.rewrite(markdown.map_or(dscp, |markdown| markdown.of(dscp)))
        });
        Marked {
            cos,
            drop_eligible: eligible || markdown.is_some(),
            rewrite,
        }
    }
}

/// The colour a frame came with, for colour-aware meters: of assured forwarding its drop precedence (RFC 2597), else
/// yellow when it is drop eligible (IEEE 802.1Q clause 6.9.3), else green.
pub fn color_of(tag: Option<VlanTag>, bytes: &[u8], skip: u16) -> Color {
    let ip = IpHeader::find(bytes, skip, tag.is_some());
    color(ip, tag.is_some_and(VlanTag::drop_eligible))
}

/// The colour it leaves with, by the same rules: `rewrite` is written by then, and it is drop eligible or not as marking
/// made it, not as it came.
///
/// ```
/// use policy::marking::{color_leaving, color_of};
/// use policy::rate::Color;
///
/// let mut frame = [0; 34];
/// frame[12..16].copy_from_slice(&[0x08, 0x00, 0x45, 10 << 2]);
/// assert_eq!(color_of(None, &frame, 12), Color::Green);
/// let af12 = niv::Rewrite { at: 14, start: [0x45, 12 << 2], checksum: None };
/// assert_eq!(color_leaving(false, &frame, 12, Some(af12), false), Color::Yellow);
/// ```
pub fn color_leaving(
    has_tag: bool,
    bytes: &[u8],
    skip: u16,
    rewrite: Option<Rewrite>,
    drop_eligible: bool,
) -> Color {
    let ip = IpHeader::find(bytes, skip, has_tag).map(|ip| IpHeader {
        start: rewrite.map_or(ip.start, |rewrite| rewrite.start),
        ..ip
    });
    color(ip, drop_eligible)
}

fn color(ip: Option<IpHeader>, drop_eligible: bool) -> Color {
    match ip.and_then(|ip| ip.dscp().assured()) {
        Some((_, 1)) => Color::Green,
        Some((_, 2)) => Color::Yellow,
        Some(_) => Color::Red,
        None if drop_eligible => Color::Yellow,
        None => Color::Green,
    }
}

/// An IP header in a frame, as far as marking needs it.
#[derive(Clone, Copy)]
struct IpHeader {
    at: u16,
    /// Version, and DSCP somewhere behind it.
    start: [u8; 2],
    /// IPv4's.
    checksum: Option<[u8; 2]>,
}

impl IpHeader {
    /// `None`: no IP, or what is there is cut short or no header of its version.
    #[inline]
    fn find(bytes: &[u8], skip: u16, has_tag: bool) -> Option<Self> {
        let inner = hidden_tag(bytes, usize::from(skip), usize::from(has_tag));
        let Inner::Plain {
            mut ethertype,
            mut payload_at,
            ..
        } = inner
        else {
            return None;
        };
        if ethertype < llc::FIRST_ETHERTYPE {
            ethertype = llc::ethertype(bytes.get(payload_at..)?)?;
            payload_at += llc::SNAP_LEN;
        }
        let header = bytes.get(payload_at..)?;
        let at = u16::try_from(payload_at).ok()?;
        let start: [u8; 2] = *header.first_chunk()?;
        let [first, _] = start;
        match ethertype {
            ETHERTYPE_IPV4 => {
                let header: &[u8; 20] = header.first_chunk()?;
                let checksum = [header[10], header[11]];
                (first >> 4 == 4 && first & 0xF >= 5).then_some(Self {
                    at,
                    start,
                    checksum: Some(checksum),
                })
            }
            ETHERTYPE_IPV6 => {
                header.first_chunk::<40>()?;
                (first >> 4 == 6).then_some(Self {
                    at,
                    start,
                    checksum: None,
                })
            }
            _ => None,
        }
    }

    #[inline]
    const fn dscp(self) -> Dscp {
        let [first, second] = self.start;
        match self.checksum {
            Some(_) => Dscp(second >> 2),
            None => Dscp((first & 0xF) << 2 | second >> 6),
        }
    }

    /// ECN (RFC 3168) is not ours to change.
    #[inline]
    const fn rewrite(self, dscp: Dscp) -> Option<Rewrite> {
        let Dscp(dscp) = Dscp::truncate(dscp.0);
        if dscp == self.dscp().0 {
            return None;
        }
        let [first, second] = self.start;
        let (start, checksum) = match self.checksum {
            Some(checksum) => {
                let start = [first, dscp << 2 | second & 3];
                (start, Some(follow(checksum, self.start, start)))
            }
            None => ([first & 0xF0 | dscp >> 2, dscp << 6 | second & 0x3F], None),
        };
        Some(Rewrite {
            at: self.at,
            start,
            checksum,
        })
    }
}

/// The checksum of a header in which the word `old` became `new`: RFC 1624 section 3, equation 3,
/// `HC' = ~(~HC + ~m + m')`.
#[inline]
const fn follow(checksum: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
    let (old, new) = (u16::from_be_bytes(old), u16::from_be_bytes(new));
    let sum = !u16::from_be_bytes(checksum) as u32 + !old as u32 + new as u32;
    let sum = (sum & 0xFFFF) + (sum >> 16);
    let sum = (sum & 0xFFFF) + (sum >> 16);
    (!(sum as u16)).to_be_bytes()
}

#[cfg(test)]
#[path = "marking_tests.rs"]
mod tests;
