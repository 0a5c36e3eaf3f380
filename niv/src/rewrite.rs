//! A few octets of an IP header that leave other than they came: what marking changes of a frame.

/// The octets of an IP header that differ from the received ones. Whoever decides on it reads the header; who sends
/// the frame writes the octets into the header it copies anyway. No checksum behind the IP header covers them, so
/// frames with work left undone are changed as others are.
///
/// ```
/// use niv::Rewrite;
///
/// // IPv6 with a DSCP of 46 behind addresses and EtherType.
/// let rewrite = Rewrite { at: 14, start: [0x6B, 0x80], checksum: None };
/// let mut frame = [0; 60];
/// frame[14] = 0x60;
/// assert_eq!(rewrite.apply(&mut frame, 0), Some(()));
/// assert_eq!(frame[14..16], [0x6B, 0x80]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rewrite {
    /// Where in the received frame the IP header begins.
    pub at: u16,
    /// Its first two octets: version and traffic class, or version, length and DSCP.
    pub start: [u8; 2],
    /// Its octets 10 and 11, of IPv4: the header checksum.
    pub checksum: Option<[u8; 2]>,
}

impl Rewrite {
    /// Octets of the received frame up to behind the last that differs: from here on it is as it was.
    ///
    /// ```
    /// # use niv::Rewrite;
    /// let rewrite = Rewrite { at: 14, start: [0x45, 0xB8], checksum: Some([1, 2]) };
    /// assert_eq!(rewrite.end(), 26);
    /// ```
    #[inline]
    pub const fn end(&self) -> usize {
        self.at as usize + if self.checksum.is_some() { 12 } else { 2 }
    }

    /// Changes the octets in `bytes`, which are the received frame from its octet `from` on. `None`: they are not all
    /// in it, and some may have been changed.
    ///
    /// ```
    /// # use niv::Rewrite;
    /// let rewrite = Rewrite { at: 14, start: [0x45, 0xB8], checksum: None };
    /// let mut bytes = [0; 5];
    /// assert_eq!(rewrite.apply(&mut bytes, 12), Some(()));
    /// assert_eq!(bytes, [0, 0, 0x45, 0xB8, 0]);
    /// assert_eq!(rewrite.apply(&mut bytes, 15), None);
    /// ```
    #[inline]
    pub fn apply(&self, bytes: &mut [u8], from: usize) -> Option<()> {
        let at = usize::from(self.at).checked_sub(from)?;
        let header = bytes.get_mut(at..)?;
        *header.first_chunk_mut()? = self.start;
        if let Some(checksum) = self.checksum {
            *header.get_mut(10..)?.first_chunk_mut()? = checksum;
        }
        Some(())
    }
}
