//! Network devices, by rtnetlink: what `ip link`, `ip address` and `ip route` do, without them.
//!
//! Everything here is control plane and asynchronous: it runs on a tokio runtime, a current-thread one is
//! enough. [`BlockingLinks`] brings its own runtime for callers that have none. All use of the `rtnetlink`
//! crate, whose interface changes often, stays in this folder.
//!
//! Privileges: reading needs none. Changing needs CAP_NET_ADMIN in the user namespace that owns the network
//! namespace; giving a device to another namespace needs it there too. Nothing here needs the machine's root.

mod address;
mod create;
mod error;
mod info;
mod sysctl;
mod watch;

pub use address::LinkAddress;
pub use create::VethEnd;
pub use error::LinkError;
pub use info::{LinkIndex, LinkInfo, LinkStats};
pub use watch::{LinkEvent, Watch};

use crate::isolation::Isolation;
use crate::netns::NetNs;
use futures_util::{StreamExt, TryStreamExt, pin_mut};
use niv::Mac;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::sys::AsyncSocket;
use rtnetlink::{LinkBridgePort, LinkMessageBuilder, LinkUnspec};
use std::sync::Arc;

/// The longest name a device can have, in octets (IFNAMSIZ without its final zero).
pub const MAX_NAME: usize = 15;

/// The devices of one network namespace. Cheap to clone; clones share one socket.
#[derive(Clone, Debug)]
pub struct Links {
    handle: rtnetlink::Handle,
    ns: Arc<NetNs>,
    isolation: Arc<Isolation>,
    /// Held while the kernel lists something: on one socket it lists one thing at a time, and answers EBUSY
    /// to whoever asks for another.
    listing: Arc<tokio::sync::Mutex<()>>,
}

impl Links {
    /// The devices of the calling thread's namespace. To be called on a tokio runtime, which from then on
    /// also serves the socket, until the last clone is dropped.
    ///
    /// # Errors
    /// The kernel gives no netlink socket.
    pub fn open() -> Result<Self, LinkError> {
        Self::connect(NetNs::current()?)
    }

    /// The devices of namespace `ns`: the socket is made inside it, the caller stays where it is.
    ///
    /// # Errors
    /// As [`Links::open`]; and entering another namespace than the caller's needs CAP_SYS_ADMIN there.
    pub fn open_in(ns: &NetNs) -> Result<Self, LinkError> {
        let ns = ns.try_clone()?;
        let runtime = tokio::runtime::Handle::current();
        ns.run(|| {
            let _on = runtime.enter();
            Self::connect(ns.try_clone()?)
        })?
    }

    fn connect(ns: NetNs) -> Result<Self, LinkError> {
        let (mut connection, handle, _) = rtnetlink::new_connection().map_err(LinkError::Socket)?;
        let socket = connection.socket_mut().socket_mut();
        // Refusals come with the kernel's sentence, and without a copy of the request in front of it.
        // Both are old (Linux 4.3 and 4.12); where they fail only the sentence is missing.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_ext_ack(true);
        // Whoever asks about one of thousands of devices is not told of all of them.
        let _ = socket.set_netlink_get_strict_chk(true);
        tokio::spawn(connection);
        let ns = Arc::new(ns);
        Ok(Self {
            handle,
            isolation: Arc::new(Isolation::of(ns.clone())),
            ns,
            listing: Arc::default(),
        })
    }

    /// The namespace these devices live in.
    pub fn namespace(&self) -> &NetNs {
        &self.ns
    }

    /// What keeps the host's stack off them.
    pub fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    /// The device of that name, or `None`.
    ///
    /// # Errors
    /// The kernel's answer to anything but a missing device.
    pub async fn get(&self, name: &str) -> Result<Option<LinkInfo>, LinkError> {
        if !is_name(name) {
            return Ok(None);
        }
        let request = self.handle.link().get().match_name(name);
        one(request.execute(), name).await
    }

    /// The device of that name.
    ///
    /// # Errors
    /// [`LinkError::Missing`], or what the kernel says.
    pub async fn require(&self, name: &str) -> Result<LinkInfo, LinkError> {
        self.get(name).await?.ok_or_else(|| LinkError::Missing {
            device: name.to_owned(),
        })
    }

    /// The device of that index, or `None`.
    ///
    /// # Errors
    /// As [`Links::get`].
    pub async fn by_index(&self, index: LinkIndex) -> Result<Option<LinkInfo>, LinkError> {
        let request = self.handle.link().get().match_index(index.0);
        one(request.execute(), &index.to_string()).await
    }

    /// All devices, in order of index.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn list(&self) -> Result<Vec<LinkInfo>, LinkError> {
        let _alone = self.listing.lock().await;
        self.handle
            .link()
            .get()
            .execute()
            .try_filter_map(|message| async move { Ok(LinkInfo::parse(&message)) })
            .try_collect()
            .await
            .map_err(|error| LinkError::of(error, "", || "ip link".to_owned()))
    }

    /// Takes the device up or down. For a veth pair this is also the carrier the other end sees.
    ///
    /// # Errors
    /// No such device, not permitted, or the driver refuses.
    pub async fn set_up(&self, index: LinkIndex, up: bool) -> Result<(), LinkError> {
        let change = at(index);
        let change = if up { change.up() } else { change.down() };
        self.set(index, change, |device| {
            format!(
                "ip link set dev {device} {}",
                if up { "up" } else { "down" }
            )
        })
        .await
    }

    /// Sets the largest payload behind the Ethernet header, in octets.
    ///
    /// # Errors
    /// As [`Links::set_up`]; [`LinkInfo::max_mtu`] says what the driver allows.
    pub async fn set_mtu(&self, index: LinkIndex, mtu: u32) -> Result<(), LinkError> {
        self.set(index, at(index).mtu(mtu), |device| {
            format!("ip link set dev {device} mtu {mtu}")
        })
        .await
    }

    /// Sets the device's own address.
    ///
    /// # Errors
    /// As [`Links::set_up`]; some drivers want the device down for it.
    pub async fn set_mac(&self, index: LinkIndex, mac: Mac) -> Result<(), LinkError> {
        self.set(index, at(index).address(mac.0.to_vec()), |device| {
            format!("ip link set dev {device} address {mac}")
        })
        .await
    }

    /// Renames the device.
    ///
    /// # Errors
    /// As [`Links::set_up`]; the name is taken, or not a name.
    pub async fn rename(&self, index: LinkIndex, name: &str) -> Result<(), LinkError> {
        check_name(name)?;
        self.set(index, at(index).name(name), |device| {
            format!("ip link set dev {device} name {name}")
        })
        .await
    }

    /// Whether the device hands up frames for other addresses. The kernel counts those who ask: this is
    /// the administrator's one vote, sockets have their own.
    ///
    /// # Errors
    /// As [`Links::set_up`].
    pub async fn set_promiscuous(&self, index: LinkIndex, on: bool) -> Result<(), LinkError> {
        self.set(index, at(index).promiscuous(on), |device| {
            format!("ip link set dev {device} promisc {}", on_off(on))
        })
        .await
    }

    /// Whether the kernel speaks ARP on the device.
    ///
    /// # Errors
    /// As [`Links::set_up`].
    pub async fn set_arp(&self, index: LinkIndex, on: bool) -> Result<(), LinkError> {
        self.set(index, at(index).arp(on), |device| {
            format!("ip link set dev {device} arp {}", on_off(on))
        })
        .await
    }

    /// Makes the device a port of a bridge, or of nothing.
    ///
    /// # Errors
    /// As [`Links::set_up`].
    pub async fn set_master(
        &self,
        index: LinkIndex,
        bridge: Option<LinkIndex>,
    ) -> Result<(), LinkError> {
        let change = match bridge {
            Some(bridge) => at(index).controller(bridge.0),
            None => at(index).nocontroller(),
        };
        self.set(index, change, |device| match bridge {
            Some(bridge) => format!("ip link set dev {device} master {bridge}"),
            None => format!("ip link set dev {device} nomaster"),
        })
        .await
    }

    /// Whether a bridge sends frames back out of the port they came in on: what VEPA needs.
    ///
    /// # Errors
    /// As [`Links::set_up`]; the device is no bridge port.
    pub async fn set_hairpin(&self, port: LinkIndex, on: bool) -> Result<(), LinkError> {
        let change = LinkBridgePort::new(port.0).hairpin(on).build();
        let result = self.handle.link().set_port(change).execute().await;
        self.explain(port, result, |device| {
            format!("bridge link set dev {device} hairpin {}", on_off(on))
        })
        .await
    }

    /// Removes the device; with one end of a veth pair goes the other.
    ///
    /// # Errors
    /// As [`Links::set_up`]; a device made of hardware cannot be removed.
    pub async fn delete(&self, index: LinkIndex) -> Result<(), LinkError> {
        let result = self.handle.link().del(index.0).execute().await;
        self.explain(index, result, |device| {
            format!("ip link delete dev {device}")
        })
        .await
    }

    async fn set(
        &self,
        index: LinkIndex,
        change: LinkMessageBuilder<LinkUnspec>,
        command: impl FnOnce(&str) -> String,
    ) -> Result<(), LinkError> {
        let result = self.handle.link().set(change.build()).execute().await;
        self.explain(index, result, command).await
    }

    /// Gives a failure the device's name, which only then is asked for.
    async fn explain<T>(
        &self,
        index: LinkIndex,
        result: Result<T, rtnetlink::Error>,
        command: impl FnOnce(&str) -> String,
    ) -> Result<T, LinkError> {
        match result {
            Ok(value) => Ok(value),
            Err(error) => {
                let device = match self.by_index(index).await {
                    Ok(Some(info)) => info.name,
                    _ => index.to_string(),
                };
                Err(LinkError::of(error, &device, || command(&device)))
            }
        }
    }
}

/// [`Links`] for callers without a runtime: labs, tests, command lines. It brings its own; not to be used
/// on a thread that already runs one.
#[derive(Debug)]
pub struct BlockingLinks {
    // Dropped first, so that the runtime below still lives while the socket's task is told to end.
    links: Links,
    runtime: tokio::runtime::Runtime,
}

impl BlockingLinks {
    /// The devices of the calling thread's namespace.
    ///
    /// # Errors
    /// As [`Links::open`], or no runtime can be made.
    pub fn open() -> Result<Self, LinkError> {
        Self::with(Links::open)
    }

    /// The devices of namespace `ns`.
    ///
    /// # Errors
    /// As [`Links::open_in`], or no runtime can be made.
    pub fn open_in(ns: &NetNs) -> Result<Self, LinkError> {
        Self::with(|| Links::open_in(ns))
    }

    fn with(open: impl FnOnce() -> Result<Links, LinkError>) -> Result<Self, LinkError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(LinkError::Socket)?;
        let links = {
            let _on = runtime.enter();
            open()?
        };
        Ok(Self { links, runtime })
    }

    /// Runs `work` to its end: `links.run(async |links| links.get("lo").await)`.
    pub fn run<T>(&self, work: impl AsyncFnOnce(&Links) -> T) -> T {
        self.runtime.block_on(work(&self.links))
    }
}

fn at(index: LinkIndex) -> LinkMessageBuilder<LinkUnspec> {
    LinkUnspec::new_with_index(index.0)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Whether a device can have that name: what the kernel takes (`dev_valid_name`).
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name != "."
        && name != ".."
        && !name
            .bytes()
            .any(|b| b == b'/' || b == b':' || b.is_ascii_whitespace())
}

fn check_name(name: &str) -> Result<(), LinkError> {
    if is_name(name) {
        return Ok(());
    }
    Err(LinkError::NotAName {
        name: name.to_owned(),
    })
}

async fn one(
    answers: impl futures_util::Stream<Item = Result<LinkMessage, rtnetlink::Error>>,
    device: &str,
) -> Result<Option<LinkInfo>, LinkError> {
    pin_mut!(answers);
    match answers.next().await {
        None => Ok(None),
        Some(Ok(message)) => Ok(LinkInfo::parse(&message)),
        Some(Err(error)) => {
            match LinkError::of(error, device, || format!("ip link show dev {device}")) {
                LinkError::Missing { .. } => Ok(None),
                error => Err(error),
            }
        }
    }
}

#[cfg(test)]
mod tests;
