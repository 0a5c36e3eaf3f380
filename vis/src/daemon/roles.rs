//! Who may do what, by what the kernel says of the process at the other end of the socket.
//!
//! Fail closed: whoever is not named has no role. Names are those of `/etc/passwd` and `/etc/group`; a user from
//! elsewhere (a directory service) is named by number.

use crate::config::{Grantee, Privilege, Roles};
use control_socket::Peer;
use std::collections::BTreeMap;
use std::time::Duration;

/// Changes that an operator may make at once, and the time in which there is one more (ours): each is written to the log, the history
/// and the store, and those are everybody's.
const AT_ONCE: u32 = 10;
const ONE_MORE: Duration = Duration::from_secs(1);

/// The changes that operators may still make, by user.
#[derive(Debug, Default)]
pub(super) struct Turns(BTreeMap<u32, (u32, Duration)>);

impl Turns {
    /// Takes one of user `uid`; where there is none, how long until there is.
    pub(super) fn take(&mut self, uid: u32, now: Duration) -> Result<(), Duration> {
        // Who has all of them again need not be remembered.
        self.0
            .retain(|_, (taken, since)| now.saturating_sub(*since) < ONE_MORE * *taken);
        let (taken, since) = self.0.entry(uid).or_insert((0, now));
        let come = now.saturating_sub(*since).as_secs().min(u64::from(*taken)) as u32;
        *taken -= come;
        *since = if *taken == 0 {
            now
        } else {
            *since + ONE_MORE * come
        };
        if *taken < AT_ONCE {
            *taken += 1;
            Ok(())
        } else {
            Err((*since + ONE_MORE).saturating_sub(now))
        }
    }
}

/// The accounts of the machine.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// As they are now: people are added and taken away while a switch runs. Without the files nobody has a name.
    pub(super) fn read() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self {
            passwd: read("/etc/passwd"),
            group: read("/etc/group"),
        }
    }

    /// The name of a user.
    pub(super) fn user(&self, uid: u32) -> Option<&str> {
        fields(&self.passwd).find_map(|(name, number, _)| (number == uid).then_some(name))
    }

    fn is(&self, peer: Peer, grantee: &Grantee) -> bool {
        let name = self.user(peer.uid);
        match grantee {
            Grantee::User(user) => {
                user.as_str().parse() == Ok(peer.uid) || name == Some(user.as_str())
            }
            Grantee::Group(group) => {
                let wanted = group.as_str();
                let primary = fields(&self.passwd)
                    .find(|(_, uid, _)| *uid == peer.uid)
                    .and_then(|(_, _, rest)| rest.split(':').next()?.parse::<u32>().ok());
                fields(&self.group).any(|(group, gid, members)| {
                    let named = group == wanted || wanted.parse() == Ok(gid);
                    let is_member = name.is_some_and(|name| members.split(',').any(|m| m == name));
                    named && (gid == peer.gid || primary == Some(gid) || is_member)
                }) || wanted.parse() == Ok(peer.gid)
            }
        }
    }
}

/// `name:x:number:rest` of each line.
fn fields(text: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(4, ':');
        let (name, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        Some((name, number.parse().ok()?, parts.next().unwrap_or("")))
    })
}

/// What somebody may do; `None`: nothing. Root and the daemon's own user may do everything.
pub(super) fn privilege(peer: Peer, roles: &Roles, accounts: &Accounts) -> Option<Privilege> {
    let own = rustix::process::geteuid().as_raw();
    privilege_under(own, peer, roles, accounts)
}

fn privilege_under(own: u32, peer: Peer, roles: &Roles, accounts: &Accounts) -> Option<Privilege> {
    let has = |grantees: &std::collections::BTreeSet<Grantee>| {
        grantees.iter().any(|grantee| accounts.is(peer, grantee))
    };
    if peer.uid == 0 || peer.uid == own || has(&roles.network) {
        Some(Privilege::Network)
    } else if has(&roles.operator) {
        Some(Privilege::Operator)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nana:x:1001:1001::/home/ana:/bin/sh\nben:x:1002:1002:::\n\
        broken\neve:x:1003:2000:::\n";
    const GROUP: &str = "root:x:0:\nnoc:x:2000:ana,dan\nben:x:1002:\n";

    fn role(text: &str, uid: u32, gid: u32) -> Option<Privilege> {
        let roles = parse(text, "t").unwrap().0.roles;
        let accounts = Accounts {
            passwd: PASSWD.to_owned(),
            group: GROUP.to_owned(),
        };
        let peer = Peer {
            uid,
            gid,
            pid: None,
        };
        privilege_under(990, peer, &roles, &accounts)
    }

    #[test]
    fn an_operator_makes_so_many_changes_at_once_and_then_one_a_second() {
        let mut turns = Turns::default();
        let at = Duration::from_millis;
        let mut taken = |uid, millis, tries: usize| {
            (0..tries)
                .filter(|_| turns.take(uid, at(millis)).is_ok())
                .count()
        };
        assert_eq!(taken(7, 5_000, 100), 10);
        assert_eq!(taken(7, 5_999, 100), 0);
        assert_eq!(taken(8, 5_999, 1), 1, "another user");
        assert_eq!(taken(7, 6_000, 100), 1);
        assert_eq!(taken(7, 8_500, 100), 2);
        assert_eq!(taken(7, 9_000, 100), 1);
        assert_eq!(taken(7, 60_000, 100), 10);
        assert_eq!(turns.take(7, at(60_400)), Err(at(600)));
        assert!(turns.take(9, at(600_000)).is_ok());
        assert_eq!(turns.0.len(), 1);
    }

    #[test]
    fn who_is_not_named_has_no_role() {
        assert_eq!(role("", 1001, 1001), None);
        assert_eq!(role("role operator user ben\n", 1001, 1001), None);
        assert_eq!(role("role operator group noc\n", 1002, 1002), None);
        // Not even by a name that somebody has as a group.
        assert_eq!(role("role operator user noc\n", 1001, 1001), None);
    }

    #[test]
    fn root_and_the_daemons_own_user_may_do_everything() {
        assert_eq!(role("", 0, 0), Some(Privilege::Network));
        assert_eq!(role("", 990, 990), Some(Privilege::Network));
    }

    #[test]
    fn a_role_is_had_by_name_number_and_group() {
        let operator = Some(Privilege::Operator);
        assert_eq!(role("role operator user ana\n", 1001, 1001), operator);
        assert_eq!(role("role operator user 1001\n", 1001, 1001), operator);
        // By the list of the group, by the primary group, by the group of the process, by number.
        assert_eq!(role("role operator group noc\n", 1001, 1001), operator);
        assert_eq!(role("role operator group noc\n", 1003, 1003), operator);
        assert_eq!(role("role operator group noc\n", 1002, 2000), operator);
        assert_eq!(role("role operator group 2000\n", 1001, 1001), operator);
        assert_eq!(role("role operator group 7777\n", 5, 7777), operator);
    }

    #[test]
    fn of_two_roles_the_greater_one_counts() {
        let both = "role operator group noc\nrole network user ana\n";
        assert_eq!(role(both, 1001, 1001), Some(Privilege::Network));
    }
}
