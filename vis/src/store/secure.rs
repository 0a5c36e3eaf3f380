//! Sticky secure addresses, as they stand in the store: one versioned value for each interface.

use crate::config::InterfaceId;
use crate::switch::SecureList;
use niv::{Mac, VlanId};
use redb::{TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(super) const SECURE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("secure");

/// What is sticky on one interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
enum Kept {
    /// The first layout.
    #[serde(rename = "1")]
    V1(KeptSecure),
}

/// The first layout of [`Kept`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSecure {
    interface: InterfaceId,
    addresses: Vec<KeptAddress>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptAddress {
    vlan: VlanId,
    mac: Mac,
}

/// What changed: of each interface the last word; `None`: nothing is sticky there any more.
pub(super) type SecureChanges = BTreeMap<InterfaceId, Option<SecureList>>;

/// What one entry says.
///
/// # Errors
/// It is none that this release writes.
pub fn entry(value: &[u8]) -> Result<(InterfaceId, SecureList), serde_json::Error> {
    let Kept::V1(kept) = serde_json::from_slice(value)?;
    let addresses = kept.addresses.into_iter().map(|one| (one.vlan, one.mac));
    Ok((kept.interface, addresses.collect()))
}

pub(super) fn write(
    transaction: &WriteTransaction,
    changes: &SecureChanges,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut table = transaction.open_table(SECURE)?;
    for (interface, addresses) in changes {
        let key = interface.to_string();
        match addresses {
            Some(addresses) => {
                let addresses = addresses
                    .iter()
                    .map(|&(vlan, mac)| KeptAddress { vlan, mac });
                let kept = Kept::V1(KeptSecure {
                    interface: *interface,
                    addresses: addresses.collect(),
                });
                table.insert(&*key, serde_json::to_vec(&kept)?.as_slice())?;
            }
            None => drop(table.remove(&*key)?),
        }
    }
    Ok(())
}
