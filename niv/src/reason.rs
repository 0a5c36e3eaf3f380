//! Why a frame went no further. The names are stable: command line, JSON, captures and documents use
//! them as they stand here.

use core::fmt;

macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident => $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// Every one, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The stable name.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

named! {
    /// Why one frame, or one copy of it, was dropped. Section numbers are design.md's.
    DropReason {
        /// 5.3: the vNIC's VIF is not enabled.
        VifDisabled => "vif_disabled",
        /// 5.2: a guest sent a VNTag or E-TAG of its own.
        GuestTag => "guest_tag",
        /// 5.2: a VNTag or E-TAG inside a VNTag.
        NestedTag => "nested_tag",
        /// 5.2: a VNTag or E-TAG from a plain neighbour.
        TagOnPlainPort => "tag_on_plain_port",
        /// 5.2: more VLAN tags than are looked behind.
        TooManyTags => "too_many_tags",
        /// 5.4: no VNTag where only tagged frames belong.
        Untagged => "untagged",
        /// 5.4: too short to carry anything.
        Runt => "runt",
        /// 5.4: a VNTag version that is not understood.
        BadVersion => "bad_version",
        /// 5.4, 5.5: the direction bit is the other end's.
        WrongDirection => "wrong_direction",
        /// 5.4: the VIF named is none of ours, or not enabled.
        UnknownVif => "unknown_vif",
        /// 5.4: a looped frame addressed to its own sender.
        SelfDelivery => "self_delivery",
        /// 5.4: the VIF list named was never installed.
        UnknownList => "unknown_list",
        /// 5.4, 5.7: nobody is left to get a copy.
        NoMember => "no_member",
        /// 5.5: an IV used a VIF list.
        UplinkList => "uplink_list",
        /// 5.5: an IV set the looped bit.
        UplinkLooped => "uplink_looped",
        /// 5.5: an IV named no source.
        VifZero => "vif_zero",
        /// 5.5: an IV spoke for a VIF that is not its own.
        VifNotOwned => "vif_not_owned",
        /// 5.6: the bridge port is shut.
        Shut => "shut",
        /// 5.6: part of the bridge port's profile is not in force.
        ProfileIncomplete => "profile_incomplete",
        /// 5.6: the source is a group address.
        GroupSource => "group_source",
        /// 5.6: the source is all zero.
        ZeroSource => "zero_source",
        /// 5.6: the frame's VLAN is not one this bridge port may use.
        VlanNotAllowed => "vlan_not_allowed",
        /// 5.6: the frame's VLAN is not defined.
        VlanUndefined => "vlan_undefined",
        /// 5.6: an 802.1ad tag on an access or trunk port.
        ServiceTag => "service_tag",
        /// 5.7: the destination is the bridge port the frame came from.
        SamePort => "same_port",
        /// 5.7: the destination may not use the frame's VLAN.
        NotMember => "not_member",
        /// 5.7: the destination is shut, or its profile is not in force.
        DestinationShut => "destination_shut",
        /// 5.7, 5.8: too long for the destination.
        MtuExceeded => "mtu_exceeded",
        /// The frame was cut short before it reached us.
        Truncated => "truncated",
        /// A virtio-net header that does not fit its frame.
        BadOffload => "bad_offload",
        /// The device has no link, or is gone.
        PortDown => "port_down",
        /// The device took no more frames just then.
        TxFull => "tx_full",
        /// The device refused the frame for another reason.
        TxError => "tx_error",
    }
}

named! {
    /// Something odd about a frame that was dealt with all the same.
    Anomaly {
        /// 5.4: the reserved bit was set.
        ReservedBit => "reserved_bit",
        /// 5.5: an IV filled in a destination.
        UplinkDestination => "uplink_destination",
        /// 5.6: an address moved too often and was held where it was.
        MoveDamped => "move_damped",
        /// 5.6: the address table was full, and an entry was given up.
        TableFull => "table_full",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_snake_case() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
            assert!(
                reason
                    .as_str()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b == b'_')
            );
            assert_eq!(
                DropReason::ALL
                    .iter()
                    .filter(|r| r.as_str() == reason.as_str())
                    .count(),
                1
            );
        }
    }
}
