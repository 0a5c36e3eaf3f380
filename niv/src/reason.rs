//! Why a frame went no further. The names are stable: command line, JSON, captures and documents use
//! them as they stand here.

use core::fmt;

/// `Variant, "stable_name", "section of design.md, or ours", "one sentence for people";`
macro_rules! named {
    ($(#[$doc:meta])* $type:ident { $($variant:ident, $name:literal, $section:literal, $explanation:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $(
                #[doc = concat!("`", $name, "` (", $section, "): ", $explanation)]
                $variant,
            )+
        }

        impl $type {
            /// Every one, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The stable name.
            ///
            /// ```
            #[doc = concat!("# use niv::", stringify!($type), ";")]
            #[doc = concat!("assert!(", stringify!($type), "::ALL.iter().all(|one| one.as_str() == one.to_string()));")]
            /// ```
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name),+
                }
            }

            /// What it means, in one sentence for people.
            ///
            /// ```
            #[doc = concat!("# use niv::", stringify!($type), ";")]
            #[doc = concat!("assert!(", stringify!($type), "::ALL.iter().all(|one| one.explain().ends_with('.')));")]
            /// ```
            pub const fn explain(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation),+
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
    ///
    /// ```
    /// use niv::DropReason;
    ///
    /// assert_eq!(DropReason::VifZero.as_str(), "vif_zero");
    /// println!("{:<20} {}", DropReason::VifZero, DropReason::VifZero.explain());
    /// ```
    DropReason {
        VifDisabled, "vif_disabled", "5.3",
            "The vNIC's VIF is not enabled, so nothing may be sent from it yet.";
        GuestTag, "guest_tag", "5.2",
            "A guest sent a VNTag or E-TAG of its own, which only the interface virtualizer may write.";
        NestedTag, "nested_tag", "5.2",
            "The frame inside a VNTag has a VNTag or E-TAG of its own.";
        TagOnPlainPort, "tag_on_plain_port", "5.2",
            "A neighbour on a plain port sent a VNTag or E-TAG, which belong on NIV ports only.";
        TooManyTags, "too_many_tags", "5.2",
            "The frame has more than 4 VLAN tags, and behind so many none is looked for.";
        Untagged, "untagged", "5.4",
            "The frame has no VNTag, on a link where all but control frames have one.";
        Runt, "runt", "5.4",
            "The frame ends with its EtherType, or before it: there is nothing inside.";
        BadVersion, "bad_version", "5.4",
            "The VNTag says a version other than 0, whose layout nobody here knows.";
        WrongDirection, "wrong_direction", "5.4, 5.5",
            "The VNTag's direction bit is that of frames this end sends, as in a loop or a reflection.";
        UnknownVif, "unknown_vif", "5.4",
            "The VNTag names a VIF that this interface virtualizer does not have, or has not enabled.";
        SelfDelivery, "self_delivery", "5.4",
            "The frame came back addressed to the very VIF that sent it.";
        UnknownList, "unknown_list", "5.4",
            "The VNTag names a VIF list that was never installed on this link.";
        NoMember, "no_member", "5.4, 5.7",
            "Nobody but the sender was there to get a copy.";
        UplinkList, "uplink_list", "5.5",
            "An interface virtualizer addressed a VIF list, which only the switch may do.";
        UplinkLooped, "uplink_looped", "5.5",
            "An interface virtualizer set the looped bit, which only the switch may do.";
        VifZero, "vif_zero", "5.5",
            "An interface virtualizer sent a frame from VIF 0, which is nobody.";
        VifNotOwned, "vif_not_owned", "5.5",
            "An interface virtualizer sent a frame from a VIF that is not enabled on its link: a forged source, or one just taken away.";
        Shut, "shut", "5.6",
            "The port is shut.";
        ProfileIncomplete, "profile_incomplete", "5.6",
            "Part of the port's profile is undefined or not in force, and until it is nothing passes.";
        GroupSource, "group_source", "5.6",
            "The source is a group address, which nobody can send from.";
        ZeroSource, "zero_source", "5.6",
            "The source address is all zero, which is nobody's.";
        ErrDisabled, "err_disabled", "5.6",
            "A guard has shut the port, and nobody has opened it again.";
        BpduGuard, "bpdu_guard", "5.6",
            "The frame is a spanning tree BPDU, from a port that has no bridge behind it.";
        PortSecurity, "port_security", "5.6",
            "The source address may not be behind this port: it has as many as it may, or the address is secure or used elsewhere.";
        StormControl, "storm_control", "5.6",
            "The port sent more broadcasts, multicasts or unknown unicasts than it may.";
        VlanNotAllowed, "vlan_not_allowed", "5.6",
            "The frame's VLAN is not one that this port may use.";
        VlanUndefined, "vlan_undefined", "5.6",
            "The frame's VLAN is not defined on this switch.";
        ServiceTag, "service_tag", "5.6",
            "The frame has an 802.1ad service tag, which access and trunk ports do not take.";
        AclIn, "acl_in", "5.6",
            "An access list of the port that sent the frame does not let it pass.";
        SamePort, "same_port", "5.7",
            "The destination is behind the port the frame came from.";
        NotMember, "not_member", "5.7",
            "The destination's port may not use the frame's VLAN.";
        PrivateVlan, "private_vlan", "5.7",
            "Sender and destination are kept apart by their parts in a private VLAN.";
        VlanInactive, "vlan_inactive", "ours",
            "The frame's VLAN is suspended or shut, or a private VLAN of which a part is missing.";
        InnerTag, "inner_tag", "ours",
            "Untagged, the frame would show the VLAN tag inside it as if that were its VLAN: double tagging.";
        DestinationShut, "destination_shut", "5.7",
            "The destination's port is shut, or its profile is not in force.";
        MtuExceeded, "mtu_exceeded", "5.7, 5.8",
            "The frame is longer than the destination's MTU allows.";
        AclOut, "acl_out", "5.7",
            "An access list of the destination's port does not let the frame pass.";
        PolicerIn, "policer_in", "5.6",
            "The port sends more than `police input` of its profile allows.";
        PolicerOut, "policer_out", "5.7",
            "The port gets more than `police output` of its profile allows.";
        Truncated, "truncated", "ours",
            "The frame was cut short before it reached us, or ends inside its own VLAN tags.";
        BadOffload, "bad_offload", "ours",
            "The sender left work undone (a checksum, a segmentation) and described it wrongly.";
        PortDown, "port_down", "ours",
            "The device the frame was to leave by has no link, or is gone.";
        TxFull, "tx_full", "ours",
            "The device the frame was to leave by could take no more just then.";
        TxError, "tx_error", "ours",
            "The device the frame was to leave by refused it.";
    }
}

named! {
    /// Something odd about a frame that was dealt with all the same.
    ///
    /// ```
    /// use niv::Anomaly;
    ///
    /// assert_eq!(Anomaly::TableFull.to_string(), "table_full");
    /// ```
    Anomaly {
        ReservedBit, "reserved_bit", "5.4",
            "The VNTag's reserved bit was set; the frame went on.";
        UplinkDestination, "uplink_destination", "5.5",
            "An interface virtualizer filled in the destination, which was not looked at.";
        MoveDamped, "move_damped", "5.6",
            "An address moved too often, and was held where it was.";
        TableFull, "table_full", "5.6",
            "The address table was full, and the port with most entries gave one up.";
        PromiscuousAddress, "promiscuous_address", "5.6",
            "An address of a promiscuous port was seen elsewhere in its private VLAN, and stayed where it was.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_snake_case() {
        for (i, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, i);
        }
        let names = || {
            let reasons = DropReason::ALL.iter().map(|reason| reason.as_str());
            reasons.chain(Anomaly::ALL.iter().map(|anomaly| anomaly.as_str()))
        };
        for name in names() {
            let snake_case = |b: u8| b.is_ascii_lowercase() || b == b'_';
            assert!(name.bytes().all(snake_case), "{name}");
            assert_eq!(names().filter(|other| *other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn explanations_are_one_sentence_each() {
        let reasons = DropReason::ALL.iter().map(|reason| reason.explain());
        for sentence in reasons.chain(Anomaly::ALL.iter().map(|anomaly| anomaly.explain())) {
            assert!(
                sentence.starts_with(|c: char| c.is_uppercase()),
                "{sentence}"
            );
            assert_eq!(sentence.find(". "), None, "{sentence}");
            assert!(
                sentence.ends_with('.') && sentence.len() <= 130,
                "{sentence}"
            );
        }
    }
}
