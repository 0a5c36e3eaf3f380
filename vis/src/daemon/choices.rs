//! Port profiles that were attached to vEths and are in no file yet. The store has them, so that a switch that starts
//! again, asked or not, does not fall back to what vNICs asked for.

use super::run::Daemon;
use crate::config::{Config, Context, InterfaceId, Line, PortLine, ProfileName, VethId};
use crate::store::Contents;
use crate::store::choices::Choice;
use std::collections::BTreeMap;
use tracing::warn;

/// A choice that is in no file yet.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    choice: Choice,
    /// Copies of the configuration that had been taken by then: those have it not.
    copies: u64,
}

/// What was attached and is in force, and in no file.
#[derive(Debug, Default)]
pub(super) struct Choices(BTreeMap<VethId, Kept>);

/// What the store says.
pub(super) struct Recalled {
    /// With what was attached.
    pub(super) config: Config,
    pub(super) choices: Choices,
    /// What the store is to forget.
    pub(super) over: Vec<VethId>,
}

/// What was attached in another life, said again on top of the file's configuration: it came after the file. A vEth that
/// is another's now, or nobody's, has nothing of it.
pub(super) fn recall(file: &Config, contents: &Contents) -> Recalled {
    let mut recalled = Recalled {
        config: file.clone(),
        choices: Choices::default(),
        over: Vec::new(),
    };
    for (&veth, choice) in &contents.choices {
        let said = file.veths.get(&veth);
        let is_by_hand = said.is_some_and(|said| said.bind.is_some());
        let is_the_same = match choice.vnic {
            None => is_by_hand,
            Some(vnic) => {
                let mut known = contents.veths.iter();
                !is_by_hand && known.any(|(uuid, kept)| *uuid == vnic && kept.number() == veth)
            }
        };
        let in_file = said.and_then(|said| said.lines.inherit.as_ref());
        let name = InterfaceId::Veth(veth);
        if !is_the_same || in_file == Some(&choice.profile) {
            if !is_the_same {
                warn!(
                    "{name} is not the vEth any more that the port-profile {} was attached to: that is forgotten",
                    choice.profile
                );
            }
            recalled.over.push(veth);
            continue;
        }
        let line = PortLine::Inherit(Some(choice.profile.clone()));
        let config = &mut recalled.config;
        let applied = config
            .apply(&Context::Config, Line::Veth(veth))
            .and_then(|inside| config.apply(&inside, Line::Port(line)));
        match applied {
            Ok(_) => {
                warn!(
                    "{name} has the port-profile {}, which was attached to it before the switch ended and is in no file: \
                    `write memory` keeps it there",
                    choice.profile
                );
                let kept = Kept {
                    choice: choice.clone(),
                    copies: 0,
                };
                recalled.choices.0.insert(veth, kept);
            }
            Err(error) => warn!("{name}: {error}"),
        }
    }
    recalled
}

impl Choices {
    /// Those that `said` says otherwise now.
    fn overruled(&self, said: &Config) -> Vec<VethId> {
        let inherits = |veth: &VethId| said.veths.get(veth)?.lines.inherit.as_ref();
        let all = self.0.iter();
        let over = all.filter(|(veth, kept)| inherits(veth) != Some(&kept.choice.profile));
        over.map(|(&veth, _)| veth).collect()
    }

    /// Those that the copy with this number has.
    fn copied(&self, number: u64) -> Vec<VethId> {
        let saved = self.0.iter().filter(|(_, kept)| kept.copies < number);
        saved.map(|(&veth, _)| veth).collect()
    }
}

impl Daemon {
    /// Somebody attached `profile`: so it is from the next start on, too.
    pub(super) fn keep_choice(&mut self, veth: VethId, profile: ProfileName) {
        let choice = Choice {
            profile,
            vnic: self.registry.numbered(veth).map(|(uuid, _)| uuid),
        };
        let kept = Kept {
            choice: choice.clone(),
            copies: self.copies,
        };
        self.choices.0.insert(veth, kept);
        self.store.keep_choice(veth, Some(choice));
    }

    /// What the configuration says otherwise by now.
    pub(super) fn drop_overruled_choices(&mut self) {
        let over = self.choices.overruled(&self.said);
        self.forget_choices(over);
    }

    /// The copy with this number is in the file.
    pub(super) fn saved(&mut self, number: u64) {
        let over = self.choices.copied(number);
        self.forget_choices(over);
    }

    fn forget_choices(&mut self, over: Vec<VethId>) {
        for veth in over {
            self.choices.0.remove(&veth);
            self.store.keep_choice(veth, None);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use vic::Uuid;

    const VNIC: Uuid = Uuid([0xA0; 16]);

    fn veth(number: u32) -> VethId {
        number.try_into().unwrap()
    }

    /// A vNIC whose vEth is number 3, and to which `quarantine` was attached.
    fn contents(number: u32, vnic: Option<Uuid>) -> Contents {
        let kept = r#"{"version":"1","number":3,"profile":"web","name":"tap0","owner_name":null,"owner_uuid":null,
            "mac":"02:00:00:00:00:01","mtu":1500,"place":null,"detached":true}"#;
        let choice = Choice {
            profile: "quarantine".parse().unwrap(),
            vnic,
        };
        Contents {
            identity: VNIC,
            veths: vec![(VNIC, serde_json::from_str(kept).unwrap())],
            secure: BTreeMap::new(),
            choices: [(veth(number), choice)].into(),
        }
    }

    fn inherits(file: &str, contents: &Contents) -> (Option<String>, usize) {
        let (file, _) = parse(file, "t").unwrap();
        let recalled = recall(&file, contents);
        let (&number, _) = contents.choices.first_key_value().unwrap();
        let said = recalled.config.veths.get(&number);
        let inherit = said.and_then(|said| said.lines.inherit.as_ref());
        assert_eq!(recalled.over.len() + recalled.choices.0.len(), 1);
        (inherit.map(ToString::to_string), recalled.choices.0.len())
    }

    #[test]
    fn what_was_attached_is_said_again_whatever_the_file_says() {
        let quarantine = || Some("quarantine".to_owned());
        let known = contents(3, Some(VNIC));
        assert_eq!(inherits("", &known), (quarantine(), 1));
        let web = "port-profile web\ninterface veth 3\n inherit port-profile web\n";
        assert_eq!(inherits(web, &known), (quarantine(), 1));
        let by_hand = "interface veth 5\n bind interface ethernet 1 channel 5\n";
        assert_eq!(inherits(by_hand, &contents(5, None)), (quarantine(), 1));
    }

    #[test]
    fn what_a_file_says_by_now_is_not_kept_any_longer() {
        let file = "port-profile quarantine\ninterface veth 3\n inherit port-profile quarantine\n";
        let said = Some("quarantine".to_owned());
        assert_eq!(inherits(file, &contents(3, Some(VNIC))), (said, 0));
    }

    #[test]
    fn a_number_that_is_anothers_now_has_nothing_of_it() {
        let other = contents(3, Some(Uuid([0xB0; 16])));
        assert_eq!(inherits("", &other), (None, 0));
        let taken = "interface veth 3\n bind interface ethernet 1 channel 5\n";
        assert_eq!(inherits(taken, &contents(3, Some(VNIC))), (None, 0));
        assert_eq!(inherits("", &contents(5, None)), (None, 0));
    }

    #[test]
    fn a_copy_that_was_taken_before_ends_nothing() {
        let (file, _) = parse("", "t").unwrap();
        let mut choices = recall(&file, &contents(3, Some(VNIC))).choices;
        for kept in choices.0.values_mut() {
            kept.copies = 2;
        }
        assert!(choices.copied(2).is_empty());
        assert_eq!(choices.copied(3), [veth(3)]);
    }
}
