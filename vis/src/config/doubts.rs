//! Policers that are obeyed, and that hardly anybody means.

use super::model::{Direction, PortLines};
use super::police::Police;
use niv::Weight;
use policy::Time;
use policy::rate::{Color, Configured, PolicerState, Train};

/// A lower rate, in bits a second, was probably meant in a larger unit (ours: one frame in more than a second).
const SLOW: u64 = 8_000;
/// What a guest sends that nobody names an MTU for, in octets behind the Ethernet header.
const MTU: u16 = 1500;
/// Addresses and EtherType.
const HEADER: u16 = 14;

/// What is doubtful about a line, and how to mend it.
pub(super) struct Doubt {
    pub(super) message: String,
    pub(super) help: String,
}

/// Of the lines of one profile or interface: those that are doubtful, as they are written.
pub(super) fn doubts(lines: &PortLines) -> Vec<(String, Doubt)> {
    let longest = HEADER + lines.mtu.map_or(MTU, |mtu| mtu.get());
    let each = [
        (Direction::In, lines.rates.police_in),
        (Direction::Out, lines.rates.police_out),
    ];
    let each = each.into_iter().filter_map(|(way, police)| {
        let police = police?;
        let way = match way {
            Direction::In => "input",
            Direction::Out => "output",
        };
        let line = format!("police {way} {police}");
        let doubt = of_rate(&line, &police, longest).or_else(|| of_burst(&line, &police, longest));
        Some((line, doubt?))
    });
    each.collect()
}

fn of_rate(line: &str, police: &Police, longest: u16) -> Option<Doubt> {
    let rate = match police.policer().configured() {
        Configured::Plain { rate, .. } => rate,
        Configured::SingleRate { committed, .. } => committed,
        Configured::TwoRate { peak, .. } => peak,
    };
    let bits = rate.bits_per_second();
    (bits < SLOW).then(|| Doubt {
        message: format!(
            "`{line}` lets {bits} bits a second pass, so that one frame of {longest} octets takes {} s",
            u64::from(longest) * 8 / bits.max(1)
        ),
        help: "a number without a unit is in bits a second; others are `kbps`, `mbps`, `gbps`"
            .to_owned(),
    })
}

/// Whether the longest frame never passes, however long nothing was sent.
fn of_burst(line: &str, police: &Police, longest: u16) -> Option<Doubt> {
    let full = PolicerState::default();
    let frame = Train::whole(Weight::one(longest.into()));
    let policer = police.policer();
    let judged = policer.foresee(&full, Time::from_secs(1), frame, Color::Green);
    (judged.pass == 0).then(|| Doubt {
        message: format!(
            "`{line}` drops every frame of {longest} octets, as no burst of it holds one"
        ),
        help: format!("say bursts of {longest} bytes or more, or none"),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::parse;

    fn warnings(lines: &str) -> Vec<String> {
        let (_, warnings) = parse(&format!("port-profile p\n{lines}"), "t").unwrap();
        warnings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_policer_that_no_full_frame_ever_passes_is_warned_of() {
        let told = warnings("police input rate 100 mbps burst 1000 bytes\n");
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(
            told[0].contains("t:2:1") && told[0].contains("every frame of 1514 octets"),
            "{told:?}"
        );
        // What is marked yellow passes by the second bucket, and what is red by none.
        for fine in [
            "police input rate 100 mbps\n",
            "police input rate 100 mbps burst 1514 bytes\n",
            "police input rate 100 mbps burst 1000 bytes\nmtu 900\n",
            "police output cir 1 mbps bc 1000 bytes be 4 kbytes\n",
            "police output cir 1 mbps bc 1000 bytes be 1000 bytes violate transmit\n",
        ] {
            assert_eq!(warnings(fine), Vec::<String>::new(), "{fine}");
        }
        let dropped = "police output cir 1 mbps bc 1000 bytes be 4 kbytes exceed drop\n";
        assert_eq!(warnings(dropped).len(), 1);
    }

    #[test]
    fn a_rate_of_bits_that_was_meant_in_a_larger_unit_is_warned_of() {
        for slow in ["rate 10", "rate 10 bps", "cir 7999"] {
            let told = warnings(&format!("police output {slow}\n"));
            assert!(
                told.len() == 1 && told[0].contains("bits a second"),
                "{slow}: {told:?}"
            );
        }
        for fine in ["rate 8 kbps", "cir 10 pir 1 mbps"] {
            assert_eq!(
                warnings(&format!("police output {fine}\n")),
                Vec::<String>::new()
            );
        }
    }
}
