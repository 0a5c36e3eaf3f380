//! Labs of files, several at a time: `up`, `list`, `exec`, `shell`, `capture`, `down`, and what a killed one leaves.

use super::held_lab::{User, errors};
use crate::binaries::Binaries;
use crate::error::{Doing, Result, check};
use crate::report::Report;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// Two hosts and a switch; `%` is the second half of the guests' addresses.
const FILE: &str = r#"
about = "two guests"
cables = [["vis:niv1", "h1:eth1"]]
[host.vis]
vis = """
vic authentication none
port-profile web
interface ethernet 1
  device niv1
  switchport mode vntag
"""
[host.h1]
iv = 'uplink = "eth1"'
[host.g1]
vnics = [{ on = "h1", profile = "web" }]
addresses.eth0 = ["10.0.0.1/24"]
[host.g2]
vnics = [{ on = "h1", profile = "web" }]
addresses.eth0 = ["10.0.0.2/24"]
"#;

/// Two labs of one file side by side, looked at in every way there is, and one of them killed.
pub(super) fn side_by_side(binaries: &Binaries, report: &Report) -> Result<()> {
    let user = User::new(binaries)?;
    let file = user.runtime.join("mine.toml");
    fs::write(&file, FILE).doing("write a lab's file")?;
    let file = file.display().to_string();

    let wrong = user.runtime.join("wrong.toml");
    fs::write(&wrong, FILE.replace("vis:niv1", "vjs:niv1")).doing("write a wrong file")?;
    let wrong = wrong.display().to_string();
    let refused = user.run(&["up", &wrong])?;
    let expected = format!(
        "error: {wrong}:3:12: there is no host vjs: expected one that has a table [host.vjs]\n"
    );
    check(
        !refused.status.success() && errors(&refused) == expected,
        || format!("of a wrong file `up` says {}", errors(&refused)),
    )?;

    user.good(&["up", &file])?;
    user.good(&["up", &file, "--name", "second"])?;
    let list = user.good(&["list"])?;
    let has = |line: &str| {
        list.lines()
            .any(|found| found.split_whitespace().eq(line.split(' ')))
    };
    check(
        has("mine up 4 hosts: two guests") && has("second up 4 hosts: two guests"),
        || format!("`list` says {list}"),
    )?;
    let which = user.run(&["exec", "h1", "iv", "show"])?;
    check(errors(&which).contains("several labs are up"), || {
        format!("without saying which lab, `exec` says {}", errors(&which))
    })?;
    report.figure("labs of one file, side by side", 2);

    for lab in ["mine", "second"] {
        let shown = user.good(&["exec", "--lab", lab, "h1", "iv", "show"])?;
        check(shown.contains("g1") && shown.contains("enabled"), || shown)?;
        let shown = user.good(&["exec", "--lab", lab, "vis", "show", "interface"])?;
        check(shown.contains("thernet"), || shown)?;
    }
    let mut shell = user.command(&["shell", "--lab", "mine", "g1"])?;
    let shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().doing("open a shell")?;
    if let Some(mut input) = shell.stdin.take() {
        input
            .write_all(b"cat /proc/net/dev; echo $NIV_LAB; exit 7\n")
            .doing("type into a shell")?;
    }
    let shell = shell.wait_with_output().doing("leave the shell")?;
    let said = String::from_utf8_lossy(&shell.stdout);
    let right =
        said.contains("eth0:") && said.ends_with("mine\n") && shell.status.code() == Some(7);
    check(right, || {
        format!("the shell ended with {}: {said}", shell.status)
    })?;
    report.figure(
        "a shell on a guest",
        "is there, and its exit code is passed on",
    );

    captured(&user, report)?;
    killed(&user, report)?;
    user.good(&["down", "mine"])?;
    let left: Vec<_> = fs::read_dir(&user.runtime)
        .doing("list the runtime folder")?
        .flatten()
        .map(|entry| entry.file_name())
        .filter(|name| !name.to_string_lossy().ends_with(".toml"))
        .collect();
    check(left.len() == 1, || format!("left behind: {left:?}"))
}

/// What goes up the NIV link and what comes down it are in one capture, each with its tag and its way.
fn captured(user: &User, report: &Report) -> Result<()> {
    let file = user.runtime.join("link.pcapng");
    let words = ["capture", "--lab", "mine", "vis", "niv1", "--seconds", "3"];
    let mut capture = user.command(&words)?;
    let mut capture = capture.arg(&file).spawn().doing("begin to capture")?;
    // Nobody answers at that address: g1 asks for it again and again, and each question comes down as a flood.
    let ask = "for i in 1 2 3 4 5 6 7 8 9 10; do echo x >/dev/udp/10.0.0.9/9; sleep 0.3; done";
    user.run(&["exec", "--lab", "mine", "g1", "bash", "-c", ask])?;
    capture.wait().doing("end a capture")?;
    let octets = fs::read(&file).doing("read what was captured")?;
    let (up, down) = ways(&octets);
    check(up > 0 && down > 0, || {
        format!(
            "of {} octets, {up} frames of a guest went up and {down} came down",
            octets.len()
        )
    })?;
    report.figure(
        "captured on the link, up and down",
        format!("{up} and {down}"),
    );
    Ok(())
}

/// How many frames with a VNTag a capture has: received, and sent.
fn ways(mut octets: &[u8]) -> (usize, usize) {
    let word = |octets: &[u8], at: usize| {
        let word = octets.get(at..).and_then(<[u8]>::first_chunk::<4>);
        word.map_or(0, |word| u32::from_ne_bytes(*word))
    };
    let (mut up, mut down) = (0, 0);
    // Each block: its kind, its length; of a packet five words more before the frame, and its options behind it.
    while let Some(block) = octets
        .get(..word(octets, 4) as usize)
        .filter(|b| b.len() > 12)
    {
        let frame = block.get(28..).unwrap_or_default();
        let captured = word(block, 20) as usize;
        if word(block, 0) == 6 && frame.get(12..14) == Some(&[0x89, 0x26]) {
            let options = frame
                .get(captured.next_multiple_of(4)..)
                .unwrap_or_default();
            match word(options, 4) & 3 {
                1 => up += 1,
                2 => down += 1,
                _ => {}
            }
        }
        octets = octets.get(block.len()..).unwrap_or_default();
    }
    (up, down)
}

/// A lab whose keeper is killed is gone with all its processes; what is left is told, and removed by `down`.
fn killed(user: &User, report: &Report) -> Result<()> {
    let state = user.runtime.join("niv-lab/second/state.json");
    let state = fs::read_to_string(state).doing("read a lab's state")?;
    let state: serde_json::Value = serde_json::from_str(&state).unwrap_or_default();
    let pid = state
        .pointer("/keeper/pid")
        .and_then(serde_json::Value::as_i64);
    let pid = pid.and_then(|pid| Pid::from_raw(pid as i32));
    let Some(pid) = pid else {
        return check(false, || format!("no keeper in {state}"));
    };
    kill_process(pid, Signal::KILL).doing("kill a lab's keeper")?;
    let ended = "second ended `cargo lab down second` removes what it left";
    user.until(&["list"], |output| {
        let said = String::from_utf8_lossy(&output.stdout);
        said.lines()
            .any(|line| line.split_whitespace().eq(ended.split(' ')))
    })?;
    // The only one that is up.
    user.good(&["exec", "h1", "iv", "show"])?;
    let said = user.good(&["down", "second"])?;
    check(
        said == "the lab second had ended; what it left is removed\n",
        || said,
    )?;
    report.figure(
        "what a killed lab leaves",
        "is listed, and removed by `down`",
    );
    Ok(())
}
