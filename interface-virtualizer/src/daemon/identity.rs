//! Who this IV is, and randomness: asked of the system once, at the edge.

use niv::Mac;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::fs::{self, File};
use std::hash::Hasher;
use std::io::{self, Read};
use tracing::warn;
use vic::{Name, Uuid};

/// 32 octets that nobody can guess.
pub(super) fn entropy() -> io::Result<[u8; 32]> {
    let mut octets = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(octets)
}

/// A random UUID (version 4, RFC 9562).
pub(super) fn new_uuid() -> io::Result<Uuid> {
    let [drawn @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = entropy()?;
    Ok(versioned(drawn, 4))
}

fn versioned(mut octets: [u8; 16], version: u8) -> Uuid {
    let [.., high, _, variant, _, _, _, _, _, _, _] = &mut octets;
    *high = *high & 0x0F | version << 4;
    *variant = *variant & 0x3F | 0x80;
    Uuid(octets)
}

/// Which IV this is: the same as long as the machine and its uplink are. Two IVs on one machine are two, so it is
/// made of the machine's id and of the uplink's address (a UUID of version 8, RFC 9562).
pub(super) fn identity(uplink: Mac) -> Uuid {
    let machine = ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"];
    let machine = machine
        .iter()
        .find_map(|path| fs::read_to_string(path).ok())
        .unwrap_or_default();
    let mut hash = SipHasher13::new();
    hash.write(machine.trim().as_bytes());
    hash.write(&uplink.0);
    versioned(hash.finish128().as_bytes(), 8)
}

/// What the machine is called.
pub(super) fn host_name() -> Name {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Name::clipped(name.trim())
}

/// As many descriptors as the system allows: each vNIC takes up to four, and 1,024 are soon gone. Root may go
/// beyond what it was given, others up to that.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let given = getrlimit(Resource::Nofile);
    let most = fs::read_to_string("/proc/sys/fs/nr_open");
    let most = most.ok().and_then(|text| text.trim().parse().ok());
    let to = |limit: Option<u64>| Rlimit {
        current: limit,
        maximum: limit,
    };
    let raised = match most.max(given.maximum) {
        Some(most) => setrlimit(Resource::Nofile, to(Some(most))),
        None => Ok(()),
    };
    if let Err(error) = raised.or_else(|_| setrlimit(Resource::Nofile, to(given.maximum))) {
        warn!("the limit of open descriptors cannot be raised: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_say_what_they_are_made_of() {
        let (one, other) = (new_uuid().unwrap(), new_uuid().unwrap());
        assert_ne!(one, other);
        assert_eq!((one.0[6] >> 4, one.0[8] >> 6), (4, 2));
        let (first, second) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        assert_eq!(identity(first), identity(first));
        assert_ne!(identity(first), identity(second));
        assert_eq!(
            (identity(first).0[6] >> 4, identity(first).0[8] >> 6),
            (8, 2)
        );
    }
}
