//! Our switch, with VIFs bound by hand, as any generator of tagged frames can test it.

use super::Running;
use crate::bench::bed::{Bed, DUT, DUT_CORE, pinned};
use crate::bench::shape::Turn;
use crate::daemon::Daemon;
use crate::error::{Doing, Result, check};
use crate::sandbox;
use serde_json::Value;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The configuration: VIFs 1 to `vifs` of one link, all in one VLAN.
pub(super) fn configuration(vifs: u32) -> String {
    let mut text = format!(
        "vlan 10\nport-profile bench\n  switchport mode access\n  switchport access vlan 10\n\
         interface ethernet 1\n  device {}\n  switchport mode vntag\n  mtu 1506\n",
        DUT.1
    );
    for vif in 1..=vifs {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "interface veth {vif}\n  inherit port-profile bench\n  bind interface ethernet 1 channel {vif}\n"
        );
    }
    text
}

pub(super) fn start(bed: &mut Bed, xdp: bool, vifs: u32) -> Result<Running> {
    let folder = Path::new(sandbox::FOLDER).join("bench-vis");
    // A new switch each time: it keeps its vEths in a folder.
    let _was_there = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).doing("make the switch's folder")?;
    let file = folder.join("vis.conf");
    fs::write(&file, configuration(vifs)).doing("write the switch's configuration")?;
    let own = bed.lab.binaries.path("vis");
    let program = if xdp {
        own
    } else {
        without_locked_memory(&own, &folder)?
    };
    let netns = &bed.lab.host(DUT.0)?.netns;
    let mut daemon = pinned(DUT_CORE, || {
        Daemon::start(DUT.0, &program, netns, &file, &folder)
    })?;
    let interface = daemon.show_json(&["interface", "ethernet", "1"])?;
    let mode = find(&interface, "io_mode");
    let mode = mode.unwrap_or_else(|| interface.to_string());
    check(xdp == mode.contains("xdp"), || {
        format!(
            "vis was to {} AF_XDP, and says that its mode is {mode}",
            if xdp { "use" } else { "do without" }
        )
    })?;
    Ok(Running {
        mode: format!("{mode}, sleeping in epoll"),
        turn: Turn::Forwards,
        vifs: Some(vifs),
        _guard: Box::new(daemon),
    })
}

/// The first text under this name that says how frames are moved.
pub(in crate::bench) fn find(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(fields) => fields
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| text.contains("af_packet"))
            .map(str::to_owned)
            .or_else(|| fields.values().find_map(|value| find(value, name))),
        Value::Array(values) => values.iter().find_map(|value| find(value, name)),
        _ => None,
    }
}

/// A script that starts the switch as somebody who may lock no memory: the kernel then refuses AF_XDP.
fn without_locked_memory(vis: &Path, folder: &Path) -> Result<PathBuf> {
    let script = folder.join("vis");
    let text = format!(
        "#!/bin/sh\nexec prlimit --memlock=0:0 setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock -- {} \"$@\"\n",
        vis.display()
    );
    fs::write(&script, text).doing("write a script")?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).doing("allow a script")?;
    Ok(script)
}
