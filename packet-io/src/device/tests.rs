use super::*;
use crate::isolation::{self, is_isolated};
use crate::link::{BlockingLinks, VethEnd};
use crate::netns::NetNs;
use crate::privileged::{privileged, without};
use rustix::thread::CapabilitySet;

/// A namespace with a veth pair `t-dev`, `t-far`, both down.
fn lab() -> (NetNs, BlockingLinks) {
    let ns = NetNs::create().unwrap();
    let lab = BlockingLinks::open_in(&ns).unwrap();
    lab.run(async |links| {
        links
            .add_veth(VethEnd::new("t-dev"), VethEnd::new("t-far"))
            .await
    })
    .unwrap();
    (ns, lab)
}

async fn prepare(links: &Links, role: Role, mtu: u32) -> Result<PreparedDevice, DeviceError> {
    let former = Former::of(links, "t-dev", None).await?;
    PreparedDevice::prepare(links, former, role, mtu).await
}

/// What is there to be given back. Counts and carrier come and go by themselves.
async fn settings(links: &Links) -> LinkInfo {
    let mut info = links.require("t-dev").await.unwrap();
    info.stats = crate::link::LinkStats::default();
    info.carrier = false;
    info
}

#[test]
fn a_prepared_device_is_isolated_silent_large_promiscuous_and_up() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let device = prepare(links, Role::Uplink, 1522).await?;
            let info = device.info().await?;
            assert!(info.up && info.promiscuous && !info.arp);
            assert_eq!((info.mtu, info.ipv6), (1522, Some(false)));
            assert!(is_isolated(&ns, "t-dev")?);
            assert_eq!(links.addresses(device.index()).await?, []);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_niv_port_stays_up_when_its_switch_ends() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            for up in [false, true] {
                let index = links.require("t-dev").await?.index;
                links.set_up(index, up).await?;
                let changes = links.require("t-dev").await?.carrier_changes;
                let before = settings(links).await;
                let device = prepare(links, Role::Niv, 1522).await?;
                device.restore().await?;
                let after = settings(links).await;
                assert_eq!(
                    after,
                    LinkInfo {
                        up: true,
                        carrier_changes: after.carrier_changes,
                        ..before
                    }
                );
                assert!(!up || after.carrier_changes == changes);
                assert!(!is_isolated(&ns, "t-dev")?);
            }
            // Taken down meanwhile by somebody else, it is left alone.
            let device = prepare(links, Role::Niv, 1522).await?;
            links.set_up(device.index(), false).await?;
            device.restore().await?;
            assert!(links.require("t-dev").await?.up, "as it was before");
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn the_end_of_a_pair_is_up_or_down_as_its_guest_is_to_see_it() {
    privileged(|| {
        let (_, lab) = lab();
        lab.run(async |links| {
            for up in [true, false] {
                let index = links.require("t-dev").await?.index;
                links.set_up(index, up).await?;
                let device = prepare(links, Role::Pair, 1500).await?;
                assert_eq!(device.info().await?.up, up);
                device.restore().await?;
                assert_eq!(links.require("t-dev").await?.up, up);
            }
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn restore_gives_back_every_setting() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            // Once from a device that is down, once from one that is up.
            for up in [false, true] {
                let index = links.require("t-dev").await?.index;
                links.set_up(index, up).await?;
                let before = settings(links).await;
                let device = prepare(links, Role::Vnic, 9000).await?;
                assert_ne!(settings(links).await, before);
                device.restore().await?;
                assert_eq!(settings(links).await, before);
                assert!(!is_isolated(&ns, "t-dev")?);
            }
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn what_was_the_administrators_choice_before_stays() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            let index = links.require("t-dev").await?.index;
            links.set_promiscuous(index, true).await?;
            links.set_arp(index, false).await?;
            links.set_mtu(index, 9000).await?;
            let before = settings(links).await;
            let device = prepare(links, Role::Plain, 1500).await?;
            assert_eq!(device.info().await?.mtu, 9000, "never lowered");
            device.restore().await?;
            assert_eq!(settings(links).await, before);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn after_a_kill_the_saved_state_still_gives_back_what_the_first_start_found() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let before = settings(links).await;
            let former = Former::of(links, "t-dev", None).await?;
            let file = serde_json::to_string(&former).unwrap();
            let killed = PreparedDevice::prepare(links, former, Role::Uplink, 1522).await?;
            drop(killed);
            assert!(
                is_isolated(&ns, "t-dev")?,
                "nothing is given back by a drop"
            );

            let saved = serde_json::from_str(&file).unwrap();
            let former = Former::of(links, "t-dev", Some(saved)).await?;
            assert_eq!(former.mtu, 1500);
            let device = PreparedDevice::prepare(links, former, Role::Uplink, 1522).await?;
            device.restore().await?;
            assert_eq!(settings(links).await, before);
            assert!(!is_isolated(&ns, "t-dev")?);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn saved_state_of_another_device_of_that_name_is_not_used() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            let old = Former::of(links, "t-dev", None).await?;
            links.delete(old.index).await?;
            let end = VethEnd::new("t-dev").mtu(1400);
            links.add_veth(end, VethEnd::new("t-far")).await?;
            let former = Former::of(links, "t-dev", Some(old)).await?;
            assert_eq!(former.mtu, 1400);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_device_with_an_address_is_refused_untouched_with_the_command_to_remove_it() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let index = links.require("t-dev").await?.index;
            let v4 = "192.0.2.5".parse().unwrap();
            links.add_address(index, v4, 24).await?;
            let before = settings(links).await;
            let said = prepare(links, Role::Uplink, 1522).await.unwrap_err();
            let said = said.to_string();
            assert!(said.contains("192.0.2.5/24"), "{said}");
            assert!(said.contains("`ip address flush dev t-dev`"), "{said}");
            assert_eq!(settings(links).await, before);
            assert!(!is_isolated(&ns, "t-dev")?);

            let v6 = "2001:db8::5".parse().unwrap();
            links.add_address(index, v6, 64).await?;
            let said = prepare(links, Role::Uplink, 1522).await.unwrap_err();
            let said = said.to_string();
            assert!(said.contains("2001:db8::5/64"), "{said}");
            assert!(said.contains("disable_ipv6=1"), "{said}");
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_bridge_port_and_the_loopback_device_are_refused() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            links.add_bridge("t-br").await?;
            let bridge = links.require("t-br").await?.index;
            let port = links.require("t-dev").await?.index;
            links.set_master(port, Some(bridge)).await?;
            let said = prepare(links, Role::Plain, 1500).await.unwrap_err();
            assert!(said.to_string().contains("belongs to `t-br`"), "{said}");
            let said = Former::of(links, "lo", None).await.unwrap_err();
            assert!(matches!(said, DeviceError::NotEthernet { .. }), "{said}");
            let said = Former::of(links, "t-none", None).await.unwrap_err();
            assert!(said.to_string().contains("no device `t-none`"), "{said}");
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn an_mtu_the_driver_does_not_take_is_refused_with_both_numbers() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let before = settings(links).await;
            let limit = before.max_mtu.unwrap();
            let error = prepare(links, Role::Uplink, limit + 6).await.unwrap_err();
            let said = error.to_string();
            assert!(said.contains(&limit.to_string()), "{said}");
            assert!(said.contains(&(limit + 6).to_string()), "{said}");
            assert_eq!(settings(links).await, before);
            assert!(!is_isolated(&ns, "t-dev")?);

            let device = prepare(links, Role::Uplink, 1522).await?;
            device.require_mtu(9022).await?;
            assert_eq!(device.info().await?.mtu, 9022);
            assert!(device.require_mtu(limit + 1).await.is_err());
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_macvlan_cannot_outgrow_its_parent_and_is_given_back() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let parent = links.require("t-far").await?.index;
            links.add_vepa("t-vepa", parent, None).await?;
            let former = Former::of(links, "t-vepa", None).await?;
            let before = links.require("t-vepa").await?;
            let error = PreparedDevice::prepare(links, former, Role::Plain, 1522)
                .await
                .unwrap_err();
            let said = error.to_string();
            assert!(said.contains("MTU 1500 and needs 1522"), "{said}");
            assert!(said.contains("raise that one first"), "{said}");
            let after = links.require("t-vepa").await?;
            assert_eq!((after.arp, after.ipv6), (before.arp, before.ipv6));
            assert!(!is_isolated(&ns, "t-vepa")?);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_device_that_vanished_is_no_failure_of_restore() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let device = prepare(links, Role::Vnic, 1500).await?;
            links.delete(device.index()).await?;
            device.restore().await?;
            assert!(!is_isolated(&ns, "t-dev")?);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn isolation_that_was_lifted_or_lost_by_a_rename_is_put_back() {
    privileged(|| {
        let (ns, lab) = lab();
        lab.run(async |links| {
            let device = prepare(links, Role::Vnic, 1500).await?;
            assert!(!device.keep_isolated().await?);
            isolation::release(&ns, "t-dev")?;
            assert!(device.keep_isolated().await?);
            assert!(is_isolated(&ns, "t-dev")?);

            links.set_up(device.index(), false).await?;
            links.rename(device.index(), "t-new").await?;
            assert!(device.keep_isolated().await?);
            assert!(is_isolated(&ns, "t-new")?);
            assert!(!is_isolated(&ns, "t-dev")?);
            device.restore().await?;
            assert!(!is_isolated(&ns, "t-new")?);
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn the_guests_carrier_follows_set_carrier() {
    privileged(|| {
        let (_ns, lab) = lab();
        lab.run(async |links| {
            let guest = links.require("t-far").await?.index;
            links.set_up(guest, true).await?;
            let device = prepare(links, Role::Vnic, 1500).await?;
            for on in [false, true] {
                device.set_carrier(on).await?;
                assert_eq!(links.require("t-far").await?.carrier, on);
            }
            Ok::<_, DeviceError>(())
        })
        .unwrap();
    });
}

#[test]
fn a_device_is_prepared_and_given_back_with_cap_net_admin_alone() {
    privileged(|| {
        let (ns, _lab) = lab();
        ns.run(|| {
            without(!CapabilitySet::NET_ADMIN, || {
                BlockingLinks::open()?.run(async |links| {
                    let before = settings(links).await;
                    let device = prepare(links, Role::Uplink, 1522).await?;
                    device.restore().await?;
                    assert_eq!(settings(links).await, before);
                    Ok::<_, DeviceError>(())
                })
            })
        })
        .unwrap()
        .unwrap();
    });
}

/// A daemon may run it on any runtime.
#[test]
fn preparing_can_move_between_threads() {
    fn is_send<T: Send>(_: impl FnOnce(&'static Links, Former) -> T) {}
    is_send(|links, former| PreparedDevice::prepare(links, former, Role::Vnic, 1500));
    is_send(|links, former| async move { former.restore(links).await });
}
