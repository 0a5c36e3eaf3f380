//! Tests that did not run, and which of them may.

use std::process::{Command, Stdio};

/// The skips that are no failure, and under which circumstances.
const ALLOWED: &str = include_str!("../allowed-skips.txt");

/// One test that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Skip {
    /// `program::path::test`, or `scenario::NAME`.
    pub(crate) name: String,
    /// What was missing.
    pub(crate) reason: String,
}

/// The circumstances under which a skip may be allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Nobody has seen to the judges.
    without_setup: bool,
    /// A plain user.
    without_root: bool,
    /// A plain user whom the kernel gives no namespaces either.
    without_namespaces: bool,
}

impl Circumstances {
    /// Those of this run.
    pub(crate) fn here(with_setup: bool) -> Self {
        let without_root = !rustix::process::geteuid().is_root();
        Self {
            without_setup: !with_setup,
            without_root,
            without_namespaces: without_root && !user_namespaces_are_allowed(),
        }
    }

    /// Whether the committed list allows a skip.
    pub(crate) fn allow(self, skip: &Skip) -> bool {
        is_allowed(&skip.name, self, ALLOWED)
    }
}

/// Asked of the program that tests use to get theirs: the lab's own way cannot be tried and undone.
fn user_namespaces_are_allowed() -> bool {
    Command::new("unshare")
        .args(["-Urn", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether `list` allows a skip. Its lines: a name (`*` at its end stands for anything), then one or more
/// circumstances with commas: one that holds is enough.
fn is_allowed(name: &str, now: Circumstances, list: &str) -> bool {
    entries(list)
        .filter(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *pattern,
        })
        .flat_map(|(_, when)| when.split(','))
        .any(|when| match when.trim() {
            "without-setup" => now.without_setup,
            "without-root" => now.without_root,
            "without-namespaces" => now.without_namespaces,
            _ => false,
        })
}

fn entries(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::SCENARIOS;
    use std::fs;
    use std::path::Path;

    const NOTHING_MISSING: Circumstances = Circumstances {
        without_setup: false,
        without_root: false,
        without_namespaces: false,
    };

    #[test]
    fn only_listed_skips_are_allowed_and_only_when_something_is_missing() {
        let list = "# comment\njudge-x  without-setup\npart::*  without-root, without-setup\n\
                    net::*  without-namespaces\n";
        let without_setup = Circumstances {
            without_setup: true,
            ..NOTHING_MISSING
        };
        let without_root = Circumstances {
            without_root: true,
            ..NOTHING_MISSING
        };
        let without_namespaces = Circumstances {
            without_namespaces: true,
            ..without_root
        };
        assert!(is_allowed("judge-x", without_setup, list));
        assert!(!is_allowed("judge-x", without_root, list));
        assert!(is_allowed("part::some_test", without_root, list));
        assert!(!is_allowed("other", without_setup, list));
        assert!(!is_allowed("net::some_test", without_root, list));
        assert!(is_allowed("net::some_test", without_namespaces, list));
        for name in ["judge-x", "part::some_test", "net::some_test", "other"] {
            assert!(!is_allowed(name, NOTHING_MISSING, list));
        }
    }

    #[test]
    fn every_line_of_the_committed_list_says_when_it_holds() {
        let written = ALLOWED.lines().filter(|l| !l.trim().is_empty());
        let lines = written.filter(|l| !l.starts_with('#')).count();
        assert_eq!(entries(ALLOWED).count(), lines);
        let known = ["without-setup", "without-root", "without-namespaces"];
        for (name, when) in entries(ALLOWED) {
            let mut all = when.split(',').map(str::trim);
            assert!(all.all(|when| known.contains(&when)), "{name}");
        }
    }

    /// A test that was renamed must not leave its permission behind.
    #[test]
    fn every_name_of_the_committed_list_is_there() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        for (name, _) in entries(ALLOWED) {
            let (program, rest) = name.split_once("::").unwrap();
            let rest = rest.trim_end_matches('*').trim_end_matches("::");
            if program == "scenario" {
                let found = SCENARIOS.iter().any(|s| rest.is_empty() || s.name == rest);
                assert!(found, "{name}");
                continue;
            }
            // Tests are in `tests/PROGRAM.rs` of a crate, or in a module of the crate that is the program.
            let member = root.join(program.replace('_', "-")).join("src");
            let own = fs::read_dir(root).unwrap().flatten();
            let own = own.map(|entry| entry.path().join(format!("tests/{program}.rs")));
            let file = own.into_iter().find(|file| file.exists());
            let found = match file {
                Some(file) => {
                    let text = fs::read_to_string(file).unwrap();
                    rest.is_empty() || text.contains(&format!("fn {rest}("))
                }
                None => member.join(rest).with_extension("rs").exists(),
            };
            assert!(found, "{name}");
        }
    }
}
