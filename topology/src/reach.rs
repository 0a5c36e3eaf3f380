//! Who is to reach whom: what a lab promises, so that it can be held to it.

use crate::file::{End, Topology};
use crate::name::Address;
use core::net::IpAddr;

/// One host asks one address, and is to get an answer or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From where.
    pub from: End,
    /// The station that has the address.
    pub to: End,
    /// The address.
    pub address: IpAddr,
    /// Whether an answer is to come: the stations share a group.
    pub answered: bool,
}

impl Topology {
    /// Every question between stations of groups: to each address that the asker finds without a router, and by one device
    /// only. Where the stations share no group there must be no answer, though the asker's kernel sends the question. Not
    /// asked for are addresses of a host that shares a group with the asker by another device: it may answer there.
    pub fn questions(&self) -> Vec<Ask> {
        let mut stations: Vec<&End> = self.reach.values().flatten().collect();
        stations.sort();
        stations.dedup();
        let mut questions = Vec::new();
        for from in &stations {
            for to in stations.iter().filter(|to| to.host != from.host) {
                let answered = self.share_a_group(from, to);
                let by_another = |other: &&&End| other.host == to.host;
                let mut others = stations.iter().filter(by_another);
                if !answered && others.any(|other| self.share_a_group(from, other)) {
                    continue;
                }
                for address in self.addresses(to).iter().map(|address| address.ip) {
                    if self.way(from, address) {
                        questions.push(Ask {
                            from: (*from).clone(),
                            to: (*to).clone(),
                            address,
                            answered,
                        });
                    }
                }
            }
        }
        questions
    }

    /// The host's kernel asks by this device and no other.
    fn way(&self, from: &End, address: IpAddr) -> bool {
        let Some(host) = self.hosts.get(&from.host) else {
            return false;
        };
        let mut ways = host.addresses.iter().filter(|(_, own)| {
            let beside = |own: &&Address| own.is_beside(address);
            own.iter().any(|own| beside(&own))
        });
        let by_this = ways
            .next()
            .is_some_and(|(device, _)| *device == from.device);
        by_this && ways.next().is_none()
    }

    fn addresses(&self, station: &End) -> &[Address] {
        let host = self.hosts.get(&station.host);
        let of_device = host.and_then(|host| host.addresses.get(&station.device));
        of_device.map_or(&[], Vec::as_slice)
    }

    fn share_a_group(&self, a: &End, b: &End) -> bool {
        let mut groups = self.reach.values();
        groups.any(|members| members.contains(a) && members.contains(b))
    }
}

#[cfg(test)]
mod tests {
    use crate::parse;

    const FILE: &str = r#"
cables = [["s:a", "x:eth0"], ["s:b", "y:eth0"], ["s:c", "z:up"]]
[host.s]
[host.x]
addresses.eth0 = ["10.0.1.1/24"]
[host.y]
addresses.eth0 = ["10.0.1.2/24", "10.0.2.2/24"]
[host.z]
trunk = { device = "up", vlans = [1, 2] }
addresses.vlan1 = ["10.0.1.3/24"]
addresses.vlan2 = ["10.0.2.3/24"]
[reach]
one = ["x", "z:vlan1"]
two = ["y", "z:vlan2"]
"#;

    #[test]
    fn who_shares_a_group_answers_and_nobody_else() {
        let topology = parse(FILE).unwrap();
        let asks = topology.questions();
        let asks: Vec<_> = asks
            .iter()
            .map(|ask| (format!("{} {}", ask.from, ask.address), ask.answered))
            .collect();
        let expected = [
            ("x:eth0 10.0.1.2", false),
            ("x:eth0 10.0.1.3", true),
            // Not 10.0.1.3: its host is in the group by the other device.
            ("y:eth0 10.0.1.1", false),
            ("y:eth0 10.0.2.3", true),
            ("z:vlan1 10.0.1.1", true),
            ("z:vlan1 10.0.1.2", false),
            ("z:vlan2 10.0.2.2", true),
        ];
        let expected = expected.map(|(ask, answered)| (ask.to_owned(), answered));
        assert_eq!(asks, expected);
    }
}
