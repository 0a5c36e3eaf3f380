//! Replays the corpora, on stable Rust and without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use fuzz::{Floor, dictionaries, marks};
use niv::DropReason;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The names in a folder, without extensions.
fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

/// Inputs that are refused at the door are no test of what is behind it.
#[test]
fn every_target_survives_its_corpus_and_reaches_all_that_its_floor_says() {
    let mut missing = Vec::new();
    for (name, run) in fuzz::TARGETS {
        let mut seeds = 0;
        let mut reached = BTreeSet::new();
        for entry in fs::read_dir(folder("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Shown when the target panics.
            println!("{}", path.display());
            let octets = fs::read(&path).unwrap();
            reached.append(&mut marks(|| run(&octets)));
            seeds += 1;
        }
        assert!(seeds > 0, "corpus/{name} is empty");
        let floor = floor(name);
        assert!(!floor.reached.is_empty(), "floors/{name} asks for nothing");
        let lost = floor.reached.difference(&reached);
        missing.extend(lost.map(|mark| format!("{name}: {mark}")));
        for (mark, _) in &floor.out_of_reach {
            assert!(
                !reached.contains(mark),
                "{name}: {mark} is in reach after all"
            );
        }
    }
    assert!(
        missing.is_empty(),
        "the corpus does not reach: {missing:#?}; add inputs that do, or say in fuzz/floors why none can"
    );
}

fn floor(target: &str) -> Floor {
    let file = Floor::file(target);
    Floor::parse(&fs::read_to_string(&file).unwrap_or_else(|_| panic!("{}", file.display())))
}

/// What is known by a list in the code is in the floors, whole.
#[test]
fn no_drop_reason_and_no_kind_of_message_is_forgotten() {
    let said = |target: &str| {
        let floor = floor(target);
        let out = floor.out_of_reach.into_iter();
        &floor.reached | &out.map(|(mark, _)| mark).collect()
    };
    let data_path = &said("iv_core") | &said("vis_pipeline");
    for reason in DropReason::ALL {
        assert!(data_path.contains(&format!("drop {reason}")), "{reason}");
    }
    let messages = said("vic_message");
    for kind in vic::message::Kind::ALL {
        for role in ["Request", "Refusal"] {
            let mark = format!("{role} {kind:?}");
            assert!(messages.contains(&mark), "{mark}");
        }
    }
}

#[test]
fn dictionaries_say_what_the_code_does() {
    for (target, text) in dictionaries::made() {
        assert!(
            fs::read_to_string(dictionaries::file(target)).unwrap() == text,
            "dictionaries/{target}.dict is old: `cargo run -p fuzz --bin fuzz_marks -- --dictionaries`"
        );
    }
}

/// A target that is missing in one of the places that name it would silently not be fuzzed.
#[test]
fn every_target_has_a_corpus_an_entry_point_and_a_binary() {
    let targets: BTreeSet<_> = fuzz::TARGETS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(names(&folder("corpus")), targets);
    assert_eq!(names(&folder("fuzz_targets")), targets);
    assert_eq!(names(&folder("floors")), targets);
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")),
            "no [[bin]] for {name} in fuzz/Cargo.toml"
        );
    }
}
