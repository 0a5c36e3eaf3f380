//! Whose output a copy counts in: the number that goes out with it and comes back with its fate.

/// What a copy's fate is counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// One bridge port, by slot index.
    Port(u16),
    /// The members of a list, by the list's place in the snapshot, 0..=65534; but not the bridge port
    /// at this slot index, 0..=65534, whose frame it is.
    List { place: u16, left_out: Option<u16> },
}

const NOBODY: u16 = u16::MAX;

impl From<Account> for u32 {
    fn from(account: Account) -> Self {
        let (high, low) = match account {
            Account::Port(index) => (0, index),
            Account::List { place, left_out } => (place + 1, left_out.unwrap_or(NOBODY)),
        };
        Self::from(high) << 16 | Self::from(low)
    }
}

impl From<u32> for Account {
    fn from(number: u32) -> Self {
        let low = number as u16;
        match ((number >> 16) as u16).checked_sub(1) {
            None => Self::Port(low),
            Some(place) => Self::List {
                place,
                left_out: (low != NOBODY).then_some(low),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_its_number() {
        let last = NOBODY - 1;
        let mut accounts = vec![Account::Port(0), Account::Port(last)];
        for place in [0, 1, last] {
            for left_out in [None, Some(0), Some(last)] {
                accounts.push(Account::List { place, left_out });
            }
        }
        for account in accounts {
            assert_eq!(Account::from(u32::from(account)), account);
        }
    }
}
