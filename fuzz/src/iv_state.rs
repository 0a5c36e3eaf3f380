//! The file in which an interface virtualizer keeps its vNICs.

use crate::marks::{mark, mark_variant};
use interface_virtualizer::daemon::Kept;

/// `data` is the file.
///
/// # Panics
/// What was read and written is read as something else.
pub fn iv_state(data: &[u8]) {
    match Kept::parse(data) {
        Ok(kept) => {
            let written = kept.to_octets().unwrap_or_default();
            assert_eq!(Kept::parse(&written).ok(), Some(kept.clone()));
            mark("vNICs", kept.count().min(3));
        }
        Err(why) => mark_variant("unread", &why),
    }
}
