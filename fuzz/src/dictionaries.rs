//! Words for the fuzzer, one file for each target that reads text or messages: `dictionaries/<target>.dict`. Those that
//! follow from the code are made from it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use vic::message::Kind;
use vis::config::grammar::Mode;
use vis::config::tree::{Node, Token};

/// The file of `target`.
pub fn file(target: &str) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.join("dictionaries").join(format!("{target}.dict"))
}

/// Targets with a dictionary that follows from the code, and its text.
pub fn made() -> Vec<(&'static str, String)> {
    let messages = messages();
    vec![
        ("configuration", configuration()),
        ("vic_message", messages.clone()),
        ("vic_session", messages),
    ]
}

/// Every keyword of the switch's configuration.
fn configuration() -> String {
    let modes = Mode::CONFIGURATION;
    let mut words = BTreeSet::from(["no"]);
    let mut nodes: Vec<&Node> = modes.iter().flat_map(|mode| mode.commands()).collect();
    while let Some(node) = nodes.pop() {
        if let Token::Word(word) = node.token {
            words.insert(word);
        }
        nodes.extend(node.next);
    }
    let words = words.into_iter().map(|word| format!("\"{word} \"\n"));
    let more = [
        "\"\\x0A\"\n",
        "\"\\x0A  \"\n",
        "\"1-4094\"\n",
        "\"10,20-30\"\n",
        "\"any \"\n",
        "\"tcp \"\n",
        "\"eq 80 \"\n",
        "\"host 10.0.0.1 \"\n",
        "\"2001:db8::/32 \"\n",
        "\"log\"\n",
    ];
    words.chain(more.map(str::to_owned)).collect()
}

/// Headers of messages: kind, role, and the first octet of a short length.
fn messages() -> String {
    let mut text = String::new();
    for kind in Kind::ALL {
        for role in 0..3 {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\"\\x{:02X}\\x{role:02X}\\x00\"", *kind as u8);
        }
    }
    text
}
