//! The modules that every frame goes through name no lock, no clock, no channel, no thread and no log (design.md section
//! 4.2). That they neither allocate nor call the kernel is counted: benches/tests.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "functions of a test fail it as its body does"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// Files, and folders with all that is in them. A module that frames go through is to be added here.
const PER_FRAME: &[&str] = &[
    "vntag/src",
    "niv/src",
    "policy/src",
    "interface-virtualizer/src/core",
    "interface-virtualizer/src/daemon/forward.rs",
    "vis/src/switch",
    "vis/src/edge",
    "vis/src/daemon/forward.rs",
    "vis/src/store/blocks.rs",
    "packet-io/src/afpacket/receive.rs",
    "packet-io/src/afpacket/ring.rs",
    "packet-io/src/afpacket/transmit.rs",
    "packet-io/src/dispatch.rs",
    "packet-io/src/long.rs",
    "packet-io/src/offload",
    "packet-io/src/offload.rs",
    "packet-io/src/poll.rs",
    "packet-io/src/port.rs",
    "packet-io/src/tap/port.rs",
    "packet-io/src/worker.rs",
];

const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "a lock",
        &[
            "Mutex",
            "RwLock",
            "Condvar",
            "Barrier",
            "LazyLock",
            "OnceLock",
            "parking_lot",
        ],
    ),
    ("a channel", &["mpsc", "crossbeam", "UnboundedSender"]),
    ("a clock", &["Instant", "SystemTime", "clock_gettime"]),
    (
        "a log",
        &[
            "tracing",
            "log::",
            "println!",
            "eprintln!",
            "print!",
            "dbg!",
        ],
    ),
    ("a thread", &["thread", "tokio"]),
];

/// Of a file, a word that may stand in it, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "packet-io/src/worker.rs",
        "Instant",
        "read once a round, for all its frames",
    ),
    ("packet-io/src/worker.rs", "thread", "started here"),
    ("packet-io/src/worker.rs", "tracing", "when the thread ends"),
    (
        "vis/src/daemon/forward.rs",
        "Instant",
        "handed over once a round",
    ),
    (
        "interface-virtualizer/src/daemon/forward.rs",
        "Instant",
        "handed over once a round",
    ),
    (
        "interface-virtualizer/src/daemon/forward.rs",
        "mpsc",
        "control frames go to control by it: some a second, as many as are let through",
    ),
    (
        "interface-virtualizer/src/daemon/forward.rs",
        "tokio",
        "the same",
    ),
    (
        "interface-virtualizer/src/daemon/forward.rs",
        "UnboundedSender",
        "the same",
    ),
];

/// Each forbidden word: where it stands, and what it is.
fn faults(file: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let before_tests = |line: &&str| !line.starts_with("#[cfg(test)]");
    for (number, line) in (1..).zip(text.lines().take_while(before_tests)) {
        let code = line.split("//").next().unwrap_or_default();
        let words: Vec<&str> = code
            .split(|c: char| !(c.is_alphanumeric() || "_!".contains(c)))
            .collect();
        for (what, names) in FORBIDDEN {
            for name in *names {
                let excused = EXCEPTIONS
                    .iter()
                    .any(|(of, word, _)| of == &file && word == name);
                let there = match name.split_once("::") {
                    Some(_) => code.contains(name),
                    None => words.contains(name),
                };
                if there && !excused {
                    found.push(format!("{file}:{number} names {what}: {name}"));
                }
            }
        }
    }
    found
}

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
    let entries = fs::read_dir(under).unwrap_or_else(|_| panic!("{} has gone", under.display()));
    let mut found: Vec<_> = entries
        .flat_map(|entry| sources(&entry.unwrap().path()))
        .collect();
    found.retain(|path| {
        let name = path.file_stem().unwrap().to_string_lossy();
        path.extension().is_some_and(|end| end == "rs")
            && name != "tests"
            && !name.ends_with("_tests")
    });
    found
}

#[test]
fn no_module_that_frames_go_through_names_a_lock_or_a_clock() {
    let root = root();
    let mut found = Vec::new();
    for place in PER_FRAME {
        for path in sources(&root.join(place)) {
            let file = path
                .strip_prefix(&root)
                .unwrap()
                .to_string_lossy()
                .into_owned();
            found.extend(faults(&file, &fs::read_to_string(&path).unwrap()));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// An exception for what has gone would let it in again.
#[test]
fn every_exception_is_needed() {
    for (file, word, _) in EXCEPTIONS {
        let text = fs::read_to_string(root().join(file)).unwrap();
        assert!(text.contains(word), "{file} does not name {word} any more");
    }
}

#[test]
fn what_is_forbidden_is_found_where_it_stands() {
    let text = "// a Mutex\nuse std::sync::Mutex;\nlet now = Instant::now();\nlet instants = 1;\n#[cfg(test)]\nuse std::time::Instant;\n";
    assert_eq!(
        faults("vis/src/switch/table.rs", text),
        [
            "vis/src/switch/table.rs:2 names a lock: Mutex",
            "vis/src/switch/table.rs:3 names a clock: Instant"
        ]
    );
    assert_eq!(faults("packet-io/src/worker.rs", text).len(), 1);
}
