//! What the daemon answers on its control socket.

use crate::cli::text;
use crate::client::RELEASE;
use crate::config::parse_show;
use crate::control::Request;
use crate::control::show::{Answer, ShowRequest};
use control_socket::{Handler, Output, Peer};
use tokio::sync::{mpsc, oneshot};

/// A question from a client to the control loop, which owns the devices.
pub(super) struct Ask {
    pub(super) request: ShowRequest,
    pub(super) reply: oneshot::Sender<Result<Answer, String>>,
}

/// Serves clients by asking the control loop.
pub(super) struct Answers {
    pub(super) ask: mpsc::Sender<Ask>,
}

impl Answers {
    async fn answer(&self, request: &Request) -> Result<String, String> {
        let show = parse_show(&request.command).map_err(|fault| fault.to_string())?;
        let (reply, answer) = oneshot::channel();
        let stopping = || "the daemon is stopping".to_owned();
        self.ask
            .send(Ask {
                request: show,
                reply,
            })
            .await
            .map_err(|_| stopping())?;
        let answer = answer.await.map_err(|_| stopping())??;
        text::print(&answer, request.format).map_err(|error| error.to_string())
    }
}

impl Handler for Answers {
    type Request = Request;

    async fn handle(&self, request: Request, _peer: Peer, out: Output) -> u8 {
        // A client that went away needs no answer.
        match self.answer(&request).await {
            Ok(text) => {
                let _ = out.out(&text).await;
                0
            }
            Err(error) => {
                let _ = out.err(&format!("vis {RELEASE}: {error}\n")).await;
                1
            }
        }
    }
}
