//! A switch that forwards nothing: it answers an IV as a VIS does.

use link_control::LinkControl;
use niv::{PortId, VifId};
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;
use vic::session::vis::{VisEvent, VisLimits, VisSession};
use vic::session::{Authentication, Capabilities, EndConfig};
use vic::{Code, Parameters, Profile, Refusal, Uuid};

const LINK: PortId = PortId(7);

pub(crate) struct Switch {
    control: LinkControl<VisSession>,
    device: &'static str,
    seen: Arc<Mutex<Seen>>,
    answering: Option<JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Seen {
    vifs: BTreeSet<(VifId, Uuid)>,
    lost: Option<Code>,
}

impl Switch {
    pub(crate) fn start(device: &'static str) -> Self {
        let (events, told) = channel();
        let on_event = move |_, event| {
            let _ = events.send(event);
        };
        let control = LinkControl::spawn("t-vis", on_event).unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let answering = {
            let (control, seen) = (control.clone(), Arc::clone(&seen));
            std::thread::spawn(move || answer(&control, &seen, &told))
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let switch = Self {
            control,
            device,
            seen,
            answering: Some(answering),
            runtime,
        };
        switch.speak();
        switch
    }

    /// Opens the link, with what it knew before it fell silent.
    pub(crate) fn speak(&self) {
        let socket = LinkControl::<VisSession>::socket(self.device).unwrap();
        let config = EndConfig {
            parameters: Parameters::default(),
            mac: socket.mac(),
            identity: Uuid([2; 16]),
            name: "t-switch".parse().unwrap(),
            software: None,
            mtu: 1600,
            authentication: Authentication::Open,
            capabilities: Capabilities::default(),
            term: 1,
            entropy: std::array::from_fn(|_| fresh()),
        };
        let mut session = VisSession::new(config, VisLimits::default());
        for &(vif, uuid) in &self.seen.lock().unwrap().vifs {
            session.restore(uuid, vif).unwrap();
        }
        let profile = Profile {
            name: "web".parse().unwrap(),
            description: "servers".parse().unwrap(),
        };
        session.push_catalogue(Duration::ZERO, vec![profile]);
        self.runtime
            .block_on(self.control.open(LINK, socket, session))
            .unwrap();
    }

    /// As if it were unplugged.
    pub(crate) fn fall_silent(&self) {
        self.control.close(LINK).unwrap();
    }

    pub(crate) fn vifs(&self) -> usize {
        self.seen.lock().unwrap().vifs.len()
    }

    pub(crate) fn last_loss(&self) -> Option<Code> {
        self.seen.lock().unwrap().lost
    }

    pub(crate) fn status(&self, vif: VifId, up: bool, why: Option<Refusal>) {
        let tell = move |session: &mut VisSession, now| session.status(now, vif, up, why).unwrap();
        self.control.tell(LINK, tell).unwrap();
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = self.control.stop();
        if let Some(thread) = self.answering.take() {
            let _ = thread.join();
        }
    }
}

/// Different at every call; this is no secret.
fn fresh() -> u8 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) as u8
}

fn answer(control: &LinkControl<VisSession>, seen: &Arc<Mutex<Seen>>, told: &Receiver<VisEvent>) {
    for event in told {
        let seen = Arc::clone(seen);
        // When the thread has ended nothing is left to be answered.
        let _ = control.tell(LINK, move |session, now| obey(session, now, event, &seen));
    }
}

fn obey(session: &mut VisSession, now: Duration, event: VisEvent, seen: &Mutex<Seen>) {
    let mut seen = seen.lock().unwrap();
    match event {
        VisEvent::Admission(_) => session.admit(now),
        VisEvent::Lost(why) => seen.lost = Some(why.code),
        VisEvent::Create { ask, create, .. } if create.profile.as_str() != "web" => {
            let why = format!("there is no port-profile `{}`", create.profile);
            let why = Refusal::new(Code::UNKNOWN_PROFILE, why);
            // The session may be over by now, here and below.
            let _ = session.refuse(now, ask, why);
        }
        VisEvent::Create { ask, create, .. } => {
            if let Ok(vif) = session.accept(now, ask, 1, None) {
                seen.vifs.insert((vif, create.uuid));
                let _ = session.enable(now, vif);
            }
        }
        VisEvent::VifGone { vif, uuid, .. } => {
            seen.vifs.remove(&(vif, uuid));
            let _ = session.vif_quiesced(now, vif);
        }
        _ => {}
    }
}
