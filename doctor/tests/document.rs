//! `docs/doctor.md` has the table that the rules are.

#![allow(
    clippy::unwrap_used,
    reason = "functions of a test fail it as its body does"
)]

use doctor::Rule;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

const BEGIN: &str = "<!-- rules -->\n";
const END: &str = "<!-- end of rules -->";

fn table() -> String {
    let mut table =
        String::from("| rule | where it is not so | what should be so |\n| --- | --- | --- |\n");
    for rule in Rule::ALL {
        let severity = rule.severity().as_str();
        writeln!(
            table,
            "| `{}` | {severity} | {} |",
            rule.name(),
            rule.what()
        )
        .unwrap();
    }
    table
}

/// With `NIV_WRITE_DOCUMENTS` set it is written anew.
#[test]
fn the_document_lists_every_rule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/doctor.md");
    let text = fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (written, after) = rest.split_once(END).unwrap();
    if std::env::var_os("NIV_WRITE_DOCUMENTS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
        return;
    }
    assert_eq!(
        written,
        table(),
        "`NIV_WRITE_DOCUMENTS=1 cargo test -p doctor` writes it anew"
    );
}
