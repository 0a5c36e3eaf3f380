//! What ends every frame: proof that somebody with the key wrote it, or, without a key, that no bit
//! changed on the way.

use core::fmt;
use crc::{CRC_32_ISCSI, Crc, Table};
use hmac::{Hmac, KeyInit, Mac as _};
use sha2::Sha256;
use thiserror::Error;

static CRC_32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// A key that both ends of a link share: 16 to 64 octets. It is not shown by `Debug`.
///
/// ```
/// use vic::{InvalidKey, Key};
///
/// let key: Key = Key::new(b"correct horse battery staple")?;
/// assert_eq!(format!("{key:?}"), "Key(28 octets)");
/// assert_eq!(Key::new(b"short"), Err(InvalidKey(5)));
/// # Ok::<(), InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

/// A key too short or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key has 16 to 64 octets, and this one has {0}")]
pub struct InvalidKey(
    /// Octets it has.
    pub usize,
);

impl Key {
    /// A key of these octets.
    pub fn new(octets: &[u8]) -> Result<Self, InvalidKey> {
        match octets.len() {
            16..=64 => Ok(Self(octets.to_vec())),
            length => Err(InvalidKey(length)),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} octets)", self.0.len())
    }
}

/// Which authenticator a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// CRC-32C (Castagnoli), 4 octets, most significant first.
    Crc,
    /// HMAC-SHA-256 (RFC 2104), 32 octets.
    Hmac,
}

impl Kind {
    /// Octets of it.
    pub const fn length(self) -> usize {
        match self {
            Self::Crc => 4,
            Self::Hmac => 32,
        }
    }

    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Crc => 0,
            Self::Hmac => 1,
        }
    }

    pub(crate) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Crc),
            1 => Some(Self::Hmac),
            _ => None,
        }
    }
}

/// Writes and checks authenticators.
///
/// ```
/// use vic::{Authenticator, Key};
///
/// let open = Authenticator::crc();
/// let mut frame = b"123456789".to_vec();
/// open.seal(&mut frame);
/// assert_eq!(frame[9..], [0xE3, 0x06, 0x92, 0x83]);
/// assert!(open.holds(b"123456789", &frame[9..]));
/// ```
#[derive(Clone)]
pub struct Authenticator(Option<Hmac<Sha256>>);

impl Authenticator {
    /// HMAC-SHA-256 with `key`.
    pub fn hmac(key: &Key) -> Self {
        // HMAC takes keys of any length, so this is never `None` (a test says so).
        Self(Hmac::new_from_slice(&key.0).ok())
    }

    /// CRC-32C.
    pub const fn crc() -> Self {
        Self(None)
    }

    /// With a key if there is one.
    pub fn of(key: Option<&Key>) -> Self {
        key.map_or(Self::crc(), Self::hmac)
    }

    /// Which of the two.
    pub const fn kind(&self) -> Kind {
        match self.0 {
            Some(_) => Kind::Hmac,
            None => Kind::Crc,
        }
    }

    /// Appends the authenticator of all that `octets` holds.
    pub fn seal(&self, octets: &mut Vec<u8>) {
        match &self.0 {
            Some(keyed) => {
                let code = keyed.clone().chain_update(&octets).finalize();
                octets.extend_from_slice(&code.into_bytes());
            }
            None => octets.extend_from_slice(&CRC_32C.checksum(octets).to_be_bytes()),
        }
    }

    /// Whether `authenticator` is that of `octets`. Takes as long for a wrong one as for the right one.
    pub fn holds(&self, octets: &[u8], authenticator: &[u8]) -> bool {
        match &self.0 {
            Some(keyed) => keyed
                .clone()
                .chain_update(octets)
                .verify_slice(authenticator)
                .is_ok(),
            None => CRC_32C.checksum(octets).to_be_bytes() == authenticator,
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authenticator({:?})", self.kind())
    }
}

/// Numbers that nobody can guess, from 32 octets of the system's randomness: the session code draws
/// its nonces from here, so it needs no source of its own.
#[derive(Clone)]
pub(crate) struct Entropy {
    keyed: Option<Hmac<Sha256>>,
    drawn: u64,
}

impl Entropy {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        Self {
            keyed: Hmac::new_from_slice(seed).ok(),
            drawn: 0,
        }
    }

    /// Never 0.
    pub(crate) fn draw(&mut self) -> u64 {
        loop {
            self.drawn = self.drawn.wrapping_add(1);
            let code = self.keyed.clone().map(|keyed| {
                let text = [b"vic nonce".as_slice(), &self.drawn.to_be_bytes()].concat();
                keyed.chain_update(text).finalize().into_bytes()
            });
            let first = code.as_deref().and_then(<[u8]>::first_chunk).copied();
            match first.map_or(self.drawn, u64::from_be_bytes) {
                0 => {}
                number => return number,
            }
        }
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entropy({} drawn)", self.drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, test case 2, with its key "Jefe" padded with zeros: HMAC does the same padding.
    #[test]
    fn the_hmac_is_the_one_of_rfc_4231() {
        let mut key = b"Jefe".to_vec();
        key.resize(64, 0);
        let keyed = Authenticator::hmac(&Key::new(&key).unwrap());
        let mut octets = b"what do ya want for nothing?".to_vec();
        keyed.seal(&mut octets);
        let code: String = octets[28..].iter().map(|o| format!("{o:02x}")).collect();
        assert_eq!(
            code,
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn a_key_of_any_length_makes_an_hmac_and_not_a_checksum() {
        for length in 16..=64 {
            let key = Key::new(&vec![7; length]).unwrap();
            assert_eq!(Authenticator::hmac(&key).kind(), Kind::Hmac);
            assert!(Entropy::new(&[length as u8; 32]).keyed.is_some());
        }
        assert_eq!(Key::new(&[0; 15]), Err(InvalidKey(15)));
        assert_eq!(Key::new(&[0; 65]), Err(InvalidKey(65)));
    }

    #[test]
    fn one_changed_bit_is_seen_either_way() {
        let key = Key::new(&[7; 16]).unwrap();
        for authenticator in [Authenticator::crc(), Authenticator::hmac(&key)] {
            let mut sealed = (0..80).collect::<Vec<u8>>();
            authenticator.seal(&mut sealed);
            for bit in 0..sealed.len() * 8 {
                let mut flipped = sealed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let (octets, code) = flipped.split_at(80);
                assert!(!authenticator.holds(octets, code), "bit {bit}");
            }
        }
    }

    #[test]
    fn other_seeds_and_later_draws_are_other_numbers() {
        let mut drawn = std::collections::BTreeSet::new();
        for seed in 0..10 {
            let mut entropy = Entropy::new(&[seed; 32]);
            drawn.extend((0..10).map(|_| entropy.draw()));
        }
        assert_eq!(drawn.len(), 100);
    }
}
