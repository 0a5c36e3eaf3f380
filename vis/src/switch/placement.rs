//! Where in the forwarding table a key lands.
//!
//! Simple tabulation: one random word for each value of each octet of the key, all eight added without
//! carry. With it linear probing takes constant expected time whatever keys are chosen, as long as the
//! words are not known to who chooses (Patrascu and Thorup, "The Power of Simple Tabulation Hashing",
//! 2011); a keyed hash of cryptographic make takes several times as long.

use policy::Seed;
use siphasher::sip::SipHasher13;
use std::fmt;

/// The words: by octet of the key, then by its value.
#[derive(Clone)]
pub(super) struct Placement(Box<[[u32; 256]; 8]>);

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Placement(..)")
    }
}

impl Placement {
    pub(super) fn new(seed: Seed) -> Self {
        let hasher = SipHasher13::new_with_keys(seed.0, seed.1);
        let mut words = Box::new([[0; 256]; 8]);
        for (number, word) in (0u64..).zip(words.as_flattened_mut()) {
            *word = hasher.hash(&number.to_le_bytes()) as u32;
        }
        Self(words)
    }

    // Always: two of them are on the way of each frame.
    #[inline(always)]
    pub(super) fn of(&self, key: u64) -> u32 {
        let mut sum = 0;
        for (words, octet) in self.0.iter().zip(key.to_le_bytes()) {
            #[expect(
                clippy::indexing_slicing,
                reason = "there is a word for each value of an octet"
            )]
            let word = words[usize::from(octet)];
            sum ^= word;
        }
        sum
    }
}
