//! The public templates for such switches (ntc-templates, `cisco_nxos`) read what `vis show` prints as the JSON of
//! the same show has it.

use super::forwarding;
use crate::error::{Doing, LabError, Result, check};
use crate::need;
use crate::report::Report;
use crate::sandbox;
use crate::two_boxes::TwoBoxes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// What reads with the templates.
const SCRIPT: &str = include_str!("../../judges/ntc.py");

/// One row, by the template's names.
type Row = BTreeMap<&'static str, Value>;

/// A show, where its rows stand in JSON, and what a template has to read of one of them.
struct Shown {
    words: &'static [&'static str],
    rows: &'static str,
    read: fn(&Value) -> Row,
}

const SHOWS: &[Shown] = &[
    Shown {
        words: &["interface", "status"],
        rows: "interfaces",
        read: |one| {
            Row::from([
                ("port", short(one)),
                ("name", or_dashes(one, "name")),
                ("status", text(one, "/status")),
                ("vlan_id", text(one, "/vlan")),
                ("type", or_dashes(one, "kind")),
            ])
        },
    },
    Shown {
        words: &["interface", "brief"],
        rows: "interfaces",
        read: |one| {
            let is_up = one.get("up").and_then(Value::as_bool) == Some(true);
            Row::from([
                ("interface", short(one)),
                ("vlan_id", text(one, "/vlan")),
                ("type", text(one, "/kind")),
                ("mode", text(one, "/mode")),
                ("status", if is_up { "up" } else { "down" }.into()),
                ("reason", text(one, "/reason")),
            ])
        },
    },
    Shown {
        words: &["interface"],
        rows: "interfaces",
        read: |one| {
            let is_up = |what: &str| one.get(what).and_then(Value::as_bool) == Some(true);
            let word = |up| if up { "up" } else { "down" };
            let why = one.get("why_down").and_then(Value::as_array);
            let why: Vec<&str> = why
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let mut link = word(is_up("oper_up")).to_owned();
            if !why.is_empty() {
                link = format!("{link} ({})", why.join("; "));
            }
            let number = |at: &str| one.pointer(at).and_then(Value::as_u64).unwrap_or(0);
            let output = number("/counts/sent/frames") + number("/counts/listed/frames");
            let mode = one.get("membership").map(|membership| match membership {
                Value::String(word) => word.clone(),
                other => other
                    .as_object()
                    .and_then(|o| o.keys().next().cloned())
                    .unwrap_or_default(),
            });
            Row::from([
                ("interface", text(one, "/name")),
                ("link_status", link.into()),
                ("admin_state", word(is_up("admin_up")).into()),
                ("description", text(one, "/description")),
                ("mtu", text(one, "/mtu")),
                ("mode", mode.unwrap_or_default().into()),
                ("mac_address", dotted(one)),
                (
                    "input_packets",
                    number("/counts/received/frames").to_string().into(),
                ),
                ("output_packets", output.to_string().into()),
            ])
        },
    },
    Shown {
        words: &["mac", "address-table"],
        rows: "entries",
        // Ages go on between two questions.
        read: |one| {
            Row::from([
                ("vlan_id", text(one, "/vlan")),
                ("mac_address", dotted(one)),
                ("type", text(one, "/kind")),
                ("ports", short(one)),
            ])
        },
    },
    Shown {
        words: &["vlan"],
        rows: "vlans",
        read: |one| {
            let ports = one.get("ports").and_then(Value::as_array);
            let ports = ports.into_iter().flatten().map(interface_name);
            Row::from([
                ("vlan_id", text(one, "/vlan")),
                ("vlan_name", text(one, "/name")),
                ("status", "active".into()),
                ("interfaces", ports.collect::<Vec<String>>().into()),
            ])
        },
    },
    Shown {
        words: &["module"],
        rows: "modules",
        read: |one| {
            let columns = ["module", "ports", "type", "model", "status"];
            let at = ["/module", "/ports", "/kind", "/model", "/status"];
            columns
                .into_iter()
                .zip(at.map(|at| text(one, at)))
                .collect()
        },
    },
    Shown {
        words: &["version"],
        rows: "",
        read: |one| {
            Row::from([
                ("os", text(one, "/release")),
                ("hostname", text(one, "/hostname")),
            ])
        },
    },
];

/// Every show that has a template, on a lab where everybody has spoken to everybody.
pub(super) fn agree(boxes: &mut TwoBoxes, report: &Report) -> Result<()> {
    forwarding::ping_matrix(boxes, report)?;
    let script = Path::new(sandbox::FOLDER).join("ntc.py");
    fs::write(&script, SCRIPT).doing(format!("write {}", script.display()))?;
    for shown in SHOWS {
        let command = format!("show {}", shown.words.join(" "));
        // Somebody may speak between the two questions; not every time.
        let mut tries = 5;
        let rows = loop {
            let vis = boxes.lab.daemon("vis")?;
            let before = vis.show_json(shown.words)?;
            let text = vis.show(shown.words)?;
            let read = parse(&script, &command, &text)?;
            let expected = expected(shown, &before);
            match compare(&read, &expected) {
                Ok(()) => break expected.len(),
                Err(_) if tries > 1 => tries -= 1,
                Err(difference) => {
                    return Err(LabError::Check(format!(
                        "`{command}`: {difference}\n{text}"
                    )));
                }
            }
        };
        report.figure(&format!("rows of `{command}`, read as JSON has them"), rows);
    }
    Ok(())
}

fn expected(shown: &Shown, json: &Value) -> Vec<Row> {
    if shown.rows.is_empty() {
        return vec![(shown.read)(json)];
    }
    let rows = json.get(shown.rows).and_then(Value::as_array);
    rows.into_iter().flatten().map(shown.read).collect()
}

/// The first difference; no row at all is one.
fn compare(read: &[Value], expected: &[Row]) -> std::result::Result<(), String> {
    if expected.is_empty() || read.len() != expected.len() {
        return Err(format!(
            "the template reads {} rows, JSON has {}",
            read.len(),
            expected.len()
        ));
    }
    for (read, expected) in read.iter().zip(expected) {
        for (column, value) in expected {
            if read.get(column) != Some(value) {
                let found = read.get(column);
                return Err(format!(
                    "{column} is {found:?} to the template, {value} in JSON: {read}"
                ));
            }
        }
    }
    Ok(())
}

fn parse(script: &Path, command: &str, text: &str) -> Result<Vec<Value>> {
    // Beside its modules.
    let templates = need::command("textfsm");
    let packages = Path::new(templates.get_program())
        .parent()
        .and_then(Path::parent);
    let mut python = need::command("python3");
    python.arg(script).arg(command);
    if let Some(packages) = packages {
        python.env("PYTHONPATH", packages);
    }
    let mut child = python
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .doing("run python3")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(text.as_bytes()).doing("write to python3")?;
    }
    let output = child.wait_with_output().doing("wait for python3")?;
    check(output.status.success(), || {
        format!(
            "the template of `{command}` does not read this: {}\n{text}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    serde_json::from_slice(&output.stdout).map_err(|error| LabError::Answer {
        program: "ntc.py".to_owned(),
        detail: error.to_string(),
    })
}

/// A value as a template has it: text, and nothing is empty.
fn text(one: &Value, at: &str) -> Value {
    match one.pointer(at) {
        None | Some(Value::Null) => "".into(),
        Some(Value::String(text)) => text.as_str().into(),
        Some(other) => other.to_string().into(),
    }
}

fn or_dashes(one: &Value, field: &str) -> Value {
    one.get(field)
        .filter(|value| !value.is_null())
        .map_or_else(|| "--".into(), Clone::clone)
}

fn short(one: &Value) -> Value {
    one.get("interface")
        .map(interface_name)
        .unwrap_or_default()
        .into()
}

/// `{"ethernet": 1}` is `Eth1`.
fn interface_name(interface: &Value) -> String {
    let number = |kind: &str| interface.get(kind).and_then(Value::as_u64);
    match (number("ethernet"), number("veth")) {
        (Some(number), _) => format!("Eth{number}"),
        (None, Some(number)) => format!("Veth{number}"),
        (None, None) => String::new(),
    }
}

/// `02:00:00:00:00:01` is `0200.0000.0001`.
fn dotted(one: &Value) -> Value {
    let mac = one.get("mac").and_then(Value::as_str).unwrap_or_default();
    let digits: Vec<char> = mac.chars().filter(|&letter| letter != ':').collect();
    let groups: Vec<String> = digits
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(".").into()
}
