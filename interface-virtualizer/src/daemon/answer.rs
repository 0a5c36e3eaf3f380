//! What the daemon answers on its control socket. The socket is the network role's: whoever may open it may
//! change things.

use super::run::Daemon;
use crate::client::{REFUSED, RELEASE, Request, WAITING};
use crate::config::VnicSpec;
use crate::life::Verdict;
use crate::show::{Look, Profiles, Show};
use control_socket::{Handler, Output, Peer};
use serde::Serialize;
use std::fmt::Display;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use vic::Uuid;

/// Where an answer goes.
type Reply<T> = oneshot::Sender<Result<T, String>>;

/// A question from a client to the control loop, which owns the devices.
pub(crate) enum Ask {
    Show(Reply<Show>),
    Profiles(Reply<Profiles>),
    Attach(Box<VnicSpec>, Reply<()>),
    Detach(String, Reply<Uuid>),
    Look(String, Reply<Look>),
}

impl Daemon {
    pub(super) async fn on_ask(&mut self, ask: Ask) {
        // Clients may be gone by now.
        match ask {
            Ask::Show(reply) => {
                let _ = reply.send(self.show().await.map_err(|error| error.to_string()));
            }
            Ask::Profiles(reply) => drop(reply.send(self.profiles())),
            Ask::Look(name, reply) => drop(reply.send(self.look(&name))),
            Ask::Attach(spec, reply) => self.attach(*spec, reply).await,
            Ask::Detach(name, reply) => self.detach(&name, reply).await,
        }
    }
}

/// How long `iv attach` waits for the switch's yes or no (ours).
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Serves clients by asking the control loop.
pub(crate) struct Answers {
    pub(crate) ask: mpsc::Sender<Ask>,
}

impl Answers {
    async fn ask<T>(&self, ask: impl FnOnce(Reply<T>) -> Ask) -> Result<T, String> {
        let stopping = || "the daemon is stopping".to_owned();
        let (reply, answer) = oneshot::channel();
        self.ask.send(ask(reply)).await.map_err(|_| stopping())?;
        answer.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// What to print and to exit with.
    async fn attach(&self, spec: VnicSpec, wait: bool) -> Result<(String, u8), String> {
        let name = spec.name.clone().unwrap_or_default();
        self.ask(|reply| Ask::Attach(spec.into(), reply)).await?;
        let begun = Instant::now();
        loop {
            let look = self.ask(|reply| Ask::Look(name.clone(), reply)).await?;
            let status = match look.verdict {
                Verdict::Enabled => 0,
                Verdict::Refused => REFUSED,
                Verdict::Waiting if !wait => 0,
                // A session that is refused may still be had: the other end may be between two of them.
                Verdict::Waiting if begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Verdict::Waiting if look.session_refused => REFUSED,
                Verdict::Waiting => WAITING,
            };
            return Ok((format!("{look}\n"), status));
        }
    }
}

fn printed<T: Serialize + Display>(json: bool, what: &T) -> Result<String, String> {
    if !json {
        return Ok(what.to_string());
    }
    serde_json::to_string_pretty(what)
        .map(|text| text + "\n")
        .map_err(|error| error.to_string())
}

impl Handler for Answers {
    type Request = Request;

    async fn handle(&self, request: Request, _peer: Peer, out: Output) -> u8 {
        let answer = match request {
            Request::Show { json } => {
                let show = self.ask(Ask::Show).await;
                show.and_then(|show| printed(json, &show))
            }
            Request::Profiles { json } => {
                let profiles = self.ask(Ask::Profiles).await;
                profiles.and_then(|profiles| printed(json, &profiles))
            }
            Request::Attach { spec, wait } => match self.attach(*spec, wait).await {
                Ok((text, 0)) => Ok(text),
                Ok((text, status)) => {
                    // A client that went away needs no answer.
                    let _ = out.err(&format!("iv {RELEASE}: {text}")).await;
                    return status;
                }
                Err(error) => Err(error),
            },
            Request::Detach { name } => {
                let detached = self.ask(|reply| Ask::Detach(name.clone(), reply)).await;
                detached.map(|uuid| {
                    format!(
                        "vNIC {name} is detached; `iv attach {name} --uuid {uuid} ...` gets it the same port of the switch again\n"
                    )
                })
            }
        };
        // A client that went away needs no answer.
        match answer {
            Ok(text) => {
                let _ = out.out(&text).await;
                0
            }
            Err(error) => {
                let _ = out.err(&format!("iv {RELEASE}: {error}\n")).await;
                1
            }
        }
    }
}
