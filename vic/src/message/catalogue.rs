//! The catalogue of profiles that an IV may ask for.

use crate::message::layout::body;
use crate::text::{Name, Sentence};

body! {
    /// VIS to IV: a part of the catalogue. Key: generation and part.
    pub struct ProfileCatalogue {
        /// Which edition.
        pub generation: u32 = GENERATION,
        /// Which part of it. The IV has the catalogue when it has them all.
        pub part: Part = PART,
        /// The profiles in this part.
        pub profiles: Vec<Profile> = PROFILE_ENTRY,
    }
}

/// One profile of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// What VifCreate has to say to get it.
    pub name: Name,
    /// For people. May be empty.
    pub description: Sentence,
}

/// Which part of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub index: u16,
    /// At least 1.
    pub count: u16,
}
