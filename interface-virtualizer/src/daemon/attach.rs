//! Making and finding the device behind each vNIC.

use crate::config::{Attachment, Binding, ByProfile, VnicConfig};
use niv::Mac;
use packet_io::link::{LinkError, LinkInfo, Links, VethEnd};
use packet_io::netns::{NetNs, NetNsError};
use thiserror::Error;
use tracing::info;

/// A vNIC's device cannot be made.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The namespace cannot be entered.
    #[error("vNIC {vnic}: {source}")]
    Namespace {
        /// The vNIC's name.
        vnic: String,
        /// Why.
        source: NetNsError,
    },
    /// The pair cannot be made.
    #[error("vNIC {vnic}: {source}")]
    Link {
        /// The vNIC's name.
        vnic: String,
        /// Why.
        source: LinkError,
    },
    /// Another interface has the name of our end.
    #[error(
        "vNIC {vnic}: there is already an interface {host_end} here, and its other end is not the guest's; \
         remove it: `ip link delete {host_end}`"
    )]
    HostEndTaken {
        /// The vNIC's name.
        vnic: String,
        /// Our end.
        host_end: String,
    },
    /// Another interface has the name inside the namespace.
    #[error(
        "vNIC {vnic}: there is already an interface {ifname} in {netns}, and it is not the far end of {host_end}; \
         choose another `ifname`, or remove it: `ip -n NAMESPACE link delete {ifname}`"
    )]
    NameTaken {
        /// The vNIC's name.
        vnic: String,
        /// The name inside.
        ifname: String,
        /// The namespace's file.
        netns: String,
        /// Our end.
        host_end: String,
    },
}

impl AttachError {
    /// It is the guest that is not there yet, or in its own way: no reason to keep the others waiting.
    pub(crate) fn is_the_guests(&self) -> bool {
        match self {
            Self::Namespace { source, .. } => matches!(source, NetNsError::Missing { .. }),
            Self::NameTaken { .. } => true,
            Self::Link { .. } | Self::HostEndTaken { .. } => false,
        }
    }
}

/// The name of our end of a vNIC's veth pair: the same at every start, so that it is found again. Bound by
/// hand it is made of the VIF, and another for each uplink of this host; otherwise of the UUID, which stays
/// when the VIF changes.
pub(crate) fn host_end(uplink: &str, binding: &Binding) -> String {
    let vif = match binding {
        Binding::Vif(vif) => vif,
        Binding::Profile(ByProfile { uuid, .. }) => {
            let octets = uuid.map_or([0; 16], |uuid| uuid.0);
            return format!("iv{:012x}", fnv(&octets) >> 16);
        }
    };
    let name = format!("v{vif}.{uplink}");
    if name.len() <= packet_io::link::MAX_NAME {
        return name;
    }
    // FNV-1a: short, and the same in every release.
    let hash = uplink.bytes().fold(0x811C_9DC5_u32, |hash, octet| {
        (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193)
    });
    format!("v{vif}.{hash:08x}")
}

/// FNV-1a of 64 bits, of which the upper ones are mixed best.
fn fnv(octets: &[u8]) -> u64 {
    octets.iter().fold(0xCBF2_9CE4_8422_2325, |hash, &octet| {
        (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// How a vNIC gets its VIF, for the log.
pub(super) fn told(binding: &Binding) -> String {
    match binding {
        Binding::Vif(vif) => format!("VIF {vif}"),
        Binding::Profile(by) => format!("profile {}", by.profile),
    }
}

/// Each is the other's other end.
fn are_a_pair(one: &LinkInfo, other: &LinkInfo) -> bool {
    let veth = |info: &LinkInfo| info.kind.as_deref() == Some("veth");
    veth(one) && veth(other) && one.peer == Some(other.index) && other.peer == Some(one.index)
}

/// The pair of a vNIC in a namespace.
pub(crate) struct Pair {
    /// The guest's address.
    pub(crate) mac: Option<Mac>,
    /// It was not there before.
    pub(crate) made: bool,
}

/// Makes sure that the veth pair of a vNIC in a namespace is there, with its far end inside and our end of
/// the name `host_end`. A pair that an earlier run made is taken as it is: the guest keeps its interface.
///
/// # Errors
/// The namespace cannot be entered, or the pair cannot be made.
pub(crate) async fn veth(
    links: &Links,
    host_end: &str,
    vnic: &VnicConfig,
) -> Result<Pair, AttachError> {
    let Attachment::Netns { path, ifname } = &vnic.attachment else {
        return Ok(Pair {
            mac: None,
            made: false,
        });
    };
    let name = || vnic.name.clone();
    let link = |source| AttachError::Link {
        vnic: name(),
        source,
    };
    let namespace = |source| AttachError::Namespace {
        vnic: name(),
        source,
    };
    let netns = NetNs::open(path).map_err(namespace)?;
    let inside = Links::open_in(&netns).map_err(link)?;
    let ours = links.get(host_end).await.map_err(link)?;
    // By number, since the guest may have given its end another name.
    let theirs = match ours.as_ref().and_then(|ours| ours.peer) {
        Some(peer) => inside.by_index(peer).await.map_err(link)?,
        None => None,
    };
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if are_a_pair(&ours, &theirs) => {
            links.set_mtu(ours.index, vnic.mtu).await.map_err(link)?;
            inside.set_mtu(theirs.index, vnic.mtu).await.map_err(link)?;
            if let Some(mac) = vnic.mac.filter(|mac| theirs.mac != Some(*mac)) {
                inside.set_mac(theirs.index, mac).await.map_err(link)?;
            }
            info!(
                "vNIC {}: {}, adopting {} in {}",
                vnic.name,
                told(&vnic.binding),
                theirs.name,
                path.display()
            );
            return Ok(Pair {
                mac: vnic.mac.or(theirs.mac),
                made: false,
            });
        }
        _ if inside.get(ifname).await.map_err(link)?.is_some() => {
            return Err(AttachError::NameTaken {
                vnic: name(),
                ifname: ifname.clone(),
                netns: path.display().to_string(),
                host_end: host_end.to_owned(),
            });
        }
        // A guest that went took both ends with it, so this is somebody else's.
        (Some(_), _) => {
            return Err(AttachError::HostEndTaken {
                vnic: name(),
                host_end: host_end.to_owned(),
            });
        }
        (None, _) => {}
    }
    let near = VethEnd::new(host_end).mtu(vnic.mtu);
    let mut far = VethEnd::new(ifname).mtu(vnic.mtu).in_ns(&netns);
    if let Some(mac) = vnic.mac {
        far = far.mac(mac);
    }
    links.add_veth(near, far).await.map_err(link)?;
    info!(
        "vNIC {}: {}, made {ifname} in {}",
        vnic.name,
        told(&vnic.binding),
        path.display()
    );
    let theirs = inside.get(ifname).await.map_err(link)?;
    Ok(Pair {
        mac: theirs.and_then(|theirs| theirs.mac),
        made: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_end_of_a_pair_is_found_again_by_its_name() {
        let vif = Binding::Vif(niv::VifId::try_from(4095).unwrap());
        assert_eq!(host_end("eth1", &vif), "v4095.eth1");
        let (one, other) = (
            host_end("enp101s0f0np0", &vif),
            host_end("enp101s0f1np1", &vif),
        );
        assert!(one.len() <= packet_io::link::MAX_NAME && one.starts_with("v4095."));
        assert_ne!(one, other);
    }

    #[test]
    fn our_end_of_a_pair_is_named_after_the_uuid_where_the_vif_may_change() {
        let name = |last: u8| {
            let mut uuid = [7; 16];
            uuid[15] = last;
            let by = ByProfile {
                profile: "web".parse().unwrap(),
                uuid: Some(vic::Uuid(uuid)),
                owner: None,
                owner_uuid: None,
            };
            host_end("eth1", &Binding::Profile(by))
        };
        assert_eq!(name(1), "ived32ceb8dc66", "the same in every release");
        let names: std::collections::BTreeSet<String> = (0..=255).map(name).collect();
        assert_eq!(names.len(), 256);
        assert!(names.iter().all(|name| packet_io::link::is_name(name)));
    }
}
