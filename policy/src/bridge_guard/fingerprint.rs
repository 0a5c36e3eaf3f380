//! By what a frame is known again.

/// Octets of a frame that are looked at, from its EtherType on: numbers that tell one of a stream from the next stand in
/// the headers.
const LOOKED_AT: usize = 128;

/// Frames with another fingerprint are not the same. Not keyed: who makes two frames look like one only makes his own look
/// like a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(super) const fn to_u64(self) -> u64 {
        self.0
    }

    /// Of a frame that is flooded. `frame` begins at its EtherType behind link mark and outer VLAN tag, which may differ
    /// from one copy to the next.
    pub fn of(frame: &[u8]) -> Self {
        let head = frame.get(..LOOKED_AT).unwrap_or(frame);
        // After FNV-1a, eight octets at a time.
        let mix = |sum: u64, octets: u64| {
            (sum ^ octets)
                .wrapping_mul(0x0000_0100_0000_01B3)
                .rotate_left(23)
        };
        let sum = head.chunks(8).fold(frame.len() as u64, |sum, chunk| {
            let octets = chunk
                .iter()
                .fold(0, |all, &octet| all << 8 | u64::from(octet));
            mix(sum, octets)
        });
        Self(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_octet_of_the_headers_or_the_length_makes_another() {
        let frame = [7; 200];
        let print = Fingerprint::of(&frame);
        assert_eq!(print, Fingerprint::of(&frame.clone()));
        for at in 0..LOOKED_AT {
            let mut other = frame;
            other[at] = 8;
            assert_ne!(print, Fingerprint::of(&other), "{at}");
        }
        assert_ne!(print, Fingerprint::of(&frame[..199]));
        for length in 0..20 {
            assert_ne!(
                Fingerprint::of(&frame[..length]),
                Fingerprint::of(&frame[..length + 1])
            );
        }
    }
}
