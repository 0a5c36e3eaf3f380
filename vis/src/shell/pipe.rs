//! What becomes of an answer behind `|`.

use crate::config::Pipe;
use crate::control::Format;

/// How the answer is to be written for these pipes.
pub fn format(pipes: &[Pipe]) -> Format {
    if pipes.contains(&Pipe::Json) {
        Format::Json
    } else {
        Format::Text
    }
}

/// Passes `text` through the pipes.
///
/// # Errors
/// A pattern that cannot be used.
pub fn pass(pipes: &[Pipe], text: String) -> Result<String, regex::Error> {
    pipes.iter().try_fold(text, |text, pipe| {
        Ok(match pipe {
            Pipe::Json => text,
            Pipe::Count => format!("{}\n", text.lines().count()),
            Pipe::Include(pattern) => {
                let pattern = pattern.compile()?;
                lines(text.lines().filter(|line| pattern.is_match(line)))
            }
            Pipe::Exclude(pattern) => {
                let pattern = pattern.compile()?;
                lines(text.lines().filter(|line| !pattern.is_match(line)))
            }
            Pipe::Begin(pattern) => {
                let pattern = pattern.compile()?;
                lines(text.lines().skip_while(|line| !pattern.is_match(line)))
            }
        })
    })
}

fn lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pipe_does_what_it_is_called() {
        let text = "one\ntwo\nthree\nfour\n";
        for (pipe, left) in [
            (Pipe::Include("^t".parse().unwrap()), "two\nthree\n"),
            (Pipe::Include("\"^t\"".parse().unwrap()), "two\nthree\n"),
            (Pipe::Exclude("o".parse().unwrap()), "three\n"),
            (Pipe::Begin("two|x".parse().unwrap()), "two\nthree\nfour\n"),
            (Pipe::Count, "4\n"),
            (Pipe::Json, text),
        ] {
            assert_eq!(pass(&[pipe], text.to_owned()).unwrap(), left);
        }
        let both = [Pipe::Include("o".parse().unwrap()), Pipe::Count];
        assert_eq!(pass(&both, text.to_owned()).unwrap(), "3\n");
    }
}
