//! A user whom the kernel gives no namespaces.

use std::path::Path;
use std::process::{Command, Output};

/// Two user namespaces, one in the other; the outer one may hold one only, so that the lab's own is one too
/// many. The inner one maps the user to one who is not root.
const FORBIDDING: &str = "echo 1 >/proc/sys/user/max_user_namespaces && \
     exec unshare --user --map-user=1000 --map-group=1000 -- \"$@\"";

/// `testbed ARGUMENTS` where there are no namespaces. `None`, having said why, where that cannot be had.
fn forbidden(arguments: &[&str]) -> Option<Output> {
    let testbed = env!("CARGO_BIN_EXE_testbed");
    // `iv` and `vis` are not built for this: it never comes to them.
    let folder = Path::new(testbed).parent()?.to_str()?;
    let probe = Command::new("unshare").args(["-Ur", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        println!("skipped: this kernel forbids them to everybody, or there is no `unshare`");
        return None;
    }
    let output = Command::new("unshare")
        .args(["-Ur", "--", "sh", "-c", FORBIDDING, "sh", testbed])
        .args(["--built", folder])
        .args(arguments)
        .output();
    output.ok()
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn a_kernel_that_forbids_namespaces_is_named_in_one_sentence_with_what_mends_it() {
    let Some(output) = forbidden(&["demo"]) else {
        return;
    };
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let sentences: Vec<_> = said.lines().filter(|l| l.starts_with("error: ")).collect();
    let [sentence] = sentences[..] else {
        panic!("one sentence, not: {said}");
    };
    for part in [
        "this kernel gives a plain user no namespaces",
        "run it as root",
        "`sysctl -w user.max_user_namespaces=10000`",
    ] {
        assert!(sentence.contains(part), "{part}: {said}");
    }
    assert!(
        said.lines().count() <= 2,
        "the sentence and its cause: {said}"
    );
    assert_eq!(text(&output.stdout), "", "nothing was begun");
}

#[test]
fn a_scenario_that_gets_no_namespaces_is_skipped_and_says_why() {
    let Some(output) = forbidden(&["scenario", "ping-matrix"]) else {
        return;
    };
    // 77, as automake has it.
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    let said = text(&output.stdout);
    assert!(said.starts_with("skipped: this kernel gives"), "{said}");
}
