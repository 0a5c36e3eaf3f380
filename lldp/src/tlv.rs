//! Type, length, value (IEEE 802.1AB, 8.4): seven bits, nine bits, octets.

/// Types of IEEE 802.1AB, table 8-1.
pub(crate) mod kind {
    pub(crate) const END: u8 = 0;
    pub(crate) const CHASSIS: u8 = 1;
    pub(crate) const PORT: u8 = 2;
    pub(crate) const TIME_TO_LIVE: u8 = 3;
    pub(crate) const PORT_DESCRIPTION: u8 = 4;
    pub(crate) const SYSTEM_NAME: u8 = 5;
    pub(crate) const SYSTEM_DESCRIPTION: u8 = 6;
    pub(crate) const CAPABILITIES: u8 = 7;
    pub(crate) const ORGANISATION: u8 = 127;
}

/// Longest value.
pub(crate) const MOST_OCTETS: usize = 511;

/// One TLV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tlv<'a> {
    pub(crate) kind: u8,
    pub(crate) value: &'a [u8],
}

/// Takes the next TLV off. `Some(Err)`: it is longer than what is left. `None`: nothing is left, or the last was the end of
/// the LLDPDU.
pub(crate) fn next<'a>(rest: &mut &'a [u8]) -> Option<Result<Tlv<'a>, Overlong>> {
    if rest.is_empty() {
        return None;
    }
    let Some((&[high, low], behind)) = rest.split_first_chunk::<2>() else {
        return Some(Err(Overlong));
    };
    let length = usize::from(high & 1) << 8 | usize::from(low);
    let Some((value, behind)) = behind.split_at_checked(length) else {
        return Some(Err(Overlong));
    };
    *rest = behind;
    let kind = high >> 1;
    // What follows the end is padding.
    (kind != kind::END).then_some(Ok(Tlv { kind, value }))
}

/// A TLV is longer than what is left of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overlong;

/// Appends a TLV whose value is these parts, cut to what a TLV can hold.
pub(crate) fn write(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let length = length.min(MOST_OCTETS);
    out.extend_from_slice(&(u16::from(kind) << 9 | length as u16).to_be_bytes());
    let end = out.len() + length;
    for part in parts {
        out.extend_from_slice(part);
    }
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tlv_is_seven_bits_and_nine() {
        let mut out = Vec::new();
        write(&mut out, kind::ORGANISATION, &[&[1, 2, 3], &[0; 300]]);
        write(&mut out, kind::SYSTEM_NAME, &[&[7; 600]]);
        write(&mut out, kind::END, &[]);
        out.extend([9; 9]);
        assert_eq!(out.get(..2), Some(&[0xFF, 0x2F][..]));
        let mut rest = out.as_slice();
        let lengths: Vec<_> = core::iter::from_fn(|| next(&mut rest))
            .map(|tlv| tlv.map(|tlv| (tlv.kind, tlv.value.len())))
            .collect();
        assert_eq!(lengths, [Ok((127, 303)), Ok((5, 511))]);
        assert_eq!(next(&mut [2, 5, 0].as_slice()), Some(Err(Overlong)));
        assert_eq!(next(&mut [2].as_slice()), Some(Err(Overlong)));
    }
}
