//! The workspace keeps the shape that docs/architecture.md says it has.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "functions of a test fail it as its body does"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Which of our crates each crate may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("vntag", &[]),
    ("niv", &["vntag"]),
    ("vic", &["niv"]),
    ("lldp", &["niv", "vic"]),
    ("policy", &["vntag", "niv"]),
    ("packet-io", &["niv"]),
    ("control-socket", &[]),
    ("link-control", &["niv", "vic", "lldp", "packet-io"]),
    (
        "doctor",
        &["vic", "packet-io", "control-socket", "link-control"],
    ),
    ("topology", &["niv"]),
    (
        "interface-virtualizer",
        &[
            "vntag",
            "niv",
            "vic",
            "lldp",
            "packet-io",
            "control-socket",
            "doctor",
            "link-control",
        ],
    ),
    (
        "vis",
        &[
            "vntag",
            "niv",
            "vic",
            "lldp",
            "packet-io",
            "control-socket",
            "doctor",
            "link-control",
            "policy",
        ],
    ),
    ("packaging", &["interface-virtualizer", "vis"]),
    (
        "testbed",
        &["vntag", "niv", "policy", "packet-io", "topology"],
    ),
    (
        "fuzz",
        &[
            "vntag",
            "niv",
            "vic",
            "lldp",
            "packet-io",
            "policy",
            "control-socket",
            "topology",
            "interface-virtualizer",
            "vis",
        ],
    ),
    (
        "benches",
        &[
            "vntag",
            "niv",
            "vic",
            "packet-io",
            "interface-virtualizer",
            "vis",
            "policy",
        ],
    ),
];

/// Where a frame's way is a function of (state, time, frame).
const SANS_IO: &[&str] = &[
    "vntag/src",
    "niv/src",
    "vic/src",
    "lldp/src",
    "policy/src",
    "doctor/src/judge",
    "topology/src",
    "interface-virtualizer/src/core",
    "vis/src/switch",
    "vis/src/edge",
    "packet-io/src/offload",
    "packet-io/src/dispatch.rs",
];

/// What such code must not name: sockets, threads, clocks, files, runtimes, locks, logs.
const BANNED: &[&str] = &[
    "std::net",
    "std::thread",
    "std::fs",
    "std::io",
    "std::os",
    "std::process",
    "std::env",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "Instant",
    "SystemTime",
    "tokio",
    "rustix",
    "libc",
    "tracing",
    "println!",
    "rand",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

fn sources(under: &Path) -> Vec<PathBuf> {
    if under.is_file() {
        return vec![under.to_path_buf()];
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The lines of a file that are code, tests not counted, with their numbers.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line.to_owned()));
    lines
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]") && !line.starts_with("mod tests"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .collect()
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    name == "tests"
        || name.ends_with("_tests")
        || path.components().any(|c| c.as_os_str() == "tests")
}

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(known, _)| *known == name)
            .unwrap_or_else(|| panic!("crate {name} has no place in docs/architecture.md yet"));
        for dependency in package["dependencies"].as_array().unwrap() {
            let on = dependency["name"].as_str().unwrap();
            // What a crate's tests use does not reach its users.
            let normal = dependency["kind"].is_null();
            assert!(
                !normal || !ours.contains(on) || allowed.contains(&on),
                "{name} depends on {on}"
            );
        }
    }
}

#[test]
fn forwarding_names_no_socket_thread_clock_or_log() {
    for place in SANS_IO {
        for path in sources(&root().join(place))
            .iter()
            .filter(|path| !is_test(path))
        {
            for (number, line) in code(path) {
                let words: Vec<&str> = line
                    .split(|c: char| !(c.is_alphanumeric() || "_:!".contains(c)))
                    .collect();
                for banned in BANNED {
                    let named = words
                        .iter()
                        .any(|word| word == banned || word.starts_with(&format!("{banned}::")));
                    assert!(!named, "{}:{number} names {banned}", path.display());
                }
            }
        }
    }
}

#[test]
fn the_switch_does_not_know_how_a_link_marks_its_frames() {
    for path in sources(&root().join("vis/src/switch"))
        .iter()
        .filter(|path| !is_test(path))
    {
        for (number, line) in code(path) {
            for word in line.split(|c: char| !c.is_alphanumeric()) {
                let marks = ["VnTag", "ETag", "Svif", "Dvif", "svif", "dvif"];
                assert!(
                    !marks.contains(&word),
                    "{}:{number} says {word}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn unsafe_code_is_in_packet_io_only() {
    for (name, _) in ALLOWED {
        let source = root().join(name).join("src");
        if *name == "packet-io" || !source.exists() {
            continue;
        }
        for path in sources(&source) {
            for (number, line) in code(&path) {
                let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                assert!(
                    !words.any(|word| word == "unsafe"),
                    "{}:{number}",
                    path.display()
                );
            }
        }
    }
}
