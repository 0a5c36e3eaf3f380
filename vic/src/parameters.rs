//! Numbers of the protocol that a site may have to change, with their defaults: the one place that
//! fixes them. Both ends of a link must agree on the subtypes and the OUI; the rest each end chooses.

use core::time::Duration;

/// The EtherType of ECP (IEEE 802.1Qbg, since 2014 in 802.1Q).
pub const ETHERTYPE: u16 = 0x8940;

/// The version of VIC that this crate speaks.
pub const VERSION: u8 = 1;

/// Octets from the destination address to the last octet of the authenticator, at most, in a PDU that is
/// acknowledged. Only a Probe is longer.
pub const MAX_FRAME: usize = 14 + 1500;

/// The least link MTU with which a session is opened, in octets after the EtherType.
pub const MIN_MTU: u16 = 1280;

/// What a site may have to change.
///
/// ```
/// use vic::Parameters;
///
/// let parameters = Parameters::default();
/// assert_eq!(parameters.ack_timer().as_micros(), 10_240);
/// assert!(parameters.keepalive_every() * 7 <= parameters.hold);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// ECP subtype of PDUs that are acknowledged: 0..=1023. 1 and 2 are taken (VDP, PE-CSP), and a high
    /// number stays clear of what may be assigned. Default 1008.
    pub subtype: u16,
    /// ECP subtype of PDUs that are not: Open, Keepalive, Probe, Close. Default 1009.
    pub unacknowledged_subtype: u16,
    /// What a payload starts with. Default 4E-49-56 ("NIV"): nobody's, since its local bit is set.
    pub oui: [u8; 3],
    /// ECP's timer is `10 us * 2^rte`: 0..=20. Default 10 (10.24 ms).
    pub rte: u8,
    /// How often ECP repeats a PDU that is not acknowledged. Default 5.
    pub retries: u8,
    /// A session is lost when nothing valid was heard for so long: 100 ms to 60 s. Default 900 ms.
    pub hold: Duration,
    /// How long a freed id rests before it may be given again. Default 1 s.
    pub rest: Duration,
    /// Sessions take this many valid PDUs a second, on average, and as many that came already; they drop the rest before
    /// they look at its authenticator. Default 4,000.
    pub rate: u32,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            subtype: 1008,
            unacknowledged_subtype: 1009,
            oui: *b"NIV",
            rte: 10,
            retries: 5,
            hold: Duration::from_millis(900),
            rest: Duration::from_secs(1),
            rate: 4000,
        }
    }
}

impl Parameters {
    /// How long ECP waits for an acknowledgement.
    ///
    /// ```
    /// # use vic::Parameters;
    /// let slow = Parameters { rte: 14, ..Parameters::default() };
    /// assert_eq!(slow.ack_timer().as_micros(), 163_840);
    /// ```
    pub fn ack_timer(&self) -> Duration {
        Duration::from_micros(10 << self.rte.min(20))
    }

    /// How often a Keepalive is sent when both ends have this hold time: five in a row may be lost, and the sixth may be
    /// late by as much again.
    ///
    /// ```
    /// # use vic::Parameters;
    /// assert_eq!(Parameters::default().keepalive_every().as_millis(), 128);
    /// ```
    pub fn keepalive_every(&self) -> Duration {
        keepalive_every(self.hold)
    }
}

/// For a peer that holds a session for `hold`. With a sixth of it the sixth Keepalive would come when it is over.
pub(crate) fn keepalive_every(hold: Duration) -> Duration {
    (hold / 7).max(Duration::from_millis(10))
}
