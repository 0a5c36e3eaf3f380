use super::*;
use crate::privileged::privileged;
use packet_io::link::{BlockingLinks, VethEnd};
use packet_io::netns::NetNs;
use std::sync::mpsc;

const PATIENCE: Duration = Duration::from_secs(10);
const ETHERTYPE: [u8; 2] = vic::parameters::ETHERTYPE.to_be_bytes();

/// Sends a frame every 20 ms, and tells of each that comes in; answers what it does not know.
struct Caller {
    name: u8,
    next: Duration,
    heard: Vec<Vec<u8>>,
    out: Vec<Vec<u8>>,
}

fn frame(name: u8, vlan: bool) -> Vec<u8> {
    let mut frame = vec![0x01, 0x80, 0xC2, 0, 0, 0, 2, 0, 0, 0, 0, name];
    if vlan {
        frame.extend([0x81, 0, 0, 5]);
    }
    frame.extend(ETHERTYPE);
    frame.resize(60, name);
    frame
}

impl End for Caller {
    type Event = Vec<u8>;

    fn handle_message(&mut self, _: Duration, frame: &[u8]) {
        self.heard.push(frame.to_vec());
    }
    fn handle_timeout(&mut self, now: Duration) {
        self.next = now + Duration::from_millis(20);
        self.out.push(frame(self.name, false));
    }
    fn poll_event(&mut self) -> Option<Vec<u8>> {
        self.heard.pop()
    }
    fn poll_transmit(&mut self, _: Duration) -> Option<Vec<u8>> {
        self.out.pop()
    }
    fn poll_timeout(&self) -> Option<Duration> {
        Some(self.next)
    }
}

/// A thread with one link, `device` of this network namespace, and what it tells of.
fn caller(device: &str, name: u8) -> (LinkControl<Caller>, mpsc::Receiver<(PortId, Vec<u8>)>) {
    let (tell, told) = mpsc::channel();
    let control =
        LinkControl::spawn("t", move |link, event| drop(tell.send((link, event)))).unwrap();
    let socket = LinkControl::<Caller>::socket(device).unwrap();
    let end = Caller {
        name,
        next: Duration::ZERO,
        heard: Vec::new(),
        out: Vec::new(),
    };
    wait(control.open(PortId(name.into()), socket, end)).unwrap();
    (control, told)
}

fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn in_namespace_with_a_cable(body: impl FnOnce(&BlockingLinks) + Send) {
    let ns = NetNs::create().unwrap();
    ns.run(|| {
        let links = BlockingLinks::open_in(&ns).unwrap();
        let (near, far) = (VethEnd::new("near"), VethEnd::new("far"));
        links.run(async |links| links.add_veth(near, far).await.unwrap());
        set_up(&links, "near", true);
        set_up(&links, "far", true);
        body(&links);
    })
    .unwrap();
}

fn set_up(links: &BlockingLinks, device: &str, up: bool) {
    links.run(async |links| {
        let index = links.require(device).await.unwrap().index;
        links.set_up(index, up).await.unwrap();
    });
}

#[test]
fn both_ends_hear_each_other_and_keep_time() {
    privileged(|| {
        in_namespace_with_a_cable(|_| {
            let (near, near_hears) = caller("near", 1);
            let (far, far_hears) = caller("far", 2);
            for _ in 0..5 {
                assert_eq!(
                    near_hears.recv_timeout(PATIENCE).unwrap(),
                    (PortId(1), frame(2, false))
                );
                assert_eq!(
                    far_hears.recv_timeout(PATIENCE).unwrap(),
                    (PortId(2), frame(1, false))
                );
            }
            let name = wait(near.with(PortId(1), |end, _| end.name));
            assert_eq!(
                (name, wait(near.with(PortId(9), |end, _| end.name))),
                (Some(1), None)
            );
            near.stop().unwrap();
            far.stop().unwrap();
        });
    });
}

#[test]
fn only_untagged_frames_of_link_control_are_heard() {
    privileged(|| {
        in_namespace_with_a_cable(|_| {
            let (_near, heard) = caller("near", 1);
            let far = LinkSocket::open("far", vic::parameters::ETHERTYPE).unwrap();
            let mut data = frame(7, false);
            data[12..14].copy_from_slice(&[0x08, 0x00]);
            let mut for_another = frame(7, false);
            for_another[..6].copy_from_slice(&[2, 9, 9, 9, 9, 9]);
            for other in [data, frame(7, true), for_another] {
                far.send(&other).unwrap();
            }
            far.send(&frame(3, false)).unwrap();
            assert_eq!(heard.recv_timeout(PATIENCE).unwrap().1, frame(3, false));
        });
    });
}

#[test]
fn a_device_that_comes_up_again_is_heard_again() {
    privileged(|| {
        in_namespace_with_a_cable(|links| {
            let (_near, heard) = caller("near", 1);
            let (_far, _) = caller("far", 2);
            for _ in 0..3 {
                set_up(links, "near", false);
                while heard.try_recv().is_ok() {}
                set_up(links, "near", true);
                heard.recv_timeout(PATIENCE).unwrap();
            }
        });
    });
}

/// What a device says of itself.
fn says(device: &str, role: lldp::Role) -> lldp::Announcement {
    let parameters = vic::Parameters::default();
    let socket = LinkControl::<Caller>::lldp_socket(device).unwrap();
    lldp::Announcement {
        mac: socket.mac(),
        station: lldp::Station {
            chassis: lldp::ChassisId::identity(vic::Uuid(match role {
                lldp::Role::Iv => [1; 16],
                lldp::Role::Vis => [2; 16],
            })),
            port: lldp::PortName::interface(device),
        },
        port_description: String::new(),
        system_name: device.to_owned(),
        system_description: String::new(),
        capability: lldp::Capability::OTHER,
        frame_size: 1518,
        niv: lldp::NivEnd::new(role, lldp::KeyPolicy::Open, &parameters),
        oui: parameters.oui,
    }
}

/// Waits until so many neighbours are heard on the link.
fn until_heard(control: &LinkControl<Caller>, link: PortId, count: usize) -> Heard {
    let end = Instant::now() + PATIENCE;
    loop {
        let heard = wait(control.heard(link)).unwrap();
        if heard.neighbours.len() == count {
            return heard;
        }
        assert!(Instant::now() < end, "{heard:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn both_ends_of_a_cable_name_each_other_until_one_withdraws() {
    privileged(|| {
        in_namespace_with_a_cable(|_| {
            let ends = [("near", lldp::Role::Iv), ("far", lldp::Role::Vis)];
            let link = PortId(0);
            let controls = ends.map(|(device, role)| {
                let control = LinkControl::<Caller>::spawn("t", |_, _| ()).unwrap();
                let socket = LinkControl::<Caller>::lldp_socket(device).unwrap();
                let announced = control.announce(link, socket, device, says(device, role));
                wait(announced).unwrap();
                control
            });
            let [near, far] = &controls;
            for (control, name) in [(near, "far"), (far, "near")] {
                let heard = until_heard(control, link, 1);
                let said = &heard.neighbours[0].said;
                assert_eq!(said.system_name.as_deref(), Some(name));
                assert_eq!(heard.advice, None);
            }
            wait(far.withdraw());
            until_heard(near, link, 0);
            assert!(wait(far.heard(link)).is_none());
            near.stop().unwrap();
            far.stop().unwrap();
        });
    });
}

#[test]
fn lldp_behind_a_vlan_tag_is_not_heard() {
    privileged(|| {
        in_namespace_with_a_cable(|_| {
            let socket = LinkControl::<Caller>::lldp_socket("near").unwrap();
            let far = LinkSocket::open("far", lldp::ETHERTYPE).unwrap();
            let unit = lldp::Lldpdu::new(says("far", lldp::Role::Vis).station, 120);
            let plain = unit.to_frame(far.mac(), *b"NIV");
            let tagged = [&plain[..12], &[0x81, 0, 0, 5], &plain[12..]].concat();
            far.send(&tagged).unwrap();
            far.send(&plain).unwrap();
            let mut room = [0; 2048];
            let end = Instant::now() + PATIENCE;
            let length = loop {
                if let Some(length) = socket.receive(&mut room).unwrap() {
                    break length;
                }
                assert!(Instant::now() < end);
                std::thread::sleep(Duration::from_millis(5));
            };
            assert_eq!(room[..length], plain);
            assert_eq!(socket.receive(&mut room).unwrap(), None);
        });
    });
}
