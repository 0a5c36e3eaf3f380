//! The Internet checksum (RFC 1071).

use super::BadOffload;
use crate::Checksum;

/// A ones' complement sum of 16-bit words, not yet folded.
///
/// Sums of pieces add up as long as each piece but the last has an even length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// Of `bytes`; an odd last octet counts as the high half of a word (RFC 1071 section 4.1).
    ///
    /// The words are added in the machine's own byte order, which RFC 1071 section 2(B) allows, and 64 bits at a
    /// time: the sum is taken modulo 2^16 - 1, for which 2^64 and 2^32 are 1.
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        const LANES: usize = 4;
        let mut lanes = [0u128; LANES];
        let (chunks, rest) = bytes.as_chunks::<{ 8 * LANES }>();
        for chunk in chunks {
            let (words, _) = chunk.as_chunks::<8>();
            for (lane, word) in lanes.iter_mut().zip(words) {
                *lane += u128::from(u64::from_ne_bytes(*word));
            }
        }
        let wide: u128 = lanes.iter().sum();
        let (high, low) = ((wide >> 64) as u64, wide as u64);
        let mut sum = high + (low >> 32) + (low & 0xFFFF_FFFF);
        let (words, tail) = rest.as_chunks::<2>();
        for word in words {
            sum += u64::from(u16::from_ne_bytes(*word));
        }
        if let [last] = tail {
            sum += u64::from(u16::from_ne_bytes([*last, 0]));
        }
        Self(sum)
    }

    /// With one more word.
    #[inline]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word.to_be() as u64)
    }

    /// With all words of another sum.
    #[inline]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Folded to 16 bits, as it stands in a frame: what an unfinished checksum field holds.
    #[inline]
    pub const fn folded(self) -> [u8; 2] {
        let mut sum = (self.0 >> 32) + (self.0 & 0xFFFF_FFFF);
        while sum > 0xFFFF {
            sum = (sum >> 16) + (sum & 0xFFFF);
        }
        (sum as u16).to_ne_bytes()
    }

    /// The complement, as it stands in a frame.
    #[inline]
    pub const fn checksum(self) -> [u8; 2] {
        let [a, b] = self.folded();
        [!a, !b]
    }

    /// The complement, with zero written as all ones: in UDP a zero says that there is no checksum (RFC 768), and
    /// elsewhere both mean the same.
    #[inline]
    pub const fn nonzero_checksum(self) -> [u8; 2] {
        match self.checksum() {
            [0, 0] => [0xFF, 0xFF],
            sum => sum,
        }
    }
}

/// The finished checksum of `frame`, and where in it the checksum stands.
///
/// # Errors
/// The checksum lies outside of the frame.
pub(crate) fn finish(frame: &[u8], checksum: Checksum) -> Result<(usize, [u8; 2]), BadOffload> {
    let start = usize::from(checksum.start);
    let at = start + usize::from(checksum.offset);
    let summed = frame.get(start..).ok_or(BadOffload::Checksum)?;
    if at + 2 > frame.len() {
        return Err(BadOffload::Checksum);
    }
    Ok((at, Sum::of(summed).nonzero_checksum()))
}

/// The reverse, for a device that wants the checksum unfinished: what its field holds then.
///
/// # Errors
/// The checksum is wrong, or says that there is none: nobody could tell later.
pub(crate) fn unfinish(
    frame: &[u8],
    checksum: Checksum,
    pseudo: Sum,
) -> Result<[u8; 2], BadOffload> {
    let start = usize::from(checksum.start);
    let at = start + usize::from(checksum.offset);
    let summed = frame.get(start..).ok_or(BadOffload::Checksum)?;
    let field = frame.get(at..at + 2).ok_or(BadOffload::Checksum)?;
    let right = pseudo.plus(Sum::of(summed)).folded() == [0xFF, 0xFF];
    if right && field != [0, 0] {
        Ok(pseudo.folded())
    } else {
        Err(BadOffload::Checksum)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The checksum as RFC 1071 section 4.1 has it, one word at a time.
    pub(crate) fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u32;
        for pair in bytes.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
            sum = (sum & 0xFFFF) + (sum >> 16);
        }
        !(sum as u16)
    }

    proptest! {
        #[test]
        fn the_fast_sum_is_the_sum_of_rfc_1071(bytes in proptest::collection::vec(any::<u8>(), 0..2000), cut in 0usize..1000) {
            let expected = naive(&bytes).to_be_bytes();
            prop_assert_eq!(Sum::of(&bytes).checksum(), expected);
            let (a, b) = bytes.split_at((cut * 2).min(bytes.len() & !1));
            prop_assert_eq!(Sum::of(a).plus(Sum::of(b)).checksum(), expected);
        }
    }

    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(
            Sum::of(&[0, 1, 0xF2, 3, 0xF4, 0xF5, 0xF6, 0xF7]).folded(),
            [0xDD, 0xF2]
        );
    }

    #[test]
    fn a_zero_checksum_is_written_as_ones() {
        assert_eq!(Sum::of(&[0xFF, 0xFF]).nonzero_checksum(), [0xFF, 0xFF]);
    }
}
