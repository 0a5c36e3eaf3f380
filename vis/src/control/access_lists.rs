//! `show access-lists`.

use policy::acl::{Family, ListName};
use serde::{Deserialize, Serialize};

/// `show access-lists [NAME]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShowAccessLists {
    /// [`super::show::SCHEMA`].
    pub schema: u32,
    /// By name.
    pub lists: Vec<ShownList>,
}

/// One list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownList {
    /// Its name.
    pub name: ListName,
    /// Which frames it judges.
    pub family: Family,
    /// In the order in which they are asked.
    pub lines: Vec<ShownLine>,
    /// Frames that no line matched, so that they were dropped.
    pub matched_none: u64,
    /// Frames dropped since they cannot be read.
    pub unreadable: u64,
    /// Ports where it is asked of frames from them.
    pub ports_in: usize,
    /// Ports where it is asked of frames to them.
    pub ports_out: usize,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownLine {
    /// Its number.
    pub sequence: u32,
    /// The rest of it.
    pub line: String,
    /// Wire frames it has decided, at all ports together; `None`: a remark.
    pub matched: Option<u64>,
}
