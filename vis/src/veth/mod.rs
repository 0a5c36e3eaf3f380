//! Which vNIC has which vEth, and where: the switch's side of the control protocol (design.md section 6).
//!
//! Nothing here opens a socket or reads a clock. [`Registry`] is told what sessions say
//! ([`Registry::handle`]), what came of commands ([`Registry::report`]) and what time it is, and says what
//! is to be done: [`Command`]s for sessions, [`Notice`]s for people, changes for the store. The embedder
//! gathers what happens for a few milliseconds and then settles it, in this order:
//!
//! 1. [`Registry::take_forgotten`]: numbers whose next holder is another vNIC;
//! 2. [`Registry::settle`], with the sets of VIFs that lists are worth making for, in a switch as it will
//!    be: makes lists, then has vNICs enabled, so that an IV that enables a VIF has its lists;
//! 3. [`Registry::departures`], then publish a switch as it is now: [`Registry::overlay`] is its
//!    configuration, [`Registry::is_carried`] says which vEths take part, [`Registry::is_opening`] whose frames
//!    are taken already, [`Registry::lists`] which lists; only then have sessions do what there is to do;
//! 4. when every worker has loaded that, [`Registry::departed`]: their ids may be given to others.
//!
//! One vEth has one [`Record`], known by the UUID of its vNIC. Its number is a label of this switch, which it
//! keeps for as long as it is known.

mod command;
mod create;
mod events;
mod kept;
mod link;
mod lists;
mod notice;
mod record;
mod registry;
mod repeats;
mod settle;

pub use command::{Command, Report};
pub use kept::{Kept, KeptUuid};
pub use link::{LastRefusal, LinkRecord, Subject};
pub use lists::{ListView, Lists, SetOfVifs};
pub use notice::Notice;
pub use record::{Place, Record, Stage};
pub use registry::{Departures, MAX_DETACHED, Registry};
pub use repeats::{QUIET, Repeats, Say};
pub use settle::Verdict;
