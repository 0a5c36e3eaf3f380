//! What the daemon answers on its control socket.

use crate::client::{RELEASE, Request};
use crate::show::Show;
use control_socket::{Handler, Output, Peer};
use tokio::sync::{mpsc, oneshot};

/// A question from a client to the control loop, which owns the devices.
pub(crate) type Ask = oneshot::Sender<Result<Show, String>>;

/// Serves clients by asking the control loop.
pub(crate) struct Answers {
    pub(crate) ask: mpsc::Sender<Ask>,
}

impl Handler for Answers {
    type Request = Request;

    async fn handle(&self, request: Request, _peer: Peer, out: Output) -> u8 {
        let Request::Show { json } = request;
        let (reply, answer) = oneshot::channel();
        let show = match self.ask.send(reply).await {
            Ok(()) => answer
                .await
                .unwrap_or_else(|_| Err("the daemon is stopping".into())),
            Err(_) => Err("the daemon is stopping".into()),
        };
        let printed = show.and_then(|show| {
            if json {
                serde_json::to_string_pretty(&show)
                    .map(|text| text + "\n")
                    .map_err(|e| e.to_string())
            } else {
                Ok(show.to_string())
            }
        });
        // A client that went away needs no answer.
        match printed {
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
