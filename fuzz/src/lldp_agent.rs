//! LLDPDUs, and the port that hears them.

use crate::input::Input;
use crate::marks::mark_variant;
use lldp::{Agent, Announcement, Capability, ChassisId, Event, KeyPolicy, Lldpdu, NivEnd, PortName};
use lldp::{MOST_NEIGHBOURS, Role, Station};
use std::time::Duration;
use vic::{Mac, Parameters, Uuid};

/// `data` is a frame, and steps of time with frames between them: two octets of milliseconds, two of length, the frame.
///
/// # Panics
/// What was read and written is read as something else, neighbours are more than there is room for, or a port speaks more
/// often than it may or asks to be woken for nothing.
pub fn lldp_agent(data: &[u8]) {
    let oui = Parameters::default().oui;
    let read = Lldpdu::read(data, oui);
    if let Err(error) = &read {
        mark_variant("malformed", error);
    }
    if let Ok((source, unit)) = read {
        assert_eq!(Lldpdu::read(&unit.to_frame(source, oui), oui), Ok((source, unit)));
    }
    let mut port = Port::new();
    let mut input = Input::new(data);
    let mut now = Duration::ZERO;
    while let (Some(step), Some(length)) = (input.word(), input.word()) {
        // The highest bits: seconds in place of milliseconds, and a link that comes or goes.
        let unit = if step >> 15 == 1 { 1000 } else { 1 };
        now += Duration::from_millis(u64::from(step & 0x7FFF) * unit);
        port.run(now);
        if length >> 15 == 1 {
            port.agent.set_link(now, length & 1 == 1);
        } else {
            port.agent.handle_frame(now, input.take(usize::from(length)));
        }
        assert!(port.agent.neighbours().len() <= MOST_NEIGHBOURS);
        assert!(port.agent.neighbours().iter().all(|n| n.until > now));
        while let Some(event) = port.agent.poll_event() {
            mark_variant("event", &event);
            if let Event::Left(_, departure) = &event {
                mark_variant("left", departure);
            }
        }
    }
}

struct Port {
    agent: Agent,
    spoke: Option<Duration>,
}

impl Port {
    fn new() -> Self {
        let parameters = Parameters::default();
        let says = Announcement {
            mac: Mac([2, 0, 0, 0, 0, 1]),
            station: Station {
                chassis: ChassisId::identity(Uuid([1; 16])),
                port: PortName::interface("eth1"),
            },
            port_description: String::new(),
            system_name: "host1".into(),
            system_description: "iv".into(),
            capability: Capability::OTHER,
            frame_size: 1518,
            niv: NivEnd::new(Role::Iv, KeyPolicy::Open, &parameters),
            oui: parameters.oui,
        };
        Self {
            agent: Agent::new(Duration::ZERO, says),
            spoke: None,
        }
    }

    /// Time passes up to `until`. Of much time, some: it would only say the same again, and every frame costs.
    fn run(&mut self, until: Duration) {
        for _ in 0..8 {
            let Some(due) = self.agent.poll_timeout().filter(|&due| due <= until) else {
                break;
            };
            self.agent.handle_timeout(due);
            assert!(self.agent.poll_timeout().is_none_or(|next| next > due));
            self.speak(due);
        }
        self.agent.handle_timeout(until);
        self.speak(until);
    }

    fn speak(&mut self, now: Duration) {
        while let Some(frame) = self.agent.poll_transmit(now) {
            assert!(Lldpdu::read(&frame, Parameters::default().oui).is_ok());
            assert!(self.spoke.is_none_or(|spoke| spoke + Duration::from_secs(1) <= now));
            self.spoke = Some(now);
        }
    }
}
