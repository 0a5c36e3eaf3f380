//! The daemon's end.

use crate::frame::{self, Chunk, End, Frame, FrameError, Hello, Kind, Refusal, Stream};
use crate::listen::Listener;
use bytes::BytesMut;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// What a client may take from the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Clients at once; one more is told so and sent away.
    pub connections: usize,
    /// Of those, of one user.
    pub per_user: usize,
    /// From a frame's first octet to its last, from connect to hello, and for a client to take what it
    /// asked for.
    pub frame: Duration,
    /// Between one answer and the next request.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 32,
            per_user: 32,
            frame: Duration::from_secs(10),
            idle: Duration::from_secs(600),
        }
    }
}

/// Who is at the other end, as the kernel says (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Process, when it is in sight of this one's PID namespace.
    pub pid: Option<i32>,
}

/// What a daemon does with requests.
pub trait Handler: Send + Sync + 'static {
    /// What a client may ask.
    type Request: DeserializeOwned + Send;

    /// Answers one request into `out`; the value is the exit status of the command line.
    fn handle(
        &self,
        request: Self::Request,
        peer: Peer,
        out: Output,
    ) -> impl Future<Output = u8> + Send;
}

/// The client went away in the middle of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client went away")]
pub struct Gone;

/// Where an answer goes. Holds a few chunks and then waits for the client to take them.
#[derive(Clone, Debug)]
pub struct Output(mpsc::Sender<Chunk>);

impl Output {
    /// Writes `text` to the client's standard output.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn out(&self, text: &str) -> Result<(), Gone> {
        self.write(Stream::Out, text).await
    }

    /// Writes `text` to the client's standard error.
    ///
    /// # Errors
    /// The client is gone.
    pub async fn err(&self, text: &str) -> Result<(), Gone> {
        self.write(Stream::Err, text).await
    }

    async fn write(&self, stream: Stream, text: &str) -> Result<(), Gone> {
        for piece in frame::pieces(text) {
            let chunk = Chunk {
                stream,
                text: piece.to_owned(),
            };
            self.0.send(chunk).await.map_err(|_| Gone)?;
        }
        Ok(())
    }
}

/// Serves clients until the listening socket fails or the future is dropped; dropping it also ends the
/// connections.
///
/// # Errors
/// The listening socket fails.
pub async fn serve<H: Handler>(listener: Listener, limits: Limits, handler: H) -> io::Result<()> {
    let socket = tokio::net::UnixListener::from_std(listener.socket.try_clone()?)?;
    let hello = Hello::of(&listener.program, &listener.release);
    let handler = Arc::new(handler);
    let places = Arc::new(Semaphore::new(limits.connections));
    let seats = Seats::default();
    let mut clients = tokio::task::JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                // Out of descriptors, say: the clients that are there give some back in time.
                Err(error) if is_passing(&error) => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
                Err(error) => return Err(error),
            },
            Some(_) = clients.join_next() => continue,
        };
        let (handler, hello) = (Arc::clone(&handler), hello.clone());
        let Some(seat) = Seat::take(&seats, &stream, limits.per_user) else {
            turn_away(stream, limits.per_user, "clients of this user");
            continue;
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                clients.spawn(async move {
                    let mut connection = Connection::new(stream, limits);
                    // A client that breaks the rules or goes away harms only itself.
                    let _ = converse(&mut connection, hello, &*handler).await;
                    drop((place, seat));
                });
            }
            Err(_) => turn_away(stream, limits.connections, "clients"),
        }
    }
}

/// How many connections each user has.
type Seats = Arc<Mutex<BTreeMap<u32, usize>>>;

/// One of them.
struct Seat {
    seats: Seats,
    uid: u32,
}

impl Seat {
    /// `None`: this user has as many as one may have, or is not known.
    fn take(seats: &Seats, stream: &UnixStream, limit: usize) -> Option<Self> {
        let uid = stream.peer_cred().ok()?.uid();
        let mut held = seats.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(uid).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        drop(held);
        let seats = Arc::clone(seats);
        Some(Self { seats, uid })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut held = self.seats.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.uid);
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
        Errno::CONNABORTED,
        Errno::INTR,
    ];
    passing
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// One attempt, no waiting: a client that is sent away costs nothing more.
fn turn_away(stream: UnixStream, connections: usize, whose: &str) {
    let refusal = Refusal {
        reason: format!("{connections} {whose} are connected, which is the limit: try again later"),
    };
    let mut buffer = BytesMut::new();
    if frame::write(&mut buffer, Kind::Refusal, &refusal, frame::MAX_FROM_DAEMON).is_ok() {
        let _ = stream.try_write(&buffer);
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the client is gone")]
    Io(#[from] io::Error),
    #[error("the client broke the protocol")]
    Frame(#[from] FrameError),
    #[error("the client was too slow")]
    Slow(#[from] tokio::time::error::Elapsed),
    #[error("the client was refused")]
    Refused,
}

struct Connection {
    stream: UnixStream,
    limits: Limits,
    input: BytesMut,
    output: BytesMut,
}

impl Connection {
    fn new(stream: UnixStream, limits: Limits) -> Self {
        Self {
            stream,
            limits,
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    /// The next frame, of which the first octet may take `wait` to come. `None`: the client closed.
    async fn receive(&mut self, wait: Duration) -> Result<Option<Frame>, Ended> {
        if self.input.is_empty() && timeout(wait, self.fill()).await?? == 0 {
            return Ok(None);
        }
        let limit = self.limits.frame;
        timeout(limit, async {
            loop {
                if let Some(frame) = frame::parse(&mut self.input, frame::MAX_FROM_CLIENT)? {
                    return Ok(Some(frame));
                }
                if self.fill().await? == 0 {
                    return Ok(None);
                }
            }
        })
        .await?
    }

    async fn fill(&mut self) -> io::Result<usize> {
        self.input.reserve(4096);
        self.stream.read_buf(&mut self.input).await
    }

    async fn send<T: serde::Serialize>(&mut self, kind: Kind, body: &T) -> Result<(), Ended> {
        self.output.clear();
        frame::write(&mut self.output, kind, body, frame::MAX_FROM_DAEMON)?;
        timeout(self.limits.frame, self.stream.write_all(&self.output)).await??;
        Ok(())
    }

    async fn refuse(&mut self, reason: String) -> Result<Ended, Ended> {
        self.send(Kind::Refusal, &Refusal { reason }).await?;
        Ok(Ended::Refused)
    }
}

async fn converse<H: Handler>(
    connection: &mut Connection,
    hello: Hello,
    handler: &H,
) -> Result<(), Ended> {
    let credentials = connection.stream.peer_cred()?;
    let peer = Peer {
        uid: credentials.uid(),
        gid: credentials.gid(),
        pid: credentials.pid(),
    };
    let Some(first) = connection.receive(connection.limits.frame).await? else {
        return Ok(());
    };
    let theirs = match (first.kind, first.read::<Hello>()) {
        (Kind::Hello, Ok(theirs)) => theirs,
        _ => return Err(connection.refuse(greeting_expected(&hello)).await?),
    };
    if theirs.protocol != frame::PROTOCOL || theirs.version != frame::VERSION {
        let reason = format!(
            "this {} (release {}) speaks {} version {}, the client {} version {}: use the command line of \
             the same release",
            hello.program,
            hello.release,
            frame::PROTOCOL,
            frame::VERSION,
            theirs.protocol.escape_debug(),
            theirs.version,
        );
        return Err(connection.refuse(reason).await?);
    }
    connection.send(Kind::Hello, &hello).await?;

    while let Some(next) = connection.receive(connection.limits.idle).await? {
        let request = match (next.kind, next.read::<H::Request>()) {
            (Kind::Request, Ok(request)) => request,
            (Kind::Request, Err(FrameError::Body { source, .. })) => {
                let reason = format!("the request cannot be read: {source}");
                return Err(connection.refuse(reason).await?);
            }
            _ => {
                let reason = "a request was expected".to_owned();
                return Err(connection.refuse(reason).await?);
            }
        };
        answer(connection, handler, request, peer).await?;
    }
    Ok(())
}

fn greeting_expected(hello: &Hello) -> String {
    format!(
        "this is the control socket of {}: a hello of {} version {} was expected",
        hello.program,
        frame::PROTOCOL,
        frame::VERSION
    )
}

/// Runs the handler and passes its chunks on as they come. When the client stops taking them, or goes
/// away, the handler is dropped.
async fn answer<H: Handler>(
    connection: &mut Connection,
    handler: &H,
    request: H::Request,
    peer: Peer,
) -> Result<(), Ended> {
    let (sender, mut chunks) = mpsc::channel(4);
    let mut work = std::pin::pin!(handler.handle(request, peer, Output(sender)));
    let mut status = None;
    loop {
        tokio::select! {
            biased;
            chunk = chunks.recv() => match chunk {
                Some(chunk) => connection.send(Kind::Chunk, &chunk).await?,
                None => break,
            },
            done = &mut work, if status.is_none() => status = Some(done),
        }
    }
    let status = match status {
        Some(status) => status,
        // The handler let its output go before it was done.
        None => work.await,
    };
    connection.send(Kind::End, &End { status }).await
}
