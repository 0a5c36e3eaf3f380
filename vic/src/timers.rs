//! How long ends wait, where no site has to change it: the timers of docs/vic.md section 9 that are not
//! [`crate::Parameters`]. All ours.

use core::time::Duration;

/// An IV repeats its Open after this time, at first.
pub const OPEN: Duration = Duration::from_millis(100);
/// And after some of them less often.
pub const OPEN_SLOWLY: Duration = Duration::from_millis(500);
/// After a refusal or a Close an IV waits so long before the next Open.
pub const REFUSED: Duration = Duration::from_secs(1);
/// How long a pending session keeps the place at a VIS from another.
pub const PENDING: Duration = Duration::from_millis(250);
/// How long an answer is waited for, at first; then twice and four times as long.
pub const ANSWER: Duration = Duration::from_millis(100);
/// How long after a refused VifCreate the VIS is asked again: its configuration may have changed.
pub const CREATE_AGAIN: Duration = Duration::from_secs(5);
/// How long after the IV does not know a VIF it is told again: the answer that names it may be on its way.
pub const TELL_AGAIN: Duration = Duration::from_millis(50);
/// How long the answer to a Probe is waited for.
pub const PROBE: Duration = Duration::from_millis(100);
/// When less gets through than was announced, the search begins anew after this time.
pub const PROBE_AGAIN: Duration = Duration::from_secs(5);
