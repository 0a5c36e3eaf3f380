//! The protocol's numbers can be others at a site: both ends that have them meet, and one that has not is not heard.

use super::vic::{DEVICE, GUESTS, attach_guest, taken};
use crate::binaries::Binaries;
use crate::error::{Result, check};
use crate::lab::Lab;
use crate::report::Report;
use serde_json::Value;
use std::thread::sleep;
use std::time::{Duration, Instant};

const VIS: &str = "vic authentication none\nvic subtype 600\nvic unacknowledged-subtype 601\nvic oui 00:1b:2c\n\
    vic rte 12\nvic retries 8\nvlan 10\nport-profile web\n  switchport access vlan 10\n\
    interface ethernet 1\n  device niv1\n  switchport mode vntag\n\
    interface ethernet 2\n  device niv2\n  switchport mode vntag\n\
    interface ethernet 3\n  device niv3\n  switchport mode vntag\n";

const NUMBERS: &str =
    "subtype = 600\nunacknowledged-subtype = 601\noui = \"00:1b:2c\"\nrte = 12\nretries = 8\n";

/// Twenty times what it takes to open a session.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

fn has_session(lab: &mut Lab, host: &str) -> Result<bool> {
    let show = lab.daemon(host)?.show_json(&[])?;
    let state = show.pointer("/session/state").and_then(Value::as_str);
    Ok(state == Some("up"))
}

/// Meet with the same numbers; do not without them, or with another OUI.
pub(super) fn numbers(binaries: &Binaries, report: &Report) -> Result<()> {
    let mut lab = Lab::new(binaries);
    for name in ["vis", "h1", "h2", "h3", "g1"] {
        lab.add_host(name)?;
    }
    let other_oui = NUMBERS.replace("2c", "2d");
    let hosts = [
        ("h1", "niv1", NUMBERS),
        ("h2", "niv2", ""),
        ("h3", "niv3", &other_oui),
    ];
    for (host, port, _) in hosts {
        lab.cable((host, "eth1"), ("vis", port))?;
    }
    lab.start("vis", "vis", VIS)?;
    for (host, _, numbers) in hosts {
        let iv = format!("uplink = \"eth1\"\n[vic-numbers]\n{numbers}");
        lab.start(host, "iv", &iv)?;
    }
    let [guest, _] = GUESTS;
    attach_guest(&mut lab, guest)?;
    let (_, _, took) = taken(&mut lab, guest.0)?;
    lab.host(guest.0)?.device(DEVICE)?;
    report.figure(
        "subtypes 600 and 601, OUI 00:1b:2c, RTE 12, R 8 at both ends",
        format!("vNIC enabled after {} ms", took.as_millis()),
    );
    check(has_session(&mut lab, "h1")?, || {
        "h1 has a vNIC and no session".to_owned()
    })?;
    let begun = Instant::now();
    while begun.elapsed() < LONG_ENOUGH {
        for host in ["h2", "h3"] {
            check(!has_session(&mut lab, host)?, || {
                format!("{host} has a session with a switch of other numbers")
            })?;
        }
        sleep(Duration::from_millis(50));
    }
    report.figure("sessions between different numbers", 0);
    lab.check_alive()
}
