use super::*;
use crate::privileged::{privileged, without};
use rustix::thread::CapabilitySet;
use std::net::IpAddr;
use std::time::Duration;

fn lab() -> (NetNs, BlockingLinks) {
    let ns = NetNs::create().unwrap();
    let links = BlockingLinks::open_in(&ns).unwrap();
    (ns, links)
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_veth_pair_is_made_across_two_namespaces_at_once() {
    privileged(|| {
        let (_here, here) = lab();
        let (there_ns, there) = lab();
        let (mac, peer_mac) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        here.run(async |links| {
            links
                .add_veth(
                    VethEnd::new("t-a").mac(mac).mtu(1600).queues(1),
                    VethEnd::new("t-b").mac(peer_mac).mtu(9000).in_ns(&there_ns),
                )
                .await
        })
        .unwrap();

        let a = here.run(async |links| links.require("t-a").await).unwrap();
        assert_eq!((a.mac, a.mtu), (Some(mac), 1600));
        assert_eq!(a.kind.as_deref(), Some("veth"));
        assert!(a.ethernet && a.arp && !a.up && !a.carrier);
        assert_eq!(
            here.run(async |links| links.get("t-b").await).unwrap(),
            None
        );
        let b = there.run(async |links| links.require("t-b").await).unwrap();
        assert_eq!((b.mac, b.mtu), (Some(peer_mac), 9000));
    });
}

#[test]
fn the_carrier_of_one_end_follows_the_other_end_up_and_down() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            let (a, b) = (links.require("t-a").await?, links.require("t-b").await?);
            links.set_up(a.index, true).await?;
            assert!(!links.require("t-a").await?.carrier);
            links.set_up(b.index, true).await?;
            assert!(links.require("t-a").await?.carrier);
            links.set_up(b.index, false).await?;
            let a = links.require("t-a").await?;
            assert!(a.up && !a.carrier);
            Ok::<_, LinkError>(())
        })
        .unwrap();
    });
}

#[test]
fn every_setting_reads_back_as_it_was_set() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            let before = links.require("t-a").await?;
            let index = before.index;
            let mac = Mac([2, 0, 0, 0, 0, 9]);
            links.set_mac(index, mac).await?;
            links.set_mtu(index, 1522).await?;
            links.set_promiscuous(index, true).await?;
            links.set_arp(index, false).await?;
            links.set_ipv6(&before, false)?;
            links.rename(index, "t-renamed").await?;
            let after = links.by_index(index).await?.unwrap();
            assert_eq!(after.name, "t-renamed");
            assert_eq!((after.mac, after.mtu), (Some(mac), 1522));
            assert!(after.promiscuous && after.promiscuity == 1 && !after.arp);
            assert_eq!((before.ipv6, after.ipv6), (Some(true), Some(false)));
            links.set_promiscuous(index, false).await?;
            links.set_arp(index, true).await?;
            links.set_ipv6(&after, true)?;
            let back = links.by_index(index).await?.unwrap();
            assert!(!back.promiscuous && back.arp && back.ipv6 == Some(true));
            links.delete(index).await?;
            assert_eq!(links.by_index(index).await?, None);
            assert_eq!(links.get("t-b").await?, None, "the peer goes too");
            Ok::<_, LinkError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_bridge_takes_ports_and_turns_hairpin_on() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links.add_bridge("t-br").await?;
            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            let bridge = links.require("t-br").await?;
            let port = links.require("t-a").await?;
            assert_eq!(bridge.kind.as_deref(), Some("bridge"));
            let refused = links.set_hairpin(port.index, true).await.unwrap_err();
            assert!(refused.to_string().contains("t-a hairpin on"), "{refused}");
            links.set_master(port.index, Some(bridge.index)).await?;
            links.set_hairpin(port.index, true).await?;
            assert_eq!(links.require("t-a").await?.master, Some(bridge.index));
            assert_eq!(hairpin(links, "t-a").await, Some(true));
            links.set_master(port.index, None).await?;
            assert_eq!(links.require("t-a").await?.master, None);
            Ok::<_, LinkError>(())
        })
        .unwrap();
    });
}

async fn hairpin(links: &Links, port: &str) -> Option<bool> {
    use rtnetlink::packet_route::link::{
        InfoBridgePort, InfoPortData, LinkAttribute, LinkInfo as Info,
    };
    let request = links.handle.link().get().match_name(port);
    let message: Vec<LinkMessage> = request.execute().try_collect().await.unwrap();
    let parts = message[0].attributes.iter().find_map(|a| match a {
        LinkAttribute::LinkInfo(parts) => Some(parts),
        _ => None,
    })?;
    let Info::PortData(InfoPortData::BridgePort(settings)) =
        parts.iter().find(|p| matches!(p, Info::PortData(_)))?
    else {
        return None;
    };
    settings.iter().find_map(|s| match s {
        InfoBridgePort::HairpinMode(on) => Some(*on),
        _ => None,
    })
}

#[test]
fn a_vepa_device_is_made_in_another_namespace() {
    privileged(|| {
        let (_ns, here) = lab();
        let (guest_ns, guest) = lab();
        here.run(async |links| {
            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            let parent = links.require("t-a").await?;
            links
                .add_vepa("t-vepa", parent.index, Some(&guest_ns))
                .await?;
            let gone = LinkIndex(parent.index.0 + 1000);
            let error = links.add_vepa("t-x", gone, None).await.unwrap_err();
            assert!(error.is_missing(), "{error}");
            Ok::<_, LinkError>(())
        })
        .unwrap();
        let vepa = guest
            .run(async |links| links.require("t-vepa").await)
            .unwrap();
        assert_eq!(vepa.kind.as_deref(), Some("macvlan"));
    });
}

#[test]
fn addresses_routes_and_neighbours_are_set_and_listed() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            let a = links.require("t-a").await?.index;
            let b = links.require("t-b").await?.index;
            links.set_up(a, true).await?;
            links.set_up(b, true).await?;
            links.add_address(a, ip("192.0.2.1"), 24).await?;
            links.add_address(a, ip("2001:db8::1"), 64).await?;
            links.add_address_unasked(a, ip("2001:db8::2"), 64).await?;
            links.add_address(b, ip("198.51.100.1"), 24).await?;
            let found = links.addresses(a).await?;
            let of = |text: &str| found.iter().find(|f| f.address == ip(text)).copied();
            assert_eq!(of("192.0.2.1").unwrap().to_string(), "192.0.2.1/24");
            assert!(of("2001:db8::1").unwrap().tentative);
            assert!(!of("2001:db8::2").unwrap().tentative);
            assert_eq!(of("198.51.100.1"), None, "another device's");

            links.add_route(ip("0.0.0.0"), 0, ip("192.0.2.254")).await?;
            links
                .add_route(ip("2001:db8:1::"), 48, ip("2001:db8::fe"))
                .await?;
            let again = links.add_route(ip("0.0.0.0"), 0, ip("192.0.2.254")).await;
            assert!(matches!(again, Err(LinkError::Exists { .. })));
            let mixed = links
                .add_route(ip("2001:db8:2::"), 48, ip("192.0.2.254"))
                .await;
            assert!(matches!(mixed, Err(LinkError::Refused { .. })));
            // The other device has no address of theirs.
            for (to, bits) in [("203.0.113.1", 32), ("2001:db8:3::1", 128)] {
                links.add_device_route(b, ip(to), bits).await?;
                let again = links.add_device_route(b, ip(to), bits).await;
                assert!(matches!(again, Err(LinkError::Exists { .. })), "{again:?}");
            }
            let routes = links
                .namespace()
                .run(|| std::fs::read_to_string("/proc/thread-self/net/route"));
            let routes = routes?.unwrap();
            // The destination in the machine's own byte order: 203.0.113.1.
            let to = format!("t-b\t{:08X}", u32::from_ne_bytes([203, 0, 113, 1]));
            assert!(routes.contains(&to), "{routes}");
            links
                .set_neighbour(a, ip("192.0.2.7"), Mac([2, 0, 0, 0, 0, 7]))
                .await?;
            let arp = links
                .namespace()
                .run(|| std::fs::read_to_string("/proc/thread-self/net/arp"));
            let arp = arp?.unwrap();
            assert!(
                arp.contains("192.0.2.7") && arp.contains("02:00:00:00:00:07"),
                "{arp}"
            );
            Ok::<_, LinkError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_watch_tells_of_devices_that_come_change_and_go() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links.add_bridge("t-br").await?;
            let mut watch = links.watch()?;
            let seen = next_about(&mut watch, "t-br").await;
            assert!(
                matches!(&seen, LinkEvent::Changed(info) if !info.up),
                "{seen:?}"
            );

            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            next_about(&mut watch, "t-a").await;
            let bridge = links.require("t-br").await?.index;
            let a = links.require("t-a").await?.index;
            let b = links.require("t-b").await?.index;
            // A port leaving a bridge is reported as a deletion too, of the bridge's family.
            links.set_master(a, Some(bridge)).await?;
            links.set_master(a, None).await?;
            links.set_up(a, true).await?;
            links.set_up(b, true).await?;
            loop {
                match next_about(&mut watch, "t-a").await {
                    LinkEvent::Changed(info) if info.carrier => break,
                    LinkEvent::Changed(_) => {}
                    LinkEvent::Gone { .. } => panic!("t-a is still there"),
                }
            }
            links.delete(a).await?;
            loop {
                if let LinkEvent::Gone { index, .. } = next_about(&mut watch, "t-a").await {
                    assert_eq!(index, a);
                    break;
                }
            }
            Ok::<_, LinkError>(())
        })
        .unwrap();
    });
}

async fn next_about(watch: &mut Watch, device: &str) -> LinkEvent {
    loop {
        // Not a timing rule: only so that a missing event ends the test.
        let event = tokio::time::timeout(Duration::from_secs(10), watch.next())
            .await
            .unwrap_or_else(|_| panic!("no event about {device}"))
            .unwrap();
        match &event {
            LinkEvent::Changed(info) if info.name == device => return event,
            LinkEvent::Gone { name, .. } if name == device => return event,
            _ => {}
        }
    }
}

#[test]
fn refusals_name_the_device_the_command_and_the_kernels_reason() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links
                .add_veth(VethEnd::new("t-a"), VethEnd::new("t-b"))
                .await?;
            let a = links.require("t-a").await?;
            let too_much = a.max_mtu.unwrap() + 1;
            let error = links.set_mtu(a.index, too_much).await.unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains(&format!("`ip link set dev t-a mtu {too_much}`")),
                "{said}"
            );
            assert!(said.contains("mtu greater than device maximum"), "{said}");

            let error = links.require("t-none").await.unwrap_err();
            assert!(error.to_string().contains("`t-none`"), "{error}");
            let error = links.add_bridge("t-a").await.unwrap_err();
            assert!(
                error.to_string().contains("ip link delete dev t-a"),
                "{error}"
            );
            let error = links.add_bridge("sixteen-octets-x").await.unwrap_err();
            assert!(matches!(error, LinkError::NotAName { .. }), "{error}");
            assert_eq!(links.get("sixteen-octets-x").await?, None);
            Ok::<_, LinkError>(())
        })
        .unwrap();
    });
}

#[test]
fn without_privileges_the_error_says_which_are_needed() {
    privileged(|| {
        let (ns, lab) = lab();
        let bridge = lab.run(async |links| {
            links.add_bridge("t-br").await.unwrap();
            links.require("t-br").await.unwrap().index
        });
        let error = without(CapabilitySet::NET_ADMIN, || {
            lab.run(async |links| links.set_up(bridge, true).await)
        })
        .unwrap_err();
        assert!(error.is_not_permitted(), "{error:?}");
        let said = error.to_string();
        assert!(said.contains("ip link set dev t-br up"), "{said}");
        assert!(said.contains("CAP_NET_ADMIN"), "{said}");

        let error = without(CapabilitySet::SYS_ADMIN, || BlockingLinks::open_in(&ns));
        let error = error.unwrap_err();
        assert!(error.is_not_permitted(), "{error:?}");
        assert!(error.to_string().contains("CAP_SYS_ADMIN"), "{error}");
    });
}
#[test]
fn a_damaged_acknowledgement_has_no_sentence_and_does_no_harm() {
    let mut whole = vec![0; 16];
    whole.extend([8, 0, 2, 0, 1, 2, 3, 4]);
    whole.extend([9, 0, 1, 0, b'n', b'o', b'!', b'.', 0, 0, 0, 0]);
    assert_eq!(error::kernel_sentence(&whole).as_deref(), Some("no!."));
    for cut in 0..whole.len() - 4 {
        error::kernel_sentence(&whole[..cut]);
    }
    // An attribute that claims to be shorter than its own header must not be walked for ever.
    let mut short = vec![0; 16];
    short.extend([0, 0, 7, 0]);
    assert_eq!(error::kernel_sentence(&short), None);
}

#[test]
fn many_ask_for_lists_at_the_same_time_and_all_are_answered() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            let far = VethEnd::new("t-b");
            links.add_veth(VethEnd::new("t-a"), far).await.unwrap();
            let index = links.require("t-a").await.unwrap().index;
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..64 {
                let links = links.clone();
                tasks.spawn(async move {
                    let (all, own) = tokio::join!(links.list(), links.addresses(index));
                    (all.map(|all| all.len()), own.map(|own| own.len()))
                });
            }
            while let Some(done) = tasks.join_next().await {
                let (all, own) = done.unwrap();
                assert_eq!((all.unwrap(), own.unwrap()), (3, 0));
            }
        });
    });
}
