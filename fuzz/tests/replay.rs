//! Replays the corpora, on stable Rust and without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

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

#[test]
fn every_target_survives_its_corpus() {
    for (name, run) in fuzz::TARGETS {
        let mut seeds = 0;
        for entry in fs::read_dir(folder("corpus").join(name)).unwrap() {
            let path = entry.unwrap().path();
            // Shown when the target panics.
            println!("{}", path.display());
            run(&fs::read(&path).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "corpus/{name} is empty");
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
    let manifest = fs::read_to_string(folder("Cargo.toml")).unwrap();
    for name in &targets {
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")),
            "no [[bin]] for {name} in fuzz/Cargo.toml"
        );
    }
}
