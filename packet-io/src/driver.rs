//! What a driver says of itself: its name, and which of its features are on. What `ethtool -i` and `ethtool -k` print.
//!
//! Anybody may ask; nothing is changed.
#![expect(unsafe_code, reason = "ethtool's ioctls have no safe wrapper")]

use crate::interface;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// linux/ethtool.h
const GET_DRIVER: u32 = 0x03;
const GET_STRINGS: u32 = 0x1B;
const GET_STRING_COUNTS: u32 = 0x37;
const GET_FEATURES: u32 = 0x3A;
/// The set of strings that names features, and its bit in a request.
const FEATURE_NAMES: u32 = 4;
/// Octets of one name.
const NAME: usize = 32;
/// More features than any kernel has (ours); it has less than 100.
const MOST_FEATURES: usize = 1024;
/// Words of `struct ethtool_drvinfo`.
const DRIVER_WORDS: usize = 49;

/// A driver at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Its name: `veth`, `ixgbe`; empty where it has none.
    pub name: String,
    /// Its features by the kernel's names (`rx-lro`), and whether each can be changed.
    pub features: BTreeMap<String, Feature>,
}

/// One feature of a driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feature {
    /// It is on.
    pub on: bool,
    /// It may be switched.
    pub changeable: bool,
}

impl Driver {
    /// Asks the driver of a device of the calling thread's network namespace.
    ///
    /// # Errors
    /// No such device, or its driver cannot be asked.
    pub fn of(device: &str) -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        let ask = |words: &mut [u32]| ask(&socket, device, words);
        let mut driver = [0; DRIVER_WORDS];
        driver[0] = GET_DRIVER;
        let name = match ask(&mut driver) {
            Ok(()) => text(&octets(driver.get(1..9).unwrap_or_default())),
            // A dummy device, for one, has no driver to ask.
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => String::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            name,
            features: features(ask)?,
        })
    }

    /// Whether a feature is on; one that the kernel does not know is off.
    pub fn has(&self, feature: &str) -> bool {
        self.features.get(feature).is_some_and(|f| f.on)
    }
}

fn features(ask: impl Fn(&mut [u32]) -> io::Result<()>) -> io::Result<BTreeMap<String, Feature>> {
    // cmd, reserved, mask as 64 bits in the order of this machine, count.
    let mask = (1_u64 << FEATURE_NAMES).to_ne_bytes();
    let [a, b, c, d, e, f, g, h] = mask;
    let mut counts = [
        GET_STRING_COUNTS,
        0,
        u32::from_ne_bytes([a, b, c, d]),
        u32::from_ne_bytes([e, f, g, h]),
        0,
    ];
    ask(&mut counts)?;
    let count = counts.last().map_or(0, |&count| count as usize);
    if count > MOST_FEATURES {
        return Err(io::Error::from(io::ErrorKind::InvalidData));
    }
    let mut names = vec![0; 3 + count * NAME / 4];
    let header = [GET_STRINGS, FEATURE_NAMES, count as u32];
    names
        .iter_mut()
        .zip(header)
        .for_each(|(to, from)| *to = from);
    ask(&mut names)?;
    let blocks = count.div_ceil(32);
    let mut states = vec![0; 2 + 4 * blocks];
    let header = [GET_FEATURES, blocks as u32];
    states
        .iter_mut()
        .zip(header)
        .for_each(|(to, from)| *to = from);
    ask(&mut states)?;
    let names = octets(names.get(3..).unwrap_or_default());
    let states = states.get(2..).unwrap_or_default();
    let each = names.chunks_exact(NAME).enumerate().map(|(at, name)| {
        let bit = |of: usize| {
            let word = states.get(at / 32 * 4 + of);
            word.is_some_and(|word| word >> (at % 32) & 1 == 1)
        };
        // available, requested, active, never changed
        let feature = Feature {
            on: bit(2),
            changeable: bit(0) && !bit(3),
        };
        (text(name), feature)
    });
    Ok(each.filter(|(name, _)| !name.is_empty()).collect())
}

fn octets(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Up to the first zero.
fn text(octets: &[u8]) -> String {
    let text = octets.split(|&octet| octet == 0).next();
    String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
}

/// The first of `words` is the command; each command writes no more than its header, written by the caller, says
/// there is room for.
fn ask(socket: impl AsFd, device: &str, words: &mut [u32]) -> io::Result<()> {
    let mut request = interface::request(device)?;
    request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
    // SAFETY: the request points at live memory that is as large as the command in it says: `struct ethtool_drvinfo`
    // for one, and for the others the count of strings or blocks in their headers.
    let result = unsafe {
        libc::ioctl(
            socket.as_fd().as_raw_fd(),
            libc::SIOCETHTOOL as libc::Ioctl,
            &raw mut request,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{BlockingLinks, LinkError, VethEnd};
    use crate::netns::NetNs;
    use crate::privileged::privileged;

    #[test]
    fn a_veth_end_names_its_driver_and_its_features() {
        privileged(|| {
            let ns = NetNs::create().unwrap();
            let lab = BlockingLinks::open_in(&ns).unwrap();
            lab.run(async |links| {
                links
                    .add_veth(VethEnd::new("t-dev"), VethEnd::new("t-far"))
                    .await?;
                Ok::<_, LinkError>(())
            })
            .unwrap();
            let driver = ns.run(|| Driver::of("t-dev")).unwrap().unwrap();
            assert_eq!(driver.name, "veth");
            assert!(driver.has("rx-vlan-hw-parse") && driver.has("tx-checksum-ip-generic"));
            assert!(driver.features["rx-vlan-hw-parse"].changeable);
            assert!(!driver.has("rx-lro") && !driver.features["rx-lro"].changeable);
            let missing = ns.run(|| Driver::of("t-none")).unwrap();
            assert_eq!(missing.unwrap_err().raw_os_error(), Some(libc::ENODEV));
        });
    }
}
