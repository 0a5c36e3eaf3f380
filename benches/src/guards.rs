//! What guards cost a frame.

use crate::cases::leak;
use crate::{Exchange, NEAR, burst, ethernet, mac, tagged, topology, up};
use niv::Mac;
use packet_io::BURST;
use policy::security::{Mode, PortSecurity};
use policy::storm::{Action, Class, Level, StormControl};
use std::hint::black_box;
use std::sync::Arc;
use vis::switch::{GuardPolicy, PortPlan, SecurePlan, Topology};

/// vEths on one link that all have this policy.
fn guarded(near: u16, guards: &GuardPolicy) -> Topology {
    let mut topology = topology(near, 0);
    let veths = topology.ports.iter_mut().filter(|port| port.vif.is_some());
    veths.for_each(|port: &mut PortPlan| port.policy.guards = Some(Arc::new(guards.clone())));
    topology
}

/// Every frame's source is a secure address of its port.
pub(crate) fn hairpin_with_port_security() -> Box<dyn FnMut()> {
    let rule = PortSecurity {
        maximum: 4,
        violation: Mode::Restrict,
        ..PortSecurity::default()
    };
    let guards = GuardPolicy {
        security: Some(SecurePlan {
            rule,
            addresses: Vec::new(),
            recalled: vis::switch::Recalled::default(),
        }),
        ..GuardPolicy::default()
    };
    let mut switch = Exchange::with(&guarded(64, &guards), 64, 0, 1 << 16);
    let frames = leak(burst(|n| {
        let (to, from) = (mac(u32::from((n + 1) % 64) + 1), mac(u32::from(n) + 1));
        tagged(up(n + 1), &ethernet(to, from, 60))
    }));
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frames)), BURST);
    })
}

/// A storm, all of which is dropped: what a flood is spared costs this.
pub(crate) fn flood_with_storm_control() -> Box<dyn FnMut()> {
    let guards = GuardPolicy {
        storm: StormControl::new(Action::Drop).with(Class::Broadcast, Level::Packets(0)),
        ..GuardPolicy::default()
    };
    let mut switch = Exchange::with(&guarded(16, &guards), 16, 0, 1 << 16);
    let frame = tagged(up(1), &ethernet(Mac::BROADCAST, mac(1), 60));
    let frames = leak(vec![frame; BURST]);
    Box::new(move || {
        assert_eq!(switch.pass(NEAR, black_box(frames)), 0);
    })
}
