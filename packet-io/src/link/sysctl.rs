//! Settings that exist only as files under `/proc/sys/net`, which show the namespace of the thread that
//! opens them: so each is read and written by a thread that went there.

use super::{LinkError, LinkInfo, Links};
use std::io;

impl Links {
    /// Writes a setting of the namespace, named from `/proc/sys/net` on: `ipv4/ip_forward`,
    /// `ipv6/conf/eth0/accept_dad`.
    ///
    /// # Errors
    /// No such setting, or not permitted.
    pub fn write_sysctl(&self, name: &str, value: &str) -> Result<(), LinkError> {
        let path = format!("/proc/sys/net/{name}");
        self.ns
            .run(|| std::fs::write(&path, value))?
            .map_err(|source| LinkError::Sysctl {
                attempt: "write",
                path,
                source,
            })
    }

    /// Reads a setting, without the final newline.
    ///
    /// # Errors
    /// As [`Links::write_sysctl`].
    pub fn read_sysctl(&self, name: &str) -> Result<String, LinkError> {
        let path = format!("/proc/sys/net/{name}");
        let text = self
            .ns
            .run(|| std::fs::read_to_string(&path))?
            .map_err(|source| LinkError::Sysctl {
                attempt: "read",
                path,
                source,
            })?;
        Ok(text.trim_end().to_owned())
    }

    /// Whether the kernel speaks IPv6 on the device. Switching it off takes its addresses away.
    ///
    /// # Errors
    /// Not permitted, or `/proc/sys` is read-only. Switching off what the kernel does not have is fine.
    pub fn set_ipv6(&self, device: &LinkInfo, on: bool) -> Result<(), LinkError> {
        let name = format!("ipv6/conf/{}/disable_ipv6", device.name);
        match self.write_sysctl(&name, if on { "0" } else { "1" }) {
            Err(LinkError::Sysctl { source, .. })
                if !on && device.ipv6.is_none() && source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(())
            }
            other => other,
        }
    }
}
