//! The interface virtualizer's data path, from received frames to what devices are handed.

use crate::device::Device;
use crate::input::{Input, Received};
use crate::marks::{is_looking, mark, mark_counters};
use crate::naive::{self, Tag};
use interface_virtualizer::core::{Account, UPLINK, Virtualizer, VnicId};
use niv::{Imbalance, ListId, PortId, VifId};
use packet_io::dispatch::Dispatcher;
use packet_io::{Capabilities, Outgoing, RxFrame};
use std::collections::{BTreeMap, BTreeSet};

/// `data` is an octet about devices (1: the uplink takes unfinished frames, 2: vNICs do, the rest: how
/// often they are full) and a sequence of steps, an octet each with what belongs to it: attach a VIF,
/// enable or disable a vNIC, set a list, receive a frame.
///
/// # Panics
/// A frame goes where it must not, is not what it must be, or is not accounted for.
pub fn iv_core(data: &[u8]) {
    let mut input = Input::new(data);
    let Some(devices) = input.octet() else { return };
    let mut lab = Lab {
        iv: Virtualizer::default(),
        vifs: Vec::new(),
        lists: BTreeMap::new(),
        dispatcher: Dispatcher::new(),
        devices,
    };
    while lab.step(&mut input).is_some() {}
    if is_looking() {
        mark_counters(&lab.iv.total());
    }
}

struct Lab {
    iv: Virtualizer,
    /// By vNIC: its VIF, and whether it is enabled.
    vifs: Vec<(u16, bool)>,
    lists: BTreeMap<u16, BTreeSet<u16>>,
    dispatcher: Dispatcher,
    devices: u8,
}

impl Lab {
    fn step(&mut self, input: &mut Input<'_>) -> Option<()> {
        let step = input.octet()?;
        match step {
            0..16 => {
                let number = input.word()?;
                let Ok(vif) = VifId::try_from(number) else {
                    return Some(());
                };
                let taken = self.vifs.iter().any(|&(other, _)| other == number);
                let added = self.iv.add(vif);
                assert_eq!(added.is_err(), taken);
                mark("VIF taken", taken);
                if let Ok(id) = added {
                    assert_eq!(usize::from(id.0), self.vifs.len());
                    self.vifs.push((number, true));
                    self.iv.enable(id, true);
                }
            }
            16..32 => {
                let index = input.octet()?;
                self.iv.enable(VnicId(index.into()), step & 1 == 1);
                if let Some((_, enabled)) = self.vifs.get_mut(usize::from(index)) {
                    *enabled = step & 1 == 1;
                }
            }
            32..48 => {
                let list = input.word()?;
                let members: Vec<u16> = (0..step % 16).map_while(|_| input.word()).collect();
                if let Ok(id) = ListId::try_from(list) {
                    let vifs = members.iter().copied().map(VifId::try_from);
                    let vifs: Vec<VifId> = vifs.filter_map(Result::ok).collect();
                    let known = vifs.iter().map(|vif| vif.get()).collect();
                    self.iv.set_list(id, vifs);
                    self.lists.insert(list, known);
                }
            }
            _ => {
                let received = Received::read(input)?;
                // The uplink as often as all vNICs together, and one that was never attached.
                let port = match step & 1 {
                    0 => UPLINK.0,
                    _ => 1 + u16::from(step >> 1) % (self.vifs.len() as u16 + 1),
                };
                self.receive(PortId(port), &received.frame());
            }
        }
        Some(())
    }

    fn receive(&mut self, port: PortId, frame: &RxFrame<'_>) {
        let mut copies = Vec::new();
        self.iv.receive(port, 0, frame, &mut copies);
        match Account::of(port) {
            Account::Uplink => self.went_down(frame, &copies),
            Account::Vnic(id) => self.went_up(id, frame, &copies),
        }
        copies.sort_by_key(|copy| copy.port);
        for copies in copies.chunk_by(|one, other| one.port == other.port) {
            self.send(frame, copies);
        }
        assert_eq!(self.iv.total().imbalance(), Imbalance::default());
    }

    fn went_up(&self, sender: VnicId, frame: &RxFrame<'_>, copies: &[Outgoing]) {
        assert!(copies.len() <= 1, "a vNIC's frame left more than once");
        for copy in copies {
            mark("up", if frame.vlan.is_some() { "with a VLAN tag" } else { "plain" });
            assert_eq!(copy.port, UPLINK, "between vNICs");
            let wire = octets(frame, copy);
            let vif = self.vifs.get(usize::from(sender.0));
            assert!(vif.is_some_and(|&(_, enabled)| enabled));
            let expected = Tag {
                d: false,
                p: false,
                dvif: 0,
                l: false,
                r: false,
                ver: 0,
                svif: vif.map_or(0, |&(vif, _)| vif),
            };
            assert_eq!(naive::tag(&wire), Some(expected));
            assert!(!naive::hides_a_tag(&wire, 18), "a guest's tag went up");
            let vlan = frame.vlan.map(|tag| tag.to_bytes());
            let vlan = vlan.as_ref().map_or(&[][..], |tag| &tag[..]);
            let (addresses, rest) = frame.bytes.split_at(12);
            let tag = wire.get(12..18).unwrap_or_default();
            assert_eq!(wire, [addresses, tag, vlan, rest].concat());
        }
    }

    fn went_down(&self, frame: &RxFrame<'_>, copies: &[Outgoing]) {
        if copies.is_empty() {
            return;
        }
        let tag = naive::tag(frame.bytes);
        assert!(frame.vlan.is_none() && tag.is_some(), "an untagged frame");
        let Some(tag) = tag else { return };
        assert!(tag.d && tag.ver == 0, "{tag:?}");
        let named = match tag.p {
            false => BTreeSet::from([tag.dvif]),
            true => self.lists.get(&tag.dvif).cloned().unwrap_or_default(),
        };
        let expected: BTreeSet<u16> = (1..)
            .zip(&self.vifs)
            .filter(|(_, (vif, enabled))| *enabled && named.contains(vif))
            .filter(|(_, (vif, _))| !(tag.l && *vif == tag.svif))
            .map(|(port, _)| port)
            .collect();
        let got: Vec<u16> = copies.iter().map(|copy| copy.port.0).collect();
        assert_eq!(got.len(), expected.len(), "somebody got it twice");
        assert_eq!(BTreeSet::from_iter(got), expected);
        mark(if tag.p { "list" } else { "VIF" }, if tag.l { "looped" } else { "from elsewhere" });
        for copy in copies {
            let wire = octets(frame, copy);
            assert!(!naive::hides_a_tag(&wire, 12), "a tag leaked to a vNIC");
            assert_eq!(wire.get(..12), frame.bytes.get(..12));
            assert_eq!(wire.get(12..), frame.bytes.get(18..));
        }
    }

    /// Sends copies that leave by one port.
    fn send(&mut self, frame: &RxFrame<'_>, copies: &[Outgoing]) {
        let uplink = copies.first().is_some_and(|copy| copy.port == UPLINK);
        let offload = self.devices & if uplink { 1 } else { 2 } != 0;
        let capabilities = Capabilities {
            mode: "memory",
            mtu: 9000,
            offload,
            long: 0,
        };
        let mut device = Device::new(self.devices >> 2);
        let iv = &mut self.iv;
        self.dispatcher.send(
            &mut device,
            &capabilities,
            uplink,
            &[*frame],
            copies,
            &mut |copy, weight, fate| iv.fate(copy, weight, fate),
        );
        for handed in &device.handed {
            assert!(offload || handed.offload.is_none());
            assert_eq!(naive::tag(&handed.bytes).is_some(), uplink);
        }
    }
}

fn octets(frame: &RxFrame<'_>, copy: &Outgoing) -> Vec<u8> {
    assert_eq!(u32::from(copy.port.0), copy.account & 0xFFFF);
    [copy.gather.head.as_bytes(), copy.gather.rest(frame.bytes)].concat()
}
