//! Port profiles that were attached to vEths while the switch ran and are in no file yet, as they stand in the store: one
//! versioned value for each vEth.

use crate::config::{ProfileName, VethId};
use crate::veth::KeptUuid;
use redb::{TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use vic::Uuid;

pub(super) const CHOICES: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("choices");

/// The port profile that was attached to a vEth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which.
    pub profile: ProfileName,
    /// The vNIC whose vEth it was; `None`: one bound by hand.
    pub vnic: Option<Uuid>,
}

/// As it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "version")]
enum Kept {
    /// The first layout.
    #[serde(rename = "1")]
    V1(KeptChoice),
}

/// The first layout of [`Kept`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptChoice {
    veth: VethId,
    profile: ProfileName,
    vnic: Option<KeptUuid>,
}

/// What changed: of each vEth the last word; `None`: nothing is attached any more, or a file says it.
pub(super) type ChoiceChanges = BTreeMap<VethId, Option<Choice>>;

/// What one entry says.
///
/// # Errors
/// It is none that this release writes.
pub fn entry(value: &[u8]) -> Result<(VethId, Choice), serde_json::Error> {
    let Kept::V1(kept) = serde_json::from_slice(value)?;
    let choice = Choice {
        profile: kept.profile,
        vnic: kept.vnic.map(|vnic| vnic.0),
    };
    Ok((kept.veth, choice))
}

pub(super) fn write(
    transaction: &WriteTransaction,
    changes: &ChoiceChanges,
) -> Result<(), Box<dyn std::error::Error>> {
    let mut table = transaction.open_table(CHOICES)?;
    for (&veth, choice) in changes {
        let key = veth.to_string();
        match choice {
            Some(choice) => {
                let kept = Kept::V1(KeptChoice {
                    veth,
                    profile: choice.profile.clone(),
                    vnic: choice.vnic.map(KeptUuid),
                });
                table.insert(&*key, serde_json::to_vec(&kept)?.as_slice())?;
            }
            None => drop(table.remove(&*key)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_another_layout_is_refused() {
        let text = r#"{"version":"1","veth":3,"profile":"quarantine","vnic":"67e55044-10b1-426f-9247-bb680e5fe0c8"}"#;
        let (veth, choice) = entry(text.as_bytes()).unwrap();
        assert_eq!((veth.get(), choice.profile.as_str()), (3, "quarantine"));
        assert!(choice.vnic.is_some());
        for other in [
            text.replace("\"1\"", "\"2\""),
            text.replace("\"veth\":3", "\"veth\":0"),
            text.replace("}", ",\"more\":1}"),
        ] {
            assert!(entry(other.as_bytes()).is_err(), "{other}");
        }
    }
}
