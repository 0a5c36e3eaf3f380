//! Where a lab's file comes from: a path, or this program, which has some of its own.

use crate::error::{Doing, LabError, Result};
use ::topology::{HostName, MAX_FILE, Topology};
use std::fs::File;
use std::io::Read;
use std::path::Path;

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// Labs by name, with the text of their files.
        pub(crate) const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../labs/", $name, ".toml")))),+];
    };
}

shipped![
    "two-boxes",
    "top-of-rack",
    "end-of-row",
    "blade",
    "bare-rack",
    "virtualised-rack",
    "bare-blades",
    "virtualised-blades",
    "boxes",
];

/// A lab's file, read and found good.
#[derive(Debug)]
pub(crate) struct Source {
    /// What the lab is called if nobody calls it something else.
    pub(crate) name: HostName,
    /// The file's text.
    pub(crate) text: String,
    /// What it says.
    pub(crate) topology: Topology,
}

impl Source {
    /// Of a lab that comes with this program, or of a file. What contains a slash or ends in `.toml` is a file.
    ///
    /// # Errors
    /// There is no such lab or file, it cannot be read, or it is wrong: then with line and column.
    pub(crate) fn find(what: &str, called: Option<&HostName>) -> Result<Self> {
        let is_file = what.contains('/') || what.ends_with(".toml");
        let (text, own_name) = if is_file {
            let path = Path::new(what);
            (read(path)?, path.file_stem().unwrap_or_default())
        } else {
            (shipped(what)?.to_owned(), what.as_ref())
        };
        let topology = parse(what, &text)?;
        let own_name = own_name.to_string_lossy();
        let name = match called {
            Some(called) => called.clone(),
            None => own_name.parse().map_err(|error| {
                LabError::Held(format!(
                    "{error}; say what the lab is called: `--name NAME`"
                ))
            })?,
        };
        Ok(Self {
            name,
            text,
            topology,
        })
    }
}

/// The lab of that text.
///
/// # Errors
/// With file, line and column.
pub(crate) fn parse(file: &str, text: &str) -> Result<Topology> {
    topology::parse(text).map_err(|fault| LabError::File {
        file: file.to_owned(),
        fault,
    })
}

fn shipped(name: &str) -> Result<&'static str> {
    let found = SHIPPED.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text).ok_or_else(|| {
        let known: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
        LabError::Unknown {
            kind: "lab (a file ends in `.toml`, or its path has a slash)",
            name: name.to_owned(),
            known: known.join(" "),
        }
    })
}

fn read(path: &Path) -> Result<String> {
    let doing = || format!("read {}", path.display());
    // One octet more than is taken: enough to see that it is too long, whatever kind of file it is.
    let mut file = File::open(path).doing(doing())?.take(MAX_FILE as u64 + 1);
    let mut text = String::new();
    file.read_to_string(&mut text).doing(doing())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lab_that_is_shipped_is_good_and_promises_something() {
        for (name, text) in SHIPPED {
            let source = Source::find(name, None).unwrap();
            assert_eq!((source.name.as_str(), &*source.text), (*name, *text));
            assert!(!source.topology.about.is_empty(), "{name}");
            let questions = source.topology.questions();
            for answered in [true, false] {
                let some = questions.iter().any(|ask| ask.answered == answered);
                assert!(some || *name == "boxes", "{name}: {answered}");
            }
        }
    }

    #[test]
    fn what_is_no_lab_is_told_which_there_are() {
        let said = Source::find("two-boxen", None).unwrap_err().to_string();
        assert!(said.contains("two-boxes top-of-rack end-of-row"), "{said}");
        let said = Source::find("./no.toml", None).unwrap_err().to_string();
        assert_eq!(said, "cannot read ./no.toml");
    }
}
