//! Tests that need privileges over a network namespace: the unit tests', and by path the ones in `tests`.

use packet_io::netns::{NetNs, NetNsError};
use rustix::thread::CapabilitySet;
use std::process::Command;

/// Set in the environment of the second run, so that there is no third.
const SECOND_RUN: &str = "PACKET_IO_TEST_IN_USER_NAMESPACE";

/// Runs `body` here, if this process may make namespaces; else runs this one test again as root of a user
/// namespace; else prints `skipped` with the reason.
pub(crate) fn privileged<F: FnOnce()>(body: F) {
    match NetNs::create() {
        Ok(_) => body(),
        Err(NetNsError::NotPermitted { .. }) if std::env::var_os(SECOND_RUN).is_none() => {
            again_in_user_namespace(&name_of(&body));
        }
        Err(error) => panic!("{error}"),
    }
}

/// `link::tests::some_rule` of a closure written in the test of that name.
fn name_of<F>(body: &F) -> String {
    let path = std::any::type_name_of_val(body);
    let path = path.strip_suffix("::{{closure}}").unwrap();
    path.split_once("::").unwrap().1.to_owned()
}

fn again_in_user_namespace(test: &str) {
    let unshare = || Command::new("unshare");
    match unshare().args(["-Urn", "true"]).status() {
        Ok(status) if status.success() => {}
        Ok(_) => return println!("skipped: no root, and user namespaces are not allowed here"),
        Err(error) => return println!("skipped: no root, and no `unshare`: {error}"),
    }
    let output = unshare()
        .arg("-Urn")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(SECOND_RUN, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "in a user namespace:\n{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // The harness writes the test's name, and then what the test says, on one line.
    if let Some((_, reason)) = said.split_once("skipped: ") {
        println!("skipped: {}", reason.lines().next().unwrap_or_default());
    }
}

/// Runs `body` on a thread that has all capabilities of this one but those.
pub(crate) fn without<T: Send>(dropped: CapabilitySet, body: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let mut sets = rustix::thread::capabilities(None).unwrap();
            sets.effective.remove(dropped);
            rustix::thread::set_capabilities(None, sets).unwrap();
            body()
        });
        thread.join().unwrap()
    })
}
