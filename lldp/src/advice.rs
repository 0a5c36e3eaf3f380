//! What people should know of a link, from what was heard on it: one sentence, the most helpful one.

use crate::niv_end::{KeyPolicy, NivEnd, Role};
use crate::table::Neighbour;
use crate::unit::Capability;

/// Why a session may not come up, or frames not come through; `None`: nothing is odd, or nobody was heard.
pub(crate) fn advice(own: &NivEnd, hears_itself: bool, neighbours: &[Neighbour]) -> Option<String> {
    if hears_itself {
        return Some(
            "this port hears itself: the cable, or something on it, sends frames back".to_owned(),
        );
    }
    match neighbours {
        [] => None,
        [one] => of_one(own, one),
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Some(format!(
                "{} neighbours are on this link, so there is something in between: {}; tagged frames need a cable from \
                 box to box, or a bridge that passes EtherTypes 0x8926 and 0x8940 untouched",
                several.len(),
                names.join(", ")
            ))
        }
    }
}

fn of_one(own: &NivEnd, neighbour: &Neighbour) -> Option<String> {
    let Some(far) = &neighbour.said.niv else {
        let is_bridge = neighbour.said.capabilities.is_some_and(is_bridge);
        return Some(format!(
            "the neighbour {neighbour} does not speak VIC{}: the other end of this cable should be {}",
            if is_bridge { ", and is a bridge" } else { "" },
            other_end(own.role)
        ));
    };
    if far.role == own.role {
        return Some(format!(
            "both ends of this cable are {}: {neighbour} is one, too, and {} is needed there",
            with_article(own.role),
            other_end(own.role)
        ));
    }
    let (here, there) = (own, far);
    if !here.dialects.meets(there.dialects) {
        return Some(format!("{neighbour} and this end have no tag in common"));
    }
    if here.version != there.version {
        return Some(format!(
            "{neighbour} speaks version {} of VIC, and this end version {}",
            there.version, here.version
        ));
    }
    if here.subtype != there.subtype {
        return Some(format!(
            "{neighbour} has VIC under the ECP subtype {}, and this end under {}: they must be the same",
            there.subtype, here.subtype
        ));
    }
    match (here.key, there.key) {
        (_, KeyPolicy::Unset) => Some(format!(
            "{neighbour} refuses every session: it needs `vic authentication key-file PATH`, or `vic authentication \
             none` (--open)"
        )),
        (KeyPolicy::Open, KeyPolicy::Key) => Some(format!(
            "{neighbour} wants a key, and there is none here: {}",
            key_here(here.role)
        )),
        (KeyPolicy::Key, KeyPolicy::Open) => Some(format!(
            "{neighbour} has no key, and this end wants one: on that box {}",
            key_here(there.role)
        )),
        _ => None,
    }
}

fn is_bridge((_, is): (Capability, Capability)) -> bool {
    is.0 & Capability::BRIDGE.0 != 0
}

const fn with_article(role: Role) -> &'static str {
    match role {
        Role::Iv => "an iv",
        Role::Vis => "a vis",
    }
}

const fn other_end(role: Role) -> &'static str {
    match role {
        Role::Iv => with_article(Role::Vis),
        Role::Vis => with_article(Role::Iv),
    }
}

const fn key_here(role: Role) -> &'static str {
    match role {
        Role::Iv => "give it with `--key-file PATH`",
        Role::Vis => "give it with `vic authentication key-file PATH`",
    }
}
