//! Where in a table a key lands, when keys are the attacker's choice.

use siphasher::sip::SipHasher13;
use std::fmt;

/// What the places in a table depend on. The caller draws it at random, and keeps it from the network.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64, pub u64);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Seed {
    /// A number for `key` that nobody can tell who does not know the seed.
    #[inline]
    pub(crate) fn scatter(self, key: u64) -> u64 {
        SipHasher13::new_with_keys(self.0, self.1).hash(&key.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_seed_is_another_order_and_none_is_printed() {
        let order = |seed: Seed| {
            let mut keys: Vec<u64> = (0..20).collect();
            keys.sort_by_key(|&key| seed.scatter(key));
            keys
        };
        assert_ne!(order(Seed(1, 2)), order(Seed(1, 3)));
        assert_ne!(order(Seed(1, 2)), order(Seed(2, 2)));
        assert_eq!(format!("{:?}", Seed(1, 2)), "Seed(..)");
    }
}
