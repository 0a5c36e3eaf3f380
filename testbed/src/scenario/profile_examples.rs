//! The examples of docs/profiles, typed into a running switch as they stand there.

use super::shell::Typist;
use crate::binaries::{Binaries, workspace};
use crate::error::{Doing, Result, check};
use crate::lab::Lab;
use crate::report::Report;
use std::fs;
use std::path::PathBuf;

/// A NIV port, three vEths on it and two plain ports: what the examples speak of.
const VIS: &str = "\
interface ethernet 1
  switchport mode vntag
  device niv1
interface ethernet 2
  device p2
interface ethernet 3
  device p3
interface veth 1
  bind interface ethernet 1 channel 1
interface veth 2
  bind interface ethernet 1 channel 2
interface veth 3
  bind interface ethernet 1 channel 3
";

/// What is typed outside configuration.
const LOOKING: [&str; 3] = ["show", "clear", "explain"];

/// The blocks of a document that are no output: those without a language.
fn examples(document: &str) -> Vec<String> {
    let mut examples = Vec::new();
    let mut block: Option<(bool, String)> = None;
    for line in document.lines() {
        match &mut block {
            None => {
                if let Some(language) = line.strip_prefix("```") {
                    block = Some((language.is_empty(), String::new()));
                }
            }
            Some((is_example, text)) if line == "```" => {
                if *is_example && !is_output(text) {
                    examples.push(std::mem::take(text));
                }
                block = None;
            }
            Some((_, text)) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    examples
}

/// An answer starts with a capital or a rule; no command does.
fn is_output(text: &str) -> bool {
    text.starts_with(|first: char| first.is_uppercase() || first == '-')
}

/// An example that says nothing of where it is typed belongs below `configure terminal`.
fn typed(example: &str) -> String {
    let first = example.split_whitespace().next().unwrap_or_default();
    if first == "configure" || LOOKING.contains(&first) {
        example.to_owned()
    } else {
        format!("configure terminal\n{example}")
    }
}

fn documents() -> Result<Vec<PathBuf>> {
    let folder = workspace().join("docs/profiles");
    let doing = || format!("read {}", folder.display());
    let files = fs::read_dir(&folder).doing(doing())?;
    let mut paths = files
        .map(|file| Ok(file.doing(doing())?.path()))
        .collect::<Result<Vec<_>>>()?;
    paths.sort();
    paths.push(workspace().join("docs/profiles.md"));
    Ok(paths)
}

/// Each document on a switch of its own: no line is refused, and what it comes to is a configuration that can be read.
pub(super) fn profile_examples(binaries: &Binaries, report: &Report) -> Result<()> {
    let documents = documents()?;
    check(documents.len() >= 5, || {
        format!("there is only {documents:?}")
    })?;
    let mut lab = Lab::new(binaries);
    for (path, number) in documents.into_iter().zip(1..) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(&path).doing(format!("read {}", path.display()))?;
        let examples = examples(&text);
        check(!examples.is_empty(), || format!("{name} has no example"))?;
        let switch = format!("vis{number}");
        lab.add_host(&switch)?;
        for port in ["niv1", "p2", "p3"] {
            let neighbour = format!("{port}of{number}");
            lab.add_host(&neighbour)?;
            lab.cable((&neighbour, "eth0"), (&switch, port))?;
        }
        lab.start(&switch, "vis", VIS)?;
        let typist = Typist::of(binaries, lab.daemon(&switch)?.socket());
        for example in &examples {
            let said = typist.shell(&typed(example))?;
            check(said.done, || {
                format!(
                    "{name}:\n{example}\nis answered with\n{}{}",
                    said.out, said.err
                )
            })?;
        }
        let running = typist.exec(&["show running-config"])?;
        let again = typist.shell(&format!("configure terminal\n{}", running.out))?;
        check(again.done, || {
            format!("what {name} comes to is refused: {}", again.err)
        })?;
        let conserved = typist.exec(&["show conservation"])?;
        check(conserved.done, || conserved.err.clone())?;
        report.figure(&format!("{name}, examples typed"), examples.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_typed_is_an_example() {
        let document = "# A\n```\nvlan 10\n```\n```text\nvlan 20\n```\n```\nVLAN Name\n```\n```\nshow vlan\n```\n";
        assert_eq!(examples(document), ["vlan 10\n", "show vlan\n"]);
    }

    #[test]
    fn configuration_is_typed_where_configuration_is() {
        assert_eq!(typed("vlan 10\n"), "configure terminal\nvlan 10\n");
        assert_eq!(typed("show vlan\n"), "show vlan\n");
        assert_eq!(typed("configure\nvlan 10\n"), "configure\nvlan 10\n");
    }
}
