//! The local UNIX-socket protocol between a daemon and its command line.
//!
//! A connection starts with a [`frame::Hello`] each way. Then, any number of times: the client sends one
//! request, the daemon answers with any number of chunks and one end that carries an exit status. Every
//! frame is length-prefixed, every length bounded, every wait limited: whoever can open the socket may
//! be hostile.
//!
//! Who may open it is said by the socket's owner and mode, one socket per role (design.md section 3).
#![forbid(unsafe_code)]

pub mod client;
pub mod frame;
pub mod listen;
pub mod path;
mod report;
pub mod server;
mod service;

pub use client::{Client, ClientError, CommandError, command, print_chunk};
pub use frame::{Chunk, Stream, VERSION};
pub use listen::{ListenError, Listener};
pub use path::{PathError, Role, socket_path, state_folder};
pub use report::{print, report};
pub use server::{Gone, Handler, Limits, Output, Peer, serve};
pub use service::Service;
