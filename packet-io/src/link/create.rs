//! New devices. Each is made in its namespace by the one request that makes it: moving a device later
//! waits for all readers in the kernel, some 20 ms each time.

use super::{LinkError, LinkIndex, Links, check_name};
use crate::netns::NetNs;
use niv::Mac;
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, MacVlanMode};
use rtnetlink::{LinkBridge, LinkMacVlan, LinkMessageBuilder, LinkUnspec};
use std::os::fd::{AsFd, AsRawFd};

/// One end of a veth pair to be made.
#[derive(Clone, Copy, Debug)]
pub struct VethEnd<'a> {
    name: &'a str,
    mac: Option<Mac>,
    mtu: Option<u32>,
    queues: Option<u32>,
    ns: Option<&'a NetNs>,
}

impl<'a> VethEnd<'a> {
    /// An end of that name in the namespace of the [`Links`] used, with a random address and MTU 1500.
    pub fn new(name: &'a str) -> Self {
        Self {
            name,
            mac: None,
            mtu: None,
            queues: None,
            ns: None,
        }
    }

    /// With this address.
    pub fn mac(self, mac: Mac) -> Self {
        Self {
            mac: Some(mac),
            ..self
        }
    }

    /// With this MTU, in octets.
    pub fn mtu(self, mtu: u32) -> Self {
        Self {
            mtu: Some(mtu),
            ..self
        }
    }

    /// With so many queues each way; the kernel's default is one per processor.
    pub fn queues(self, queues: u32) -> Self {
        Self {
            queues: Some(queues),
            ..self
        }
    }

    /// In that namespace.
    pub fn in_ns(self, ns: &'a NetNs) -> Self {
        Self {
            ns: Some(ns),
            ..self
        }
    }

    fn apply<T>(&self, mut message: LinkMessageBuilder<T>) -> LinkMessageBuilder<T> {
        message = message.name(self.name);
        if let Some(mac) = self.mac {
            message = message.address(mac.0.to_vec());
        }
        if let Some(mtu) = self.mtu {
            message = message.mtu(mtu);
        }
        if let Some(queues) = self.queues {
            message = message
                .append_extra_attribute(LinkAttribute::NumTxQueues(queues))
                .append_extra_attribute(LinkAttribute::NumRxQueues(queues));
        }
        if let Some(ns) = self.ns {
            message = message.setns_by_fd(ns.as_fd().as_raw_fd());
        }
        message
    }
}

impl Links {
    /// Makes a veth pair, both ends down.
    ///
    /// # Errors
    /// A name is taken or is no name; not permitted here, or in a namespace an end goes to.
    pub async fn add_veth(&self, one: VethEnd<'_>, other: VethEnd<'_>) -> Result<(), LinkError> {
        check_name(one.name)?;
        check_name(other.name)?;
        let peer = other.apply(LinkMessageBuilder::<LinkUnspec>::new()).build();
        let message = one
            .apply(LinkMessageBuilder::<LinkUnspec>::new_with_info_kind(
                InfoKind::Veth,
            ))
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)));
        self.add(message, one.name, || {
            format!(
                "ip link add {} type veth peer name {}",
                one.name, other.name
            )
        })
        .await
    }

    /// Makes a bridge, down and without ports: an outside judge for labs.
    ///
    /// # Errors
    /// The name is taken or is no name; not permitted; a kernel without bridges.
    pub async fn add_bridge(&self, name: &str) -> Result<(), LinkError> {
        check_name(name)?;
        // Not LinkBridge::new, which takes it up at once.
        let message = LinkMessageBuilder::<LinkBridge>::new(name);
        self.add(message, name, || format!("ip link add {name} type bridge"))
            .await
    }

    /// Makes a macvlan device in VEPA mode on `parent`, down, in `ns` or here: what a hypervisor without
    /// VNTag offers.
    ///
    /// # Errors
    /// As [`Links::add_bridge`]; the parent is missing, or is taken by a bridge.
    pub async fn add_vepa(
        &self,
        name: &str,
        parent: LinkIndex,
        ns: Option<&NetNs>,
    ) -> Result<(), LinkError> {
        check_name(name)?;
        let mut message = LinkMacVlan::new(name, parent.0, MacVlanMode::Vepa);
        if let Some(ns) = ns {
            message = message.setns_by_fd(ns.as_fd().as_raw_fd());
        }
        let result = self.handle.link().add(message.build()).execute().await;
        // A missing device is the parent here, so the error names that one.
        self.explain(parent, result, |parent| {
            format!("ip link add {name} link {parent} type macvlan mode vepa")
        })
        .await
    }

    async fn add<T>(
        &self,
        message: LinkMessageBuilder<T>,
        name: &str,
        command: impl FnOnce() -> String,
    ) -> Result<(), LinkError> {
        let request = self.handle.link().add(message.build());
        request
            .execute()
            .await
            .map_err(|error| LinkError::of(error, name, command))
    }
}
