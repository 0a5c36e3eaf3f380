//! Sets of addresses: some bits have to be as said, the others do not matter.

use core::net::Ipv4Addr;

/// Which addresses of `N` octets a line means: where a bit of the mask is set, an address has to have the bit of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pattern<const N: usize> {
    /// Zero where the mask is.
    value: [u8; N],
    mask: [u8; N],
}

/// Which IPv4 addresses a line means.
///
/// ```
/// use policy::acl::Ipv4Pattern;
///
/// let odd = Ipv4Pattern::wildcard("10.0.0.1".parse()?, "0.0.255.254".parse()?);
/// assert!(odd.contains([10, 0, 9, 7]) && !odd.contains([10, 0, 9, 8]));
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
pub type Ipv4Pattern = Pattern<4>;

/// Which IPv6 addresses a line means: a prefix.
pub type Ipv6Pattern = Pattern<16>;

/// Which MAC addresses a line means.
pub type MacPattern = Pattern<6>;

impl<const N: usize> Pattern<N> {
    /// Every address.
    pub const ANY: Self = Self {
        value: [0; N],
        mask: [0; N],
    };

    /// This address only.
    pub const fn host(address: [u8; N]) -> Self {
        Self {
            value: address,
            mask: [0xFF; N],
        }
    }

    /// The addresses whose first `length` bits are those of `address`. `None`: there are not so many bits.
    pub fn prefix(address: [u8; N], length: u8) -> Option<Self> {
        let fits = usize::from(length) <= N * 8;
        fits.then(|| Self::masked(address, prefix_mask(length)))
    }

    fn masked(mut value: [u8; N], mask: [u8; N]) -> Self {
        for (octet, mask) in value.iter_mut().zip(mask) {
            *octet &= mask;
        }
        Self { value, mask }
    }

    /// The lowest of the addresses.
    pub const fn address(&self) -> [u8; N] {
        self.value
    }

    /// The bits that do not matter.
    pub fn wildcard_bits(&self) -> [u8; N] {
        self.mask.map(|octet| !octet)
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: [u8; N]) -> bool {
        let mut bits = self.bits().zip(address);
        bits.all(|((value, mask), octet)| octet & mask == value)
    }

    /// How many bits matter, if they are the first ones.
    pub fn prefix_len(&self) -> Option<u8> {
        let ones: u32 = self.mask.iter().map(|octet| octet.count_ones()).sum();
        let ones = u8::try_from(ones).ok()?;
        (prefix_mask(ones) == self.mask).then_some(ones)
    }

    /// Octet by octet, its value and the bits of it that matter.
    pub(super) fn bits(&self) -> impl Iterator<Item = (u8, u8)> {
        self.value.into_iter().zip(self.mask)
    }
}

impl Ipv4Pattern {
    /// The addresses that differ from `address` at most where `wildcard` has a bit set.
    pub fn wildcard(address: Ipv4Addr, wildcard: Ipv4Addr) -> Self {
        let mask = wildcard.octets().map(|octet| !octet);
        Self::masked(address.octets(), mask)
    }
}

impl MacPattern {
    /// The addresses that differ from `address` at most where `wildcard` has a bit set.
    pub fn wildcard(address: niv::Mac, wildcard: niv::Mac) -> Self {
        Self::masked(address.0, wildcard.0.map(|octet| !octet))
    }
}

fn prefix_mask<const N: usize>(length: u8) -> [u8; N] {
    let mut left = u32::from(length);
    [0; N].map(|_: u8| {
        let here = left.min(8);
        left -= here;
        !(0xFF_u32 >> here) as u8
    })
}
