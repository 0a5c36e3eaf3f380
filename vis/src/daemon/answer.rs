//! What the daemon answers on its control sockets.

use crate::changes::At;
use crate::cli::text;
use crate::client::RELEASE;
use crate::config::{ClearSecurity, Line, Pipe, Typed};
use crate::control::show::{Answer, ShowRequest};
use crate::control::{Format, LineReply, Request};
use crate::shell::{self, Fault, Understood, pipe, understand};
use crate::startup::{Saved, ToSave};
use control_socket::{Handler, Output, Peer};
use policy::acl::ListName;
use std::sync::Arc;
use tokio::sync::{Mutex, mpsc, oneshot};
use tracing::{info, warn};

/// What a client wants of the control loop, which owns devices and configuration.
pub(super) enum What {
    /// Its prompt.
    Hello,
    Show(ShowRequest),
    /// The diff of a candidate.
    Diff,
    /// What a candidate would change beyond lines.
    Plan,
    /// Beginning to count anew what access lists decide; `None`: all of them.
    ClearHits(Option<ListName>),
    /// Secure addresses are to be forgotten.
    ClearSecurity(ClearSecurity),
    /// The configuration, to be saved.
    Save,
    /// The copy with this number is in the file. No line says so.
    Saved(u64),
    /// A line that configures, and its text.
    Say(Box<Line>, String),
}

/// A question to the control loop.
pub(super) struct Ask {
    pub(super) peer: Peer,
    pub(super) at: At,
    pub(super) is_shell: bool,
    pub(super) what: What,
}

/// That, and where the answer goes.
pub(super) struct Asked {
    pub(super) ask: Ask,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// The control loop's answer.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) at: At,
    pub(super) hostname: String,
    pub(super) answer: Option<Answer>,
    pub(super) told: Vec<String>,
    pub(super) notes: Vec<String>,
    /// Where to save what.
    pub(super) save: Option<ToSave>,
    pub(super) fault: Option<Fault>,
}

/// The control loop has ended.
struct Stopping;

/// Serves clients by asking the control loop.
#[derive(Clone)]
pub(super) struct Answers {
    pub(super) ask: mpsc::Sender<Asked>,
    /// One saves at a time.
    pub(super) saved: Arc<Mutex<Saved>>,
}

impl Answers {
    async fn answer(&self, request: &Request, peer: Peer) -> LineReply {
        let at = request.at.clone().unwrap_or_default();
        match self.answered(request, peer, &at).await {
            Ok(reply) => reply,
            Err((fault, hostname)) => LineReply {
                at,
                hostname,
                fault: Some(fault),
                ..LineReply::default()
            },
        }
    }

    async fn answered(
        &self,
        request: &Request,
        peer: Peer,
        at: &At,
    ) -> Result<LineReply, (Fault, String)> {
        // A line from `vis show` needs not to begin with that word.
        let understood = match &request.at {
            Some(at) => understand(shell::mode(at), &request.command),
            None => crate::config::parse_show(&request.command)
                .map(|show| {
                    Some(Understood {
                        line: Line::Show(show),
                        pipes: Vec::new(),
                    })
                })
                .map_err(|fault| Fault::whole(fault.to_string())),
        };
        let understood = understood.map_err(|fault| (fault, String::new()))?;
        let (what, pipes) = match understood {
            None => (What::Hello, Vec::new()),
            Some(Understood { line, pipes }) => {
                let what = match line {
                    Line::Show(show) => What::Show(show),
                    Line::Typed(Typed::Diff) => What::Diff,
                    Line::Typed(Typed::Plan) => What::Plan,
                    Line::Typed(Typed::Save) => What::Save,
                    Line::Typed(Typed::ClearHits(one)) => What::ClearHits(one),
                    Line::Typed(Typed::ClearSecurity(what)) => What::ClearSecurity(what),
                    // The shell's own.
                    Line::Typed(Typed::Length(_)) => What::Hello,
                    line => What::Say(Box::new(line), request.command.clone()),
                };
                (what, pipes)
            }
        };
        let stopping = |_| (Fault::whole("the daemon is stopping"), String::new());
        let ask = Ask {
            peer,
            at: at.clone(),
            is_shell: request.at.is_some(),
            what,
        };
        let mut reply = self.ask(ask).await.map_err(stopping)?;
        if let Some(fault) = reply.fault {
            return Ok(LineReply {
                at: reply.at,
                hostname: reply.hostname,
                notes: reply.notes,
                fault: Some(fault),
                ..LineReply::default()
            });
        }
        if let Some(copy) = reply.save {
            let number = copy.number;
            let saved = self.save(copy).await;
            let saved = saved.map_err(|fault| (fault, reply.hostname.clone()))?;
            reply.told.push(saved);
            // A daemon that stops now finds out when it starts.
            let _ = self.tell(peer, What::Saved(number)).await;
        }
        let out = match &reply.answer {
            Some(answer) => written(answer, request.format, &pipes),
            None => Ok(String::new()),
        };
        let out = out.map_err(|why| (Fault::whole(why), reply.hostname.clone()))?;
        Ok(LineReply {
            at: reply.at,
            hostname: reply.hostname,
            out,
            told: reply.told,
            notes: reply.notes,
            fault: None,
        })
    }

    async fn tell(&self, peer: Peer, what: What) -> Result<Reply, Stopping> {
        let ask = Ask {
            peer,
            at: At::default(),
            is_shell: false,
            what,
        };
        self.ask(ask).await
    }

    async fn ask(&self, ask: Ask) -> Result<Reply, Stopping> {
        let (reply, answer) = oneshot::channel();
        let asked = self.ask.send(Asked { ask, reply }).await;
        asked.map_err(|_| Stopping)?;
        answer.await.map_err(|_| Stopping)
    }

    /// Away from the control loop: a disk may take its time.
    async fn save(&self, copy: ToSave) -> Result<String, Fault> {
        let mut saved = Arc::clone(&self.saved).lock_owned().await;
        match tokio::task::spawn_blocking(move || saved.save(&copy)).await {
            Ok(Ok(told)) => {
                info!("the running configuration is {told}");
                Ok(told)
            }
            Ok(Err(error)) => {
                warn!("the running configuration is not saved: {error}");
                Err(Fault::whole(error.to_string()))
            }
            Err(error) => Err(Fault::whole(error.to_string())),
        }
    }
}

fn written(answer: &Answer, format: Format, pipes: &[Pipe]) -> Result<String, String> {
    let format = match pipe::format(pipes) {
        Format::Json => Format::Json,
        Format::Text => format,
    };
    let text = text::print(answer, format).map_err(|error| error.to_string())?;
    pipe::pass(pipes, text).map_err(|error| error.to_string())
}

impl Handler for Answers {
    type Request = Request;

    async fn handle(&self, request: Request, peer: Peer, out: Output) -> u8 {
        let reply = self.answer(&request, peer).await;
        let status = u8::from(reply.fault.is_some());
        // A client that went away needs no answer.
        if request.at.is_some() {
            let Ok(json) = serde_json::to_string(&reply) else {
                return 1;
            };
            let _ = out.out(&json).await;
        } else if let Some(fault) = reply.fault {
            let _ = out
                .err(&format!("vis {RELEASE}: {}\n", fault.message))
                .await;
        } else {
            let _ = out.out(&reply.out).await;
        }
        status
    }
}
