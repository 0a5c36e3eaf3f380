//! The daemon, by its control socket.

use super::left;
use crate::facts::{Running, Wanted};
use control_socket::{Client, ClientError, CommandError, Stream};
use packet_io::netns::NetNs;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(50);

/// What the daemon said, once.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The devices it uses or waits for.
    pub wanted: Vec<Wanted>,
    /// All else.
    pub running: Running,
}

impl Answer {
    /// Whether it is known of each link what it carries.
    fn is_settled(&self) -> bool {
        self.running.links.iter().all(|link| {
            let health = link.session.as_ref().and_then(|session| session.health);
            let wanted = self.wanted.iter().find(|w| w.device == link.device);
            let needed = wanted.map_or(0, |wanted| wanted.mtu);
            health.is_none_or(|health| health.carries(needed).is_some())
        })
    }
}

/// How far the question has come.
pub(super) enum Told {
    /// It answered: its process, and what it said.
    Answer(u32, Box<Answer>),
    /// Nobody listens.
    NotRunning(String),
    /// It has not answered yet.
    Nothing,
    /// It cannot be asked.
    Unseen(String),
}

/// Asks until all is known or time is over, and tells each answer.
pub(super) fn ask(
    program: &str,
    release: &str,
    socket: Option<&Path>,
    mut ask: impl FnMut(&mut Client) -> Result<Answer, String>,
    end: Instant,
    tell: &Sender<Told>,
) {
    let mut client = match connect(program, release, socket) {
        Ok(client) => client,
        Err(told) => return drop(tell.send(told)),
    };
    let (pid, release) = (client.daemon().pid, client.daemon().release.clone());
    let here = is_here(pid);
    // A question has the MTU proven anew, and only the next one can see what came of it.
    for asked in 1.. {
        let told = match ask(&mut client) {
            Ok(mut answer) => {
                answer.running.pid = pid;
                answer.running.release.clone_from(&release);
                answer.running.here = here;
                Told::Answer(pid, Box::new(answer))
            }
            Err(why) => Told::Unseen(why),
        };
        let enough = match &told {
            Told::Answer(_, answer) => asked > 1 && answer.is_settled(),
            Told::NotRunning(_) | Told::Nothing | Told::Unseen(_) => true,
        };
        // Nobody waits any more if it took too long.
        if tell.send(told).is_err() || enough || left(end) < PAUSE {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

fn connect(program: &str, release: &str, socket: Option<&Path>) -> Result<Client, Told> {
    Client::of(program, release, socket).map_err(|error| match error {
        CommandError::Client(ClientError::NotRunning { path, .. }) => Told::NotRunning(format!(
            "it does not run: nothing answers on {}",
            path.display()
        )),
        error => Told::Unseen(error.to_string()),
    })
}

/// Whether a process is in our network namespace, where that can be seen.
fn is_here(pid: u32) -> Option<bool> {
    if !super::host::knows_processes() {
        return None;
    }
    let theirs = NetNs::of_pid(pid).ok()?;
    theirs.is_same(&NetNs::current().ok()?).ok()
}

/// Asks the daemon for a JSON value.
///
/// # Errors
/// It refuses, goes away, or says something else; in a sentence.
pub fn question<T: DeserializeOwned>(
    client: &mut Client,
    request: &impl Serialize,
) -> Result<T, String> {
    let (mut out, mut err) = (String::new(), String::new());
    let status = client.call(request, |chunk| {
        match chunk.stream {
            Stream::Out => out.push_str(&chunk.text),
            Stream::Err => err.push_str(&chunk.text),
        }
        Ok(())
    });
    match status {
        Ok(0) => serde_json::from_str(&out).map_err(|error| {
            format!("its answer is not understood ({error}): are both of one release?")
        }),
        Ok(_) => Err(err.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
