//! IP addresses, routes and neighbours: what labs give their hosts, and what our own devices must not have.

use super::{LinkError, LinkIndex, Links};
use futures_util::TryStreamExt;
use niv::Mac;
use rtnetlink::RouteMessageBuilder;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use std::fmt;
use std::net::IpAddr;

/// An address on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkAddress {
    /// The device.
    pub index: LinkIndex,
    /// The address itself.
    pub address: IpAddr,
    /// Bits of network part.
    pub prefix: u8,
    /// IPv6: whether somebody else has it is still being asked; not usable yet.
    pub tentative: bool,
    /// IPv6: somebody else has it, or a switch sent our own question back to us.
    pub dad_failed: bool,
}

impl fmt::Display for LinkAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl LinkAddress {
    fn parse(message: &AddressMessage) -> Option<Self> {
        let flags = message.header.flags;
        // On a point-to-point device `Address` is the peer and `Local` is ours.
        let local = message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Local(address) => Some(*address),
            _ => None,
        });
        let address = local.or_else(|| {
            message.attributes.iter().find_map(|a| match a {
                AddressAttribute::Address(address) => Some(*address),
                _ => None,
            })
        })?;
        Some(Self {
            index: LinkIndex(message.header.index),
            address,
            prefix: message.header.prefix_len,
            tentative: flags.contains(AddressHeaderFlags::Tentative),
            dad_failed: flags.contains(AddressHeaderFlags::Dadfailed),
        })
    }
}

impl Links {
    /// The addresses of a device, IPv4 and IPv6, link-local ones included.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn addresses(&self, index: LinkIndex) -> Result<Vec<LinkAddress>, LinkError> {
        let mut request = self.handle.address().get().set_link_index_filter(index.0);
        // The kernel looks at this device alone, if it knows strict requests (Linux 4.20).
        request.message_mut().header.index = index.0;
        let alone = self.listing.lock().await;
        let result = request
            .execute()
            .try_filter_map(|message| async move { Ok(LinkAddress::parse(&message)) })
            .try_filter(|address| std::future::ready(address.index == index))
            .try_collect()
            .await;
        drop(alone);
        self.explain(index, result, |device| {
            format!("ip address show dev {device}")
        })
        .await
    }

    /// Gives the device an address. IPv6 first asks the link whether somebody has it.
    ///
    /// # Errors
    /// No such device, not permitted, or it has the address already.
    pub async fn add_address(
        &self,
        index: LinkIndex,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        let result = self
            .handle
            .address()
            .add(index.0, address, prefix)
            .execute()
            .await;
        self.explain(index, result, |device| {
            format!("ip address add {address}/{prefix} dev {device}")
        })
        .await
    }

    /// Gives the device an address without asking the link: usable as soon as the device is up.
    ///
    /// # Errors
    /// As [`Links::add_address`].
    pub async fn add_address_unasked(
        &self,
        index: LinkIndex,
        address: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        let mut request = self.handle.address().add(index.0, address, prefix);
        request
            .message_mut()
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        let result = request.execute().await;
        self.explain(index, result, |device| {
            format!("ip address add {address}/{prefix} dev {device} nodad")
        })
        .await
    }

    /// Adds a route to `destination`/`prefix` by `gateway`; prefix 0 is the default route.
    ///
    /// # Errors
    /// The gateway is not reachable, the families differ, the route exists, or not permitted.
    pub async fn add_route(
        &self,
        destination: IpAddr,
        prefix: u8,
        gateway: IpAddr,
    ) -> Result<(), LinkError> {
        let command = || format!("ip route add {destination}/{prefix} via {gateway}");
        let route = RouteMessageBuilder::<IpAddr>::new()
            .destination_prefix(destination, prefix)
            .and_then(|route| route.gateway(gateway));
        let route = route.map_err(|_| LinkError::Refused {
            device: String::new(),
            command: command(),
            reason: Some("destination and gateway are of different families".to_owned()),
            source: std::io::Error::from_raw_os_error(libc::EINVAL),
        })?;
        let request = self.handle.route().add(route.build());
        request
            .execute()
            .await
            .map_err(|error| LinkError::of(error, "", command))
    }

    /// Adds a route to `destination`/`prefix` that leads to the device's own link, for a device without an
    /// address of that network.
    ///
    /// # Errors
    /// The device is down or does not speak the family, the route exists, or not permitted.
    pub async fn add_device_route(
        &self,
        index: LinkIndex,
        destination: IpAddr,
        prefix: u8,
    ) -> Result<(), LinkError> {
        let command = |device: &str| format!("ip route add {destination}/{prefix} dev {device}");
        let route = RouteMessageBuilder::<IpAddr>::new().destination_prefix(destination, prefix);
        let route = route.map_err(|_| LinkError::Refused {
            device: index.to_string(),
            command: command(&index.to_string()),
            reason: Some(format!("no prefix of {destination} has {prefix} bits")),
            source: std::io::Error::from_raw_os_error(libc::EINVAL),
        })?;
        let request = self
            .handle
            .route()
            .add(route.output_interface(index.0).build());
        self.explain(index, request.execute().await, command).await
    }

    /// Writes down for good who `address` is on the link, in place of what was known.
    ///
    /// # Errors
    /// No such device, or not permitted.
    pub async fn set_neighbour(
        &self,
        index: LinkIndex,
        address: IpAddr,
        mac: Mac,
    ) -> Result<(), LinkError> {
        let request = self.handle.neighbours().add(index.0, address);
        let result = request.link_layer_address(&mac.0).replace().execute().await;
        self.explain(index, result, |device| {
            format!("ip neighbour replace {address} lladdr {mac} dev {device}")
        })
        .await
    }
}
