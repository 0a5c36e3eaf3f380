//! Man pages and completions, made from the command lines themselves, so that they are never stale.

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

/// The command line of a program.
pub(crate) fn command(program: &str) -> Command {
    let mut command = match program {
        "iv" => interface_virtualizer::args::Cli::command(),
        _ => vis::cli::args::Cli::command(),
    };
    command.build();
    command
}

/// A page for the command and for each of its subcommands, by name: `iv`, `iv-attach`.
pub(crate) fn pages(command: Command) -> Vec<(String, Vec<u8>)> {
    let mut pages = Vec::new();
    add_pages(&command, &mut pages);
    pages
}

fn add_pages(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = command.get_display_name().unwrap_or(command.get_name());
    let man = Man::new(command.clone())
        .title(name.to_uppercase())
        .section("8")
        .manual("Network Interface Virtualization");
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = man.render(&mut text);
    pages.push((name.to_owned(), text));
    for subcommand in command.get_subcommands() {
        add_pages(subcommand, pages);
    }
}

/// What completes the command in each shell, by where it is installed.
pub(crate) fn completions(command: Command) -> Vec<(String, Vec<u8>)> {
    let name = command.get_name().to_owned();
    let places = [
        (
            Shell::Bash,
            format!("usr/share/bash-completion/completions/{name}"),
        ),
        (
            Shell::Zsh,
            format!("usr/share/zsh/vendor-completions/_{name}"),
        ),
        (
            Shell::Fish,
            format!("usr/share/fish/vendor_completions.d/{name}.fish"),
        ),
    ];
    let of_shell = |(shell, path): (Shell, String)| {
        let mut text = Vec::new();
        generate(shell, &mut command.clone(), &name, &mut text);
        (path, text)
    };
    places.into_iter().map(of_shell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_that_names_its_options() {
        let pages = pages(command("iv"));
        let names: Vec<_> = pages.iter().map(|(name, _)| &**name).collect();
        for name in [
            "iv",
            "iv-run",
            "iv-attach",
            "iv-detach",
            "iv-show",
            "iv-doctor",
        ] {
            assert!(names.contains(&name), "{names:?}");
        }
        let (_, attach) = pages.iter().find(|(name, _)| name == "iv-attach").unwrap();
        let attach = String::from_utf8_lossy(attach);
        assert!(attach.contains("\\-\\-profile"), "{attach}");
        assert!(attach.contains("Exit status"), "{attach}");
    }

    #[test]
    fn completions_know_the_commands() {
        for (path, text) in completions(command("vis")) {
            let text = String::from_utf8_lossy(&text);
            assert!(text.contains("explain"), "{path}");
        }
    }
}
