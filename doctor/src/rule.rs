//! What is looked at: one rule each, with a stable name. `docs/doctor.md` is made of this table.

use crate::Severity;
use serde::{Deserialize, Serialize};

macro_rules! rules {
    ($($rule:ident $name:literal $severity:ident $what:literal,)*) => {
        /// One thing that is looked at. Its name is what JSON says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $(#[doc = $what] $rule,)*
        }

        impl Rule {
            /// All of them, in the order of the document.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)*];

            /// Its stable name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }

            /// How bad it is where it is not as it should be.
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$rule => Severity::$severity,)*
                }
            }

            /// What should be so, for people.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$rule => $what,)*
                }
            }
        }
    };
}

rules! {
    Daemon "daemon" Broken "the daemon runs and answers on its control socket",
    DaemonRelease "daemon_release" Note "daemon and command line are of one release",
    DaemonNamespace "daemon_namespace" Warning "the daemon is in the network namespace that is looked at",
    ConfigFile "config_file" Broken "the configuration file and the keys it names can be read and have no fault; the sentence says where one has",
    Devices "devices" Broken "it is known which devices the program is to use",
    Device "device" Broken "the device exists in this network namespace",
    Ethernet "ethernet" Broken "the device carries Ethernet frames",
    Driver "driver" Note "the device has a driver that can be asked",
    Refused "refused" Broken "the daemon uses the device",
    Holder "holder" Broken "no other process has taken the device",
    Addresses "addresses" Broken "the device has no address of this host's",
    Master "master" Broken "the device belongs to no bridge and no bond",
    NetworkManager "network_manager" Warning "NetworkManager leaves the device alone",
    Networkd "networkd" Warning "systemd-networkd leaves the device alone",
    Up "up" Broken "the device is up while the daemon runs",
    Carrier "carrier" Broken "the device has a link",
    Promiscuity "promiscuity" Broken "the device takes frames to all addresses while the daemon runs",
    Ipv6 "ipv6" Warning "the host speaks no IPv6 on the device while the daemon runs",
    Arp "arp" Warning "the host speaks no ARP on the device while the daemon runs",
    Isolation "isolation" Warning "the host's own stack is kept off the device while the daemon runs",
    LeftIsolation "left_isolation" Note "no isolation is left of a process that was killed",
    Mtu "mtu" Broken "the device's MTU has room for the VNTag and a guest's VLAN tag",
    PlainMtu "plain_mtu" Warning "a plain port takes frames of 1500 octets, if no `mtu` line says otherwise",
    MtuLimit "mtu_limit" Broken "the driver takes an MTU as large as is needed",
    PathMtu "path_mtu" Broken "full-size frames get to the other end and back, as Probes find",
    IoMode "io_mode" Note "frames are moved by an AF_PACKET ring with a virtio-net header, and sent by AF_XDP",
    Lro "lro" Warning "the driver merges no frames (LRO): what it merged cannot be cut as it was",
    GroHardware "gro_hardware" Note "the NIC merges no frames (hardware GRO)",
    VlanStripping "vlan_stripping" Note "a NIC takes no VLAN tag out of tagged frames, and puts none in",
    Session "session" Broken "link control has a session with the other end",
    ControlFrames "control_frames" Warning "control frames come as often as they should",
    Middle "middle" Warning "nothing is between the two boxes that shows itself by LLDP",
    FarEnd "far_end" Warning "what the other end says of itself by LLDP fits",
    Vnic "vnic" Warning "frames pass each vNIC",
    Interface "interface" Warning "frames pass each interface of the switch",
    PacketSockets "packet_sockets" Broken "the program may open raw sockets (CAP_NET_RAW)",
    DeviceRights "device_rights" Broken "the program may change devices (CAP_NET_ADMIN)",
    TapDevices "tap_devices" Warning "TAP devices can be made",
    LockedMemory "locked_memory" Note "the program may lock the 256 KiB that AF_XDP takes for each device",
    Kernel "kernel" Broken "the kernel is Linux 4.20 or later",
    Clock "clock" Warning "the clock is set",
    BridgeFilter "bridge_filter" Note "bridges of this host do not hand their frames to iptables (br_netfilter)",
    ReturnPath "return_path" Note "no TAP of the host itself has a strict reverse-path filter (rp_filter)",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_called_in_json_as_everywhere_else() {
        for rule in Rule::ALL {
            let json = serde_json::to_string(rule).unwrap();
            assert_eq!(json, format!("\"{}\"", rule.name()));
        }
    }
}
