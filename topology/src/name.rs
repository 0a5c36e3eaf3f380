//! What hosts, devices and addresses are called.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Characters of a host's or a lab's name, at most (ours): with a device's it still fits into a file's name.
const MAX_HOST: usize = 32;
/// Octets of a device's name, at most (`IFNAMSIZ`, less the zero).
const MAX_DEVICE: usize = 15;

/// What a host, or a lab, may not be called, and what it may.
#[derive(Debug, thiserror::Error)]
pub enum NotAName {
    /// Of a host or a lab.
    #[error(
        "`{0}` is no name: expected 1 to {MAX_HOST} of the characters a-z, 0-9 and -, the first of them a letter"
    )]
    Host(String),
    /// Of a device.
    #[error(
        "`{0}` is no device's name: expected 1 to {MAX_DEVICE} characters from ! to ~, without / and :, and not `lo`"
    )]
    Device(String),
}

/// A host's name, or a lab's: safe as a file's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let is_letter = |c: char| c.is_ascii_lowercase();
        let rest = |c: char| is_letter(c) || c.is_ascii_digit() || c == '-';
        if text.len() <= MAX_HOST && text.starts_with(is_letter) && text.chars().all(rest) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName::Host(cut(text)))
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network device's name. `lo` is everywhere and is none of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct DeviceName(String);

impl DeviceName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeviceName {
    type Err = NotAName;

    fn from_str(text: &str) -> Result<Self, NotAName> {
        let fits = (1..=MAX_DEVICE).contains(&text.len());
        let is_taken = ["lo", ".", ".."].contains(&text);
        // The kernel takes more; nobody types it.
        let plain = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b':';
        if fits && !is_taken && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NotAName::Device(cut(text)))
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = NotAName;

    fn try_from(text: String) -> Result<Self, NotAName> {
        text.parse()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// No address with its network.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no address with its network: expected one such as 10.0.0.1/24 or fd00::1/64")]
pub struct NotAnAddress(String);

/// An address, and how many of its bits are the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    /// The address of one station.
    pub ip: IpAddr,
    /// 1 to 31 bits (IPv4), 1 to 127 (IPv6).
    pub prefix: u8,
}

impl Address {
    /// Whether a station with this address finds the other one without a router.
    pub fn is_beside(self, other: IpAddr) -> bool {
        match (self.ip, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let shift = 32_u32.saturating_sub(self.prefix.into());
                u32::from(a).checked_shr(shift) == u32::from(b).checked_shr(shift)
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let shift = 128_u32.saturating_sub(self.prefix.into());
                u128::from(a).checked_shr(shift) == u128::from(b).checked_shr(shift)
            }
            _ => false,
        }
    }
}

impl FromStr for Address {
    type Err = NotAnAddress;

    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress(cut(text));
        let (ip, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let is_digits = prefix.bytes().all(|b| b.is_ascii_digit());
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let (bits, is_station) = match ip {
            IpAddr::V4(ip) => (32, !is_group(ip)),
            IpAddr::V6(ip) => (128, !ip.is_multicast() && ip != Ipv6Addr::UNSPECIFIED),
        };
        if is_digits && is_station && !ip.is_loopback() && (1..bits).contains(&prefix) {
            Ok(Self { ip, prefix })
        } else {
            Err(wrong())
        }
    }
}

fn is_group(ip: Ipv4Addr) -> bool {
    ip.is_multicast() || ip.is_broadcast() || ip.is_unspecified()
}

impl TryFrom<String> for Address {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

/// What somebody wrote in place of a name, as far as an error needs it.
pub(crate) fn cut(text: &str) -> String {
    const ENOUGH: usize = 64;
    let mut cut: String = text.chars().take(ENOUGH).collect();
    if cut.len() < text.len() {
        cut.push_str("...");
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_called_what_a_file_can_be() {
        for good in ["a", "h1-v1", "vis", &"a".repeat(32)] {
            assert!(good.parse::<HostName>().is_ok(), "{good}");
        }
        for bad in ["", "1", "-a", "..", "a/b", "A", "a b", "ä", &"a".repeat(33)] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_device_is_called_what_the_kernel_takes() {
        for good in ["eth0", "p2", "vlan10", "v1.eth1", &"a".repeat(15)] {
            assert!(good.parse::<DeviceName>().is_ok(), "{good}");
        }
        for bad in ["", "lo", ".", "a/b", "a:b", "a b", "\u{7}", &"a".repeat(16)] {
            assert!(bad.parse::<DeviceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_address_is_one_stations_and_has_a_network() {
        for good in ["10.0.0.1/24", "fd00:10::1/64", "0.0.0.1/1", "10.0.0.0/31"] {
            let address: Address = good.parse().unwrap();
            assert_eq!(address.to_string(), good);
        }
        for bad in [
            "10.0.0.1",
            "10.0.0.1/0",
            "10.0.0.1/32",
            "10.0.0.1/+9",
            "10.0.0.1/24/1",
            "224.0.0.1/24",
            "0.0.0.0/8",
            "127.0.0.1/8",
            "::/64",
            "ff02::1/64",
            "fd00::1/128",
            "fd00::1/999",
            "eth0/24",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad}");
        }
    }

    #[test]
    fn stations_of_one_network_are_beside_each_other() {
        let is_beside = |address: &str, ip: &str| {
            let address: Address = address.parse().unwrap();
            address.is_beside(ip.parse().unwrap())
        };
        assert!(is_beside("10.0.10.1/24", "10.0.10.200"));
        assert!(!is_beside("10.0.10.1/24", "10.0.20.1"));
        assert!(!is_beside("10.0.10.1/24", "fd00::1"));
        assert!(is_beside("fd00:10::1/64", "fd00:10::ffff"));
        assert!(!is_beside("fd00:10::1/64", "fd00:20::1"));
    }
}
