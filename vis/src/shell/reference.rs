//! `docs/cli.md`: every command, from the command tree.

use crate::config::grammar::{Mode, PIPES};
use crate::config::tree::{Node, Token};
use policy::acl::Family;
use std::fmt::Write;

const HEAD: &str = "\
# The commands of `vis`

Made by `vis reference > docs/cli.md` from the command tree that reads them; a test fails when this file is stale.

Words may be shortened as long as they stay unique. `?` says what may stand where the cursor is, TAB completes a word.
A number may stand right behind its word: `veth1`. `no` in front takes a line away: below, `[no]` marks the commands
that take it as they stand, and `no ...` is a row of its own where less is enough. `!` or `#` begins a remark. Where several modes know a word, the
mode somebody is in has it first.

Lines typed after `configure terminal` are in force at once. Those after `configure candidate` (the prompt has a star)
are in force together, by `commit`; `commit confirmed SECONDS` takes itself back unless `commit` is said again.
";

/// The modes, in the order they are read.
const MODES: [(Mode, &str); 9] = [
    (Mode::Exec, "Outside the configuration"),
    (Mode::Config, "The switch as a whole"),
    (Mode::Vlan, "VLANs"),
    (Mode::AccessList(Family::Ipv4), "Access lists for IPv4"),
    (Mode::AccessList(Family::Ipv6), "Access lists for IPv6"),
    (Mode::AccessList(Family::Mac), "Access lists for frames"),
    (Mode::Profile, "Port profiles"),
    (Mode::Ethernet, "Ethernet interfaces"),
    (Mode::Veth, "vEths"),
];

/// The whole text.
pub fn reference() -> String {
    let mut out = HEAD.to_owned();
    for (mode, title) in MODES {
        let led = match mode {
            Mode::Exec => "`exit` from the configuration, or `end`".to_owned(),
            Mode::Config => "`configure terminal` or `configure candidate`".to_owned(),
            other => format!("`{}`", other.entered_by()),
        };
        // Writing to a string does not fail.
        let _ = write!(
            out,
            "\n## {title}\n\nPrompt `vis-1{}#`; {led} leads here.\n\n",
            mode.prompt()
        );
        table(&mut out, mode.commands());
    }
    out.push_str("\n## In every mode of the configuration, typed and never in a file\n\n");
    if let Some(within) = Mode::Config.typed().last() {
        let own = within
            .iter()
            .filter(|node| !matches!(node.label(), "do" | "show"));
        rows(&mut out, own);
        out.push_str("| `do COMMAND`, `show ...` | A command from outside the configuration |\n");
    }
    out.push_str("\n## Behind `show ... |`\n\n");
    table(&mut out, PIPES);
    out.push_str("\n## Values\n\n| value | what it is |\n| --- | --- |\n");
    let mut values: Vec<(&str, &str)> = Vec::new();
    for (mode, _) in MODES {
        for roots in mode.typed() {
            kinds(roots, &mut values);
        }
    }
    kinds(PIPES, &mut values);
    values.sort_unstable();
    values.dedup();
    for (placeholder, asked) in values {
        let _ = writeln!(out, "| `{placeholder}` | {asked} |");
    }
    out
}

fn table(out: &mut String, nodes: &'static [Node]) {
    rows(out, nodes.iter());
}

fn rows(out: &mut String, nodes: impl Iterator<Item = &'static Node>) {
    out.push_str("| command | what it does |\n| --- | --- |\n");
    for node in nodes {
        walk(out, node, "", "");
    }
}

/// A row for each place where a line may end.
fn walk(out: &mut String, node: &'static Node, before: &str, help: &str) {
    let line = if before.is_empty() {
        node.label().to_owned()
    } else {
        format!("{before} {}", node.label())
    };
    // A value's own words say little without those of the word before it.
    let help = match node.token {
        Token::Value(_) => format!("{help}: {}", lower(node.help)),
        Token::Word(_) => node.help.to_owned(),
    };
    if node.line.is_some() {
        let no = if node.no.is_some() { "[no] " } else { "" };
        let _ = writeln!(
            out,
            "| `{no}{}` | {} |",
            line.replace('|', "\\|"),
            help.replace('|', "\\|")
        );
    } else if node.no.is_some() {
        let _ = writeln!(out, "| `no {line}` | Take it away |");
    }
    for next in node.next {
        walk(out, next, &line, &help);
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

fn kinds(nodes: &'static [Node], found: &mut Vec<(&'static str, &'static str)>) {
    for node in nodes {
        if let Token::Value(kind) = node.token {
            found.push((kind.placeholder(), kind.asked()));
        }
        kinds(node.next, found);
    }
}
