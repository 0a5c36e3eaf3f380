//! Looking: at the daemon, the devices and the machine. Nothing is changed, and it ends in time.

mod daemon;
mod device;
mod host;
mod key;
mod silent;

pub use daemon::{Answer, question};
pub use key::keys;

use crate::facts::{ConfigFile, Daemon, Device, Facts, Wanted};
use control_socket::Client;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long it all may take (ours): who types it waits for it.
const WITHIN: Duration = Duration::from_millis(2800);
/// Of that, what is kept for devices and machine when the daemon does not answer.
const KEPT: Duration = Duration::from_millis(1300);

/// What is to be looked at.
#[derive(Clone, Debug)]
pub struct Question {
    /// `iv` or `vis`.
    pub program: &'static str,
    /// Its release.
    pub release: &'static str,
    /// Whether the program makes TAP devices.
    pub makes_taps: bool,
    /// The configuration file that was read.
    pub config: Option<ConfigFile>,
    /// The devices that file or options name, looked at besides those of the daemon.
    pub wanted: Vec<Wanted>,
    /// Nobody named them: they are looked at only if the daemon does not say better.
    pub guessed: bool,
    /// Where the daemon listens, if not at the usual place.
    pub socket: Option<PathBuf>,
}

/// Looks. `ask` asks the daemon once; it is called again until it is known what the links carry.
///
/// It takes 3 seconds at most; what was not seen by then is said to be so.
pub fn look(
    question: Question,
    ask: impl FnMut(&mut Client) -> Result<Answer, String> + Send + 'static,
) -> Facts {
    let end = Instant::now() + WITHIN;
    let (tell, told) = mpsc::channel();
    let (program, release) = (question.program, question.release);
    let socket = question.socket.clone();
    let asking = start("doctor-daemon", move || {
        daemon::ask(program, release, socket.as_deref(), ask, end, &tell);
    });
    let mut latest = match asking {
        Ok(()) => told
            .recv_timeout(left(end - KEPT))
            .unwrap_or(daemon::Told::Nothing),
        Err(why) => daemon::Told::Unseen(why),
    };
    let wanted = wanted(question.wanted, question.guessed, &latest);
    let pid = latest.pid();
    let (tell, seen) = mpsc::channel();
    let names = wanted.clone();
    let looking = start("doctor-devices", move || {
        let seen = (device::look(&names, pid), host::look());
        // Nobody waits any more if it took too long.
        let _ = tell.send(seen);
    });
    let (devices, host) = match looking {
        Ok(()) => seen
            .recv_timeout(left(end))
            .map_err(|_| "it took longer than there is time".to_owned()),
        Err(why) => Err(why),
    }
    .unwrap_or_else(|why| (unseen(&wanted, &why), host::unseen(&why)));
    while let Ok(newer) = told.recv_timeout(left(end)) {
        latest = newer;
    }
    let daemon = match latest {
        daemon::Told::Answer(_, answer) => Daemon::Running(Box::new(answer.running)),
        daemon::Told::NotRunning(says) => Daemon::NotRunning { says },
        daemon::Told::Nothing => silent::look(program, question.socket.as_deref()),
        daemon::Told::Unseen(why) => Daemon::Unseen(why),
    };
    Facts {
        program: question.program,
        release: question.release,
        makes_taps: question.makes_taps,
        config: question.config,
        socket: question.socket.map(|path| path.display().to_string()),
        daemon,
        host,
        devices,
    }
}

fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
}

/// On a thread that may be left behind.
fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), String> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    let started = thread.spawn(work);
    started.map(drop).map_err(|error| error.to_string())
}

/// The daemon knows best; devices it does not have were named by who asked.
fn wanted(named: Vec<Wanted>, guessed: bool, told: &daemon::Told) -> Vec<Wanted> {
    let mut wanted = match told {
        daemon::Told::Answer(_, answer) if guessed => return answer.wanted.clone(),
        daemon::Told::Answer(_, answer) => answer.wanted.clone(),
        daemon::Told::NotRunning(_) | daemon::Told::Nothing | daemon::Told::Unseen(_) => Vec::new(),
    };
    for one in named {
        if !wanted.iter().any(|known| known.device == one.device) {
            wanted.push(one);
        }
    }
    wanted
}

fn unseen(wanted: &[Wanted], why: &str) -> Vec<Device> {
    let each = wanted.iter().map(|wanted| Device {
        wanted: wanted.clone(),
        found: Err(why.to_owned()),
        elsewhere: None,
    });
    each.collect()
}

impl daemon::Told {
    fn pid(&self) -> Option<u32> {
        match self {
            Self::Answer(pid, _) => Some(*pid),
            Self::NotRunning(_) | Self::Nothing | Self::Unseen(_) => None,
        }
    }
}
