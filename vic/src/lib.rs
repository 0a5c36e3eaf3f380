//! VIC, the control protocol between an interface virtualizer (IV) and a virtual interface switch (VIS), and
//! ECP below it (design.md section 6; `docs/vic.md` is the protocol byte by byte).
//!
//! Nothing here opens a socket, reads a clock, starts a thread or draws a random number: time, frames and
//! randomness are arguments. [`session`] says how both ends are driven.
//!
//! # An IV
//!
//! ```text
//! IvSession::new(EndConfig, IvLimits { max_vifs, max_lists }) -> IvSession
//!   handle_message(now, frame)    handle_timeout(now)
//!   poll_event() -> Option<IvEvent>    poll_transmit(now) -> Option<Vec<u8>>    poll_timeout() -> Option<Duration>
//!   attach(now, Vnic) -> Result<(), VnicError>        any time, session or not; created again in each session
//!   detach(now, Uuid) -> Result<(), VnicError>        then event Detached
//!   set(now, Uuid, Option<Mac>, Option<u16>) -> Result<(), VnicError>
//!   counters(now, VifId, VifCounters)                 what passed, now and then
//!   list_unknown(now, ListId)                         the data path met an unknown list
//!   prepare(now, Uuid, Option<Uuid>), commit(now, Uuid), abort(now, Uuid)     then event Move
//!   close(now, Refusal)                               the program ends: then poll_transmit
//!   set_mtu(now, u16)                                 the port's MTU changed: opens anew
//!   is_up() peer() term() vnics() statistics()
//! ```
//!
//! # A VIS, one for each link
//!
//! ```text
//! VisSession::new(EndConfig, VisLimits { max_vifs, max_lists }) -> VisSession
//!   handle_message, handle_timeout, poll_event() -> Option<VisEvent>, poll_transmit, poll_timeout   as above
//!   admit(now), refuse_session(now, Refusal)          after event Admission
//!   restore(Uuid, VifId) -> Result<(), VisError>      from the store, before the first frame: the id is that vNIC's
//!   reserve(VifId) -> Result<(), VisError>            bound by hand: never given
//!   accept(now, Ask, veth, Option<Name>) -> Result<VifId, VisError>     after event Create
//!   refuse(now, Ask, Refusal) -> Result<(), VisError>                   after event Create
//!   answer(now, Ask, Result<(), Refusal>) -> Result<(), VisError>       after event Move
//!   enable(now, VifId), disable(now, VifId, Refusal)  then event Enabled, Disabled
//!   delete(now, VifId, Refusal)                       then event VifGone
//!   vif_quiesced(now, VifId)                          after event VifGone
//!   status(now, VifId, up, Option<Refusal>)           the vEth's state, for the guest's carrier
//!   set_list(now, Members) -> Result<ListId, VisError>      then event ListConfirmed
//!   release_list(now, ListId)                         no snapshot and no worker uses it any more
//!   push_catalogue(now, Vec<Profile>)                 kept, and sent in every session
//!   expire(now)                                       the grace is over: every VIF of the IV comes as VifGone
//!   close(now, Refusal)  set_mtu(now, u16)  is_up() peer() vifs() lists() statistics()
//! ```
//!
//! A vNIC's way: the IV attaches it; the VIS gets `Create`, decides, `accept`s; it makes the lists that are to
//! have it (`set_list`) and `enable`s it. Requests are executed in the order they were made, so an IV that
//! enables a VIF has the lists made before. When `ListConfirmed` and `Enabled` have come, the switch's
//! snapshot takes up both.
#![forbid(unsafe_code)]

pub mod authenticator;
pub mod ecp;
pub mod frame;
mod identity;
pub mod message;
pub mod parameters;
mod refusal;
pub mod session;
mod text;
pub mod timers;

pub use authenticator::{Authenticator, InvalidKey, Key};
pub use identity::{InvalidUuid, Nonce, Uuid};
pub use message::{Members, Profile, VifCounters};
pub use niv::{ListId, Mac, VifId};
pub use parameters::Parameters;
pub use refusal::{Code, Refusal};
pub use text::{InvalidText, Name, OwnerName, Sentence, Text};
