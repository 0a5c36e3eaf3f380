//! The names and numbers that TAB completes: those the switch has now.

use super::ask::call;
use crate::client::{PROGRAM, RELEASE};
use crate::config::InterfaceId;
use crate::config::Kind;
use crate::control::access_lists::ShowAccessLists;
use crate::control::interfaces::ShowInterfaceBrief;
use crate::control::show::ShowVlan;
use crate::control::switch::ShowPortProfile;
use crate::control::{Format, Request};
use control_socket::Client;
use std::path::{Path, PathBuf};

/// Asks the daemon for them, on a connection of its own each time: nobody types TAB often.
pub(super) struct Names {
    socket: Option<PathBuf>,
}

impl Names {
    pub(super) fn new(socket: Option<&Path>) -> Self {
        Self {
            socket: socket.map(Path::to_owned),
        }
    }

    /// All there are of a kind; none when it is not a kind of names, or nobody answers.
    pub(super) fn of(&self, kind: Kind) -> Vec<String> {
        let Some(command) = command(kind) else {
            return Vec::new();
        };
        let answer = self.ask(command).unwrap_or_default();
        read(kind, &answer).unwrap_or_default()
    }

    fn ask(&self, command: &str) -> Option<String> {
        let mut client = Client::of(PROGRAM, RELEASE, self.socket.as_deref()).ok()?;
        let request = Request {
            command: command.to_owned(),
            format: Format::Json,
            at: None,
        };
        call(&mut client, &request).ok()
    }
}

/// What shows all names of a kind.
const fn command(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Profile | Kind::Profiles => Some("show port-profile"),
        Kind::Ethernet | Kind::Veth => Some("show interface brief"),
        Kind::Vlan | Kind::Vlans => Some("show vlan"),
        Kind::Acl => Some("show access-lists"),
        _ => None,
    }
}

fn read(kind: Kind, answer: &str) -> Result<Vec<String>, serde_json::Error> {
    Ok(match kind {
        Kind::Profile | Kind::Profiles => {
            let shown: ShowPortProfile = serde_json::from_str(answer)?;
            let names = shown
                .profiles
                .iter()
                .map(|profile| profile.name.to_string());
            names.collect()
        }
        Kind::Ethernet | Kind::Veth => {
            let shown: ShowInterfaceBrief = serde_json::from_str(answer)?;
            let number = |id| match (id, kind) {
                (InterfaceId::Ethernet(id), Kind::Ethernet) => Some(id.to_string()),
                (InterfaceId::Veth(id), Kind::Veth) => Some(id.to_string()),
                _ => None,
            };
            let interfaces = shown.interfaces.iter().map(|one| one.interface);
            interfaces.filter_map(number).collect()
        }
        Kind::Vlan | Kind::Vlans => {
            let shown: ShowVlan = serde_json::from_str(answer)?;
            shown.vlans.iter().map(|one| one.vlan.to_string()).collect()
        }
        Kind::Acl => {
            let shown: ShowAccessLists = serde_json::from_str(answer)?;
            let names = shown.lists.iter().map(|list| list.name.to_string());
            names.collect()
        }
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_name_is_read_from_what_shows_it() {
        let brief = r#"{"schema":1,"interfaces":[
            {"interface":{"ethernet":2},"vlan":"1","kind":"eth","mode":"access","up":true,"reason":"none"},
            {"interface":{"veth":7},"vlan":"1","kind":"virt","mode":"access","up":true,"reason":"none"}]}"#;
        assert_eq!(read(Kind::Ethernet, brief).unwrap(), ["2"]);
        assert_eq!(read(Kind::Veth, brief).unwrap(), ["7"]);
        let vlans = r#"{"schema":1,"vlans":[{"vlan":1,"name":"default","status":"active","ports":[]},{"vlan":10,"name":"web","status":"active","ports":[]}]}"#;
        assert_eq!(read(Kind::Vlan, vlans).unwrap(), ["1", "10"]);
        assert_eq!(read(Kind::Vlans, vlans).unwrap(), ["1", "10"]);
    }

    #[test]
    fn an_answer_that_means_nothing_completes_nothing() {
        assert!(read(Kind::Profile, "").is_err());
        let nobody = Names::new(Some(Path::new("/nonexistent/vis.sock")));
        assert!(nobody.of(Kind::Profile).is_empty());
        assert!(nobody.of(Kind::Mtu).is_empty());
    }
}
