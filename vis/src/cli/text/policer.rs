//! `show policer`.

use crate::control::rates::{PolicerCounts, ShowPolicer};
use std::fmt::{self, Write};

pub(super) fn write(out: &mut String, answer: &ShowPolicer) -> fmt::Result {
    if answer.policers.is_empty() {
        return writeln!(out, "No rate is policed.");
    }
    for (number, one) in answer.policers.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        let direction = &one.direction;
        writeln!(out, "{} {direction}", one.interface)?;
        writeln!(out, "  police {direction} {}", one.configured)?;
        writeln!(out, "  in force   {}", one.in_force)?;
        let rows = [
            ("conformed", one.conformed),
            ("exceeded", one.exceeded),
            ("violated", one.violated),
            ("dropped", one.dropped),
        ];
        for (name, PolicerCounts { frames, octets }) in rows {
            writeln!(out, "  {name:<9}  {frames} frames, {octets} octets")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::InterfaceId;
    use crate::control::rates::PolicerShown;

    #[test]
    fn each_policer_says_what_is_asked_what_is_in_force_and_what_became_of_frames() {
        let policer = PolicerShown {
            interface: InterfaceId::Veth(7u32.try_into().unwrap()),
            direction: "input".to_owned(),
            configured: "rate 10 mbps".to_owned(),
            in_force: "cir 10000000 bps bc 312500 bytes (default)".to_owned(),
            conformed: PolicerCounts {
                frames: 2,
                octets: 3028,
            },
            exceeded: PolicerCounts::default(),
            violated: PolicerCounts {
                frames: 1,
                octets: 60,
            },
            dropped: PolicerCounts {
                frames: 1,
                octets: 60,
            },
        };
        let shown = |policers| {
            let mut out = String::new();
            write(
                &mut out,
                &ShowPolicer {
                    schema: 1,
                    policers,
                },
            )
            .unwrap();
            out
        };
        assert_eq!(shown(Vec::new()), "No rate is policed.\n");
        assert_eq!(
            shown(vec![policer]),
            "Vethernet7 input\n  police input rate 10 mbps\n  \
             in force   cir 10000000 bps bc 312500 bytes (default)\n  \
             conformed  2 frames, 3028 octets\n  exceeded   0 frames, 0 octets\n  \
             violated   1 frames, 60 octets\n  dropped    1 frames, 60 octets\n"
        );
    }
}
