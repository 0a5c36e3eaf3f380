#![expect(
    unsafe_code,
    reason = "a socket bound to one device and protocol, as our rings have"
)]

use super::*;
use crate::link::{BlockingLinks, LinkError, LinkIndex, VethEnd};
use crate::privileged::{privileged, without};
use rustix::thread::CapabilitySet;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long silence lasts before it counts as silence. Answers on a veth take microseconds.
const SILENCE: Duration = Duration::from_millis(250);

/// Asks until the answer is yes; gives up after some seconds. For what must work: addresses and neighbours
/// take a moment to settle.
fn eventually(what: &str, yes: impl Fn() -> bool) {
    assert!((0..20).any(|_| yes()), "{what}");
}

/// A host that routes, with addresses on the devices on purpose, and a guest at each.
struct Lab {
    host: NetNs,
    links: BlockingLinks,
    guests: [NetNs; 2],
}

const DEVICES: [&str; 2] = ["n1", "n2"];

impl Lab {
    fn new() -> Self {
        let host = NetNs::create().unwrap();
        let links = BlockingLinks::open_in(&host).unwrap();
        let guests = [NetNs::create().unwrap(), NetNs::create().unwrap()];
        for (guest, (device, number)) in guests.iter().zip(DEVICES.iter().zip(1..)) {
            links
                .run(async |links| {
                    let far = VethEnd::new("eth0").in_ns(guest);
                    links.add_veth(VethEnd::new(device), far).await?;
                    let index = links.require(device).await?.index;
                    links
                        .add_address(index, format!("10.9.{number}.1").parse().unwrap(), 24)
                        .await?;
                    let v6 = format!("2001:db8:{number}::1").parse().unwrap();
                    links.add_address_unasked(index, v6, 64).await?;
                    links.set_up(index, true).await
                })
                .unwrap();
            BlockingLinks::open_in(guest)
                .unwrap()
                .run(async |links| {
                    let index = links.require("eth0").await?.index;
                    links.set_up(index, true).await?;
                    let of = |end: &str| -> [IpAddr; 2] {
                        [
                            format!("10.9.{number}.{end}").parse().unwrap(),
                            format!("2001:db8:{number}::{end}").parse().unwrap(),
                        ]
                    };
                    for ((address, gateway), (any, prefix)) in of("2")
                        .into_iter()
                        .zip(of("1"))
                        .zip([("0.0.0.0", 24), ("::", 64)])
                    {
                        links.add_address_unasked(index, address, prefix).await?;
                        links.add_route(any.parse().unwrap(), 0, gateway).await?;
                    }
                    Ok::<_, LinkError>(())
                })
                .unwrap();
        }
        links
            .run(async |links| {
                links.write_sysctl("ipv4/ip_forward", "1")?;
                links.write_sysctl("ipv6/conf/all/forwarding", "1")
            })
            .unwrap();
        Self {
            host,
            links,
            guests,
        }
    }

    fn index(&self, device: &str) -> LinkIndex {
        self.links
            .run(async |links| links.require(device).await)
            .unwrap()
            .index
    }

    /// Whether the host answers the first guest: a datagram to a closed port brings "port unreachable",
    /// once ARP or neighbour discovery have been answered.
    fn host_answers(&self, host: &str) -> bool {
        let host: IpAddr = host.parse().unwrap();
        self.guests[0]
            .run(|| {
                let socket = UdpSocket::bind(any_of(host)).unwrap();
                socket.connect(SocketAddr::new(host, 9)).unwrap();
                socket.set_read_timeout(Some(SILENCE)).unwrap();
                socket.send(b"anybody there?").unwrap();
                match socket.recv(&mut [0; 16]) {
                    Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => true,
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => false,
                    // What the guest's own stack says when nobody answers its neighbour discovery.
                    Err(e) if e.kind() == io::ErrorKind::HostUnreachable => false,
                    other => panic!("{other:?}"),
                }
            })
            .unwrap()
    }

    /// Whether the host routes a datagram from the first guest to the second.
    fn host_routes_to(&self, guest: &str) -> bool {
        let address: IpAddr = guest.parse().unwrap();
        let receiver = self.guests[1]
            .run(|| UdpSocket::bind(SocketAddr::new(address, 0)).unwrap())
            .unwrap();
        receiver.set_read_timeout(Some(SILENCE)).unwrap();
        let to = receiver.local_addr().unwrap();
        self.guests[0]
            .run(|| {
                let sender = UdpSocket::bind(any_of(address)).unwrap();
                sender.send_to(b"across", to).unwrap();
            })
            .unwrap();
        receiver.recv(&mut [0; 16]).is_ok()
    }

    /// A raw socket on the host's device, for one protocol or (ETH_P_ALL) all.
    fn tap(&self, device: &str, protocol: u16) -> OwnedFd {
        let index = self.index(device);
        self.host.run(|| packet_socket(index, protocol)).unwrap()
    }

    /// The first guest sends a broadcast frame of that type.
    fn send(&self, ethertype: u16) {
        let index = BlockingLinks::open_in(&self.guests[0])
            .unwrap()
            .run(async |links| links.require("eth0").await)
            .unwrap()
            .index;
        self.guests[0]
            .run(|| {
                let socket = packet_socket(index, 0);
                let mut frame = vec![0xFF; 6];
                frame.extend([2, 0, 0, 0, 0, 2]);
                frame.extend(ethertype.to_be_bytes());
                frame.resize(60, 0);
                let flags = rustix::net::SendFlags::empty();
                assert_eq!(rustix::net::send(&socket, &frame, flags).unwrap(), 60);
            })
            .unwrap();
    }
}

fn any_of(address: IpAddr) -> &'static str {
    if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    }
}

fn packet_socket(index: LinkIndex, protocol: u16) -> OwnedFd {
    let kind = libc::SOCK_RAW | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; the result is checked before it is owned.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: just opened, and owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: all zero is a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).unwrap();
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index.0).unwrap();
    let length = u32::try_from(size_of_val(&address)).unwrap();
    // SAFETY: the address is valid for `length` octets during the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    socket
}

/// Whether a frame of that type has come to the socket. A veth hands frames over before `send` returns, or
/// soon after.
fn saw(tap: &OwnedFd, ethertype: u16) -> bool {
    let deadline = std::time::Instant::now() + SILENCE;
    let mut frame = [0; 2048];
    while std::time::Instant::now() < deadline {
        match rustix::net::recv(tap, &mut frame, rustix::net::RecvFlags::empty()) {
            Ok((_, length)) if length >= 14 && frame[12..14] == ethertype.to_be_bytes() => {
                return true;
            }
            Ok(_) => {}
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    false
}

#[test]
fn a_guest_reaches_neither_the_host_nor_another_guest_through_it() {
    privileged(|| {
        let lab = Lab::new();
        for host in ["10.9.1.1", "2001:db8:1::1"] {
            eventually(&format!("{host} before"), || lab.host_answers(host));
        }
        for guest in ["10.9.2.2", "2001:db8:2::2"] {
            eventually(&format!("{guest} before"), || lab.host_routes_to(guest));
        }

        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        for host in ["10.9.1.1", "2001:db8:1::1"] {
            assert!(!lab.host_answers(host), "{host} isolated");
        }
        for guest in ["10.9.2.2", "2001:db8:2::2"] {
            assert!(!lab.host_routes_to(guest), "{guest} isolated");
        }

        release(&lab.host, "n1").unwrap();
        for host in ["10.9.1.1", "2001:db8:1::1"] {
            eventually(&format!("{host} after"), || lab.host_answers(host));
        }
    });
}

#[test]
fn a_tap_for_all_protocols_still_sees_what_the_host_does_not() {
    privileged(|| {
        let lab = Lab::new();
        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        let tap = lab.tap("n1", 0x0003);
        assert!(!lab.host_answers("10.9.1.1"));
        assert!(saw(&tap, 0x0806), "the guest's ARP request");
        lab.send(0x0800);
        assert!(saw(&tap, 0x0800));
    });
}

#[test]
fn only_the_links_own_ethertypes_reach_sockets_bound_to_one() {
    privileged(|| {
        let lab = Lab::new();
        let seen_on = |device, ethertype| {
            let tap = lab.tap(device, ethertype);
            lab.send(ethertype);
            saw(&tap, ethertype)
        };
        assert!(seen_on("n1", 0x0800), "a socket for one protocol works");

        isolate(&lab.host, "n1", Admit::Link).unwrap();
        for ethertype in LINK_ETHERTYPES {
            assert!(seen_on("n1", ethertype), "{ethertype:#06x} on a link");
        }
        assert!(!seen_on("n1", 0x0800));
        assert!(!seen_on("n1", 0x88A8));
        assert!(!lab.host_answers("10.9.1.1"));
        assert!(!lab.host_routes_to("2001:db8:2::2"));

        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        for ethertype in LINK_ETHERTYPES {
            assert!(!seen_on("n1", ethertype), "{ethertype:#06x} elsewhere");
        }
    });
}

#[test]
fn isolation_touches_no_other_device() {
    privileged(|| {
        let lab = Lab::new();
        isolate(&lab.host, "n2", Admit::Nothing).unwrap();
        eventually("the host answers", || lab.host_answers("10.9.1.1"));
        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        release(&lab.host, "n1").unwrap();
        assert!(is_isolated(&lab.host, "n2").unwrap(), "still");
        assert!(!is_isolated(&lab.host, "n1").unwrap());
    });
}

#[test]
fn devices_isolated_ahead_are_isolated_and_found_by_one_question() {
    privileged(|| {
        let lab = Lab::new();
        let isolation = Isolation::of(Arc::new(lab.host.try_clone().unwrap()));
        let both = ["n1", "n2"];
        isolation.isolate_ahead(both.map(|device| (device, Admit::Nothing)));
        assert_eq!(isolation.isolated().unwrap(), both.map(Into::into).into());
        // Whatever else is wanted of it then is done.
        isolation.isolate("n1", Admit::Link).unwrap();
        assert!(is_isolated(&lab.host, "n1").unwrap());
        let tap = lab.tap("n1", LINK_ETHERTYPES[0]);
        lab.send(LINK_ETHERTYPES[0]);
        assert!(saw(&tap, LINK_ETHERTYPES[0]));
        isolation.isolate("n2", Admit::Nothing).unwrap();
        for device in both {
            isolation.release(device).unwrap();
            assert!(!is_isolated(&lab.host, device).unwrap());
        }
        assert!(isolation.isolated().unwrap().is_empty());
        // What was done ahead does not count again.
        isolation.isolate("n2", Admit::Nothing).unwrap();
        assert!(is_isolated(&lab.host, "n2").unwrap());
        // One that is not there keeps no other from it, and is an error by itself.
        isolation.isolate_ahead([("n1", Admit::Nothing), ("t-no", Admit::Nothing)]);
        assert!(is_isolated(&lab.host, "n1").unwrap());
        let error = isolation.isolate("t-no", Admit::Nothing).unwrap_err();
        assert!(matches!(error, IsolationError::Missing { .. }), "{error}");
    });
}

#[test]
fn a_device_made_again_since_it_was_isolated_ahead_is_isolated_again() {
    privileged(|| {
        let lab = Lab::new();
        let isolation = Isolation::of(Arc::new(lab.host.try_clone().unwrap()));
        isolation.isolate_ahead([("n1", Admit::Nothing)]);
        let old = lab.index("n1");
        lab.links
            .run(async |links| {
                links.delete(old).await?;
                let other = VethEnd::new("t-peer");
                links.add_veth(VethEnd::new("n1"), other).await
            })
            .unwrap();
        isolation.isolate("n1", Admit::Nothing).unwrap();
        assert!(is_isolated(&lab.host, "n1").unwrap());
    });
}

#[test]
fn isolation_outlives_a_killed_process_is_adopted_and_released() {
    const NAMESPACE: &str = "PACKET_IO_TEST_ISOLATE_IN";
    const IN_PLACE: &str = "isolation is in place";
    if let Some(path) = std::env::var_os(NAMESPACE) {
        isolate(&NetNs::open(path).unwrap(), "n1", Admit::Nothing).unwrap();
        println!("\n{IN_PLACE}");
        loop {
            std::thread::park();
        }
    }
    privileged(|| {
        use std::os::fd::AsFd;
        let lab = Lab::new();
        let fd = lab.host.as_fd().as_raw_fd();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--exact")
            .arg("isolation::tests::isolation_outlives_a_killed_process_is_adopted_and_released")
            .arg("--nocapture")
            .env(NAMESPACE, format!("/proc/{}/fd/{fd}", std::process::id()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let in_place = said.map_while(Result::ok).any(|line| line == IN_PLACE);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(in_place);

        assert!(is_isolated(&lab.host, "n1").unwrap());
        assert!(!lab.host_answers("10.9.1.1"));
        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        assert!(is_isolated(&lab.host, "n1").unwrap());
        assert!(!lab.host_answers("10.9.1.1"));
        release(&lab.host, "n1").unwrap();
        assert!(!is_isolated(&lab.host, "n1").unwrap());
        eventually("the host answers", || lab.host_answers("10.9.1.1"));
        release(&lab.host, "n1").unwrap();
    });
}

#[test]
fn a_device_made_again_under_the_same_name_is_isolated_again() {
    privileged(|| {
        let lab = Lab::new();
        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        let old = lab.index("n1");
        lab.links
            .run(async |links| {
                links.delete(old).await?;
                links
                    .add_veth(VethEnd::new("n1"), VethEnd::new("t-peer"))
                    .await
            })
            .unwrap();
        isolate(&lab.host, "n1", Admit::Nothing).unwrap();
        assert!(is_isolated(&lab.host, "n1").unwrap());

        // And what is left of a device that is gone can be lifted.
        let new = lab.index("n1");
        lab.links
            .run(async |links| links.delete(new).await)
            .unwrap();
        release(&lab.host, "n1").unwrap();
        assert!(!is_isolated(&lab.host, "n1").unwrap());
    });
}

#[test]
fn a_device_that_is_not_there_is_refused_by_name() {
    privileged(|| {
        let ns = NetNs::create().unwrap();
        let error = isolate(&ns, "t-nothing", Admit::Nothing).unwrap_err();
        assert!(matches!(&error, IsolationError::Missing { device } if device == "t-nothing"));
        release(&ns, "t-nothing").unwrap();
    });
}

#[test]
fn in_its_own_namespace_a_daemon_needs_no_more_than_cap_net_admin() {
    privileged(|| {
        let lab = Lab::new();
        lab.host
            .run(|| {
                let own = NetNs::current().unwrap();
                without(CapabilitySet::SYS_ADMIN, || {
                    isolate(&own, "n1", Admit::Link).unwrap();
                    assert!(is_isolated(&own, "n1").unwrap());
                    release(&own, "n1").unwrap();
                });
                let refused = without(CapabilitySet::NET_ADMIN, || {
                    isolate(&own, "n1", Admit::Link)
                });
                let said = refused.unwrap_err().to_string();
                assert!(said.contains("CAP_NET_ADMIN"), "{said}");
            })
            .unwrap();
    });
}
