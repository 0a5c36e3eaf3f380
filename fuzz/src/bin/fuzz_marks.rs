//! What a target reaches: `fuzz_marks TARGET FOLDER...` runs it on every file in the folders, prints the marks of its
//! floor that were not reached and how many were. `--write` makes what was reached the floor. `--add` copies inputs
//! that reach something new to the first folder, smallest first, and then does the same. `--dictionaries` writes those
//! dictionaries that follow from the code.

use fuzz::{Floor, TARGETS, dictionaries, marks};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let is_asked = |flag: &str| words.iter().any(|word| word == flag);
    if is_asked("--dictionaries") {
        for (target, text) in dictionaries::made() {
            fs::write(dictionaries::file(target), text)?;
        }
        return Ok(());
    }
    let mut others = words.iter().filter(|word| !word.starts_with("--"));
    let name = others.next().ok_or("name a target")?;
    let known = TARGETS.iter().find(|(known, _)| known == name);
    let &(name, run) = known.ok_or_else(|| format!("there is no target {name}"))?;
    let mut reached: BTreeSet<String> = BTreeSet::new();
    let mut first: Option<&Path> = None;
    for folder in others {
        let corpus = *first.get_or_insert(Path::new(folder));
        let mut inputs = Vec::new();
        for entry in fs::read_dir(folder)? {
            inputs.push(fs::read(entry?.path())?);
        }
        inputs.sort_by_key(Vec::len);
        for octets in inputs {
            let here = marks(|| run(&octets));
            let new = here.difference(&reached).next();
            if let (true, Some(new)) = (is_asked("--add"), new)
                && Path::new(folder) != corpus
            {
                println!("{name}: {new}");
                fs::write(corpus.join(file_name(new)), &octets)?;
            }
            reached.extend(here);
        }
    }
    let file = Floor::file(name);
    let mut floor = Floor::parse(&fs::read_to_string(&file).unwrap_or_default());
    if is_asked("--write") || is_asked("--add") {
        floor.reached = reached.clone();
        fs::write(&file, floor.to_text())?;
    }
    let floor = floor.reached;
    for mark in floor.difference(&reached) {
        println!("not reached: {mark}");
    }
    for mark in reached.difference(&floor) {
        println!("new: {mark}");
    }
    println!(
        "{} of {}",
        floor.intersection(&reached).count(),
        floor.len()
    );
    Ok(())
}

/// After what it reaches.
fn file_name(mark: &str) -> String {
    let plain = mark.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    format!("reaches_{}", plain.to_lowercase())
}
