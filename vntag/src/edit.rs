//! Push, pop and rewrite in place: the 12 octets of addresses move, the payload stays.

use crate::frame::read_u16;
use crate::{ETHERTYPE_AT, Frame, Tag, Truncated};
use core::fmt;

/// Why a frame could not be edited. The frame is as it was.
///
/// ```
/// use vntag::{EditError, FrameMut, VnTag};
///
/// let mut buffer = [0; 60];
/// let mut frame = FrameMut::new(&mut buffer, 0)?;
/// let refused = frame.push(VnTag::from_word(5));
/// assert_eq!(refused, Err(EditError::NoHeadroom { needed: 6, headroom: 0 }));
/// # Ok::<(), vntag::Truncated>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// Too few octets are free in front of the frame.
    NoHeadroom {
        /// Octets that were needed.
        needed: usize,
        /// Octets there were.
        headroom: usize,
    },
    /// The frame has no tag of the kind asked for.
    OtherEtherType {
        /// What stands in its place.
        ethertype: u16,
    },
    /// The frame ends before the EtherType behind the tag does.
    Truncated(Truncated),
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHeadroom { needed, headroom } => write!(
                f,
                "the tag needs {needed} octets in front of the frame, and {headroom} are free: \
                 receive into buffers with more headroom"
            ),
            Self::OtherEtherType { ethertype } => write!(
                f,
                "EtherType 0x{ethertype:04x} stands at octet {ETHERTYPE_AT} in place of the tag's"
            ),
            Self::Truncated(_) => f.write_str("the frame ends inside its tag"),
        }
    }
}

impl core::error::Error for EditError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Truncated(truncated) => Some(truncated),
            Self::NoHeadroom { .. } | Self::OtherEtherType { .. } => None,
        }
    }
}

/// A frame in a buffer, with octets to spare in front of it.
///
/// ```text
///        |<- headroom ->|<- frame, 14 octets or more                          ->|
///        +--------------+-------------+-------------+-----+-------------------- +
///        |              | destination | source      | type| payload             |
///        +--------------+-------------+-------------+-----+---------------------+
///  push         |<------ the addresses move, the tag fills the gap
///  pop                 ------>|
/// ```
///
/// ```
/// use vntag::{FrameMut, VnTag};
///
/// let mut buffer = [0; 66];
/// let mut frame = FrameMut::new(&mut buffer, 6)?;
/// frame.push(VnTag::from_word(5))?;
/// assert_eq!(frame.octets().len(), 66);
/// assert_eq!(frame.pop::<VnTag>()?, VnTag::from_word(5));
/// assert_eq!(frame.octets(), [0; 60]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct FrameMut<'a> {
    buffer: &'a mut [u8],
    headroom: usize,
}

impl<'a> FrameMut<'a> {
    /// The frame that starts at octet `headroom` of `buffer` and ends where the buffer does.
    ///
    /// ```
    /// # use vntag::FrameMut;
    /// assert!(FrameMut::new(&mut [0; 60], 46).is_ok());
    /// assert!(FrameMut::new(&mut [0; 60], 47).is_err());
    /// ```
    ///
    /// # Errors
    /// It has fewer than 14 octets.
    pub const fn new(buffer: &'a mut [u8], headroom: usize) -> Result<Self, Truncated> {
        let length = buffer.len().saturating_sub(headroom);
        if length < Frame::MIN_LEN {
            return Err(Truncated {
                needed: Frame::MIN_LEN,
                length,
            });
        }
        Ok(Self { buffer, headroom })
    }

    /// Octets free in front of the frame.
    ///
    /// ```
    /// # use vntag::{FrameMut, VnTag};
    /// let mut buffer = [0; 70];
    /// let mut frame = FrameMut::new(&mut buffer, 10)?;
    /// frame.push(VnTag::from_word(5))?;
    /// assert_eq!(frame.headroom(), 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn headroom(&self) -> usize {
        self.headroom
    }

    /// The frame, 14 octets or more.
    ///
    /// ```
    /// # use vntag::FrameMut;
    /// assert_eq!(FrameMut::new(&mut [7; 60], 10)?.octets(), [7; 50]);
    /// # Ok::<(), vntag::Truncated>(())
    /// ```
    pub fn octets(&self) -> &[u8] {
        self.buffer.get(self.headroom..).unwrap_or_default()
    }

    /// Puts `tag` behind the addresses. The frame grows by its length towards the front.
    ///
    /// ```
    /// # use vntag::{FrameMut, VlanTag, VnTag};
    /// let mut buffer = [0; 70];
    /// let mut frame = FrameMut::new(&mut buffer, 10)?;
    /// frame.push(VlanTag { tpid: 0x8100, tci: 100 })?;
    /// frame.push(VnTag::from_word(5))?;
    /// assert_eq!(frame.octets()[12..22], [0x89, 0x26, 0, 0, 0, 5, 0x81, 0, 0, 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EditError::NoHeadroom`]
    #[inline]
    pub fn push<T: Tag>(&mut self, tag: T) -> Result<(), EditError> {
        let no_headroom = EditError::NoHeadroom {
            needed: T::LEN,
            headroom: self.headroom,
        };
        let start = self.headroom.checked_sub(T::LEN).ok_or(no_headroom)?;
        self.start_at(start, tag.octets().as_ref())
            .ok_or(no_headroom)
    }

    /// Takes off the tag behind the addresses and returns it. The frame shrinks by its length.
    ///
    /// What is left is not looked at: a frame whose tag hid another tag still has that one.
    ///
    /// ```
    /// # use vntag::{EditError, ETag, FrameMut, VnTag};
    /// let mut buffer = [0; 60];
    /// buffer[12..18].copy_from_slice(&VnTag::from_word(5).to_bytes());
    /// let mut frame = FrameMut::new(&mut buffer, 0)?;
    /// assert_eq!(frame.pop::<ETag>(), Err(EditError::OtherEtherType { ethertype: 0x8926 }));
    /// assert_eq!(frame.pop::<VnTag>()?.svif.get(), 5);
    /// assert_eq!(frame.octets().len(), 54);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EditError::OtherEtherType`] and [`EditError::Truncated`].
    #[inline]
    pub fn pop<T: Tag>(&mut self) -> Result<T, EditError> {
        let tag = self.tag()?;
        self.start_at(self.headroom + T::LEN, &[])
            .ok_or(self.truncated::<T>())?;
        Ok(tag)
    }

    /// Puts `tag` in place of the one behind the addresses, of the same kind, and returns that one.
    ///
    /// ```
    /// # use vntag::{FrameMut, VnTag};
    /// let mut buffer = [0; 60];
    /// buffer[12..18].copy_from_slice(&VnTag::from_word(5).to_bytes());
    /// let mut frame = FrameMut::new(&mut buffer, 0)?;
    /// assert_eq!(frame.rewrite(VnTag::from_word(0x8007_8005))?.svif.get(), 5);
    /// assert_eq!(frame.octets()[12..18], [0x89, 0x26, 0x80, 0x07, 0x80, 0x05]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`EditError::OtherEtherType`] and [`EditError::Truncated`].
    #[inline]
    pub fn rewrite<T: Tag>(&mut self, tag: T) -> Result<T, EditError> {
        let old = self.tag()?;
        self.start_at(self.headroom, tag.octets().as_ref())
            .ok_or(self.truncated::<T>())?;
        Ok(old)
    }

    /// The tag behind the addresses, when the frame is long enough to do without it.
    #[inline]
    fn tag<T: Tag>(&self) -> Result<T, EditError> {
        let octets = self.octets();
        match read_u16(octets, ETHERTYPE_AT) {
            Some(ethertype) if !T::is_announced_by(ethertype) => {
                return Err(EditError::OtherEtherType { ethertype });
            }
            _ => {}
        }
        octets
            .get(ETHERTYPE_AT..)
            .filter(|_| octets.len() >= Frame::MIN_LEN + T::LEN)
            .and_then(T::read)
            .ok_or(self.truncated::<T>())
    }

    /// Makes the frame start at `start`: its addresses, then `tag`. `None` when there is no room.
    #[inline]
    fn start_at(&mut self, start: usize, tag: &[u8]) -> Option<()> {
        let addresses = *self.octets().first_chunk::<ETHERTYPE_AT>()?;
        let (front, rest) = self.buffer.get_mut(start..)?.split_first_chunk_mut()?;
        rest.get_mut(..tag.len())?.copy_from_slice(tag);
        *front = addresses;
        self.headroom = start;
        Some(())
    }

    const fn truncated<T: Tag>(&self) -> EditError {
        EditError::Truncated(Truncated {
            needed: Frame::MIN_LEN + T::LEN,
            length: self.buffer.len() - self.headroom,
        })
    }
}
